"""How far each file of the inbox has come: one state for each path, from the inbox, the tables and the release."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from types import MappingProxyType
from typing import Any, Literal, get_args

import pyarrow.compute as pc

from assets.bronze.changes import NO_BYTES_SHA256, Change, Intake
from assets.bronze.contract import CONTENT, REMOVED
from assets.bronze.ingest import plan_sources
from assets.bronze.policy import SIDECAR
from assets.gold.contract import CHUNKS
from assets.index.desired import kept_out_for
from assets.index.releases import serving
from assets.index.segments import Connection
from assets.ledger import READY, REFUSED, Ledger
from assets.retention.due import refresh_on
from assets.silver.contract import DOCUMENTS, QUARANTINE
from assets.silver.refusal_german import detail_in_german
from assets.silver.sketch import near_duplicates
from assets.stores import Stores
from retrieval.schema.migrate import space_schema

State = Literal[
    "served",
    "refused",
    "on_its_way",
    "not_taken_in",
    "unsettled",
    "unreadable",
    "deletion_held",
    "kept_out",
    "expired",
    "removed",
]
STATES: tuple[State, ...] = get_args(State)
"""In the order in which counts are shown.

served: the active release holds it. refused: it is in quarantine. on_its_way: received, and a run has still to bring
it into the release. not_taken_in: the inbox holds something that bronze does not know yet. unsettled: it is being
written. unreadable: the pipeline may not read it. deletion_held: it vanished together with too many others. kept_out:
a policy keeps it out of the index, and `detail` says for what. expired: its time to live is over. removed: it is gone,
and so are its passages.
"""

Event = tuple[str, int]
"""A content event: document id and number."""

OF_PART = " » "
"""Between a file's path and the name of one of its attachments."""

_PENDING = {"content": "changed", "access": "access changed", "removed": "deleted"}


@dataclass(frozen=True, slots=True)
class Cut:
    """What gold made of a content event: how many passages, in which language."""

    passages: int
    language: str


@dataclass(frozen=True, slots=True)
class Remarks:
    """What was noticed while a content event was read: notes of its reader, and kinds of what speaks to a model."""

    notes: tuple[str, ...] = ()
    flagged: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FileState:
    """One path and how far it has come.

    Attributes:
        pending: what of it is not taken in yet: `new`, `changed`, `access changed` or `deleted`; else None.
        version: the newest version received; of a file not taken in, the one it will be.
        served_version: the version that the active release holds, which may be an older one; None: none.
        passages: of the state that is served or will be.
        language: as read, else as the metadata around the file says; None: unknown.
        refresh_on: the day on which somebody should look whether it still holds; None: none is set.
        reason: code of a refusal, with its sentences and what exactly was found.
        duplicate_of: the first path at which the same bytes lie too.
        near_duplicate_of: the first path whose text is nearly the same, where the bytes are not.
        notes: what its reader noticed, mended and left out.
        flagged: kinds of what in it speaks to a model instead of to people.
    """

    path: str
    source: str
    state: State
    pending: str | None = None
    version: int | None = None
    served_version: int | None = None
    tenant: str | None = None
    roles: tuple[str, ...] = ()
    clearance: str | None = None
    passages: int = 0
    language: str | None = None
    received_at: datetime | None = None
    expires_at: datetime | None = None
    refresh_on: date | None = None
    reason: str | None = None
    sentence_de: str | None = None
    sentence_en: str | None = None
    detail: str | None = None
    sha256: str | None = None
    duplicate_of: str | None = None
    near_duplicate_of: str | None = None
    notes: tuple[str, ...] = ()
    flagged: tuple[str, ...] = ()

    def is_due(self, by: datetime) -> bool:
        """Whether it is served and should be looked at by then: for a refresh, or before it expires."""
        days = (self.refresh_on, self.expires_at.date() if self.expires_at else None)
        return self.state == "served" and any(day is not None and day <= by.date() for day in days)

    @property
    def sentence(self) -> str | None:
        """Why it is refused, in the file's language where that is German, else in English, with the detail."""
        german = self.language == "de"
        said = self.sentence_de if german else self.sentence_en
        detail = detail_in_german(self.detail) if german and self.detail else self.detail
        return f"{said} ({detail})" if said and detail else said


