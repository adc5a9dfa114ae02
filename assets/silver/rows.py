"""Rows of `silver/documents` and `silver/quarantine`, exactly as their contracts say."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, astuple
from datetime import datetime
from typing import Any

from assets.bronze.files import part_id
from assets.silver.contract import DOCUMENTS, IDENTITY
from assets.silver.document import Document
from assets.silver.pii.keys import key_of
from assets.silver.pii.span import PSEUDONYM, neutral
from assets.silver.redact import Redacted
from assets.silver.refusal import RefusedError
from assets.silver.screening import SCREENER
from assets.silver.sketch import sketch

_CARRIED = tuple(column.name for column in IDENTITY)


def document_row(bronze: Mapping[str, Any], redacted: Redacted, redactor: str) -> dict[str, Any]:
    """A row of `silver/documents`.

    Args:
        bronze: the row of `bronze/source_files` the document was made from; its identity columns, `tenant` and
            `received_at` are carried over.
        redacted: what `assets.silver.process.process` made of its bytes.
        redactor: version of the redactor, with the key it redacted under.
    """
    document = redacted.document
    file_id = bronze["document_id"]
    row = {name: bronze[name] for name in (*_CARRIED, "tenant", "received_at")} | {
        "document_id": file_id if document.part is None else part_id(file_id, document.part),
        "file_id": file_id,
        "part": redacted.part,
        "title": document.title,
        "language": document.language,
        "authors": list(document.authors),
        "tags": list(document.tags),
        "published": document.published,
        "url": document.url,
        "text": document.text,
        "blocks": [asdict(block) for block in document.blocks],
        "pii": json.dumps(dict(redacted.counts), sort_keys=True),
        "notes": list(document.notes),
        "sketch": sketch(neutral(document.text)),
        "reader": document.reader,
        "redactor": redactor,
        "screener": SCREENER,
        "findings": [asdict(finding) for finding in redacted.findings],
        "digest": document_digest(document, redactor),
    }
    return {name: row[name] for name in DOCUMENTS.schema.names}


def document_digest(document: Document, redactor: str) -> str:
    """SHA-256 over what passages are cut from.

    Pseudonyms count without their digits, as in all identities, but where there are some the key counts: under
    another one the passages are other texts of the same identity.
    """
    structure = [[document.language, document.text], [astuple(block) for block in document.blocks]]
    told = json.dumps(structure, ensure_ascii=False, separators=(",", ":"))
    key = key_of(redactor) if PSEUDONYM.search(told) else None
    return hashlib.sha256(f"{neutral(told)}{key or ''}".encode()).hexdigest()


def quarantine_row(
    bronze: Mapping[str, Any],
    refused: RefusedError,
    redactor: str | None = None,
    *,
    part: str | None = None,
    part_name: str | None = None,
    first_seen: datetime | None = None,
) -> dict[str, Any]:
    """A row of `silver/quarantine`.

    Args:
        bronze: the row of `bronze/source_files` that was refused.
        refused: why; `RefusedError(code, detail)` with the codes of a policy for files that were never read.
        redactor: version of the redactor, for what it refused.
        part: the part of the file that is refused, where it is not the whole; its id is made of it.
        part_name: its name without personal data.
        first_seen: when these bytes were first received at this path; None: now.
    """
    file_id = bronze["document_id"]
    return {name: bronze[name] for name in _CARRIED} | {
        "document_id": file_id if part is None else part_id(file_id, part),
        "file_id": file_id,
        "part": part if part_name is None else part_name,
        "stage": refused.reason.stage,
        "reason": refused.code,
        "sentence_de": refused.reason.de,
        "sentence_en": refused.reason.en,
        "detail": refused.detail,
        "reader": refused.reader,
        "redactor": redactor if refused.reason.stage == "redact" else None,
        "screener": SCREENER if refused.reason.stage == "screen" else None,
        "first_seen": first_seen or bronze["received_at"],
        "last_seen": bronze["received_at"],
        "received_at": bronze["received_at"],
    }
