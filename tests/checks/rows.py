"""Tables that keep their contracts, made by hand, as a ground to plant bad rows in."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa

from assets.bronze.contract import SOURCE_FILES
from assets.contract import Contract
from assets.gold.contract import CHUNKS, EMBEDDINGS
from assets.index.contract import CANDIDATE
from assets.silver.contract import DOCUMENTS, QUARANTINE

DATE, SOURCE = "2026-03-01", "blog"
SECRET = "zitronenfalter"
RECEIVED = datetime(2026, 3, 1, 12, tzinfo=UTC)


def sha(number: int) -> str:
    """A SHA-256 that belongs to a number."""
    return hashlib.sha256(b"%d" % number).hexdigest()


def identity(number: int) -> str:
    """A document id that belongs to a number."""
    return f"00000000-0000-5000-8000-{number:012x}"


def path(number: int) -> str:
    """A path that belongs to a number."""
    return f"blog/{number}.md"


def good(contract: Contract, number: int) -> dict[str, Any]:
    """Row `number` of a table that keeps the contract; texts and other private values contain `SECRET`."""
    rows = {
        SOURCE_FILES.name: _bronze,
        DOCUMENTS.name: _document,
        QUARANTINE.name: _quarantine,
        CHUNKS.name: _chunk,
        EMBEDDINGS.name: _embedding,
        CANDIDATE.name: _candidate,
    }
    return dict(rows[contract.name](number))


def table(contract: Contract, rows: list[dict[str, Any]]) -> pa.Table:
    """Rows as Arrow, with the contract's types; nulls are let through wherever they are."""
    arrays = [pa.array([row[field.name] for row in rows], field.type) for field in contract.schema]
    return pa.Table.from_arrays(arrays, schema=contract.schema)


def _identity(number: int) -> dict[str, Any]:
    return {
        "date": DATE,
        "source": SOURCE,
        "document_id": identity(number),
        "version": 1,
        "event": 1,
        "path": path(number),
        "sha256": sha(number),
        "received_at": RECEIVED,
    }


def _bronze(number: int) -> dict[str, Any]:
    return _identity(number) | {
        "kind": "content",
        "size": 14,
        "content": SECRET.encode(),
        "media_type": "text/markdown",
        "tenant": "acme",
        "roles": ["everyone"],
        "clearance": "public",
        "ttl_days": None,
        "refresh": None,
        "emptied_at": None,
        "purged_at": None,
        "defaults": "{}",
        "rules": "{}",
        "policy_error": None,
        "policy_detail": None,
    }


def _document(number: int) -> dict[str, Any]:
    block = {"kind": "paragraph", "start": 0, "end": len(SECRET), "speaker": SECRET}
    return _identity(number) | {
        "file_id": identity(number),
        "part": None,
        "tenant": "acme",
        "title": SECRET,
        "language": "de",
        "authors": [SECRET],
        "tags": ["heat"],
        "published": None,
        "url": None,
        "text": SECRET,
        "blocks": [block],
        "pii": '{"EMAIL": 1}',
        "notes": [],
        "findings": [],
        "digest": sha(number),
        "screener": "rules/1",
        "sketch": None,
        "reader": "markdown/1",
        "redactor": "patterns/1",
    }


def _quarantine(number: int) -> dict[str, Any]:
    return _identity(number) | {
        "file_id": identity(number),
        "part": None,
        "stage": "read",
        "reason": "empty",
        "sentence_de": "Leer.",
        "sentence_en": "Empty.",
        "detail": None,
        "reader": "markdown/1",
        "redactor": None,
        "screener": None,
        "first_seen": RECEIVED,
        "last_seen": RECEIVED,
    }


def _chunk(number: int) -> dict[str, Any]:
    return {
        "date": DATE,
        "source": SOURCE,
        "document_id": identity(number),
        "file_id": identity(number),
        "version": 1,
        "event": 1,
        "chunk_id": sha(number),
        "ordinal": 0,
        "text": SECRET,
        "text_sha256": sha(-number - 1),
        "tokens": 3,
        "char_start": 5,
        "char_end": 5 + len(SECRET),
        "heading": SECRET,
        "page": None,
        "speaker": SECRET,
        "start_s": 1.5,
        "end_s": 2.5,
        "language": "de",
        "document_digest": sha(number),
        "chunker": "blocks/2:384",
    }


def _embedding(number: int) -> dict[str, Any]:
    return {
        "date": DATE,
        "source": SOURCE,
        "fingerprint": "words",
        "text_sha256": sha(number),
        "embedding": [0.6, 0.8],
    }


def _candidate(number: int) -> dict[str, Any]:
    return {
        "tenant": "acme",
        "document_id": identity(number),
        "chunk_id": sha(number),
        "chunk": number + 1,
        "ordinal": 0,
        "version": 1,
        "document_version": 2,
        "source": SOURCE,
        "path": path(number),
        "language": "de",
        "text_sha256": sha(number),
        "text_length": 10,
        "terms": 3,
        "char_start": 5,
        "char_end": 15,
        "page": None,
        "start_s": None,
        "end_s": None,
        "acl_id": 1,
        "document_acl_id": 1,
        "acl_tenant": "acme",
        "clearance": "internal",
        "valid_from": RECEIVED,
        "expires_at": RECEIVED + timedelta(days=1),
        "document_expires_at": RECEIVED + timedelta(days=1),
        "added_in": 1,
        "norm": 1.0002,
    }
