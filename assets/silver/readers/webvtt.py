"""Reads WebVTT transcripts: voices become speakers, cues become sentences and turns with their times."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from assets.silver.document import Document
from assets.silver.language import language_code
from assets.silver.limits import DEFAULT_LIMITS, Limits
from assets.silver.metadata import Metadata
from assets.silver.normalise import one_line
from assets.silver.readers import captions
from assets.silver.readers.transcript import document_of

if TYPE_CHECKING:
    from webvtt import WebVTT

READER = "webvtt/3"

_LANGUAGE = re.compile(r"^Language:\s*(\S+)", re.IGNORECASE)


def shows(text: str) -> bool:
    """Whether the text begins as every WebVTT file does."""
    return text.startswith("WEBVTT")


def read(text: str, limits: Limits = DEFAULT_LIMITS) -> Document:
    """A WebVTT file.

    Args:
        text: the whole file with clean characters and `\\n` line breaks.

    Raises:
        RefusedError: `malformed` when no cue can be understood, `too_many_cues`.
    """
    parsed, notes = captions.parse(text.lstrip("\ufeff \t\n"), "vtt", limits)
    return _metadata(parsed).over(document_of(captions.cues_of(parsed), READER, notes=notes, limits=limits))


def _metadata(parsed: WebVTT) -> Metadata:
    languages = [match[1] for line in parsed.metadata if (match := _LANGUAGE.match(line))]
    return Metadata(
        title=one_line(parsed.header_text).lstrip("-–— ") or None,
        language=language_code(languages[0]) if languages else None,
    )
