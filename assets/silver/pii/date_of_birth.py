"""Finds dates of birth: a date beside a word that says so. Other dates stay."""

from __future__ import annotations

import re
from collections.abc import Iterator

from assets.silver.pii.lower import lowered
from assets.silver.pii.number_words import DAYS, YEAR, any_of, year_of
from assets.silver.pii.span import Span
from assets.silver.pii.table import column

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
    rf"|(?P<d3>\d{{1,2}})(?:\.|st|nd|rd|th|ten|sten)?[\s-]?(?:of\s)?(?P<m3>{_MONTH})(?:[ ,-]{{0,2}}(?P<y3>\d{{4}}|'?\d{{2}})|\s(?P<y3b>\d{{4}}))"
    rf"|(?P<m4>{_MONTH})\s(?P<d4>\d{{1,2}})(?:st|nd|rd|th)?[ ]?,?\s(?P<y4>\d{{4}}))(?!\d)"
)
_SAID = (
    rf"(?:the\s)?(?P<d5>{any_of(DAYS)})\s(?:of\s)?(?P<m5>{_MONTH}),?\s(?P<y5>\d{{4}}|{YEAR})(?!\w)"
    rf"|(?P<m6>{_MONTH})\s(?:the\s)?(?P<d6>{any_of(DAYS)}),?\s(?P<y6>\d{{4}}|{YEAR})(?!\w)"
)
"""A date in words, as transcripts have it."""

_IN_MONTH = re.compile(
    rf"[\s:=|*_\"–-]*(?:(?:wurde|bin|ist|war|ich|er|sie|was|i|im|in|on|monat)\s+){{0,4}}(?P<date>(?:(?P<month>{_MONTH})\s|(?P<number>0?[1-9]|1[0-2])[ ]?[/.][ ]?)(?P<year>(?:19|20)\d{{2}}))(?!\d)",
    re.IGNORECASE,
)
"""Month and year, close behind the word alone."""

_CUE = re.compile(
    r"(?<![^\W\d_])(?:geboren(?:e|er|en)?|geb\.?|gebürtig|geburts(?:datum|tag|tags)|geb\.?-?\s?dat(?:um|\.)|geburt|born|"
    r"date[\s_-]?of[\s_-]?birth|birth[\s_-]?(?:date|day)|d\.?o\.?b\.?|birthdate|zur\s+welt|entbunden)(?![^\W\d_])"
    rf"|(?<![\w.])b\.(?=\s?(?:\d{{1,2}}(?:st|nd|rd|th)?\s{_MONTH}|{_MONTH}\s\d|\d{{1,2}}[./]\d{{1,2}}[./]\d|(?:19|20)\d\d-\d))"
    # a star, but no bold or slanted date
    r"|(?<![\w*])[*](?=\s?(?:\d{1,2}\.|\d{1,2}[/-]\d{1,2}[/-]\d|(?:19|20)\d{2}-\d)(?![^\n*]{0,12}[*]))",
    re.IGNORECASE,
)
_ITEM = re.compile(r"(?<![^\n])[*][ ](?:19|20)\d{2}-")
"""An item of a list that begins with a day."""

_ADJECTIVE = re.compile("(?i)geboren(?:e|er|en)")
_YEAR_BEFORE = re.compile(r"(?:19|20)\d\d[ ]\Z")
_ASIDE = re.compile(r"(?i)[(\[](?:geb(?:oren)?\.?|born|d\.?o\.?b\.?|\*)[)\]]")
"""The word alone in brackets: it tells of what is before it."""

_CUE_BEGINS = re.compile(
    r"[GgBbDdZzEe](?<![^\W\d_].)(?=(?i:eb|ntb|orn|irth|ate|\.?o\.?b|\.\s?[0-9JFMASOND]|ur\s))|[*](?<!\w.)"
)
"""What every match of `_CUE` begins with: a set of characters is searched for several times as fast."""

_YEAR = re.compile(r"[0-9]{2}(?![0-9])|neunzehnhundert|zweitausend|nineteen|twenty|two thousand", re.IGNORECASE)
"""Every date ends in one, or begins."""