def read_states(stores: Stores, *, settle_s: float = 0.0) -> tuple[FileState, ...]:
    """The state of every file, read now; nothing is changed.

    Args:
        settle_s: files that changed within so many seconds count as unsettled.

    Raises:
        ConfigurationError: there is no inbox, or a setting is wrong.
        LakeError, TransientError: lake, inbox or database are out of reach.
    """
    ledger = stores.ledger()
    chunks = stores.lake.read(
        CHUNKS, ["file_id", "event", "language"], where=pc.field("chunker") == stores.versions.chunker
    )
    refusals = stores.lake.read(
        QUARANTINE, ["file_id", "part", "event", "reason", "sentence_de", "sentence_en", "detail"]
    )
    files = stores.lake.read(
        DOCUMENTS, ["document_id", "file_id", "event", "part", "sketch", "pii", "findings", "notes"]
    ).to_pylist()
    sketches = {(row["file_id"], row["event"]): row["sketch"] for row in files if row["part"] is None and row["sketch"]}
    with stores.connect() as connection:
        released = _of_files(released_versions(connection, stores.clock()), files)
    return file_states(
        ledger,
        plan_sources(stores, settle_s=settle_s),
        refusals.to_pylist(),
        _cuts(chunks.to_pylist()),
        released,
        now=stores.clock(),
        sketches=sketches,
        kept_out=_kept_out(ledger, files),
        remarks=remarks_of(files),
    )


def file_states(
    ledger: Ledger,
    plans: Mapping[str, Intake],
    quarantine: Iterable[Mapping[str, Any]],
    cuts: Mapping[Event, Cut],
    released: Mapping[str, int],
    *,
    now: datetime,
    sketches: Mapping[Event, bytes] = MappingProxyType({}),
    kept_out: Mapping[str, str] = MappingProxyType({}),
    remarks: Mapping[Event, Remarks] = MappingProxyType({}),
) -> tuple[FileState, ...]:
    """One state for each path that the inbox or bronze knows, and for each attachment that is refused, by path.

    Args:
        ledger: how far bronze's content events have come.
        plans: what bronze lacks, by source.
        quarantine: rows of `silver/quarantine`.
        cuts: what gold holds, by content event.
        released: version of each file in the active release.
        sketches: signature of the text of a content event, where it is one document.
        kept_out: files that a policy keeps out of the index, and for what.
        remarks: what was noticed while a content event was read.
    """
    refusals: dict[Event, dict[str | None, Mapping[str, Any]]] = {}
    for row in quarantine:
        refusals.setdefault((row["file_id"], row["event"]), {})[row["part"]] = row
    known = _Bronze(ledger, refusals, cuts, released, now, kept_out, remarks).states()
    states = {state.path: state for state in known}
    for source, plan in plans.items():
        _overlay(states, source, plan)
    marked = _with_duplicates([states[path] for path in sorted(states)])
    return _with_near_duplicates(marked, ledger, sketches)


def released_versions(connection: Connection, now: datetime) -> dict[str, int]:
    """Document id → version of every document that the active release shows."""
    release = serving(connection).release
    if release is None:
        return {}
    row = connection.execute("select space from knowledge.release where number = %s", [release]).fetchone()
    assert row is not None
    rows = connection.execute(
        f"select document_id, version from {space_schema(row[0])}.document"  # noqa: S608  # a name made of a number
        " where added_in <= %s and removed_in > %s and (expires_at is null or expires_at > %s)",
        [release, release, now],
    )
    return {str(document_id): version for document_id, version in rows}


