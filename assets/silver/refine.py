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
from assets.silver.process import finish
from assets.silver.readers.registry import REGISTRY
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
    documents, quarantine = (
        _current(stores, stores.lake.read(table, partitions=partition), received, empty, rebuild=rebuild)
        for table in (DOCUMENTS, QUARANTINE)
    )
    done = _keys(documents, "file_id") | _keys(quarantine) | empty
    todo = [(key, size) for key, size in zip(_key_list(log), log["size"].to_pylist(), strict=True) if key not in done]
    good: list[dict[str, Any]] = []
    bad: list[tuple[dict[str, Any], RefusedError]] = []
    for keys in _batches(todo):
        for row, outcome in _outcomes(stores, _content_rows(stores, partition, keys)):
            try:
                good += _finished(stores, row, outcome)
            except RefusedError as refused:
                if refused.reason.stage == "read":
                    refused.reader = refused.reader or REGISTRY
                    if refused.code in LIMITED:
                        refused.reader += f" {stores.limits.version}"
                bad.append(({name: value for name, value in row.items() if name != "content"}, refused))
            stores.progress(f"reading {source}", len(good) + len(bad), len(todo))
    since = _first_seen(stores, [row for row, _ in bad])
    redactor = stores.versions.redactor
    refusals = [
        quarantine_row(row, refused, redactor, first_seen=since[row["document_id"], row["event"]])
        for row, refused in bad
    ]
    return Refined(
        pa.concat_tables([documents, pa.Table.from_pylist(good, DOCUMENTS.schema)]),
        pa.concat_tables([quarantine, pa.Table.from_pylist(refusals, QUARANTINE.schema)]),
        len(todo),
    )


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


def _current(stores: Stores, table: pa.Table, received: set[Key], empty: set[Key], *, rebuild: bool) -> pa.Table:
    """The rows of files that today's code would make again as they are; a file keeps all of its rows or none.

    Args:
        empty: files whose bytes are gone: what was made of them stays as it is.
        rebuild: make everything else anew.
    """
    readers = stores.versions.readers or frozenset()
    keys = _key_list(table, "file_id" if "file_id" in table.schema.names else "document_id")
    versions = (table.column(name).to_pylist() for name in ("reader", "redactor", "screener"))
    stale = {
        key
        for key, reader, redactor, screener in zip(keys, *versions, strict=True)
        if rebuild
        or (reader is not None and reader not in readers)
        or (redactor is not None and redactor != stores.versions.redactor)
        or (screener is not None and screener != SCREENER)
    } - empty
    return table.filter(pa.array([key in received and key not in stale for key in keys], pa.bool_()))


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
