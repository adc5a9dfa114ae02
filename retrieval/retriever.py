"""`Retriever`: the search for threads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import CancelledError, Future
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self, Unpack
from uuid import UUID

import psycopg
from psycopg_pool import ConnectionPool, PoolClosed, PoolTimeout

from retrieval import staged, statements
from retrieval.breaker import Attempt
from retrieval.connections import (
    BECOME_READER,
    COMMIT,
    ROLE,
    ROLE_PARAMETERS,
    TRANSACTIONS,
    Connection,
    session,
    statement_limit_s,
    translate,
    worth_retrying,
)
from retrieval.core import CLOSED, SPACE, SWITCHING, TRY_S, Core, queue_timeout
from retrieval.database import Database
from retrieval.errors import ConfigurationError, KnowledgeError, UnavailableError
from retrieval.feedback import Outcome
from retrieval.limits import Deadline
from retrieval.options import Options
from retrieval.pooling import THREADS
from retrieval.principal import Principal
from retrieval.query_vector import LazyFuture, QueryVector
from retrieval.result import Filters, SearchResult
from retrieval.result_cache import STATE, ResultCache
from retrieval.search import Search, Space, Statement, entered
from retrieval.settings import Settings
from retrieval.shape import Shape
from retrieval.trip import BACKEND, Step, Trips


class Retriever(Core):
    """Answers questions from the active release, for whoever asks and may see.

    Safe for many threads. Open one for a process with `Retriever.connect()` and keep it. A forked process needs one of
    its own: `search` and `feedback` raise `ConfigurationError` where it has been forked since.
    """

    def __init__(self, settings: Settings, database: Database, **arguments: Unpack[Options]) -> None:
        super().__init__(settings, database, **arguments)
        self._pool: ConnectionPool[Connection] = ConnectionPool(
            database.dsn,
            connection_class=Connection.noting(self._note),
            configure=self._configure_noting,
            name=THREADS,
            **self._pool_options(),
        )

    @classmethod
    def connect(
        cls,
        dsn: str | None = None,
        *,
        settings: Settings | None = None,
        standby: Path | str | None = None,
        **arguments: Unpack[Options],
    ) -> Self:
        """Open a retriever.

        Args:
            dsn: Postgres to read from. Default: `KNOWLEDGE_DSN`, else the embedded server of `KNOWLEDGE_HOME`.
            settings: settings that are already loaded; default: from the environment.
            standby: folder of snapshots that answer while the database is gone; default: `KNOWLEDGE_STANDBY`.
            arguments: `redactor=` takes personal data out of comments of feedback; the rest (`Options`) is for tests.

        Raises:
            UnavailableError: the database does not answer, and there is no standby.
            SchemaError: it is not set up.
            UnsafeRoleError: the login could step around row-level security.
            ConfigurationError: a setting, key file or directory is wrong.
        """
        settings = cls._settings_for(dsn, settings, standby)
        retriever = cls(settings, Database.named(settings), **arguments)
        try:
            retriever._first_contact()
        except UnavailableError as problem:
            if not retriever._has_standby:
                raise
            retriever._breaker.trip(problem)
            retriever._pool.open()
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
        shape: Shape | None = None,
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
            shape: fewer hits of one document, neighbouring passages joined, repetitions left out.

        Raises:
            InvalidRequestError: query, principal, k, filters, versions or correlation are wrong.
            UnknownTenantError: nothing was ever published for the tenant.
            NoReleaseError: nothing is published yet, or that release is not kept.
            ModelMismatchError: the index was built with another model.
            OverloadedError: more is asked at once, or by this principal, than the settings allow.
            UnavailableError: the database does not answer in time.
        """
        search = self._new_search(query, principal, k, filters, release, versions, correlation, shape)
        if self._pool.closed:
            raise UnavailableError(CLOSED)
        with self._slot(search.deadline):
            try:
                with self._breaker.attempt() as attempt:
                    result = self._ask(search, attempt)
            except UnavailableError as problem:
                return self._answer_from_standby(search, problem)
        self._deliver_outbox()
        return result

    def feedback(
        self,
        request_id: UUID | str,
        outcome: Outcome,
        *,
        comment: str | None = None,
        principal: Principal | None = None,
    ) -> None:
        """Record what became of an answer.

        Args:
            request_id: `SearchResult.request_id` of a search of the same tenant.
            outcome: `answered`, `not_answered` or `wrong`.
            comment: what else there is to say, at most 2,000 characters. Personal data is taken out before it is
                stored.
            principal: who says so.

        Raises:
            InvalidRequestError: an argument is wrong, or the tenant never asked that.
            UnavailableError: the database does not answer in time.
        """
        entry, give = self._feedback_statements(request_id, outcome, comment, principal)
        if self._pool.closed:
            raise UnavailableError(CLOSED)
        deadline = self._new_deadline()
        with self._slot(deadline), self._breaker.attempt() as attempt:
            try:
                if attempt.probe:
                    self._start_server(deadline)
                self._give_feedback(entry, give, deadline)
            except psycopg.Error as error:
                translate(error)

    def warm_up(self) -> None:
        """Load the model and open a connection now instead of at the first question.

        Raises:
            ModelError: the model is missing or damaged.
        """
        self.load_model()
        self._first_contact()

    def close(self) -> None:
        """Close all connections; the embedded server stops when nobody else uses it."""
        if self._is_forked:
            return  # they are the parent's, which would lose them
        self._pool.close()
        self._stop_threads()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # ---------------------------------------------------------------- inside

    @contextmanager
    def _slot(self, deadline: Deadline) -> Iterator[None]:
        waiter = self._gate.enter()
        if waiter is not None:
            try:
                waiter.result(deadline.left())
            except BaseException as error:
                self._gate.give_up(waiter)
                if isinstance(error, TimeoutError):
                    raise queue_timeout() from None
                raise
        try:
            yield
        finally:
            self._gate.leave()

    @contextmanager
    def _connection(self, deadline: Deadline) -> Iterator[Connection]:
        """A connection of the pool for one transaction."""
        connection = self._acquire(deadline)
        try:
            with connection:
                connection.deadline = deadline
                try:
                    yield connection
                finally:
                    connection.deadline = None
        finally:
            self._pool.putconn(connection)

    def _acquire(self, deadline: Deadline) -> Connection:
        """A connection out of the pool, asked for again and again: the pool gives up its own tries, never a waiter."""
        began, limit = self._now(), Deadline(min(self.settings.connect_timeout_s, deadline.left()))
        while True:
            try:
                return self._pool.getconn(min(TRY_S, limit.left()))
            except PoolTimeout:
                error = self._no_connection(began, over=not limit.left())
                if error is not None:
                    raise error from None
            except PoolClosed:
                raise UnavailableError(CLOSED) from None

    def _start_server(self, deadline: Deadline) -> None:
        start = self._server_start()
        if start is not None:
            try:
                start.result(deadline.left())
            except TimeoutError:
                raise UnavailableError("The embedded database does not start in time: try again") from None

    def _ask(self, search: Search, attempt: Attempt) -> SearchResult:
        """The database's answer; its errors as the library's."""
        embedding = LazyFuture(lambda: self._begin_embedding(search.query))
        if self._cache is None:
            embedding()
        try:
            if attempt.probe:
                self._start_server(search.deadline)
            return self._answer(search, embedding)
        except psycopg.Error as error:
            if not worth_retrying(error):
                translate(error)
            return self._answer_again(search, embedding)
        finally:
            embedding.cancel()

    def _answer_again(self, search: Search, embedding: LazyFuture[Future[QueryVector]]) -> SearchResult:
        """A second try on a new connection: the first one broke, as they all do when the server restarts."""
        self._restart(search)
        try:
            self._start_server(search.deadline)
            self._pool.drain()  # to check each connection would take its time, too
            return self._answer(search, embedding)
        except psycopg.Error as error:
            translate(error)

    def _answer(self, search: Search, embedding: LazyFuture[Future[QueryVector]]) -> SearchResult:
        with self._connection(search.deadline) as connection:
            if self._cache is not None:
                result = self._answer_cached(search, connection, embedding, self._cache)
                if result is not None:
                    return result
            space = self.space or self._read_space(connection)
            space, release_read, row = self._enter(search, connection, space)
            search.score(release_read, row)
            return search.result(self._finish(search, connection, space, embedding)[0])

    def _answer_cached(
        self, search: Search, connection: Connection, embedding: LazyFuture[Future[QueryVector]], cache: ResultCache
    ) -> SearchResult | None:
        """The answer that is kept, or one that is kept from now on; None where the kept one holds no more."""
        (entry,), (state,) = connection.trip(search.entry(), STATE)
        asked = cache.lookup(search, entry, state)
        if asked.kept is not None:
            rows, _ = connection.trip(cache.replay(search, asked), COMMIT)
            if not rows:
                cache.drop(search, asked)
                return None
            return search.result(rows)
        embedding()
        until = statements.until(asked.space.id, search.partition)
        (read,), soonest = connection.trip(search.reads(asked.space.id), (until, {}))
        search.score(asked.release, read)
        found, sent = self._finish(search, connection, asked.space, embedding)
        cache.keep(search, asked, found, sent, soonest)
        return search.result(found)

    def _finish(
        self, search: Search, connection: Connection, space: Space, embedding: LazyFuture[Future[QueryVector]]
    ) -> tuple[Sequence[Sequence[Any]], Mapping[str, Any]]:
        """Rows of the last statement, and the parameters it was sent with."""
        try:
            embedded: QueryVector | None = embedding().result(self._model_wait_s(search))
        except TimeoutError:
            embedded = None
        except CancelledError:
            raise UnavailableError(CLOSED) from None
        vector = self._use_vector(search, space, embedded)
        final = self._last_statement(search, connection, space, vector)
        rows, _ = connection.trip(final, COMMIT)
        return rows, final[1]

    def _last_statement(self, search: Search, connection: Connection, space: Space, vector: object | None) -> Statement:
        """The one that returns the hits; where they are chosen from a short list, that is read first."""
        if not staged.wanted(search):
            return search.fusion(space, vector)
        (rows,) = connection.trip(staged.shortlist(search, space, vector))
        return staged.selection(search, space, rows, self._rerank(search, rows))

    def _give_feedback(self, entry: Step, give: Step, deadline: Deadline) -> None:
        """Record feedback; on a new connection where the one at hand broke before anything could be committed."""
        for again in (False, True):
            with self._connection(deadline) as connection:
                try:
                    (entered_as,), (given,) = connection.trip(entry, give)
                except psycopg.Error as error:
                    if again or not worth_retrying(error):
                        raise
                else:
                    self._check_feedback(entered_as, given)
                    return
            self._start_server(deadline)
            self._pool.drain()

    def _enter(self, search: Search, connection: Connection, space: Space) -> tuple[Space, int, tuple[Any, ...]]:
        """First round trip; a second one only where the release has moved to another space."""
        for _ in range(2):
            self._choose_partition(search, space)
            try:
                (row,), (read,) = connection.trip(search.entry(), search.reads(space.id))
                release, actual = entered(row, search.release)
                if actual == space and self._partition_holds(search, space, row):
                    return space, release, read
                connection.rollback()
            except psycopg.errors.UndefinedTable:
                self._partitions.clear()
                connection.rollback()
                actual = self._read_space(connection)
            space = actual
            if search.release is None:
                self.space = actual
        raise UnavailableError(SWITCHING)

    def _read_space(self, connection: Connection) -> Space:
        self.space = self._space_of(connection.execute(SPACE).fetchone())
        return self.space

    def _first_contact(self) -> None:
        """Meet the database on a plain connection first: a pool would retry in the background and say nothing."""
        self._database.prepare()
        try:
            with Connection.connect(self._database.dsn, connect_timeout=self.settings.connect_timeout_s) as connection:
                self._configure(connection)
                row = connection.execute(SPACE).fetchone()
                self.space = self._space_of(row) if row else None
            self._pool.open()
        except psycopg.Error as error:
            translate(error)

    def _check_pooler(self, connection: Connection) -> None:
        """Refuse a pooler that changes sessions behind a connection, before role and settings get into those of others.

        In such a one a second connection is given the session that the first one does not use just now.
        """
        ((backend,),) = connection.execute(BACKEND).fetchall()
        connection.commit()
        if backend == connection.info.backend_pid:
            return
        try:
            with Connection.connect(self._database.dsn, connect_timeout=self.settings.connect_timeout_s) as other:
                other.limit_s = connection.limit_s
                shared = other.execute(BACKEND).fetchall() == [(backend,)]
        except psycopg.OperationalError:
            return  # it has no other session to give: each connection has its own
        if shared:
            raise ConfigurationError(TRANSACTIONS)

    def _configure_noting(self, connection: Connection) -> None:
        """Prepare a connection of the pool, which tells nobody what is wrong with it."""
        try:
            self._configure(connection)
        except (psycopg.Error, KnowledgeError) as error:
            self._note(error)
            raise

    def _configure(self, connection: Connection) -> None:
        from pgvector.psycopg import register_vector

        connection.limit_s = statement_limit_s(self.settings)
        if not self._keeps_session:
            self._check_pooler(connection)
            self._keeps_session = True
        # in the transaction that sets role and limits: a pooler may have given it another session than the ones before
        ((backend,),) = connection.execute(BACKEND).fetchall()
        if self.must_change_role(connection.execute(ROLE, ROLE_PARAMETERS).fetchone()):
            connection.execute(BECOME_READER)
        for statement in session(self.settings):
            connection.execute(statement)
        connection.commit()
        register_vector(connection)
        connection.commit()
        connection.trips = Trips(connection, None if backend == connection.info.backend_pid else backend)