_DATE_HERE = re.compile(rf"(?:{_DATE}|(?<!\w)(?:{_SAID}))", re.IGNORECASE)
_THING_BORN = re.compile(
    r"(?:\b(?i:idea|project|product|company|brand|concept|movement|plan|tutorial|podcast|show|site|blog|term|name|feature|format|team|framework|library|language|tool|tradition|legend|nation"
    r"|idee|projekt|produkt|gedanke|konzept|plan|marke|firma|verein|begriff|format|bewegung|legende)(?:[ ](?i:of|for|to|von|für|zu)[ ][^.;!?\n]{1,40})?|\b(?i:version|release)[ ][\d.]+)"
    r"[ ](?:was|were|is|has[ ]been|wurde|ist)[ ](?:(?:[^.;!?\n]|(?<=\d)\.){1,40}[ ])?\Z"
)
_THING_BEHIND = re.compile(
    r"[ ](?:wurde|war|ist)[ ](?:die|der|das|diese|unsere)[ ](?:Idee|Gedanke|Projekt|Konzept|Plan|Name)\b"
)
_FULL_DATE = rf"(?:\d{{1,2}}\.[ ]?(?:\d{{1,2}}\.[ ]?|{_MONTH}[ ])\d{{4}}|\d{{1,2}}[ ]{_MONTH}[ ]\d{{4}}|{_MONTH}[ ]\d{{1,2}},[ ]\d{{4}})"
_BRACKET = re.compile(
    rf"[ ]\((?<=[a-zß-ÿ] \()(?P<birth>(?i:{_FULL_DATE}))(?P<death>[ ]?[–—-][ ]?(?:†[ ]?)?(?i:{_FULL_DATE}))?\)"
)
_BIRTHDAYS = re.compile(r"(?i)\b(?:geburtstage|geburtsdaten|birthdays|dates of birth)\b")
_REACH = 48
"""Characters between the word and the date."""


_ANSWER = re.compile(
    r"\?(?:\s*[–—-]\s*|\s*\n\s*\w{1,20}:\s*|\s+)(?:(?:ja|yes|sure|klar|gern|okay)[,.]?\s*)?(?:(?:das|it|that)(?:['’]s|[ ]ist|[ ]is)?\s*)?(?:(?:der|am|on|the)\s+)?\Z"
    r"|\n[ \t]*\n[ \t>*|-]*\Z",
    re.IGNORECASE,
)
"""Between a question and its answer, or a heading and what stands under it."""

_APART = re.compile(r"\d{3}|[!?;]|\n\s*\n|\.\s+[A-ZÄÖÜ]|\b(?:starb|gestorben|verstorben|gest\.|died|death)(?!\w)|†")
"""What parts a date from the word before it."""


_CUES = ("geb", "born", "birth", "dob", "d.o.b", "*", "zur welt", "entbunden", "b.")
"""One of these is in every text that `_CUE` finds something in, in lower case."""


class DatesOfBirth:
    """In the orders day-month-year, year-month-day and, with a slash, month-day-year."""

    cues = (*_CUES, "(")

    def find(self, text: str, language: str | None) -> Iterator[Span]:
        """See `Recognizer.find`."""
        if not _YEAR.search(text):
            return
        lower = lowered(text)
        if any(cue in lower for cue in _CUES):
            yield from _beside_words(text, language)
        if "(" in text:
            yield from _in_brackets(text, language)


