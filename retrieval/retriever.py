"""`Retriever`: the search for threads."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future
from types import TracebackType
from typing import Any, Self

import psycopg
from psycopg_pool import ConnectionPool, PoolClosed, PoolTimeout

from retrieval.core import BECOME_READER, QUERY_CANCELED, ROLE, ROLE_PARAMETERS, SPACE, Core, entered, translate
from retrieval.database import Database
from retrieval.errors import UnavailableError
from retrieval.principal import Principal
from retrieval.result import Filters, SearchResult
from retrieval.search import Search, Space
from retrieval.settings import Settings

Connection = psycopg.Connection[tuple[Any, ...]]


class Retriever(Core):
    """Answers questions from the active release, for whoever asks and may see.

    Safe for many threads. Open one for a process with `Retriever.connect()` and keep it.
    """

    def __init__(self, settings: Settings, database: Database, **arguments: Any) -> None:
        super().__init__(settings, database, **arguments)
        self._pool: ConnectionPool[Connection] = ConnectionPool(
            database.dsn, configure=self._configure, name="knowledge", **self.pool_options()
        )

    @classmethod
    def connect(cls, dsn: str | None = None, *, settings: Settings | None = None, **arguments: Any) -> Self:
        """Open a retriever.

        Args:
            dsn: Postgres to read from. Default: `KNOWLEDGE_DSN`, else the embedded server of `KNOWLEDGE_HOME`.
            settings: settings that are already loaded; default: from the environment.

        Raises:
            UnavailableError: the database does not answer.
            SchemaError: it is not set up.
            UnsafeRoleError: the login could step around row-level security.
            ConfigurationError: a setting, key file or directory is wrong.
        """
        settings = cls.settings_for(dsn, settings)
        retriever = cls(settings, Database.for_reading(settings), **arguments)
        retriever._first_contact()
        return retriever

    def search(
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
        """The best passages this principal may see.

        Args:
            query: the question, in German or English.
            principal: who asks. Must be given: nobody sees nothing, and is told so.
            k: most passages to return, 1 to `KNOWLEDGE_K_MAX`.
            filters: narrows the search to some documents.
            release: a kept release to read instead of the active one.
            versions: what the caller is made of, for the audit row, e.g. `{"prompt": "12", "model": "…"}`. Short
                texts, stored as they are.
            correlation: the caller's own ids, likewise, e.g. `{"conversation": "…"}`.

        Raises:
            InvalidRequestError: query, principal, k or filters are wrong.
            UnknownTenantError: nothing was ever published for the tenant.
            NoReleaseError: nothing is published yet, or that release is not kept.
            ModelError: the model is missing, damaged, or not the one the index was built with.
            UnavailableError: the database does not answer in time.
        """
        search = self.begin(query, principal, k, filters, release, versions, correlation)
        if self._pool.closed:
            raise UnavailableError("This retriever is closed: open another one")
        embedding = self._threads.submit(self.embed, query)
        try:
            return self._answer(search, embedding)
        except psycopg.OperationalError as error:
            if error.sqlstate == QUERY_CANCELED:
                translate(error)
            return self._answer_again(search, embedding)
        except psycopg.Error as error:
            translate(error)

    def warm_up(self) -> None:
        """Load the model and open a connection now instead of at the first question."""
        self.encoder().load()
        self._first_contact()

    def close(self) -> None:
        """Close all connections; the embedded server stops when nobody else uses it."""
        self._pool.close()
        self._threads.shutdown()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # ---------------------------------------------------------------- inside

    def _answer_again(self, search: Search, embedding: Future[tuple[object | None, float]]) -> SearchResult:
        """A second try on a new connection: the first one broke, as they all do when the server restarts."""
        try:
            if self._database.server is not None:
                self._database.server.ensure_running()
            self._pool.check()
            return self._answer(search, embedding)
        except psycopg.Error as error:
            translate(error)

    def _answer(self, search: Search, embedding: Future[tuple[object | None, float]]) -> SearchResult:
        try:
            with self._pool.connection() as connection:
                space = self.space or self._read_space(connection)
                space, release_read, answers = self._enter(search, connection, space)
                search.score(release_read, answers)
                vector, milliseconds = embedding.result()
                search.embedded(vector, milliseconds)
                self.check_model(space, self.encoder().fingerprint.id)
                with connection.pipeline():
                    cursor = connection.execute(*search.fusion(space, vector))
                    connection.commit()
                return search.result(cursor.fetchall())
        except (PoolTimeout, PoolClosed):
            raise UnavailableError(
                "No database connection is free in time: try again, or raise KNOWLEDGE_POOL_SIZE"
            ) from None

    def _enter(
        self, search: Search, connection: Connection, space: Space
    ) -> tuple[Space, int, list[list[tuple[Any, ...]]]]:
        """First round trip; a second one only where the release has moved to another space."""
        for _ in range(2):
            try:
                with connection.pipeline():
                    entry = connection.execute(*search.entry())
                    reads = [connection.execute(*statement) for statement in search.reads(space.id)]
                release, actual = entered(entry.fetchone(), search.release)
                if actual == space:
                    return space, release, [read.fetchall() for read in reads]
                connection.rollback()
            except psycopg.errors.UndefinedTable:
                connection.rollback()
                actual = self._read_space(connection)
            space = actual
            if search.release is None:
                self.space = actual
        raise UnavailableError("The index is being switched to another model: try again")

    def _read_space(self, connection: Connection) -> Space:
        self.space = self.space_of(connection.execute(SPACE).fetchone())
        return self.space

    def _first_contact(self) -> None:
        """Meet the database on a plain connection first: a pool would retry in the background and say nothing."""
        try:
            with self._database.connect(self.settings) as connection:
                self._configure(connection)
                row = connection.execute(SPACE).fetchone()
                self.space = self.space_of(row) if row else None
            self._pool.open()
        except psycopg.Error as error:
            translate(error)

    def _configure(self, connection: Connection) -> None:
        from pgvector.psycopg import register_vector

        if self.must_change_role(connection.execute(ROLE, ROLE_PARAMETERS).fetchone()):
            connection.execute(BECOME_READER)
        for statement in self.session():
            connection.execute(statement)
        connection.commit()
        register_vector(connection)
        connection.commit()
