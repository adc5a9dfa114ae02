"""Reads files in processes of their own, so that a crash, a hang or a runaway allocation of a parser refuses one file
and ends nothing else.

A worker serves many files, costs about 0.2 s of CPU to start, and is replaced when a file has broken it. Files
share the machine's cores; one that broke its worker or found too little memory is tried once more, alone and in a
fresh worker, before it is refused: what it met may have been left behind by the file before it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from assets.errors import ReadersUnavailableError
from assets.silver import wire
from assets.silver.document import Document
from assets.silver.limits import DEFAULT_LIMITS, Limits, sized
from assets.silver.refusal import REASONS, RefusedError

Outcome = tuple[Document, ...] | RefusedError
"""What reading a file gave."""

_START_S = 60.0
"""Seconds in which a worker must be there; it takes 0.2 s of CPU."""

_PAUSES_S = (0.1, 0.5, 2.0)
"""Pauses before a worker that could not be started is tried again."""

_SHARE = 0.9
"""Share of the memory limit that all workers have together while they work at the same time."""

_LEAST_MEMORY = 400_000_000
"""Address space of a worker in bytes below which readers find no room for their libraries: 290 MB when all are there,
360 MB while the model of languages is loaded. There are fewer workers rather than smaller ones."""

_ROOM = 100_000_000
"""Address space in bytes that a file finds free at least. A worker that has less was left so by an earlier file, and
libraries that are loaded late would fail in it in ways of their own."""

_LARGE = 0.04
"""A file of more than this share of the memory limit is read alone from the start."""

_LANE_BYTES, _LANE_FILES = 500_000, 40
"""Work for which another worker pays for its start."""


@dataclass(frozen=True, slots=True)
class _Failed:
    """A worker that did not answer: `memory`, `slow`, `crashed` or `garbled`."""

    how: str
    detail: str
    reader: str | None


class _Worker:
    """One process and the socket to it."""

    def __init__(self, module: str) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            command = [sys.executable, "-s", "-P", "-m", "assets.silver.worker", str(theirs.fileno()), module]
            try:
                self._process = subprocess.Popen(
                    command,
                    pass_fds=(theirs.fileno(),),
                    env=_environment(),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    # libraries quote what they stumble over, and content has no place in a log
                    stderr=subprocess.DEVNULL,
                    cwd="/",
                    start_new_session=True,
                )
            except OSError:
                ours.close()
                raise
        self._connection = ours
        self.files = 0
        ours.settimeout(_START_S)
        try:
            kind, peak = wire.receive(ours, 64)
            # Linux counts to a process what its parent held when it was forked: only what is above it is its own
            self._inherited_kib = int(peak)
        except (EOFError, OSError, ValueError, wire.TooLongError) as error:
            self.end()
            raise ChildProcessError("it ended before it began") from error
        if kind != wire.HELLO:
            self.end()
            raise ChildProcessError("it did not say that it is there")

    def read(self, content: bytes, path: str, limits: Limits, memory_bytes: int) -> Outcome | _Failed:
        """What the worker makes of a file; after `_Failed` it must be ended."""
        self.files += 1
        wall = wire.wall_clock(limits.seconds)
        deadline = time.monotonic() + wall
        reader: str | None = None
        try:
            self._connection.settimeout(wall)
            wire.send(self._connection, wire.TASK, wire.pack_task(path, limits, memory_bytes))
            wire.send(self._connection, wire.CONTENT, content)
            while True:
                self._connection.settimeout(max(0.01, deadline - time.monotonic()))
                kind, payload = wire.receive(self._connection, 4 * limits.unpacked_bytes)
                if kind == wire.CHOSEN:
                    reader = _line(payload)
                elif kind == wire.DOCUMENTS:
                    return wire.unpack_documents(payload)
                elif kind == wire.REFUSED:
                    code, detail, refused_by = wire.unpack_refusal(payload)
                    if code not in REASONS:
                        return _Failed("garbled", "its answer makes no sense", reader)
                    return RefusedError(code, detail, reader=refused_by or reader)
                elif kind == wire.NO_MEMORY:
                    return _Failed("memory", f"{sized(memory_bytes)} of memory were not enough", reader)
                else:
                    return _Failed("crashed", _line(payload), reader)
        except TimeoutError:
            return _Failed("slow", f"no answer within {wall:g} s", reader)
        except wire.TooLongError:
            return RefusedError("unpacks_too_large", "its text is larger than what may be unpacked", reader=reader)
        except (EOFError, ConnectionError, BrokenPipeError):
            return self._death(limits, memory_bytes, reader)
        except (ValueError, KeyError, TypeError):
            return _Failed("garbled", "its answer makes no sense", reader)

    def address_space(self) -> int:
        """Bytes of address space it has taken; 0 where the system does not tell."""
        try:
            pages = Path(f"/proc/{self._process.pid}/statm").read_bytes().split()[0]
        except (OSError, IndexError):
            return 0
        return int(pages) * os.sysconf("SC_PAGE_SIZE")

    def end(self) -> None:
        """Kill it, and what it started."""
        self._connection.close()
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def _death(self, limits: Limits, memory_bytes: int, reader: str | None) -> _Failed:
        try:
            _, status, usage = os.wait4(self._process.pid, 0)
        except ChildProcessError:
            return _Failed("crashed", "the reader ended", reader)
        code = os.waitstatus_to_exitcode(status)
        self._process.returncode = code
        if code in (-signal.SIGPROF, -signal.SIGALRM):
            return _Failed("slow", f"more than {limits.seconds:g} s of computing", reader)
        name = signal.Signals(-code).name if code < 0 else f"exit {code}"
        if usage.ru_maxrss > self._inherited_kib and usage.ru_maxrss * 1024 > 0.8 * memory_bytes:
            return _Failed("memory", f"{sized(memory_bytes)} of memory were not enough", reader)
        return _Failed("crashed", name, reader)


class Sandbox:
    """Workers that read files within limits; safe to use from several threads.

    Args:
        limits: what one file may ask for.
        workers: most processes that read at the same time; None: one for each core, at most four. Fewer where the
            limit of memory gives no room for so many.
        module: where the workers find `read`, with the arguments of `assets.silver.readers.registry.read`.
        sleep: waits before a worker is started again.
    """

    def __init__(
        self,
        limits: Limits = DEFAULT_LIMITS,
        *,
        workers: int | None = None,
        module: str = "assets.silver.readers.registry",
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.limits = limits
        fitting = int(_SHARE * limits.memory_bytes) // _LEAST_MEMORY
        self.workers = max(1, min(workers or min(4, len(os.sched_getaffinity(0))), fitting))
        self._module = module
        self._sleep = sleep
        self._idle: deque[_Worker] = deque()
        self._turn = threading.Condition()
        self._reading = 0
        self._alone = False
        self._shared = min(limits.memory_bytes, max(_LEAST_MEMORY, int(_SHARE * limits.memory_bytes / self.workers)))
        weakref.finalize(self, _end, self._idle)

    def warm_up(self) -> None:
        """Start one worker now; what goes wrong is met, and told, by whoever reads."""
        with contextlib.suppress(ReadersUnavailableError):
            self._give_back(self._started())

    def close(self) -> None:
        """End the workers."""
        _end(self._idle)

    def read(self, content: bytes, path: str) -> tuple[Document, ...]:
        """The documents a file holds.

        Args:
            path: as for `assets.silver.readers.read`.

        Raises:
            RefusedError: the file cannot be read within the limits.
            ReadersUnavailableError: no worker could be started; nothing is said about the file.
        """
        outcome = self._outcome(content, path)
        if isinstance(outcome, RefusedError):
            raise outcome
        return outcome

    def read_all(self, files: Iterable[tuple[bytes, str]], *, count: int, size: int) -> Iterator[Outcome]:
        """Outcomes in the order of the files, a few of which are read ahead.

        Args:
            files: content and path.
            count, size: number of files and their bytes together, as far as known: how many workers pay.

        Raises:
            ReadersUnavailableError: as for `read`.
        """
        lanes = min(self.workers, max(1, size // _LANE_BYTES + count // _LANE_FILES), max(1, count))
        with ThreadPoolExecutor(lanes, "reading") as threads:
            ahead: deque[Future[Outcome]] = deque()
            try:
                for content, path in files:
                    ahead.append(threads.submit(self._outcome, content, path))
                    if len(ahead) > 2 * lanes:
                        yield ahead.popleft().result()
                while ahead:
                    yield ahead.popleft().result()
            finally:
                for future in ahead:
                    future.cancel()

    def _outcome(self, content: bytes, path: str) -> Outcome:
        if len(content) > self.limits.file_bytes:
            return RefusedError("too_large", f"{sized(len(content))}, {sized(self.limits.file_bytes)} are allowed")
        if len(content) <= _LARGE * self.limits.memory_bytes:
            with self._together():
                first = self._attempt(content, path, self._shared)
            if not isinstance(first, _Failed):
                return first
            if first.how == "slow":
                return _refusal(first)
        with self._by_itself():
            second = self._attempt(content, path, self.limits.memory_bytes, fresh=True)
        return _refusal(second) if isinstance(second, _Failed) else second

    def _attempt(self, content: bytes, path: str, memory_bytes: int, *, fresh: bool = False) -> Outcome | _Failed:
        worker = self._taken(fresh=fresh)
        try:
            outcome = worker.read(content, path, self.limits, memory_bytes)
        except BaseException:
            worker.end()
            raise
        if isinstance(outcome, _Failed) or (isinstance(outcome, RefusedError) and outcome.code == "unpacks_too_large"):
            worker.end()
        else:
            self._give_back(worker)
        return outcome

    def _taken(self, *, fresh: bool) -> _Worker:
        with self._turn:
            worker = self._idle.pop() if self._idle else None
        if worker is not None and worker.files and (fresh or worker.address_space() > self._shared - _ROOM):
            worker.end()
            worker = None
        return worker or self._started()

    def _give_back(self, worker: _Worker) -> None:
        with self._turn:
            self._idle.append(worker)

    def _started(self) -> _Worker:
        for pause in (*_PAUSES_S, None):
            try:
                return _Worker(self._module)
            except OSError as error:  # ChildProcessError included
                if pause is None:
                    raise ReadersUnavailableError(
                        f"No process that reads files can be started ({error.strerror or error}); it is tried again"
                    ) from error
                self._sleep(pause)
        raise AssertionError("unreachable")

    @contextlib.contextmanager
    def _together(self) -> Iterator[None]:
        with self._turn:
            self._turn.wait_for(lambda: not self._alone)
            self._reading += 1
        try:
            yield
        finally:
            with self._turn:
                self._reading -= 1
                self._turn.notify_all()

    @contextlib.contextmanager
    def _by_itself(self) -> Iterator[None]:
        """While this holds nobody else reads, and the memory of idle workers is given back."""
        with self._turn:
            self._turn.wait_for(lambda: not self._alone)
            self._alone = True
            self._turn.wait_for(lambda: not self._reading)
        try:
            yield
        finally:
            with self._turn:
                self._alone = False
                self._turn.notify_all()


def _end(workers: deque[_Worker]) -> None:
    while workers:
        workers.pop().end()


def _refusal(failed: _Failed) -> RefusedError:
    code = {"memory": "too_much_memory", "slow": "too_slow"}.get(failed.how, "reader_crashed")
    return RefusedError(code, failed.detail, reader=failed.reader)


def _line(payload: bytes) -> str:
    """A name that a worker says: one short line of plain characters."""
    return "".join(c for c in payload[:80].decode("ascii", "replace") if c.isalnum() or c in "/._-")


def _environment() -> dict[str, str]:
    """What a worker may know: where Python's modules are, and a locale."""
    return {
        "PATH": os.defpath,
        "PYTHONPATH": os.pathsep.join(str(Path(path).absolute()) for path in sys.path),
        "PYTHONHASHSEED": "0",
        "PYTHONDONTWRITEBYTECODE": "1",
        # numpy would take 40 MB of address space and a thread for each core of the machine
        "OPENBLAS_NUM_THREADS": "1",
        "LC_ALL": "C.UTF-8",
        "HOME": "/nonexistent",
    }
