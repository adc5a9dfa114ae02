"""How well documents that attack are told from those that only look like it: precision, recall, false alarms, speed.

`--data` takes a folder with labelled texts: `.jsonl` or `.json` files of objects with `text` or `prompt` and `label`
(1: attack). A file of objects without labels holds harmless texts only, such as NotInject. Sentences of ordinary posts
and transcripts, which must hardly ever be flagged, come from the folders `blogs` and `podcasts` beside it.
"""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assets.gold.sentences import sentences
from assets.silver.process import process
from assets.silver.refusal import RefusedError
from benchmarks.report import CORPUS, Measures, parse

KEY = b"benchmark"
ORDINARY = ("blogs", "podcasts")


@dataclass(frozen=True)
class Labelled:
    """A text and whether it attacks; `origin` is the file it is from."""

    text: str
    attack: bool
    origin: str
    labelled: bool


def main() -> int:
    """Screen everything and report."""
    arguments = parse(__doc__ or "", CORPUS / "prompt_injection")
    measures = Measures()
    texts = list(read(arguments.data))
    if arguments.quick:
        texts = texts[::4]
    found: Counter[tuple[bool, bool]] = Counter()
    by_file: dict[str, Counter[tuple[bool, bool]]] = {}
    harmless = flagged = 0
    for item in texts:
        hit = is_flagged(item.text)
        found[item.attack, hit] += 1
        by_file.setdefault(item.origin, Counter())[item.attack, hit] += 1
        if not item.labelled:
            harmless += 1
            flagged += hit
    quarantined = sum(is_refused(item.text) for item in texts if not item.labelled)
    measures.add("texts", len(texts), "texts")
    measures.add("attacks", found[True, True] + found[True, False], "texts")
    precision, recall = rates(found)
    measures.add("precision", precision, "share", 0.95, "high")
    measures.add("recall", recall, "share", 0.35, "high")
    if harmless:
        measures.add("notinject_flagged", flagged / harmless, "share", 0.10)
        measures.add("notinject_quarantined", quarantined, "texts", 0)
    for origin, counts in sorted(by_file.items()):
        if counts[True, True] + counts[True, False]:
            measures.notes[origin] = dict(zip(("precision", "recall"), rates(counts), strict=True))
    ordinary(measures, arguments.data, step=8 if arguments.quick else 1)
    return measures.finish(arguments)


def read(folder: Path) -> Iterator[Labelled]:
    """All texts of a folder, in order of file name and place."""
    for path in sorted(folder.rglob("*.json*")):
        lines = path.read_text(encoding="utf-8")
        items: Any = (
            [json.loads(line) for line in lines.splitlines() if line.strip()]
            if path.suffix == ".jsonl"
            else json.loads(lines)
        )
        for item in items if isinstance(items, list) else []:
            text = item.get("text", item.get("prompt"))
            if isinstance(text, str) and text.strip():
                yield Labelled(text, str(item.get("label", 0)) in {"1", "True", "true"}, path.name, "label" in item)


def is_flagged(text: str) -> bool:
    """Whether the pipeline, at its defaults, marks a document of this text."""
    try:
        documents = process(text.encode(), path="document/text.txt", defaults={}, key=KEY)
    except RefusedError:
        return False
    return any(document.findings for document in documents)


def is_refused(text: str) -> bool:
    """Whether the pipeline, at its defaults, keeps a document of this text out for what it says to a model."""
    try:
        process(text.encode(), path="document/text.txt", defaults={}, key=KEY)
    except RefusedError as refused:
        return refused.code == "attack"
    return False


def rates(found: Counter[tuple[bool, bool]]) -> tuple[float, float]:
    """Precision and recall of counts by (is an attack, was flagged)."""
    right, wrong, missed = found[True, True], found[False, True], found[True, False]
    return right / max(1, right + wrong), right / max(1, right + missed)


def ordinary(measures: Measures, data: Path, *, step: int) -> None:
    """False alarms over posts and transcripts, and the speed of the screener alone on their texts."""
    from assets.silver.readers import read as read_file
    from assets.silver.screening import screen

    folders = [data.parent / name for name in ORDINARY if (data.parent / name).is_dir()]
    files = [path for folder in folders for path in sorted(folder.rglob("*")) if path.is_file()]
    flags = count = size = 0
    seconds = 0.0
    for path in files[::step]:
        try:
            documents = read_file(path.read_bytes(), f"{path.parts[-3]}/{path.name}")
        except RefusedError:
            continue
        for document in documents:
            began = time.process_time()
            flags += len(screen(document))
            seconds += time.process_time() - began
            size += len(document.text.encode())
            count += len(sentences(document.text))
    if count:
        measures.add("ordinary_sentences", count, "sentences")
        measures.add("flags_per_1000_sentences", 1000 * flags / count, "flags", 1.0)
        measures.add("screen_mb_per_second", size / 1e6 / max(seconds, 1e-9), "MB/s")


if __name__ == "__main__":
    sys.exit(main())
