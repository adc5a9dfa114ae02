"""The circuit breaker, by a clock that the test moves."""

from __future__ import annotations

import logging
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval import NoReleaseError, UnavailableError
from retrieval.breaker import PAUSE_MAX_S, Breaker


class Clock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def fails(breaker: Breaker) -> None:
    with pytest.raises(UnavailableError, match="gone"), breaker.attempt():
        raise UnavailableError("gone")


def works(breaker: Breaker) -> None:
    with breaker.attempt():
        pass


def refuses(breaker: Breaker) -> bool:
    try:
        works(breaker)
    except UnavailableError:
        return True
    return False


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> Breaker:
    return Breaker("The thing", failures=3, pause_s=2, clock=clock)


def test_it_says_once_that_it_opens_and_why_and_that_it_closes(
    breaker: Breaker, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "retrieval")
    for _ in range(3):
        fails(breaker)
    for _ in range(5):
        assert refuses(breaker)
        clock.now += PAUSE_MAX_S
        fails(breaker)
    clock.now += PAUSE_MAX_S
    works(breaker)
    works(breaker)
    assert caplog.record_tuples == [
        ("retrieval", logging.WARNING, "The thing has failed and is left alone for a while: gone"),
        ("retrieval", logging.INFO, "The thing answers again"),
    ]


def test_it_opens_after_failures_in_a_row(breaker: Breaker) -> None:
    fails(breaker), fails(breaker)
    works(breaker)
    fails(breaker), fails(breaker)
    assert breaker.state == "closed"
    fails(breaker)
    assert breaker.state == "open"
    with pytest.raises(UnavailableError, match=r"^The thing has failed and is left alone for another 2\.0 s"):
        works(breaker)


def test_one_probe_closes_it(breaker: Breaker, clock: Clock) -> None:
    breaker.trip()
    clock.now += 1.9
    assert refuses(breaker)
    clock.now += 0.2
    assert breaker.state == "half-open"
    with breaker.attempt() as probe:
        assert probe.probe
        assert refuses(breaker), "one at a time"
    assert breaker.state == "closed"
    assert not refuses(breaker)


def test_each_failed_probe_doubles_the_pause_up_to_a_limit(breaker: Breaker, clock: Clock) -> None:
    breaker.trip()
    pauses = []
    pause = 2.0
    for _ in range(7):
        clock.now += pause
        fails(breaker)
        pause = min(pause * 2, PAUSE_MAX_S)
        clock.now += pause - 0.001
        assert refuses(breaker)
        clock.now += 0.001 - pause
        pauses.append(pause)
    assert pauses[-1] == PAUSE_MAX_S
    clock.now += pause
    works(breaker)
    fails(breaker), fails(breaker), fails(breaker)
    clock.now += 2
    assert not refuses(breaker), "a new outage begins with the first pause"


def test_permanent_errors_are_answers(breaker: Breaker) -> None:
    for _ in range(9):
        with pytest.raises(NoReleaseError), breaker.attempt():
            raise NoReleaseError("nothing is published yet")
    assert breaker.state == "closed"


def test_an_abandoned_probe_lets_another_one_try(breaker: Breaker, clock: Clock) -> None:
    breaker.trip()
    clock.now += 2
    with pytest.raises(KeyboardInterrupt), breaker.attempt():
        raise KeyboardInterrupt
    assert breaker.state == "half-open"
    works(breaker)
    assert breaker.state == "closed"


def test_what_began_before_a_change_does_not_count_after_it(breaker: Breaker, clock: Clock) -> None:
    late = [breaker.attempt() for _ in range(6)]
    for attempt in late[:3]:
        breaker.settle(attempt, worked=False)
    clock.now += 1
    breaker.settle(late[3], worked=False)
    breaker.settle(late[4], worked=True)
    assert breaker.state == "open"
    clock.now += 1
    works(breaker)
    breaker.settle(late[5], worked=False)
    fails(breaker), fails(breaker)
    assert breaker.state == "closed"


@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(st.lists(st.one_of(st.sampled_from(["work", "fail", "quit"]), st.floats(0, 40)), max_size=60))
def test_at_any_time_it_is_closed_or_comes_back_within_the_longest_pause(steps: list[str | float]) -> None:
    clock = Clock()
    breaker = Breaker("The thing", failures=2, pause_s=0.5, clock=clock)
    for step in steps:
        if isinstance(step, float):
            clock.now += step
            continue
        try:
            attempt = breaker.attempt()
        except UnavailableError:
            assert breaker.state == "open"
            continue
        breaker.settle(attempt, {"work": True, "fail": False, "quit": None}[step])
    clock.now += PAUSE_MAX_S
    works(breaker)
    assert breaker.state == "closed"


def test_of_many_threads_one_probes(breaker: Breaker, clock: Clock) -> None:
    breaker.trip()
    clock.now += 2
    start = threading.Barrier(16)

    def one(_: int) -> bool:
        start.wait()
        try:
            return breaker.attempt().probe
        except UnavailableError:
            return False

    with ThreadPoolExecutor(16) as threads:
        assert sum(threads.map(one, range(16))) == 1
