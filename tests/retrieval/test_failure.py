"""A server that is frozen, stopped, restarted and slow, under load: nothing hangs, nothing lies, all comes back."""

from __future__ import annotations

import asyncio
import logging
import statistics
import time
from collections.abc import Iterator

import pytest

from benchmarks.failing import Load, Victim
from retrieval import AsyncRetriever, Overloaded, Retriever, Unavailable
from retrieval.connections import CANCEL_S, GRACE_S
from retrieval.core import RECONNECT_S
from retrieval.pooling import THREADS, quiet
from tests.retrieval.failure import victim
from tests.support import GoldDocument, WordsEncoder, asker, everyone

ADA = asker()
SLACK_S = 0.7
"""What two busy cores may add to a limit."""


@pytest.fixture(scope="module")
def served() -> Iterator[Victim]:
    with victim([GoldDocument("fox", everyone(), ["the quick brown fox", "a lazy dog"])]) as one:
        yield one


@pytest.fixture
def retriever(served: Victim) -> Iterator[Retriever]:
    with Retriever.connect(settings=served.settings(), encoder=WordsEncoder()) as retriever:
        yield retriever


def ask(retriever: Retriever) -> Load:
    return Load(lambda: retriever.search("fox", principal=ADA))


def recovered(retriever: Retriever) -> bool:
    return retriever._breaker.state == "closed" and retriever._gate._free == retriever.settings.pool_size


@pytest.mark.parametrize("way", ["frozen", "stopped", "slow"])
def test_under_load_nothing_hangs_and_all_comes_back(served: Victim, retriever: Retriever, way: str) -> None:
    with ask(retriever).running() as load:
        load.wait_for("hits", 20)
        with getattr(served, way)():
            load.wait_for("UnavailableError", 200)
            assert retriever._breaker.state != "closed"
            refused = [took for _, took, what in load.ends if what == "UnavailableError"]
            assert statistics.median(refused) < 0.1, "most are refused at once"
        assert load.wait_for("hits", 20) < 8
    assert set(load.counts()) == {"hits", "UnavailableError"}
    assert load.longest_s() < retriever.settings.search_timeout_ms / 1000 + SLACK_S
    assert recovered(retriever)


def test_an_outage_is_one_line_in_the_log(
    served: Victim, retriever: Retriever, caplog: pytest.LogCaptureFixture
) -> None:
    with ask(retriever).running() as load:
        load.wait_for("hits", 20)
        with served.stopped():
            load.wait_for("UnavailableError", 20)
            time.sleep(2 * RECONNECT_S)
            load.wait_for("UnavailableError", 20)
        load.wait_for("hits", 20)
    ours = [record for record in caplog.records if record.name.startswith(("psycopg", "retrieval"))]
    (told,) = (record.getMessage() for record in ours if record.levelno >= logging.WARNING)
    assert told.startswith("The database has failed and is left alone for a while: The database ")


def test_the_pools_of_others_speak_as_ever(caplog: pytest.LogCaptureFixture) -> None:
    quiet()
    logger = logging.getLogger("psycopg.pool")
    logger.warning("error connecting in %r: %s", "mine", OSError("gone"))
    logger.warning("error connecting in %r: %s", THREADS, OSError("gone"))
    logger.warning("no arguments")
    assert caplog.messages == ["error connecting in 'mine': gone", "no arguments"]
    caplog.set_level(logging.DEBUG, "psycopg.pool")
    logger.warning("error connecting in %r: %s", THREADS, OSError("gone"))
    assert caplog.messages[2:] == [f"error connecting in {THREADS!r}: gone"]


def test_a_restart_under_load(served: Victim, retriever: Retriever) -> None:
    with ask(retriever).running() as load:
        load.wait_for("hits", 50)
        served.kill()
        load.wait_for("hits", 50)
    assert set(load.counts()) <= {"hits", "UnavailableError"}
    assert load.longest_s() < retriever.settings.search_timeout_ms / 1000 + SLACK_S
    assert recovered(retriever)


