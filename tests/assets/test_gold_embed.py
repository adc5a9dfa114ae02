"""Vectors: one for each distinct text, made once for the whole lake, and never of another model."""

import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest

from assets.gold.contract import CHUNKS, EMBEDDINGS
from assets.gold.embed import Report, embed_partition, embedded_text_hash, known_vectors
from assets.lake import Lake
from retrieval.errors import ModelError, ModelMismatchError

DAY, NEXT_DAY = "2026-03-01", "2026-03-02"
Vectors = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Model:
    """Identity of a model."""

    id: str = "e5@1"
    document_prompt: str = "passage: "


@dataclass
class Encoder:
    """Gives each text a vector drawn from its hash, and remembers what it was asked."""

    fingerprint: Model = field(default_factory=Model)
    dimension: int = 8
    asked: list[str] = field(default_factory=list)

    def encode_documents(self, texts: Sequence[str], *, progress: Callable[[int], None] | None = None) -> Vectors:
        self.asked += texts
        vectors = np.stack([self.vector(text) for text in texts])
        if progress is not None:
            for _ in texts:
                progress(1)
        return vectors

    def vector(self, text: str) -> Vectors:
        seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
        drawn = np.random.default_rng(seed).standard_normal(self.dimension)
        return (drawn / np.linalg.norm(drawn)).astype(np.float32)


def chunks(*texts: str, date: str = DAY, source: str = "blog", prompt: str = "passage: ") -> pa.Table:
    rows = [
        {
            "date": date,
            "source": source,
            "document_id": f"{place}",
            "version": 1,
            "event": 1,
            "chunk_id": f"{place}",
            "ordinal": place,
            "text": text,
            "text_sha256": embedded_text_hash(prompt, text),
            "tokens": 1,
            "char_start": 0,
            "char_end": 1,
            "language": "de",
            "chunker": "blocks/2:384",
        }
        for place, text in enumerate(texts)
    ]
    return pa.Table.from_pylist(rows, schema=CHUNKS.schema)


def nothing(hashes: Collection[str]) -> Mapping[str, Vectors]:
    return {}


def test_each_distinct_text_of_a_partition_gets_one_row() -> None:
    encoder = Encoder()

    table, report = embed_partition(chunks("b", "a", "b"), nothing, encoder)

    assert report == Report(embedded=2, reused=0)
    assert table.schema == EMBEDDINGS.schema
    rows = {row["text_sha256"]: row for row in table.to_pylist()}
    assert list(rows) == sorted(embedded_text_hash("passage: ", text) for text in "ab")
    for text in "ab":
        row = rows[embedded_text_hash("passage: ", text)]
        assert (row["date"], row["source"], row["fingerprint"]) == (DAY, "blog", "e5@1")
        assert np.array_equal(np.array(row["embedding"], np.float32), encoder.vector(text))


def test_a_text_in_two_partitions_is_embedded_once_and_kept_in_both() -> None:
    encoder = Encoder()

    table, report = embed_partition(pa.concat_tables([chunks("a", date=NEXT_DAY), chunks("a", "b")]), nothing, encoder)

    assert sorted(encoder.asked) == ["a", "b"]
    assert report == Report(2, 0)
    assert table.column("date").to_pylist() == [DAY, DAY, NEXT_DAY]


def test_the_order_of_chunks_changes_nothing() -> None:
    one, _ = embed_partition(chunks("a", "b", "c"), nothing, Encoder())
    two, _ = embed_partition(chunks("a", "b", "c").take([2, 0, 1]), nothing, Encoder())

    assert one.equals(two)


def test_no_chunks_are_no_rows_and_no_question_to_the_model() -> None:
    encoder = Encoder()

    table, report = embed_partition(chunks(), nothing, encoder)

    assert (table.num_rows, table.schema, report, encoder.asked) == (0, EMBEDDINGS.schema, Report(0, 0), [])


def test_vectors_that_are_there_are_used_again_and_only_they() -> None:
    encoder = Encoder()
    mine = np.eye(8, dtype=np.float32)[0]
    known = {embedded_text_hash("passage: ", "a"): mine, embedded_text_hash("passage: ", "elsewhere"): mine}

    table, report = embed_partition(chunks("a", "b"), lambda hashes: known, encoder)

    assert (encoder.asked, report) == (["b"], Report(embedded=1, reused=1))
    assert table.num_rows == 2
    assert mine.tolist() in table.column("embedding").to_pylist()


@pytest.mark.parametrize("vector", [np.ones(8), np.zeros(8), np.full(8, np.nan), np.eye(4)[0]])
def test_vectors_that_cannot_be_right_are_made_anew(vector: npt.NDArray[np.float64]) -> None:
    encoder = Encoder()
    known = {embedded_text_hash("passage: ", "a"): vector.astype(np.float32)}

    _, report = embed_partition(chunks("a"), lambda hashes: known, encoder)

    assert report == Report(embedded=1, reused=0)


