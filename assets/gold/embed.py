"""Gives every text of a partition one vector, and embeds only texts that no partition has a vector of yet."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from assets.gold.contract import EMBEDDINGS
from assets.lake import Lake
from assets.silver.pii.span import neutral
from retrieval.embedding.capitals import without_shouting
from retrieval.errors import ModelError, ModelMismatchError

Vector = npt.NDArray[np.float32]
Known = Callable[[Collection[str]], Mapping[str, Vector]]
"""Finds the vectors that are there already, by hash of the text as embedded."""

Progress = Callable[[int, int], None]
"""Hears how many texts are embedded, and how many there are to embed."""

UNIT_TOLERANCE = 1e-3
"""How far a vector's length may be from one: models that compute in float16 keep to it."""


class ModelIdentity(Protocol):
    """What identifies a model: its id, and the text it puts before each passage."""

    @property
    def id(self) -> str:
        """Stands on every row that the model makes."""

    @property
    def document_prompt(self) -> str:
        """Put before each passage."""


class DocumentEncoder(Protocol):
    """What is needed of an encoder."""

    @property
    def fingerprint(self) -> ModelIdentity:
        """Identity of the model."""

    @property
    def dimension(self) -> int:
        """Numbers in a vector."""

    def encode_documents(
        self, texts: Sequence[str], *, progress: Callable[[int], None] | None = None
    ) -> npt.NDArray[Any]:
        """Unit vectors of passages, one row for each; `progress` hears how many are done."""


@dataclass(frozen=True, slots=True)
class Report:
    """How many distinct texts were embedded, and how many had a vector already."""

    embedded: int
    reused: int


def embedded_text_hash(document_prompt: str, text: str) -> str:
    """SHA-256 of a text as the model reads it: prompt included, pseudonyms without their digits, none in capitals."""
    return hashlib.sha256(f"{document_prompt}{without_shouting(neutral(text))}".encode()).hexdigest()


def embed_partition(
    chunks: pa.Table, known: Known, encoder: DocumentEncoder, *, progress: Progress | None = None
) -> tuple[pa.Table, Report]:
    """Rows of `gold/embeddings` for chunks, one for each distinct text of a partition.

    Args:
        chunks: rows of `gold/chunks` with date, source, text and text_sha256, of one or more partitions.
        known: asked once, for all texts; vectors of another length, or not of unit length, are embedded anew.
        progress: hears how far it is.

    Raises:
        ModelMismatchError: the chunks were made for a model with another prompt.
        ModelError: the encoder returned something other than unit vectors of its dimension.
    """
    texts = _distinct_texts(chunks, encoder.fingerprint.document_prompt)
    vectors = {sha: vector for sha, vector in known(texts.keys()).items() if sha in texts and _is_unit(vector, encoder)}
    missing = sorted(sha for sha in texts if sha not in vectors)
    reused = len(vectors)
    vectors |= zip(missing, _encoded(encoder, [texts[sha] for sha in missing], progress), strict=True)
    return _rows(chunks, vectors, encoder), Report(embedded=len(missing), reused=reused)


def known_vectors(lake: Lake, fingerprint: str, hashes: Collection[str]) -> dict[str, Vector]:
    """Vectors of that model that any partition of `gold/embeddings` holds for these texts.

    Only files of partitions that hold some of them are read for their vectors.
    """
    if not hashes:
        return {}
    wanted = (pc.field("fingerprint") == fingerprint) & pc.field("text_sha256").isin(
        pa.array(sorted(hashes), pa.string())
    )
    places = lake.read(EMBEDDINGS, ["date", "source", "text_sha256"], where=wanted)
    first: dict[str, tuple[str, str]] = {}
    for date, source, sha in zip(*(places.column(name).to_pylist() for name in places.schema.names), strict=True):
        first.setdefault(sha, (date, source))
    table = lake.read(EMBEDDINGS, ["text_sha256", "embedding"], partitions=set(first.values()), where=wanted)
    found: dict[str, Vector] = {}
    # in the order of partitions, so that the same lake always gives the same vector
    for sha, vector in zip(table.column("text_sha256").to_pylist(), _vectors(table.column("embedding")), strict=True):
        found.setdefault(sha, vector)
    return found


def _vectors(column: pa.ChunkedArray) -> list[Vector]:
    vectors: list[Vector] = []
    for part in column.chunks:
        values = part.flatten().to_numpy(zero_copy_only=False).astype(np.float32, copy=False)
        offsets = part.offsets.to_numpy() - part.offsets[0].as_py()
        vectors += [values[start:end] for start, end in pairwise(offsets)]
    return vectors


def _distinct_texts(chunks: pa.Table, document_prompt: str) -> dict[str, str]:
    """Texts by their hash."""
    passages = map(neutral, chunks.column("text").to_pylist())
    texts = dict(zip(chunks.column("text_sha256").to_pylist(), passages, strict=True))
    for sha, text in texts.items():
        if embedded_text_hash(document_prompt, text) != sha:
            raise ModelMismatchError(
                "gold/chunks: the chunks were cut for an embedding model with another prompt; materialise gold/chunks"
                " of these partitions again before gold/embeddings"
            )
    return texts


def _is_unit(vector: Vector, encoder: DocumentEncoder) -> bool:
    return vector.shape == (encoder.dimension,) and bool(abs(float(np.linalg.norm(vector)) - 1) < UNIT_TOLERANCE)


def _encoded(encoder: DocumentEncoder, texts: Sequence[str], progress: Progress | None) -> Vector:
    if not texts:
        return np.empty((0, encoder.dimension), np.float32)
    vectors = np.asarray(encoder.encode_documents(texts, progress=_counting(progress, len(texts))), np.float32)
    expected = (len(texts), encoder.dimension)
    if vectors.shape != expected or not np.all(np.abs(np.linalg.norm(vectors, axis=1) - 1) < UNIT_TOLERANCE):
        raise ModelError(
            f"The embedding model {encoder.fingerprint.id} returned something other than {expected[0]} unit vectors of"
            f" {expected[1]} numbers: prepare the model again or configure another"
        )
    return vectors


def _counting(progress: Progress | None, total: int) -> Callable[[int], None] | None:
    """Adds up what an encoder says, which is how many more texts are done."""
    if progress is None:
        return None
    done = 0

    def hear(more: int) -> None:
        nonlocal done
        done += more
        progress(done, total)

    return hear


def _rows(chunks: pa.Table, vectors: Mapping[str, Vector], encoder: DocumentEncoder) -> pa.Table:
    keys = chunks.select(["date", "source", "text_sha256"]).group_by(["date", "source", "text_sha256"]).aggregate([])
    keys = keys.sort_by([(name, "ascending") for name in ("date", "source", "text_sha256")])
    hashes = keys.column("text_sha256").to_pylist()
    flat = np.concatenate([vectors[sha] for sha in hashes]) if hashes else np.empty(0, np.float32)
    offsets = np.arange(len(hashes) + 1, dtype=np.int32) * encoder.dimension
    columns = {
        "date": keys.column("date"),
        "source": keys.column("source"),
        "fingerprint": pa.array([encoder.fingerprint.id] * len(hashes), pa.string()),
        "text_sha256": keys.column("text_sha256"),
        "embedding": pa.ListArray.from_arrays(pa.array(offsets), pa.array(flat, pa.float32())),
    }
    return pa.table(columns).cast(EMBEDDINGS.schema)
