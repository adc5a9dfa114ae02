"""The erasure's work on the lake: rows go from bronze, silver and gold, keys are destroyed, history is deleted."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from assets.bronze.changes import NO_BYTES_SHA256
from assets.bronze.contract import CONTENT, ERASED, KEYS, REMOVED, SOURCE_FILES
from assets.bronze.erased import list_erased
from assets.bronze.vault import key_number
from assets.contract import Contract
from assets.erasure.journal import Intent
from assets.gold.contract import CHUNKS, EMBEDDINGS
from assets.governance.reviews import REVIEWS
from assets.lake import Partition
from assets.silver.contract import DOCUMENTS, QUARANTINE
from assets.silver.refusal import RefusedError
from assets.silver.rows import quarantine_row
from assets.stores import Stores

TABLES = (SOURCE_FILES, KEYS, ERASED, DOCUMENTS, QUARANTINE, CHUNKS, EMBEDDINGS, REVIEWS)
"""Every table of the lake. History is deleted of all: no file of an old version tells whose rows it holds."""

Row = dict[str, Any]
RowKey = tuple[str, int, str]


def file_id(contract: Contract) -> str:
    """The column that names the file a row is from."""
    return "file_id" if "file_id" in contract.schema.names else "document_id"


def key_of(row: Row) -> RowKey:
    """What identifies a row of bronze for ever: a path that is used again begins to count anew."""
    return row["document_id"], row["event"], row["sha256"]


def list_bytes(stores: Stores, intent: Intent) -> None:
    """Put the bytes on the list of what must not come back."""
    hashes = {sha256 for _, _, sha256 in intent.rows} - {NO_BYTES_SHA256}
    place = (stores.today, "document")
    listed = list_erased(
        stores.lake, stores.vault, hashes, erasure=intent.number, place=place, now=stores.clock()
    ) if hashes else 0  # fmt: skip
    intent.count("listed_bytes", listed)


def rewrite_bronze(stores: Stores, intent: Intent) -> None:
    """Take the rows out of bronze, and seal what stays of their files under new keys.

    Where the newest row of a file goes and older ones stay, it becomes one that says that the file was erased: the
    state before must not be served again.
    """
    log = _log(stores, intent)
    latest = {row["document_id"]: row["event"] for row in sorted(log, key=lambda row: row["event"])}
    stays = {row["document_id"] for row in log if key_of(row) not in intent.rows and _carries(row)}
    renewed = {id_: number for id_, number in intent.files.items() if id_ in stays}
    for place in _places(log):
        rows = stores.lake.read(SOURCE_FILES, partitions=[place]).to_pylist()
        kept: list[Row] = []
        for row in rows:
            if key_of(row) not in intent.rows:
                kept.append(row)
            elif row["document_id"] in stays and row["event"] == latest[row["document_id"]]:
                kept.append(_erased_row(row))
        stale = [
            row for row in kept if (key_number(row["content"]) or 0) in range(1, renewed.get(row["document_id"], 0))
        ]
        if stale:
            stores.vault.renew(
                {row["document_id"]: renewed[row["document_id"]] for row in stale}, place=place, now=stores.clock()
            )
            opened = stores.vault.open(stale)
            sealed = stores.vault.seal(_table(opened), now=stores.clock()).to_pylist()
            fresh = {key_of(row): row for row in sealed}
            kept = [fresh.get(key_of(row), row) for row in kept]
        if kept != rows:
            stores.lake.replace(SOURCE_FILES, *place, _table(kept))
            intent.count(SOURCE_FILES.name, len(rows) - len(kept))


def destroy_keys(stores: Stores, intent: Intent) -> None:
    """Destroy the data keys that nothing which stays is sealed with."""
    if not intent.files:
        return
    ids = pa.array(sorted(intent.files), pa.string())
    rows = stores.lake.read(SOURCE_FILES, ["document_id", "content"], where=pc.field("document_id").isin(ids))
    needed = {(row["document_id"], key_number(row["content"])) for row in rows.to_pylist()}
    held = stores.lake.read(KEYS, ["document_id", "number"], where=pc.field("document_id").isin(ids)).to_pylist()
    doomed = {(row["document_id"], row["number"]) for row in held} - needed
    if doomed:
        intent.count(KEYS.name, stores.vault.destroy(doomed))


def rewrite_silver(stores: Stores, intent: Intent) -> None:
    """Take texts and refusals out of silver; a file that is refused from now on gets its refusal."""
    for contract in (DOCUMENTS, QUARANTINE):
        column = file_id(contract)
        ids = pa.array(sorted({id_ for id_, _, _ in intent.rows}), pa.string())
        found = stores.lake.read(contract, ["date", "source"], where=pc.field(column).isin(ids)).to_pylist()
        for place in _places(found):
            table = stores.lake.read(contract, partitions=[place])
            keys = zip(*(table[name].to_pylist() for name in (column, "event", "sha256")), strict=True)
            _replace(stores, intent, contract, place, table, [key not in intent.rows for key in keys])
    refused = [row for row in _log(stores, intent) if row["policy_error"] == "erased"]
    for place in _places(refused):
        table = stores.lake.read(QUARANTINE, partitions=[place])
        there = set(zip(table["file_id"].to_pylist(), table["event"].to_pylist(), strict=True))
        fresh = [
            quarantine_row(row, RefusedError("erased"))
            for row in refused
            if (row["date"], row["source"]) == place and (row["document_id"], row["event"]) not in there
        ]
        if fresh:
            rows = pa.concat_tables([table, pa.Table.from_pylist(fresh, QUARANTINE.schema)])
            stores.lake.replace(QUARANTINE, *place, rows)


def rewrite_gold(stores: Stores, intent: Intent) -> None:
    """Take passages out of gold, and the vectors that no passage of their partition needs any more."""
    events = {(id_, event) for id_, event, _ in intent.rows}
    column = file_id(CHUNKS)
    ids = pa.array(sorted({id_ for id_, _ in events}), pa.string())
    found = stores.lake.read(CHUNKS, ["date", "source"], where=pc.field(column).isin(ids)).to_pylist()
    for place in _places(found):
        table = stores.lake.read(CHUNKS, partitions=[place])
        keys = zip(table[column].to_pylist(), table["event"].to_pylist(), strict=True)
        _replace(stores, intent, CHUNKS, place, table, [key not in events for key in keys])
    # vectors of all partitions: an erasure that was interrupted here left no passages to find theirs by
    for place in sorted(stores.lake.partitions(EMBEDDINGS)):
        needed = set(stores.lake.read(CHUNKS, ["text_sha256"], partitions=[place])["text_sha256"].to_pylist())
        hashes = stores.lake.read(EMBEDDINGS, ["text_sha256"], partitions=[place])["text_sha256"].to_pylist()
        if set(hashes) - needed:
            table = stores.lake.read(EMBEDDINGS, partitions=[place])
            _replace(
                stores, intent, EMBEDDINGS, place, table, [sha in needed for sha in table["text_sha256"].to_pylist()]
            )


def forget_history(stores: Stores, intent: Intent) -> None:
    """Delete older versions of all tables, with their log."""
    for contract in TABLES:
        intent.count("old_files_of_the_lake", stores.lake.forget(contract))


def _log(stores: Stores, intent: Intent) -> list[Row]:
    """Rows of bronze of the files concerned, without their bytes; `content` says only whether there are some."""
    columns = [name for name in SOURCE_FILES.schema.names if name != "content"]
    ids = pa.array(sorted({id_ for id_, _, _ in intent.rows} | intent.files.keys()), pa.string())
    rows: list[Row] = stores.lake.read(SOURCE_FILES, columns, where=pc.field("document_id").isin(ids)).to_pylist()
    return rows


def _carries(row: Row) -> bool:
    """Whether the row is a state that could be served."""
    return row["kind"] == CONTENT and row["policy_error"] is None


def _erased_row(row: Row) -> Row:
    """What stays of a newest row: that there was one, and that its content may not come back."""
    gone = {"sha256": NO_BYTES_SHA256, "size": 0, "defaults": "{}", "policy_detail": None}
    if "rules" in row:
        gone["rules"] = None
    if row["kind"] == REMOVED:
        return row | gone | {"content": None, "policy_error": None}
    return row | gone | {
        "kind": CONTENT, "content": b"", "policy_error": "erased",
        "tenant": None, "roles": None, "clearance": None, "ttl_days": None, "refresh": None,
    }  # fmt: skip


def _replace(
    stores: Stores, intent: Intent, contract: Contract, place: Partition, table: pa.Table, stays: list[bool]
) -> None:
    if all(stays):
        return
    stores.lake.replace(contract, *place, table.filter(pa.array(stays, pa.bool_())))
    intent.count(contract.name, stays.count(False))


def _places(rows: Iterable[Row]) -> list[Partition]:
    return sorted({(row["date"], row["source"]) for row in rows})


def _table(rows: list[Row]) -> pa.Table:
    return pa.Table.from_pylist(rows, SOURCE_FILES.schema)
