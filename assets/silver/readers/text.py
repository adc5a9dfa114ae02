"""Reads plain text: paragraphs are what empty lines separate."""

from __future__ import annotations

import re

from assets.silver.document import Document
from assets.silver.normalise import DocumentBuilder

READER = "text/1"

_EMPTY_LINE = re.compile(r"\n[ \t]*\n\s*")


def read(text: str) -> Document:
    """A text file.

    Args:
        text: the whole file with clean characters and `\\n` line breaks.
    """
    builder = DocumentBuilder()
    for paragraph in _EMPTY_LINE.split(text):
        builder.add("paragraph", paragraph)
    return builder.build(READER)
