"""Metadata as people write it (front matter, sidecars, folder policies), turned into the fields of a document."""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

from assets.silver.document import Document
from assets.silver.language import language_code
from assets.silver.normalise import clean_characters, one_line

_TITLE_KEYS = ("title", "titel", "headline")
_AUTHOR_KEYS = ("authors", "author", "autor", "autoren", "speakers", "by")
_TAG_KEYS = ("tags", "tag", "keywords", "schlagworte", "categories", "category", "kategorien", "topics", "topic")
_PUBLISHED_KEYS = ("published", "date", "datum", "publishdate", "pubdate", "published_at", "created")
_LANGUAGE_KEYS = ("language", "lang", "sprache", "locale")
_URL_KEYS = ("url", "canonical", "canonical_url", "canonicalurl", "permalink", "link", "source")
_DATED_KEYS = ("url", "permalink", "path", "slug")
"""Keys whose value often holds the day of publication, `/2023/12/15/…`, where no key names it."""

_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "january januar jänner jan",
            "february februar feber feb",
            "march märz mär mrz mar",
            "april apr",
            "may mai",
            "june juni jun",
            "july juli jul",
            "august aug",
            "september sept sep",
            "october oktober oct okt",
            "november nov",
            "december dezember dec dez",
        ),
        start=1,
    )
    for name in names.split()
}

_ISO_DATE = re.compile(r"(?<!\d)(?P<year>\d{4})[-/.](?P<month>\d{1,2})[-/.](?P<day>\d{1,2})(?!\d)")
_GERMAN_DATE = re.compile(r"(?<!\d)(?P<day>\d{1,2})\.\s?(?P<month>\d{1,2})\.\s?(?P<year>\d{4})(?!\d)")
_DAY_MONTH_YEAR = re.compile(
    r"(?<!\d)(?P<day>\d{1,2})(?:\.|st|nd|rd|th)?\s+(?P<name>[^\W\d_]+)\.?,?\s+(?P<year>\d{4})\b"
)
_MONTH_DAY_YEAR = re.compile(r"\b(?P<name>[^\W\d_]+)\.?\s+(?P<day>\d{1,2})(?:st|nd|rd|th)?,?\s+(?P<year>\d{4})\b")

_YEAR = re.compile(r"(?<!\d)\d{4}(?!\d)")
"""What all of these hold."""

_BETWEEN_NAMES = re.compile(r"\s*(?:;|\s&\s|\s(?:und|and)\s)\s*")


_T = TypeVar("_T")
_Found = tuple[str | None, _T | None]


@dataclass(frozen=True, slots=True)
class Metadata:
    """What metadata says about a document; None and empty where it says nothing.

    Attributes:
        published: day, `YYYY-MM-DD`.
        extra: what has no field of its own, as JSON values.
        notes: values that were not understood, by their key.
    """

    title: str | None = None
    authors: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    published: str | None = None
    language: str | None = None
    url: str | None = None
    extra: Mapping[str, object] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def over(self, document: Document) -> Document:
        """The document with these values where there are any."""
        return replace(
            document,
            title=self.title or document.title,
            authors=self.authors or document.authors,
            tags=self.tags or document.tags,
            published=self.published or document.published,
            language=self.language or document.language,
            url=self.url or document.url,
            extra={**document.extra, **self.extra},
            notes=(*document.notes, *self.notes),
        )

    def under(self, document: Document) -> Document:
        """The document with these values where it has none of its own."""
        return replace(
            document,
            title=document.title or self.title,
            authors=document.authors or self.authors,
            tags=document.tags or self.tags,
            published=document.published or self.published,
            language=document.language or self.language,
            url=document.url or self.url,
            extra={**self.extra, **document.extra},
            notes=(*document.notes, *self.notes),
        )


