"""The jobs: everything a dropped file needs, and the index alone."""

from __future__ import annotations

import dagster as dg

from assets.partitions import PARTITIONS

# A failed step is told by the report of an ingestion, in sentences instead of stack traces.
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}

LAKE = dg.AssetSelection.groups("bronze", "silver", "gold")
INDEX = dg.AssetSelection.groups("index")

knowledge = dg.define_asset_job(
    "knowledge",
    selection=LAKE | INDEX,
    partitions_def=PARTITIONS,
    executor_def=dg.in_process_executor,
    description="From the inbox to the active release, for one source and day.",
)

lake = dg.define_asset_job(
    "lake",
    selection=LAKE,
    partitions_def=PARTITIONS,
    executor_def=dg.in_process_executor,
    description="From the inbox to gold, for one source and day.",
)

publish = dg.define_asset_job(
    "publish",
    selection=INDEX,
    executor_def=dg.in_process_executor,
    description="Bring the index in line with gold, check the candidate, serve it.",
)
