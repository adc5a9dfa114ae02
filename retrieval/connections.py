"""Connections that never wait for ever, how a session is prepared, and what an error of the driver means.

A server that is stopped in the middle of its work answers nothing, its own statement timeout included, and keeps its
socket open. So the client counts the time itself, in the one method through which the driver waits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, NoReturn

import psycopg
from psycopg import sql, waiting
from psycopg.errors import _WaitTimeout
from psycopg.pq import PipelineStatus, TransactionStatus

from retrieval.database import unreachable
from retrieval.errors import ConfigurationError, SchemaError, UnavailableError
from retrieval.limits import Deadline
from retrieval.schema.migrate import OWNER, READER
from retrieval.settings import Settings
from retrieval.statements import WALK_ENDS
from retrieval.trip import STALE, MovedError, Rows, Step, Trips

GRACE_S = 0.5
"""Seconds that a server gets beyond its own limit for a statement to say that it was exceeded."""

CANCEL_S = 0.5
"""Seconds that a server gets to end the statement of a cancelled task: whoever cancels does not want to wait."""

ROLE = sql.SQL(
    "select rolsuper or rolbypassrls, pg_has_role(rolname, %(reader)s, 'set'), rolname = %(reader)s,"
    " pg_has_role(rolname, %(owner)s, 'usage') from pg_roles where rolname = current_user"
)
ROLE_PARAMETERS = {"reader": READER, "owner": OWNER}
BECOME_READER = sql.SQL("set role {}").format(sql.Identifier(READER))

TRANSACTIONS = (
    "Between this process and Postgres stands a pooler that gives every transaction another session (PgBouncer:"
    " pool_mode = transaction), but role, limits and prepared statements belong to a session: let KNOWLEDGE_DSN lead to"
    " one with pool_mode = session, or to Postgres itself"
)

ALREADY_PREPARED = "42P05"
NOT_RESET = (
    "Between this process and Postgres stands a pooler that hands sessions on without clearing them, and statements of"
    " others are still prepared: set server_reset_query = DISCARD ALL (PgBouncer's default)"
)

COMMIT: Step = sql.SQL("commit"), {}
"""Sent behind the last statement of a trip, whose end waits for both; the driver's own would wait once more."""

QUERY_CANCELED = "57014"
READ_ONLY = "25006"
PROTOCOL_VIOLATION = "08P01"
"""What PgBouncer says where it gives every statement another session, among other things."""
NO_TABLE = "42P01"
"""SQLSTATE also of a table that was dropped with the last release it served, since a search has heard of it."""
NOT_SET_UP = frozenset({"3F000", NO_TABLE, "42703", "42883", "42501"})
"""SQLSTATEs of a schema, table, column or function that is not there, or may not be used."""

_SESSION = (
    # What environment, login or database may set otherwise, and statements and their texts depend on. Nothing is looked
    # for in the session's temporary schema first.
    "set client_encoding = 'UTF8'",
    "set search_path = pg_catalog, public, pg_temp",
    "set row_security = on",
    "set timezone = 'UTC'",
    "set default_transaction_isolation = 'read committed'",
    # Plans are made once: these statements gain nothing from looking at their parameters, and planning costs
    # more than some of them take.
    "set plan_cache_mode = force_generic_plan",
    # The one statement with a choice is the vector leg over an HNSW index. The planner cannot know how few rows the
    # policies leave, and would rather sort all that a principal may see.
    "set enable_sort = off",
    # What is asked often lies in memory, where a page in no order costs little more than the next one.
    "set random_page_cost = 1.1",
    "set max_parallel_workers_per_gather = 0",
    # One batch of the walk; how many it takes is up to the statement (`statements.MEET`).
    "set hnsw.ef_search = 200",
    "set hnsw.iterative_scan = relaxed_order",
    # So many cost as much as comparing some 40,000.
    f"set hnsw.max_scan_tuples = {WALK_ENDS}",
)


Note = Callable[[psycopg.Error], None]


class SilentError(psycopg.OperationalError):
    """The server said nothing for as long as it was given. The connection is closed: what is under way is unknown."""


class _Limited:
    """What both kinds of connection share.

    Attributes:
        limit_s: longest wait for one answer.
        deadline: by when all answers must be there; None between searches.
        trips: how several statements are sent together.
    """

    limit_s: float = 5 + GRACE_S
    deadline: Deadline | None = None
    pgconn: Any
    trips: Trips

    def seconds(self, timeout: float | None) -> float:
        """How long to wait, given how long the driver would."""
        allowed = self.limit_s if self.deadline is None else min(self.limit_s, self.deadline.left())
        return allowed if timeout is None else min(allowed, timeout)

    def silent(self) -> SilentError:
        """Close the connection without a word to the server, which would not hear it."""
        self.pgconn.finish()
        return SilentError("the server did not answer in time")

    def end_trip(self) -> None:
        """Close the connection where a trip was left before its end, by an error of the driver or by what a handler of
        signals has raised: the next one would take its answers for its own."""
        if self.pgconn.pipeline_status != PipelineStatus.OFF:
            self.pgconn.finish()


