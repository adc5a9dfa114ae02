"""Decides what happened in the inbox since bronze last looked, and makes the rows that record it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from assets.bronze.cache import ERASED_BYTES, Fingerprint, HashCache
from assets.bronze.contract import ACCESS, CONTENT, REMOVED, SOURCE_FILES
from assets.bronze.files import document_id, media_type, opened
from assets.bronze.policy import (
    FRONT_MATTER_TYPES,
    HEAD_BYTES,
    OwnAccess,
    Policies,
    Policy,
    PolicyProblem,
    own_access,
)
from assets.bronze.scan import UNOPENED, Found, inbox_root
from assets.errors import InboxUnavailableError
from assets.lake import Lake

MAX_FILE_BYTES = 100_000_000
"""Default for the largest file that is loaded."""

BATCH_BYTES, BATCH_ROWS = 64 * 2**20, 5_000
"""Default size of the tables that rows come in: what a run holds in memory at once."""

READ_BYTES = 2**20
NO_BYTES_SHA256 = hashlib.sha256(b"").hexdigest()

NO_RULES = "{}"

Kind = Literal["content", "access", "removed"]
NANOSECONDS = 1_000_000_000

_NO_STATE = {"date", "content", "received_at", "emptied_at", "purged_at"}
"""Columns of bronze that say nothing about the state of a file."""


@dataclass(frozen=True, slots=True)
class Access:
    """The policy columns of a bronze row.

    Attributes:
        defaults, rules: JSON objects with sorted keys.
        error: reason why the file is refused before it is read, with its detail.
    """

    tenant: str | None = None
    roles: tuple[str, ...] | None = None
    clearance: str | None = None
    ttl_days: int | None = None
    refresh: str | None = None
    defaults: str = "{}"
    rules: str = NO_RULES
    error: str | None = None
    detail: str | None = None

    @property
    def decides_reading(self) -> tuple[str | None, ...]:
        """What silver depends on, so that a change of it means reading the file anew."""
        return self.tenant, self.defaults, self.rules, self.error, self.detail

    @property
    def decides_visibility(self) -> tuple[object, ...]:
        """What takes effect without reading anything anew."""
        return self.roles, self.clearance, self.ttl_days, self.refresh


@dataclass(frozen=True, slots=True)
class State:
    """The latest bronze row of a document, without its bytes."""

    document_id: str
    path: str
    source: str
    event: int
    kind: str
    version: int
    sha256: str
    size: int
    media_type: str
    access: Access


@dataclass(frozen=True, slots=True)
class Observed:
    """A file as it is now.

    Attributes:
        file: path as the file system spells it.
        sha256, size: of the bytes. A file that is not loaded has the hash of no bytes and its real size.
        loaded: whether its bytes go into bronze.
    """

    path: str
    file: str
    source: str
    sha256: str
    size: int
    access: Access
    loaded: bool = True


@dataclass(frozen=True, slots=True)
class Held:
    """A file, or a folder with all that is in it, about which nothing is decided this time."""

    path: str
    reason: Literal["unsettled", "unreadable"]


@dataclass(frozen=True, slots=True)
class Observation:
    """What a look at the inbox gave, by path; `read` counts the files whose bytes had to be read."""

    files: tuple[Observed, ...]
    held: tuple[Held, ...] = ()
    read: int = 0


@dataclass(frozen=True, slots=True)
class Change:
    """One row to append.

    Attributes:
        file: path as the file system spells it; None for a removed file.
    """

    kind: Kind
    document_id: str
    path: str
    source: str
    event: int
    version: int
    sha256: str
    size: int
    media_type: str
    access: Access
    file: str | None = None
    loaded: bool = False


@dataclass(frozen=True, slots=True)
class RemovalLimit:
    """How many files may vanish at once before it looks like an unmounted share: more than `count` files and more
    than `share` (0 to 1) of those known are held back.
    """

    share: float
    count: int = 0

    def exceeded(self, removed: int, known: int) -> bool:
        """Whether so many of the known ones are too many."""
        return removed > self.count and removed > self.share * known


@dataclass(frozen=True, slots=True)
class Intake:
    """The plan: rows to append in the order of paths, files held, and removals that the limit holds back."""

    changes: tuple[Change, ...]
    held: tuple[Held, ...] = ()
    withheld: tuple[str, ...] = ()
    unchanged: int = 0


@dataclass(frozen=True, slots=True)
class IntakeBatch:
    """Rows of `bronze/source_files`, and files that changed again before they could be read for them."""

    table: pa.Table
    held: tuple[Held, ...] = ()


class _UnsettledError(Exception):
    """The file is not what it was a moment ago."""


def observe(
    inbox: Path,
    found: Sequence[Found],
    *,
    cache: HashCache,
    now_ns: int,
    settle_s: float = 0.0,
    max_bytes: int = MAX_FILE_BYTES,
    is_erased: Callable[[str], bool] = lambda sha256: False,
) -> Observation:
    """Reads what is new among the files found, and decides which policy covers each.

    Args:
        inbox: the watched folder.
        found: what `scan` gave, all of it or that of some sources.
        cache: fingerprints of earlier looks; it learns from this one.
        now_ns: time before the scan, nanoseconds since 1970.
        settle_s: files, and policies, that changed within so many seconds are left for the next time.
        max_bytes: larger files are not loaded.
        is_erased: tells by their SHA-256 whether bytes were erased, and must not come back.

    Raises:
        ConfigurationError: the inbox is gone.
        InboxUnavailableError: its storage did not answer.
    """
    look = _Look(inbox_root(inbox), cache, now_ns, settle_s, max_bytes, is_erased)
    results = [look.at(item) for item in found]
    cache.forget_others(found)
    return Observation(
        files=tuple(result for result in results if isinstance(result, Observed)),
        held=tuple(result for result in results if isinstance(result, Held)),
        read=look.read,
    )


class _Look:
    """One look at the inbox."""

    def __init__(
        self,
        root: Path,
        cache: HashCache,
        now_ns: int,
        settle_s: float,
        max_bytes: int,
        is_erased: Callable[[str], bool],
    ) -> None:
        self._root = root
        self._policies = Policies(root)
        self._cache = cache
        self._now_ns = now_ns
        self._settle_ns = int(settle_s * NANOSECONDS)
        self._max_bytes = max_bytes
        self._is_erased = is_erased
        self.read = 0

    def at(self, found: Found) -> Observed | Held:
        if found.problem == "unreadable":
            return Held(found.path, "unreadable")
        if found.problem in UNOPENED:
            return _observed(found, NO_BYTES_SHA256, Access(error=found.problem, detail=found.detail), loaded=False)
        if self._is_recent(found.mtime_ns, found.ctime_ns, self._policies.changed_ns(found.file)):
            return Held(found.path, "unsettled")
        try:
            return self._opened(found)
        except PermissionError:
            return Held(found.path, "unreadable")
        except (_UnsettledError, FileNotFoundError):
            # some programs save by deleting and writing anew; if it is really gone, the next scan says so
            return Held(found.path, "unsettled")
        except OSError as error:
            raise InboxUnavailableError(
                f"{found.path} in the inbox cannot be read ({error.strerror}); it is tried again"
            ) from error

    def _is_recent(self, *changed_ns: int) -> bool:
        # a time in the future is a wrong clock, and waiting for it would be waiting for ever
        return any(abs(self._now_ns - time) < self._settle_ns for time in changed_ns)

    def _opened(self, found: Found) -> Observed:
        if found.size > self._max_bytes:
            access = _too_large(self._access(found, OwnAccess()), self._max_bytes)
            return _observed(found, NO_BYTES_SHA256, access, loaded=False)
        fingerprint = self._fingerprint(found)
        if fingerprint.sha256 == ERASED_BYTES:
            return _observed(found, NO_BYTES_SHA256, Access(error="erased"), loaded=False)
        return _observed(found, fingerprint.sha256, self._access(found, fingerprint.own), loaded=True)

    def _access(self, found: Found, own: OwnAccess) -> Access:
        if found.problem is not None:
            return Access(error=found.problem, detail=found.detail)
        policy = self._policies.resolve(found.file, own)
        if isinstance(policy, PolicyProblem):
            return Access(error=policy.code, detail=policy.detail)
        return _access_of(policy)

    def _fingerprint(self, found: Found) -> Fingerprint:
        known = self._cache.get(found)
        if known is not None and not self._is_erased(known.sha256):
            return known
        if known is None:
            self.read += 1
        fingerprint = known or _read_fingerprint(self._root, found)
        if self._is_erased(fingerprint.sha256):
            fingerprint = Fingerprint(ERASED_BYTES, OwnAccess())
        self._cache.put(found, fingerprint, read_at_ns=self._now_ns)
        return fingerprint


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
        except _UnsettledError:
            held.append(Held(change.path, "unsettled"))
            continue
        rows.append(_row(change, content, date, received_at))
        size += len(content or b"")
        if size >= batch_bytes or len(rows) >= batch_rows:
            yield _batch(rows, held)
            rows, held, size = [], [], 0
    if rows or held:
        yield _batch(rows, held)


def state_of(lake: Lake, source: str | None = None) -> dict[str, State]:
    """The state of every document that bronze knows, removed ones included, by path.

    Args:
        lake: where bronze is.
        source: only documents of this source; None: all.
    """
    columns = [name for name in SOURCE_FILES.schema.names if name not in _NO_STATE]
    where = None if source is None else pc.field("source") == source
    rows = _latest(lake.read(SOURCE_FILES, columns, where=where))
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


def _access_of(policy: Policy) -> Access:
    return Access(
        policy.tenant,
        policy.roles,
        policy.clearance,
        policy.ttl_days,
        policy.refresh,
        policy.defaults_json,
        policy.rules_json,
    )


def _observed(found: Found, sha256: str, access: Access, *, loaded: bool) -> Observed:
    return Observed(found.path, found.file, found.source, sha256, found.size, access, loaded)


def _too_large(access: Access, max_bytes: int) -> Access:
    if access.error is not None:
        return access
    return replace(access, error="too_large", detail=f"larger than the limit of {max_bytes} bytes")


def _read_fingerprint(root: Path, found: Found) -> Fingerprint:
    digest = hashlib.sha256()
    with opened(root, found.file) as stream:
        _require_same(found, stream.fileno())
        head = stream.read(HEAD_BYTES)
        digest.update(head)
        while part := stream.read(READ_BYTES):
            digest.update(part)
        _require_same(found, stream.fileno())
    may_have_own = media_type(found.path) in FRONT_MATTER_TYPES
    own = own_access(head, found.path, whole=found.size <= HEAD_BYTES) if may_have_own else OwnAccess()
    return Fingerprint(digest.hexdigest(), own)


def _require_same(found: Found, descriptor: int) -> None:
    now = os.fstat(descriptor)
    if (now.st_size, now.st_mtime_ns, now.st_ctime_ns) != (found.size, found.mtime_ns, found.ctime_ns):
        raise _UnsettledError


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
        raise _UnsettledError from error
    except OSError as error:
        raise InboxUnavailableError(
            f"{change.path} in the inbox cannot be read ({error.strerror}); it is tried again"
        ) from error
    if hashlib.sha256(content).hexdigest() != change.sha256:
        raise _UnsettledError
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
