"""Finds what an erasure concerns: by the path of a document, or by a text that stands for a person."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from assets.bronze.changes import NO_BYTES_SHA256
from assets.bronze.contract import CONTENT, KEYS, SOURCE_FILES
from assets.bronze.files import nfc
from assets.erasure.index import find_in_index, graphs_of, tenants_of
from assets.erasure.journal import Intent
from assets.erasure.subject import Subject
from assets.erasure.tables import RowKey, file_id, key_of
from assets.gold.contract import CHUNKS
from assets.silver.contract import DOCUMENTS, QUARANTINE
from assets.silver.document import Document
from assets.silver.refusal import RefusedError
from assets.stores import Stores

BATCH_BYTES = 64 * 2**20


@dataclass
class Findings:
    """What was found.

    Attributes:
        rows: of bronze, by (file id, event, SHA-256), with path, date, source and version.
        unsearched: paths of files whose bytes no reader can read: what they say is not known.
        comments: comments of feedback that name the subject.
    """

    rows: dict[RowKey, dict[str, Any]] = field(default_factory=dict)
    unsearched: set[str] = field(default_factory=set)
    comments: int = 0


def find_document(stores: Stores, path: str) -> Findings:
    """Every row of the document at that path, and of others that hold the same bytes."""
    log = _log(stores)
    mine = [row for row in log if row["path"] == nfc(path)] + _leftovers(stores, pc.field("path") == nfc(path), log)
    hashes = {row["sha256"] for row in mine} - {NO_BYTES_SHA256}
    same = [row for row in log if row["sha256"] in hashes]
    return Findings({key_of(row): row for row in [*mine, *same]})


def find_subject(stores: Stores, subject: Subject, progress: Callable[[int, int], None]) -> Findings:
    """Every row of bronze whose bytes, metadata or path name the subject, or whose text in silver or gold does.

    A version goes as a whole, whatever its metadata: all rows of the file with the same bytes.
    """
    findings = Findings()
    log = _log(stores)
    hit: set[tuple[str, str]] = set()
    contents = [row for row in log if row["kind"] == CONTENT]
    for number, row in enumerate(_opened(stores, contents), 1):
        found = _names(stores, subject, row)
        if found is None:
            findings.unsearched.add(row["path"])
        elif found:
            hit.add((row["document_id"], row["sha256"]))
        progress(number, len(contents))
    events = {(row["document_id"], row["event"]): row["sha256"] for row in log}
    for id_, event, sha256 in _silver_hits(stores, subject):
        hit.add((id_, events.get((id_, event), sha256)))
    found_rows = [row for row in log if (row["document_id"], row["sha256"]) in hit]
    known = {(row["document_id"], row["sha256"]) for row in found_rows}
    lost = [pair for pair in hit if pair not in known]
    if lost:
        ids = pa.array(sorted({id_ for id_, _ in lost}), pa.string())
        left = _leftovers(stores, pc.field(file_id(DOCUMENTS)).isin(ids), log)
        found_rows += [row for row in left if (row["document_id"], row["sha256"]) in hit]
    findings.rows = {key_of(row): row for row in found_rows}
    return findings


def fill(stores: Stores, intent: Intent, findings: Findings, subject: Subject | None) -> None:
    """Complete the intent with everything that has to be known once the rows are gone."""
    intent.rows |= findings.rows.keys()
    intent.paths |= {row["path"] for row in findings.rows.values()}
    ids = pa.array(sorted({id_ for id_, _, _ in intent.rows}), pa.string())
    numbers = stores.lake.read(KEYS, ["document_id", "number"], where=pc.field("document_id").isin(ids)).to_pylist()
    highest = dict.fromkeys(ids.to_pylist(), 0)
    for row in numbers:
        highest[row["document_id"]] = max(highest[row["document_id"]], row["number"])
    intent.files = {id_: number + 1 for id_, number in highest.items()} | intent.files
    column = file_id(DOCUMENTS)
    names = list(dict.fromkeys(["document_id", column, "event", "version", "sha256"]))
    documents = stores.lake.read(DOCUMENTS, names, where=pc.field(column).isin(ids)).to_pylist()
    doomed = [row for row in documents if (row[column], row["event"], row["sha256"]) in intent.rows]
    intent.versions |= {(row["document_id"], row["version"]) for row in doomed}
    staying_rows = [row for row in _log(stores) if key_of(row) not in intent.rows]
    alive = {row["document_id"] for row in staying_rows} | {row[column] for row in documents if row not in doomed}
    intent.documents |= {row["document_id"] for row in documents if row[column] not in alive}
    intent.documents |= set(ids.to_pylist()) - alive
    gone = intent.paths - {row["path"] for row in staying_rows}
    events = {(id_, event) for id_, event, _ in intent.rows}
    column = file_id(CHUNKS)
    chunks = stores.lake.read(
        CHUNKS, list(dict.fromkeys([column, "event", "chunk_id"])), where=pc.field(column).isin(ids)
    )
    rows = chunks.to_pylist()
    staying = {row["chunk_id"] for row in rows if (row[column], row["event"]) not in events}
    intent.chunks |= {row["chunk_id"] for row in rows if (row[column], row["event"]) in events} - staying
    with stores.connect() as connection:
        find_in_index(connection, intent, gone, subject)
        intent.tenants |= tenants_of(connection, intent)
        intent.graphs |= graphs_of(connection, intent)


def _log(stores: Stores) -> list[dict[str, Any]]:
    columns = [name for name in SOURCE_FILES.schema.names if name != "content"]
    rows: list[dict[str, Any]] = stores.lake.read(SOURCE_FILES, columns).to_pylist()
    return rows


def _leftovers(stores: Stores, where: pc.Expression, log: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows of silver whose row in bronze is gone, in the shape of the log."""
    known = {(row["document_id"], row["event"]) for row in log}
    found = []
    for contract in (DOCUMENTS, QUARANTINE):
        column = file_id(contract)
        names = list(dict.fromkeys([column, "event", "sha256", "path", "date", "source", "version"]))
        for row in stores.lake.read(contract, names, where=where).to_pylist() if _has(contract, where) else ():
            if (row[column], row["event"]) not in known:
                found.append({**row, "document_id": row[column], "kind": CONTENT})
    return found


