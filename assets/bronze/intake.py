"""Decides what happened in the inbox since bronze last looked, and makes the rows that record it."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from assets.bronze.changes import (
    NO_RULES,
    Access,
    Change,
    Held,
    Intake,
    IntakeBatch,
    Kind,
    Observation,
    Observed,
    RemovalLimit,
    State,
)
from assets.bronze.contract import ACCESS, CONTENT, REMOVED, SOURCE_FILES
from assets.bronze.files import document_id, media_type, opened
from assets.bronze.observe import UnsettledError
from assets.bronze.scan import inbox_root
from assets.contract import SOURCES
from assets.errors import InboxUnavailableError
from assets.lake import Lake

BATCH_BYTES, BATCH_ROWS = 64 * 2**20, 5_000
"""Default size of the tables that rows come in: what a run holds in memory at once."""

_NO_STATE = {"date", "content", "received_at", "emptied_at", "purged_at"}
"""Columns of bronze that say nothing about the state of a file."""


def plan_intake(
    observation: Observation, latest: Mapping[str, State], *, removal_limit: RemovalLimit | None = None
) -> Intake:
    """Which rows bronze lacks.

    Args:
        observation: what lies in the inbox.
        latest: the states of the same sources, by path.
        removal_limit: holds back removals that are too many at once; None lets all through.
    """
    changes = [_change(observed, latest.get(observed.path)) for observed in observation.files]
    present = {observed.path for observed in observation.files}
    alive = [state for state in latest.values() if state.kind != REMOVED]
    held = {item.path for item in observation.held}
    removed = [
        _removal(state) for state in alive if state.path not in present and held.isdisjoint(_lineage(state.path))
    ]
    withheld = removal_limit is not None and removal_limit.exceeded(len(removed), len(alive))
    planned = [change for change in changes if change is not None]
    return Intake(
        changes=tuple(sorted([*planned, *([] if withheld else removed)], key=lambda change: change.path)),
        held=observation.held,
        withheld=tuple(sorted(change.path for change in removed)) if withheld else (),
        unchanged=len(changes) - len(planned),
    )


def intake_batches(
    inbox: Path,
    changes: Sequence[Change],
    *,
    date: str,
    received_at: datetime,
    batch_bytes: int = BATCH_BYTES,
    batch_rows: int = BATCH_ROWS,
) -> Iterator[IntakeBatch]:
    """The rows of a plan, a bounded number of bytes at a time; append each batch before asking for the next.

    Args:
        inbox: the watched folder.
        changes: from `plan_intake`.
        date: partition to write to, `YYYY-MM-DD`.
        received_at: with a time zone.

    Raises:
        ConfigurationError: the inbox is gone.
        InboxUnavailableError: its storage did not answer.
    """
    root = inbox_root(inbox)
    rows: list[dict[str, object]] = []
    held: list[Held] = []
    size = 0
    for change in changes:
        try:
            content = _content(root, change)
        except UnsettledError:
            held.append(Held(change.path, "unsettled"))
            continue
        rows.append(_row(change, content, date, received_at))
        size += len(content or b"")
        if size >= batch_bytes or len(rows) >= batch_rows:
            yield _batch(rows, held)
            rows, held, size = [], [], 0
    if rows or held:
        yield _batch(rows, held)


def state_of(lake: Lake, sources: Collection[str] = SOURCES) -> dict[str, State]:
    """The state of every document that bronze knows, removed ones included, by path.

    Args:
        lake: where bronze is.
        sources: only documents of these.
    """
    columns = [name for name in SOURCE_FILES.schema.names if name not in _NO_STATE]
    rows = _latest(lake.read(SOURCE_FILES, columns, where=pc.field("source").isin(list(sources))))
    return {row["path"]: _state(row) for row in rows.to_pylist()}


def _latest(table: pa.Table) -> pa.Table:
    """The row with the highest event of each document."""
    order = pc.sort_indices(table, sort_keys=[("document_id", "ascending"), ("event", "ascending")])
    ids = table.column("document_id").take(order).combine_chunks()
    is_last = np.ones(len(ids), dtype=bool)
    if len(ids) > 1:
        is_last[:-1] = pc.not_equal(ids.slice(0, len(ids) - 1), ids.slice(1)).to_numpy(zero_copy_only=False)
    return table.take(order.filter(pa.array(is_last)))


def _state(row: Mapping[str, object]) -> State:
    values = dict(row)
    roles = values.pop("roles")
    access = Access(
        tenant=values.pop("tenant"),  # type: ignore[arg-type]
        roles=None if roles is None else tuple(roles),  # type: ignore[arg-type]
        clearance=values.pop("clearance"),  # type: ignore[arg-type]
        ttl_days=values.pop("ttl_days"),  # type: ignore[arg-type]
        refresh=values.pop("refresh"),  # type: ignore[arg-type]
        defaults=values.pop("defaults"),  # type: ignore[arg-type]
        rules=values.pop("rules") or NO_RULES,  # type: ignore[arg-type]
        error=values.pop("policy_error"),  # type: ignore[arg-type]
        detail=values.pop("policy_detail"),  # type: ignore[arg-type]
    )
    return State(access=access, **values)  # type: ignore[arg-type]


def _lineage(path: str) -> list[str]:
    """The path and the folders above it."""
    parts = path.split("/")
    return ["/".join(parts[:depth]) for depth in range(1, len(parts) + 1)]


def _change(observed: Observed, state: State | None) -> Change | None:
    kind = _kind(observed, state)
    if kind is None:
        return None
    same_bytes = state is not None and state.sha256 == observed.sha256
    return Change(
        kind=kind,
        document_id=document_id(observed.path),
        path=observed.path,
        source=observed.source,
        event=state.event + 1 if state else 1,
        version=state.version + (not same_bytes) if state else 1,
        sha256=observed.sha256,
        size=observed.size,
        media_type=media_type(observed.path),
        access=observed.access,
        file=observed.file,
        loaded=observed.loaded and kind == CONTENT,
    )


def _kind(observed: Observed, state: State | None) -> Kind | None:
    if state is None or state.kind == REMOVED or state.sha256 != observed.sha256:
        return CONTENT
    if state.access.decides_reading != observed.access.decides_reading:
        return CONTENT
    if state.access.decides_visibility != observed.access.decides_visibility:
        return ACCESS
    return None


def _removal(state: State) -> Change:
    return Change(
        kind=REMOVED,
        document_id=state.document_id,
        path=state.path,
        source=state.source,
        event=state.event + 1,
        version=state.version,
        sha256=state.sha256,
        size=state.size,
        media_type=state.media_type,
        access=state.access,
    )


def _content(root: Path, change: Change) -> bytes | None:
    """The bytes for the row: those that were planned, none for what is not loaded, null for other kinds."""
    if change.kind != CONTENT:
        return None
    if not change.loaded or change.file is None:
        return b""
    try:
        with opened(root, change.file) as stream:
            content = stream.read(change.size + 1)
    except (FileNotFoundError, PermissionError) as error:
        raise UnsettledError from error
    except OSError as error:
        raise InboxUnavailableError(
            f"{change.path} in the inbox cannot be read ({error.strerror}); it is tried again"
        ) from error
    if hashlib.sha256(content).hexdigest() != change.sha256:
        raise UnsettledError
    return content


def _row(change: Change, content: bytes | None, date: str, received_at: datetime) -> dict[str, object]:
    access = change.access
    return {
        "date": date,
        "source": change.source,
        "document_id": change.document_id,
        "event": change.event,
        "kind": change.kind,
        "version": change.version,
        "path": change.path,
        "sha256": change.sha256,
        "size": change.size,
        "content": content,
        "media_type": change.media_type,
        "tenant": access.tenant,
        "roles": access.roles,
        "clearance": access.clearance,
        "ttl_days": access.ttl_days,
        "refresh": access.refresh,
        "defaults": access.defaults,
        "rules": access.rules,
        "policy_error": access.error,
        "policy_detail": access.detail,
        "received_at": received_at,
        "emptied_at": None,
        "purged_at": None,
    }


def _batch(rows: list[dict[str, object]], held: list[Held]) -> IntakeBatch:
    return IntakeBatch(pa.Table.from_pylist(rows, schema=SOURCE_FILES.schema), tuple(held))
