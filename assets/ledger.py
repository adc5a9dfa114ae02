"""How far every received file has come, read from the tables themselves.

There is no bookkeeping beside the tables that could disagree with them: after a crash at any point, what is
missing is what the next run does.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import pyarrow as pa
import pyarrow.compute as pc

from assets.bronze.contract import CONTENT, REMOVED, SOURCE_FILES
from assets.gold.contract import CHUNKS, EMBEDDINGS
from assets.lake import Lake, Partition
from assets.silver.contract import DOCUMENTS, QUARANTINE

if TYPE_CHECKING:
    import pandas as pd

RECEIVED, REFUSED, PARSED, CHUNKED, READY = "received", "refused", "parsed", "chunked", "ready"
"""States of a content event, in the order of progress; `refused` and `ready` are ends."""

_LOG = [name for name in SOURCE_FILES.schema.names if name != "content"]
_EVENT = ["date", "source", "document_id", "event"]


@dataclass(frozen=True)
class Versions:
    """What the code of today would write into new rows; rows with other values are done again.

    Attributes:
        readers: `reader` strings that are current; None accepts all.
        redactor, screener, chunker: version strings.
        fingerprint: identity of the embedding model.
    """

    readers: frozenset[str] | None
    redactor: str
    screener: str
    chunker: str
    fingerprint: str


@dataclass(frozen=True)
class Ledger:
    """Bronze's log with the state of each content event.

    Attributes:
        log: all bronze rows without their bytes.
        events: one row for each content event that is not purged: partition, document_id, event, `state`, `stale`
            (made by code of another version, or its passages were cut from another text than it has now).

    `document_id` is that of bronze, which is the file's; a file has come as far as the last of its documents.
    """

    log: pd.DataFrame
    events: pd.DataFrame

    @classmethod
    def read(cls, lake: Lake, versions: Versions) -> Ledger:
        """Read only what tells the progress: no bytes, no text, no vectors."""
        log = _frame(lake.read(SOURCE_FILES, _LOG))
        events = log.loc[
            (log.kind == CONTENT) & log.purged_at.isna(), [*_EVENT, "version", "path", "emptied_at"]
        ].copy()
        refused = _frame(lake.read(QUARANTINE, [*_EVENT, "file_id", "part", "reader", "redactor", "screener"]))
        refused = refused.assign(document_id=refused.file_id)
        parsed = _frame(lake.read(DOCUMENTS, [*_EVENT, "file_id", "reader", "redactor", "screener", "digest"]))
        chunks = _chunk_progress(lake, versions)
        chunked, ready = _file_progress(parsed, chunks.chunked, chunks.ready)
        outdated = {
            key
            for key, digest in zip(_keys(parsed), parsed.digest, strict=True)
            if chunks.cut_from.get(key, digest) != digest
        }
        of_file = dict(zip(_keys(parsed), _keys(parsed.assign(document_id=parsed.file_id)), strict=True))
        parsed = parsed.assign(document_id=parsed.file_id)
        state = dict.fromkeys(_keys(events), RECEIVED)
        stale: set[tuple[object, ...]] = set()
        # a refused part says nothing about the file it is from but how old the code was that refused it
        state.update(dict.fromkeys(_keys(refused[refused.part.isna()]), REFUSED))
        state.update(dict.fromkeys(_keys(parsed), PARSED))
        for frame in (refused, parsed):
            old = _not_current(frame, "redactor", versions.redactor)
            old |= _not_current(frame, "screener", versions.screener)
            if versions.readers is not None:
                old |= frame.reader.notna() & ~frame.reader.isin(versions.readers)
            stale.update(_keys(frame[old]))
        stale.update(of_file[key] for key in outdated)
        parsed_keys = set(_keys(parsed))
        state.update((key, CHUNKED) for key in chunked & parsed_keys)
        state.update((key, READY) for key in ready & parsed_keys)
        keys = _keys(events)
        events["state"] = [state[key] for key in keys]
        # what has lost its bytes cannot be made anew
        full = events.pop("emptied_at").isna()
        events["stale"] = [key in stale and has_bytes for key, has_bytes in zip(keys, full, strict=True)]
        return cls(log, events)

    @functools.cached_property
    def latest(self) -> pd.DataFrame:
        """The newest row of each document, whatever its kind, indexed by document_id."""
        return self.log.sort_values("event").groupby("document_id").tail(1).set_index("document_id").sort_index()

    @functools.cached_property
    def newest(self) -> pd.DataFrame:
        """The newest content event of each document that is in the inbox, indexed by document_id."""
        present = self.latest.index[self.latest.kind != REMOVED]
        events = self.events[self.events.document_id.isin(present)]
        return events.sort_values("event").groupby("document_id").tail(1).set_index("document_id").sort_index()

    @functools.cached_property
    def current(self) -> pd.DataFrame:
        """The content event that should be served for each document, indexed by document_id.

        It is the newest one that came to an end, so that a file still on its way keeps its last state; where
        that end is a refusal, the document is not served and not in here.
        """
        present = self.latest.index[self.latest.kind != REMOVED]
        done = self.events[self.events.document_id.isin(present) & self.events.state.isin([REFUSED, READY])]
        last = done.sort_values("event").groupby("document_id").tail(1)
        return last[last.state == READY].set_index("document_id").sort_index()

    def unfinished(self) -> pd.DataFrame:
        """Newest content events that have not come to an end, or that code of another version brought there."""
        return self.newest[~self.newest.state.isin([REFUSED, READY]) | self.newest.stale]


def partitions_in(events: pd.DataFrame) -> set[Partition]:
    """The partitions that events lie in."""
    return {(str(date), str(source)) for date, source in zip(events.date, events.source, strict=True)}


_Events = set[tuple[object, ...]]


def _file_progress(parsed: pd.DataFrame, chunked: _Events, ready: _Events) -> tuple[_Events, _Events]:
    """Files whose documents all have chunks, and those whose documents all are ready."""
    documents = _keys(parsed)
    files = _keys(parsed.assign(document_id=parsed.file_id))
    unchunked = {file for document, file in zip(documents, files, strict=True) if document not in chunked}
    unready = {file for document, file in zip(documents, files, strict=True) if document not in ready}
    return set(files) - unchunked, set(files) - unready


@dataclass(frozen=True)
class _Chunks:
    """Documents that have chunks, those whose chunks all have a vector of today's model, and what they were cut from.

    Attributes:
        cut_from: digest of the document by event.
    """

    chunked: _Events
    ready: _Events
    cut_from: dict[tuple[object, ...], str]


def _chunk_progress(lake: Lake, versions: Versions) -> _Chunks:
    columns = [*_EVENT, "text_sha256", "chunker", "document_digest"]
    chunks = lake.read(CHUNKS, columns, where=pc.field("chunker") == versions.chunker)
    vectors = lake.read(
        EMBEDDINGS, ["date", "source", "text_sha256"], where=pc.field("fingerprint") == versions.fingerprint
    )
    frame = _frame(chunks)
    if frame.empty:
        return _Chunks(set(), set(), {})
    have = set(zip(*(vectors.column(name).to_pylist() for name in vectors.column_names), strict=True))
    embedded = [key in have for key in zip(frame.date, frame.source, frame.text_sha256, strict=True)]
    complete = frame.assign(embedded=embedded).groupby(_EVENT, sort=False).embedded.all()
    cut_from = dict(zip(_keys(frame), frame.document_digest, strict=True))
    return _Chunks(set(complete.index), set(complete.index[complete]), cut_from)


def _frame(table: pa.Table) -> pd.DataFrame:
    return cast("pd.DataFrame", table.to_pandas())


def _keys(frame: pd.DataFrame) -> list[tuple[object, ...]]:
    return list(zip(*(frame[name] for name in _EVENT), strict=True))


def _not_current(frame: pd.DataFrame, column: str, value: str) -> pd.Series[bool]:
    return frame[column].notna() & (frame[column] != value)
