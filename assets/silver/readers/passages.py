"""Passages with a start each, and perhaps an end: units of time are told from how fast people speak."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from operator import itemgetter
from statistics import median
from typing import NamedTuple

from assets.silver.readers.clock import LONGEST_S
from assets.silver.readers.cue import Cue

SPEECH_RATE = 15.0
"""Characters a second of German and English speech, blanks included."""

_SLOWEST, _FASTEST = 8.0, 40.0
"""Characters a second between which a rate that a transcript shows is believed."""

_SLACK, _SLACK_S = 1.5, 2.0
"""A passage without an end lasts until the next one unless it took this much longer than saying it takes."""

_MILLISECONDS_BELOW = 0.1
"""Characters a unit: speech has about 15 a second and 0.015 a millisecond, and nothing in between."""


_LATEST = LONGEST_S * 1000
"""The largest number that can be a time, in milliseconds."""


class Passage(NamedTuple):
    """Something said, with times in whatever unit the file has; `end` None where it names none."""

    start: float
    end: float | None
    lines: tuple[str, ...]
    speaker: str | None = None
    new_turn: bool = False

    @property
    def length(self) -> int:
        """Characters."""
        lines = self.lines
        return len(lines[0]) if len(lines) == 1 else sum(map(len, lines)) + max(0, len(lines) - 1)


def in_milliseconds(passages: Sequence[Passage]) -> bool:
    """Whether the times of these passages are milliseconds rather than seconds."""
    if not passages or not all(map(float.is_integer, map(_START, passages))):
        return False
    ended = [passage for passage in passages if passage[1] is not None]
    span: float = sum(filter(None, map(_END, ended))) - sum(map(_START, ended))
    if ended and span > 0:
        return sum([passage.length for passage in ended]) / span < _MILLISECONDS_BELOW
    starts = [passage.start for passage in passages]
    extent = max(starts) - min(starts)
    return extent > 0 and sum(passage.length for passage in passages[:-1]) / extent < _MILLISECONDS_BELOW


def cues_from(passages: Sequence[Passage], *, milliseconds: bool = False) -> list[Cue]:
    """Cues in seconds. A passage without an end lasts until the next one begins, or as long as saying it takes.

    Passages that cannot lie in a recording (negative, endless) must have been left out.
    """
    unit = 1000.0 if milliseconds else 1.0
    ordered = sorted(passages, key=_START)
    # to the millisecond, so that formats which store times differently agree (`clock.rounded`)
    factor = 1000.0 / unit
    if None not in map(_END, ordered):
        return [
            Cue(at, max(at, round((end or 0.0) * factor) / 1000), lines, speaker, new_turn)
            for start, end, lines, speaker, new_turn in ordered
            for at in (round(start * factor) / 1000,)
        ]
    lengths = list(map(len, map(" ".join, map(_LINES, ordered))))
    rate = _rate(ordered, lengths, unit)
    cues = []
    following: float | None = None
    upcoming: float | None = None
    for (begins, ends, lines, speaker, new_turn), length in zip(reversed(ordered), reversed(lengths), strict=True):
        if upcoming is not None and upcoming > begins:
            following = upcoming
        upcoming = begins
        start = round(begins * factor) / 1000
        if ends is not None:
            end = max(start, round(ends * factor) / 1000)
        else:
            said = start + _SLACK_S + _SLACK * length / rate
            end = round((said if following is None or following / unit > said else following / unit) * 1000) / 1000
        cues.append(Cue(start, end, lines, speaker, new_turn))
    cues.reverse()
    return cues


def usable(start: float | None, end: float | None) -> bool:
    """Whether these can be times in a recording, in seconds or milliseconds."""
    return start is not None and 0 <= start <= _LATEST and (end is None or 0 <= end <= _LATEST)


_START = itemgetter(0)
_END = itemgetter(1)
_LINES = itemgetter(2)


def _rate(ordered: Sequence[Passage], lengths: Sequence[int], unit: float) -> float:
    """Characters a second in this transcript."""
    rates = [
        length * unit / (after[0] - passage[0])
        for (passage, after), length in zip(pairwise(ordered), lengths, strict=False)
        if passage[1] is None and length and after[0] > passage[0]
    ]
    shown = median(rates) if rates else SPEECH_RATE
    return min(max(shown, _SLOWEST), _FASTEST)
