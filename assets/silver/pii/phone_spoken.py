"""Finds telephone numbers that are said, as transcripts have them: `null eins sieben sechs, drei drei vier …`."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

from assets.silver.pii.lower import lowered
from assets.silver.pii.number_words import ENGLISH, GERMAN, any_of

_FEWEST, _FEWEST_CALLED, _MOST = 8, 6, 15
"""Figures of a number that begins as one, of one that a word announces, and of the longest there is (ITU-T E.164)."""

_WORDS = {**GERMAN, **ENGLISH}
_TWICE = {"double": 2, "doppel": 2, "triple": 3}
_WORD = rf"(?:(?:double|doppel|triple)[ -]?)?(?:{any_of(_WORDS)})"
_RUN = re.compile(
    rf"(?<![\w-])(?:plus[ ])?{_WORD}(?:[ ]?[,.–-]?[ \n]{{1,2}}{_WORD}){{3,{_MOST}}}(?![\w-])", re.IGNORECASE
)
_ONE = re.compile(rf"(?P<twice>double|doppel|triple)?[ -]?(?P<word>{any_of(_WORDS)})(?!\w)", re.IGNORECASE)
_CALLED = re.compile(
    r"\b(?:tel|telefon\w*|telephone|handy\w*|mobil\w*|mobile|phone|cell|nummer|number|call|ruf\w*|anruf\w*|erreich\w*|reach|text|whatsapp|durchwahl|hotline|dial|ring)\b",
    re.IGNORECASE,
)
_CONTEXT = 60
_ANCHORS = "null nought nummer number zero oh plus phone doppel double durchwahl telefon handynummer mobile".split()
"""One of these is in, or before, nearly every number that is said: a text is searched around these words alone."""

_MARKS = frozenset(" ,.:")
_BEFORE, _BEHIND = 60, 120


def said(text: str) -> Iterator[tuple[int, int, str]]:
    """Start, end and figures of the numbers that are said in a text."""
    done = 0
    for at, behind in sorted(_anchors(lowered(text))):
        if at < done:
            continue
        run = _RUN.search(text, max(done, at - _BEFORE), min(len(text), behind + _BEHIND))
        if run is None:
            continue
        done = run.end()
        figures = _figures(run[0])
        begins = run[0][0] in "pPnNzZoO" and run[0][:3].lower() in ("plu", "nul", "zer", "oh ")
        enough = _FEWEST if begins else _FEWEST_CALLED
        called = _CALLED.search(text, max(0, run.start() - _CONTEXT), run.start()) is not None
        if len(figures) >= enough and (begins or called) and not _counts(figures):
            yield run.start(), run.end(), figures


def _anchors(lower: str) -> Iterator[tuple[int, int]]:
    for word in _ANCHORS:
        at = lower.find(word)
        while at >= 0:
            end = at + len(word)
            if lower[end : end + 1] in _MARKS and not (lower[at - 1 : at].isalnum() or lower[at - 1 : at] == "_"):
                yield at, end
            at = lower.find(word, end)


def _figures(written: str) -> str:
    return "".join(
        str(_WORDS[one["word"].lower()]) * _TWICE.get((one["twice"] or "").lower(), 1) for one in _ONE.finditer(written)
    )


def _counts(figures: str) -> bool:
    """Whether somebody counts up or down, or says one figure over and over."""
    steps = {ord(b) - ord(a) for a, b in itertools.pairwise(figures)}
    return len(steps - {-9, 9}) == 1
