"""Text as a person reads it: letters of other alphabets, styled and struck ones as the plain letters they look like."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

_LOOKALIKES = {
    "авсԁеһіјкӏмнорԛѕтуѵԝхүёїАВСЕНІЈКМОРЅТУХԜ": "abcdehijklmhopqstyvwxyeiABCEHIJKMOPSTYXW",  # Cyrillic
    "αβεηικνορτυχγωΑΒΕΖΗΙΚΜΝΟΡΤΥΧ": "abenikvoptuxywABEZHIKMNOPTYX",  # Greek
    "ɑɡɩıᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘʀꜱᴛᴜᴠᴡʏᴢ": "agiiabcdefghijklmnoprstuvwyz",  # Latin, for other languages and for sounds
}
"""Letters, and what each of them looks like."""

_BLANKS = "\u2800\u3164\uffa0\u115f\u1160"
"""Characters without ink that are no white space: the blank of Braille, the fillers of Hangul."""

_ENCLOSED = (*range(0x24B6, 0x24EA), *range(0x1F130, 0x1F14A), *range(0x1F150, 0x1F16A), *range(0x1F170, 0x1F18A))


def _table() -> dict[int, str]:
    table = {ord(a): b for letters, plain in _LOOKALIKES.items() for a, b in zip(letters, plain, strict=True)}
    table |= {ord(blank): " " for blank in _BLANKS}
    for code in _ENCLOSED:
        name = unicodedata.name(chr(code), "").rsplit(" ", 1)[-1]
        if len(name) == 1:
            table[code] = name.lower()
    return table


_PLAIN = _table()
_SUSPECT = re.compile("[" + "".join(chr(code) for code in sorted(_PLAIN) if code <= 0xFFFF) + "]")
_BEYOND = re.compile("[\U00010000-\U0010ffff]")
"""Apart, because re looks up characters of the first 65,536 in a table and compares all others one by one."""
_WORD = re.compile(r"\S*[" + "".join(map(chr, sorted(_PLAIN))) + r"]\S*")
_MARK = re.compile("[\u0300-\u036f\u0489\u20d0-\u20ff]")
_MANY_MARKS = 10
"""Marks on letters that have no character of their own together with them, from which text is read without any: a few
are found in the words of some languages."""


@dataclass(frozen=True, slots=True)
class Folded:
    """A text as a person reads it; `places[n]` is where its character `n` stands in the original, None: at `n`."""

    text: str
    places: Sequence[int] | None = None

    def origin(self, start: int, end: int) -> tuple[int, int]:
        """The range in the original that `text[start:end]` was made from."""
        return (start, end) if self.places is None else (self.places[start], self.places[end - 1] + 1)


def folded(text: str) -> Folded | None:
    """The text with plain letters; None where it reads the same as it stands."""
    if text.isascii():
        return None
    plain = _WORD.sub(_without_lookalikes, text) if _SUSPECT.search(text) or _BEYOND.search(text) else text
    if len(_MARK.findall(plain)) < _MANY_MARKS:
        return None if plain == text else Folded(plain)
    places = [place for place, character in enumerate(plain) if not _MARK.match(character)]
    return Folded("".join(plain[place] for place in places), places)


def _without_lookalikes(match: re.Match[str]) -> str:
    """A word in plain letters, if that makes it one of plain letters throughout; a Russian word stays as it is."""
    plain = match[0].translate(_PLAIN)
    return plain if plain.isascii() or _MARK.search(plain) else match[0]
