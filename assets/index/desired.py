"""What the index should hold, read from the lake: documents in force, their passages, who may see them."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from assets.bronze.contract import REMOVED
from assets.gold.contract import CHUNKS, EMBEDDINGS
from assets.index.flags import flags_of
from assets.lake import Lake
from assets.ledger import Ledger, partitions_in
from assets.silver.contract import DOCUMENTS
from assets.silver.pii.keys import key_of
from assets.silver.pii.span import neutral
from assets.silver.screening.policy import keeps_out

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_CHUNK_FACTS = (
    "ordinal", "text_sha256", "heading", "page", "speaker", "start_s", "end_s", "char_start", "char_end", "language",
)  # fmt: skip
"""Facts of a passage; its digest also covers the document's title, under whose words it is indexed."""

_DOCUMENT_FACTS = (
    "version", "source", "path", "title", "language", "authors", "tags", "published", "url",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Access:
    """An access set: tenant, sorted roles, clearance by name."""

    tenant: str
    roles: tuple[str, ...]
    clearance: str


@dataclass(frozen=True, slots=True)
class DesiredDocument:
    """A document as the next release should show it.

    Attributes:
        event: the bronze row behind it.
        digest: hash of everything below that a reader sees; access and times are compared by themselves.
        chunks: chunk id → digest of the passage's facts (its place included), in order of the document.
        flags: chunk id → kinds of findings that mark it; passages without any are left out.
    """

    document_id: str
    event: int
    digest: str
    access: Access
    valid_from: datetime
    expires_at: datetime | None
    facts: dict[str, Any]
    chunks: dict[str, str]
    flags: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Desired:
    """The whole of what should be there.

    Attributes:
        documents: by document id, sorted by path.
        pending: documents of the inbox that are still on their way and served in an older state or not at all.
        hidden: documents that no release may show any more, and since when: their time to live is over, or no policy
            says who may see them.
        keys: ids of the keys that their pseudonyms were made under.
        waiting: documents whose pseudonyms were made under another key than others of their tenant. Until they are
            redacted anew no release may be written: one person would have two pseudonyms in it.
    """

    documents: dict[str, DesiredDocument]
    pending: int
    hidden: Mapping[str, datetime] = field(default_factory=dict)
    keys: frozenset[str] = frozenset()
    waiting: int = 0


def read_desired(lake: Lake, ledger: Ledger, *, now: datetime) -> Desired:
    """Documents in force at `now`, without texts and vectors."""
    current = ledger.current
    access = ledger.latest
    partitions = partitions_in(current)
    wanted = set(zip(current.index, current.event, strict=True))
    columns = ["document_id", "file_id", "event", "received_at", "pii", "redactor", "findings", *_DOCUMENT_FACTS]
    rows = lake.read(DOCUMENTS, columns, partitions=partitions)
    documents = {(row["document_id"], row["event"]): row for row in _rows(rows, wanted)}
    chunks, flags = _chunks_and_flags(lake, partitions, wanted, documents)
    found = []
    made_under: dict[str, Counter[str]] = {}
    broken = _without_policy(ledger)
    hidden = _hidden_parts(lake, ledger, broken)
    for row in documents.values():
        rule = access.loc[row["file_id"]]
        if row["file_id"] in broken:
            continue  # the policy broke after the text was read: access fails closed at once
        event = (row["document_id"], row["event"])
        if kept_out_for(rule, row) is not None:
            hidden[row["document_id"]] = rule["received_at"].to_pydatetime()
            continue
        days = rule["ttl_days"]
        expires_at = row["received_at"] + timedelta(days=int(days)) if days == days and days is not None else None
        if expires_at is not None and expires_at <= now:
            hidden[row["document_id"]] = expires_at
            continue
        if row["pii"] != "{}":
            made_under.setdefault(rule["tenant"], Counter())[key_of(row["redactor"]) or ""] += 1
        found.append(
            DesiredDocument(
                document_id=row["document_id"],
                event=row["event"],
                digest=_digest(row, _DOCUMENT_FACTS, *_key(row)),
                access=Access(rule["tenant"], tuple(sorted(rule["roles"])), rule["clearance"]),
                valid_from=row["received_at"],
                expires_at=expires_at,
                facts={name: row[name] for name in _DOCUMENT_FACTS},
                chunks=chunks[event],
                flags=flags.get(event, {}),
            )
        )
    found.sort(key=lambda document: document.facts["path"])
    pending = int((ledger.newest.state.isin(["received", "parsed", "chunked"])).sum())
    return Desired(
        {document.document_id: document for document in found},
        pending,
        hidden,
        keys=frozenset(key for keys in made_under.values() for key in keys if key),
        waiting=sum(keys.total() - max(keys.values()) for keys in made_under.values()),
    )


_Event = tuple[str, int]
"""A state of a document: its id, and the number of the event that brought it."""


def _chunks_and_flags(
    lake: Lake,
    partitions: set[tuple[str, str]],
    wanted: set[_Event],
    documents: Mapping[_Event, Mapping[str, Any]],
) -> tuple[dict[_Event, dict[str, str]], dict[_Event, dict[str, tuple[str, ...]]]]:
    """Digests of the passages of each document by their ids, and the flags of those that have some."""
    chunks: dict[_Event, dict[str, str]] = {}
    flags: dict[_Event, dict[str, tuple[str, ...]]] = {}
    findings = {event: row["findings"] for event, row in documents.items() if row["findings"]}
    rows = lake.read(CHUNKS, ["document_id", "file_id", "event", "chunk_id", *_CHUNK_FACTS], partitions=partitions)
    for row in _rows(rows, wanted):
        event = (row["document_id"], row["event"])
        if event not in documents:
            continue  # cut from a part that its file does not hold any more
        marks = flags_of(findings.get(event, ()), row["char_start"], row["char_end"])
        if marks:
            flags.setdefault(event, {})[row["chunk_id"]] = marks
        titled = row | {"title": documents[event]["title"]}
        marks = (*marks, *_key(documents[event]))
        chunks.setdefault(event, {})[row["chunk_id"]] = _digest(titled, (*_CHUNK_FACTS, "title"), *marks)
    return chunks, flags


def _key(document: Mapping[str, Any]) -> tuple[str, ...]:
    """Id of the key that a document's pseudonyms were made under; nothing where it holds no personal data."""
    key = key_of(document["redactor"])
    return (key,) if key is not None and document["pii"] != "{}" else ()


def kept_out_for(rule: Mapping[Any, Any], document: Mapping[str, Any]) -> str | None:
    """The trait for which its folders' policy keeps a document out of the index; None where it may get in.

    Args:
        rule: newest row of the file in bronze's log.
        document: its row in silver, with `pii` and `findings`.
    """
    return keeps_out(
        json.loads(rule["rules"] or "{}"),
        clearance=rule["clearance"],
        has_pii=document["pii"] != "{}",
        has_findings=bool(document["findings"]),
    )


def _without_policy(ledger: Ledger) -> dict[str, datetime]:
    """Documents of the inbox that no policy covers any more, and since when."""
    latest = ledger.latest
    broken = latest[latest.policy_error.isin(["no_policy", "bad_policy"]) & (latest.kind != REMOVED)]
    return {str(document_id): since.to_pydatetime() for document_id, since in broken.received_at.items()}


def _hidden_parts(lake: Lake, ledger: Ledger, broken: Mapping[str, datetime]) -> dict[str, datetime]:
    """Documents of the files in `broken`, and parts that left a file whose access changed afterwards.

    Kept releases still show such a part. No file says any more who may see it, so a change of its file's access
    hides it rather than guess.
    """
    hidden = dict(broken)
    parts = lake.read(DOCUMENTS, ["document_id", "file_id", "event"], where=pc.field("part").is_valid()).to_pylist()
    if not parts:
        return hidden
    last: dict[tuple[str, str], int] = {}
    for part in parts:
        key = (part["document_id"], part["file_id"])
        last[key] = max(part["event"], last.get(key, 0))
    logs = dict(list(ledger.log.groupby("document_id", sort=False)))
    current = ledger.current.event
    for (document_id, file_id), event in last.items():
        if file_id in broken:
            hidden[document_id] = broken[file_id]
        elif file_id in logs and current.get(file_id) != event:
            log = logs[file_id].sort_values("event")
            said = [_rule_of(row) for row in log[log.event >= event].to_dict("records")]
            if any(rule != said[-1] for rule in said):
                hidden[document_id] = log.received_at.iloc[-1].to_pydatetime()
    return hidden


def _rule_of(row: Mapping[Any, Any]) -> tuple[object, ...]:
    roles = row["roles"]
    return row["tenant"], None if roles is None else tuple(roles), row["clearance"]


@dataclass(frozen=True)
class Passages:
    """Texts and vectors of some chunks, in the order asked for.

    Attributes:
        rows: facts of each chunk, its text included.
        vectors: float32 (n, dimension).
    """

    rows: list[dict[str, Any]]
    vectors: NDArray[np.float32]


def read_passages(
    lake: Lake, ledger: Ledger, wanted: Sequence[tuple[str, int, str]], *, fingerprint: str, dimension: int
) -> Passages:
    """Texts and vectors of (document_id, event, chunk_id); only the partitions they lie in are read."""
    import numpy as np

    if not wanted:
        return Passages([], np.zeros((0, dimension), np.float32))
    ids = pa.array(sorted({w[0] for w in wanted}))
    keys = {w[:2] for w in wanted}
    names = ["document_id", "event", "date", "source"]
    places = lake.read(DOCUMENTS, names, where=pc.field("document_id").isin(ids)).to_pylist()
    partitions = {(row["date"], row["source"]) for row in places if (row["document_id"], row["event"]) in keys}
    columns = ["document_id", "event", "version", "chunk_id", "text", *_CHUNK_FACTS]
    table = lake.read(CHUNKS, columns, partitions=partitions, where=pc.field("document_id").isin(ids))
    by_key = {(r["document_id"], r["event"], r["chunk_id"]): r for r in table.to_pylist()}
    rows = [by_key[key] for key in wanted]
    hashes = pa.array(sorted({row["text_sha256"] for row in rows}))
    vectors = lake.read(
        EMBEDDINGS,
        ["text_sha256", "embedding"],
        partitions=partitions,
        where=(pc.field("fingerprint") == fingerprint) & pc.field("text_sha256").isin(hashes),
    )
    flat = np.asarray(pc.list_flatten(vectors["embedding"]).to_numpy(), np.float32).reshape(-1, dimension)
    index = {text: i for i, text in enumerate(vectors["text_sha256"].to_pylist())}
    return Passages(rows, flat[[index[row["text_sha256"]] for row in rows]])


def _rows(table: pa.Table, wanted: set[tuple[str, int]]) -> Iterable[dict[str, Any]]:
    for batch in table.to_batches():
        for row in batch.to_pylist():
            if (row["file_id"], row["event"]) in wanted:
                yield row


def _digest(row: dict[str, Any], names: Iterable[str], *more: str) -> str:
    text = json.dumps([*(row[name] for name in names), *more], ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(neutral(text).encode()).hexdigest()[:32]
