"""Finds German pension insurance numbers (Versicherungsnummer, § 147 SGB VI)."""

from __future__ import annotations

import re

from assets.silver.pii.context import named
from assets.silver.pii.german_numbers import BEGINS, GAP, NOT_BEFORE, GermanNumbers, NumberFormat, digit_sum

_WEIGHTS = (2, 1, 2, 5, 7, 1, 2, 1, 2, 1, 2, 1)
"""VKVV § 4; the letter counts as the two digits of its place in the alphabet."""

_DAY_ADDED = 50
"""Some agencies added it to the day where numbers ran out."""

_NAMES = named(
    (
        r"sozialversicherung",
        r"rentenversicherung",
        r"sv[-\s]?(?:nr|nummer)",
        r"rv[-\s]?(?:nr|nummer)",
        r"rvnr",
        r"svnr",
        r"versicherungs?[-\s]?(?:nr|nummer)",
        r"sozialversicherungsausweis",
        r"social\s+(?:security|insurance)",
        r"pension",
    )
)


def is_valid(number: str) -> bool:
    """Whether area, date of birth and check digit of the twelve characters are right."""
    day, month = int(number[2:4]) % _DAY_ADDED, int(number[4:6])
    if not (0 <= day <= 31 and 0 <= month <= 12):
        return False
    digits = f"{number[:8]}{ord(number[8]) - ord('A') + 1:02d}{number[9:11]}"
    total = sum(digit_sum(int(digit) * weight) for digit, weight in zip(digits, _WEIGHTS, strict=True))
    return total % 10 == int(number[11])


SocialSecurityNumbers = GermanNumbers(
    "DE_SOCIAL_SECURITY",
    (
        NumberFormat(
            re.compile(rf"\d{BEGINS}(?:{GAP}\d){{7}}{GAP}[A-Za-z](?:{GAP}\d){{3}}{NOT_BEFORE}"),
            _NAMES,
            is_valid,
            long=True,
        ),
    ),
)
