"""Several statements in one round trip: their rows, what is kept prepared, and what an error leaves behind."""

from __future__ import annotations

import asyncio
import random
import uuid
from collections.abc import Generator, Iterator
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from psycopg import sql

from retrieval import AsyncRetriever, Retriever, connections, trip
from retrieval.connections import COMMIT, AsyncConnection, Connection
from retrieval.statements import texts
from retrieval.trip import Trips
from tests.support import GoldDocument, Index, WordsEncoder, asker, everyone

DOUBLE = sql.SQL("select %(n)s::int * 2, %(text)s::text, 7 %% 4, %(n)s::int")
PREPARED = "select count(*) from pg_prepared_statements where name like 'trip_%'"


@pytest.fixture
def connection(shared_index: Index) -> Iterator[Connection]:
    with Connection.connect(shared_index.owner.info.dsn, prepare_threshold=None) as opened:
        opened.trips = Trips(opened)
        yield opened


def prepared(connection: Connection) -> int:
    return int(connection.execute(PREPARED).fetchall()[0][0])


def test_rows_of_all_statements_come_in_their_order(connection: Connection) -> None:
    values: dict[str, Any] = {"n": 4, "text": "50 % of %(n)s", "unused": object()}
    found = connection.trip((DOUBLE, values), (sql.SQL("select generate_series(1, 3)"), {}), (DOUBLE, values))
    assert found == [[(8, "50 % of %(n)s", 3, 4)], [(1,), (2,), (3,)], [(8, "50 % of %(n)s", 3, 4)]]
    assert connection.info.transaction_status == psycopg.pq.TransactionStatus.INTRANS
    assert connection.trip((sql.SQL("select 1"), {}), COMMIT) == [[(1,)], []]
    assert connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE


def test_values_of_every_kind_arrive_as_the_driver_sends_them(connection: Connection) -> None:
    number = uuid.uuid4()
    values = {"a": None, "b": ["x", 'y"'], "c": 2**40, "d": number, "e": 0.1, "f": True}
    statement = sql.SQL(
        "select %(a)s::text, %(b)s::text[], %(c)s::bigint, %(d)s::uuid, %(e)s::float8, %(f)s::bool, %(b)s::text[]"
    )
    expected = [(None, ["x", 'y"'], 2**40, number, 0.1, True, ["x", 'y"'])]
    assert connection.trip((statement, values)) == [expected]
    assert connection.execute(statement, values).fetchall() == expected


@pytest.mark.parametrize(
    "values", [[], [""], ['"', "\\", '\\"', '"},{"', "NULL", "a,b", " x ", "{}", "ä\n\t€", "'", "%s"], ["\\\\", "a"]]
)
def test_texts_are_written_as_the_array_they_are(connection: Connection, values: list[str]) -> None:
    statement = sql.SQL("select %(a)s::text[], %(b)s::text[]")
    assert connection.trip((statement, {"a": texts(values), "b": values})) == [[(values, values)]]


def test_a_statement_is_prepared_once_for_its_types(connection: Connection) -> None:
    for n in (1, 2, 3):
        connection.trip((DOUBLE, {"n": n, "text": "x"}), (DOUBLE, {"n": n, "text": "y"}), COMMIT)
    assert prepared(connection) == 2
    assert connection.trip((DOUBLE, {"n": 2**20, "text": "x"})) == [[(2**21, "x", 3, 2**20)]]
    assert prepared(connection) == 3


def test_so_many_are_kept_and_those_used_last_stay(connection: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trip, "PREPARED_MAX", 3)
    often = sql.SQL("select 'often'")
    for n in range(10):
        assert connection.trip((often, {}), (sql.SQL(f"select {n}"), {})) == [[("often",)], [(n,)]]
    assert prepared(connection) == 3
    names = connection.execute("select name from pg_prepared_statements where statement like '%often%'").fetchall()
    assert names == [("trip_1",)]


