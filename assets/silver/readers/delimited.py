"""Reads tables in text, CSV and TSV as spreadsheets and databases export them; an empty row ends a table."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Literal

from assets.silver.document import Document
from assets.silver.limits import DEFAULT_LIMITS, Limits
from assets.silver.normalise import DocumentBuilder
from assets.silver.refusal import RefusedError

READER = "table/1"

_SEPARATORS = ";\t,|"
_SAMPLE = 64 * 1024
_SAMPLE_ROWS = 100
_LONGEST_CELL = 20_000
"""Characters of a cell with many lines, beyond which its quotation mark is none that opens a cell."""
_NAMED = re.compile(r"sep=([;,|:\t])[ \t]*\n", re.IGNORECASE)
"""How Excel is told the separator, in a line of its own."""


def read(text: str, limits: Limits = DEFAULT_LIMITS) -> Document:
    """A table.

    Args:
        text: the whole file with clean characters and `\\n` line breaks.

    Raises:
        RefusedError: `too_many_entries`, `malformed`.
    """
    text = text.lstrip("\ufeff\n")
    named = _NAMED.match(text)
    if named:
        text = text[named.end() :]
    separator = named[1] if named else _separator(text)
    builder = DocumentBuilder()
    lines: list[str] = []
    cells = 0
    for row in _rows(text, separator):
        shown = [" ".join(cell.split()) for cell in row]
        filled = sum(map(bool, shown))
        cells += filled
        if cells > limits.cells:
            raise RefusedError("too_many_entries", f"more than {limits.cells} filled cells")
        if filled:
            while not shown[-1]:
                shown.pop()
            lines.append(" | ".join(shown))
        elif lines:
            builder.add("table", "\n".join(lines))
            lines = []
    builder.add("table", "\n".join(lines))
    return builder.build(READER)


def _separator(text: str) -> str:
    """The separator by which most rows have the same number of cells, and more than one."""
    sample = text[:_SAMPLE]
    if len(text) > _SAMPLE:
        sample = sample[: sample.rfind("\n") + 1] or sample
    best, most = ",", 0.0
    for separator in _SEPARATORS:
        if separator not in sample:
            continue
        rows = [len(row) for row in islice(_rows(sample, separator), _SAMPLE_ROWS) if row]
        width, times = Counter(rows).most_common(1)[0] if rows else (1, 0)
        # wider rows tell more, but never as much as rows of one width
        weight = times / len(rows) + width / 10_000 if width > 1 else 0.0
        if weight > most:
            best, most = separator, weight
    return best


def _rows(text: str, separator: str) -> Iterator[Sequence[str]]:
    csv.field_size_limit(2**31 - 1)
    try:
        quoting = _quoting(text, separator)
        yield from csv.reader(io.StringIO(text, newline=""), delimiter=separator, quoting=quoting)
    except csv.Error as error:
        raise RefusedError("malformed", "the table cannot be understood") from error


def _quoting(text: str, separator: str) -> Literal[0, 3]:
    """Whether quotation marks hold cells together, or are signs like any other."""
    if '"' not in text:
        return csv.QUOTE_NONE
    for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator):
        if any(len(cell) > _LONGEST_CELL and "\n" in cell for cell in row):
            return csv.QUOTE_NONE
    return csv.QUOTE_MINIMAL
