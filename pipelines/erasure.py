"""Dagster's own storage as a place that an erasure looks after: runs, events and logs that name a file."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from assets.erasure.places import Needles, count_holding, files_below, holds
from pipelines.settings import PipelineSettings

_BESIDE = ("-wal", "-shm", "-journal")
"""Endings of the files that SQLite keeps beside a database."""

SQLITE = b"SQLite format 3\0"

KEPT = {"asset_keys": ("last_materialization", "asset_details")}
"""Tables whose rows something else depends on, with the columns that are emptied instead."""


@dataclass(frozen=True)
class DagsterStorage:
    """The files below `<home>/dagster`. A storage that dagster.yaml puts elsewhere has its own retention."""

    settings: PipelineSettings
    name: str = "Dagster storage"

    def erase(self, needles: Needles) -> int:
        """Rows of its databases and captured outputs that hold a needle."""
        removed = 0
        for path in list(self._files()):
            if path.name.endswith(_BESIDE):
                continue
            if not any(holds(part, needles.all_bytes) for part in (path, *map(path.with_name, _beside(path)))):
                continue
            if _is_database(path):
                removed += _erase_rows(path, needles)
            else:
                path.unlink(missing_ok=True)
                removed += 1
        return removed

    def find(self, needles: Needles) -> tuple[int, int]:
        """Files looked at, and how many hold a needle."""
        return count_holding(self._files(), needles.all_bytes)

    def _files(self) -> Iterator[Path]:
        yield from files_below(self.settings.home / "dagster")


def _beside(path: Path) -> list[str]:
    return [f"{path.name}{ending}" for ending in _BESIDE]


def _is_database(path: Path) -> bool:
    with path.open("rb") as stream:
        return stream.read(len(SQLITE)) == SQLITE


def _erase_rows(path: Path, needles: Needles) -> int:
    """Delete what holds a needle and write the file anew, so that no free page keeps it."""
    wanted = re.compile("|".join(re.escape(needle.decode("utf-8", "replace")) for needle in needles.all_bytes))
    removed = 0
    with closing(sqlite3.connect(path, timeout=60, isolation_level=None)) as connection:
        connection.create_function("holds_needle", 1, lambda value: bool(wanted.search(_text(value))))
        tables = [row[0] for row in connection.execute("select name from sqlite_master where type = 'table'")]
        for table in tables:
            columns = [row[1] for row in connection.execute(f'pragma table_info("{table}")')]
            if table in KEPT:
                for column in set(KEPT[table]) & set(columns):
                    statement = f'update "{table}" set "{column}" = null where holds_needle("{column}")'  # noqa: S608
                    removed += connection.execute(statement).rowcount
                continue
            hit = " or ".join(f'holds_needle("{column}")' for column in columns)
            removed += connection.execute(f'delete from "{table}" where {hit}').rowcount  # noqa: S608
        connection.execute("vacuum")
        connection.execute("pragma wal_checkpoint(truncate)")
    return removed


def _text(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
