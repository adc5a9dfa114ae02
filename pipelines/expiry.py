"""The daily expiry: what is past its time leaves the index, and releases nobody can roll back to are deleted."""

import dagster as dg

from assets.index.assets import ACTIVE
from assets.index.releases import purge
from assets.stores import Stores


@dg.op(description="Delete expired passages and releases that are no longer kept.", pool="index")
def purge_index(context: dg.OpExecutionContext, stores: dg.ResourceParam[Stores]) -> None:
    """Purge and report the counts."""
    with stores.connect() as connection:
        deleted = purge(connection, keep=stores.keep_releases, now=stores.clock())
    context.log.info(f"purged: {deleted}")
    context.log_event(dg.AssetObservation(asset_key=ACTIVE, metadata={f"purged_{k}": n for k, n in deleted.items()}))


@dg.job(executor_def=dg.in_process_executor, description="Delete what has expired and what is no longer kept.")
def expiry() -> None:
    """Run by the daily schedule."""
    purge_index()