def _has(contract: Any, where: pc.Expression) -> bool:
    return "file_id" not in str(where) or "file_id" in contract.schema.names


def _opened(stores: Stores, rows: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Rows of the log with their bytes, a bounded number of bytes at a time."""
    batch: list[dict[str, Any]] = []
    held = 0
    for row in rows:
        batch.append(row)
        held += row["size"]
        if held >= BATCH_BYTES:
            yield from _with_bytes(stores, batch)
            batch, held = [], 0
    yield from _with_bytes(stores, batch)


def _with_bytes(stores: Stores, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    if not rows:
        return []
    wanted = {key_of(row) for row in rows}
    places = {(row["date"], row["source"]) for row in rows}
    ids = pa.array(sorted({row["document_id"] for row in rows}), pa.string())
    table = stores.lake.read(SOURCE_FILES, partitions=places, where=pc.field("document_id").isin(ids))
    return stores.vault.open([row for row in table.to_pylist() if key_of(row) in wanted])


def _names(stores: Stores, subject: Subject, row: dict[str, Any]) -> bool | None:
    """Whether a row of bronze names the subject; None where its bytes cannot be read."""
    if any(subject.holds(row[name]) for name in ("path", "defaults", "policy_detail") if row[name]):
        return True
    content = row["content"]
    if not content:
        return False
    if any(subject.holds(content.decode(encoding, "ignore")) for encoding in ("utf-8", "utf-16", "cp1252")):
        return True
    (outcome,) = stores.sandbox.read_all([(content, row["path"])], count=1, size=len(content))
    if isinstance(outcome, RefusedError):
        return None if _is_packed(content) else False
    return any(subject.holds(text) for document in outcome for text in _texts(document))


def _is_packed(content: bytes) -> bool:
    """Whether the bytes are no text, so that what they say does not stand in them as it is."""
    return b"\0" in content[:8192] or content.startswith((b"%PDF", b"PK"))


def _texts(document: Document) -> Iterator[str]:
    yield document.text
    yield from filter(None, (document.title, document.url, document.part))
    yield from (*document.authors, *document.tags, *map(str, document.extra.items()))
    yield from (hidden.text for hidden in document.hidden)
    yield from {block.speaker for block in document.blocks if block.speaker}


def _silver_hits(stores: Stores, subject: Subject) -> Iterator[tuple[str, int, str]]:
    """(file id, event, SHA-256 where it is known) of rows of silver and gold that name the subject."""
    for contract, texts in (
        (DOCUMENTS, ("text", "title", "url", "path", "authors", "tags")),
        (QUARANTINE, ("path", "part", "detail")),
        (CHUNKS, ("text", "heading", "speaker")),
    ):
        column = file_id(contract)
        names = [name for name in (column, "event", "sha256") if name in contract.schema.names]
        for place in sorted(stores.lake.partitions(contract)):
            for row in stores.lake.read(contract, [*names, *texts], partitions=[place]).to_pylist():
                values = [
                    value for name in texts for value in (row[name] if isinstance(row[name], list) else [row[name]])
                ]
                if any(subject.holds(value) for value in values if value):
                    yield row[column], row["event"], row.get("sha256", "")
