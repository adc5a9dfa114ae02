"""What Dagster loads: assets, checks, jobs, sensor, schedules, resources."""

from __future__ import annotations

import dagster as dg

from assets.bronze import assets as bronze
from assets.gold import assets as gold
from assets.index import assets as index
from assets.silver import assets as silver
from checks.asset_checks import CHECKS
from pipelines.audit import audit
from pipelines.expiry import expiry
from pipelines.jobs import knowledge, lake, publish
from pipelines.resources import stores_resource
from pipelines.schedules import nightly_audit, nightly_expiry, nightly_publish
from pipelines.sensors import inbox

defs = dg.Definitions(
    assets=dg.load_assets_from_modules([bronze, silver, gold, index]),
    asset_checks=CHECKS,
    jobs=[knowledge, lake, publish, expiry, audit],
    sensors=[inbox],
    schedules=[nightly_publish, nightly_expiry, nightly_audit],
    resources={"stores": stores_resource},
    executor=dg.in_process_executor,
)
