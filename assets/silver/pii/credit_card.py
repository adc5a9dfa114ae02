"""Finds numbers of payment cards by their issuer, length and checksum."""

from __future__ import annotations

import re
from collections.abc import Iterator

from assets.silver.pii.figures import found, near_clusters
from assets.silver.pii.span import Span

TYPE = "CREDIT_CARD"

_SHORTEST, _LONGEST = 12, 19

_SMALLEST_FIRST_GROUP = 4

_DIGITS = re.compile(r"(?<![\w./+-])(?<!\d,)[0-9](?:[ .\-\n\u00a0\u202f]{0,2}[0-9]){11,}(?!\w)")
_NAMED = re.compile(r"(?i)card|karte|\bcc\b|visa|master|amex|american express|diners|maestro|\bjcb\b|discover|kreditk")
_REACH = 40
"""Characters before a number in which a word says that it is one of a card."""

_GROUP = re.compile(r"[0-9]+")

_ISSUERS: tuple[tuple[int, int, tuple[int, ...]], ...] = (
    (4, 4, (16, 19)),  # Visa; its old numbers of 13 digits look like article numbers
    (51, 55, (16,)),  # Mastercard
    (2221, 2720, (16,)),  # Mastercard
    (34, 34, (15,)),  # American Express
    (37, 37, (15,)),
    (300, 305, (14,)),  # Diners Club
    (3095, 3095, (14,)),
    (36, 36, (14,)),
    (38, 39, (14,)),
    (3528, 3589, (16, 17, 18, 19)),  # JCB
    (1800, 1800, (15,)),
    (2131, 2131, (15,)),
    (6011, 6011, (16, 17, 18, 19)),  # Discover
    (644, 649, (16, 17, 18, 19)),
    (65, 65, (16, 17, 18, 19)),
    (62, 62, (16, 17, 18, 19)),  # UnionPay
    (5018, 5018, tuple(range(12, 20))),  # Maestro
    (5020, 5020, tuple(range(12, 20))),
    (5038, 5038, tuple(range(12, 20))),
    (5893, 5893, tuple(range(12, 20))),
    (6304, 6304, tuple(range(12, 20))),
    (6759, 6759, tuple(range(12, 20))),
    (6761, 6763, tuple(range(12, 20))),
)
"""First and last prefix of each issuer, and the lengths of its numbers (ISO/IEC 7812 and the issuers' own pages)."""


class CreditCards:
    """Numbers in one piece or in groups; every start and end at a group's border is tried."""

    cues = ()

    def find(self, text: str, language: str | None) -> Iterator[Span]:
        """See `Recognizer.find`."""
        for run in found(_DIGITS, text, near_clusters(text)):
            groups = list(_GROUP.finditer(text, run.start(), run.end()))
            named = _NAMED.search(text, max(0, run.start() - _REACH), run.start()) is not None
            first = 0
            while first < len(groups):
                last = _last_group(groups, first, named=named)
                if last is None:
                    first += 1
                    continue
                number = "".join(group[0] for group in groups[first : last + 1])
                yield Span(groups[first].start(), groups[last].end(), TYPE, number, checked=True)
                first = last + 1


def _last_group(groups: list[re.Match[str]], first: int, *, named: bool) -> int | None:
    """Index of the group that ends the longest card number beginning with the group at `first`.

    Args:
        named: a word before it says that it is a card: then any spacing and any issuer will do.
    """
    number = ""
    found: int | None = None
    if len(groups[first][0]) < _SMALLEST_FIRST_GROUP and not named and len(groups[first][0]) > 1:
        return None
    for index in range(first, len(groups)):
        number += groups[index][0]
        if len(number) > _LONGEST:
            break
        sizes = [len(group[0]) for group in groups[first : index + 1]]
        if (named or _is_customary(sizes)) and _is_card(number, named=named):
            found = index
    return found


def _is_customary(sizes: list[int]) -> bool:
    """Whether cards are written in such groups; columns of figures that pass the checksum by chance seldom are."""
    if len(sizes) == 1 or sizes == [8, 8] or max(sizes) == 1:
        return True
    return sizes[0] in (4, 6) and all(3 <= size <= 6 for size in sizes[1:-1]) and 1 <= sizes[-1] <= 6


def _is_card(number: str, *, named: bool) -> bool:
    from stdnum import luhn

    if len(number) < _SHORTEST or len(set(number)) == 1:
        return False
    issued = named or any(
        low <= int(number[: len(str(low))]) <= high and len(number) in lengths for low, high, lengths in _ISSUERS
    )
    return issued and bool(luhn.is_valid(number))
