"""The Dagster resource that hands the assets their stores."""

from __future__ import annotations

from typing import Any

import dagster as dg

from checks import worker
from pipelines.settings import PipelineSettings
from pipelines.stores import build_stores


@dg.resource(description="Inbox, lake, database and model, as KNOWLEDGE_… settings say.")
def stores_resource(context: dg.InitResourceContext) -> Any:
    """Settings are read when a run starts, not when definitions are loaded."""
    stores = build_stores(PipelineSettings.load())
    if context.run_id is not None:  # a run will need them, a tick of the sensor will not
        worker.start()
        stores.warm_up()
    return stores
