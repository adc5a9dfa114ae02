"""Makes small PDF files for the tests of the PDF reader."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

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


@dataclass(frozen=True)
class Run:
    """Text at a place in points from the lower left corner.

    Attributes:
        font: `F1` Helvetica, `F2` Helvetica-Bold, `F3` Courier.
        state: operators of the graphics state in front of it, e.g. `1 g` for white or `3 Tr` for invisible.
    """

    text: str
    left: float
    base: float
    size: float = 10
    font: str = "F1"
    state: str = ""


def place(pages: Sequence[Sequence[Run | str]]) -> bytes:
    """A PDF with runs of text at their places; strings are operators, e.g. of a filled rectangle."""
    writer = PdfWriter()
    for runs in pages:
        page = writer.add_blank_page(width=595, height=842)
        fonts = {
            f"/F{number}": f"/Type /Font /Subtype /Type1 /BaseFont /{name} /Encoding /WinAnsiEncoding"
            for number, name in enumerate(("Helvetica", "Helvetica-Bold", "Courier"), start=1)
        }
        made = DictionaryObject()
        for key, definition in fonts.items():
            words = definition.split()
            font = DictionaryObject(
                {NameObject(name): NameObject(value) for name, value in zip(words[::2], words[1::2], strict=True)}
            )
            made[NameObject(key)] = writer._add_object(font)
        page[NameObject("/Resources")] = DictionaryObject({NameObject("/Font"): made})
        stream = DecodedStreamObject()
        stream.set_data(b"\n".join(run.encode() if isinstance(run, str) else _placed(run) for run in runs))
        page[NameObject("/Contents")] = writer._add_object(stream)
    buffer = io.BytesIO()
    writer.write(buffer)
    return buffer.getvalue()


def _placed(run: Run) -> bytes:
    operators = f"q BT {run.state} /{run.font} {run.size} Tf 1 0 0 1 {run.left} {run.base} Tm ("
    return operators.encode() + _escaped(run.text) + b") Tj ET Q"


def _escaped(text: str) -> bytes:
    return text.encode("cp1252").replace(b"\\", b"\\\\").replace(b"(", b"\\(").replace(b")", b"\\)")


def _content(lines: Sequence[PrintedLine]) -> bytes:
    parts = [b"BT"]
    y = 800
    for line in lines:
        text, size = (line, 10) if isinstance(line, str) else line
        parts.append(b"/F1 %d Tf 1 0 0 1 60 %d Tm (%s) Tj" % (size, y, _escaped(text)))
        y -= size + 4
    return b"\n".join([*parts, b"ET"])
