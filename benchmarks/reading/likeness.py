"""Compares what was read of files that should say the same: one episode in several formats, one text in several
encodings.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

TIMED = (".vtt", ".srt", ".tsv", ".json", ".ttml", ".sbv")
UMLAUTS = frozenset("äöüßÄÖÜ")

_ENCODED = re.compile(r"(?P<base>enc_\d+)_(?P<encoding>.+)\.\w+$")

ENCODINGS: Mapping[str, bool] = {
    "utf-8": True,
    "utf-8-sig": True,
    "utf-16": True,
    "utf-16-be": True,
    "utf-16-le": True,
    "utf-32": True,
    "cp1252": True,
    "iso-8859-15": True,
    "mac_roman": False,
    "cp437": False,
    "cp850": False,
}
"""Encodings that texts are written in anew, and whether a refusal counts as wrong. Old single-byte encodings of other
systems may rightly be refused where a text shows too little of itself; read wrongly they may never be."""


@dataclass(frozen=True, slots=True)
class Cues:
    """How alike one episode's formats are.

    Attributes:
        text_equal: whether the words are the same.
        max_error_s: largest difference of a passage's start between two formats, seconds, where both begin one.
        shared: share of passages that begin at the same word.
    """

    name: str
    text_equal: bool
    max_error_s: float
    shared: float


def episodes(paths: Sequence[str]) -> dict[str, list[str]]:
    """Paths of one folder that differ in the ending alone, where there are several with times."""
    groups: dict[str, list[str]] = {}
    for path in sorted(paths):
        stem, dot, ending = path.rpartition(".")
        if dot and f".{ending}" in TIMED:
            groups.setdefault(stem, []).append(path)
    return {stem: members for stem, members in groups.items() if len(members) > 1}


def compare(name: str, rows: Sequence[Mapping[str, Any]]) -> Cues:
    """Documents of one episode against the first of them."""
    first, *others = [_Timeline(row) for row in rows]
    equal, error, shared = True, 0.0, 1.0
    for other in others:
        equal &= first.words == other.words
        common = first.starts.keys() & other.starts.keys()
        error = max([error, *(abs(first.starts[word] - other.starts[word]) for word in common)])
        shared = min(shared, len(common) / max(1, len(first.starts | other.starts)))
    return Cues(name, equal, error, shared)


class _Timeline:
    """Words of a transcript, and the second at which each passage begins, by the number of its first word."""

    def __init__(self, row: Mapping[str, Any]) -> None:
        text = row["text"]
        places = [match.start() for match in re.finditer(r"\S+", text)]
        self.words = text.split()
        self.starts = {
            bisect_left(places, block["start"]): block["start_s"]
            for block in row["blocks"]
            if block["start_s"] is not None
        }


def encoded_families(paths: Sequence[str]) -> dict[str, dict[str, str]]:
    """Files named `enc_N_ENCODING.ext` by N: encoding → path."""
    families: dict[str, dict[str, str]] = {}
    for path in paths:
        match = _ENCODED.search(path)
        if match:
            families.setdefault(f"{path[: match.start()]}{match['base']}", {})[match["encoding"]] = path
    return families


def same_umlauts(one: str, other: str) -> bool:
    """Whether both have the same words with umlauts, in the same order."""
    return _umlaut_words(one) == _umlaut_words(other)


def same_text(one: str, other: str) -> bool:
    """Whether both have the same words, whatever the white space and the Unicode spelling."""
    return unicodedata.normalize("NFC", one).split() == unicodedata.normalize("NFC", other).split()


def _umlaut_words(text: str) -> list[str]:
    return [word for word in unicodedata.normalize("NFC", text).split() if not UMLAUTS.isdisjoint(word)]
