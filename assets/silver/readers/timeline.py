"""Times for everything said in a transcript that is stamped only here and there."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from assets.silver.readers.passages import SPEECH_RATE

_PAUSE = 0.6
"""Share of the usual rate of speech below which something that was not written down lies between two stamps."""


@dataclass(frozen=True, slots=True)
class Anchor:
    """A place in the text, in characters from its beginning, whose time is known, in seconds."""

    at: int
    time_s: float


class Timeline:
    """Between two stamps time passes evenly with the characters; beyond them, at the usual rate of this recording."""

    def __init__(self, anchors: Sequence[Anchor]) -> None:
        kept: list[Anchor] = []
        for anchor in anchors:
            if not kept or anchor.time_s >= kept[-1].time_s:
                kept.append(anchor)
        self.dropped = len(anchors) - len(kept)
        self._anchors = kept
        self._places = [anchor.at for anchor in kept]
        rates = [
            (b.at - a.at) / (b.time_s - a.time_s) for a, b in pairwise(kept) if b.at > a.at and b.time_s > a.time_s
        ]
        self._rate = median(rates) if rates else SPEECH_RATE

    def __bool__(self) -> bool:
        return bool(self._anchors)

    def start(self, at: int) -> float:
        """Seconds at which what begins at this character is said."""
        return self._time(at, bisect_right(self._places, at))

    def end(self, at: int) -> float:
        """Seconds at which what ends before this character has been said."""
        return self._time(at, bisect_left(self._places, at))

    def _time(self, at: int, following: int) -> float:
        if following == 0:
            first = self._anchors[0]
            return round(max(0.0, first.time_s - (first.at - at) / self._rate), 3)
        before = self._anchors[following - 1]
        said = (at - before.at) / self._rate
        if following == len(self._anchors):
            return round(before.time_s + said, 3)
        after = self._anchors[following]
        if after.at == before.at:
            return before.time_s
        length = after.time_s - before.time_s
        if length > 0 and (after.at - before.at) / length < _PAUSE * self._rate:
            return round(min(after.time_s, before.time_s + said), 3)
        return round(before.time_s + length * (at - before.at) / (after.at - before.at), 3)