def test_a_statement_that_fails_stays_prepared_and_is_not_prepared_again(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that runs into its time limit whenever it is asked for would fill the server's memory."""
    for _ in range(5):
        with pytest.raises(psycopg.errors.DivisionByZero):
            connection.trip((sql.SQL("select 1 / %(n)s::int"), {"n": 0}), (sql.SQL("select 'behind'"), {}))
        connection.rollback()
    assert prepared(connection) == 1
    monkeypatch.setattr(trip, "PREPARED_MAX", 2)
    for n in range(5):
        with pytest.raises(psycopg.errors.DivisionByZero):
            connection.trip((sql.SQL("select 1 / %(n)s::int"), {"n": 0}), (sql.SQL(f"select {n}"), {}))
        connection.rollback()
        connection.trip((sql.SQL(f"select 'other {n}'"), {}), COMMIT)
        assert prepared(connection) <= 2


def test_statements_that_somebody_discarded_are_prepared_anew(connection: Connection) -> None:
    values = {"n": 1, "text": "x"}
    connection.trip((DOUBLE, values), COMMIT)
    connection.execute("deallocate all")
    connection.commit()
    with pytest.raises(psycopg.errors.InvalidSqlStatementName):
        connection.trip((DOUBLE, values), COMMIT)
    connection.rollback()
    assert connection.trip((DOUBLE, values), COMMIT) == [[(2, "x", 3, 1)], []]


def test_an_error_is_that_of_the_first_statement_that_failed(connection: Connection) -> None:
    missing, fails = sql.SQL("select * from nowhere"), sql.SQL("select 1 / %(n)s::int")
    for _ in range(2):
        with pytest.raises(psycopg.errors.UndefinedTable):
            connection.trip((DOUBLE, {"n": 1, "text": "x"}), (missing, {}), (fails, {"n": 0}), COMMIT)
        assert connection.info.transaction_status == psycopg.pq.TransactionStatus.INERROR
        connection.rollback()
        with pytest.raises(psycopg.errors.DivisionByZero):
            connection.trip((fails, {"n": 0}))
        connection.rollback()
    assert connection.trip((fails, {"n": 1})) == [[(1,)]]


def test_a_value_that_cannot_be_sent_leaves_the_connection_as_it_was(connection: Connection) -> None:
    with pytest.raises(psycopg.ProgrammingError):
        connection.trip((sql.SQL("select 1"), {}), (DOUBLE, {"n": object(), "text": "x"}))
    assert connection.info.pipeline_status == psycopg.pq.PipelineStatus.OFF
    assert connection.trip((DOUBLE, {"n": 1, "text": "x"})) == [[(2, "x", 3, 1)]]


def test_more_than_a_socket_takes_at_once_goes_both_ways(connection: Connection) -> None:
    text = "x" * 3_000_000
    echo = sql.SQL("select %(text)s::text")
    assert connection.trip(*[(echo, {"text": text})] * 3) == [[(text,)]] * 3


def test_a_lost_connection_is_an_operational_error(connection: Connection, shared_index: Index) -> None:
    connection.trip((DOUBLE, {"n": 1, "text": "x"}))
    shared_index.owner.execute("select pg_terminate_backend(%s)", [connection.info.backend_pid])
    with pytest.raises(psycopg.OperationalError):
        connection.trip((DOUBLE, {"n": 1, "text": "x"}))
    assert connection.broken


def test_a_cancelled_task_ends_its_statement(shared_index: Index) -> None:
    async def play() -> list[trip.Rows]:
        async with await AsyncConnection.connect(shared_index.owner.info.dsn) as opened:
            opened.trips = Trips(opened)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1):
                    await opened.trip((sql.SQL("select pg_sleep(20)"), {}), COMMIT)
            await opened.rollback()
            return await opened.trip((sql.SQL("select 1"), {}), COMMIT)

    assert asyncio.run(play()) == [[(1,)], []]


def test_a_silent_server_closes_the_connection(connection: Connection) -> None:
    connection.limit_s = 0.1
    with pytest.raises(connections.SilentError):
        connection.trip((sql.SQL("select pg_sleep(0.5)"), {}))
    assert connection.closed


def test_a_statement_whose_columns_were_changed_is_prepared_anew(connection: Connection, shared_index: Index) -> None:
    """As by a migration while a runtime is connected: the server would refuse it for as long as it stays prepared."""
    everything = sql.SQL("select * from knowledge.changing"), {}
    shared_index.owner.execute("create table knowledge.changing as select 1 as a")
    try:
        assert connection.trip(everything, COMMIT) == [[(1,)], []]
        shared_index.owner.execute("alter table knowledge.changing add b int default 2")
        with pytest.raises(psycopg.errors.FeatureNotSupported):
            connection.trip(everything, COMMIT)
        connection.rollback()
        assert connection.trip(everything, COMMIT) == [[(1, 2)], []]
    finally:
        shared_index.owner.execute("drop table knowledge.changing")


