"""Tables in plain text: what a column is headed with says what the numbers under it are."""

from __future__ import annotations

import functools
from bisect import bisect_right
from collections.abc import Iterator

_MARKS = "|;\t,"
"""Between cells, in the order in which they are tried: Markdown, exports of spreadsheets, tabulators, CSV."""

_LONGEST_HEAD = 60
"""Characters of a cell that may be the head of a column."""

_REMEMBERED = 8
"""Texts and marks whose tables are kept: one is asked by several recognizers, one after the other."""


def heading(text: str, start: int) -> str:
    """What the column is called that `text[start]` stands in; empty where it stands in no table, or in its head."""
    begins, ends = text.rfind("\n", 0, start) + 1, _line_end(text, start)
    if not begins:
        return ""
    for mark in _MARKS:
        if text.find(mark, begins, ends) < 0:
            continue
        starts, tops = _tables(text, mark)
        line = bisect_right(starts, start) - 1
        if tops[line] < line:
            top = starts[tops[line]]
            head = text[top : _line_end(text, top)].split(mark)[text.count(mark, begins, start)].strip(' "*_')
            return head if len(head) <= _LONGEST_HEAD and not any(c.isdigit() for c in head) else ""
    return ""


def column(text: str, start: int) -> Iterator[tuple[int, int]]:
    """The cells below `text[start]`, without blanks and quotes, where it stands in the first row of a table."""
    begins, ends = text.rfind("\n", 0, start) + 1, _line_end(text, start)
    for mark in _MARKS:
        if text.find(mark, begins, ends) < 0:
            continue
        starts, tops = _tables(text, mark)
        top = bisect_right(starts, start) - 1
        index = text.count(mark, begins, start)
        line = top + 1
        while tops[top] == top and line < len(tops) and tops[line] == top:
            low = starts[line]
            for _ in range(index):
                low = text.index(mark, low) + 1
            high, end = text.find(mark, low), _line_end(text, starts[line])
            cell = text[low : high if 0 <= high < end else end]
            bare = cell.strip(' "')
            low += cell.find(bare)
            yield low, low + len(bare)
            line += 1
        if line > top + 1:
            return


@functools.lru_cache(maxsize=_REMEMBERED)
def _tables(text: str, mark: str) -> tuple[list[int], list[int]]:
    """Where each line begins, and the number of the first line of its table: its own, where it is in none.

    Lines that follow one another and hold as many marks are a table.
    """
    starts, tops = [0], [0]
    before = -1
    for line in text.split("\n"):
        count = line.count(mark)
        number = len(tops) - 1
        if count and count == before:
            tops[number] = tops[number - 1]
        before = count
        starts.append(starts[-1] + len(line) + 1)
        tops.append(number + 1)
    return starts[:-1], tops[:-1]


def _line_end(text: str, at: int) -> int:
    end = text.find("\n", at)
    return len(text) if end < 0 else end
