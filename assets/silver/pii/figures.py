"""Where a text has figures: most of what is looked for holds some, and most of a text does not."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator

Window = tuple[int, int]

_NUMBER = re.compile(r"[0-9]+")
_CLUSTER = re.compile(r"[0-9](?:[^0-9:;]{0,6}[0-9]){5,}")
"""Six figures or more with little in between, and no times of day."""

_REMEMBERED = 4
"""Texts whose windows are kept: one is asked by several recognizers, one after the other."""


@functools.lru_cache(maxsize=_REMEMBERED)
def figures(text: str) -> tuple[Window, ...]:
    """Runs of figures."""
    return tuple(match.span() for match in _NUMBER.finditer(text))


@functools.lru_cache(maxsize=_REMEMBERED)
def near_figures(text: str) -> tuple[Window, ...]:
    """Windows that hold every stretch without a gap in which a value of up to 24 characters and a figure may lie."""
    return tuple(_merged(figures(text), len(text), 24, 24))


@functools.lru_cache(maxsize=_REMEMBERED)
def around_figures(text: str) -> tuple[Window, ...]:
    """Windows for a number and some words on either side of it."""
    return tuple(_merged(figures(text), len(text), 70, 70))


@functools.lru_cache(maxsize=_REMEMBERED)
def near_clusters(text: str) -> tuple[Window, ...]:
    """Windows around long numbers in any spacing, with room for letters before and an extension behind."""
    return tuple(_merged(_clusters(text), len(text), 8, 24))


@functools.lru_cache(maxsize=_REMEMBERED)
def behind_words(text: str) -> tuple[Window, ...]:
    """Windows around long numbers that begin far enough before them for the words that introduce one."""
    return tuple(_merged(_clusters(text), len(text), 120, 24))


def found(pattern: re.Pattern[str], text: str, windows: tuple[Window, ...]) -> Iterator[re.Match[str]]:
    """Matches of a pattern that lie in a window; what stands before a window is seen, what is behind it is not."""
    for start, end in windows:
        yield from pattern.finditer(text, start, end)


@functools.lru_cache(maxsize=_REMEMBERED)
def _clusters(text: str) -> tuple[Window, ...]:
    return tuple(match.span() for match in _CLUSTER.finditer(text))


def _merged(places: Iterable[Window], length: int, before: int, behind: int) -> Iterator[Window]:
    start = end = -1
    for first, last in places:
        low, high = first - before, last + behind
        if low > end:
            if end >= 0:
                yield start, min(end, length)
            start = max(0, low)
        end = high
    if end >= 0:
        yield start, min(end, length)