def test_a_trip_that_is_left_before_its_end_closes_the_connection(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A handler of signals may raise while an answer is waited for: time limits of task queues do."""

    class SoftTimeLimitError(Exception):
        """What one raises."""

    def interrupted(generator: Generator[Any, Any, Any], *_: Any) -> None:
        next(generator)
        raise SoftTimeLimitError

    monkeypatch.setattr(connection, "wait", interrupted)
    with pytest.raises(SoftTimeLimitError):
        connection.trip((sql.SQL("select pg_sleep(0.2), 'mine'"), {}), COMMIT)
    assert connection.closed


def test_a_statement_that_the_driver_cannot_send_closes_the_connection(connection: Connection) -> None:
    values = {f"v{number}": number for number in range(70_000)}
    much = sql.SQL("select " + " + ".join(f"%({name})s::int" for name in values))
    with pytest.raises(psycopg.OperationalError):
        connection.trip((sql.SQL("select 1"), {}), (much, values))
    assert connection.closed


def test_answers_of_another_session_are_dropped(connection: Connection) -> None:
    """Behind a pooler that gives every transaction another one, whose role nobody has set."""
    mine = connection.info.backend_pid
    connection.trips = Trips(connection, mine)
    assert connection.trip((sql.SQL("select 1"), {})) == [[(1,)]]
    assert connection.trip((sql.SQL("select 2"), {}), COMMIT) == [[(2,)], []]
    with pytest.raises(psycopg.errors.DivisionByZero):
        connection.trip((sql.SQL("select 1 / 0"), {}))
    connection.rollback()
    connection.trips = Trips(connection, mine + 1)
    with pytest.raises(trip.MovedError):
        connection.trip((sql.SQL("select 3"), {}), COMMIT)


def test_what_the_server_says_in_between_is_no_answer(connection: Connection, shared_index: Index) -> None:
    """Notices, notifications and changed parameters come with the rows of some statement."""
    connection.execute("listen gossip")
    connection.commit()
    for _ in range(20):
        shared_index.owner.execute("notify gossip, 'news'")
    speak = sql.SQL("do $$ begin raise notice 'one'; raise warning 'two'; end $$"), {}
    zone = sql.SQL("select set_config('TimeZone', 'Asia/Tokyo', false)"), {}
    at = sql.SQL("select timestamptz '2026-01-01 00:00Z'"), {}
    for _ in range(2):
        rows = connection.trip((sql.SQL("select 1"), {}), speak, zone, at, COMMIT)
        assert rows == [[(1,)], [], [("Asia/Tokyo",)], [(datetime(2026, 1, 1, tzinfo=UTC),)], []]


def test_a_failed_commit_is_an_error_of_the_trip(connection: Connection) -> None:
    connection.execute("create temp table once (a int primary key deferrable initially deferred)")
    connection.commit()
    with pytest.raises(psycopg.errors.UniqueViolation):
        connection.trip((sql.SQL("insert into once values (1), (1)"), {}), COMMIT)
    assert connection.trip((sql.SQL("select count(*) from once"), {}), COMMIT) == [[(0,)], []]


def test_a_search_whose_statements_were_discarded_is_answered(shared_index: Index) -> None:
    shared_index.serve([GoldDocument("fox", everyone(), ["the quick brown fox"])])

    async def twin() -> None:
        async with await AsyncRetriever.connect(settings=settings, encoder=WordsEncoder()) as retriever:
            for _ in range(2):
                assert len(await retriever.search("fox", principal=asker())) == 1
                async with retriever._pool.connection() as connection:
                    await connection.execute("deallocate all")

    settings = shared_index.settings.model_copy(update={"pool_size": 1})
    with Retriever.connect(settings=settings, encoder=WordsEncoder()) as retriever:
        for _ in range(2):
            assert len(retriever.search("fox", principal=asker())) == 1
            with retriever._pool.connection() as connection:
                connection.execute("deallocate all")
    asyncio.run(twin())


def test_many_cancelled_tasks_leave_every_connection_as_it_was(shared_index: Index) -> None:
    """Wherever the cancellation comes: no connection is lost to the pool, and none gives another's answer."""
    shared_index.serve([GoldDocument("fox", everyone(), ["the quick brown fox"])])

    async def play() -> None:
        settings = shared_index.settings.model_copy(update={"pool_size": 4, "queue_length": 1000})
        async with await AsyncRetriever.connect(settings=settings, encoder=WordsEncoder()) as retriever:

            async def one(limit_s: float) -> str:
                try:
                    async with asyncio.timeout(limit_s):
                        (hit,) = await retriever.search("fox", principal=asker())
                except TimeoutError:
                    return "cancelled"
                return hit.text

            await one(10)
            draw = random.Random(1)
            ends = await asyncio.gather(*(one(draw.uniform(0.0001, 0.4)) for _ in range(200)))
            assert set(ends) == {"cancelled", "the quick brown fox"}
            assert await asyncio.gather(*(one(10) for _ in range(20))) == ["the quick brown fox"] * 20
            pool = retriever._pool.get_stats()
            assert pool["pool_available"] == pool["pool_size"] <= 4
            assert retriever._gate._free == 4

    asyncio.run(play())
