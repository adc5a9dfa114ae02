"""Names of public people that stay readable: authors and speakers, and those a policy lists, exactly or by pattern."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from assets.silver.pii.person import TITLES, TYPE
from assets.silver.pii.readable_entry import pattern_of
from assets.silver.pii.span import Span

LONGEST_NAME = 120
"""Characters of a name that patterns are tried on."""

_LETTER = re.compile(r"[^\W\d_]")
_SEPARATOR = re.compile(r"\s*(?:,|;|/|&|\+|\||\bund\b|\band\b|\bmit\b|\bwith\b|\([^)]*\)|<[^>]*>)\s*")
_NAME_BEFORE = re.compile(r"(?:[A-ZÀ-ÖØ-Þ][\w.'’-]*[ ]){1,4}\Z")
_NAME_AFTER = re.compile(r"(?:['’-]?[ ]?[A-ZÀ-ÖØ-Þ][\w.'’-]*){1,4}")
_WORD = re.compile(r"[^\s]+")
_GENITIVE = ("s", "'s", "’s", "'", "’")
_SHORTEST_PART = 3


class Readable:
    """What may be read of the names in one document.

    Args:
        entries: of `readable_names`.
        people: authors and speakers that the document names as such. Their first names and surnames alone are theirs,
            too, and so are the surnames of listed people whom the text names in full.
        text: the document's text.
    """

    def __init__(self, entries: Iterable[str], people: Iterable[str], text: str) -> None:
        entries = list(entries)
        self._patterns = [_compiled(pattern) for entry in entries if (pattern := pattern_of(entry)) is not None]
        listed = [_clean(entry) for entry in entries if pattern_of(entry) is None]
        public = [_clean(name) for person in people for name in _SEPARATOR.split(person) if _LETTER.search(name)]
        self._exact = {name.casefold() for name in (*listed, *public) if name}
        lower = " ".join(text.casefold().split()) if listed else ""
        for name in public:
            self._exact |= {part.casefold() for part in name.split() if len(part) >= _SHORTEST_PART}
        for name in listed:
            if " " in name and name.casefold() in lower:
                self._exact.add(name.split()[-1].casefold())
        whole = sorted((name for name in self._exact if " " in name), key=lambda name: (-len(name), name))
        self._whole = (
            re.compile("|".join(rf"(?<!\w){_spaced(name)}(?:['’]?s|['’])?(?!\w)" for name in whole), re.IGNORECASE)
            if whole
            else None
        )

    def hidden(self, text: str, spans: Sequence[Span]) -> Iterator[Span]:
        """The spans without names that stay readable; what is left of a name around one is still hidden."""
        if not (self._exact or self._patterns):
            yield from spans
            return
        for span in spans:
            if span.type != TYPE:
                yield span
            elif not self._allows(text[span.start : span.end]) and not self._is_part(text, span):
                yield from self._around(text, span)

    def _is_part(self, text: str, span: Span) -> bool:
        """Whether it is a piece of a longer name that stays: recognizers do not always find all of one."""
        low = max(0, span.start - LONGEST_NAME)
        for match in self._whole.finditer(text, low, span.end + LONGEST_NAME) if self._whole else ():
            if match.start() <= span.start and span.end <= match.end():
                return True
        if not self._patterns:
            return False
        line = text.rfind("\n", 0, span.start) + 1
        before = _NAME_BEFORE.search(text, max(line, low), span.start)
        after = _NAME_AFTER.match(text, span.end)
        starts = [m.start() for m in _WORD.finditer(text, before.start(), span.start)] if before else []
        ends = [m.end() for m in _WORD.finditer(text, span.end, after.end())] if after else []
        return any(self._allows(text[s:e]) for s in [*starts, span.start] for e in [span.end, *ends])

    def _allows(self, written: str) -> bool:
        name = " ".join(written.split())
        forms = {name, _clean(name)}
        forms |= {form[: -len(end)] for form in list(forms) for end in _GENITIVE if form.endswith(end)}
        if any(form.casefold() in self._exact for form in forms):
            return True
        return len(name) <= LONGEST_NAME and any(p.fullmatch(form) for p in self._patterns for form in sorted(forms))

    def _around(self, text: str, span: Span) -> Iterator[Span]:
        at = span.start
        for match in self._whole.finditer(text, span.start, span.end) if self._whole else ():
            yield from _left(text, span, at, match.start())
            at = match.end()
        yield from _left(text, span, at, span.end)


def _left(text: str, span: Span, start: int, end: int) -> Iterator[Span]:
    if (start, end) == (span.start, span.end):
        yield span
        return
    while start < end and not text[start].isalnum():
        start += 1
    while end > start and not text[end - 1].isalnum():
        end -= 1
    written = text[start:end]
    if _LETTER.search(written) and not TITLES.match(f"{written} ") and written[0].isupper():
        yield replace(span, start=start, end=end, value=" ".join(written.casefold().split()))


def _clean(name: str) -> str:
    name = " ".join(name.split())
    title = TITLES.match(name)
    return name[title.end() :] if title else name


def _spaced(name: str) -> str:
    return r"\s+".join(re.escape(part) for part in name.split())


@functools.lru_cache(maxsize=256)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)
