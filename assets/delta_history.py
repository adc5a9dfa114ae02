"""Deletes the past of a Delta table: files of older versions, what killed writers left, and the log before today."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote

from deltalake import DeltaTable

RETENTIONS = {"delta.logRetentionDuration": "interval 30 days", "delta.deletedFileRetentionDuration": "interval 7 days"}
"""Properties of a table that say for how long its past is kept, with Delta's own defaults."""

_LOG_FILE = re.compile(r"\d{20}\.(?:json|checkpoint(?:\.\d+\.\d+)?\.parquet)|_last_checkpoint")


def forget(open_table: Callable[[], DeltaTable | None], root: Path | None) -> int:
    """Leave nothing of the table but its newest version. Every step can be repeated after an interruption.

    Args:
        open_table: opens the table as it is now; None where there is none.
        root: its folder; None on an object store, which keeps no half-written files.

    Returns:
        How many data files were deleted.
    """
    table = open_table()
    if table is None:
        return 0
    deleted = table.vacuum(retention_hours=0, dry_run=False, enforce_retention_duration=False, full=True)
    # A checkpoint carries what was removed lately, with its statistics, and keeps the log before it: not this one.
    kept = {name: table.metadata().configuration.get(name) for name in RETENTIONS}
    table.alter.set_table_properties(dict.fromkeys(RETENTIONS, "interval 0 seconds"))
    table = _again(open_table)
    table.create_checkpoint()
    table.cleanup_metadata()
    restored = {name: value for name, value in kept.items() if value and not value.startswith("interval 0 ")}
    _again(open_table).alter.set_table_properties(RETENTIONS | restored)
    return len(deleted) + (_sweep(root, _again(open_table)) if root is not None else 0)


def _again(open_table: Callable[[], DeltaTable | None]) -> DeltaTable:
    table = open_table()
    if table is None:
        raise FileNotFoundError("the table vanished")
    return table


def _sweep(root: Path, table: DeltaTable) -> int:
    """Delete what killed writers left under passing names, which delta-rs does not list; how many files."""
    present = {Path(unquote(uri.removeprefix("file://"))).name for uri in table.file_uris()}
    swept = 0
    for path in sorted(root.rglob("*")):
        in_log = path.parent == root / "_delta_log" and _LOG_FILE.fullmatch(path.name)
        if path.is_dir() or path.name in present or in_log:
            continue
        path.unlink()
        swept += 1
    return swept
