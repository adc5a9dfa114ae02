"""What identity cards and passports share: nine characters of a serial number, and a tenth that checks them."""

from __future__ import annotations

import re

from assets.silver.pii.context import OTHER_NUMBERS, named
from assets.silver.pii.german_numbers import BEGINS, NOT_BEFORE, check_731

SERIAL = "CFGHJKLMNPRTVWXYZ0-9"
"""Characters of serial numbers since 2010: no vowels and none that is taken for another."""


def written(first: str, *, checked: bool) -> re.Pattern[str]:
    """Serial numbers that begin with one of these letters, with or without their check digit."""
    end = r"[ <]?\d(?:D|<<)?" if checked else ""
    any_case = "".join(f"{letter}{letter.lower()}" for letter in first)
    serial = f"{SERIAL}{''.join(c.lower() for c in SERIAL if c.isalpha())}"
    return re.compile(rf"[{any_case}]{BEGINS}(?=[A-Za-z ]{{0,10}}\d)(?:[ ]?[{serial}]){{8}}{end}{NOT_BEFORE}")


OTHERWISE = named(name for name in OTHER_NUMBERS if name not in ("serien", "serial"))
"""Numbers of other kinds: that of a card is its serial number."""


def is_valid(number: str) -> bool:
    """Whether the tenth character checks the first nine."""
    return check_731(number[:9]) == int(number[9])
