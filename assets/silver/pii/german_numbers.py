"""What recognizers of German identity numbers share: a candidate, a checksum, and the words beside it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from assets.silver.pii.context import OTHERWISE_NUMBERED, is_called, last_place
from assets.silver.pii.figures import found, near_clusters, near_figures
from assets.silver.pii.span import Span

GAP = r"[ \t\u00a0\u202f.\-/]{0,2}"
"""What may stand between two characters of a number."""

BEGINS = r"(?<!\w.)(?<!\w[-_./=+&#%].)"
"""Behind the first character of a number: what stands before it. A pattern that begins with a set of characters is
searched for several times as fast as one that begins with a look behind."""

NOT_BEFORE = r"(?![\w])(?![-/_][\w])"

_MARKS = re.compile(r"[\W_]+")


@dataclass(frozen=True, slots=True)
class NumberFormat:
    """One way a number is written.

    Attributes:
        pattern: finds candidates.
        names: words that say what the number is.
        is_valid: its checksum, over the characters without marks, in upper case; None where it has none.
        long: it holds six figures or more, with little in between, so it is looked for around such clusters alone.
        needs_name: only where a word says what it is. Otherwise the checksum is enough, unless a word says that the
            number is of another kind.
    """

    pattern: re.Pattern[str]
    names: re.Pattern[str]
    is_valid: Callable[[str], bool] | None = None
    needs_name: bool = False
    long: bool = False


class GermanNumbers:
    """A kind of German number, in one or several formats.

    Args:
        type: such as `DE_TAX_ID`.
        formats: tried in order.
        cues: see `Recognizer`.
        others: names of numbers of other kinds.
    """

    def __init__(
        self,
        type: str,
        formats: tuple[NumberFormat, ...],
        cues: tuple[str, ...] = (),
        others: re.Pattern[str] = OTHERWISE_NUMBERED,
    ) -> None:
        self.type = type
        self.cues = cues
        self._formats = formats
        self._others = others

    def find(self, text: str, language: str | None) -> Iterator[Span]:
        """See `Recognizer.find`."""
        for written in self._formats:
            windows = near_clusters(text) if written.long else near_figures(text)
            for match in found(written.pattern, text, windows):
                value = compact(match[0])
                if written.is_valid is not None and not written.is_valid(value):
                    continue
                start, end = match.span()
                called = is_called(written.names, text, start, end, self._others)
                if called or not (written.needs_name or is_otherwise(text, start)):
                    yield Span(start, end, self.type, value, checked=written.is_valid is not None)


def compact(written: str) -> str:
    """The characters that count, in upper case."""
    return _MARKS.sub("", written).upper()


def is_otherwise(text: str, start: int) -> bool:
    """Whether a word close before the number, and no other number in between, says that it is of another kind."""
    before = text[max(0, start - 25) : start]
    last = last_place(OTHERWISE_NUMBERED, before)
    return last is not None and re.search(r"[0-9]{4,}", before[last:]) is None


def check_731(serial: str) -> int:
    """Check digit of the machine readable zone (ICAO 9303, part 3, 4.9): weights 7, 3, 1, letters from A = 10."""
    return sum(int(character, 36) * (7, 3, 1)[place % 3] for place, character in enumerate(serial)) % 10


def digit_sum(number: int) -> int:
    """Sum of the digits of a number below 100."""
    return number // 10 + number % 10
