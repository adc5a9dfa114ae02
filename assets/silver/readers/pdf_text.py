"""What is read of a PDF before it becomes paragraphs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from assets.silver.readers.page_layout import Line

MAX_OUTLINE_DEPTH = 6

_LETTER = re.compile(r"[^\W_]")
_ALONE = re.compile(r"(?<!\S)[^\W\d_](?!\S)")
_SIGN = re.compile(r"[^\s._…-]")
"""Whatever is printed, but for dots and lines that lead somewhere."""
_FEW_WORDS = 50
_SAMPLED, _SAMPLE = 20, 2_000
"""Lines of a page and characters of a document that are looked at."""


@dataclass(slots=True)
class PdfText:
    """Lines of all pages and what the file says about them.

    Attributes:
        pages: lines of each page, in the order of its content.
        damaged: numbers of pages that cannot be read, from 1.
        recognised: numbers of pages whose text was recognised in a picture.
        hidden: kinds and texts of what people do not see.
        outline: level of each bookmark, by the page it leads to and `heading_key` of its title.
        properties: the document information dictionary, e.g. `Title`.
    """

    pages: list[list[Line]]
    damaged: list[int] = field(default_factory=list)
    recognised: list[int] = field(default_factory=list)
    hidden: list[tuple[str, str]] = field(default_factory=list)
    outline: Mapping[tuple[int, str], int] = field(default_factory=dict)
    properties: Mapping[str, str] = field(default_factory=dict)

    @property
    def letters(self) -> int:
        """Letters and digits on all pages."""
        return sum(len(_LETTER.findall(line.text)) for page in self.pages for line in page)

    @property
    def readable(self) -> bool:
        """Whether there is text, and most of it letters and digits."""
        sample = "".join(line.text for page in self.pages for line in page[:_SAMPLED])[:_SAMPLE]
        return 2 * len(_LETTER.findall(sample)) >= len(_SIGN.findall(sample)) > 0

    @property
    def torn(self) -> float:
        """Share of words that are a single letter; 0 for texts of a few words."""
        text = " ".join(line.text for page in self.pages for line in page)
        words, alone = text.count(" ") + 1, len(_ALONE.findall(text))
        return alone / words if words > _FEW_WORDS else 0.0
