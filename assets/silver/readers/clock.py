"""Times of day in a recording, as people and programs write them: `1:02`, `01:02.5`, `00:01:02,500`."""

from __future__ import annotations

import re
from collections.abc import Iterable

CLOCK = r"(?:\d{1,4}:)?\d{1,3}:\d{1,2}(?:[.,]\d{1,9})?"
"""A time, as part of a larger pattern; without groups of its own."""

CLOCK_PARTS = r"(?:(\d{1,4}):)?(\d{1,3}):(\d{1,2})(?:[.,](\d{1,9}))?"
"""The same with a group for each argument of `seconds_of`."""

LONGEST_S = 100 * 3600.0
"""Seconds beyond which a number is no place in a recording."""

_PARTS = re.compile(rf"\s*{CLOCK_PARTS}\s*", re.ASCII)


def seconds(text: str) -> float | None:
    """Seconds of a time such as `62:03`, `1:02:03.5` or `01:02:03,500`, to the millisecond; None if it is none."""
    match = _PARTS.fullmatch(text)
    return seconds_of(*match.groups()) if match is not None else None


def seconds_of(hours: str | None, minutes: str, whole: str, fraction: str | None) -> float:
    """Seconds of a time's parts, each as written; what lies behind the milliseconds is cut off."""
    # One division: adding up fractions of a second would leave times such as 59.99999.
    milliseconds = 0 if fraction is None else int(fraction[:3].ljust(3, "0"))
    return ((int(hours or 0) * 60 + int(minutes)) * 60_000 + int(whole) * 1000 + milliseconds) / 1000


def all_seconds(parts: Iterable[tuple[str | None, str, str, str | None]]) -> list[float]:
    """`seconds_of` for many times; most have no fraction, and cost no call."""
    return [
        ((int(hours or 0) * 60 + int(minutes)) * 60_000 + int(whole) * 1000) / 1000
        if fraction is None
        else seconds_of(hours, minutes, whole, fraction)
        for hours, minutes, whole, fraction in parts
    ]


def rounded(value: float) -> float:
    """The same time to the millisecond, so that formats which store it differently agree."""
    return round(value * 1000) / 1000
