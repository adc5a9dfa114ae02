"""Audit rows of answers that were given without the database: appended to a local file, delivered when it is back.

A row is on disk before its answer is given, and an answer whose row does not get there in time is not given: a row may
tell of an answer that never came, never the other way round. Delivery may be interrupted anywhere: the database takes
each request once.
"""

from __future__ import annotations

import errno
import fcntl
import itertools
import json
import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from retrieval.statements import ENTER

DELIVER = sql.SQL(
    "select knowledge.late_audit(%(asked_at)s, %(request_id)s, %(principal)s, %(query_pseudonym)s, %(release)s,"
    " %(model)s, %(k)s, %(filters)s, %(hits)s::text[], %(scores)s::real[], %(timings)s, %(reasons)s::text[],"
    " %(versions)s, %(correlation)s)"
)


BATCH = 200
"""Rows of one transaction."""

Send = Callable[[Sequence[Mapping[str, Any]]], bool]


class Outbox:
    """One append-only file, shared by all processes of a home.

    Args:
        path: made on first use, with mode 600.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._under_way = path.with_suffix(".delivering")
        self.refused = path.with_suffix(".refused")
        self._guard = threading.Lock()
        self._lines: list[tuple[bytes, Future[None]]] = []
        self._writing = False

    @property
    def waiting(self) -> bool:
        """Whether there is something to deliver."""
        return self.path.exists() or self._under_way.exists()

    def append(self, row: Mapping[str, object], timeout_s: float | None = None) -> None:
        """Put a row on disk. Rows of callers that wait at the same time go there together, in one write.

        Args:
            timeout_s: longest wait; None: as long as it takes.

        Raises:
            TimeoutError: it is not there in time. It never gets there, unless it was being written just then.
            OSError: it cannot be written; then it is as if it had never been there.
        """
        written: Future[None] = Future()
        with self._guard:
            self._lines.append((json.dumps(row, default=str, sort_keys=True).encode() + b"\n", written))
            begin, self._writing = not self._writing, True
        if begin:
            try:
                # A thread of its own: nobody can be called back from a disk that does not answer.
                threading.Thread(target=self._write_waiting, name="knowledge-outbox").start()
            except RuntimeError:
                self._no_writer()
        try:
            written.result(timeout_s)
        finally:
            written.cancel()

    def _no_writer(self) -> None:
        """The system gives no thread more: nobody who waits gets an answer now, and the next one tries again."""
        with self._guard:
            taken: list[Future[None]] = []
            self._take_under_guard(taken)
            self._writing = False
        for written in taken:
            written.set_exception(OSError(errno.EAGAIN, "no thread"))

    def _write_waiting(self) -> None:
        """Write what waits, until nothing does."""
        while True:
            taken: list[Future[None]] = []
            try:
                self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                with self._locked():
                    lines = self._take(taken)
                    if lines:
                        self._write(lines)
            except (OSError, MemoryError) as error:
                with self._guard:  # also of those who have come too late to be taken
                    self._take_under_guard(taken)
                for written in taken:
                    written.set_exception(error)
            else:
                for written in taken:
                    written.set_result(None)
            with self._guard:
                if not self._lines:
                    self._writing = False
                    return

    def _take(self, taken: list[Future[None]]) -> bytes:
        with self._guard:
            return self._take_under_guard(taken)

    def _take_under_guard(self, taken: list[Future[None]]) -> bytes:
        """The lines of all who still wait; whose they are is added to `taken`."""
        found = [(line, written) for line, written in self._lines if written.set_running_or_notify_cancel()]
        self._lines.clear()
        taken += [written for _, written in found]
        return b"".join(line for line, _ in found)

    def _write(self, lines: bytes) -> None:
        handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(handle, "rb+") as file:
            size = file.seek(0, os.SEEK_END)
            if size and os.pread(handle, 1, size - 1) != b"\n":
                lines = b"\n" + lines  # a process died in the middle of a row, and gave no answer
            try:
                file.write(lines)
                file.flush()
                os.fsync(handle)
            except OSError:
                os.ftruncate(handle, size)
                raise

    def deliver(self, send: Send) -> int:
        """Hand every row over, oldest first, and forget them. Returns how many were taken.

        Args:
            send: takes rows of one tenant; False where they can never be taken: each is tried alone, and set aside. An
                error stops the delivery, and the next one begins anew.
        """
        taken = 0
        with self._locked(self.path.with_suffix(".delivery-lock")):
            for _ in range(2):  # what an interrupted delivery left, then what came since
                with self._locked():
                    if not self._under_way.exists() and self.path.exists():
                        self.path.replace(self._under_way)
                if self._under_way.exists():
                    taken += self._deliver_file(send)
        return taken

    def _deliver_file(self, send: Send) -> int:
        taken = 0
        for _, group in itertools.groupby(_rows(self._under_way), key=lambda row: row.get("tenant")):
            while batch := list(itertools.islice(group, BATCH)):
                taken += self._hand_over(batch, send)
        self._under_way.unlink()
        return taken

    def _hand_over(self, rows: Sequence[Mapping[str, Any]], send: Send) -> int:
        """How many of the rows were taken. Those that never can be are set aside, and hold back no other."""
        if send(rows):
            return len(rows)
        if len(rows) > 1:
            return sum(self._hand_over([row], send) for row in rows)
        handle = os.open(self.refused, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(handle, "ab") as aside:
            aside.write(json.dumps(rows[0]).encode() + b"\n")
        return 0

    @contextmanager
    def _locked(self, path: Path | None = None) -> Iterator[None]:
        handle = os.open(path or self.path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    with path.open("rb") as file:
        for line in file:
            with suppress(ValueError):  # half a row: its answer was never given
                row = json.loads(line)
                if isinstance(row, dict):
                    yield row


def sender(connection: psycopg.Connection[Any]) -> Send:
    """Sends rows over a reader's connection in autocommit; each batch in a transaction of its tenant."""
    assert connection.autocommit, "within another transaction a row would be forgotten before it is committed"

    def send(rows: Sequence[Mapping[str, Any]]) -> bool:
        entry = {"tenant": rows[0].get("tenant"), "roles": ["everyone"], "clearance": 0, "release": None}
        try:
            with connection.transaction():
                entered = connection.execute(ENTER, entry).fetchone()
                if entered is None or entered[0] is not None:
                    return False  # a tenant that is not there any more has no log to write to
                connection.cursor().executemany(DELIVER, rows)
        except (psycopg.DataError, psycopg.IntegrityError):
            return False  # a value that no row can hold
        except psycopg.ProgrammingError as error:
            if error.sqlstate is not None:
                raise  # the schema's fault, which can be mended
            return False  # the driver's: a value is missing
        return True

    return send
