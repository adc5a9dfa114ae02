"""Lists to look a word up in: first names, surnames, German nouns, towns, and groups of words of like meaning.

`assets.silver.pii.train_names_de` writes the file; `data/SOURCES.md` names where the lists are from.
"""

from __future__ import annotations

import functools
import json
import lzma
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

FILE = Path(__file__).parent / "data" / "lexicon.xz"

_SMALLEST_NOUN = 4
"""Shortest noun that is looked for at the end of a compound."""

_ENDINGS = ("s", "es", "n", "en", "e", "er", "ern", "innen", "in")
_LAST_LETTERS = frozenset(ending[-1] for ending in _ENDINGS)


@dataclass(frozen=True)
class Lexicon:
    """All lists; words in lower case, but for the groups.

    Attributes:
        first_names, surnames: of people.
        nouns: German, in their basic form.
        towns: of Germany, Austria and Switzerland, and countries.
        places: every place of these countries from 500 people on, and large cities of the world; many are surnames.
        small: words that are written small in German: short ones, and those that are also listed as a name or a place.
        groups: number of the group of a word, and of the wider group that lies in, by the word as it is written.
        named: groups most of whose words are first names or surnames.
    """

    first_names: frozenset[str]
    surnames: frozenset[str]
    nouns: frozenset[str]
    towns: frozenset[str]
    places: frozenset[str]
    small: frozenset[str]
    groups: Mapping[str, tuple[int, int]]
    named: frozenset[int]

    def group(self, word: str) -> tuple[int, int] | None:
        """Groups of a word, or of its genitive, or of it in lower case."""
        found = self.groups.get(word)
        if found is None and word[-1:] == "s":
            found = self.groups.get(word[:-1])
        return found or self.groups.get(word.lower())

    def is_noun(self, lower: str) -> bool:
        """Whether it is a noun, in any case and number, or ends in one."""
        if self.is_simple_noun(lower):
            return True
        tail = lower.rsplit("-", 1)[-1][-_LONGEST_ENDING:]
        ends = _ends(tail)
        for at in range(3, len(tail) - _SMALLEST_NOUN + 1):
            if tail[at:] in self.nouns:
                return True
            for end in ends:
                if end - at >= _SMALLEST_NOUN - 1 and tail[at:end] in self.nouns:
                    return True
        return False

    def is_simple_noun(self, lower: str) -> bool:
        """Whether it is a listed noun, in any case and number."""
        return lower in self.nouns or any(
            end >= _SMALLEST_NOUN - 1 and lower[:end] in self.nouns for end in _ends(lower)
        )


_LONGEST_ENDING = 64
"""Letters at a word's end in which a noun is looked for: the work grows with their square, and words may be endless."""


def _ends(lower: str) -> list[int]:
    """Where a word would end without the endings it has."""
    if lower[-1:] not in _LAST_LETTERS:
        return []
    return [len(lower) - len(ending) for ending in _ENDINGS if lower.endswith(ending)]


def is_name(lower: str, names: frozenset[str]) -> bool:
    """Whether it is a listed name, its genitive, or made of listed names."""
    if lower in names or (lower[-1:] == "s" and lower[:-1] in names):
        return True
    return "-" in lower and all(part in names for part in lower.split("-"))


def pack(lists: Iterable[Iterable[str]], groups: Mapping[str, int], wider: Iterable[int]) -> bytes:
    """The file's bytes: the same lists give the same.

    Args:
        lists: first names, surnames, nouns, towns, places and small words, in lower case.
        groups: group of each word.
        wider: wider group of each group.
    """
    wider = list(wider)
    by_group: dict[int, list[str]] = {}
    for word in sorted(groups):
        by_group.setdefault(groups[word], []).append(word)
    stored = {
        "lists": [" ".join(sorted(set(words))) for words in lists],
        "groups": [" ".join(by_group.get(number, [])) for number in range(len(wider))],
        "wider": wider,
    }
    return lzma.compress(json.dumps(stored, ensure_ascii=False, separators=(",", ":")).encode(), preset=9)


@functools.cache
def lexicon() -> Lexicon:
    """The packaged lists."""
    stored = json.loads(lzma.decompress(FILE.read_bytes()))
    groups = {
        word: (number, wide)
        for number, (words, wide) in enumerate(zip(stored["groups"], stored["wider"], strict=True))
        for word in words.split()
    }
    first, surnames, nouns, towns, places, small = (frozenset(words.split()) for words in stored["lists"])
    named = frozenset(
        number
        for number, words in enumerate(stored["groups"])
        if 2 * sum(word.lower() in first for word in words.split()) > len(words.split())
    )
    return Lexicon(first, surnames, nouns, towns, places, small, groups, named)
