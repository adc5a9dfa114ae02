"""The second look by a cross-encoder: the real loading code on a small model made here, and what its budget means."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from retrieval import AsyncRetriever, ConfigurationError, Retriever, SearchResult
from retrieval.rerank import Reranker
from tests.support import GoldDocument, Index, WordsEncoder, asker, everyone

ADA = asker()
TEXTS = ["the pump needs oil", "oil and gas", "a pump in the cellar", "nothing else", "the oil of the pump"]
LIBRARY = [GoldDocument(f"d{n}", everyone(), [text]) for n, text in enumerate(TEXTS)]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CrossEncoder on disk: the architecture of the real ones, two layers, random weights from a fixed seed."""
    import torch
    from transformers import BertConfig, BertForSequenceClassification, BertTokenizerFast

    folder = tmp_path_factory.mktemp("cross-encoder")
    words = sorted({word for text in TEXTS for word in text.split()})
    (folder / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words]) + "\n")
    tokenizer = BertTokenizerFast(vocab_file=str(folder / "vocab.txt"), model_max_length=64)
    torch.manual_seed(7)
    config = BertConfig(
        vocab_size=len(tokenizer), hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32,
        max_position_embeddings=64, num_labels=1,
    )  # fmt: skip
    BertForSequenceClassification(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def served(shared_index: Index) -> Index:
    shared_index.serve(LIBRARY)
    return shared_index


@pytest.fixture
def connect(served: Index) -> Iterator[Callable[..., Retriever]]:
    opened: list[Retriever] = []

    def make(**settings: Any) -> Retriever:
        changed = served.settings.model_copy(update={"rerank_budget_ms": 60_000} | settings)
        opened.append(Retriever.connect(settings=changed, encoder=WordsEncoder()))
        return opened[-1]

    yield make
    for one in opened:
        one.close()


def test_the_model_on_disk_orders_the_passages(connect: Callable[..., Retriever], model: Path, served: Index) -> None:
    retriever = connect(reranker=str(model))
    retriever.warm_up()
    result = retriever.search("pump oil", principal=ADA, k=5)
    scores = [hit.rerank_score for hit in result]
    assert not result.degraded
    assert len(result) == len(TEXTS)
    assert None not in scores
    assert scores == sorted(scores, reverse=True)  # type: ignore[type-var]
    assert result.timings["rerank"] > 0
    future, _ = Reranker(str(model)).submit("pump oil", [hit.text for hit in result])
    assert future.result() == pytest.approx(scores, abs=1e-5)
    plain = served.retriever().search("pump oil", principal=ADA, k=5)
    assert {hit.chunk_id: hit.score for hit in plain} == {hit.chunk_id: hit.score for hit in result}
    assert [hit.chunk_id for hit in plain] != [hit.chunk_id for hit in result]
    assert all(hit.rerank_score is None for hit in plain)
    row = served.owner.execute("select hits from knowledge.audit where request_id = %s", [result.request_id]).fetchone()
    assert row == ([hit.chunk_id for hit in result],)
    assert retriever.search("pump oil", principal=ADA, k=5).hits == result.hits


def test_beyond_its_budget_the_fused_order_stands(connect: Callable[..., Retriever], served: Index) -> None:
    released, batches = threading.Event(), []

    class Slow:
        def predict(self, pairs: Sequence[tuple[str, str]], **_: Any) -> np.ndarray:  # type: ignore[type-arg]
            batches.append(len(pairs))
            released.wait(30)
            return np.zeros(len(pairs))

    retriever = connect(reranker="slow", rerank_budget_ms=50)
    retriever._reranker = Reranker("slow", load=lambda _: Slow())
    try:
        result = retriever.search("pump oil", principal=ADA, k=5)
        assert result.degraded
        assert result.reasons == ("rerank_slow",)
        assert 50 <= result.timings["rerank"] < 10_000
        assert result.hits == served.retriever().search("pump oil", principal=ADA, k=5).hits
        # the thread is still at its first batch: the next question does not wait for it either
        assert retriever.search("oil", principal=ADA, k=5).reasons == ("rerank_slow",)
    finally:
        released.set()
    # what was given up is not gone on with
    assert Reranker("x", load=lambda _: Slow()).submit("oil", ["gas"])[0].result().tolist() == [0.0]
    assert batches[0] == 4
    assert len(batches) == 2


def test_a_model_that_breaks_or_is_not_there_leaves_the_fused_order(
    connect: Callable[..., Retriever], served: Index, tmp_path: Path
) -> None:
    plain = served.retriever().search("pump oil", principal=ADA, k=5).hits

    class Broken:
        def predict(self, pairs: Sequence[tuple[str, str]], **_: Any) -> object:
            raise RuntimeError("out of memory")

    broken = connect(reranker="broken")
    broken._reranker = Reranker("broken", load=lambda _: Broken())
    missing = connect(reranker=str(tmp_path / "nowhere"))
    for retriever in (broken, missing):
        for _ in range(2):
            result = retriever.search("pump oil", principal=ADA, k=5)
            assert (result.reasons, result.hits) == (("rerank_failed",), plain)
    with pytest.raises(ConfigurationError, match="KNOWLEDGE_RERANKER"):
        missing.warm_up()


def test_equal_scores_keep_the_fused_order(connect: Callable[..., Retriever], served: Index) -> None:
    class Same:
        def predict(self, pairs: Sequence[tuple[str, str]], **_: Any) -> np.ndarray:  # type: ignore[type-arg]
            return np.zeros(len(pairs))

    retriever = connect(reranker="same", rerank_depth=1)
    retriever._reranker = Reranker("same", load=lambda _: Same())
    plain = served.retriever().search("pump oil", principal=ADA, k=3).hits
    assert [hit.chunk_id for hit in retriever.search("pump oil", principal=ADA, k=3)] == [h.chunk_id for h in plain]


def test_a_task_does_not_wait_for_a_thread_to_rerank_in(served: Index, model: Path) -> None:
    settings = served.settings.model_copy(
        update={"reranker": str(model), "rerank_budget_ms": 50, "pool_size": 1, "search_timeout_ms": 2000}
    )
    hangs = threading.Event()

    async def ask() -> SearchResult:
        async with await AsyncRetriever.connect(settings=settings, encoder=WordsEncoder()) as twin:
            await twin.search("pump oil", principal=ADA, k=5)  # from now on it remembers the question's vector
            twin._in_thread(hangs.wait)
            try:
                return await twin.search("pump oil", principal=ADA, k=5)
            finally:
                hangs.set()

    assert asyncio.run(ask()).reasons == ("rerank_slow",)


def test_the_async_twin_reranks_alike(connect: Callable[..., Retriever], served: Index, model: Path) -> None:
    settings = served.settings.model_copy(update={"reranker": str(model), "rerank_budget_ms": 60_000})

    async def ask() -> tuple[object, ...]:
        async with await AsyncRetriever.connect(settings=settings, encoder=WordsEncoder()) as twin:
            return (await twin.search("pump oil", principal=ADA, k=5)).hits

    assert asyncio.run(ask()) == connect(reranker=str(model)).search("pump oil", principal=ADA, k=5).hits
