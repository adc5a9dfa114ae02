"""One partition of silver: what bronze received, read anew only where the code or the bytes are new."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from assets.bronze.contract import CONTENT, SOURCE_FILES
from assets.pseudonyms import demand_keys
from assets.silver.contract import DOCUMENTS, QUARANTINE
from assets.silver.process import MAX_PART, finish, short_part
from assets.silver.readers.registry import REGISTRY
from assets.silver.redact import redact_name
from assets.silver.refusal import LIMITED, RefusedError
from assets.silver.rows import document_row, quarantine_row
from assets.silver.sandbox import Outcome
from assets.silver.screening import SCREENER
from assets.stores import Stores

Key = tuple[str, int]
"""A content event: document id and number."""

BATCH_BYTES = 128 * 2**20
"""Bytes of files that are in memory at once."""


@dataclass(frozen=True)
class Refined:
    """The partition as it should be; `processed` files were read for it, the others were done already."""

    documents: pa.Table
    quarantine: pa.Table
    processed: int


def refine_partition(stores: Stores, date: str, source: str, *, rebuild: bool = False) -> Refined:
    """Every content event of the partition as a row of silver/documents or of silver/quarantine.

    Args:
        rebuild: make rows anew that are there already.
    """
    partition = [(date, source)]
    demand_keys(stores)
    columns = ["document_id", "event", "kind", "size", "emptied_at", "purged_at"]
    log = stores.lake.read(SOURCE_FILES, columns, partitions=partition)
    log = log.filter(pc.and_(pc.equal(log["kind"], CONTENT), pc.is_null(log["purged_at"])))
    received = _keys(log)
    empty = _keys(log.filter(pc.is_valid(log["emptied_at"])))
    documents, quarantine = _current(
        stores,
        [stores.lake.read(table, partitions=partition) for table in (DOCUMENTS, QUARANTINE)],
        received,
        empty,
        rebuild=rebuild,
    )
    done = _keys(documents, "file_id") | _keys(quarantine, "file_id") | empty
    todo = [(key, size) for key, size in zip(_key_list(log), log["size"].to_pylist(), strict=True) if key not in done]
    good: list[dict[str, Any]] = []
    bad: list[tuple[dict[str, Any], RefusedError, str | None]] = []
    for keys in _batches(todo):
        for row, outcome in _outcomes(stores, _content_rows(stores, partition, keys)):
            known = {name: value for name, value in row.items() if name != "content"}
            try:
                good += _finished(stores, row, outcome)
                bad += [(known, _by_whom(refused, stores), part) for part, refused in _refused_parts(outcome)]
            except RefusedError as refused:
                bad.append((known, _by_whom(refused, stores), None))
            stores.progress(f"reading {source}", len(good) + len(bad), len(todo))
    since = _first_seen(stores, [row for row, _, _ in bad])
    redactor = stores.versions.redactor
    refusals = [
        quarantine_row(
            row,
            refused,
            redactor,
            part=part,
            part_name=_named(stores, row["tenant"], part),
            first_seen=since[row["document_id"], row["event"]],
        )
        for row, refused, part in bad
    ]
    return Refined(
        pa.concat_tables([documents, pa.Table.from_pylist(good, DOCUMENTS.schema)]),
        pa.concat_tables([quarantine, pa.Table.from_pylist(refusals, QUARANTINE.schema)]),
        len(todo),
    )


def _by_whom(refused: RefusedError, stores: Stores) -> RefusedError:
    """The refusal with the version of what it depends on: the reader, and the limits where it is for one of them."""
    if refused.reason.stage == "read":
        refused.reader = refused.reader or REGISTRY
        if refused.code in LIMITED:
            refused.reader += f" {stores.limits.version}"
    return refused


def _named(stores: Stores, tenant: str, part: str | None) -> str | None:
    """The name of a part without personal data."""
    if part is None:
        return None
    return redact_name(part, stores.pseudonyms.of_tenant(tenant), stores.extra)[:MAX_PART]


def _refused_parts(outcome: Outcome) -> Iterator[tuple[str, RefusedError]]:
    """Parts of a file that no document was made of, though others were."""
    parts = () if isinstance(outcome, RefusedError) else [part for document in outcome for part in document.refused]
    taken: set[str] = set()
    for part in parts:
        name = short_part(part.part)
        if name not in taken:
            taken.add(name)
            yield name, RefusedError(part.code, part.detail, reader=part.reader)


def _first_seen(stores: Stores, rows: Sequence[Mapping[str, Any]]) -> dict[Key, datetime]:
    """When the bytes of each row were first received at its path."""
    if not rows:
        return {}
    ids = pa.array(sorted({row["document_id"] for row in rows}))
    columns = ["document_id", "event", "kind", "sha256", "received_at"]
    log = stores.lake.read(SOURCE_FILES, columns, where=pc.field("document_id").isin(ids)).to_pylist()
    received: dict[tuple[str, str], list[tuple[int, datetime]]] = {}
    for row in log:
        if row["kind"] == CONTENT:
            key = (row["document_id"], row["sha256"])
            received.setdefault(key, []).append((row["event"], row["received_at"]))
    return {
        (row["document_id"], row["event"]): min(
            time for event, time in received[row["document_id"], row["sha256"]] if event <= row["event"]
        )
        for row in rows
    }


def _outcomes(stores: Stores, rows: Sequence[dict[str, Any]]) -> Iterator[tuple[dict[str, Any], Outcome]]:
    """What the readers make of each row's bytes, or why it is not read at all, in the order of the rows."""
    allowed = [row for row in rows if row["policy_error"] is None]
    read = stores.sandbox.read_all(
        ((row["content"], row["path"]) for row in allowed),
        count=len(allowed),
        size=sum(len(row["content"]) for row in allowed),
    )
    for row in rows:
        if row["policy_error"] is None:
            yield row, next(read)
        else:
            yield row, RefusedError(row["policy_error"], row["policy_detail"])


