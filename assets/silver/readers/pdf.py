"""Reads PDF: its pages become headings, paragraphs, lists and tables, without what is printed on every page.

PDFium reads the pages, sixteen times as fast as pypdf and with the same text; pypdf reads what PDFium cannot.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from assets.silver.document import Document, Hidden
from assets.silver.limits import DEFAULT_LIMITS, Limits
from assets.silver.metadata import Metadata
from assets.silver.normalise import DocumentBuilder, clean_characters
from assets.silver.readers import ocr, pdf_fallback
from assets.silver.readers.page_text import heading_key, paragraphs_of
from assets.silver.readers.pdf_page import FontsLostError, PageReader
from assets.silver.readers.pdf_text import MAX_OUTLINE_DEPTH, PdfText
from assets.silver.readers.properties import properties
from assets.silver.refusal import RefusedError

if TYPE_CHECKING:
    from pypdfium2 import PdfDocument

READER = "pdf/5"

_LOOKED_AT = 10
"""Pages in which pypdf looks for text where PDFium has found none: scans are long."""
_MANY_TORN = 0.15
"""Share of words of one letter beyond which blanks stand within words; German and English text has below 0.05."""
_CLEARLY_LESS = 0.6
_SAME_LETTERS = 0.9
_MOST_BOOKMARKS = 10_000
_DATE = re.compile(r"(?:D:)?(\d{4})(\d{2})(\d{2})")


def read(content: bytes, limits: Limits = DEFAULT_LIMITS) -> Document:
    """A PDF file, opened with the empty password where it is encrypted.

    Pages that cannot be read while others can are left out and noted. White, tiny, transparent, covered and invisible
    text, and text beyond the edges of the page, is kept apart; what text recognition put behind a scan is text.

    Raises:
        RefusedError: `encrypted` when it needs a password, `malformed` when it is damaged, `too_many_pages`,
            `no_text_layer` when its pages hold no text.
    """
    found = _read_pages(content, limits)
    pages, damaged = found.pages, found.damaged
    if damaged and len(damaged) == len(pages):
        raise RefusedError("malformed", "no page can be read")
    empty = [number for number, page in enumerate(pages, start=1) if not any(line.text.strip() for line in page)]
    if len(empty) == len(pages):
        raise RefusedError(
            "no_text_layer", "1 page without text" if len(pages) == 1 else f"{len(pages)} pages without text"
        )
    builder = DocumentBuilder()
    for paragraph in paragraphs_of(pages, found.outline):
        builder.add(paragraph.kind, paragraph.text, level=paragraph.level, page=paragraph.page)
    notes = [f"page {number} is damaged and was left out" for number in damaged]
    notes += [f"page {number} holds no text" for number in empty if number not in damaged]
    if found.recognised:
        notes.append(f"text of {len(found.recognised)} scanned pages was recognised by tesseract (OCR)")
    hidden: dict[str, list[str]] = {}
    for kind, text in found.hidden:
        hidden.setdefault(kind, []).append(text)
    if hidden:
        notes.append(f"text that people do not see was left out ({', '.join(hidden)})")
    document = replace(
        builder.build(READER, notes=tuple(notes)),
        hidden=tuple(Hidden(kind, clean_characters("\n".join(texts))) for kind, texts in hidden.items()),
    )
    return _metadata(found).over(document)


def _read_pages(content: bytes, limits: Limits) -> PdfText:
    """The pages by PDFium, or by pypdf where PDFium cannot open the file, finds next to no text, or torn words."""
    found = _by_pdfium(content, limits)
    if found is None:
        return pdf_fallback.read_pages(content, limits)
    if found.recognised:
        return found
    readable, torn = found.readable or bool(found.hidden), found.torn
    if readable and torn < _MANY_TORN:
        return found
    try:
        other = pdf_fallback.read_pages(content, limits, first=None if readable else _LOOKED_AT)
    except RefusedError:
        return found
    if not readable:
        return other if other.letters > found.letters else found
    better = other.letters >= _SAME_LETTERS * found.letters and other.torn < _CLEARLY_LESS * torn
    return other if better and not found.hidden else found


def _by_pdfium(content: bytes, limits: Limits) -> PdfText | None:
    try:
        return _by_pdfium_with(content, limits, forms=True)
    except FontsLostError:
        return _by_pdfium_with(content, limits, forms=False)


def _by_pdfium_with(content: bytes, limits: Limits, *, forms: bool) -> PdfText | None:
    from pypdfium2 import PdfDocument, PdfiumError

    try:
        document = PdfDocument(content)
    except PdfiumError:
        return None
    try:
        count = len(document)
        if count > limits.pages:
            raise RefusedError("too_many_pages", f"{count} pages")
        if count == 0:
            return None
        reader = PageReader(document, forms=forms)
        found = PdfText([])
        for number in range(1, count + 1):
            try:
                page = reader.read(number)
            except (ValueError, PdfiumError):
                found.damaged.append(number)
                found.pages.append([])
                continue
            found.pages.append(page.lines)
            found.hidden += page.hidden
        if limits.ocr:
            _recognise(document, found, limits)
        found.outline = _outline(document)
        found.properties = _properties(document)
    finally:
        document.close()
    return found


def _properties(document: PdfDocument) -> dict[str, str]:
    try:
        return {str(key): str(value) for key, value in document.get_metadata_dict().items()}
    except ValueError:
        # Titles in an encoding that is none.
        return {}


def _recognise(document: PdfDocument, found: PdfText, limits: Limits) -> None:
    """Fill pages without text with what text recognition finds on them, where it is installed."""
    scans = [number for number, lines in enumerate(found.pages, start=1) if not lines and number not in found.damaged]
    if not scans or not ocr.languages():
        return
    for number, lines in ocr.recognise(document, scans, limits):
        found.pages[number - 1] = lines
        if lines:
            found.recognised.append(number)


def _outline(document: PdfDocument) -> dict[tuple[int, str], int]:
    """Level of each bookmark by page and title."""
    from pypdfium2 import PdfiumError

    levels: dict[tuple[int, str], int] = {}
    try:
        for position, entry in enumerate(document.get_toc(max_depth=MAX_OUTLINE_DEPTH)):
            if position >= _MOST_BOOKMARKS:
                break
            destination = entry.get_dest()
            page = None if destination is None else destination.get_index()
            title = clean_characters(entry.get_title())
            if page is not None and title:
                levels.setdefault((page + 1, heading_key(title)), min(entry.level + 1, MAX_OUTLINE_DEPTH))
    except (PdfiumError, ValueError):
        # A damaged outline is no reason to refuse the text: it is only an aid.
        return {}
    return levels


def _metadata(found: PdfText) -> Metadata:
    """Title, author and day, where they were written by a person and not left behind by a program."""
    date = _DATE.match(found.properties.get("CreationDate", ""))
    return properties(
        {
            "title": found.properties.get("Title"),
            "author": found.properties.get("Author"),
            "date": "-".join(date.groups()) if date else None,
        }
    )
