"""Finds text that a person reads over and a model does not: Base64, hex, percent signs, spaced letters."""

from __future__ import annotations

import base64
import binascii
import re
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass

LONGEST = 20_000
"""Characters of one encoded run that are decoded; an instruction fits into a fraction of it."""

DEPTH = 2
"""How often an encoded text is looked for in a decoded one."""

_BASE64 = re.compile(r"(?<![\w+/=-])[A-Za-z0-9+/_-]{20,}={0,2}(?![\w+/=-])")
_HEX = re.compile(r"\b(?:0x)?[0-9a-f]{2}(?:[ :]?[0-9a-f]{2}){15,}\b|(?:\\x[0-9a-f]{2}){8,}", re.IGNORECASE)
_PERCENT = re.compile(r"(?:%[0-9a-f]{2}[\w.~-]*){3,}", re.IGNORECASE)
_UNRESERVED = re.compile(r"[\w.~-]{0,64}\Z")
"""What may stand in front of the first percent sign (RFC 3986, 2.3)."""
_SPACED = re.compile(r"(?<!\S)(?:[^\W\d_][ .\-_*]{1,3}){10,}[^\W\d_](?!\S)")

_MOSTLY_TEXT = 0.92
"""Share of letters, blanks and common punctuation in what a person wrote; bytes of an image have about 0.4."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """`text[start:end]` reads `meaning` once decoded; `compact` texts have lost their blanks."""

    start: int
    end: int
    meaning: str
    compact: bool = False


def decoded(text: str) -> Iterator[Decoded]:
    """Every encoded run that decodes to readable text, in order of kind and place."""
    for match in _BASE64.finditer(text):
        meaning = _readable(_from_base64(match[0][:LONGEST]))
        if meaning:
            yield Decoded(match.start(), match.end(), meaning)
    for match in _HEX.finditer(text):
        meaning = _readable(_from_hex(match[0][:LONGEST]))
        if meaning:
            yield Decoded(match.start(), match.end(), meaning)
    for match in _PERCENT.finditer(text):
        before = _UNRESERVED.search(text, max(0, match.start() - 64), match.start())
        start = before.start() if before else match.start()
        yield Decoded(start, match.end(), urllib.parse.unquote(text[start : match.end()][:LONGEST], errors="replace"))
    for match in _SPACED.finditer(text):
        yield Decoded(match.start(), match.end(), re.sub(r"[\W_]", "", match[0][:LONGEST]), compact=True)


def _from_base64(run: str) -> bytes:
    body = run.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(body + "=" * (-len(body) % 4), validate=True)
    except (binascii.Error, ValueError):
        return b""


def _from_hex(run: str) -> bytes:
    digits = re.sub(r"\\x|0x|[ :]", "", run, flags=re.IGNORECASE)
    try:
        return bytes.fromhex(digits[: len(digits) // 2 * 2])
    except ValueError:
        return b""


def _readable(content: bytes) -> str | None:
    """The bytes as text, if they are one that somebody wrote."""
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        return None
    if len(text) < 12 or " " not in text:
        return None
    common = sum(c.isalpha() or c in " .,;:!?'\"-\n" for c in text)
    return text if common >= _MOSTLY_TEXT * len(text) else None
