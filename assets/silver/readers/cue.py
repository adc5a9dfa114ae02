"""A cue: what a transcript says between two moments of a recording."""

from __future__ import annotations

from typing import NamedTuple


class Cue(NamedTuple):
    """What is shown between two moments of a recording.

    Attributes:
        start_s, end_s: seconds; `end_s` is not before `start_s`.
        lines: text as shown, clean and without markup.
        new_turn: another person begins to speak, even if none is named.
    """

    start_s: float
    end_s: float
    lines: tuple[str, ...]
    speaker: str | None = None
    new_turn: bool = False

    @property
    def text(self) -> str:
        """The lines as one."""
        return " ".join(self.lines)
