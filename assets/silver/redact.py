"""Takes personal data out of a document before anything of it is stored: each value becomes a token that stays
the same for the same value and key.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from assets.silver.document import Document
from assets.silver.pii.credit_card import CreditCards
from assets.silver.pii.email_address import EmailAddresses
from assets.silver.pii.iban import Ibans
from assets.silver.pii.phone import PhoneNumbers
from assets.silver.pii.span import TOKEN, Recognizer, Span, token
from assets.silver.screening import Finding
from retrieval.errors import ConfigurationError

REDACTOR = "patterns/1"

RECOGNIZERS: tuple[Recognizer, ...] = (EmailAddresses(), Ibans(), CreditCards(), PhoneNumbers())

_BLOT = "\0"


@dataclass(frozen=True, slots=True)
class Redacted:
    """A document without personal data.

    Attributes:
        counts: how many values of each type were in it, metadata included.
        findings: what in it speaks to a model; filled in by the screener, which reads the redacted text.
    """

    document: Document
    counts: Mapping[str, int]
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class _Edit:
    """`text[start:end]` becomes `token`."""

    start: int
    end: int
    token: str


def redact(document: Document, key: bytes) -> Redacted:
    """The document with tokens in place of personal data.

    Text, title, authors, tags, address, speakers, notes and texts in `extra` are redacted; block ranges follow
    the text. Redacting the result again changes nothing.

    Args:
        key: secret of the tenant; the same value gets the same token under the same key only.

    Raises:
        ConfigurationError: the key is empty.
    """
    if not key:
        raise ConfigurationError("The key for pseudonyms is empty: set it before documents are processed")
    counts: Counter[str] = Counter()
    redact_ = partial(_redact_text, language=document.language, key=key, counts=counts)
    moved = _redact_blocks(document, key, counts)
    return Redacted(
        replace(
            moved,
            blocks=tuple(
                replace(block, speaker=redact_(block.speaker)) if block.speaker else block for block in moved.blocks
            ),
            title=redact_(document.title) if document.title else document.title,
            authors=tuple(map(redact_, document.authors)),
            tags=tuple(map(redact_, document.tags)),
            url=redact_(document.url) if document.url else document.url,
            notes=tuple(map(redact_, document.notes)),
            extra={redact_(name): _redact_value(value, redact_) for name, value in document.extra.items()},
        ),
        dict(sorted(counts.items())),
    )


def _redact_blocks(document: Document, key: bytes, counts: Counter[str]) -> Document:
    """The document with its text redacted and its blocks where the text now is."""
    while edits := _edits(document.text, document.language, key, counts):
        moved = _Moved(edits)
        document = replace(
            document,
            text=_apply(document.text, edits),
            blocks=tuple(
                replace(block, start=moved.start(block.start), end=moved.end(block.end)) for block in document.blocks
            ),
        )
    return document


def _redact_text(text: str, *, language: str | None, key: bytes, counts: Counter[str]) -> str:
    while edits := _edits(text, language, key, counts):
        text = _apply(text, edits)
    return text


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


def _edits(text: str, language: str | None, key: bytes, counts: Counter[str]) -> list[_Edit]:
    """What is to be replaced, in order and without overlap.

    Callers ask again until nothing is left: a value may only stand free once its neighbour is a token.
    """
    readable = TOKEN.sub(lambda match: _BLOT * len(match[0]), text)
    spans = [span for recognizer in RECOGNIZERS for span in recognizer.find(readable, language)]
    edits = []
    for group in _overlapping(spans):
        winner = min(group, key=_rank)
        counts[winner.type] += 1
        edits.append(_Edit(min(s.start for s in group), max(s.end for s in group), token(winner, key)))
    return edits


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
