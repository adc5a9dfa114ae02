"""One round trip: some statements sent together, and their rows, with as little as possible around them.

The driver's cursors and pipelines do the same with four times the CPU: they wait, flush and look around once for each
statement. Here all are sent at once, each prepared by name when it is first met, and one wait brings all rows. The
driver's own parts adapt values, load rows and wait, for threads and tasks alike.
"""

from __future__ import annotations

import functools
import re
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

import psycopg
from psycopg import pq, sql
from psycopg.abc import PQGen
from psycopg.adapt import PyFormat, Transformer
from psycopg.errors import error_from_result
from psycopg.waiting import Ready, Wait

PREPARED_MAX = 200
"""Statements that a connection keeps prepared: up to seven for each tenant that it serves. Each takes 0.4 MB of the
server (measured), so this many are 80 MB a connection."""

Step = tuple[sql.SQL, Mapping[str, Any]]
"""A statement and its parameters by name."""
Rows = list[tuple[Any, ...]]
Key = tuple[bytes, tuple[int, ...]]
"""What is prepared: a statement with numbered parameters, and their types."""

STALE = frozenset({"26000", "0A000"})
"""SQLSTATEs of a statement that somebody else has discarded, or whose columns were changed since it was prepared."""

BACKEND = b"select pg_catalog.pg_backend_pid()"
"""Which process of the server answers."""


class MovedError(psycopg.Error):
    """Another process of the server answers than the one whose session was prepared: whose role and limits are not
    known. What it answered is dropped."""


_PLACEHOLDER = re.compile(r"%\((\w+)\)s|%%")


class Trips:
    """Trips of one connection, and the statements that it has prepared for them.

    Args:
        connection: of either kind; not used by anybody else meanwhile.
        backend: process id of the server that has to answer; None where nothing stands between that could change it.
    """

    def __init__(
        self, connection: psycopg.Connection[Any] | psycopg.AsyncConnection[Any], backend: int | None = None
    ) -> None:
        self._pgconn = connection.pgconn
        self._backend = None if backend is None else backend.to_bytes(4, "big")
        self._transformer = Transformer(connection)
        self._names: OrderedDict[Key, bytes] = OrderedDict()
        self._made = 0

    def run(self, steps: Sequence[Step]) -> PQGen[list[Rows]]:
        """Send the statements in a transaction, which begins where there is none, and give the rows of each.

        Raises:
            psycopg.Error: what the server says of the first that fails; those behind it did not run.
            MovedError: another process of the server has answered.
        """
        pgconn, fresh = self._pgconn, OrderedDict[Key, bytes]()
        adapted = [self._adapted(*step) for step in steps]
        wanted: list[bool] = []  # of each command sent, whether its rows are
        made: dict[int, Key] = {}  # places of the commands that prepare a statement, or give one up
        dropped: dict[int, tuple[Key, bytes]] = {}
        pgconn.enter_pipeline_mode()
        if pgconn.transaction_status == pq.TransactionStatus.IDLE:
            pgconn.send_query_params(b"begin", None)
            wanted.append(False)
        checked = None if self._backend is None else len(wanted)
        if checked is not None:
            pgconn.send_query_params(BACKEND, None, result_format=pq.Format.BINARY)
            wanted.append(False)
        for key, values, formats in adapted:
            name = self._names.get(key) or fresh.get(key)
            if name is None:
                if len(self._names) + len(fresh) >= PREPARED_MAX and self._names:
                    dropped[len(wanted)] = oldest = self._names.popitem(last=False)
                    pgconn.send_query_params(b"deallocate " + oldest[1], None)
                    wanted.append(False)
                self._made += 1
                name = fresh[key] = b"trip_%d" % self._made
                made[len(wanted)] = key
                pgconn.send_prepare(name, key[0], param_types=key[1])
                wanted.append(False)
            pgconn.send_query_prepared(name, values, param_formats=formats, result_format=pq.Format.BINARY)
            wanted.append(True)
        pgconn.pipeline_sync()
        results = yield from _answers(pgconn)
        pgconn.exit_pipeline_mode()
        # What the server has prepared stays, whatever becomes of the transaction.
        done = {place for place, result in enumerate(results) if result.status == pq.ExecStatus.COMMAND_OK}
        self._names.update((key, fresh[key]) for place, key in made.items() if place in done)
        self._names.update(one for place, one in dropped.items() if place not in done)
        for place, result in enumerate(results):
            told = place == checked and result.status == pq.ExecStatus.TUPLES_OK
            if told and result.get_value(0, 0) != self._backend:
                raise MovedError("another process of the server answers")
            if result.status == pq.ExecStatus.FATAL_ERROR:
                error = error_from_result(result, self._transformer.encoding)
                if error.sqlstate in STALE:
                    self._names.clear()
                raise error
        for key, *_ in adapted:  # the last used come last
            if key in self._names:
                self._names.move_to_end(key)
        return [self._rows(result) for result, rows in zip(results, wanted, strict=True) if rows]

    def _adapted(self, statement: sql.SQL, parameters: Mapping[str, Any]) -> tuple[Key, Any, Any]:
        """A statement with the types of its parameters, their values, and the formats of these."""
        query, names = _numbered(statement.as_string())
        transformer = self._transformer
        values = transformer.dump_sequence([parameters[name] for name in names], [PyFormat.AUTO] * len(names))
        return (query, transformer.types or ()), values, transformer.formats

    def _rows(self, result: pq.abc.PGresult) -> Rows:
        if result.status != pq.ExecStatus.TUPLES_OK:
            return []
        self._transformer.set_pgresult(result)
        return self._transformer.load_rows(0, result.ntuples, tuple)


@functools.lru_cache(maxsize=4096)
def _numbered(template: str) -> tuple[bytes, tuple[str, ...]]:
    """A statement with numbered parameters, and their names in this order."""
    names: dict[str, int] = {}

    def number(match: re.Match[str]) -> str:
        if match[1] is None:
            return "%"
        return f"${names.setdefault(match[1], len(names) + 1)}"

    return _PLACEHOLDER.sub(number, template).encode(), tuple(names)


def _answers(pgconn: pq.abc.PGconn) -> PQGen[list[pq.abc.PGresult]]:
    """Results of all commands up to the end of the pipeline, in order."""
    while pgconn.flush():
        ready = yield Wait.RW
        if ready and ready & Ready.R:
            pgconn.consume_input()
    results: list[pq.abc.PGresult] = []
    while True:
        while pgconn.is_busy():
            ready = yield Wait.R
            if ready != Ready.NONE:
                pgconn.consume_input()
        result = pgconn.get_result()
        if result is None:  # the end of one command
            if pgconn.status == pq.ConnStatus.BAD:
                raise psycopg.OperationalError("the connection is lost")
        elif result.status == pq.ExecStatus.PIPELINE_SYNC:
            return results
        else:
            results.append(result)
