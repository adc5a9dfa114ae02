"""Finds numbers of German identity cards (Personalausweis), such as the specimen L01X00T47."""

from __future__ import annotations

import re

from assets.silver.pii.context import named
from assets.silver.pii.de_documents import OTHERWISE, is_valid, written
from assets.silver.pii.german_numbers import BEGINS, NOT_BEFORE, GermanNumbers, NumberFormat, check_731

_FIRST = "LMNPRTVWXY"
"""First letters that the authorities for identity cards were given."""

_NAMES = named(
    (
        r"\w*personal[-\s]?ausweis",
        r"perso\b",
        r"ausweis",
        r"identitätskarte",
        r"identity\s+card",
        r"national\s+id",
        r"id[-\s]?(?:card|karte)",
        r"german\s+id",
        r"npa\b",
        r"pa[-\s]?nr",
        r"bpa\b",
        r"id[-\s]?(?:no\b|number|nummer|nr\b)",
    )
)


def _is_valid_old(number: str) -> bool:
    return check_731(number[:9]) == int(number[9])


IdCards = GermanNumbers(
    "DE_ID_CARD",
    (
        NumberFormat(written(_FIRST, checked=True), _NAMES, is_valid),
        NumberFormat(written(_FIRST, checked=False), _NAMES, needs_name=True),
        # until 2010: four digits of the authority, five of the card, a check digit, D
        NumberFormat(re.compile(rf"\d{BEGINS}\d{{8}} ?\d ?D{NOT_BEFORE}"), _NAMES, _is_valid_old, long=True),
        NumberFormat(re.compile(rf"\d{BEGINS}\d{{9}}{NOT_BEFORE}"), _NAMES, _is_valid_old, needs_name=True, long=True),
    ),
    others=OTHERWISE,
)
