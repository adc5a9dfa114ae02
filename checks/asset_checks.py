"""Binds the checks to Dagster: each blocks what lies downstream and keeps a status for every partition.

A run over a range evaluates every partition by itself. Dagster stores no status per partition for a check in such a
run, so it is reported here.
"""

from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc
from dagster import AssetCheckEvaluation
from dagster._core.definitions.asset_checks.asset_check_evaluation import (
    AssetCheckEvaluationTargetMaterializationData,
)

from assets.bronze.contract import SOURCE_FILES
from assets.bronze.ingest import plan_sources
from assets.contract import Contract
from assets.gold.contract import CHUNKS, EMBEDDINGS
from assets.index.assets import CANDIDATE
from assets.index.contract import CANDIDATE as CANDIDATE_CONTRACT
from assets.index.desired import read_desired
from assets.index.publish import differences
from assets.lake import Partition
from assets.partitions import PARTITIONS, partition_key, partitions_of
from assets.retention.due import find_due
from assets.silver.contract import DOCUMENTS, QUARANTINE
from assets.stores import Stores
from checks.candidate import candidate_rows, lexical_sample, new_documents
from checks.governance import data_protection_review, nothing_crowds_the_index
from checks.referential import (
    blocks_inside_text,
    chunks_inside_documents,
    every_chunk_embedded,
    every_file_accounted,
    index_equals_gold,
    lexical_matches_reference,
)
from checks.report import Report
from checks.worker import validate

KEEPS_UP = "intake_keeps_up"
"""Check that also takes the sensor's word when it gives some work up."""

IS_FRESH = "knowledge_is_fresh"
"""Check that the nightly job evaluates, too: knowledge ages on days without a run."""

Evaluate = Callable[[Stores, Partition], Report]


def asset_key(contract: Contract) -> dg.AssetKey:
    """The Dagster asset of a table."""
    return dg.AssetKey(contract.name.split("/"))


def _metadata(report: Report) -> dict[str, Any]:
    return {
        "checked": report.checked,
        "sentence": report.sentence(),
        "failures": dg.MetadataValue.md(report.markdown()),
    }


def partitioned_check(name: str, contract: Contract, description: str, evaluate: Evaluate) -> dg.AssetChecksDefinition:
    """A blocking check that is evaluated for each partition of a run."""
    key = asset_key(contract)

    @dg.asset_check(asset=key, name=name, description=description, blocking=True, partitions_def=PARTITIONS)
    def check(context: dg.AssetCheckExecutionContext, stores: dg.ResourceParam[Stores]) -> dg.AssetCheckResult:
        partitions = partitions_of(context)
        reports = {}
        for partition in partitions:
            commit = stores.lake.version(contract)
            reports[partition] = evaluate(stores, partition)
            if reports[partition].passed:
                stores.sound.add((name, contract.name, partition, commit))
        if len(partitions) > 1:
            for partition, report in reports.items():
                context.instance.report_runless_asset_event(
                    AssetCheckEvaluation(
                        asset_key=key,
                        check_name=name,
                        passed=report.passed,
                        metadata=_metadata(report),
                        partition=partition_key(partition),
                        blocking=True,
                        # without it the UI takes the evaluation for one of an older materialization
                        target_materialization_data=_materialization(context.instance, key, partition),
                    )
                )
        return _result(reports.values())

    return check


def _materialization(
    instance: dg.DagsterInstance, asset: dg.AssetKey, partition: Partition
) -> AssetCheckEvaluationTargetMaterializationData | None:
    """The materialization that an evaluation of a partition is about: the latest one."""
    found = instance.fetch_materializations(
        dg.AssetRecordsFilter(asset_key=asset, asset_partitions=[partition_key(partition)]), limit=1
    ).records
    if not found:
        return None
    record = found[0]
    return AssetCheckEvaluationTargetMaterializationData(
        storage_id=record.storage_id, run_id=record.run_id, timestamp=record.timestamp
    )


def _result(reports: Iterable[Report]) -> dg.AssetCheckResult:
    reports = list(reports)
    failed = [report for report in reports if not report.passed]
    shown = failed or reports[:1]
    return dg.AssetCheckResult(
        passed=not failed,
        severity=dg.AssetCheckSeverity.ERROR,
        description=failed[0].sentence() if failed else None,
        metadata={
            "checked": sum(report.checked for report in reports),
            "sentence": " ".join(report.sentence() for report in shown),
            "failures": dg.MetadataValue.md("\n\n".join(report.markdown() for report in shown)),
        },
    )


