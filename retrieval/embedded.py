"""A query's vector, on its way and there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from retrieval.fusion import DEFAULT, Scale


class Cancellable(Protocol):
    """A future, of threads or of tasks."""

    def cancel(self) -> bool:
        """Nobody waits for it any more."""


Wait = TypeVar("Wait", bound=Cancellable)


@dataclass(frozen=True, slots=True)
class Embedded:
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


class Begun(Generic[Wait]):
    """A query's vector, on its way from when it is first asked for.

    Args:
        begin: begins to embed; what it gives can be waited for and cancelled.
    """

    def __init__(self, begin: Callable[[], Wait]) -> None:
        self._begin = begin
        self._waiting: Wait | None = None

    def __call__(self) -> Wait:
        """The vector, soon."""
        if self._waiting is None:
            self._waiting = self._begin()
        return self._waiting

    def cancel(self) -> None:
        """Nobody waits for it any more."""
        if self._waiting is not None:
            self._waiting.cancel()
