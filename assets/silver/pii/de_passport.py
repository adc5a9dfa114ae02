"""Finds numbers of German passports (Reisepass), such as the specimen C01X00T478."""

from __future__ import annotations

from assets.silver.pii.context import named
from assets.silver.pii.de_documents import OTHERWISE, is_valid, written
from assets.silver.pii.german_numbers import GermanNumbers, NumberFormat

_FIRST = "CFGHJK"
"""First letters that passport authorities were given."""

_NAMES = named(
    (
        r"(?:reise|kinderreise|dienst)?pass(?:port|nummer|[-\s]?nr|es)?\b",
        r"passport",
        r"travel\s+document",
        r"reisedokument",
    )
)

Passports = GermanNumbers(
    "DE_PASSPORT",
    (
        NumberFormat(written(_FIRST, checked=True), _NAMES, is_valid),
        NumberFormat(written(_FIRST, checked=False), _NAMES, needs_name=True),
    ),
    others=OTHERWISE,
)
