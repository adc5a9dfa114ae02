"""Passages with a start each, and perhaps an end: units of time are told from how fast people speak."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from assets.silver.readers.clock import LONGEST_S, rounded
from assets.silver.readers.transcript import Cue

SPEECH_RATE = 15.0
"""Characters a second of German and English speech, blanks included."""

_SLOWEST, _FASTEST = 8.0, 40.0
"""Characters a second between which a rate that a transcript shows is believed."""

_SLACK, _SLACK_S = 1.5, 2.0
"""A passage without an end lasts until the next one unless it took this much longer than saying it takes."""

_MILLISECONDS_BELOW = 0.1
"""Characters a unit: speech has about 15 a second and 0.015 a millisecond, and nothing in between."""


@dataclass(frozen=True, slots=True)
class Passage:
    """Something said, with times in whatever unit the file has; `end` None where it names none."""

    start: float
    end: float | None
    lines: tuple[str, ...]
    speaker: str | None = None
    new_turn: bool = False

    @property
    def length(self) -> int:
        """Characters."""
        return sum(map(len, self.lines)) + max(0, len(self.lines) - 1)


def in_milliseconds(passages: Sequence[Passage]) -> bool:
    """Whether the times of these passages are milliseconds rather than seconds."""
    if not passages or any(not passage.start.is_integer() for passage in passages):
        return False
    spans = [passage.end - passage.start for passage in passages if passage.end is not None]
    if spans and sum(spans) > 0:
        said = sum(passage.length for passage in passages if passage.end is not None)
        return said / sum(spans) < _MILLISECONDS_BELOW
    starts = [passage.start for passage in passages]
    extent = max(starts) - min(starts)
    return extent > 0 and sum(passage.length for passage in passages[:-1]) / extent < _MILLISECONDS_BELOW


def cues_from(passages: Sequence[Passage], *, milliseconds: bool = False) -> list[Cue]:
    """Cues in seconds. A passage without an end lasts until the next one begins, or as long as saying it takes.

    Passages that cannot lie in a recording (negative, endless) must have been left out.
    """
    unit = 1000.0 if milliseconds else 1.0
    ordered = sorted(passages, key=lambda passage: passage.start)
    rate = _rate(ordered, unit)
    cues = []
    following: float | None = None
    upcoming: float | None = None
    for passage in reversed(ordered):
        if upcoming is not None and upcoming > passage.start:
            following = upcoming
        upcoming = passage.start
        start = rounded(passage.start / unit)
        if passage.end is not None:
            end = max(start, rounded(passage.end / unit))
        else:
            said = start + _SLACK_S + _SLACK * passage.length / rate
            end = rounded(said if following is None else min(following / unit, said))
        cues.append(Cue(start, end, passage.lines, passage.speaker, passage.new_turn))
    return cues[::-1]


def usable(start: float | None, end: float | None) -> bool:
    """Whether these can be times in a recording, in seconds or milliseconds."""
    times = [time for time in (start, end) if time is not None]
    return start is not None and all(math.isfinite(time) and 0 <= time <= LONGEST_S * 1000 for time in times)


def _rate(ordered: Sequence[Passage], unit: float) -> float:
    """Characters a second in this transcript."""
    rates = [
        passage.length * unit / (after.start - passage.start)
        for passage, after in pairwise(ordered)
        if passage.end is None and after.start > passage.start and passage.length > 0
    ]
    shown = median(rates) if rates else SPEECH_RATE
    return min(max(shown, _SLOWEST), _FASTEST)