def contract_check(contract: Contract) -> dg.AssetChecksDefinition:
    """The Great Expectations suite of a table's contract."""

    def evaluate(stores: Stores, partition: Partition) -> Report:
        return validate(contract, stores.lake.read(contract, partitions=[partition]))

    return partitioned_check("contract", contract, f"Rows keep the contract: {contract.doc}", evaluate)


def _accounted(stores: Stores, partition: Partition) -> Report:
    columns = ["date", "source", "document_id", "event", "path"]
    return every_file_accounted(
        stores.lake.read(
            SOURCE_FILES, [*columns, "kind"], partitions=[partition], where=pc.field("purged_at").is_null()
        ),
        stores.lake.read(DOCUMENTS, [*columns, "file_id", "part"], partitions=[partition]),
        stores.lake.read(QUARANTINE, [*columns, "file_id", "part"], partitions=[partition]),
    )


def _blocks(stores: Stores, partition: Partition) -> Report:
    columns = ["date", "source", "document_id", "event", "path", "text", "blocks"]
    return blocks_inside_text(stores.lake.read(DOCUMENTS, columns, partitions=[partition]))


def _chunks_inside(stores: Stores, partition: Partition) -> Report:
    return chunks_inside_documents(
        stores.lake.read(CHUNKS, partitions=[partition]),
        stores.lake.read(DOCUMENTS, ["document_id", "event", "path", "text"], partitions=[partition]),
    )


def _embedded(stores: Stores, partition: Partition) -> Report:
    encoder = stores.encoder
    columns = ["date", "source", "document_id", "event", "chunk_id", "text_sha256"]
    return every_chunk_embedded(
        stores.lake.read(CHUNKS, columns, partitions=[partition]),
        stores.lake.read(EMBEDDINGS, partitions=[partition]),
        encoder.fingerprint.id,
        encoder.dimension,
    )


def _candidate_check(
    name: str, description: str, evaluate: Callable[[Stores, Any, int], Iterable[Report]]
) -> dg.AssetChecksDefinition:
    @dg.asset_check(asset=CANDIDATE, name=name, description=description, blocking=True)
    def check(stores: dg.ResourceParam[Stores]) -> dg.AssetCheckResult:
        with stores.connect() as connection:
            row = connection.execute("select space from knowledge.release order by number desc limit 1").fetchone()
            if row is None:
                return dg.AssetCheckResult(passed=True, metadata={"sentence": "nothing is published yet"})
            return _result(evaluate(stores, connection, int(row[0])))

    return check


def _candidate_contract(stores: Stores, connection: Any, space: int) -> Iterable[Report]:
    return [validate(CANDIDATE_CONTRACT, candidate_rows(connection, space))]


def _equals_gold(stores: Stores, connection: Any, space: int) -> Iterable[Report]:
    now = stores.clock()
    desired = read_desired(stores.lake, stores.ledger(), now=now)
    compared = sum(1 + len(document.chunks) for document in desired.documents.values())
    return [index_equals_gold(differences(connection, desired, space=space, now=now), checked=compared)]


def _lexical(stores: Stores, connection: Any, space: int) -> Iterable[Report]:
    return [lexical_matches_reference(*lexical_sample(connection, space))]


def _new_rows_are_sound(stores: Stores, connection: Any, space: int) -> Iterable[Report]:
    """The lake's own checks over every document that is new in this release.

    A run checks the partition it has made. A release draws on all of them, and a row that went bad meanwhile must
    not get in by the run of another one.
    """
    ids = pa.array(sorted(new_documents(connection, space)), pa.string())
    columns = ["date", "source", "document_id", "file_id", "event"]
    new = stores.lake.read(DOCUMENTS, columns, where=pc.field("document_id").isin(ids)).to_pylist()
    events = stores.ledger().current.event
    current: dict[Partition, set[tuple[str, int]]] = {}
    for row in new:
        if events.get(row["file_id"]) == row["event"]:
            current.setdefault((row["date"], row["source"]), set()).add((row["document_id"], row["event"]))
    for partition, wanted in sorted(current.items()):
        if _checked_here(stores, partition):
            continue  # a run of this process has just made and checked it, and nobody has written since
        documents = _of_events(stores.lake.read(DOCUMENTS, partitions=[partition]), wanted)
        chunks = _of_events(stores.lake.read(CHUNKS, partitions=[partition]), wanted)
        yield validate(DOCUMENTS, documents)
        yield blocks_inside_text(documents)
        yield validate(CHUNKS, chunks)
        yield chunks_inside_documents(chunks, documents)


