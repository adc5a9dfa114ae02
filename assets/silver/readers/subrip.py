"""Reads SubRip (`.srt`) and YouTube's SBV: cues become sentences and turns, names before a colon speakers."""

from __future__ import annotations

from assets.silver.document import Document
from assets.silver.limits import DEFAULT_LIMITS, Limits
from assets.silver.readers import captions
from assets.silver.readers.transcript import document_of

READER = "subrip/2"
SBV_READER = "sbv/3"

_SEARCHED = 2000
"""Characters within which the first cue begins."""


def shows(text: str) -> bool:
    """Whether a cue with an arrow stands at the text's beginning, as in SubRip with or without numbers."""
    return _begins(captions.ARROW.search(text, 0, _SEARCHED), text)


def shows_sbv(text: str) -> bool:
    """Whether the text begins with a pair of times and a comma between them."""
    return captions.COMMA.match(text) is not None


def read(text: str, limits: Limits = DEFAULT_LIMITS) -> Document:
    """A SubRip file; a WebVTT file that lost its header is read like one.

    Args:
        text: the whole file with clean characters and `\\n` line breaks.

    Raises:
        RefusedError: `malformed` when no cue can be understood, `too_many_cues`.
    """
    parsed, notes = captions.parse(text, "srt", limits)
    return document_of(captions.cues_of(parsed), READER, notes=notes, limits=limits)


def read_sbv(text: str, limits: Limits = DEFAULT_LIMITS) -> Document:
    """An SBV file; arguments and errors as for `read`."""
    parsed, notes = captions.parse(text.replace("[br]", "\n"), "sbv", limits)
    return document_of(captions.cues_of(parsed), SBV_READER, notes=notes, limits=limits)


def _begins(match: object, text: str) -> bool:
    """Whether at most a number or a name stands before the first times."""
    start = getattr(match, "start", None)
    return start is not None and len([line for line in text[: start()].split("\n") if line.strip()]) <= 1
