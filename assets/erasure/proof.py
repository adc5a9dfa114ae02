"""Searches everything again after an erasure, by other ways than it was found."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow.compute as pc

from assets.bronze.changes import NO_BYTES_SHA256
from assets.bronze.contract import KEYS, SOURCE_FILES
from assets.bronze.erased import erased_bytes
from assets.erasure.feedback import find_comments
from assets.erasure.index import spaces
from assets.erasure.journal import Check, Intent
from assets.erasure.places import Needles, Place, count_holding, files_below
from assets.erasure.subject import Subject
from assets.erasure.tables import TABLES, file_id, key_of
from assets.gold.contract import CHUNKS
from assets.silver.contract import DOCUMENTS, QUARANTINE
from assets.stores import Stores
from retrieval.schema.migrate import space_schema
from retrieval.snapshot import SUFFIX
from retrieval.standby import Snapshot


def prove(
    stores: Stores, intent: Intent, subject: Subject | None, needles: Needles, places: Sequence[Place]
) -> list[Check]:
    """All checks, in order."""
    return [
        *_rows_are_gone(stores, intent),
        _keys_are_gone(stores, intent),
        _bytes_are_listed(stores, intent),
        *(_texts_of_lake(stores, subject) if subject is not None else ()),
        *_files_of_lake(stores, needles),
        *_index(stores, intent, subject),
        *(_comments(stores, subject) if subject is not None else ()),
        *_files_of_database(stores, needles),
        *_standby(stores, intent),
        *(Check(place.name, *place.find(needles)) for place in places),
    ]


def _rows_are_gone(stores: Stores, intent: Intent) -> Iterator[Check]:
    log = stores.lake.read(SOURCE_FILES, ["document_id", "event", "sha256"]).to_pylist()
    yield Check(f"rows of {SOURCE_FILES.name}", len(log), sum(key_of(row) in intent.rows for row in log))
    for contract in (DOCUMENTS, QUARANTINE):
        names = list(dict.fromkeys([file_id(contract), "event", "sha256"]))
        rows = [tuple(row[name] for name in names) for row in stores.lake.read(contract, names).to_pylist()]
        yield Check(f"rows of {contract.name}", len(rows), sum(row in intent.rows for row in rows))
    chunks = stores.lake.read(CHUNKS, ["chunk_id"])["chunk_id"].to_pylist()
    yield Check(f"rows of {CHUNKS.name}", len(chunks), sum(chunk in intent.chunks for chunk in chunks))


def _keys_are_gone(stores: Stores, intent: Intent) -> Check:
    """Of files of which nothing stays; what stays of others opens with a newer key, and only with that."""
    held = stores.lake.read(KEYS, ["document_id", "number"]).to_pylist()
    left = stores.lake.read(SOURCE_FILES, ["document_id"], where=pc.field("content").is_valid())
    present = set(left["document_id"].to_pylist())
    old = [
        row for row in held
        if row["document_id"] in intent.files
        and (row["document_id"] not in present or row["number"] < intent.files[row["document_id"]])
        and row["document_id"] in {id_ for id_, _, _ in intent.rows}
    ]  # fmt: skip
    return Check("data keys", len(held), len(old))


def _bytes_are_listed(stores: Stores, intent: Intent) -> Check:
    hashes = {sha256 for _, _, sha256 in intent.rows} - {NO_BYTES_SHA256}
    is_erased = erased_bytes(stores.lake, lambda: stores.vault)
    return Check("erased bytes that could come back", len(hashes), sum(not is_erased(sha256) for sha256 in hashes))


def _texts_of_lake(stores: Stores, subject: Subject) -> Iterator[Check]:
    for contract in TABLES:
        looked_at = found = 0
        for place in sorted(stores.lake.partitions(contract)):
            for row in stores.lake.read(contract, partitions=[place]).to_pylist():
                looked_at += 1
                found += any(subject.holds(text) for text in _strings(row))
        yield Check(f"texts of {contract.name}", looked_at, found)


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)


def _files_of_lake(stores: Stores, needles: Needles) -> Iterator[Check]:
    """Raw bytes of every file, the transaction logs with their statistics among them; on a local lake only."""
    if "://" not in stores.lake.uri:
        yield Check("files of the lake", *count_holding(files_below(Path(stores.lake.uri)), needles.own_bytes))


def _index(stores: Stores, intent: Intent, subject: Subject | None) -> Iterator[Check]:
    with stores.connect() as connection:
        for space in spaces(connection):
            schema = space_schema(space)
            for table, columns in (
                (
                    "document",
                    "document_id::text, version::text, path, title, url, array_to_string(authors || tags, ' ')",
                ),
                ("chunk", "chunk_id, text, heading, speaker"),
                ("posting", "distinct term"),
            ):
                looked_at = found = 0
                for row in connection.execute(f"select {columns} from {schema}.{table}".encode()):
                    texts = [value for value in row if isinstance(value, str)]
                    looked_at += 1
                    found += _is_left(table, texts, intent, subject)
                yield Check(f"{schema}.{table}", looked_at, found)


def _comments(stores: Stores, subject: Subject) -> Iterator[Check]:
    with stores.connect() as connection:
        row = connection.execute("select count(*) from knowledge.feedback where comment is not null").fetchone()
        assert row is not None
        yield Check("comments of feedback", row[0], len(find_comments(connection, subject)))


def _is_left(table: str, texts: list[str], intent: Intent, subject: Subject | None) -> bool:
    if table == "document" and (texts[0] in intent.documents or (texts[0], int(texts[1])) in intent.versions):
        return True
    if table == "chunk" and texts[0] in intent.chunks:
        return True
    if subject is None:
        return False
    if table == "posting":
        terms = {token.strip("<>").casefold() for token in subject.tokens}
        return any(text.casefold() in terms for text in texts)
    return any(subject.holds(text) for text in texts)


def _files_of_database(stores: Stores, needles: Needles) -> Iterator[Check]:
    """Raw bytes of tables, write-ahead log and server log; only of the server that this home runs."""
    server = stores.database.server
    if server is not None:
        folders = (server.data / "base", server.data / "global", server.data / "pg_wal")
        paths = [path for folder in folders for path in files_below(folder)]
        yield Check("files of the database", *count_holding([*paths, server.log], needles.own_bytes))


def _standby(stores: Stores, intent: Intent) -> Iterator[Check]:
    """Decrypted snapshots: documents that are gone as a whole, and passages that no version holds any more."""
    folder = stores.settings.standby
    if folder is None or not folder.is_dir():
        return
    looked_at = found = 0
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        held = Snapshot.load(path, stores.standby_key)
        looked_at += 1
        documents = {str(one["document_id"]) for one in held.documents.values()}
        chunks = {str(row["chunk_id"]) for row in held.rows}
        found += bool(documents & intent.documents or chunks & intent.chunks)
    yield Check("snapshots of the standby", looked_at, found)
