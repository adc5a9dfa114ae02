"""Finds people in handles and hashtags: first name and surname as `@UteWeber` or `@ute_weber`, surnames as `#merkel`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from assets.silver.pii.lexicon import Lexicon, is_name, lexicon

Range = tuple[int, int]

_HANDLE = re.compile(r"[@#](?<![\w@#].)(?P<whole>[^\W\d_]+(?:_[^\W\d_]+)?)_?\d{0,4}(?![^\W_])")
_APART = re.compile(r"([A-ZÀ-ÖØ-Þ][a-zß-ÿ]{2,})_?([A-ZÀ-ÖØ-Þ][a-zß-ÿ]{2,})|([a-zß-ÿ]{3,})_([a-zß-ÿ]{3,})")
"""Told apart by a capital or a line; where one name ends in `hendrikweber` would be a guess."""

_UMLAUTS = (("ae", "ä"), ("oe", "ö"), ("ue", "ü"))


def named_by_handles(text: str, is_first_name: Callable[[str], bool]) -> Iterator[Range]:
    """Where handles and hashtags name somebody, without their mark.

    Args:
        is_first_name: whether a word is a first name and little else.
    """
    if "@" not in text and "#" not in text:
        return
    lists = lexicon()
    for match in _HANDLE.finditer(text):
        whole = match["whole"]
        tag = match[0][0] == "#"
        parts = _APART.fullmatch(whole)
        if parts is not None:
            first, last = (part.capitalize() for part in parts.groups() if part)
            found = _are_names(first, last, lists, is_first_name, sure=tag)
        else:
            found = tag and whole.islower() and _is_surname(whole, lists)
        if found:
            yield match.start("whole"), match.end("whole")


def _are_names(
    first: str, last: str, lists: Lexicon, is_first_name: Callable[[str], bool], *, sure: bool = False
) -> bool:
    """Whether a capitalised pair is first name and surname.

    Args:
        sure: the surname has to be a listed one that is no common word, as for hashtags, which are about everything.
    """
    firsts, lasts = _spellings(first), _spellings(last)
    listed = any(is_name(word.lower(), lists.surnames) for word in lasts)
    common = any(
        lists.is_noun(word.lower()) or word.lower() in lists.groups or word.lower() in lists.towns for word in lasts
    )
    if any(map(is_first_name, firsts)) and not common:
        return listed or not sure
    return listed and not sure and any(word.lower() in lists.first_names for word in firsts)


def _is_surname(lower: str, lists: Lexicon) -> bool:
    """Whether a word in lower case is a surname and nothing else: by the lists, and among names by its meaning."""
    group = lists.groups.get(lower.capitalize())
    return (
        group is not None
        and group[0] in lists.named
        and lower in lists.surnames
        and lower not in lists.groups
        and not lists.is_noun(lower)
        and lower not in lists.towns
        and lower not in lists.places
    )


def _spellings(word: str) -> tuple[str, ...]:
    """The word as it is written, and with umlauts for the pairs of letters that stand for them."""
    spelt = word
    for pair, umlaut in _UMLAUTS:
        spelt = spelt.replace(pair, umlaut)
    return (word, spelt) if spelt != word else (word,)
