"""Takes away what is past its time: bytes, texts and passages of versions that nobody needs, and old history.

A version is needed while its file lies in the inbox in that state, while it is served, and while a kept release shows
it. From the day on which the last of these ended its time runs.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from assets.bronze.contract import CONTENT, KEYS, REMOVED, SOURCE_FILES
from assets.bronze.vault import key_number, list_id
from assets.contract import Contract
from assets.erasure.index import spaces
from assets.erasure.tables import TABLES, file_id
from assets.gold.contract import CHUNKS, EMBEDDINGS
from assets.ledger import REFUSED, Ledger
from assets.retention.times import Retention
from assets.silver.contract import DOCUMENTS, QUARANTINE
from assets.stores import Stores
from retrieval.schema.migrate import space_schema

Event = tuple[str, int]


def sweep(stores: Stores, retention: Retention) -> dict[str, int]:
    """Enforce it, and report what went: rows by table, keys, files. Needs to be alone on the lake.

    Interrupted at any point, the next sweep does what is left.
    """
    removed: dict[str, int] = {}
    unneeded = unneeded_since(stores, stores.ledger())
    _purge_bronze(stores, unneeded, retention, removed)
    _drop_derived(stores, removed)
    destroyed = _unused_keys(stores)
    if destroyed:
        removed[KEYS.name] = stores.vault.destroy(destroyed)
        stores.lake.forget(KEYS)
    for contract in TABLES:
        if stores.lake.version(contract) >= 0:
            done = stores.lake.maintain(contract, retention=timedelta(days=retention.history))
            removed["files of the lake's history"] = removed.get("files of the lake's history", 0) + done.deleted
    return removed


def unneeded_since(stores: Stores, ledger: Ledger) -> dict[Event, tuple[datetime, bool]]:
    """Content events that nobody needs, since when, and whether they were refused."""
    needed = {(str(id_), int(event)) for frame in (ledger.newest, ledger.current) for id_, event in frame.event.items()}
    shown = _shown(stores)
    ended = _ended(ledger.log)
    events: list[dict[Any, Any]] = ledger.events.to_dict("records")
    found = {}
    for row in events:
        key = (str(row["document_id"]), int(row["event"]))
        if key not in needed and (key[0], int(row["version"])) not in shown and key in ended:
            found[key] = ended[key], row["state"] == REFUSED
    return found


def _ended(log: pd.DataFrame) -> dict[Event, datetime]:
    """When a content event was superseded, or its file removed."""
    ended: dict[Event, datetime] = {}
    for id_, rows in log[log.kind.isin([CONTENT, REMOVED])].sort_values("event").groupby("document_id", sort=False):
        events, times = rows.event.tolist(), rows.received_at.tolist()
        for event, next_time in zip(events, times[1:], strict=False):
            ended[str(id_), int(event)] = next_time.to_pydatetime()
    return ended


def _shown(stores: Stores) -> set[tuple[str, int]]:
    """(file id, version) that some kept release shows, by the documents of each file."""
    files = {}
    columns = ["document_id", file_id(DOCUMENTS)]
    for row in stores.lake.read(DOCUMENTS, list(dict.fromkeys(columns))).to_pylist():
        files[row["document_id"]] = row[file_id(DOCUMENTS)]
    shown: set[tuple[str, int]] = set()
    with stores.connect() as connection:
        for space in spaces(connection):
            statement = f"select distinct document_id::text, version from {space_schema(space)}.document"  # noqa: S608
            for document_id, version in connection.execute(statement.encode()).fetchall():
                shown.add((str(files.get(str(document_id), document_id)), int(str(version))))
    return shown


def _purge_bronze(
    stores: Stores, unneeded: dict[Event, tuple[datetime, bool]], retention: Retention, removed: dict[str, int]
) -> None:
    """Empty the bytes that are past their time, and mark the events whose text or refusal is."""
    now = stores.clock()

    def kept(row: dict[str, Any]) -> dict[str, Any]:
        since = unneeded.get((row["document_id"], row["event"])) if row["kind"] == CONTENT else None
        if since is None:
            return row
        ended, refused = since
        text_days = retention.quarantine if refused else retention.text
        changed = dict(row)
        if row["emptied_at"] is None and ended + timedelta(days=min(retention.bronze, text_days)) <= now:
            changed |= {"content": b"", "defaults": "{}", "rules": None, "emptied_at": now}
            removed[f"bytes in {SOURCE_FILES.name}"] += 1
        if ended + timedelta(days=text_days) <= now:
            changed["purged_at"] = now
        return changed

    removed[f"bytes in {SOURCE_FILES.name}"] = 0
    ids = pa.array(sorted({id_ for id_, _ in unneeded}), pa.string())
    rows = stores.lake.read(SOURCE_FILES, ["date", "source"], where=pc.field("document_id").isin(ids)).to_pylist()
    for place in sorted({(row["date"], row["source"]) for row in rows}):
        before = stores.lake.read(SOURCE_FILES, partitions=[place]).to_pylist()
        after = pa.Table.from_pylist([kept(row) for row in before], SOURCE_FILES.schema)
        stores.lake.replace(SOURCE_FILES, *place, after)


def _drop_derived(stores: Stores, removed: dict[str, int]) -> None:
    """Rows of silver and gold whose event is purged, whenever that was; vectors that no passage needs."""
    table = stores.lake.read(SOURCE_FILES, ["document_id", "event"], where=pc.field("purged_at").is_valid())
    purged = set(zip(table["document_id"].to_pylist(), table["event"].to_pylist(), strict=True))
    for contract in (DOCUMENTS, QUARANTINE, CHUNKS):
        column = file_id(contract)

        def stays(rows: pa.Table, column: str = column) -> list[bool]:
            keys = zip(rows[column].to_pylist(), rows["event"].to_pylist(), strict=True)
            return [key not in purged for key in keys]

        removed[contract.name] = _filtered(stores, contract, [column, "event"], stays)
    needed: dict[tuple[str, str], set[str]] = {}
    chunks = stores.lake.read(CHUNKS, ["date", "source", "text_sha256"]).to_pylist()
    for row in chunks:
        needed.setdefault((row["date"], row["source"]), set()).add(row["text_sha256"])

    def wanted(rows: pa.Table) -> list[bool]:
        places = zip(rows["date"].to_pylist(), rows["source"].to_pylist(), strict=True)
        hashes = rows["text_sha256"].to_pylist()
        return [sha in needed.get(place, ()) for place, sha in zip(places, hashes, strict=True)]

    removed[EMBEDDINGS.name] = _filtered(stores, EMBEDDINGS, ["text_sha256"], wanted)


def _filtered(stores: Stores, contract: Contract, columns: list[str], stays: Callable[[pa.Table], list[bool]]) -> int:
    gone = 0
    for place in sorted(stores.lake.partitions(contract)):
        keys = stores.lake.read(contract, ["date", "source", *columns], partitions=[place])
        kept = stays(keys)
        if not all(kept):
            rows = stores.lake.read(contract, partitions=[place])
            stores.lake.replace(contract, *place, rows.filter(pa.array(stays(rows), pa.bool_())))
            gone += kept.count(False)
    return gone


def _unused_keys(stores: Stores) -> set[Event]:
    """Data keys that nothing is sealed with any more."""
    used: set[tuple[str, int | None]] = {(list_id(name), 1) for name in ("erased", "erasures")}
    for place in sorted(stores.lake.partitions(SOURCE_FILES)):
        rows = stores.lake.read(SOURCE_FILES, ["document_id", "content"], partitions=[place])
        contents = rows["content"].to_pylist()
        used |= {(id_, key_number(c)) for id_, c in zip(rows["document_id"].to_pylist(), contents, strict=True)}
    held = stores.lake.read(KEYS, ["document_id", "number"]).to_pylist()
    return {(row["document_id"], row["number"]) for row in held} - used
