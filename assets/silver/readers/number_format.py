"""Numbers and dates as a spreadsheet shows them (ECMA-376, part 1, 18.8.30 and 18.8.31)."""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Iterator
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from functools import lru_cache

BUILTIN: dict[int, str] = {
    0: "General",
    1: "0",
    2: "0.00",
    3: "#,##0",
    4: "#,##0.00",
    9: "0%",
    10: "0.00%",
    11: "0.00E+00",
    12: "# ?/?",
    13: "# ??/??",
    # A date in the reader's own short form, whatever American form the standard prints for it.
    14: "yyyy-mm-dd",
    15: "d-mmm-yy",
    16: "d-mmm",
    17: "mmm-yy",
    18: "h:mm AM/PM",
    19: "h:mm:ss AM/PM",
    20: "h:mm",
    21: "h:mm:ss",
    22: "yyyy-mm-dd h:mm",
    37: "#,##0",
    38: "#,##0",
    39: "#,##0.00",
    40: "#,##0.00",
    45: "mm:ss",
    46: "[h]:mm:ss",
    47: "mm:ss.0",
    48: "##0.0E+0",
    49: "@",
}
"""Number formats that files refer to without spelling them out."""

_SECTION = re.compile(r'((?:"[^"]*"|\\.|\[[^\]]*\]|[^;"\\\[])*)(?:;|$)', re.DOTALL)
_TOKEN = re.compile(
    r'"(?P<quoted>[^"]*)"|\\(?P<escaped>.)|_.|\*.|\[(?P<bracket>[^\]]*)\]|(?P<ampm>AM/PM|A/P)'
    r"|(?P<date>y+|m+|d+|h+|s+(?:[.,]0+)?)|(?P<number>[0#?](?:[0#?,. ]*[0#?])?[.,]*(?:[Ee][+-][0#?]+)?)|(?P<other>.)",
    re.IGNORECASE | re.DOTALL,
)
_ELAPSED = re.compile(r"h+|m+|s+", re.IGNORECASE)
_CURRENCY = re.compile(r"\$([^-\]]*)(?:-([0-9A-Fa-f]+))?")
_LANGUAGES = {0x07: "de", 0x09: "en"}
"""Primary languages of Windows' locale numbers (their lowest ten bits); others write as the workbook does."""

_MONTHS = {
    "en": "January February March April May June July August September October November December".split(),
    "de": "Januar Februar März April Mai Juni Juli August September Oktober November Dezember".split(),
}
_DAYS = {
    "en": "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split(),
    "de": "Montag Dienstag Mittwoch Donnerstag Freitag Samstag Sonntag".split(),
}
_SHORT_DAY = {"en": 3, "de": 2}
_LAST_DAY = 2_958_465.999_999
"""31 December 9999."""
_GENERAL_DIGITS = 11


@lru_cache(8192)
def shown(value: float, code: str, *, language: str = "en", from_1904: bool = False) -> str:
    """What a cell shows.

    Args:
        value: the number; days since the epoch for dates.
        code: number format, e.g. `#,##0.00 "€"` or `DD.MM.YYYY`.
        language: `de` for decimal commas and German names of days and months, else English ones; a locale in the
            format wins.
        from_1904: whether the epoch is 1904-01-01, as in workbooks of old Macintoshes, instead of 1899-12-30.
    """
    if not math.isfinite(value):
        return ""
    sections = _sections(code)
    section = sections[0]
    negative = value < 0
    if negative and len(sections) > 1:
        section, value, negative = sections[1], -value, False
    elif value == 0 and len(sections) > 2:
        section = sections[2]
    tokens = _tokens(section)
    language = _language(tokens, language)
    if any(kind == "date" for kind, _ in tokens):
        return _date(value, tokens, language, from_1904)
    return _number(abs(value), tokens, language, "-" if negative else "")


def is_date(code: str) -> bool:
    """Whether a format shows days or times."""
    return any(kind == "date" for kind, _ in _tokens(_sections(code)[0]))


def general(value: float, language: str = "en") -> str:
    """A number without a format: at most 11 digits, no trailing zeros."""
    if value == int(value) and abs(value) < 10**_GENERAL_DIGITS:
        return str(int(value))
    text = f"{value:.{_GENERAL_DIGITS - 1}g}".replace("e", "E")
    return text.replace(".", ",") if language == "de" else text


@lru_cache(1024)
def _sections(code: str) -> tuple[str, ...]:
    found: list[str] = []
    for match in _SECTION.finditer(code):
        found.append(match[1])
        if match.end() == match.end(1):
            break
    return tuple(found) if any(found) else ("General",)


@lru_cache(1024)
def _tokens(section: str) -> tuple[tuple[str, str], ...]:
    """Kinds and texts: `text`, `date`, `elapsed`, `ampm`, `number`, `currency`, `general`."""
    if "general" in section.casefold():
        before, _, after = section.partition(section[section.casefold().index("general") :][:7])
        return (*_tokens_within(before), ("general", ""), *_tokens_within(after))
    return tuple(_tokens_within(section))


def _tokens_within(section: str) -> Iterator[tuple[str, str]]:
    for match in _TOKEN.finditer(section):
        kind = match.lastgroup
        text = match[kind] if kind else ""
        if kind == "bracket":
            if _ELAPSED.fullmatch(text):
                yield "date", f"[{text.lower()}]"
            elif currency := _CURRENCY.fullmatch(text):
                yield "currency", f"{currency[1]}\x00{currency[2] or ''}"
        elif kind in ("quoted", "escaped", "other"):
            yield "text", text
        elif kind == "date":
            yield "date", text.lower()
        elif kind is not None:
            yield kind, text