def metadata_from(mapping: Mapping[str, object]) -> Metadata:
    """Fields from a mapping with keys as front matter uses them, in any case.

    Several keys may name one field: the first in the order of this module's lists that has a usable value
    wins, except that tags are joined. What has no field, and what was not understood, stays in `extra`.
    """
    values = {str(key).casefold(): value for key, value in mapping.items() if value is not None}
    title_key, title = _first(values, _TITLE_KEYS, _text)
    published_key, published = _first(values, _PUBLISHED_KEYS, _date)
    language_key, language = _first(values, _LANGUAGE_KEYS, _language)
    url_key, url = _first(values, _URL_KEYS, _address)
    author_key, authors = _first(values, _AUTHOR_KEYS, _names)
    # Jekyll, which alone has layouts of this name, separates tags with blanks
    blanks = isinstance(values.get("layout"), str)
    tags = {key: found for key in _TAG_KEYS if (found := _list(values.get(key), blanks))}
    used = {title_key, published_key, language_key, url_key, author_key, *tags}
    return Metadata(
        title=title,
        authors=authors or (),
        tags=tuple(dict.fromkeys(tag for found in tags.values() for tag in found)),
        published=published or _first(values, _DATED_KEYS, _date)[1],
        language=language,
        url=url,
        extra={str(key): _json(value) for key, value in mapping.items() if str(key).casefold() not in used},
        notes=tuple(
            f"{key} was not understood"
            for key in (*_PUBLISHED_KEYS, *_LANGUAGE_KEYS)
            if isinstance(values.get(key), str) and key not in used
        ),
    )


def parse_date(text: str) -> str | None:
    """The first day named in the text, `YYYY-MM-DD`; None when there is none that the calendar has.

    Understands ISO dates with `-`, `/` or `.`, `24.12.2024`, and days with an English or German month name.
    """
    if _YEAR.search(text) is None:
        return None
    for pattern in (_ISO_DATE, _GERMAN_DATE, _DAY_MONTH_YEAR, _MONTH_DAY_YEAR):
        for match in pattern.finditer(text):
            parts = match.groupdict()
            month = int(parts["month"]) if "month" in parts else _MONTHS.get(parts["name"].casefold(), 0)
            try:
                return dt.date(int(parts["year"]), month, int(parts["day"])).isoformat()
            except ValueError:
                continue
    return None


def _first(values: Mapping[str, object], keys: Iterable[str], convert: Callable[[object], _T | None]) -> _Found[_T]:
    for key in keys:
        if key in values and (found := convert(values[key])) is not None:
            return key, found
    return None, None


def _text(value: object) -> str | None:
    if isinstance(value, bool) or not isinstance(value, str | int | float | dt.date):
        return None
    return one_line(str(value)) or None


def _date(value: object) -> str | None:
    if isinstance(value, dt.datetime):
        return value.date().isoformat()
    if isinstance(value, dt.date):
        return value.isoformat()
    return parse_date(value) if isinstance(value, str) else None


def _language(value: object) -> str | None:
    return language_code(value) if isinstance(value, str) else None


def _address(value: object) -> str | None:
    text = _text(value) or ""
    return text if re.fullmatch(r"https?://\S+", text) else None


def _names(value: object) -> tuple[str, ...] | None:
    if isinstance(value, Mapping):
        value = value.get("name")
    if isinstance(value, list):
        names = [name for item in value for name in _names(item) or ()]
    else:
        names = _split_names(_text(value) or "")
    return tuple(dict.fromkeys(names)) or None


def _split_names(text: str) -> list[str]:
    names: list[str] = []
    for part in _BETWEEN_NAMES.split(text):
        pieces = [piece.strip() for piece in part.split(",") if piece.strip()]
        # "Lindqvist, Maja" is one person; with more words or more commas it is a list.
        surname_first = len(pieces) == 2 and all(" " not in piece for piece in pieces)
        names += [part] if surname_first else pieces
    return names


def _list(value: object, blanks: bool = False) -> tuple[str, ...]:
    written = (None if isinstance(value, list) else _text(value)) or ""
    separated = written.split() if blanks and "," not in written else written.split(",")
    items = value if isinstance(value, list) else separated
    return tuple(text for item in items if (text := _text(item)))


def _json(value: object) -> object:
    """The value as JSON can hold it, texts cleaned."""
    if isinstance(value, str):
        return clean_characters(value)
    if isinstance(value, Mapping):
        return {clean_characters(str(key)): _json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_json(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if value is None or isinstance(value, bool | int | float):
        return value
    return str(value)
