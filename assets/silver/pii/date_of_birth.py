"""Finds dates of birth: a date beside a word that says so. Other dates stay."""

from __future__ import annotations

import re
from collections.abc import Iterator

from assets.silver.pii.span import Span

TYPE = "DATE_OF_BIRTH"

FIRST_YEAR = 1900
"""Who was born before has died, and stands in history books with the date."""

_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "januar jänner january jan",
            "februar feber february feb",
            "märz maerz march mär mrz mar",
            "april apr",
            "mai may",
            "juni june jun",
            "juli july jul",
            "august aug",
            "september sept sep",
            "oktober october okt oct",
            "november nov",
            "dezember december dez dec",
        ),
        1,
    )
    for name in names.split()
}
_MONTH = rf"(?:{'|'.join(sorted(_MONTHS, key=len, reverse=True))})\.?"
_DATE = (
    r"(?:(?P<d1>\d{1,2})\s?[./-]\s?(?P<m1>\d{1,2})\s?[./-]\s?(?P<y1>(?:19|20)\d{2}|\d{2})"
    r"|(?P<y2>(?:19|20)\d{2})[./-](?P<m2>\d{1,2})[./-](?P<d2>\d{1,2})"
    rf"|(?P<d3>\d{{1,2}})(?:\.|st|nd|rd|th)?[ -]?(?:of[ ])?(?P<m3>{_MONTH})[ ,-]{{0,2}}(?P<y3>\d{{4}}|'?\d{{2}})"
    rf"|(?P<m4>{_MONTH})[ ](?P<d4>\d{{1,2}})(?:st|nd|rd|th)?[ ]?,?[ ](?P<y4>\d{{4}}))(?!\d)"
)
_CUE = re.compile(
    r"(?<![^\W\d_])(?:geboren(?:e|er|en)?|geb\.?|gebürtig|geburts(?:datum|tag|tags)|geb\.?-?\s?dat(?:um|\.)|geburt|born|"
    r"date[\s-]of[\s-]birth|birth[\s-]?(?:date|day)|d\.?o\.?b\.?|birthdate)(?![^\W\d_])"
    # a star, but no bold or slanted date
    r"|(?<![\w*])[*](?=(?:\s?\d{1,2}\.|\d{1,2}/\d{1,2}/\d|(?:19|20)\d{2}-\d)(?![^\n*]{0,12}[*]))",
    re.IGNORECASE,
)
_CUE_BEGINS = re.compile(r"[GgBbDd](?<![^\W\d_].)(?=(?i:eb|orn|irth|ate|\.?o\.?b))|[*](?<!\w.)")
"""What every match of `_CUE` begins with: a set of characters is searched for several times as fast."""

_YEAR = re.compile(r"[0-9]{2}(?![0-9])")
"""Every date ends in one, or begins."""

_DATE_HERE = re.compile(_DATE, re.IGNORECASE)
_REACH = 48
"""Characters between the word and the date."""


class DatesOfBirth:
    """In the orders day-month-year, year-month-day and, with a slash, month-day-year."""

    cues = ("geb", "born", "birth", "dob", "d.o.b", "*")

    def find(self, text: str, language: str | None) -> Iterator[Span]:
        """See `Recognizer.find`."""
        if not _YEAR.search(text):
            return
        for begins in _CUE_BEGINS.finditer(text):
            cue = _CUE.match(text, begins.start())
            if cue is None:
                continue
            date = _date_behind(text, cue.end()) or _date_before(text, cue.start(), cue.end())
            value = _value(date, language) if date is not None else None
            if date is not None and value is not None:
                yield Span(date.start(), date.end(), TYPE, value)


def _date_behind(text: str, at: int) -> re.Match[str] | None:
    for date in _DATE_HERE.finditer(text, at, min(len(text), at + _REACH + 24)):
        between = text[at : date.start()]
        if date.start() - at > _REACH or re.search(r"\d{3}|[!?;]|\n\s*\n|\.\s+[A-ZÄÖÜ]", between):
            return None
        if date.start() and text[date.start() - 1].isdigit():
            continue
        return date
    return None


def _date_before(text: str, start: int, end: int) -> re.Match[str] | None:
    """The date in `am 3.5.1980 geboren`."""
    last = None
    for date in _DATE_HERE.finditer(text, max(0, start - 40), start):
        last = date
    if last is None or (last.start() and text[last.start() - 1].isdigit()):
        return None
    between = text[last.end() : start]
    return last if re.fullmatch(r"\s*(?:(?:in|zu|at)\s+[\w-]+\s*)?(?:,?\s*\w{0,6}\s*)?", between) else None


def _value(date: re.Match[str], language: str | None) -> str | None:
    """The date as `YYYY-MM-DD`; None where there is no such day, or where it is history."""
    for number in "1234":
        if date[f"d{number}"] is not None:
            break
    day, year = int(date[f"d{number}"]), date[f"y{number}"].lstrip("'")
    written = date[f"m{number}"].lower().rstrip(".")
    month = _MONTHS[written] if written in _MONTHS else int(written)
    if number == "1" and (month > 12 or ("/" in date[0] and language == "en" and day <= 12)):
        day, month = month, day
    full = int(year) if len(year) == 4 else 1900 + int(year)
    if not (1 <= day <= 31 and 1 <= month <= 12 and full >= FIRST_YEAR):
        return None
    return f"{full:04d}-{month:02d}-{day:02d}"
