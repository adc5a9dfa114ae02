"""`AsyncRetriever`: the search for asyncio, the same steps over an async pool."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

import psycopg
from psycopg_pool import AsyncConnectionPool, PoolClosed, PoolTimeout

from retrieval.core import (
    BECOME_READER,
    QUERY_CANCELED,
    ROLE,
    ROLE_PARAMETERS,
    SPACE,
    Core,
    entered,
    translate,
)
from retrieval.database import Database
from retrieval.errors import UnavailableError
from retrieval.principal import Principal
from retrieval.result import Filters, SearchResult
from retrieval.search import Search, Space
from retrieval.settings import Settings

Connection = psycopg.AsyncConnection[tuple[Any, ...]]


class AsyncRetriever(Core):
    """Answers questions from the active release; safe for many tasks of one event loop."""

    def __init__(self, settings: Settings, database: Database, **arguments: Any) -> None:
        super().__init__(settings, database, **arguments)
        self._pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
            database.dsn, configure=self._configure, name="knowledge-async", **self.pool_options()
        )

    @classmethod
    async def connect(cls, dsn: str | None = None, *, settings: Settings | None = None, **arguments: Any) -> Self:
        """Open a retriever; arguments and errors as for `Retriever.connect`."""
        settings = cls.settings_for(dsn, settings)
        database = await asyncio.to_thread(Database.for_reading, settings)
        retriever = cls(settings, database, **arguments)
        await retriever._first_contact()
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
    ) -> SearchResult:
        """The best passages this principal may see; arguments and errors as for `Retriever.search`."""
        search = self.begin(query, principal, k, filters, release, versions, correlation)
        if self._pool.closed:
            raise UnavailableError("This retriever is closed: open another one")
        embedding = asyncio.get_running_loop().run_in_executor(self._threads, self.embed, query)
        try:
            return await self._answer(search, embedding)
        except psycopg.OperationalError as error:
            if error.sqlstate == QUERY_CANCELED:
                translate(error)
            return await self._answer_again(search, embedding)
        except psycopg.Error as error:
            translate(error)

    async def warm_up(self) -> None:
        """Load the model and open a connection now instead of at the first question."""
        await asyncio.to_thread(lambda: self.encoder().load())
        await self._first_contact()

    async def close(self) -> None:
        """Close all connections."""
        await self._pool.close()
        self._threads.shutdown()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    # ---------------------------------------------------------------- inside

    async def _answer_again(
        self, search: Search, embedding: asyncio.Future[tuple[object | None, float]]
    ) -> SearchResult:
        try:
            if self._database.server is not None:
                await asyncio.to_thread(self._database.server.ensure_running)
            await self._pool.check()
            return await self._answer(search, embedding)
        except psycopg.Error as error:
            translate(error)

    async def _answer(self, search: Search, embedding: asyncio.Future[tuple[object | None, float]]) -> SearchResult:
        try:
            async with self._pool.connection() as connection:
                space = self.space or await self._read_space(connection)
                space, release_read, answers = await self._enter(search, connection, space)
                search.score(release_read, answers)
                vector, milliseconds = await embedding
                search.embedded(vector, milliseconds)
                self.check_model(space, self.encoder().fingerprint.id)
                async with connection.pipeline():
                    cursor = await connection.execute(*search.fusion(space, vector))
                    await connection.commit()
                return search.result(await cursor.fetchall())
        except (PoolTimeout, PoolClosed):
            raise UnavailableError(
                "No database connection is free in time: try again, or raise KNOWLEDGE_POOL_SIZE"
            ) from None

    async def _enter(
        self, search: Search, connection: Connection, space: Space
    ) -> tuple[Space, int, list[list[tuple[Any, ...]]]]:
        for _ in range(2):
            try:
                async with connection.pipeline():
                    entry = await connection.execute(*search.entry())
                    reads = [await connection.execute(*statement) for statement in search.reads(space.id)]
                release, actual = entered(await entry.fetchone(), search.release)
                if actual == space:
                    return space, release, [await read.fetchall() for read in reads]
                await connection.rollback()
            except psycopg.errors.UndefinedTable:
                await connection.rollback()
                actual = await self._read_space(connection)
            space = actual
            if search.release is None:
                self.space = actual
        raise UnavailableError("The index is being switched to another model: try again")

    async def _read_space(self, connection: Connection) -> Space:
        self.space = self.space_of(await (await connection.execute(SPACE)).fetchone())
        return self.space

    async def _first_contact(self) -> None:
        try:
            async with await psycopg.AsyncConnection.connect(
                self._database.dsn, connect_timeout=self.settings.connect_timeout_s
            ) as connection:
                await self._configure(connection)
                row = await (await connection.execute(SPACE)).fetchone()
                self.space = self.space_of(row) if row else None
            await self._pool.open()
        except psycopg.Error as error:
            translate(error)

    async def _configure(self, connection: Connection) -> None:
        from pgvector.psycopg import register_vector_async

        role = await (await connection.execute(ROLE, ROLE_PARAMETERS)).fetchone()
        if self.must_change_role(role):
            await connection.execute(BECOME_READER)
        for statement in self.session():
            await connection.execute(statement)
        await connection.commit()
        await register_vector_async(connection)
        await connection.commit()
