"""What a recognizer finds, and the token that takes its place."""

from __future__ import annotations

import hmac
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

SECRET = "SECRET"  # noqa: S105 - the name of a type
"""Type of credentials. Their token has no digits: nobody needs to know that two of them are the same."""

TOKEN = re.compile(rf"<(?:{SECRET}|[A-Z][A-Z_]*_[0-9a-f]{{10}})>")
_TOKEN_DIGITS = 10
PSEUDONYM = re.compile(rf"<[A-Z][A-Z_]*_[0-9a-f]{{{_TOKEN_DIGITS}}}>")
"""Tokens that stand for one value each, so all but `<SECRET>`."""


@dataclass(frozen=True, slots=True)
class Span:
    """A value in a text: `text[start:end]`.

    Attributes:
        type: kind of personal data, such as `EMAIL`.
        value: the value in its normal form, so that two spellings get one token.
        checked: it carries a checksum that is right, so it can hardly be anything else.
    """

    start: int
    end: int
    type: str
    value: str
    checked: bool = False


class Recognizer(Protocol):
    """Finds one kind of personal data.

    Attributes:
        cues: texts in lower case of which one is in every text in which there is something to find; empty where
            there is no such sign.
    """

    @property
    def cues(self) -> tuple[str, ...]:
        """See above."""
        ...

    def find(self, text: str, language: str | None) -> Iterator[Span]:
        """Spans in the text, in any order.

        Args:
            text: normalised text; what earlier passes replaced is blotted out with NUL characters.
            language: ISO 639-1 code, or None where it is not known.
        """
        ...


def token(span: Span, key: bytes) -> str:
    """`<TYPE_…>` with ten hex digits of HMAC-SHA256 over type and value: equal values stay recognisably equal,
    and nobody finds out the value without the key. `<SECRET>` for secrets.
    """
    if span.type == SECRET:
        return f"<{SECRET}>"
    digest = hmac.digest(key, f"{span.type}\0{span.value}".encode(), "sha256")
    return f"<{span.type}_{digest.hex()[:_TOKEN_DIGITS]}>"


def neutral(text: str) -> str:
    """The text with zeros for the digits of its pseudonyms, as long as before.

    The digits depend on the key of an installation. What must be the same everywhere (ids, hashes, where a text is
    cut, what its vector is made of) is computed from this text.
    """
    return PSEUDONYM.sub(lambda match: f"{match[0][: -_TOKEN_DIGITS - 1]}{'0' * _TOKEN_DIGITS}>", text)
