"""Finds international bank account numbers, in any case and spacing, by their checksum."""

from __future__ import annotations

import re
from collections.abc import Iterator

from assets.silver.pii.figures import near_clusters
from assets.silver.pii.span import Span

TYPE = "IBAN"

_LENGTHS = {
    entry[:2]: int(entry[2:])
    for entry in (
        "AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DJ27 DK18 DO28 EE20 EG29"
        " ES24 FI18 FK18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HN28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 KW30"
        " KZ20 LB28 LC32 LI21 LT20 LU20 LV21 LY25 MC27 MD24 ME22 MK19 MN20 MR27 MT31 MU30 NI28 NL18 NO15 OM23 PK24"
        " PL28 PS29 PT25 QA29 RO24 RS22 RU33 SA24 SC31 SD18 SE24 SI19 SK24 SM27 SO23 ST25 SV28 TL23 TN24 TR26 UA29"
        " VA22 VG24 XK20 YE30"
    ).split()
}
"""Characters of an IBAN by country (SWIFT, IBAN registry, ISO 13616)."""

_GAP = r"(?:[ \t\u00a0\u202f./–-]{0,2}|[ ]?\n)"
_CANDIDATE = re.compile(
    rf"(?:(?<![^\W_])|(?<=IBAN))(?=[A-Za-z]{_GAP}[A-Za-z]{_GAP}[0-9])[A-Za-z]{_GAP}[A-Za-z](?:{_GAP}[A-Za-z0-9]){{13,32}}"
)


class Ibans:
    """Only numbers whose country, length and check digits fit are found."""

    cues = ()

    def find(self, text: str, language: str | None) -> Iterator[Span]:
        """See `Recognizer.find`."""
        for at, stop in near_clusters(text):
            while candidate := _CANDIDATE.search(text, at, stop):
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
    length = _LENGTHS.get(_compact(candidate[0])[:2])
    places = [at for at in range(candidate.start(), candidate.end()) if text[at].isascii() and text[at].isalnum()]
    if length is None or len(places) < length:
        return None
    end = places[length - 1] + 1
    return end if _is_valid(_compact(text[candidate.start() : end])) else None


def _is_valid(number: str) -> bool:
    """Whether the check digits are right (ISO 7064, MOD 97-10); what banks check in a country is not asked for."""
    return number[2:4].isdigit() and int("".join(str(int(c, 36)) for c in number[4:] + number[:4])) % 97 == 1