def _of_files(released: Mapping[str, int], documents: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """Version of each file that a release shows: the oldest one among its documents, which change together."""
    versions: dict[str, int] = {}
    for row in documents:
        version = released.get(row["document_id"])
        if version is not None:
            versions[row["file_id"]] = min(version, versions.get(row["file_id"], version))
    return versions


def _kept_out(ledger: Ledger, documents: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Files whose documents in force a policy keeps out of the index, and for what; a part that gets in counts."""
    rules = ledger.latest.to_dict("index")
    current = ledger.current.event
    traits: dict[str, list[str | None]] = {}
    for row in documents:
        file_id = row["file_id"]
        if current.get(file_id) == row["event"]:
            traits.setdefault(file_id, []).append(kept_out_for(rules[file_id], row))
    return {file_id: found[0] for file_id, found in traits.items() if found[0] is not None and None not in found}


def remarks_of(documents: Iterable[Mapping[str, Any]]) -> dict[Event, Remarks]:
    """What was noticed in the documents of each content event, each thing once, in the order of their parts."""
    found: dict[Event, Remarks] = {}
    for row in sorted(documents, key=lambda row: row["part"] or ""):
        event = (row["file_id"], row["event"])
        known = found.get(event, Remarks())
        kinds = {finding["kind"] for finding in row["findings"] or ()}
        found[event] = Remarks(
            tuple(dict.fromkeys((*known.notes, *row["notes"]))), tuple(sorted(kinds.union(known.flagged)))
        )
    return found


def count_by(values: Iterable[str | None]) -> dict[str, int]:
    """How often each value stands there, most frequent first, then by name; None is left out."""
    counts = Counter(value for value in values if value is not None)
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


# ---------------------------------------------------------------------- inside


@dataclass(frozen=True)
class _Bronze:
    """The states of what bronze knows, before the inbox is looked at."""

    ledger: Ledger
    refusals: Mapping[Event, Mapping[str | None, Mapping[str, Any]]]
    cuts: Mapping[Event, Cut]
    released: Mapping[str, int]
    now: datetime
    kept_out: Mapping[str, str]
    remarks: Mapping[Event, Remarks]

    def states(self) -> list[FileState]:
        newest = {row["document_id"]: row for row in self.ledger.newest.reset_index().to_dict("records")}
        ready = {str(document_id): int(event) for document_id, event in self.ledger.current.event.items()}
        contents = self.ledger.log[self.ledger.log.kind == CONTENT]
        received = {
            (document_id, int(event)): time.to_pydatetime()
            for document_id, event, time in zip(contents.document_id, contents.event, contents.received_at, strict=True)
        }
        rows = self.ledger.latest.reset_index().to_dict("records")
        found = []
        for row in rows:
            state = self._state(row, newest.get(row["document_id"]), ready, received)
            found.append(state)
            if state.state not in ("refused", "removed"):
                found += self._parts(state, (row["document_id"], int(newest[row["document_id"]]["event"])))
        return found

    def _parts(self, file: FileState, event: Event) -> Iterator[FileState]:
        """Attachments of a file that cannot be read."""
        for part, refusal in sorted(self.refusals.get(event, {}).items(), key=lambda item: item[0] or ""):
            if part is not None:
                yield _refused(
                    replace(
                        file,
                        path=f"{file.path}{OF_PART}{part}",
                        state="refused",
                        served_version=None,
                        passages=0,
                        refresh_on=None,
                        expires_at=None,
                        sha256=None,
                        notes=(),
                        flagged=(),
                    ),
                    refusal,
                )

    def _state(
        self,
        row: Mapping[Any, Any],
        newest: Mapping[Any, Any] | None,
        ready: Mapping[str, int],
        received: Mapping[Event, datetime],
    ) -> FileState:
        document_id = row["document_id"]
        base = FileState(
            path=row["path"],
            source=row["source"],
            state="removed",
            version=int(row["version"]),
            tenant=_text(row["tenant"]),
            roles=_texts(row["roles"]),
            clearance=_text(row["clearance"]),
            language=_declared_language(row["defaults"]),
            received_at=row["received_at"].to_pydatetime(),
            sha256=row["sha256"],
        )
        if row["kind"] == REMOVED or newest is None:
            return base
        event = (document_id, int(newest["event"]))
        shown = (document_id, ready.get(document_id, event[1]))
        cut = self.cuts.get(shown)
        expires_at = _expiry(received[shown], row["ttl_days"])
        refusal = self.refusals.get(event, {}).get(None) if newest["state"] == REFUSED else None
        noticed = Remarks() if refusal is not None else self.remarks.get(shown, Remarks())
        state = replace(
            base,
            state=self._progress(newest, document_id, expires_at),
            served_version=self.released.get(document_id),
            passages=cut.passages if cut and newest["state"] != REFUSED else 0,
            language=cut.language if cut else base.language,
            received_at=received[event],
            expires_at=expires_at,
            refresh_on=refresh_on(row["refresh"], received[shown]),
            detail=self.kept_out.get(document_id),
            notes=noticed.notes,
            flagged=noticed.flagged,
        )
        return state if refusal is None else _refused(state, refusal)

    def _progress(self, newest: Mapping[Any, Any], document_id: str, expires_at: datetime | None) -> State:
        if newest["state"] == REFUSED:
            return "refused"
        if expires_at is not None and expires_at <= self.now:
            return "expired"
        served = self.released.get(document_id) == int(newest["version"])
        if newest["state"] == READY and document_id in self.kept_out and not served:
            return "kept_out"
        return "served" if newest["state"] == READY and served else "on_its_way"


def _refused(state: FileState, refusal: Mapping[str, Any]) -> FileState:
    """The state with the reason of a row of quarantine."""
    told = {name: refusal[name] for name in ("reason", "sentence_de", "sentence_en", "detail")}
    return replace(state, **told)


def _overlay(states: dict[str, FileState], source: str, plan: Intake) -> None:
    """What the inbox says beyond bronze."""
    for change in plan.changes:
        states[change.path] = _not_taken_in(change, states.get(change.path))
    for path in plan.withheld:
        states[path] = replace(states[path], state="deletion_held", pending="deleted")
    for held in plan.held:
        below = f"{held.path}/"
        met = [path for path, known in states.items() if path.startswith(below) and known.state != "removed"]
        for path in met or [held.path]:
            states[path] = replace(states.get(path) or FileState(path, source, held.reason), state=held.reason)


def _not_taken_in(change: Change, known: FileState | None) -> FileState:
    if known is None or known.state == "removed":
        pending, known = "new", FileState(change.path, change.source, "not_taken_in")
    else:
        pending = _PENDING[change.kind]
    return replace(
        known,
        state="not_taken_in",
        pending=pending,
        version=change.version,
        tenant=change.access.tenant,
        roles=change.access.roles or (),
        clearance=change.access.clearance,
        language=known.language or _declared_language(change.access.defaults),
        sha256=change.sha256,
        reason=None,
        sentence_de=None,
        sentence_en=None,
        detail=None,
    )


def _with_duplicates(states: Sequence[FileState]) -> tuple[FileState, ...]:
    """The same states, each pointing at the first path with the same bytes that is in the inbox."""
    first: dict[str, str] = {}
    marked = []
    for state in states:
        gone = state.state == "removed" or state.pending == "deleted"
        if state.sha256 is not None and state.sha256 != NO_BYTES_SHA256 and not gone:
            original = first.setdefault(state.sha256, state.path)
            state = replace(state, duplicate_of=original if original != state.path else None)
        marked.append(state)
    return tuple(marked)


def _with_near_duplicates(
    states: Sequence[FileState], ledger: Ledger, sketches: Mapping[Event, bytes]
) -> tuple[FileState, ...]:
    """The same states, each pointing at the first file whose text is nearly the same."""
    by_path = {}
    for document_id, event, path in zip(ledger.newest.index, ledger.newest.event, ledger.newest.path, strict=True):
        signature = sketches.get((document_id, int(event)))
        if signature is not None:
            by_path[path] = signature
    alive = [s.path for s in states if s.duplicate_of is None and s.state != "removed" and s.pending is None]
    near = near_duplicates(by_path, alive)
    return tuple(replace(state, near_duplicate_of=near.get(state.path)) for state in states)


def _cuts(rows: Iterable[Mapping[str, Any]]) -> dict[Event, Cut]:
    """What gold made of each content event; the language is the most frequent among its passages, then the first."""
    counts: dict[Event, Counter[str]] = {}
    for row in rows:
        counts.setdefault((row["file_id"], row["event"]), Counter())[row["language"]] += 1
    return {
        event: Cut(languages.total(), min(languages, key=lambda language: (-languages[language], language)))
        for event, languages in counts.items()
    }


def _expiry(received_at: datetime, ttl_days: float | None) -> datetime | None:
    if ttl_days is None or ttl_days != ttl_days:
        return None
    return received_at + timedelta(days=int(ttl_days))


def _declared_language(defaults: str) -> str | None:
    """The language that sidecar or folders name for a file, as a code of two letters."""
    values = json.loads(defaults)
    sidecar = values.get(SIDECAR)
    said = (sidecar or {}).get("language") or values.get("language")
    return said[:2].lower() if isinstance(said, str) and len(said) >= 2 else None


def _text(value: object) -> str | None:
    """A text of a data frame, where a missing one is NaN."""
    return value if isinstance(value, str) else None


def _texts(value: object) -> tuple[str, ...]:
    return () if value is None or isinstance(value, float) else tuple(value)  # type: ignore[arg-type]
