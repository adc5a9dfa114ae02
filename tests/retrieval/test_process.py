"""A retriever belongs to the process and the event loop that opened it."""

from __future__ import annotations

import asyncio
import os
import traceback
from collections.abc import Callable
from concurrent.futures import Future

import pytest

from retrieval import AsyncRetriever, ConfigurationError, Retriever, Unavailable
from retrieval.query_vector import QueryVector
from tests.support import GoldDocument, Index, WordsEncoder, asker, everyone

ADA = asker()


@pytest.fixture(scope="module")
def served(shared_index: Index) -> Index:
    shared_index.serve([GoldDocument("fox", everyone(), ["the quick brown fox"])])
    return shared_index


def in_a_child(act: Callable[[], object]) -> bool:
    """Whether it went well in a forked process."""
    child = os.fork()
    if not child:
        try:
            act()
        except BaseException:  # noqa: BLE001 -- whatever it is, the child must not go on as a test
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return os.waitpid(child, 0)[1] == 0


def test_a_forked_process_is_told_to_open_one_of_its_own(served: Index) -> None:
    """Two processes that read from one connection get each other's answers."""
    with Retriever.connect(settings=served.settings, encoder=WordsEncoder()) as retriever:
        asked = retriever.search("fox", principal=ADA)

        def child() -> None:
            for call in (
                lambda: retriever.search("fox", principal=ADA),
                lambda: retriever.feedback(asked.request_id, "wrong", principal=ADA),
                retriever.warm_up,
            ):
                with pytest.raises(ConfigurationError, match="open one in each process"):
                    call()
            retriever.close()
            with Retriever.connect(settings=served.settings, encoder=WordsEncoder()) as own:
                assert own.search("fox", principal=ADA)

        before = retriever._pool.get_stats().get("connections_num")
        assert in_a_child(child)
        assert retriever.search("fox", principal=ADA)
        assert retriever._pool.get_stats().get("connections_num") == before, "the child has closed none of them"


def test_a_forked_process_that_ends_leaves_the_server_to_its_parent(served: Index) -> None:
    """The lock of a process that uses the server is in a file that its children hold open, too."""
    assert in_a_child(served.server.release)
    assert served.server.running()
    assert in_a_child(lambda: (served.server.ensure_running(), served.server.release()))
    assert served.server.running()


def test_another_event_loop_is_told_to_open_one_of_its_own(served: Index) -> None:
    async def ask(retriever: AsyncRetriever) -> None:
        for call in (
            retriever.search("fox", principal=ADA),
            retriever.feedback("00000000-0000-4000-8000-000000000000", "wrong", principal=ADA),
        ):
            with pytest.raises(ConfigurationError, match="another event loop"):
                await call

    async def open_one() -> None:
        async with await AsyncRetriever.connect(settings=served.settings, encoder=WordsEncoder()) as retriever:
            await asyncio.to_thread(lambda: asyncio.run(ask(retriever)))
            assert await retriever.search("fox", principal=ADA)

    asyncio.run(open_one())


def dropped() -> Future[QueryVector]:
    """What was still to be embedded when the retriever was closed."""
    future: Future[QueryVector] = Future()
    future.cancel()
    future.set_running_or_notify_cancel()
    return future


def test_closing_in_the_middle_of_a_search_is_an_error_of_the_library(served: Index) -> None:
    """Neither of the executor's own: a cancellation that nobody asked for would end a task without a word."""
    closed = pytest.raises(Unavailable, match="is closed: open another one")

    async def tasks() -> None:
        async with await AsyncRetriever.connect(settings=served.settings, encoder=WordsEncoder()) as retriever:
            begin, retriever._begin_embedding = retriever._begin_embedding, lambda _: dropped()  # type: ignore[method-assign]
            with closed:
                await retriever.search("fox", principal=ADA)
            retriever._begin_embedding = begin  # type: ignore[method-assign]
            retriever._threads.shutdown()
            with closed:
                await retriever.search("other words", principal=ADA)
            assert retriever._gate._free == retriever.settings.pool_size

    with Retriever.connect(settings=served.settings, encoder=WordsEncoder()) as retriever:
        begin, retriever._begin_embedding = retriever._begin_embedding, lambda _: dropped()  # type: ignore[method-assign]
        with closed:
            retriever.search("fox", principal=ADA)
        retriever._begin_embedding = begin  # type: ignore[method-assign]
        retriever._threads.shutdown()
        with closed:
            retriever.search("other words", principal=ADA)
    asyncio.run(tasks())
