"""Finds German tax identification numbers (Steuer-Identifikationsnummer, § 139b AO)."""

from __future__ import annotations

import re

from assets.silver.pii.context import named
from assets.silver.pii.german_numbers import BEGINS, GAP, NOT_BEFORE, GermanNumbers, NumberFormat


def _is_valid(number: str) -> bool:
    from stdnum.de import idnr

    return bool(idnr.is_valid(number))


_NAMES = named(
    (
        r"steuer[-\s]?id",
        r"steuerliche\s+ident",
        r"id[-\s]?nr\b",
        r"identifikations?[-\s]?(?:nummer|nr)",
        r"persönliche\s+ident",
        r"tin\b",
        r"tax\s+(?:payer\s+)?id",
        r"st[-.]?\s?id\b",
    )
)

TaxIds = GermanNumbers(
    "DE_TAX_ID",
    (
        NumberFormat(
            re.compile(rf"[1-9]{BEGINS}\d(?:\d{{9}}|([ \u00a0./-])\d{{3}}\1\d{{3}}\1\d{{3}}){NOT_BEFORE}"),
            _NAMES,
            _is_valid,
            long=True,
        ),
        NumberFormat(
            re.compile(rf"[1-9]{BEGINS}(?:{GAP}\d){{10}}{NOT_BEFORE}"), _NAMES, _is_valid, needs_name=True, long=True
        ),
    ),
)
"""Eleven digits, the last a check digit (ISO 7064, MOD 11, 10)."""
