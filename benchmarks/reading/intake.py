"""A process that takes an inbox through bronze and silver, as a run does, and says what became of every file.

`python -m benchmarks.reading.intake HOME INBOX`; no database and no embedding.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

from assets.bronze.contract import CONTENT, SOURCE_FILES
from assets.bronze.ingest import ingest_source
from assets.contract import SOURCES
from assets.silver.contract import DOCUMENTS, QUARANTINE
from assets.silver.refine import refine_partition
from checks.referential import blocks_inside_text, every_file_accounted
from pipelines.settings import PipelineSettings
from pipelines.stores import build_stores


def main() -> int:
    """Take in, read, check; the answer is one JSON object on the standard output."""
    home, inbox = map(Path, sys.argv[1:3])
    stores = build_stores(PipelineSettings.load(home=home, inbox=inbox))
    answer: dict[str, Any] = {"errors": [], "files": {}, "seconds": {}, "broken": []}
    for source in SOURCES:
        began = time.perf_counter()
        try:
            ingest_source(stores, source)
            refined = refine_partition(stores, stores.today, source)
            stores.lake.replace(DOCUMENTS, stores.today, source, refined.documents)
            stores.lake.replace(QUARANTINE, stores.today, source, refined.quarantine)
        except Exception as error:  # noqa: BLE001  # that a run ends is what is measured
            answer["errors"].append(f"{source}: {type(error).__name__}")
            continue
        answer["seconds"][source] = time.perf_counter() - began
        partition = [(stores.today, source)]
        log = stores.lake.read(
            SOURCE_FILES, ["date", "source", "document_id", "event", "path", "kind"], partitions=partition
        )
        documents = stores.lake.read(DOCUMENTS, partitions=partition)
        quarantine = stores.lake.read(QUARANTINE, partitions=partition)
        for report in (every_file_accounted(log, documents, quarantine), blocks_inside_text(documents)):
            answer["broken"] += [failure.rule for failure in report.failures]
        for row in documents.select(["path", "reader"]).to_pylist():
            answer["files"].setdefault(row["path"], {"state": "read", "reader": row["reader"]})
        for row in quarantine.select(["path", "part", "reason", "detail", "reader"]).to_pylist():
            if row.pop("part") is None:
                answer["files"][row["path"]] = {"state": "refused", **row}
        answer.setdefault("received", []).extend(row["path"] for row in log.to_pylist() if row["kind"] == CONTENT)
    stores.sandbox.close()
    print(json.dumps(answer))
    return 0


if __name__ == "__main__":
    sys.exit(main())
