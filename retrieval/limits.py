"""How much one retriever takes on: a time limit, places for searches with a queue before them, and a rate for each
principal. What is beyond is refused at once, so that a caller can do something better than wait."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable
from concurrent.futures import Future

from retrieval.errors import OverloadedError

Clock = Callable[[], float]
"""Seconds from any fixed point, never going back."""


class Deadline:
    """A point in time by which something must be over.

    Args:
        seconds: from now.
    """

    def __init__(self, seconds: float, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._seconds = seconds
        self._end = clock() + seconds

    def left(self) -> float:
        """Seconds that are left; 0 when there are none."""
        return max(0.0, self._end - self._clock())

    def stretched(self, factor: float) -> Deadline:
        """One that began when this one did and is that many times as long."""
        other = Deadline(self._seconds * factor, self._clock)
        other._end = self._end + self._seconds * (factor - 1)
        return other

    def left_of(self, share: float) -> float:
        """Seconds left of the first part of the time, `share` of it (0 to 1)."""
        return max(0.0, self.left() - (1 - share) * self._seconds)


class Gate:
    """So many at once, and so many waiting in order of arrival; whoever comes then is turned away.

    One gate serves threads and tasks: who has to wait gets a future that threads wait for, and tasks await.

    Args:
        places: most that run at once.
        queue: most that wait.
    """

    def __init__(self, places: int, queue: int) -> None:
        self._free = places
        self._queue = queue
        self._waiting: deque[Future[None]] = deque()
        self._lock = threading.Lock()

    def enter(self) -> Future[None] | None:
        """Take a place: None where it is there now, else a future that is done when it is.

        Every entry ends with `leave`, or with `give_up` where the future was not waited for to its end.

        Raises:
            OverloadedError: the queue is full.
        """
        with self._lock:
            if self._free:
                self._free -= 1
                return None
            if len(self._waiting) >= self._queue:
                raise OverloadedError(
                    "Too many searches at once: try again, or raise KNOWLEDGE_CONCURRENCY or KNOWLEDGE_QUEUE_LENGTH"
                )
            waiter: Future[None] = Future()
            self._waiting.append(waiter)
            return waiter

    def leave(self) -> None:
        """Give the place to whoever has waited longest."""
        with self._lock:
            self._pass_on()

    def give_up(self, waiter: Future[None]) -> None:
        """Stop waiting; a place that was handed over meanwhile goes to the next."""
        with self._lock:
            if waiter.cancel():
                if waiter in self._waiting:
                    self._waiting.remove(waiter)
            else:
                self._pass_on()

    def _pass_on(self) -> None:
        while self._waiting:
            waiter = self._waiting.popleft()
            if waiter.set_running_or_notify_cancel():
                waiter.set_result(None)
                return
        self._free += 1


class RateLimit:
    """A token bucket for each key: `burst` at once, `per_minute` in the long run.

    Buckets that are full again are forgotten, so memory follows the keys that were busy of late.
    """

    KEPT = 10_000
    """Buckets from which on full ones are looked for at each new key."""

    def __init__(self, per_minute: float, burst: int, clock: Clock = time.monotonic) -> None:
        self._per_second = per_minute / 60
        self._burst = float(burst)
        self._clock = clock
        self._buckets: OrderedDict[Hashable, tuple[float, float]] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, key: Hashable) -> None:
        """Take one token.

        Raises:
            OverloadedError: the bucket is empty; the error says when it is not.
        """
        with self._lock:
            now = self._clock()
            tokens, since = self._buckets.pop(key, (self._burst, now))
            tokens = min(self._burst, tokens + (now - since) * self._per_second)
            allowed = tokens >= 1
            self._buckets[key] = (tokens - allowed, now)
            self._forget(now)
        if not allowed:
            wait_s = (1 - tokens) / self._per_second
            raise OverloadedError(
                f"This principal asks too often: try again in {wait_s:.1f} s (KNOWLEDGE_RATE_PER_MINUTE)",
                retry_after_s=wait_s,
            )

    def _forget(self, now: float) -> None:
        """Drop the buckets unused for longest, as far as they are full, that is as good as new."""
        while len(self._buckets) > self.KEPT:
            key, (tokens, since) = next(iter(self._buckets.items()))
            if tokens + (now - since) * self._per_second < self._burst:
                return
            del self._buckets[key]
