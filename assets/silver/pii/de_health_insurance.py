"""Finds German health insurance numbers (Krankenversichertennummer, § 290 SGB V)."""

from __future__ import annotations

import re

from assets.silver.pii.context import named
from assets.silver.pii.german_numbers import BEGINS, GAP, NOT_BEFORE, GermanNumbers, NumberFormat, digit_sum

_NAMES = named(
    (
        r"kranken(?:versicher|kasse)",
        r"versicherten?[-\s]?(?:nr|nummer|id)",
        r"kvnr",
        r"kv[-\s]?(?:nr|nummer)",
        r"gesundheitskarte",
        r"egk\b",
        r"health\s+insurance",
        r"insurance\s+(?:id|number)",
        r"versichert",
    )
)


def is_valid(number: str) -> bool:
    """Whether the check digit is right: the letter as two digits and the next eight, weighed 1, 2, 1, 2 …"""
    digits = f"{ord(number[0]) - ord('A') + 1:02d}{number[1:9]}"
    total = sum(digit_sum(int(digit) * (1 + place % 2)) for place, digit in enumerate(digits))
    return total % 10 == int(number[9])


HealthInsuranceNumbers = GermanNumbers(
    "DE_HEALTH_INSURANCE",
    (
        NumberFormat(re.compile(rf"[A-Z]{BEGINS} ?\d(?:[ ]?\d){{8}}{NOT_BEFORE}"), _NAMES, is_valid, long=True),
        NumberFormat(
            re.compile(rf"[A-Za-z]{BEGINS}(?:{GAP}\d){{9}}{NOT_BEFORE}"), _NAMES, is_valid, needs_name=True, long=True
        ),
    ),
)
"""The unchangeable part: a letter, eight digits, a check digit."""
