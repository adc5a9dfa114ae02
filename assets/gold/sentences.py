"""Finds where sentences end in German and English text, erring on the side of not ending one."""

from __future__ import annotations

import re
from collections.abc import Iterator

Span = tuple[int, int]
"""Half-open range of characters."""

_END = re.compile(r"(?P<mark>[.!?…]+)[\"'”’“»«)\]]*(?P<gap>\s+)(?=[\"'„“‘»«(\[¿¡–—-]*[^\W_a-zäöüßéèàáíóúñç])")
_LAST_WORD = re.compile(r"[^\s(\[\"'„“‚‘»«]+\Z")
_INITIALS = re.compile(r"(?:\w\.)+\w")
_LONGEST_ABBREVIATION = 24

ABBREVIATIONS = frozenset(
    (
        "abb abs allg art aufl bd bspw bzgl bzw ca dipl dr eigtl einschl etc evtl exkl fa fr ggf hl hr hrsg ing inkl"
        " inh insb jh kap kfm max mind min mio mrd nr o.ä o.g prof rd s.o s.u sog st std str tel u.a u.ä usf usw vgl"
        " vol zb zzgl approx corp dept ed e.g eq est fig gen gov i.e inc jr lt ltd mr mrs ms no pp rev sec sen sr vs"
    ).split()
)
"""Words that carry a full stop within a sentence, lower-cased and without it."""


def sentences(text: str) -> list[Span]:
    """The sentences of a text, in order; only the white space between them is in none."""
    spans, start = [], 0
    for end, following in _ends(text):
        spans.append((start, end))
        start = following
    return [stripped for span in [*spans, (start, len(text))] if (stripped := strip(text, *span))]


def lines(text: str) -> list[Span]:
    """The lines of a text that are not blank, without the white space around them."""
    spans, start = [], 0
    for line in text.split("\n"):
        spans.append((start, start + len(line)))
        start += len(line) + 1
    return [stripped for span in spans if (stripped := strip(text, *span))]


def strip(text: str, start: int, end: int) -> Span | None:
    """The range without the white space at both ends; None when nothing else is in it."""
    part = text[start:end]
    inner = part.strip()
    if not inner:
        return None
    first = start + len(part) - len(part.lstrip())
    return first, first + len(inner)


def _ends(text: str) -> Iterator[Span]:
    """Where a sentence ends, and where the next begins."""
    for match in _END.finditer(text):
        if match["mark"] != "." or not _is_abbreviation(
            text[max(0, match.start() - _LONGEST_ABBREVIATION) : match.start()]
        ):
            yield match.start("gap"), match.end()


def _is_abbreviation(before: str) -> bool:
    """Whether a full stop after this text belongs to its last word: `Dr`, `z`, the ordinal `3`."""
    word = _LAST_WORD.search(before)
    if word is None:
        return False
    last = word[0].lower()
    return (
        len(last) == 1
        or last in ABBREVIATIONS
        or (last.isdecimal() and len(last) <= 2)
        or bool(_INITIALS.fullmatch(last))
    )
