"""`AsyncRetriever`: the search for asyncio, the same steps over an async pool."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self, Unpack
from uuid import UUID

import psycopg
from psycopg_pool import AsyncConnectionPool, PoolClosed, PoolTimeout

from retrieval import staged, statements
from retrieval.breaker import Attempt
from retrieval.connections import (
    BECOME_READER,
    COMMIT,
    ROLE,
    ROLE_PARAMETERS,
    TRANSACTIONS,
    AsyncConnection,
    session,
    statement_limit_s,
    translate,
    worth_retrying,
)
from retrieval.core import CLOSED, SPACE, STANDBY_SHARE, SWITCHING, TRY_S, Core, Value, queue_timeout
from retrieval.database import Database
from retrieval.errors import ConfigurationError, KnowledgeError, UnavailableError
from retrieval.feedback import Outcome
from retrieval.limits import Deadline
from retrieval.options import Options
from retrieval.pooling import TASKS
from retrieval.principal import Principal
from retrieval.query_vector import LazyFuture, QueryVector
from retrieval.result import Filters, SearchResult
from retrieval.result_cache import STATE, ResultCache
from retrieval.search import Search, Space, Statement, entered
from retrieval.settings import Settings
from retrieval.shape import Shape
from retrieval.trip import BACKEND, Step, Trips

THREAD_GRACE_S = 0.1
"""Seconds that a thread gets beyond its own time limit to say that it was exceeded."""

NO_THREAD_FREE = "The standby does not answer: no thread was free in time"
OTHER_LOOP = "This retriever belongs to another event loop: open one in the loop that asks, and close it there"


class AsyncRetriever(Core):
    """Answers questions from the active release; safe for many tasks of the event loop that it was opened in.

    Another loop, and a process that was forked since, need one of their own: `ConfigurationError` says so.
    """

    def __init__(self, settings: Settings, database: Database, **arguments: Unpack[Options]) -> None:
        super().__init__(settings, database, **arguments)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._pool: AsyncConnectionPool[AsyncConnection] = AsyncConnectionPool(
            database.dsn,
            connection_class=AsyncConnection.noting(self._note),
            configure=self._configure_noting,
            name=TASKS,
            **self._pool_options(),
        )

    @classmethod
    async def connect(
        cls,
        dsn: str | None = None,
        *,
        settings: Settings | None = None,
        standby: Path | str | None = None,
        **arguments: Unpack[Options],
    ) -> Self:
        """Open a retriever; arguments and errors as for `Retriever.connect`."""
        settings = cls._settings_for(dsn, settings, standby)
        retriever = cls(settings, Database.named(settings), **arguments)
        retriever._loop = asyncio.get_running_loop()
        try:
            await retriever._first_contact()
        except UnavailableError as problem:
            if not retriever._has_standby:
                raise
            retriever._breaker.trip(problem)
            await retriever._pool.open()
        return retriever

    async def search(
        self,
        query: str,
        *,
        principal: Principal | None = None,
        k: int = 8,
        filters: Filters | None = None,
        release: int | None = None,
        versions: Mapping[str, str] | None = None,
        correlation: Mapping[str, str] | None = None,
        shape: Shape | None = None,
    ) -> SearchResult:
        """The best passages this principal may see; arguments and errors as for `Retriever.search`."""
        self._check_loop()
        search = self._new_search(query, principal, k, filters, release, versions, correlation, shape)
        if self._pool.closed:
            raise UnavailableError(CLOSED)
        async with self._slot(search.deadline):
            try:
                with self._breaker.attempt() as attempt:
                    result = await self._ask(search, attempt)
            except UnavailableError as problem:
                if not self._has_standby:
                    raise
                left_s = search.deadline.stretched(1 / STANDBY_SHARE).left()
                try:
                    return await self._await_thread(left_s, self._answer_from_standby, search, problem)
                except TimeoutError:
                    raise UnavailableError(f"{problem} {NO_THREAD_FREE}") from None
        self._deliver_outbox()
        return result

    async def feedback(
        self,
        request_id: UUID | str,
        outcome: Outcome,
        *,
        comment: str | None = None,
        principal: Principal | None = None,
    ) -> None:
        """Record what became of an answer; arguments and errors as for `Retriever.feedback`."""
        self._check_loop()
        entry, give = self._feedback_statements(request_id, outcome, comment, principal)
        if self._pool.closed:
            raise UnavailableError(CLOSED)
        deadline = self._new_deadline()
        async with self._slot(deadline):
            with self._breaker.attempt() as attempt:
                try:
                    if attempt.probe:
                        await self._start_server(deadline)
                    await self._give_feedback(entry, give, deadline)
                except psycopg.Error as error:
                    translate(error)

    async def warm_up(self) -> None:
        """Load the model and open a connection now instead of at the first question."""
        await asyncio.to_thread(self.load_model)
        await self._first_contact()

    async def close(self) -> None:
        """Close all connections."""
        if self._is_forked:
            return  # they are the parent's, which would lose them
        await self._pool.close()
        self._stop_threads()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    # ---------------------------------------------------------------- inside

    def _check_loop(self) -> None:
        """Refuse another event loop: who waits for a connection there would be woken here, or never."""
        if asyncio.get_running_loop() is not self._loop:
            raise ConfigurationError(OTHER_LOOP)

    async def _await_thread(self, seconds: float, act: Callable[..., Value], *arguments: Any) -> Value:
        """Await what a function returns that runs in another thread.

        Args:
            seconds: the function's own time limit. It is counted here as well: a model that hangs keeps its thread, and
                what waits for the last one would wait for ever.

        Raises:
            TimeoutError: it has not returned, or not begun.
        """
        future, cancelled = self._in_thread(act, *arguments), _cancelled()
        try:
            async with asyncio.timeout(seconds + THREAD_GRACE_S):
                return await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            if _cancelled() == cancelled:  # not this task: the retriever was closed meanwhile
                raise UnavailableError(CLOSED) from None
            raise

    @asynccontextmanager
    async def _slot(self, deadline: Deadline) -> AsyncIterator[None]:
        waiter = self._gate.enter()
        if waiter is not None:
            try:
                # not `wait_for`, which up to Python 3.11 loses a cancellation that comes together with the turn
                async with asyncio.timeout(deadline.left()):
                    await asyncio.wrap_future(waiter)
            except BaseException as error:
                self._gate.give_up(waiter)
                if isinstance(error, TimeoutError):
                    raise queue_timeout() from None
                raise
        try:
            yield
        finally:
            self._gate.leave()

    @asynccontextmanager
    async def _connection(self, deadline: Deadline) -> AsyncIterator[AsyncConnection]:
        connection = await self._acquire(deadline)
        try:
            async with connection:
                connection.deadline = deadline
                try:
                    yield connection
                finally:
                    connection.deadline = None
        finally:
            await self._pool.putconn(connection)

    async def _acquire(self, deadline: Deadline) -> AsyncConnection:
        began, limit = self._now(), Deadline(min(self.settings.connect_timeout_s, deadline.left()))
        cancelled = _cancelled()
        while True:
            try:
                connection = await self._pool.getconn(min(TRY_S, limit.left()))
            except PoolTimeout:
                error = self._no_connection(began, over=not limit.left())
                if error is not None:
                    raise error from None
            except PoolClosed:
                raise UnavailableError(CLOSED) from None
            else:
                if _cancelled() == cancelled:
                    return connection
                # the pool waits with `wait_for`, too
                await self._pool.putconn(connection)
                raise asyncio.CancelledError

    async def _start_server(self, deadline: Deadline) -> None:
        start = self._server_start()
        if start is not None:
            try:
                async with asyncio.timeout(deadline.left()):
                    await asyncio.shield(asyncio.wrap_future(start))
            except TimeoutError:
                raise UnavailableError("The embedded database does not start in time: try again") from None

    async def _ask(self, search: Search, attempt: Attempt) -> SearchResult:
        embedding = LazyFuture(lambda: asyncio.wrap_future(self._begin_embedding(search.query)))
        if self._cache is None:
            embedding()
        try:
            if attempt.probe:
                await self._start_server(search.deadline)
            return await self._answer(search, embedding)
        except psycopg.Error as error:
            if not worth_retrying(error):
                translate(error)
            return await self._answer_again(search, embedding)
        finally:
            embedding.cancel()

    async def _answer_again(self, search: Search, embedding: LazyFuture[asyncio.Future[QueryVector]]) -> SearchResult:
        self._restart(search)
        try:
            await self._start_server(search.deadline)
            await self._pool.drain()  # to check each connection would take its time, too
            return await self._answer(search, embedding)
        except psycopg.Error as error:
            translate(error)

    async def _answer(self, search: Search, embedding: LazyFuture[asyncio.Future[QueryVector]]) -> SearchResult:
        async with self._connection(search.deadline) as connection:
            if self._cache is not None:
                result = await self._answer_cached(search, connection, embedding, self._cache)
                if result is not None:
                    return result
            space = self.space or await self._read_space(connection)
            space, release_read, row = await self._enter(search, connection, space)
            search.score(release_read, row)
            return search.result((await self._finish(search, connection, space, embedding))[0])

    async def _answer_cached(
        self,
        search: Search,
        connection: AsyncConnection,
        embedding: LazyFuture[asyncio.Future[QueryVector]],
        cache: ResultCache,
    ) -> SearchResult | None:
        (entry,), (state,) = await connection.trip(search.entry(), STATE)
        asked = cache.lookup(search, entry, state)
        if asked.kept is not None:
            rows, _ = await connection.trip(cache.replay(search, asked), COMMIT)
            if not rows:
                cache.drop(search, asked)
                return None
            return search.result(rows)
        embedding()
        until = statements.until(asked.space.id, search.partition)
        (read,), soonest = await connection.trip(search.reads(asked.space.id), (until, {}))
        search.score(asked.release, read)
        found, sent = await self._finish(search, connection, asked.space, embedding)
        cache.keep(search, asked, found, sent, soonest)
        return search.result(found)

    async def _finish(
        self,
        search: Search,
        connection: AsyncConnection,
        space: Space,
        embedding: LazyFuture[asyncio.Future[QueryVector]],
    ) -> tuple[Sequence[Sequence[Any]], Mapping[str, Any]]:
        waiting = embedding()
        done, _ = await asyncio.wait([waiting], timeout=self._model_wait_s(search))
        if waiting.cancelled():  # and not this task
            raise UnavailableError(CLOSED)
        vector = self._use_vector(search, space, waiting.result() if done else None)
        final = await self._last_statement(search, connection, space, vector)
        rows, _ = await connection.trip(final, COMMIT)
        return rows, final[1]

    async def _last_statement(
        self, search: Search, connection: AsyncConnection, space: Space, vector: object | None
    ) -> Statement:
        if not staged.wanted(search):
            return search.fusion(space, vector)
        (rows,) = await connection.trip(staged.shortlist(search, space, vector))
        scores = None
        if search.reranks:
            try:
                scores = await self._await_thread(self._rerank_budget_s(search), self._rerank, search, rows)
            except TimeoutError:
                search.degrade("rerank_slow")
        return staged.selection(search, space, rows, scores)

    async def _give_feedback(self, entry: Step, give: Step, deadline: Deadline) -> None:
        """Record feedback; on a new connection where the one at hand broke before anything could be committed."""
        for again in (False, True):
            async with self._connection(deadline) as connection:
                try:
                    (entered_as,), (given,) = await connection.trip(entry, give)
                except psycopg.Error as error:
                    if again or not worth_retrying(error):
                        raise
                else:
                    self._check_feedback(entered_as, given)
                    return
            await self._start_server(deadline)
            await self._pool.drain()

    async def _enter(
        self, search: Search, connection: AsyncConnection, space: Space
    ) -> tuple[Space, int, tuple[Any, ...]]:
        for _ in range(2):
            self._choose_partition(search, space)
            try:
                (row,), (read,) = await connection.trip(search.entry(), search.reads(space.id))
                release, actual = entered(row, search.release)
                if actual == space and self._partition_holds(search, space, row):
                    return space, release, read
                await connection.rollback()
            except psycopg.errors.UndefinedTable:
                self._partitions.clear()
                await connection.rollback()
                actual = await self._read_space(connection)
            space = actual
            if search.release is None:
                self.space = actual
        raise UnavailableError(SWITCHING)

    async def _read_space(self, connection: AsyncConnection) -> Space:
        self.space = self._space_of(await (await connection.execute(SPACE)).fetchone())
        return self.space

    async def _first_contact(self) -> None:
        await asyncio.to_thread(self._database.prepare)
        try:
            async with await AsyncConnection.connect(
                self._database.dsn, connect_timeout=self.settings.connect_timeout_s
            ) as connection:
                await self._configure(connection)
                row = await (await connection.execute(SPACE)).fetchone()
                self.space = self._space_of(row) if row else None
            await self._pool.open()
        except psycopg.Error as error:
            translate(error)

    async def _check_pooler(self, connection: AsyncConnection) -> None:
        ((backend,),) = await (await connection.execute(BACKEND)).fetchall()
        await connection.commit()
        if backend == connection.info.backend_pid:
            return
        try:
            async with await AsyncConnection.connect(
                self._database.dsn, connect_timeout=self.settings.connect_timeout_s
            ) as other:
                other.limit_s = connection.limit_s
                shared = (await (await other.execute(BACKEND)).fetchall()) == [(backend,)]
        except psycopg.OperationalError:
            return
        if shared:
            raise ConfigurationError(TRANSACTIONS)

    async def _configure_noting(self, connection: AsyncConnection) -> None:
        try:
            await self._configure(connection)
        except (psycopg.Error, KnowledgeError) as error:
            self._note(error)
            raise

    async def _configure(self, connection: AsyncConnection) -> None:
        from pgvector.psycopg import register_vector_async

        connection.limit_s = statement_limit_s(self.settings)
        if not self._keeps_session:
            await self._check_pooler(connection)
            self._keeps_session = True
        # in the transaction that sets role and limits: a pooler may have given it another session than the ones before
        ((backend,),) = await (await connection.execute(BACKEND)).fetchall()
        role = await (await connection.execute(ROLE, ROLE_PARAMETERS)).fetchone()
        if self.must_change_role(role):
            await connection.execute(BECOME_READER)
        for statement in session(self.settings):
            await connection.execute(statement)
        await connection.commit()
        await register_vector_async(connection)
        await connection.commit()
        connection.trips = Trips(connection, None if backend == connection.info.backend_pid else backend)


def _cancelled() -> int:
    """How often the task has been asked to end."""
    task = asyncio.current_task()
    return task.cancelling() if task is not None else 0
