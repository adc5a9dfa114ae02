"""The daily expiry: what is past its time leaves index, lake and Dagster's storage, and what will soon be is told."""

from datetime import timedelta

import dagster as dg
from dagster import AssetCheckEvaluation, DagsterRunStatus, RunsFilter

from assets.bronze.contract import SOURCE_FILES
from assets.index.assets import ACTIVE
from assets.index.releases import purge
from assets.locks import exclusive_lock
from assets.retention.sweep import sweep
from assets.stores import Stores
from checks.asset_checks import IS_FRESH, asset_key, due_files
from pipelines.resources import ALONE_TAG

ENDED = [DagsterRunStatus.SUCCESS, DagsterRunStatus.FAILURE, DagsterRunStatus.CANCELED]
RUNS_AT_ONCE = 100


@dg.op(
    description="Delete expired passages and releases that are no longer kept.",
    pool="index",
    out=dg.Out(dg.Nothing),
)
def purge_index(context: dg.OpExecutionContext, stores: dg.ResourceParam[Stores]) -> None:
    """Purge and report the counts."""
    with stores.connect() as connection:
        deleted = purge(connection, keep=stores.keep_releases, now=stores.clock())
    context.log.info(f"purged: {deleted}")
    context.log_event(dg.AssetObservation(asset_key=ACTIVE, metadata={f"purged_{k}": n for k, n in deleted.items()}))


@dg.op(
    description="Take bytes, texts, passages, keys and history that are past their time out of the lake.",
    ins={"purged": dg.In(dg.Nothing)},
    out=dg.Out(dg.Nothing),
)
def sweep_lake(context: dg.OpExecutionContext, stores: dg.ResourceParam[Stores]) -> None:
    """Enforce the times of the lake and report the counts."""
    with exclusive_lock(stores.connect):
        removed = sweep(stores, stores.retention)
    context.log.info(f"removed: {removed}")
    context.log_event(
        dg.AssetObservation(
            asset_key=asset_key(SOURCE_FILES), metadata={f"removed from {name}": n for name, n in removed.items()}
        )
    )


@dg.op(
    description="Delete runs that ended long ago, with their events.",
    ins={"swept": dg.In(dg.Nothing)},
    out=dg.Out(dg.Nothing),
)
def delete_old_runs(context: dg.OpExecutionContext, stores: dg.ResourceParam[Stores]) -> None:
    """Delete them and report how many."""
    before = stores.clock() - timedelta(days=stores.runs_keep_days)
    deleted = 0
    while runs := context.instance.get_runs(RunsFilter(statuses=ENDED, updated_before=before), limit=RUNS_AT_ONCE):
        for run in runs:
            context.instance.delete_run(run.run_id)
        deleted += len(runs)
    context.log.info(f"{deleted} runs deleted that ended before {before:%Y-%m-%d}")


@dg.op(description="Say which files are due for a refresh or about to expire.", ins={"deleted": dg.In(dg.Nothing)})
def log_due_files(context: dg.OpExecutionContext, stores: dg.ResourceParam[Stores]) -> None:
    """Evaluate the check of that name."""
    passed, metadata = due_files(stores)
    context.instance.report_runless_asset_event(
        AssetCheckEvaluation(
            asset_key=asset_key(SOURCE_FILES),
            check_name=IS_FRESH,
            passed=passed,
            severity=dg.AssetCheckSeverity.WARN,
            metadata=metadata,
        )
    )


@dg.job(
    executor_def=dg.in_process_executor,
    description="Delete what has expired and what is no longer kept, and tell what is due.",
    tags={ALONE_TAG: "true"},
)
def expiry() -> None:
    """Run by the daily schedule."""
    log_due_files(delete_old_runs(sweep_lake(purge_index())))
