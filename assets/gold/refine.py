"""One partition of gold: passages of the documents that were not cut yet, vectors of the texts that have none."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from assets.gold.chunk import chunk_rows
from assets.gold.chunk_size import chunk_size
from assets.gold.contract import CHUNKS
from assets.gold.embed import Report, embed_partition, known_vectors
from assets.silver.contract import DOCUMENTS
from assets.stores import Stores


def chunk_partition(stores: Stores, date: str, source: str, *, rebuild: bool = False) -> tuple[pa.Table, int]:
    """Rows of gold/chunks for the partition, and how many documents were cut for it.

    Args:
        rebuild: cut documents anew that are cut already.
    """
    partition = [(date, source)]
    documents = stores.lake.read(DOCUMENTS, ["document_id", "event", "digest"], partitions=partition)
    wanted = set(_states(documents, "digest"))
    stored = stores.lake.read(CHUNKS, partitions=[] if rebuild else partition)
    current = [
        state in wanted and chunker == stores.versions.chunker
        for state, chunker in zip(_states(stored, "document_digest"), stored["chunker"].to_pylist(), strict=True)
    ]
    kept = stored.filter(pa.array(current, pa.bool_()))
    todo = {state[:2] for state in wanted - set(_states(kept, "document_digest"))}
    if not todo:
        return kept, 0
    ids = pa.array(sorted({document_id for document_id, _ in todo}))
    columns = [*DOCUMENTS.schema.names[:2], "document_id", "file_id", "version", "event", "language"]
    columns += ["digest", "text", "blocks"]
    texts = stores.lake.read(DOCUMENTS, columns, partitions=partition, where=pc.field("document_id").isin(ids))
    texts = texts.filter(pa.array([event in todo for event in _events(texts)], pa.bool_()))
    encoder = stores.encoder
    size = chunk_size(encoder.max_tokens)
    cut = chunk_rows(
        texts,
        count_tokens=encoder.count_tokens,
        document_prompt=encoder.fingerprint.document_prompt,
        max_tokens=size.max_tokens,
        min_tokens=size.min_tokens,
    )
    return pa.concat_tables([kept, cut]), len(todo)


def embed_texts(stores: Stores, date: str, source: str) -> tuple[pa.Table, Report]:
    """Rows of gold/embeddings for the partition, and how many texts were embedded for it."""
    chunks = stores.lake.read(CHUNKS, ["date", "source", "text", "text_sha256"], partitions=[(date, source)])
    encoder = stores.encoder
    return embed_partition(
        chunks,
        lambda hashes: known_vectors(stores.lake, encoder.fingerprint.id, hashes),
        encoder,
        progress=lambda done, total: stores.progress(f"embedding {source}", done, total),
    )


def _states(table: pa.Table, digest: str) -> list[tuple[str, int, str]]:
    """Document, event and the digest of its text, for each row."""
    columns = (table[name].to_pylist() for name in ("document_id", "event", digest))
    return list(zip(*columns, strict=True))


def _events(table: pa.Table) -> list[tuple[str, int]]:
    return list(zip(table["document_id"].to_pylist(), table["event"].to_pylist(), strict=True))