def _language(tokens: tuple[tuple[str, str], ...], language: str) -> str:
    for kind, text in tokens:
        if kind == "currency" and (locale := text.partition("\x00")[2]):
            return _LANGUAGES.get(int(locale, 16) & 0x3FF, language)
    return language


def _number(value: float, tokens: tuple[tuple[str, str], ...], language: str, sign: str) -> str:
    percent = sum(text == "%" for kind, text in tokens if kind == "text")
    parts: list[str] = []
    done = False
    for kind, text in tokens:
        if kind == "general":
            parts.append(general(value, language))
            done = True
        elif kind == "number" and not done:
            parts.append(_digits(value * 100**percent, text, language))
            done = True
        elif kind == "currency":
            parts.append(text.partition("\x00")[0])
        elif kind == "text" and text != "@":
            parts.append(text)
        elif text == "@":
            parts.append(general(value, language))
            done = True
    if not done and not any(part.strip() for part in parts):
        return ""
    return sign + "".join(parts).strip()


def _digits(value: float, pattern: str, language: str) -> str:
    if "/" in pattern or " ?" in pattern:
        return general(value, language)
    mantissa, exponent, power = pattern.partition("E") if "E" in pattern else pattern.partition("e")
    scaled = len(mantissa) - len(mantissa.rstrip(","))
    mantissa = mantissa.rstrip(",")
    whole, _, fraction = mantissa.partition(".")
    decimals = sum(character in "0#?" for character in fraction)
    needed = fraction.count("0") + fraction.count("?")
    if exponent:
        text = f"{value:.{min(decimals, 15)}E}"
        digits, _, shift = text.partition("E")
        text = f"{digits}E{shift[0]}{shift[1:].zfill(power.count('0'))}"
        return text.replace(".", ",") if language == "de" else text
    try:
        number = Decimal(repr(value / 1000**scaled)).quantize(Decimal(1).scaleb(-min(decimals, 30)), ROUND_HALF_UP)
    except InvalidOperation:
        return general(value, language)
    integer, _, places = f"{number:f}".partition(".")
    while len(places) > needed and places.endswith("0"):
        places = places[:-1]
    integer = integer.zfill(whole.count("0")) if whole.count("0") else integer.lstrip("0")
    if "," in whole and len(integer) > 3:
        integer = re.sub(r"(?<=\d)(?=(?:\d{3})+$)", "." if language == "de" else ",", integer)
    if not places:
        return integer or "0"
    return f"{integer}{',' if language == 'de' else '.'}{places}"


def _date(value: float, tokens: tuple[tuple[str, str], ...], language: str, from_1904: bool) -> str:
    elapsed = any(text.startswith("[") for kind, text in tokens if kind == "date")
    if (value < 0 and not elapsed) or value > _LAST_DAY:
        return general(value, language)
    epoch = dt.datetime(1904, 1, 1) if from_1904 else dt.datetime(1899, 12, 30)  # noqa: DTZ001 - has no zone
    if not from_1904 and value < 60:
        # The epoch counts a 29 February 1900 that never was.
        epoch += dt.timedelta(days=1)
    whole_seconds = not any("0" in text for kind, text in tokens if kind == "date")
    seconds = round(value * 86_400, 0 if whole_seconds else 3)
    try:
        moment = epoch + dt.timedelta(seconds=seconds)
    except OverflowError:
        return general(value, language)
    return "".join(_date_parts(tokens, moment, seconds, language)).strip()


def _date_parts(
    tokens: tuple[tuple[str, str], ...], moment: dt.datetime, seconds: float, language: str
) -> Iterator[str]:
    twelve = any(kind == "ampm" for kind, _ in tokens)
    fields = [text for kind, text in tokens if kind == "date"]
    at = 0
    for kind, text in tokens:
        if kind == "date":
            after_hours = at > 0 and fields[at - 1].strip("[]").startswith("h")
            before_seconds = at + 1 < len(fields) and fields[at + 1].strip("[]").startswith("s")
            minutes = text.startswith("m") and len(text) <= 2 and (after_hours or before_seconds)
            yield _date_field(text, moment, seconds, language, twelve=twelve, minutes=minutes)
            at += 1
        elif kind == "ampm":
            yield "AM" if moment.hour < 12 else "PM"
        elif kind == "currency":
            yield text.partition("\x00")[0]
        elif kind == "text" and text != "@":
            yield text


def _date_field(text: str, moment: dt.datetime, seconds: float, language: str, *, twelve: bool, minutes: bool) -> str:
    width = len(text)
    if text.startswith("["):
        unit = {"h": 3600, "m": 60, "s": 1}[text[1]]
        return str(int(seconds // unit)).zfill(width - 2)
    letter = text[0]
    if minutes:
        return str(moment.minute).zfill(width)
    if letter == "y":
        return f"{moment.year:04d}" if width > 2 else f"{moment.year % 100:02d}"
    if letter == "m":
        name = _MONTHS[language if language in _MONTHS else "en"][moment.month - 1]
        return {3: name[:3], 4: name, 5: name[0]}.get(width, str(moment.month).zfill(min(width, 2)))
    if letter == "d":
        known = language if language in _DAYS else "en"
        name = _DAYS[known][moment.weekday()]
        if width == 3:
            return name[: _SHORT_DAY[known]]
        return name if width > 3 else str(moment.day).zfill(width)
    if letter == "h":
        return str((moment.hour - 1) % 12 + 1 if twelve else moment.hour).zfill(width)
    places = len(text.replace(",", ".").partition(".")[2])
    whole = str(moment.second).zfill(min(2, width))
    return f"{whole}.{moment.microsecond // 1000:03d}"[: len(whole) + 1 + places] if places else whole