def _beside_words(text: str, language: str | None) -> Iterator[Span]:
    for begins in _CUE_BEGINS.finditer(text):
        cue = _CUE.match(text, begins.start())
        if cue is None or (cue[0] == "*" and _ITEM.match(text, cue.start())) or _is_a_thing(text, *cue.span()):
            continue
        if _YEAR_BEFORE.search(text, max(0, cue.start() - 6), cue.start()) and _ADJECTIVE.fullmatch(cue[0]):
            continue  # `der 1981 geborene Patient wurde am 3. Mai`
        behind, before = _date_behind(text, cue.end()), _date_before(text, cue.start(), cue.end())
        # `3.5.1980 (geb.), 7.6.1982 (geb.)`
        date = (before or behind) if _ASIDE.match(text, cue.start() - 1) else (behind or before)
        value = _value(date, language) if date is not None else None
        if date is not None and value is not None:
            yield Span(date.start(), date.end(), TYPE, value)
        elif date is None and (month := _IN_MONTH.match(text, cue.end())):
            number = int(month["number"] or _MONTHS[month["month"].lower().rstrip(".")])
            yield Span(*month.span("date"), TYPE, f"{month['year']}-{number:02d}")
        if cue[0] != "*":
            yield from _in_column(text, cue.start(), language)


def _is_a_thing(text: str, start: int, end: int) -> bool:
    """Whether it is an idea or a project that is born."""
    if text[start:end].lower() not in ("born", "geboren"):
        return False
    return _THING_BORN.search(text, max(0, start - 80), start) is not None or _THING_BEHIND.match(text, end) is not None


def _in_brackets(text: str, language: str | None) -> Iterator[Span]:
    """Dates in brackets behind names, where a list of birthdays is announced in the same paragraph, and dates of a life."""
    for bracket in _BRACKET.finditer(text):
        before = text[max(0, bracket.start() - 400) : bracket.start()].rpartition("\n\n")[2]
        if bracket["death"] is None and not _BIRTHDAYS.search(before):
            continue
        date = _DATE_HERE.match(text, bracket.start("birth"))
        value = _value(date, language) if date is not None else None
        if date is not None and value is not None:
            yield Span(date.start(), date.end(), TYPE, value)


def _date_behind(text: str, at: int) -> re.Match[str] | None:
    for date in _DATE_HERE.finditer(text, at, min(len(text), at + _REACH + 24)):
        between = text[at : date.start()]
        between = _ANSWER.sub("", between)
        if date.start() - at > _REACH or _APART.search(between):
            return None
        if date.start() and text[date.start() - 1].isdigit():
            continue
        return date
    return None


def _in_column(text: str, at: int, language: str | None) -> Iterator[Span]:
    """Dates below the head of a column that says what they are."""
    for start, end in column(text, at):
        date = _DATE_HERE.fullmatch(text, start, end)
        value = _value(date, language) if date is not None else None
        if value is not None:
            yield Span(start, end, TYPE, value)


def _date_before(text: str, start: int, end: int) -> re.Match[str] | None:
    """The date in `am 3.5.1980 geboren`."""
    last = None
    for date in _DATE_HERE.finditer(text, max(0, start - 64), start):
        last = date
    if last is None or (last.start() and text[last.start() - 1].isdigit()):
        return None
    between = text[last.end() : start]
    return last if re.fullmatch(r"\s*[(\[]?\s*(?:(?:in|zu|at|per)\s+[\w-]+\s*)?(?:,?\s*\w{0,6}\s*)?", between) else None


def _value(date: re.Match[str], language: str | None) -> str | None:
    """The date as `YYYY-MM-DD`; None where there is no such day, or where it is history."""
    number = next(number for number in "123456" if date[f"d{number}"] is not None)
    day_, year_ = date[f"d{number}"].lower(), (date[f"y{number}"] or date["y3b"]).lower()
    day = int(day_) if day_.isdigit() else DAYS[" ".join(day_.split())]
    year = year_.lstrip("'") if year_[-1].isdigit() else str(year_of(" ".join(year_.split())))
    written = date[f"m{number}"].lower().rstrip(".")
    month = _MONTHS[written] if written in _MONTHS else int(written)
    if number == "1" and (month > 12 or ("/" in date[0] and language == "en" and day <= 12)):
        day, month = month, day
    full = int(year) if len(year) == 4 else 1900 + int(year)
    if not (1 <= day <= 31 and 1 <= month <= 12 and full >= FIRST_YEAR):
        return None
    return f"{full:04d}-{month:02d}-{day:02d}"