def _checked_here(stores: Stores, partition: Partition) -> bool:
    return all(
        (name, table.name, partition, stores.lake.version(table)) in stores.sound
        for table, name in (
            (DOCUMENTS, "contract"),
            (DOCUMENTS, "blocks_inside_text"),
            (CHUNKS, "contract"),
            (CHUNKS, "chunks_inside_documents"),
        )
    )


def _of_events(table: pa.Table, wanted: set[tuple[str, int]]) -> pa.Table:
    keys = zip(table["document_id"].to_pylist(), table["event"].to_pylist(), strict=True)
    return table.filter(pa.array([key in wanted for key in keys], pa.bool_()))


@dg.asset_check(
    asset=asset_key(SOURCE_FILES),
    name=KEEPS_UP,
    description="Everything in the inbox is taken in: no deletions held, nothing given up by the sensor.",
)
def intake_keeps_up(stores: dg.ResourceParam[Stores]) -> dg.AssetCheckResult:
    """Warn about deletions that are held because too much vanished at once."""
    withheld = {source: plan.withheld for source, plan in plan_sources(stores).items() if plan.withheld}
    return dg.AssetCheckResult(
        passed=not withheld,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={source: list(paths[:50]) for source, paths in withheld.items()},
    )


def due_files(stores: Stores) -> tuple[bool, dict[str, Any]]:
    """Whether no file is due for a refresh or about to expire, and the metadata that says which are."""
    due = find_due(stores.ledger(), now=stores.clock(), ahead=timedelta(days=stores.due_ahead_days))
    rows = "\n".join(f"| {item.path} | {item.reason} | {item.on} |" for item in due[:200])
    table = f"| file | reason | day |\n|---|---|---|\n{rows}" if due else "none"
    return not due, {"due": len(due), "files": dg.MetadataValue.md(table)}


@dg.asset_check(
    asset=asset_key(SOURCE_FILES),
    name=IS_FRESH,
    description="No file is due for a refresh, and none is about to expire: whoever wrote it should look at it.",
)
def knowledge_is_fresh(stores: dg.ResourceParam[Stores]) -> dg.AssetCheckResult:
    """Warn about knowledge before it is wrong or gone."""
    passed, metadata = due_files(stores)
    return dg.AssetCheckResult(passed=passed, severity=dg.AssetCheckSeverity.WARN, metadata=metadata)


CHECKS: list[dg.AssetChecksDefinition] = [
    intake_keeps_up,
    knowledge_is_fresh,
    data_protection_review,
    nothing_crowds_the_index,
    *(contract_check(contract) for contract in (SOURCE_FILES, DOCUMENTS, QUARANTINE, CHUNKS, EMBEDDINGS)),
    partitioned_check(
        "every_file_accounted",
        QUARANTINE,
        "Every received file is in silver/documents or silver/quarantine, and in one of them only.",
        _accounted,
    ),
    partitioned_check("blocks_inside_text", DOCUMENTS, "Blocks lie in order inside the text.", _blocks),
    partitioned_check(
        "chunks_inside_documents",
        CHUNKS,
        "Every passage stands in its document where it says, and every document has one.",
        _chunks_inside,
    ),
    partitioned_check(
        "every_chunk_embedded", EMBEDDINGS, "Every passage has a unit vector of today's model.", _embedded
    ),
    _candidate_check("contract", "Rows of the candidate release keep their contract.", _candidate_contract),
    _candidate_check(
        "new_rows_are_sound",
        "Documents and passages that are new in the release keep the contracts of silver and gold.",
        _new_rows_are_sound,
    ),
    _candidate_check("index_equals_gold", "The index holds what gold says, neither more nor less.", _equals_gold),
    _candidate_check(
        "lexical_matches_reference",
        "Postings give the scores that rank-bm25 computes from the passages themselves.",
        _lexical,
    ),
]
