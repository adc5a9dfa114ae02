"""Finds numbers of German driving licences (Führerschein) beside a word that says so."""

from __future__ import annotations

import re

from assets.silver.pii.context import named
from assets.silver.pii.german_numbers import BEGINS, NOT_BEFORE, GermanNumbers, NumberFormat

_NAMES = named(
    (
        r"führerschein",
        r"fuehrerschein",
        r"fahrerlaubnis",
        r"kartenführerschein",
        r"driv(?:ing|er'?s?|ers'?)\s+licen[cs]e",
        r"licen[cs]e\s+(?:number|no)",
        r"fs[-\s]?(?:nr|nummer)\b",
    )
)

DrivingLicences = GermanNumbers(
    "DE_DRIVING_LICENCE",
    (
        # authority (four characters), serial number (five), check digit, number of the copy
        NumberFormat(
            re.compile(
                rf"[A-Za-z]{BEGINS}(?=[A-Za-z ]*\d)(?:[ ]?[A-Za-z0-9]){{8}}[ ]?[0-9Xx][ ]?[0-9A-Za-z]{NOT_BEFORE}"
            ),
            _NAMES,
            needs_name=True,
        ),
    ),
    cues=("schein", "erlaubnis", "licen", "fs-nr", "fs nr", "fs-nummer"),
)
