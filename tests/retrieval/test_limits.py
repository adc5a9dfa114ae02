"""Limits of one retriever: places and their queue, time, and a rate for each principal."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
import psycopg
import pytest
from numpy.typing import NDArray

from retrieval import AsyncRetriever, Overloaded, OverloadedError, Retriever, SearchResult, Settings, TransientError
from retrieval.limits import Deadline, Gate, RateLimit
from tests.retrieval.test_breaker import Clock
from tests.support import GoldDocument, Index, WordsEncoder, asker, everyone

ADA = asker()


# --------------------------------------------------------------------- the parts


def test_a_deadline_runs_down_and_stays_at_zero() -> None:
    clock = Clock()
    deadline = Deadline(10, clock)
    assert (deadline.left(), deadline.left_of(0.6)) == (10, 6)
    clock.now += 7
    assert (deadline.left(), deadline.left_of(0.6)) == (3, 0)
    clock.now += 7
    assert deadline.left() == 0


def test_who_waits_is_let_in_in_order_and_who_is_too_many_is_refused() -> None:
    gate = Gate(1, 2)
    assert gate.enter() is None
    first, second = gate.enter(), gate.enter()
    assert isinstance(first, Future)
    assert isinstance(second, Future)
    with pytest.raises(OverloadedError, match=r"KNOWLEDGE_CONCURRENCY.*KNOWLEDGE_QUEUE_LENGTH"):
        gate.enter()
    gate.leave()
    assert (first.done(), second.done()) == (True, False)
    gate.give_up(first)  # it had its place already: the next one gets it
    assert second.done()
    gate.leave()
    assert gate.enter() is None


def test_who_gives_up_frees_a_place_in_the_queue() -> None:
    gate = Gate(1, 1)
    gate.enter()
    waiter = gate.enter()
    assert waiter is not None
    gate.give_up(waiter)
    assert gate.enter() is not None


def test_no_place_is_lost_and_none_given_twice() -> None:
    """Threads that come, wait briefly, give up or work: at most three are inside, and all places are free at last."""
    gate, inside, most, guard = Gate(3, 8), [0], [0], threading.Lock()

    def visit(seed: int) -> None:
        draw = random.Random(seed)
        for _ in range(40):
            try:
                waiter = gate.enter()
            except OverloadedError:
                continue
            if waiter is not None:
                try:
                    waiter.result(draw.choice([0, 0.0005, 1]))
                except TimeoutError:
                    gate.give_up(waiter)
                    continue
            with guard:
                inside[0] += 1
                most[0] = max(most[0], inside[0])
            time.sleep(draw.random() * 0.0005)  # work
            with guard:
                inside[0] -= 1
            gate.leave()

    with ThreadPoolExecutor(12) as threads:
        list(threads.map(visit, range(12)))
    assert most[0] == 3
    assert [gate.enter() for _ in range(3)] == [None] * 3
    assert gate.enter() is not None


def test_a_bucket_gives_its_burst_and_then_its_rate() -> None:
    clock = Clock()
    rate = RateLimit(60, 3, clock)
    for _ in range(3):
        rate.take("ada")
    with pytest.raises(OverloadedError, match=r"try again in 1\.0 s") as caught:
        rate.take("ada")
    assert caught.value.retry_after_s == pytest.approx(1)
    rate.take("bob")
    clock.now += 1
    rate.take("ada")
    with pytest.raises(OverloadedError):
        rate.take("ada")
    clock.now += 1000
    for _ in range(3):
        rate.take("ada")
    with pytest.raises(OverloadedError):
        rate.take("ada")


def test_only_full_buckets_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RateLimit, "KEPT", 10)
    clock = Clock()
    rate = RateLimit(60, 1, clock)
    for number in range(50):
        rate.take(number)
    for number in range(50):
        with pytest.raises(OverloadedError):
            rate.take(number)
    clock.now += 60
    for number in range(50, 60):
        rate.take(number)
    assert len(rate._buckets) <= 11


# ------------------------------------------------------------------ at a retriever


class Held(WordsEncoder):
    """A model that answers when told to."""

    def __init__(self) -> None:
        super().__init__()
        self.go = threading.Event()
        self.asked = threading.Semaphore(0)

    def encode_query(self, text: str) -> NDArray[np.float32]:
        self.asked.release()
        self.go.wait(10)
        return super().encode_query(text)


@pytest.fixture(scope="module")
def served(shared_index: Index) -> Index:
    shared_index.serve([GoldDocument("fox", everyone(), ["the quick brown fox"])])
    return shared_index


@contextmanager
def narrow(served: Index, model: WordsEncoder, **values: object) -> Iterator[Retriever]:
    settings: Settings = served.settings.model_copy(update={"concurrency": 2, "queue_length": 1, **values})
    with Retriever.connect(settings=settings, encoder=model) as retriever:
        yield retriever


def test_beyond_places_and_queue_a_search_is_refused_at_once(served: Index) -> None:
    model = Held()
    with narrow(served, model) as retriever, ThreadPoolExecutor(3) as threads:
        running = [threads.submit(retriever.search, "fox", principal=ADA) for _ in range(2)]
        assert model.asked.acquire(timeout=5)
        assert model.asked.acquire(timeout=5)
        waiting = threads.submit(retriever.search, "fox", principal=ADA)
        while not retriever._gate._waiting:
            time.sleep(0.001)
        began = time.monotonic()
        with pytest.raises(Overloaded):
            retriever.search("fox", principal=ADA)
        assert time.monotonic() - began < 0.1
        model.go.set()
        assert [len(done.result(5)) for done in (*running, waiting)] == [1, 1, 1]
        assert len(retriever.search("fox", principal=ADA)) == 1


def test_who_waits_too_long_for_a_turn_is_refused(served: Index) -> None:
    model = Held()
    with narrow(served, model, concurrency=1, search_timeout_ms=300) as retriever, ThreadPoolExecutor(1) as threads:
        # the first search gives its model up after 0.18 s and is over: hold its connection up instead
        with psycopg.connect(served.owner_dsn) as other:
            other.execute("lock table space_1.posting in access exclusive mode")
            first = threads.submit(retriever.search, "fox", principal=ADA)
            assert model.asked.acquire(timeout=5)
            began = time.monotonic()
            with pytest.raises(TransientError):
                retriever.search("fox", principal=ADA)
            assert time.monotonic() - began < 1
        with pytest.raises(TransientError):
            first.result(5)
        model.go.set()


def test_tasks_have_the_same_limits(served: Index) -> None:
    async def ask() -> list[SearchResult | BaseException]:
        settings = served.settings.model_copy(update={"concurrency": 2, "queue_length": 3})
        async with await AsyncRetriever.connect(settings=settings, encoder=WordsEncoder()) as retriever:
            asked = [retriever.search("fox", principal=ADA) for _ in range(9)]
            found = await asyncio.gather(*asked, return_exceptions=True)
            cancelled = [asyncio.ensure_future(retriever.search("fox", principal=ADA)) for _ in range(5)]
            await asyncio.sleep(0)
            for task in cancelled:
                task.cancel()
            await asyncio.gather(*cancelled, return_exceptions=True)
            assert len(await retriever.search("fox", principal=ADA)) == 1, "cancelled tasks leave no place taken"
            assert retriever._gate._free == 2
            return found

    found = asyncio.run(ask())
    refused = [one for one in found if isinstance(one, OverloadedError)]
    assert len(refused) == 4
    assert [len(one) for one in found if isinstance(one, SearchResult)] == [1] * 5


@pytest.mark.parametrize("steps", range(8))
def test_a_task_that_is_cancelled_as_its_turn_comes_ends_and_takes_no_place(served: Index, steps: int) -> None:
    """At whatever step of the event loop on the way from the place that is given back to the task that waits for it."""

    async def drill() -> None:
        settings = served.settings.model_copy(update={"concurrency": 1})
        async with await AsyncRetriever.connect(settings=settings, encoder=WordsEncoder()) as retriever:
            assert retriever._gate.enter() is None
            began = asyncio.Event()

            async def one() -> None:
                began.set()
                await retriever.search("fox", principal=ADA)
                pytest.fail("it went on")

            task = asyncio.create_task(one())
            await began.wait()
            retriever._gate.leave()
            for _ in range(steps):
                await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert retriever._gate._free == 1
            assert len(await retriever.search("fox", principal=ADA)) == 1

    asyncio.run(drill())


def test_each_principal_has_a_rate_of_its_own(served: Index) -> None:
    settings = served.settings.model_copy(update={"rate_per_minute": 6.0, "rate_burst": 2})
    clock = Clock()
    with Retriever.connect(settings=settings, encoder=WordsEncoder(), now=clock) as retriever:
        for _ in range(2):
            retriever.search("fox", principal=ADA)
        with pytest.raises(OverloadedError, match=r"try again in 10\.0 s"):
            retriever.search("fox", principal=ADA)
        retriever.search("fox", principal=asker(user="bob"))
        clock.now += 10
        retriever.search("fox", principal=ADA)
