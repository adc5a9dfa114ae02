"""Addresses that a text's links lead to: they are not kept, but one made to be filled in by a model is noticed."""

from __future__ import annotations

import re
from typing import Literal
from urllib.parse import unquote

from assets.silver.document import Hidden

_TO_BE_FILLED_IN = re.compile(
    r"[?&=/][^\s]*(?:[\[{<$]|%5B|%7B|%3C)|[?&][^\s]*(?:secret|prompt|conversation|history)", re.IGNORECASE
)
_LONGEST = 2_000


def carrier(shown_as: Literal["image", "link"], address: object) -> tuple[Hidden, ...]:
    """The address, if it has a place for data; written as Markdown, which is how a model would repeat it."""
    if not isinstance(address, str) or not _TO_BE_FILLED_IN.search(address[:_LONGEST]):
        return ()
    return (Hidden("link", f"{'!' if shown_as == 'image' else ''}[]({unquote(address[:_LONGEST])})"),)
