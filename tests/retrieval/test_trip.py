"""Several statements in one round trip: their rows, what is kept prepared, and what an error leaves behind."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg import sql

from retrieval import connections, trip
from retrieval.connections import COMMIT, AsyncConnection, Connection
from retrieval.statements import texts
from retrieval.trip import Trips
from tests.support import Index

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
