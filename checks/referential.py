"""Checks that hold one table against another, or an index against a computation that knows nothing of it.

Plain functions of Arrow tables and values. Rows are named by ids and paths; no text, term or vector is quoted.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from assets.bronze.contract import CONTENT, SOURCE_FILES
from assets.bronze.files import part_id
from assets.gold.chunk import chunk_id
from assets.gold.contract import CHUNKS, EMBEDDINGS
from assets.index.contract import CANDIDATE
from assets.index.plan import Changes
from assets.silver.contract import DOCUMENTS
from assets.silver.document import BLOCK_KINDS
from assets.silver.pii.span import TOKEN, neutral
from checks.report import Findings, Report, Row, scope_of
from retrieval import bm25

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SCORE_TOLERANCE = 1e-9
"""Largest difference to a reference score; both are computed in float64, in another order of additions."""

Key = tuple[str, int]
"""A document in one of its states: document_id and event."""


def every_file_accounted(bronze_log: pa.Table, documents: pa.Table, quarantine: pa.Table) -> Report:
    """Each content row of bronze ends either in documents or in quarantine, and nothing else is there.

    Args:
        bronze_log: document_id, event, path and kind of a partition; rows of other kinds are passed over.
        documents: document_id, file_id, part, event and path of the same partition.
        quarantine: document_id, file_id, part, event and path of the same partition.
    """
    received = _paths(bronze_log.filter(pc.equal(bronze_log.column("kind"), CONTENT)))
    whole = quarantine.filter(pc.is_null(quarantine.column("part")))
    read, refused = _paths(documents, "file_id"), _paths(whole, "file_id")
    findings = Findings(SOURCE_FILES.name, checked=sum(map(len, received.values())), scope=scope_of(bronze_log))
    for key in sorted(received.keys() | read.keys() | refused.keys()):
        row = _named(key, (received.get(key) or read.get(key) or refused[key])[0])
        if len(refused.get(key, ())) > 1:
            findings.add("no file is in quarantine twice", row)
        for name, rows in (("documents", read), ("quarantine", refused)):
            if key in rows and key not in received:
                findings.add(f"every row of {name} comes from a content row of bronze", row)
        if key in read and key in refused:
            findings.add("no file is both in documents and in quarantine", row)
        if key not in read and key not in refused:
            findings.add("every file received is in documents or in quarantine", row)
    parts = quarantine.filter(pc.is_valid(quarantine.column("part")))
    for key, paths in _paths(parts, "file_id").items():
        if key not in read:
            findings.add("a part is in quarantine only where the rest of its file is read", _named(key, paths[0]))
    seen: set[Key] = set()
    made = pa.concat_tables([table.select(_PART) for table in (documents, parts)], promote_options="permissive")
    for document in _rows(made, *_PART):
        key = (document["document_id"], document["event"])
        if key in seen:
            findings.add("no document is there twice", _named(key, document["path"]))
        seen.add(key)
        file_id, part = document["file_id"], document["part"]
        if part is not None and TOKEN.search(part):
            continue  # its id is made of a name that is not kept
        if key[0] != (file_id if part is None else part_id(file_id, part)):
            findings.add("`document_id` follows from file and part", _named(key, document["path"]))
    return findings.report()


_PART = ["document_id", "file_id", "part", "event", "path"]


def blocks_inside_text(documents: pa.Table) -> Report:
    """Blocks are ranges inside their document's text, in order, apart, with nothing but white space between them.

    Args:
        documents: document_id, event, path, text and blocks.
    """
    findings = Findings(DOCUMENTS.name, checked=documents.num_rows, scope=scope_of(documents))
    for document in _rows(documents, "document_id", "event", "path", "text", "blocks"):
        row = _named((document["document_id"], document["event"]), document["path"])
        end = 0
        for number, block in enumerate(document["blocks"]):
            for rule in _broken_by_block(document["text"], block, end):
                findings.add(rule, {**row, "block": number}, column="blocks")
            end = max(end, block["end"])
        if document["text"][end:].strip():
            findings.add("all that is not white space lies in a block", row, column="blocks")
    return findings.report()


def chunks_inside_documents(chunks: pa.Table, documents: pa.Table) -> Report:
    """Each passage stands in its document where it says, has the id that follows from it, and none is left out.

    Args:
        chunks: document_id, event, chunk_id, ordinal, text, char_start and char_end of a partition.
        documents: document_id, event, path and text of the same partition.
    """
    checked = chunks.num_rows + documents.num_rows
    findings = Findings(CHUNKS.name, checked=checked, scope=scope_of(chunks))
    by_document: dict[Key, list[dict[str, Any]]] = defaultdict(list)
    for passage in _rows(chunks, "document_id", "event", "chunk_id", "ordinal", "text", "char_start", "char_end"):
        by_document[passage["document_id"], passage["event"]].append(passage)
    for document in _rows(documents, "document_id", "event", "path", "text"):
        key = (document["document_id"], document["event"])
        passages = by_document.pop(key, [])
        if not passages:
            findings.add("every document has a passage", _named(key, document["path"]))
        _check_passages(findings, document, passages)
    for key, strays in by_document.items():
        for passage in strays:
            findings.add("every passage belongs to a document", _named_passage(key, passage))
    return findings.report()


def every_chunk_embedded(chunks: pa.Table, embeddings: pa.Table, fingerprint: str, dimension: int) -> Report:
    """Each passage's text has exactly one vector of the model, of its dimension, and no vector lacks a passage.

    Args:
        chunks: document_id, event, chunk_id and text_sha256 of a partition.
        embeddings: fingerprint, text_sha256 and embedding of the same partition; other models are passed over.
        fingerprint: id of the model.
        dimension: length of its vectors.
    """
    ours = embeddings.filter(pc.equal(embeddings.column("fingerprint"), fingerprint))
    lengths = pc.list_value_length(ours.column("embedding")).to_pylist()
    hashes = ours.column("text_sha256").to_pylist()
    counts = Counter(hashes)
    scope = scope_of(chunks) or scope_of(embeddings)
    findings = Findings(EMBEDDINGS.name, checked=chunks.num_rows, scope=scope)
    for passage in _rows(chunks, "document_id", "event", "chunk_id", "text_sha256"):
        if passage["text_sha256"] not in counts:
            row = _named_passage((passage["document_id"], passage["event"]), passage)
            findings.add(f"every passage has a vector of model {fingerprint}", row, column="text_sha256")
    wanted = set(chunks.column("text_sha256").to_pylist())
    for text, length in zip(hashes, lengths, strict=True):
        if length != dimension:
            findings.add(f"every vector has {dimension} dimensions", {"text_sha256": text}, column="embedding")
    for text in counts:
        if counts[text] > 1:
            findings.add("no text has two vectors of one model", {"text_sha256": text}, column="text_sha256")
        if text not in wanted:
            findings.add("every vector belongs to a passage", {"text_sha256": text}, column="text_sha256")
    return findings.report()


def index_equals_gold(changes: Changes, *, checked: int | None = None) -> Report:
    """Publishing again would change nothing.

    Args:
        changes: what it would change, from `assets.index.publish.differences`.
        checked: how many rows were compared, where that is known; else the number of differences.
    """
    differences = list(_differences(changes))
    findings = Findings(CANDIDATE.name, checked=len(differences) if checked is None else checked)
    for rule, row in differences:
        findings.add(rule, row)
    return findings.report()


@dataclass(frozen=True, slots=True)
class LexicalSample:
    """Passages of one access set of the index, and what the index says about them, as plain values.

    Attributes:
        words: words to score, each with its alternative terms, as `retrieval.analysis.query_terms` gives them.
        passages: terms of each passage by its chunk number, computed from the texts.
        postings: packed postings of the words' terms.
        chunks, length: number of passages and sum of their lengths according to the index.
        masked: sorted chunk numbers that are in postings but do not count any more.
    """

    tenant: str
    acl_id: int
    words: tuple[tuple[str, ...], ...]
    passages: Mapping[int, Sequence[str]]
    postings: Mapping[str, bytes]
    chunks: int
    length: int
    masked: tuple[int, ...] = ()


def lexical_matches_reference(*samples: LexicalSample) -> Report:
    """The index's BM25 scores are those that rank-bm25 computes from the passages, word by word and together."""
    findings = Findings(CANDIDATE.name, checked=sum(len(sample.passages) for sample in samples))
    for sample in samples:
        where: dict[str, str | int | None] = {"tenant": sample.tenant, "acl_id": sample.acl_id}
        if sample.chunks != len(sample.passages):
            findings.add("the index counts the passages that are there", where)
        queries = [(word,) for word in sample.words] + ([sample.words] if len(sample.words) > 1 else [])
        for number, words in enumerate(queries):
            for chunk in _differing(sample, words):
                # the word itself is content, so it is named by its place in the sample
                findings.add("BM25 scores are those of rank-bm25", {**where, "query": number, "chunk": chunk})
    return findings.report()


