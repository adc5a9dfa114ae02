"""The daily work on the audit log: partitions ahead, the seal of the day before, months past their time dropped."""

import dagster as dg

from assets.audit.seals import keep_audit, no_later_than_database
from assets.index.assets import ACTIVE
from assets.stores import Stores


@dg.op(description="Make partitions ahead, seal the days that are over, drop months past their time.", pool="index")
def keep_audit_log(context: dg.OpExecutionContext, stores: dg.ResourceParam[Stores]) -> None:
    """Keep the log and report what was done."""
    with stores.connect() as connection:
        now = no_later_than_database(connection, stores.clock())
        done = keep_audit(connection, stores.seal_key, now=now, keep_days=stores.audit_keep_days)
    context.log.info(f"audit log: {done}")
    context.log_event(
        dg.AssetObservation(asset_key=ACTIVE, metadata={f"audit_{what}": len(names) for what, names in done.items()})
    )


@dg.job(executor_def=dg.in_process_executor, description="Seal the audit log and keep its partitions.")
def audit() -> None:
    """Run by the daily schedule."""
    keep_audit_log()