def _finished(stores: Stores, row: Mapping[str, Any], outcome: Outcome) -> list[dict[str, Any]]:
    if isinstance(outcome, RefusedError):
        raise outcome
    redacted = finish(
        outcome,
        path=row["path"],
        defaults=json.loads(row["defaults"]),
        key=stores.pseudonyms.of_tenant(row["tenant"]),
        rules=json.loads(row["rules"] or "{}"),
        extra=stores.extra,
    )
    return [document_row(row, part, stores.versions.redactor) for part in redacted]


def _content_rows(stores: Stores, partition: list[tuple[str, str]], keys: set[Key]) -> list[dict[str, Any]]:
    ids = pa.array(sorted({document_id for document_id, _ in keys}))
    table = stores.lake.read(SOURCE_FILES, partitions=partition, where=pc.field("document_id").isin(ids))
    return stores.vault.open([row for row in table.to_pylist() if (row["document_id"], row["event"]) in keys])


def _current(
    stores: Stores, tables: Sequence[pa.Table], received: set[Key], empty: set[Key], *, rebuild: bool
) -> list[pa.Table]:
    """The rows of files that today's code would make again as they are; a file keeps its rows of all tables or none.

    Args:
        empty: files whose bytes are gone: what was made of them stays as it is.
        rebuild: make everything else anew.
    """
    readers = stores.versions.readers or frozenset()
    keys = [_key_list(table, "file_id") for table in tables]
    versions = [zip(*(table.column(name).to_pylist() for name in _VERSIONS), strict=True) for table in tables]
    stale = {
        key
        for keys_, versions_ in zip(keys, versions, strict=True)
        for key, (reader, redactor, screener) in zip(keys_, versions_, strict=True)
        if rebuild
        or (reader is not None and reader not in readers)
        or (redactor is not None and redactor != stores.versions.redactor)
        or (screener is not None and screener != SCREENER)
    } - empty
    return [
        table.filter(pa.array([key in received and key not in stale for key in keys_], pa.bool_()))
        for table, keys_ in zip(tables, keys, strict=True)
    ]


_VERSIONS = ("reader", "redactor", "screener")


def _batches(todo: Sequence[tuple[Key, int]]) -> Iterator[set[Key]]:
    batch: set[Key] = set()
    held = 0
    for key, size in todo:
        if batch and held + size > BATCH_BYTES:
            yield batch
            batch, held = set(), 0
        batch.add(key)
        held += size
    if batch:
        yield batch


def _key_list(table: pa.Table, file_id: str = "document_id") -> list[Key]:
    return list(zip(table.column(file_id).to_pylist(), table.column("event").to_pylist(), strict=True))


def _keys(table: pa.Table, file_id: str = "document_id") -> set[Key]:
    return set(_key_list(table, file_id))
