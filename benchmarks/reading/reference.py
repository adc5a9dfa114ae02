"""What plain use of each format's usual library finds in a file: the yardstick for `read_share`.

Has the shape of a reader, so that it runs in the same workers under the same limits.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from pathlib import PurePosixPath

from assets.silver.document import Block, Document
from assets.silver.limits import Limits
from assets.silver.refusal import RefusedError

PDF, HTML, WORD = (".pdf",), (".html", ".htm"), (".docx", ".docm")
PLAIN = (".md", ".markdown", ".txt", ".vtt", ".srt", ".tsv", ".json")
READ = (*PDF, *HTML, *WORD, *PLAIN)
"""Endings that there is a yardstick for."""

_CUES = (".vtt", ".srt")
_TIMES = re.compile(r"^.*-->.*$|^\d+$|^WEBVTT.*$", re.M)
_MARKUP = re.compile(r"\A---\n.*?^---\n|\A\+\+\+\n.*?^\+\+\+\n", re.S | re.M)


def read(
    content: bytes, path: str, limits: Limits, *, chosen: Callable[[str], None] | None = None
) -> tuple[Document, ...]:
    """The text that the reference finds, as a document of one block.

    Raises:
        RefusedError: it finds none, or cannot open the file.
    """
    ending = PurePosixPath(path).suffix.casefold()
    find = _pdf if ending in PDF else _html if ending in HTML else _word if ending in WORD else _plain
    try:
        text = find(content, ending)
    except Exception as error:  # a file that the reference cannot read counts for nothing
        raise RefusedError("malformed", type(error).__name__) from error
    if not any(map(str.isalnum, text)):
        raise RefusedError("empty")
    return (Document(text, (Block("paragraph", 0, len(text)),), "reference/1"),)


def _pdf(content: bytes, _: str) -> str:
    import logging

    from pypdf import PdfReader

    logging.getLogger("pypdf").setLevel(logging.CRITICAL)
    reader = PdfReader(io.BytesIO(content))
    if reader.is_encrypted:
        reader.decrypt("")
    return "\n".join(page.extract_text() for page in reader.pages)


def _html(content: bytes, _: str) -> str:
    import trafilatura

    return trafilatura.extract(content, include_comments=False) or ""


def _word(content: bytes, _: str) -> str:
    import docx

    document = docx.Document(io.BytesIO(content))
    cells = [cell.text for table in document.tables for row in table.rows for cell in row.cells]
    return "\n".join([*(paragraph.text for paragraph in document.paragraphs), *cells])


def _plain(content: bytes, ending: str) -> str:
    text = content.decode("utf-8-sig").replace("\r\n", "\n")
    if ending == ".json":
        import json

        json.loads(text)
    return _TIMES.sub("", text) if ending in _CUES else _MARKUP.sub("", text)
