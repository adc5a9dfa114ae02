"""Dagster binding of bronze."""

import dagster as dg

from assets.bronze.contract import KINDS, SOURCE_FILES
from assets.bronze.ingest import ingest_source
from assets.governance.datasheet import CONTENT_OWNERS, access_sets, table_sheet
from assets.partitions import PARTITIONS, partitions_of
from assets.stores import Stores


class IntakeConfig(dg.Config):
    """How a run takes files in."""

    confirm_deletions: bool = False


@dg.asset(
    key=dg.AssetKey(SOURCE_FILES.name.split("/")),
    partitions_def=PARTITIONS,
    backfill_policy=dg.BackfillPolicy.single_run(),
    group_name="bronze",
    kinds={"deltalake"},
    pool="bronze_source_files",
    description=f"{SOURCE_FILES.doc} Only today's partition takes files in; an earlier one stays as it is.",
    metadata=table_sheet(SOURCE_FILES),
    owners=list(CONTENT_OWNERS),
)
def source_files(
    context: dg.AssetExecutionContext, config: IntakeConfig, stores: dg.ResourceParam[Stores]
) -> dg.MaterializeResult[None]:
    """Take in what changed in the inbox since the last look."""
    partitions = partitions_of(context)
    counts = dict.fromkeys(KINDS, 0)
    held: list[str] = []
    withheld: list[str] = []
    for source in sorted({source for date, source in partitions if date == stores.today}):
        taken = ingest_source(stores, source, confirm_deletions=config.confirm_deletions)
        for kind, count in taken.kinds.items():
            counts[kind] += count
        held += [f"{item.path} ({item.reason})" for item in taken.held]
        withheld += taken.withheld
    if withheld:
        context.log.warning(
            f"{len(withheld)} files vanished at once and are kept for now; if that was meant,"
            " run `knowledge ingest --confirm-deletions`"
        )
    rows = stores.lake.read(SOURCE_FILES, ["tenant", "roles", "clearance"], partitions=partitions).to_pylist()
    return dg.MaterializeResult(
        metadata={
            **{f"{kind}_rows": count for kind, count in counts.items()},
            "dagster/row_count": len(rows),
            "access_sets": access_sets(rows),
            "left_for_next_time": held[:50],
            "deletions_held": withheld[:50],
        }
    )