class Connection(_Limited, psycopg.Connection[tuple[Any, ...]]):
    """A connection of threads."""

    @classmethod
    def noting(cls, note: Note) -> type[Connection]:
        """Such connections that tell somebody why they could not be opened: a pool keeps that to itself."""

        class Noting(cls):  # type: ignore[misc, valid-type]
            @classmethod
            def connect(cls, conninfo: str = "", **arguments: Any) -> Connection:
                try:
                    opened: Connection = super().connect(conninfo, **arguments)
                except psycopg.Error as error:
                    note(error)
                    raise
                return opened

        return Noting

    def trip(self, *steps: Step) -> list[Rows]:
        """Rows of some statements, sent together."""
        with self.lock:
            try:
                rows: list[Rows] = self.wait(self.trips.run(steps))
            finally:
                self.end_trip()
        return rows

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        """Wait for an answer, within the limits.

        Raises:
            SilentError: there is none.
        """
        try:
            return super().wait(gen, interval, self.seconds(timeout))
        except _WaitTimeout:
            raise self.silent() from None


class AsyncConnection(_Limited, psycopg.AsyncConnection[tuple[Any, ...]]):
    """A connection of tasks."""

    @classmethod
    def noting(cls, note: Note) -> type[AsyncConnection]:
        """As for `Connection`."""

        class Noting(cls):  # type: ignore[misc, valid-type]
            @classmethod
            async def connect(cls, conninfo: str = "", **arguments: Any) -> AsyncConnection:
                try:
                    opened: AsyncConnection = await super().connect(conninfo, **arguments)
                except psycopg.Error as error:
                    note(error)
                    raise
                return opened

        return Noting

    async def trip(self, *steps: Step) -> list[Rows]:
        """Rows of some statements, sent together."""
        async with self.lock:
            try:
                rows: list[Rows] = await self.wait(self.trips.run(steps))
            finally:
                self.end_trip()
        return rows

    async def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        """Wait for an answer, within the limits.

        Raises:
            SilentError: there is none.
        """
        try:
            return await waiting.wait_async(gen, self.pgconn.socket, interval, self.seconds(timeout))
        except _WaitTimeout:
            raise self.silent() from None
        except asyncio.CancelledError:
            if self.pgconn.transaction_status == TransactionStatus.ACTIVE:
                await self._abandon(gen, interval)
            raise

    async def _abandon(self, gen: Any, interval: float) -> None:
        """End the statement of a task that was cancelled; a connection on which that takes long is closed instead."""
        try:
            async with asyncio.timeout(CANCEL_S):
                await self.cancel_safe()
                await waiting.wait_async(gen, self.pgconn.socket, interval)
        except psycopg.errors.QueryCanceled:
            return
        except (TimeoutError, psycopg.Error):
            self.pgconn.finish()
        except BaseException:  # cancelled once more
            self.pgconn.finish()
            raise


def statement_limit_s(settings: Settings) -> float:
    """Seconds that one answer is waited for."""
    return settings.statement_timeout_ms / 1000 + GRACE_S


def session(settings: Settings) -> tuple[sql.SQL | sql.Composed, ...]:
    """Statements that prepare a connection for searching."""
    limits = {
        "statement_timeout": settings.statement_timeout_ms,
        # A process that is frozen in the middle of a search must not hold up publishing and erasing for as long.
        "idle_in_transaction_session_timeout": settings.search_timeout_ms + int(GRACE_S * 1000),
    }
    return (
        *(sql.SQL(statement) for statement in _SESSION),
        *(sql.SQL("set {} = {}").format(sql.Identifier(name), value) for name, value in limits.items()),
    )


def worth_retrying(error: psycopg.Error) -> bool:
    """Whether a new connection may do better: not where the server is slow or silent, for then time is short."""
    if isinstance(error, psycopg.OperationalError):
        return error.sqlstate != QUERY_CANCELED and not isinstance(error, SilentError)
    return error.sqlstate in STALE or error.sqlstate == NO_TABLE


def translate(error: psycopg.Error) -> NoReturn:
    """Raise the library's error for one of the driver's. The driver's text may quote values and is dropped."""
    state = error.sqlstate or ""
    if isinstance(error, MovedError) or (
        state == PROTOCOL_VIOLATION and "transaction blocks not allowed" in str(error)
    ):
        raise ConfigurationError(TRANSACTIONS) from None
    if state == ALREADY_PREPARED:
        raise ConfigurationError(NOT_RESET) from None
    if isinstance(error, SilentError):
        raise UnavailableError(
            "The database did not answer in time (KNOWLEDGE_STATEMENT_TIMEOUT_MS, KNOWLEDGE_SEARCH_TIMEOUT_MS):"
            " try again"
        ) from None
    # The driver itself, which gives no SQLSTATE, finds that there is no vector type.
    if state in NOT_SET_UP or (isinstance(error, psycopg.ProgrammingError) and not state):
        raise SchemaError(
            "The database is not set up for this version: run `knowledge db migrate` as its owner, or `knowledge db"
            " init` where nothing was set up yet"
        ) from None
    if state == READ_ONLY:
        raise UnavailableError(
            "The database only reads (a replica, or default_transaction_read_only), and a search writes its audit row:"
            " let KNOWLEDGE_DSN lead to the primary"
        ) from None
    if state == QUERY_CANCELED:
        raise UnavailableError("The database took too long (KNOWLEDGE_STATEMENT_TIMEOUT_MS): try again") from None
    if isinstance(error, psycopg.OperationalError):
        raise unreachable(error) from None
    raise UnavailableError(f"The database refused the search (SQLSTATE {state or 'unknown'})") from None
