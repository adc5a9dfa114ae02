"""Circuit breaker: what has failed several times in a row is left alone for a while, then asked by one caller.

    closed ──(failures in a row)──▶ open ──(pause over)──▶ half open: one probe ──▶ closed
                                      ▲                              │
                                      └─────(failed: twice the pause)┘

After Nygard, "Release It!" (2007), ch. 5.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from types import TracebackType

from retrieval.errors import KnowledgeError, TransientError, UnavailableError

LOG = logging.getLogger("retrieval")

PAUSE_MAX_S = 30.0
"""Longest pause: somebody who mends a database should not wait much longer for it to be noticed."""


class Breaker:
    """Counts failures of one thing and says whether it may be asked.

    Args:
        what: name of the thing, for the sentence of the error.
        failures: failures in a row that open it.
        pause_s: seconds until the first probe; doubles with each probe that fails, up to `PAUSE_MAX_S`.
        clock: seconds from any fixed point.
    """

    def __init__(
        self, what: str, *, failures: int, pause_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._what = what
        self._limit = failures
        self._first_pause = pause_s
        self._clock = clock
        self._lock = threading.Lock()
        self._failures = 0
        self._pause = pause_s
        self._opened: float | None = None
        self._probing = False
        self._generation = 0

    @property
    def state(self) -> str:
        """`closed`, `open` or `half-open`."""
        with self._lock:
            if self._opened is None:
                return "closed"
            return "half-open" if self._probing or self._left() <= 0 else "open"

    def attempt(self) -> Attempt:
        """Permission to ask, to be entered as a context.

        Raises:
            UnavailableError: not now.
        """
        with self._lock:
            if self._opened is None:
                return Attempt(self, self._generation, probe=False)
            left = self._left()
            if left > 0 or self._probing:
                when = f"for another {left:.1f} s" if left > 0 else "until another call has tried it"
                raise UnavailableError(f"{self._what} has failed and is left alone {when}: try again later")
            self._probing = True
            return Attempt(self, self._generation, probe=True)

    def trip(self, error: BaseException | None = None) -> None:
        """Open it now, as when it is known to be down."""
        with self._lock:
            if self._opened is not None:
                return
            self._open(self._first_pause)
        self._tell(error)

    def settle(self, attempt: Attempt, worked: bool | None, error: BaseException | None = None) -> None:
        """Note how an attempt ended; None where that says nothing about the thing.

        What opens the breaker is logged once, and that it has closed; probes that fail in between are not.

        Args:
            error: the library's own, told with it.
        """
        with self._lock:
            before = self._opened
            self._settle(attempt, worked)
            after = self._opened
        if before is None and after is not None:
            self._tell(error)
        elif before is not None and after is None:
            LOG.info("%s answers again", self._what)

    def _settle(self, attempt: Attempt, worked: bool | None) -> None:
        if attempt.generation == self._generation:  # else it tells of a time that is over
            if attempt.probe:
                self._probing = False
                if worked:
                    self._generation += 1
                    self._opened, self._failures, self._pause = None, 0, self._first_pause
                elif worked is False:
                    self._open(min(self._pause * 2, PAUSE_MAX_S))
            elif worked:
                self._failures = 0
            elif worked is False:
                self._failures += 1
                if self._failures >= self._limit:
                    self._open(self._first_pause)

    def _tell(self, error: BaseException | None) -> None:
        why = f": {error}" if isinstance(error, KnowledgeError) else ""
        LOG.warning("%s has failed and is left alone for a while%s", self._what, why)

    def _left(self) -> float:
        assert self._opened is not None
        return self._opened + self._pause - self._clock()

    def _open(self, pause: float) -> None:
        self._opened, self._pause, self._probing = self._clock(), pause, False
        self._generation += 1


class Attempt:
    """One permitted call. As a context it tells the breaker how it ended.

    Transient errors of the library are failures. Permanent ones are answers: who says "no such tenant" is there.
    Anything else, a cancelled task for instance, says nothing.

    Attributes:
        probe: whether this call decides if the breaker closes again.
    """

    def __init__(self, breaker: Breaker, generation: int, *, probe: bool) -> None:
        self._breaker = breaker
        self.generation = generation
        self.probe = probe

    def __enter__(self) -> Attempt:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        worked: bool | None = None
        if error is None or (isinstance(error, KnowledgeError) and not isinstance(error, TransientError)):
            worked = True
        elif isinstance(error, TransientError):
            worked = False
        self._breaker.settle(self, worked, error)
