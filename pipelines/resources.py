"""The Dagster resource that hands the assets their stores."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import dagster as dg

from assets.locks import shared_lock
from checks import worker
from pipelines.settings import PipelineSettings
from pipelines.stores import build_stores

ALONE_TAG = "knowledge/alone"
"""Tag of jobs whose steps wait until nobody else works on the lake."""


@dg.resource(description="Inbox, lake, database and model, as KNOWLEDGE_… settings say.")
def stores_resource(context: dg.InitResourceContext) -> Iterator[Any]:
    """Settings are read when a run starts, not when definitions are loaded."""
    stores = build_stores(PipelineSettings.load())
    if context.run_id is None:  # a tick of the sensor looks and writes nothing
        yield stores
        return
    if context.dagster_run is not None and ALONE_TAG in context.dagster_run.tags:
        yield stores  # it takes its turns by itself
        return
    worker.start()
    stores.warm_up()
    with shared_lock(stores.connect):
        yield stores
