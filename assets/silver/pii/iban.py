"""Finds international bank account numbers, in any case and spacing, by their checksum."""

from __future__ import annotations

import re
from collections.abc import Iterator

from assets.silver.pii.span import Span

TYPE = "IBAN"

_SHORTEST, _LONGEST = 15, 34
"""Characters of an IBAN: Norway's, and the most that ISO 13616 allows."""

_GAP = r"(?:[ ./-]{0,2}|[ ]?\n)"
_CANDIDATE = re.compile(
    rf"(?:(?<![^\W_])|(?<=IBAN))(?=[A-Za-z]{{2}}{_GAP}[0-9])[A-Za-z]{{2}}(?:{_GAP}[A-Za-z0-9]){{13,32}}"
)


class Ibans:
    """Only numbers whose country, length and check digits fit are found."""

    def find(self, text: str, language: str | None) -> Iterator[Span]:
        """See `Recognizer.find`."""
        at = 0
        while candidate := _CANDIDATE.search(text, at):
            end = _end_of_number(text, candidate)
            if end is None:
                at = candidate.start() + 1
                continue
            value = _compact(text[candidate.start() : end])
            yield Span(candidate.start(), end, TYPE, value, checked=True)
            at = end


def _compact(text: str) -> str:
    return "".join(character for character in text if character.isalnum()).upper()


def _end_of_number(text: str, candidate: re.Match[str]) -> int | None:
    """Where the number ends within the candidate, which may run on into the words that follow."""
    from stdnum import iban

    compact = ""
    for at in range(candidate.start(), candidate.end()):
        if not text[at].isalnum():
            continue
        compact += text[at].upper()
        if _SHORTEST <= len(compact) <= _LONGEST and iban.is_valid(compact):
            return at + 1
    return None
