"""Finds text that people read over and models do not: Base64, hex, bits, percent signs, spaced and shifted letters."""

from __future__ import annotations

import base64
import binascii
import functools
import re
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass

from assets.silver.screening.rules import lowered

LONGEST = 20_000
"""Characters of one encoded run that are decoded; an instruction fits into a fraction of it."""

DEPTH = 2
"""How often an encoded text is looked for in a decoded one."""

_BASE64 = re.compile(r"(?<![\w+/=-])(?:[A-Za-z0-9+/_-]{40,}\n)*[A-Za-z0-9+/_-]{20,}={0,2}(?![\w+/=-])")
_HEX = re.compile(r"\b(?:0[xX])?[0-9a-fA-F]{2}[ :]?[0-9a-fA-F]{2}(?:[ :]?[0-9a-fA-F]{2}){14,}\b")
_ESCAPED = re.compile(r"\\[xX][0-9a-fA-F]{2}(?:\\[xX][0-9a-fA-F]{2}){7,}")
_BITS = re.compile(r"(?<!\w)[01]{8}(?:\s?[01]{8}){11,}(?!\w)")
_BLANK_IN_BITS = "00100000"
_PERCENT = re.compile(r"%[0-9a-fA-F]{2}[\w.~-]*(?:%[0-9a-fA-F]{2}[\w.~-]*){2,}")
_UNRESERVED = re.compile(r"[\w.~-]{0,64}\Z")
"""What may stand in front of the first percent sign (RFC 3986, 2.3)."""
_SPACED = re.compile(r"(?<!\S)(?:[^\W\d_][ .\-_*]{1,3}){10,}[^\W\d_](?!\S)")

_MOSTLY_TEXT = 0.8
"""Share of letters, blanks and common punctuation in what a person wrote, links included; bytes of an image have about
0.4."""

_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_ORDERS = ("instruction", "anweisung")
"""Words that hardly any attack in plain words does without: text whose letters are shifted or in reverse order is found
by them."""

_AROUND = 300
"""Characters before and behind such a word that are read with it."""


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
    for pattern in (_HEX, _ESCAPED):
        for match in pattern.finditer(text):
            meaning = _readable(_from_hex(match[0][:LONGEST]))
            if meaning:
                yield Decoded(match.start(), match.end(), meaning)
    for match in _BITS.finditer(text) if _BLANK_IN_BITS in text else ():
        meaning = _readable(_from_bits(match[0][:LONGEST]))
        if meaning:
            yield Decoded(match.start(), match.end(), meaning)
    for match in _PERCENT.finditer(text):
        before = _UNRESERVED.search(text, max(0, match.start() - 64), match.start())
        start = before.start() if before else match.start()
        yield Decoded(start, match.end(), urllib.parse.unquote(text[start : match.end()][:LONGEST], errors="replace"))
    for match in _SPACED.finditer(text):
        yield Decoded(match.start(), match.end(), re.sub(r"[\W_]", "", match[0][:LONGEST]), compact=True)
    yield from _disguised(text)


@functools.cache
def _disguises() -> tuple[tuple[str, dict[int, int] | None], ...]:
    """(word in disguise, table that takes the disguise off; None where the letters stand in reverse order)."""
    both = _LETTERS + _LETTERS.upper()
    shifted = []
    for shift in range(1, len(_LETTERS)):
        to = _LETTERS[shift:] + _LETTERS[:shift]
        on, off = str.maketrans(_LETTERS, to), str.maketrans(to + to.upper(), both)
        shifted += [(word.translate(on), off) for word in _ORDERS]
    return (*shifted, *((word[::-1], None) for word in _ORDERS))


def _disguised(text: str) -> Iterator[Decoded]:
    """Surroundings of each order whose letters are shifted along the alphabet (ROT13) or in reverse order."""
    lower = lowered(text)
    for word, table in _disguises():
        end = 0
        while (at := lower.find(word, end)) >= 0:
            start, end = max(0, at - _AROUND), at + len(word) + _AROUND
            run = text[start:end]
            yield Decoded(start, min(end, len(text)), run[::-1] if table is None else run.translate(table))


def _from_base64(run: str) -> bytes:
    body = run.replace("\n", "").rstrip("=").replace("-", "+").replace("_", "/")
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


def _from_bits(run: str) -> bytes:
    digits = "".join(run.split())
    return bytes(int(digits[at : at + 8], 2) for at in range(0, len(digits) // 8 * 8, 8))


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