# ---------------------------------------------------------------------- inside


def _rows(table: pa.Table, *columns: str) -> Iterator[dict[str, Any]]:
    for batch in table.select(list(columns)).to_batches(max_chunksize=1_000):
        yield from batch.to_pylist()


def _named(key: Key, path: str | None) -> dict[str, str | int | None]:
    return {"document_id": key[0], "event": key[1], "path": path}


def _named_passage(key: Key, passage: Mapping[str, Any], path: str | None = None) -> Row:
    row: dict[str, str | int | None] = {"document_id": key[0], "event": key[1], "chunk_id": passage["chunk_id"]}
    return row if path is None else {**row, "path": path}


def _paths(table: pa.Table, file_id: str = "document_id") -> dict[Key, list[str]]:
    found: dict[Key, list[str]] = defaultdict(list)
    for row in _rows(table, file_id, "event", "path"):
        found[row[file_id], row["event"]].append(row["path"])
    return found


def _broken_by_block(text: str, block: Mapping[str, Any], previous_end: int) -> Iterator[str]:
    start, end = block["start"], block["end"]
    if not 0 <= start < end <= len(text):
        yield "every block is a range inside the text"
    elif start < previous_end:
        yield "blocks are in order and do not overlap"
    elif text[previous_end:start].strip():
        yield "all that is not white space lies in a block"
    if block["kind"] not in BLOCK_KINDS:
        yield f"the kind of a block is one of {', '.join(BLOCK_KINDS)}"
    if block["level"] is not None and not (block["kind"] == "heading" and 1 <= block["level"] <= 6):
        yield "headings alone have a level, from 1 to 6"
    if block["page"] is not None and block["page"] < 1:
        yield "pages count from 1"
    times = (block["start_s"], block["end_s"])
    if None not in times and not 0 <= times[0] <= times[1] < math.inf:
        yield "a block of a recording ends after it begins"


