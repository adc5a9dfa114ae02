"""Finds German tax numbers (Steuernummer) beside a word that says so: their checksums differ by state and office."""

from __future__ import annotations

import re

from assets.silver.pii.context import named
from assets.silver.pii.german_numbers import BEGINS, NOT_BEFORE, GermanNumbers, NumberFormat

_NAMES = named(
    (
        r"steuer[-\s]?n(?:ummer|r)",
        r"st\.?[-\s/]?n(?:ummer|r)\b",
        r"finanzamt",
        r"fa\b",
        r"tax[-\s](?:number|no|ref)",
        r"german\s+tax",
        r"steuerliche\s+registrier",
        r"steuernummern?",
    )
)

TaxNumbers = GermanNumbers(
    "DE_TAX_NUMBER",
    (
        # two to three digits of the tax office, district and serial number as each state writes them
        NumberFormat(
            re.compile(rf"\d{BEGINS}\d{{1,2}}\s?([ /.-])\s?\d{{3,4}}\s?\1\s?\d{{4,5}}{NOT_BEFORE}"),
            _NAMES,
            needs_name=True,
            long=True,
        ),
        NumberFormat(
            re.compile(rf"\d{BEGINS}\d{{2}}\s?/\s?\d{{4}}\s?/\s?\d{{4}}{NOT_BEFORE}"),
            _NAMES,
            needs_name=True,
            long=True,
        ),
        # the check digit set apart
        NumberFormat(
            re.compile(rf"\d{BEGINS}\d{{1,2}}/\d{{3,4}}/\d{{3,4}}/\d{NOT_BEFORE}"), _NAMES, needs_name=True, long=True
        ),
        # five, three and five digits: Nordrhein-Westfalen's 123/4567/8901 and Hessen's 013 815 08153 are above
        NumberFormat(
            re.compile(rf"\d{BEGINS}\d{{4}}(?:[ ]|\s?/\s?)\d{{5}}{NOT_BEFORE}"), _NAMES, needs_name=True, long=True
        ),
        # the unified form, thirteen digits, and those of ten or eleven
        NumberFormat(re.compile(rf"\d{BEGINS}\d{{9,10}}{NOT_BEFORE}"), _NAMES, needs_name=True, long=True),
        NumberFormat(
            re.compile(rf"\d{BEGINS}\d{{3}}[ /]?0[ /]?\d{{3,4}}[ /]?\d{{4,5}}{NOT_BEFORE}"),
            _NAMES,
            needs_name=True,
            long=True,
        ),
    ),
    cues=("steuer", "st.-", "st.n", "st. n", "st-n", "st/n", "stnr", "st nr", "finanzamt", "tax"),
)
