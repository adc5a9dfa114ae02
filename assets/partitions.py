"""The partitions of the lake: the day a state of a file was received, and the source folder it lies in."""

import dagster as dg

from assets.contract import SOURCES
from assets.lake import Partition

FIRST_DAY = "2026-01-01"
"""First daily partition: no installation is older."""

PARTITIONS = dg.MultiPartitionsDefinition(
    {
        # end_offset 1: today is a partition already, while it still fills
        "date": dg.DailyPartitionsDefinition(start_date=FIRST_DAY, end_offset=1),
        "source": dg.StaticPartitionsDefinition(list(SOURCES)),
    }
)

BACKFILL_TAG = "dagster/backfill"
"""Dagster's tag of runs that a backfill started."""


def partition_key(partition: Partition) -> str:
    """Dagster's key for (date, source): dimensions in order of their names."""
    return "|".join(partition)


def partitions_of(context: dg.AssetExecutionContext | dg.AssetCheckExecutionContext) -> list[Partition]:
    """The (date, source) partitions of a run, one or a range, in order."""
    keys = [str(key) for key in context.partition_keys]
    pairs = [key.split("|", 1) for key in keys]
    return sorted((date, source) for date, source in pairs)


class RefineConfig(dg.Config):
    """How a run of silver or gold treats rows that are there already."""

    rebuild: bool = False


def rebuilds(context: dg.AssetExecutionContext, config: RefineConfig) -> bool:
    """Whether rows are made anew even where their versions are current: in backfills, and when it is asked for."""
    return config.rebuild or BACKFILL_TAG in context.run.tags
