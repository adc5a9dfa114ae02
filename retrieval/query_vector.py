"""The vector of a query, and the future that computes it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from retrieval.fusion import DEFAULT, Scale


class Cancellable(Protocol):
    """A future, of threads or of tasks."""

    def cancel(self) -> bool:
        """Give up: nobody waits for the result any more."""


Wait = TypeVar("Wait", bound=Cancellable)


@dataclass(frozen=True, slots=True)
class QueryVector:
    """A query's vector, or why there is none.

    Attributes:
        vector: None where the model failed.
        milliseconds: what it took.
        problem: a word of `result.REASONS`.
        fingerprint: of the model that made the vector.
        scale: what the model's similarities mean.
    """

    vector: object | None
    milliseconds: float
    problem: str | None = None
    fingerprint: str | None = None
    scale: Scale = DEFAULT


class LazyFuture(Generic[Wait]):
    """A future that begins its work when it is first asked for.

    Args:
        begin: starts the work; its result can be waited for and cancelled.
    """

    def __init__(self, begin: Callable[[], Wait]) -> None:
        self._begin = begin
        self._waiting: Wait | None = None

    def __call__(self) -> Wait:
        """The future, started now if it was not yet."""
        if self._waiting is None:
            self._waiting = self._begin()
        return self._waiting

    def cancel(self) -> None:
        """Give up: nobody waits for the result any more."""
        if self._waiting is not None:
            self._waiting.cancel()
