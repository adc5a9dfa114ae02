"""A database server that can be stopped, frozen, restarted and slowed down, and callers that keep asking."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from retrieval import KnowledgeError, SearchResult, Settings
from retrieval.schema.migrate import OWNER, READER
from retrieval.server import EmbeddedServer


@dataclass
class Victim:
    """An embedded server whose reader is reached by DSN, so that nobody restarts it by himself."""

    home: Path
    server: EmbeddedServer

    def settings(self, **values: Any) -> Settings:
        """Short limits, so that a test need not wait."""
        short = {"connect_timeout_s": 2, "statement_timeout_ms": 300, "search_timeout_ms": 1500}
        breaker = {"breaker_failures": 3, "breaker_pause_s": 0.1, "pool_size": 8}
        return Settings.load(home=self.home, dsn=self.server.dsn(READER), **(short | breaker | values))

    def owner(self) -> psycopg.Connection[Any]:
        """A connection as owner, in autocommit."""
        return psycopg.connect(self.server.dsn(OWNER), autocommit=True)

    def processes(self) -> list[int]:
        """The server and everything it has started."""
        postmaster = int((self.server.data / "postmaster.pid").read_text().splitlines()[0])
        return [postmaster, *_children(postmaster)]

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Every process stopped where it is, sockets open."""
        pids: list[int] = []
        try:
            # the server first, then its children until there are no others: what it starts meanwhile would serve on
            while new := [pid for pid in self.processes() if pid not in pids]:
                for pid in new:
                    pids.append(pid)
                    os.kill(pid, signal.SIGSTOP)
            yield
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Shut down in order."""
        assert self.server.stop()
        try:
            yield
        finally:
            self.server.ensure_running()

    @contextmanager
    def slow(self) -> Iterator[None]:
        """A lock that makes every search wait."""
        with psycopg.connect(self.server.dsn(OWNER)) as other:
            other.execute("lock table space_1.posting in access exclusive mode")
            yield

    def kill(self) -> None:
        """As the kernel does when memory runs out; started again at once."""
        os.kill(self.processes()[0], signal.SIGKILL)
        self.server.ensure_running()


@dataclass
class Load:
    """Callers that ask one question after the other until they are told to stop.

    Attributes:
        ends: (when it ended, seconds it took, `hits`, `degraded` or the name of an error), in no order.
    """

    ask: Callable[[], SearchResult]
    threads: int = 6
    ends: list[tuple[float, float, str]] = field(default_factory=list)

    @contextmanager
    def running(self) -> Iterator[Load]:
        """Ask until the block is left."""
        done = threading.Event()
        workers = [threading.Thread(target=self._work, args=(done,)) for _ in range(self.threads)]
        for worker in workers:
            worker.start()
        try:
            yield self
        finally:
            done.set()
            for worker in workers:
                worker.join(30)
            assert not any(worker.is_alive() for worker in workers), "a search hangs"

    def _work(self, done: threading.Event) -> None:
        while not done.is_set():
            began = time.monotonic()
            try:
                result = self.ask()
                end = "degraded" if result.degraded else "hits"
                if result.degraded:
                    done.wait(0.002)
            except KnowledgeError as error:
                end = type(error).__name__
                done.wait(0.002)  # a caller that is refused at once does not spin
            now = time.monotonic()
            self.ends.append((now, now - began, end))

    def wait_for(self, end: str, n: int, timeout: float = 20.0) -> float:
        """Wait until so many more searches ended like that; the seconds it took."""
        began = time.monotonic()
        while sum(at >= began and what == end for at, _, what in list(self.ends)) < n:
            assert time.monotonic() - began < timeout, f"no {n} x {end}: {self.counts(began)}"
            time.sleep(0.002)
        return time.monotonic() - began

    def counts(self, since: float = 0.0) -> Counter[str]:
        """How searches ended since then."""
        return Counter(what for at, _, what in list(self.ends) if at >= since)

    def longest_s(self) -> float:
        """The longest search."""
        return max(took for _, took, _ in self.ends)


def _children(pid: int) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text()
            except OSError:
                continue
            if int(stat.rsplit(")", 1)[1].split()[1]) == pid:
                found.append(int(entry.name))
    return found