def test_chunks_cut_for_another_model_are_refused() -> None:
    with pytest.raises(ModelMismatchError, match="materialise gold/chunks") as caught:
        embed_partition(chunks("geheim", prompt="other: "), nothing, Encoder())

    assert "geheim" not in str(caught.value)


@pytest.mark.parametrize("wrong", [lambda v: v * 2, lambda v: v[:, :4], lambda v: v[:1], lambda v: v * np.nan])
def test_a_model_that_returns_no_unit_vectors_is_refused(wrong: Callable[[Vectors], Vectors]) -> None:
    class Broken(Encoder):
        def encode_documents(self, texts: Sequence[str], *, progress: Callable[[int], None] | None = None) -> Vectors:
            return wrong(super().encode_documents(texts, progress=progress))

    with pytest.raises(ModelError, match="e5@1"):
        embed_partition(chunks("a", "b"), nothing, Broken())


def test_progress_counts_texts_that_are_embedded() -> None:
    heard: list[tuple[int, int]] = []
    known = {embedded_text_hash("passage: ", "a"): Encoder().vector("a")}

    embed_partition(
        chunks("a", "b", "c"), lambda hashes: known, Encoder(), progress=lambda done, total: heard.append((done, total))
    )

    assert heard == [(1, 2), (2, 2)]


def test_the_prompt_is_part_of_what_is_hashed() -> None:
    assert embedded_text_hash("passage: ", "x") == hashlib.sha256(b"passage: x").hexdigest()


def test_a_text_in_capitals_is_hashed_as_the_model_reads_it() -> None:
    shouted, quiet = (embedded_text_hash("passage: ", text) for text in ("THE LAST TRAIN", "the last train"))
    assert shouted == quiet == hashlib.sha256(b"passage: the last train").hexdigest()


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path)


def embed_into(lake: Lake, table: pa.Table, encoder: Encoder, date: str = DAY) -> tuple[bool, Report]:
    rows, report = embed_partition(table, lambda hashes: known_vectors(lake, encoder.fingerprint.id, hashes), encoder)
    return lake.replace(EMBEDDINGS, date, "blog", rows), report


def test_the_second_run_embeds_nothing_and_writes_nothing(lake: Lake) -> None:
    embed_into(lake, chunks("a", "b", "c"), Encoder())

    assert embed_into(lake, chunks("a", "b", "c"), Encoder()) == (False, Report(embedded=0, reused=3))


def test_a_text_known_in_any_partition_is_not_embedded_again(lake: Lake) -> None:
    embed_into(lake, chunks("a", "b"), Encoder())

    assert embed_into(lake, chunks("b", "c", date=NEXT_DAY), Encoder(), NEXT_DAY) == (True, Report(1, 1))
    assert lake.read(EMBEDDINGS).num_rows == 4


def test_another_model_shares_no_vectors(lake: Lake) -> None:
    embed_into(lake, chunks("a"), Encoder())

    assert known_vectors(lake, "e5@2", [embedded_text_hash("passage: ", "a")]) == {}
    assert embed_into(lake, chunks("a"), Encoder(Model("e5@2"))) == (True, Report(1, 0))


def test_known_vectors_come_back_exactly_and_only_those_asked_for(lake: Lake) -> None:
    encoder = Encoder()
    hashes = {text: embedded_text_hash("passage: ", text) for text in "abcdef"}
    embed_into(lake, chunks(*"abcd"), encoder)
    embed_into(lake, chunks(*"cde", date=NEXT_DAY), encoder, NEXT_DAY)

    found = known_vectors(lake, "e5@1", [hashes[text] for text in "adef"])

    assert set(found) == {hashes[text] for text in "ade"}
    for text in "ade":
        assert found[hashes[text]].dtype == np.float32
        assert np.array_equal(found[hashes[text]], encoder.vector(text))
    assert known_vectors(lake, "e5@1", []) == {}


def test_vectors_are_read_only_from_partitions_that_hold_them(lake: Lake) -> None:
    embed_into(lake, chunks("a"), Encoder())
    embed_into(lake, chunks("b", date=NEXT_DAY), Encoder(), NEXT_DAY)
    read: list[object] = []

    class Watched(Lake):
        """A lake that remembers from which partitions vectors were read."""

        def read(self, contract, columns=None, *, partitions=None, where=None):  # type: ignore[no-untyped-def]
            if "embedding" in (columns or ()):
                read.append(partitions)
            return super().read(contract, columns, partitions=partitions, where=where)

    wanted = embedded_text_hash("passage: ", "a")
    assert set(known_vectors(Watched(lake.uri), "e5@1", [wanted])) == {wanted}
    assert read == [{(DAY, "blog")}]
