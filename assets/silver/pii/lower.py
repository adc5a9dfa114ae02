"""A text in lower case with every character at its place: a search in it needs no pattern that ignores case, which is several times as slow."""

from __future__ import annotations

import functools

_REMEMBERED = 4
"""Texts that are kept: one is asked by several recognizers, one after the other."""


@functools.lru_cache(maxsize=_REMEMBERED)
def lowered(text: str) -> str:
    """The text in lower case, as long as before: what becomes two characters (`İ`) stays as it is."""
    lower = text.lower()
    return lower if len(lower) == len(text) else "".join(c.lower() if len(c.lower()) == 1 else c for c in text)
