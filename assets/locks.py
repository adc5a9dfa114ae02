"""Who may work on lake and index at once: runs side by side, an erasure alone.

A run that had read a document before it was erased would write it back afterwards, and a file about to be committed
would be deleted as one that nobody needs. The lock is an advisory lock of Postgres: everyone who works on the same
index meets at it, and the server releases it when a process is killed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

from retrieval.errors import TransientError

LOCK = 0x6B6E6F78
"""Next to the lock of publishing ("know" in ASCII) and not the same: a run publishes while it works."""

WAIT_S = 600
"""Seconds to wait for the lock: the longest step of a run, an erasure of a large lake."""


class BusyError(TransientError):
    """Somebody else works on the lake, longer than was waited."""


Connect = Callable[[], psycopg.Connection[tuple[Any, ...]]]
"""Opens a connection in autocommit."""


@contextmanager
def shared_lock(connect: Connect, *, wait_s: float = WAIT_S) -> Iterator[None]:
    """For runs: work while others do.

    Raises:
        BusyError: an erasure is under way.
    """
    with _advisory_lock(connect, "pg_advisory_lock_shared", wait_s, "An erasure is under way"):
        yield


@contextmanager
def exclusive_lock(connect: Connect, *, wait_s: float = WAIT_S) -> Iterator[None]:
    """For erasures: work when nobody else does.

    Raises:
        BusyError: a run goes on for longer than was waited.
    """
    with _advisory_lock(connect, "pg_advisory_lock", wait_s, "A run or an erasure is under way"):
        yield


@contextmanager
def _advisory_lock(connect: Connect, function: str, wait_s: float, busy: str) -> Iterator[None]:
    with connect() as connection:
        connection.execute("select set_config('lock_timeout', %s, false)", [f"{int(wait_s * 1000)}ms"])
        try:
            connection.execute(f"select {function}(%s)".encode(), [LOCK])
        except psycopg.errors.LockNotAvailable:
            raise BusyError(f"{busy} and did not end within {wait_s:.0f} s: try again later") from None
        yield