def test_a_frozen_embedded_server_of_ones_own(served: Victim) -> None:
    """Here the library tries to start it again, and must not wait for that either."""
    settings = served.settings(search_timeout_ms=1000).model_copy(update={"dsn": None})
    with Retriever.connect(settings=settings, encoder=WordsEncoder()) as retriever:
        with ask(retriever).running() as load:
            load.wait_for("hits", 20)
            with served.frozen():
                load.wait_for("UnavailableError", 50)
            load.wait_for("hits", 20)
        assert load.longest_s() < 1 + SLACK_S


def test_a_server_that_was_stopped_is_started_again_by_a_search(served: Victim) -> None:
    settings = served.settings(search_timeout_ms=20_000).model_copy(update={"dsn": None})
    with Retriever.connect(settings=settings, encoder=WordsEncoder()) as retriever:
        assert retriever.search("fox", principal=ADA)
        assert served.server.stop()
        assert retriever.search("fox", principal=ADA)


def test_tasks_are_given_up_in_time_as_well(served: Victim) -> None:
    async def drill() -> None:
        settings = served.settings()
        async with await AsyncRetriever.connect(settings=settings, encoder=WordsEncoder()) as retriever:

            async def one() -> tuple[float, bool]:
                began = time.monotonic()
                try:
                    await retriever.search("fox", principal=ADA)
                except (Unavailable, Overloaded):  # who waited in the queue behind silent ones got no turn
                    return time.monotonic() - began, False
                return time.monotonic() - began, True

            ends = await asyncio.gather(*(one() for _ in range(16)))
            assert all(ok for _, ok in ends)
            for way in (served.frozen, served.stopped):
                with way():
                    ends = await asyncio.gather(*(one() for _ in range(16)))
                    assert not any(ok for _, ok in ends)
                    assert max(seconds for seconds, _ in ends) < settings.search_timeout_ms / 1000 + SLACK_S
                    ends = await asyncio.gather(one(), one())
                    assert min(seconds for seconds, _ in ends) < 0.1, "at most one of two is the probe"
                for _ in range(400):
                    if (await one())[1]:
                        break
                    await asyncio.sleep(0.02)
                assert (await one())[1]
                assert retriever._gate._free == settings.pool_size

    asyncio.run(drill())


def test_a_cancelled_task_ends_though_the_server_is_frozen(served: Victim) -> None:
    """Whoever was asked for by a client that is gone, or by a limit of the caller's own, is not waited for."""

    async def drill() -> None:
        async with await AsyncRetriever.connect(settings=served.settings(), encoder=WordsEncoder()) as retriever:
            await asyncio.gather(*(retriever.search("fox", principal=ADA) for _ in range(4)))
            with served.frozen():
                began = time.monotonic()
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.1):
                        await retriever.search("fox", principal=ADA)
                assert time.monotonic() - began < 0.1 + CANCEL_S + SLACK_S
            assert retriever._gate._free == retriever.settings.pool_size
            assert await retriever.search("fox", principal=ADA)

    asyncio.run(drill())


def test_a_search_whose_process_is_frozen_does_not_hold_up_the_database(served: Victim) -> None:
    settings = served.settings(search_timeout_ms=200)
    with Retriever.connect(settings=settings, encoder=WordsEncoder()) as retriever, served.owner() as owner:
        connection = retriever._pool.getconn()
        connection.execute("lock table space_1.chunk in access share mode")  # between its trips: nothing more comes
        owner.execute("set lock_timeout = '10s'")
        began = time.monotonic()
        with owner.transaction():
            owner.execute("lock table space_1.chunk in access exclusive mode")
        assert time.monotonic() - began < 0.2 + GRACE_S + 2
        retriever._pool.putconn(connection)
        assert retriever.search("fox", principal=ADA)
