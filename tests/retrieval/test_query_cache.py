"""What is remembered of recent questions: bounded, exact, and the same for every thread."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from retrieval import Settings
from retrieval.query_cache import QueryCache
from retrieval.retriever import Retriever
from tests.support import GoldDocument, Index, WordsEncoder, asker, everyone


def test_the_one_asked_for_longest_ago_goes_first() -> None:
    recent: QueryCache[int] = QueryCache(2)
    recent.put("a", 1)
    recent.put("b", 2)
    assert recent.get("a") == 1
    recent.put("c", 3)
    assert [recent.get(text) for text in "abc"] == [1, None, 3]


def test_only_the_very_text_counts() -> None:
    recent: QueryCache[int] = QueryCache(2)
    recent.put("Wer?", 1)
    assert [recent.get(text) for text in ("Wer?", "wer?", "Wer? ", "Wer")] == [1, None, None, None]


def test_nothing_is_kept_where_nothing_may_be() -> None:
    recent: QueryCache[int] = QueryCache(0)
    recent.put("a", 1)
    assert recent.get("a") is None


def test_threads_never_see_more_than_there_may_be() -> None:
    recent: QueryCache[int] = QueryCache(10)

    def work(number: int) -> bool:
        recent.put(str(number % 37), number % 37)
        kept = recent.get(str(number % 37))
        return kept in (None, number % 37) and len(recent) <= 11

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(work, range(5000)))
    assert len(recent) == 10


class Counting(WordsEncoder):
    """Counts what it is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []

    def encode_query(self, text: str) -> Any:
        self.asked.append(text)
        return super().encode_query(text)


@pytest.mark.parametrize(("size", "times"), [(1000, 1), (0, 3)])
def test_a_question_asked_again_is_not_embedded_again(index: Index, size: int, times: int) -> None:
    index.serve([GoldDocument("foxes", everyone(), ["the quick brown fox", "a dog"])])
    encoder = Counting()
    settings: Settings = index.settings.model_copy(update={"query_cache_size": size})
    with Retriever.connect(settings=settings, encoder=encoder) as retriever:  # type: ignore[arg-type]
        answers = [retriever.search("quick fox", principal=asker()) for _ in range(3)]
    assert encoder.asked.count("quick fox") == times
    assert answers[0].hits == answers[1].hits == answers[2].hits