def _check_passages(findings: Findings, document: Mapping[str, Any], passages: list[dict[str, Any]]) -> None:
    key, text = (document["document_id"], document["event"]), document["text"]
    seen: Counter[str] = Counter()
    for place, passage in enumerate(sorted(passages, key=lambda passage: passage["ordinal"])):
        row = _named_passage(key, passage, document["path"])
        if passage["ordinal"] != place:
            findings.add("passages are numbered from 0 without a gap", row, column="ordinal")
        # a negative start would count from the end of the text
        if passage["char_start"] < 0 or text[passage["char_start"] : passage["char_end"]] != passage["text"]:
            findings.add("`text` is that of the document from `char_start` to `char_end`", row, column="text")
        plain = neutral(passage["text"])
        if passage["chunk_id"] != chunk_id(key[0], plain, seen[plain]):
            findings.add("`chunk_id` follows from document, text and occurrence", row, column="chunk_id")
        seen[plain] += 1


def _differences(changes: Changes) -> Iterator[tuple[str, Row]]:
    opened = "every document of gold is in the index as it is"
    for document_id in changes.open_documents:
        yield opened, {"document_id": document_id}
    for tenant, number in changes.close_documents:
        yield "every document of the index is in gold as it is", {"tenant": tenant, "document": number}
    for document_id, identity in changes.add:
        yield "every passage of gold is in the index as it is", {"document_id": document_id, "chunk_id": identity}
    for tenant, chunk in changes.remove:
        yield "every passage of the index is in gold as it is, once", {"tenant": tenant, "chunk": chunk}
    for document_id in changes.reaccess:
        yield "access and expiry are those of gold", {"document_id": document_id}
    for tenant, document_id in changes.evict:
        yield "no tenant holds a document that left it", {"tenant": tenant, "document_id": document_id}
    for tenant, document_id in changes.hide:
        yield "no release shows a document that is hidden", {"tenant": tenant, "document_id": document_id}


def _differing(sample: LexicalSample, words: Sequence[tuple[str, ...]]) -> list[int]:
    """Chunks whose score is not that of the reference, or that one of the two does not find."""
    import numpy as np

    found = bm25.score(
        words,
        sample.postings,
        chunks=sample.chunks,
        length=sample.length,
        masked=np.array(sample.masked, np.int32),
        limit=max(len(sample.passages), sum(map(len, sample.postings.values())) // bm25.POSTING.itemsize),
    )
    scores: dict[int, float] = dict(zip(found.chunks.tolist(), found.scores.tolist(), strict=True))
    numbers = list(sample.passages)
    reference = _reference_scores([sample.passages[number] for number in numbers], words)
    expected = {number: score for number, score in zip(numbers, reference.tolist(), strict=True) if score}
    return sorted(
        number
        for number in scores.keys() | expected.keys()
        # written so that NaN differs too
        if not abs(scores.get(number, 0.0) - expected.get(number, 0.0)) <= SCORE_TOLERANCE
    )


def _reference_scores(passages: Sequence[Sequence[str]], words: Sequence[tuple[str, ...]]) -> NDArray[np.float64]:
    """Scores by rank-bm25, in the order of the passages."""
    import numpy as np
    from rank_bm25 import BM25Okapi

    class Reference(BM25Okapi):  # type: ignore[misc]
        """Okapi with the idf that `retrieval.bm25` documents, in place of one that can be negative."""

        def _calc_idf(self, nd: Mapping[str, int]) -> None:
            n = self.corpus_size
            self.idf = {term: math.log(1 + (n - df + 0.5) / (df + 0.5)) for term, df in nd.items()}

    if not any(passages):
        return np.zeros(len(passages))
    terms = dict.fromkeys(term for alternatives in words for term in alternatives)
    scores: NDArray[np.float64] = Reference([list(p) for p in passages], k1=bm25.K1, b=bm25.B).get_scores(list(terms))
    return scores
