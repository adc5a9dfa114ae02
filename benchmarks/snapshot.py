"""A home's tables and index as digests: equal where two homes hold the same.

Left out is what may differ: times, vectors (in the last bit, between kinds of processors), and what depends on a
home's keys: the digits of pseudonyms, the ids of keys with the digests that they are part of, and the sealed bytes of
bronze, whose hash stands beside them. What digests are made of is compared itself.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pyarrow as pa

from assets.bronze.contract import SOURCE_FILES
from assets.gold.contract import CHUNKS, EMBEDDINGS
from assets.lake import Lake
from assets.silver.contract import DOCUMENTS, QUARANTINE
from assets.silver.pii.span import neutral
from retrieval.database import Database
from retrieval.settings import Settings

PASSING = {"received_at", "date", "embedding", "content", "redactor", "digest", "document_digest"}
"""Columns that are not compared."""

INDEX = {
    "release": "select number, state, documents, chunks, added, removed from knowledge.release order by 1",
    "serving": "select release, held from knowledge.serving",
    "acl": "select tenant, roles, clearance from knowledge.acl order by 1, 2, 3",
    "document": "select tenant, document_id::text, version, source, path, title, language, authors, tags, published,"
    " url, added_in, removed_in from {s}.document order by 1, 2, 12",
    "chunk": "select tenant, chunk_id, version, ordinal, text, text_sha256, heading, page, speaker, start_s, end_s,"
    " char_start, char_end, length, flags, added_in, removed_in from {s}.chunk order by 1, 2, 16",
    "posting": "select tenant, count(*), sum(length(post))::bigint from {s}.posting group by 1 order by 1",
    "stat": "select tenant, sum(chunks)::bigint, sum(length)::bigint from {s}.stat group by 1 order by 1",
}


def lake_digests(uri: str | Path) -> dict[str, str]:
    """Digest of each table of a lake."""
    lake = Lake(uri)
    return {
        contract.name: _digest(_rows(lake.read(contract)))
        for contract in (SOURCE_FILES, DOCUMENTS, QUARANTINE, CHUNKS, EMBEDDINGS)
    }


def index_digests(settings: Settings) -> dict[str, str]:
    """Digest of each table of the index, over all spaces."""
    digests = {}
    with Database.for_writing(settings).connect(settings, autocommit=True) as connection:
        spaces = [row[0] for row in connection.execute("select id from knowledge.space order by id")]
        for name, statement in INDEX.items():
            rows: list[Any] = []
            for space in spaces if "{s}" in statement else [None]:
                rows += connection.execute(statement.replace("{s}", f"space_{space}").encode()).fetchall()
            digests[name] = _digest([[_plain(value) for value in row] for row in rows])
    return digests


def _rows(table: pa.Table) -> list[list[Any]]:
    kept = table.select([name for name in table.schema.names if name not in PASSING])
    rows = [[_plain(value) for value in row.values()] for row in kept.to_pylist()]
    return sorted(rows, key=lambda row: json.dumps(row, default=str))


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return hashlib.sha256(value).hexdigest()
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return neutral(value) if isinstance(value, str) else value


def _digest(rows: list[list[Any]]) -> str:
    return hashlib.sha256(json.dumps(rows, default=str, ensure_ascii=False).encode()).hexdigest()
