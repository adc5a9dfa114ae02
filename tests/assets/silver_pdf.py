"""Makes small PDF files for the tests of the PDF reader."""

from __future__ import annotations

import io
from collections.abc import Sequence

from pypdf import PdfWriter
from pypdf.generic import DecodedStreamObject, DictionaryObject, NameObject

PrintedLine = str | tuple[str, int]
"""A line, alone or with the size of its letters in points."""


def make_pdf(
    pages: Sequence[Sequence[PrintedLine]],
    *,
    metadata: dict[str, str] | None = None,
    outline: Sequence[tuple[str, int]] = (),
    password: str | None = None,
) -> bytes:
    """A PDF with these lines on its pages; `outline` holds titles and pages from 0."""
    writer = PdfWriter()
    for lines in pages:
        page = writer.add_blank_page(width=595, height=842)
        font = DictionaryObject(
            {
                NameObject("/Type"): NameObject("/Font"),
                NameObject("/Subtype"): NameObject("/Type1"),
                NameObject("/BaseFont"): NameObject("/Helvetica"),
                NameObject("/Encoding"): NameObject("/WinAnsiEncoding"),
            }
        )
        fonts = DictionaryObject({NameObject("/F1"): writer._add_object(font)})
        page[NameObject("/Resources")] = DictionaryObject({NameObject("/Font"): fonts})
        stream = DecodedStreamObject()
        stream.set_data(_content(lines))
        page[NameObject("/Contents")] = writer._add_object(stream)
    if metadata:
        writer.add_metadata(metadata)
    for title, page_index in outline:
        writer.add_outline_item(title, page_index)
    if password is not None:
        writer.encrypt(password, algorithm="AES-256")
    buffer = io.BytesIO()
    writer.write(buffer)
    return buffer.getvalue()


def _content(lines: Sequence[PrintedLine]) -> bytes:
    parts = [b"BT"]
    y = 800
    for line in lines:
        text, size = (line, 10) if isinstance(line, str) else line
        escaped = text.encode("cp1252").replace(b"\\", b"\\\\").replace(b"(", b"\\(").replace(b")", b"\\)")
        parts.append(b"/F1 %d Tf 1 0 0 1 60 %d Tm (%s) Tj" % (size, y, escaped))
        y -= size + 4
    return b"\n".join([*parts, b"ET"])
