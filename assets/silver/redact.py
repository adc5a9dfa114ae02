"""Takes personal data out of a document before anything of it is stored: each value becomes a token that stays
the same for the same value and key.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from assets.silver.document import Block, Document
from assets.silver.pii.address import Addresses
from assets.silver.pii.credit_card import CreditCards
from assets.silver.pii.date_of_birth import DatesOfBirth
from assets.silver.pii.de_driving_licence import DrivingLicences
from assets.silver.pii.de_health_insurance import HealthInsuranceNumbers
from assets.silver.pii.de_id_card import IdCards
from assets.silver.pii.de_number_plate import NumberPlates
from assets.silver.pii.de_passport import Passports
from assets.silver.pii.de_social_security import SocialSecurityNumbers
from assets.silver.pii.de_tax_id import TaxIds
from assets.silver.pii.de_tax_number import TaxNumbers
from assets.silver.pii.de_vat_id import VatIds
from assets.silver.pii.email_address import EmailAddresses
from assets.silver.pii.extra import NONE, Extra
from assets.silver.pii.iban import Ibans
from assets.silver.pii.ip_address import IpAddresses
from assets.silver.pii.person import TYPE as PERSON
from assets.silver.pii.person import People
from assets.silver.pii.phone import PhoneNumbers
from assets.silver.pii.readable import Readable
from assets.silver.pii.secret import Secrets
from assets.silver.pii.span import TOKEN, Recognizer, Span, token
from assets.silver.pii.url_credential import UrlsWithCredentials
from assets.silver.screening import Finding
from retrieval.errors import ConfigurationError

REDACTOR = "recognizers/17"

NUMBERED: tuple[Recognizer, ...] = (
    EmailAddresses(),
    Ibans(),
    CreditCards(),
    PhoneNumbers(),
    TaxIds,
    TaxNumbers,
    VatIds,
    SocialSecurityNumbers,
    HealthInsuranceNumbers,
    IdCards,
    Passports,
    DrivingLicences,
    NumberPlates(),
    DatesOfBirth(),
    Addresses(),
    IpAddresses(),
    UrlsWithCredentials(),
    Secrets(),
)
"""Recognizers of everything but names."""

RECOGNIZERS: tuple[Recognizer, ...] = (*NUMBERED, People())

_BLOT = "\0"
_JOINED = re.compile(r"[_-]+|(?<=[a-zß-ÿ])(?=[A-ZÀ-Þ])")

_PLAIN = str.maketrans(
    {**dict.fromkeys("\u00a0\u2002\u2003\u2007\u2009\u202f", " "), **dict.fromkeys("\u2010\u2011\u2012\u2212", "-")}
)
"""Blanks and hyphens that print shops and word processors put into numbers, as the recognizers expect them."""

_SPECIAL = re.compile(f"[{''.join(map(chr, _PLAIN))}]")

_BESIDE = 120
"""Characters around a token, to the ends of their lines, that are looked at again: no recognizer sees farther."""


@dataclass(frozen=True, slots=True)
class Redacted:
    """A document without personal data.

    Attributes:
        counts: how many values of each type were in it, metadata included.
        findings: what in it speaks to a model; filled in by the screener, which reads the redacted text.
        part: name of the part it is of its file, without personal data; the document keeps the name its id is made of.
    """

    document: Document
    counts: Mapping[str, int]
    findings: tuple[Finding, ...] = ()
    part: str | None = None


@dataclass(frozen=True, slots=True)
class _Edit:
    """`text[start:end]` becomes `token`."""

    start: int
    end: int
    token: str


def redact(
    document: Document, key: bytes, readable_names: Sequence[str] = (), *, names: bool = True, extra: Extra = NONE
) -> Redacted:
    """The document with tokens in place of personal data.

    Text, title, authors, tags, address, speakers, notes and texts in `extra` are redacted; block ranges follow
    the text. Redacting the result again changes nothing. Names of authors and speakers stay, there and in the text.

    Args:
        key: secret of the tenant; the same value gets the same token under the same key only.
        readable_names: names that stay, exact or as `/pattern/` (see `assets.silver.pii.readable_entry`).
        names: look for names of people, too.
        extra: what settings add to the recognizers here.

    Raises:
        ConfigurationError: the key is empty.
        ModelError: the recognizer of English names is not the one that was tried, or one of `extra` does not load.
    """
    if not key:
        raise ConfigurationError("The key for pseudonyms is empty: set it before documents are processed")
    speakers = dict.fromkeys(block.speaker for block in document.blocks if block.speaker)
    readable = Readable(readable_names, (*document.authors, *speakers), document.text)
    counts: Counter[str] = Counter()
    numbered = (*NUMBERED, *extra.recognizers)
    people = (People(extra.names),) if names else ()
    redactor = _Redactor(document.language, key, readable, counts, (*numbered, *people))
    # who is named as an author is public; a number or an address beside the name is not
    numbers = _Redactor(document.language, key, readable, counts, numbered)
    named = {speaker: numbers.text(speaker) for speaker in speakers}
    moved = redactor.blocks(document)
    return Redacted(
        replace(
            moved,
            blocks=tuple(
                replace(block, speaker=named[block.speaker]) if block.speaker else block for block in moved.blocks
            ),
            title=redactor.text(document.title) if document.title else document.title,
            authors=tuple(map(numbers.text, document.authors)),
            tags=tuple(map(redactor.text, document.tags)),
            url=numbers.text(document.url) if document.url else document.url,
            notes=tuple(map(numbers.text, document.notes)),
            extra={numbers.text(name): _redact_value(value, redactor.text) for name, value in document.extra.items()},
        ),
        dict(sorted(counts.items())),
    )


def redact_name(name: str, key: bytes, extra: Extra = NONE) -> str:
    """The name of a part of a file, an attachment for one, without personal data; words may be set apart."""
    recognizers = (*NUMBERED, *extra.recognizers, People(extra.names))
    redactor = _Redactor(None, key, Readable((), (), ""), Counter(), recognizers)
    for written in (name, _JOINED.sub(" ", name)):
        redacted = redactor.text(written)
        if redacted != written:
            return redacted
    return name


def spans_of(text: str, language: str | None, recognizers: Sequence[Recognizer] = RECOGNIZERS) -> list[Span]:
    """What one pass over a text finds, in order and without overlap."""
    if _SPECIAL.search(text):
        text = text.translate(_PLAIN)
    lower = text.lower()
    spans = [
        span
        for recognizer in recognizers
        if not recognizer.cues or any(cue in lower for cue in recognizer.cues)
        for span in recognizer.find(text, language)
    ]
    return _resolved(text, spans)


class _Redactor:
    """Redacts the texts of one document.

    Args:
        counts: of values by type; it learns from what is redacted.
    """

    def __init__(
        self,
        language: str | None,
        key: bytes,
        readable: Readable,
        counts: Counter[str],
        recognizers: Sequence[Recognizer],
    ) -> None:
        self._language = language
        self._key = key
        self._readable = readable
        self._counts = counts
        self._recognizers = recognizers

    def text(self, text: str) -> str:
        """A text without personal data."""
        edits = self._edits(text)
        while edits:
            text = _apply(text, edits)
            edits = self._edits_beside(text, edits)
        return text

    def blocks(self, document: Document) -> Document:
        """The document with its text redacted and its blocks where the text now is."""
        edits = self._edits(document.text)
        while edits:
            moved = _Moved(edits)
            document = replace(
                document,
                text=_apply(document.text, edits),
                blocks=_apart(
                    replace(block, start=moved.start(block.start), end=moved.end(block.end))
                    for block in document.blocks
                ),
            )
            edits = self._edits_beside(document.text, edits)
        return document

    def _edits_beside(self, text: str, edits: Sequence[_Edit]) -> list[_Edit]:
        """What has become visible beside tokens, which is all that a pass over the whole text could find.

        Args:
            edits: the last ones; `text` is what they made.
        """
        moved = _Moved(edits)
        windows: list[tuple[int, int]] = []
        for edit in edits:
            at = moved.start(edit.start)
            start = text.rfind("\n", 0, max(0, at - _BESIDE)) + 1
            end = text.find("\n", min(len(text), at + len(edit.token) + _BESIDE))
            end = len(text) if end < 0 else end
            if windows and start <= windows[-1][1]:
                windows[-1] = (windows[-1][0], max(end, windows[-1][1]))
            else:
                windows.append((start, end))
        return [
            replace(edit, start=edit.start + start, end=edit.end + start)
            for start, end in windows
            for edit in self._edits(text[start:end])
        ]

    def _edits(self, text: str) -> list[_Edit]:
        """What is to be replaced, in order and without overlap.

        Callers ask again until nothing is left: a value may only stand free once its neighbour is a token.
        """
        plain = TOKEN.sub(lambda match: _BLOT * len(match[0]), text)
        spans = self._readable.hidden(plain, spans_of(plain, self._language, self._recognizers))
        edits = [_Edit(span.start, span.end, token(span, self._key)) for span in spans]
        self._counts.update(edit.token[1:-1].rpartition("_")[0] or edit.token[1:-1] for edit in edits)
        return edits


def _redact_value(value: object, redact_: Callable[[str], str]) -> object:
    if isinstance(value, str):
        return redact_(value)
    if isinstance(value, Mapping):
        return {redact_(str(name)): _redact_value(item, redact_) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_redact_value(item, redact_) for item in value]
    if isinstance(value, int) and not isinstance(value, bool):
        # YAML and TOML read a card number without blanks as a number.
        redacted = redact_(str(value))
        return value if redacted == str(value) else redacted
    return value


def _resolved(text: str, spans: Sequence[Span]) -> list[Span]:
    """One span for each stretch of overlapping ones, of the type that is surest; names only where nothing else is."""
    values = _merged([span for span in spans if span.type != PERSON])
    people = [left for span in _merged([s for s in spans if s.type == PERSON]) for left in _outside(text, span, values)]
    return sorted([*values, *people], key=lambda span: span.start)


def _merged(spans: Sequence[Span]) -> list[Span]:
    return [
        replace(min(group, key=_rank), start=min(s.start for s in group), end=max(s.end for s in group))
        for group in _overlapping(spans)
    ]


def _outside(text: str, name: Span, values: Sequence[Span]) -> list[Span]:
    """What of a name no other value covers."""
    first = bisect_right(values, name.start, key=lambda span: span.end)
    at, left = name.start, []
    for value in values[first:]:
        if value.start >= name.end:
            break
        left.append((at, min(value.start, name.end)))
        at = value.end
    if at == name.start and not left:
        return [name]
    left.append((at, name.end))
    return [
        replace(name, start=start, end=end, value=text[start:end].casefold())
        for start, end in (_stripped(text, *place) for place in left)
        if end - start > 1
    ]


def _stripped(text: str, start: int, end: int) -> tuple[int, int]:
    while start < end and not text[start].isalnum():
        start += 1
    while end > start and not text[end - 1].isalnum():
        end -= 1
    return start, end


def _overlapping(spans: Sequence[Span]) -> list[list[Span]]:
    groups: list[list[Span]] = []
    end = -1
    for span in sorted(spans, key=lambda span: (span.start, span.end)):
        if span.start < end:
            groups[-1].append(span)
        else:
            groups.append([span])
        end = max(end, span.end)
    return groups


def _rank(span: Span) -> tuple[bool, int, int, str]:
    """Checked values first, then longer ones, then by place and type so that nothing is left to chance."""
    return not span.checked, span.start - span.end, span.start, span.type


def _apply(text: str, edits: Sequence[_Edit]) -> str:
    parts: list[str] = []
    at = 0
    for edit in edits:
        parts += [text[at : edit.start], edit.token]
        at = edit.end
    return "".join([*parts, text[at:]])


def _apart(blocks: Iterable[Block]) -> tuple[Block, ...]:
    """The blocks without overlap: a value that reached from one into the next now belongs to the first alone."""
    kept: list[Block] = []
    for block in blocks:
        start = max(block.start, kept[-1].end) if kept else block.start
        if start < block.end:
            kept.append(replace(block, start=start))
    return tuple(kept)


class _Moved:
    """Where offsets of the old text are in the new one; a bound within a replaced value moves to its outside."""

    def __init__(self, edits: Sequence[_Edit]) -> None:
        self._edits = edits
        self._starts = [edit.start for edit in edits]
        self._shifts = [0]
        for edit in edits:
            self._shifts.append(self._shifts[-1] + len(edit.token) - (edit.end - edit.start))

    def start(self, offset: int) -> int:
        """Place of a block's first character."""
        index = bisect_right(self._starts, offset)
        if index and offset < self._edits[index - 1].end:
            return self._edits[index - 1].start + self._shifts[index - 1]
        return offset + self._shifts[index]

    def end(self, offset: int) -> int:
        """Place behind a block's last character."""
        return self.start(offset - 1) + self._length_at(offset - 1)

    def _length_at(self, offset: int) -> int:
        index = bisect_right(self._starts, offset)
        inside = index and offset < self._edits[index - 1].end
        return len(self._edits[index - 1].token) if inside else 1
