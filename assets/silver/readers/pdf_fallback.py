"""Reads the pages of a PDF with pypdf, for files that PDFium cannot open or in which it finds no text."""

from __future__ import annotations

import io
import logging
import math
import struct
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

from assets.silver.limits import Limits
from assets.silver.normalise import clean_characters
from assets.silver.readers.page_layout import Line
from assets.silver.readers.page_text import heading_key
from assets.silver.readers.pdf_text import MAX_OUTLINE_DEPTH, PdfText
from assets.silver.refusal import RefusedError

if TYPE_CHECKING:
    from pypdf import PageObject, PdfReader

_UNUSED_CODE = b"<FFFE>"
_SPACE_ENTRY = b"1 beginbfchar\n" + _UNUSED_CODE + b" <0020>\nendbfchar\nendcmap"


def read_pages(content: bytes, limits: Limits, *, first: int | None = None) -> PdfText:
    """The pages of a PDF, opened with the empty password where it is encrypted.

    Args:
        first: how many pages may be without text before the rest is taken to have none, too.

    Raises:
        RefusedError: `encrypted` when it needs a password, `malformed` when it is damaged, `too_many_pages`.
    """
    with _damage_refused("the file structure cannot be understood"):
        reader = _open(content)
        if len(reader.pages) > limits.pages:
            raise RefusedError("too_many_pages", f"{len(reader.pages)} pages")
        pages, damaged = _pages(reader, first)
    return PdfText(pages, damaged, outline=_outline(reader), properties=_properties(reader))


@contextmanager
def _damage_refused(detail: str) -> Iterator[None]:
    """Turns whatever pypdf raises over damaged bytes into a refusal."""
    try:
        yield
    except _damage() as error:
        raise RefusedError("malformed", f"{detail} ({type(error).__name__})") from error


@cache
def _damage() -> tuple[type[Exception], ...]:
    """What pypdf raises over damaged files: its own errors, and those of Python that broken structures lead to.

    pypdf documents that "broken PDF files might cause other Exceptions". Not among them are MemoryError and
    OSError, which speak about the machine and not about the file.
    """
    from pypdf.errors import DependencyError, DeprecationError, PyPdfError

    return (
        PyPdfError,
        DeprecationError,
        DependencyError,
        ArithmeticError,
        AssertionError,
        AttributeError,
        EOFError,
        LookupError,
        NotImplementedError,
        RecursionError,
        TypeError,
        ValueError,
        struct.error,
        zlib.error,
    )


def _open(content: bytes) -> PdfReader:
    from pypdf import PasswordType, PdfReader
    from pypdf.errors import FileNotDecryptedError

    # pypdf's warnings quote the bytes it stumbles over, and content has no place in a log.
    logging.getLogger("pypdf").setLevel(logging.CRITICAL)
    reader = PdfReader(io.BytesIO(content))
    try:
        if reader.is_encrypted and reader.decrypt("") is PasswordType.NOT_DECRYPTED:
            raise RefusedError("encrypted")
    except FileNotDecryptedError as error:
        raise RefusedError("encrypted") from error
    return reader


def _pages(reader: PdfReader, first: int | None) -> tuple[list[list[Line]], list[int]]:
    """Lines of each page, and the numbers of the pages that are damaged."""
    pages: list[list[Line]] = []
    damaged: list[int] = []
    for number in range(1, len(reader.pages) + 1):
        if first is not None and number > first and not any(line.text.strip() for page in pages for line in page):
            pages += [[] for _ in range(number, len(reader.pages) + 1)]
            break
        try:
            pages.append(_lines(reader.pages[number - 1], number))
        except _damage():
            pages.append([])
            damaged.append(number)
    return pages, damaged


def _lines(page: PageObject, number: int) -> list[Line]:
    _declare_spaces(page)
    runs: list[tuple[str, float]] = []

    def visit(text: str, cm: Matrix, tm: Matrix, _font: object, size: float) -> None:
        runs.append((text, size * _scale(cm) * _scale(tm)))

    page.extract_text(visitor_text=visit)
    lines: list[Line] = []
    sizes: Counter[float] = Counter()
    parts: list[str] = []
    for text, size in [*runs, ("\n", 0.0)]:
        for index, part in enumerate(text.split("\n")):
            if index:
                largest = max(sizes, key=lambda size: (sizes[size], size), default=0.0)
                lines.append(Line(clean_characters("".join(parts)), number, largest))
                parts, sizes = [], Counter()
            parts.append(part)
            if part.strip():
                sizes[round(size, 1)] += len(part)
    return lines


Matrix = list[float]


def _scale(matrix: Matrix) -> float:
    return math.sqrt(abs(matrix[0] * matrix[3] - matrix[1] * matrix[2]))


def _declare_spaces(page: PageObject) -> None:
    """Give a space to composite fonts that are embedded without one, as TeX does.

    Without it pypdf takes the width of an unrelated glyph for that of the space and runs words together.
    """
    from pypdf.generic import DecodedStreamObject, DictionaryObject, NameObject, StreamObject

    resources = _resolved(page.get("/Resources"))
    fonts = _resolved(resources.get("/Font")) if isinstance(resources, DictionaryObject) else None
    for font in map(_resolved, fonts.values() if isinstance(fonts, DictionaryObject) else ()):
        if not isinstance(font, DictionaryObject) or font.get("/Subtype") != "/Type0":
            continue
        mapping = _resolved(font.get("/ToUnicode"))
        if isinstance(mapping, StreamObject) and b"0020>" not in (data := mapping.get_data()):
            amended = DecodedStreamObject()
            amended.set_data(data.replace(b"endcmap", _SPACE_ENTRY, 1))
            font[NameObject("/ToUnicode")] = amended


def _resolved(value: Any) -> Any:
    return value.get_object() if value is not None else None


def _outline(reader: PdfReader) -> dict[tuple[int, str], int]:
    """Level of each bookmark by page and title; empty where the outline is damaged, for it is only an aid."""
    levels: dict[tuple[int, str], int] = {}

    def collect(entries: Sequence[Any], level: int) -> None:
        for entry in entries:
            if isinstance(entry, list):
                collect(entry, min(level + 1, MAX_OUTLINE_DEPTH))
            elif (page := reader.get_destination_page_number(entry)) is not None and entry.title:
                levels.setdefault((page + 1, heading_key(clean_characters(str(entry.title)))), level)

    try:
        collect(reader.outline, 1)
    except _damage():
        return {}
    return levels


def _properties(reader: PdfReader) -> dict[str, str]:
    try:
        found: Mapping[str, object] = reader.metadata or {}
        return {key.removeprefix("/"): str(value) for key, value in found.items() if value is not None}
    except _damage():
        return {}
