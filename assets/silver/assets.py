"""Dagster binding of silver: every received file ends as a document or in quarantine."""

import json
from collections import Counter

import dagster as dg

from assets.bronze.contract import SOURCE_FILES
from assets.errors import InboxUnavailableError
from assets.governance.datasheet import CONTENT_OWNERS, OWNERS, table_sheet
from assets.partitions import PARTITIONS, RefineConfig, partitions_of, rebuilds
from assets.silver.contract import DOCUMENTS, QUARANTINE
from assets.silver.noted import update_notices
from assets.silver.notices import Notices, newest_events, newest_refusals
from assets.silver.refine import refine_partition
from assets.stores import Stores
from retrieval.errors import ConfigurationError

DOCUMENTS_KEY = dg.AssetKey(DOCUMENTS.name.split("/"))
QUARANTINE_KEY = dg.AssetKey(QUARANTINE.name.split("/"))


@dg.multi_asset(
    name="silver",
    specs=[
        dg.AssetSpec(
            key=DOCUMENTS_KEY,
            deps=[dg.AssetKey(SOURCE_FILES.name.split("/"))],
            group_name="silver",
            kinds={"deltalake"},
            description=DOCUMENTS.doc,
            metadata=table_sheet(DOCUMENTS),
            owners=list(OWNERS),
        ),
        dg.AssetSpec(
            key=QUARANTINE_KEY,
            deps=[dg.AssetKey(SOURCE_FILES.name.split("/"))],
            group_name="silver",
            kinds={"deltalake"},
            description=QUARANTINE.doc,
            metadata=table_sheet(QUARANTINE),
            owners=list(CONTENT_OWNERS),
        ),
    ],
    partitions_def=PARTITIONS,
    backfill_policy=dg.BackfillPolicy.single_run(),
    pool="silver",
)
def silver(
    context: dg.AssetExecutionContext, config: RefineConfig, stores: dg.ResourceParam[Stores]
) -> tuple[dg.MaterializeResult[None], dg.MaterializeResult[None]]:
    """Read, normalise, redact; refuse with a reason what cannot be read."""
    reasons: Counter[str] = Counter()
    pii: Counter[str] = Counter()
    findings: Counter[str] = Counter()
    documents = processed = 0
    for date, source in partitions_of(context):
        refined = refine_partition(stores, date, source, rebuild=rebuilds(context, config))
        processed += refined.processed
        documents += refined.documents.num_rows
        reasons.update(refined.quarantine.column("reason").to_pylist())
        for counts in refined.documents.column("pii").to_pylist():
            pii.update(json.loads(counts))
        for found in refined.documents.column("findings").to_pylist():
            findings.update(finding["kind"] for finding in found or ())
        stores.lake.replace(DOCUMENTS, date, source, refined.documents)
        stores.lake.replace(QUARANTINE, date, source, refined.quarantine)
    context.log.info(f"{documents} documents, {reasons.total()} files in quarantine, {processed} read in this run")
    refused_now, notices = _update_notices(context, stores)
    return (
        dg.MaterializeResult(
            asset_key=DOCUMENTS_KEY,
            metadata={
                "dagster/row_count": documents,
                "read_in_this_run": processed,
                "redacted_values": dict(sorted(pii.items())),
                "findings": dict(sorted(findings.items())),
            },
        ),
        dg.MaterializeResult(
            asset_key=QUARANTINE_KEY,
            metadata={
                "dagster/row_count": reasons.total(),
                "reasons": dict(sorted(reasons.items())),
                "refused_now": refused_now,
                "notices_written": notices.written,
                "notices_removed": notices.removed,
                "folders_without_notices": list(notices.failed[:50]),
            },
        ),
    )


def _update_notices(context: dg.AssetExecutionContext, stores: Stores) -> tuple[dict[str, int], Notices]:
    """Bring the notes in the inbox up to date; how many files are refused now, by reason, and what became of them."""
    newest = newest_events(stores)
    refusals = newest_refusals(stores, newest)
    counts = Counter(row["reason"] for row in refusals)
    try:
        notices = update_notices(stores, newest, refusals)
    except (ConfigurationError, InboxUnavailableError) as error:
        # the lake is made anew without its inbox, too
        context.log.warning(f"Notes in the inbox are left as they are: {error}")
        notices = Notices()
    if notices.failed:
        context.log.warning(f"Notes could not be written to {len(notices.failed)} folders: {notices.failed[0]}")
    return dict(sorted(counts.items())), notices
