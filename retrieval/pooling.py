"""What a pool of connections says while the database is gone: each of its tries, on stderr where nobody has set up
logging. A retriever tells of an outage once (`breaker`), so here it is kept quiet, unless somebody debugs."""

from __future__ import annotations

import logging

from retrieval.connections import AsyncConnection, Connection

THREADS, TASKS = "knowledge", "knowledge-async"
"""Names of the pools."""

_LOGGERS = ("psycopg", "psycopg.pool")


class _OursAreQuiet(logging.Filter):
    """Passes over what is said of pools and connections of retrievers; those of others speak as ever."""

    def filter(self, record: logging.LogRecord) -> bool:
        given = record.args if isinstance(record.args, tuple) else ()
        ours = any(isinstance(one, Connection | AsyncConnection) or one in (THREADS, TASKS) for one in given)
        return not ours or logging.getLogger(record.name).isEnabledFor(logging.DEBUG)


_FILTER = _OursAreQuiet()


def quiet() -> None:
    """Keep pools and connections of retrievers from logging."""
    for name in _LOGGERS:
        logging.getLogger(name).addFilter(_FILTER)
