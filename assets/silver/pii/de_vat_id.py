"""Finds German VAT identification numbers (Umsatzsteuer-Identifikationsnummer, § 27a UStG)."""

from __future__ import annotations

import re

from assets.silver.pii.context import named
from assets.silver.pii.german_numbers import GAP, NOT_BEFORE, GermanNumbers, NumberFormat


def _is_valid(number: str) -> bool:
    from stdnum.de import vat

    return bool(vat.is_valid(number))


_NAMES = named(
    (r"ust\b", r"ust[-.\s]?id", r"umsatzsteuer", r"mwst", r"vat\b", r"uid\b", r"ustidnr", r"reverse[-\s]?charge")
)

VatIds = GermanNumbers(
    "DE_VAT_ID",
    (NumberFormat(re.compile(rf"(?<![A-Za-z0-9])[Dd][Ee](?:{GAP}\d){{9}}{NOT_BEFORE}"), _NAMES, _is_valid, long=True),),
    cues=("de",),
)
"""DE and nine digits, the last a check digit (ISO 7064, MOD 11, 10)."""
