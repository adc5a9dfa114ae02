"""Words beside a number that say what it is."""

from __future__ import annotations

import re
from collections.abc import Iterable

from assets.silver.pii.table import heading

REACH = 60
"""Characters before a number in which a word may say what it is."""

AFTER = 30
"""Characters behind it, for the rarer order `… ist die Steuernummer`."""

NUMBER = r"(?:[-\s]?(?:nr|no|nummern?|number|num)\b\.?)?"

_SHORT = re.compile(r"\b(?:nr|no)\.", re.IGNORECASE)

_ANOTHER = re.compile(r"[0-9]{4,}")


def named(names: Iterable[str]) -> re.Pattern[str]:
    """A pattern for any of these names (regular expressions) as the beginning of a word, in any case."""
    return re.compile(rf"(?<![^\W\d_])(?:{'|'.join(names)})", re.IGNORECASE)


def is_called(names: re.Pattern[str], text: str, start: int, end: int, others: re.Pattern[str] | None = None) -> bool:
    """Whether a name stands before `text[start:end]`, close behind it, or at the head of its column.

    A name before it counts while no other long number stands between the two, and while it is the last one before
    the number: `others` are names of other kinds of numbers.
    """
    before = text[max(0, start - REACH) : start]
    last = last_place(names, before)
    if last is not None:
        other = last_place(others, before) if others is not None else None
        if not _ANOTHER.search(before, last) and (other is None or other <= last):
            return True
    behind = text[end : end + AFTER].split("\n")[0]
    match = names.search(behind)
    if match is not None and not re.search(r"[0-9.!?;]", _SHORT.sub("", behind[: match.start()])):
        return True
    return names.search(heading(text, start)) is not None


def last_place(names: re.Pattern[str], text: str) -> int | None:
    """Where the last of the names in the text begins."""
    place = None
    for match in names.finditer(text):
        place = match.start()
    return place


OTHER_NUMBERS = (
    r"isbn",
    r"issn",
    r"doi\b",
    r"ean\b",
    r"gtin",
    r"upc\b",
    r"artikel",
    r"bestell",
    r"auftrag",
    r"kunden",
    r"rechnung",
    r"serien",
    r"order",
    r"invoice",
    r"item\b",
    r"product",
    r"produkt",
    r"part\b",
    r"teile?nummer",
    r"modell",
    r"model\b",
    r"aktenzeichen",
    r"az\.",
    r"hr[ab]\b",
    r"version",
    r"build",
    r"release",
    r"serial",
    r"ticket",
    r"vorgang",
    r"tracking",
    r"sendung",
    r"paket",
    r"customer",
    r"commit",
    r"hash",
    r"timestamp",
    r"zeitstempel",
    r"zähler",
    r"reference",
    r"referenz",
    r"(?<!reverse )(?<!reverse-)charge",
    r"lot\b",
    r"sku\b",
    r"vin\b",
)
"""Names of numbers of other kinds."""

OTHERWISE_NUMBERED = named(OTHER_NUMBERS)
