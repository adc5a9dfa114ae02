"""Chooses the reader for a file: by what its bytes show, and by its ending where they leave a choice."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import PurePosixPath
from typing import TypeVar

from assets.silver.decode import decode
from assets.silver.document import Document
from assets.silver.metadata import parse_date
from assets.silver.normalise import clean_characters, count_hidden
from assets.silver.readers import markdown, pdf, text, webvtt
from assets.silver.refusal import RefusedError

_Content = TypeVar("_Content", str, bytes)

REGISTRY = "registry/1"
"""Version of the choice itself: files it refuses are looked at again when it learns another format."""

READERS = (markdown.READER, text.READER, webvtt.READER, pdf.READER)

_TEXT_READERS: dict[str, tuple[str, Callable[[str], Document]]] = {
    "markdown": (markdown.READER, markdown.read),
    "text": (text.READER, text.read),
    "webvtt": (webvtt.READER, webvtt.read),
}
_FORMAT_OF_ENDING = {
    ".md": "markdown",
    ".markdown": "markdown",
    ".mdown": "markdown",
    ".mkd": "markdown",
    ".txt": "text",
    ".text": "text",
    ".vtt": "webvtt",
    ".webvtt": "webvtt",
}
_BINARY_ENDINGS = frozenset(".pdf .doc .docx .dot .dotx .docm .odt .ppt .pptx .xls .xlsx .pages .key".split())
"""Endings that promise a binary file: text under one of them was named wrongly and is read for what it is."""

_SIGNATURES = (
    (b"PK\x03\x04", "a ZIP archive or an Office file"),
    (b"PK\x05\x06", "an empty ZIP archive"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Office file"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"Rar!\x1a\x07", "a RAR archive"),
    (b"BZh", "a bzip2 archive"),
    (b"\xfd7zXZ\x00", "an xz archive"),
    (b"\x28\xb5\x2f\xfd", "a Zstandard archive"),
    (b"\x89PNG\r\n\x1a\n", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"II*\x00", "a TIFF image"),
    (b"MM\x00*", "a TIFF image"),
    (b"ID3", "an MP3 recording"),
    (b"OggS", "an Ogg recording"),
    (b"fLaC", "a FLAC recording"),
    (b"RIFF", "a WAV, AVI or WebP file"),
    (b"\x1aE\xdf\xa3", "a Matroska or WebM file"),
    (b"\x7fELF", "a program"),
    (b"SQLite format 3\x00", "a database"),
    (b"{\\rtf", "an RTF document"),
    (b"%!PS", "a PostScript file"),
)
"""First bytes of formats that are not read; they are refused without unpacking a single byte."""

_PDF_SEARCHED = 1024
"""Readers of PDF accept the header within the first 1024 bytes (ISO 32000-1, annex H, note 13)."""

_HTML = re.compile(r"(?:<!--.*?-->|\s)*<(?:!doctype\s+html|html|head|body)\b", re.IGNORECASE | re.DOTALL)
_FRONT_MATTER = re.compile(r"\s*(?:---|\+\+\+)[ \t]*\n")
_CONTROL_BYTES = re.compile(rb"[\x01-\x08\x0e-\x1a\x1c-\x1f]")
_MOST_CONTROLS = 0.3
_MOST_CONTROLS_UNREADABLE = 0.05
"""Share of control characters in text: in UTF-8, where they may be left over from a terminal, and elsewhere."""


def read(content: bytes, path: str) -> Document:
    """The document a file holds.

    Args:
        content: the bytes.
        path: name of the file, relative to the inbox; its ending decides only what the bytes leave open, and a
            date in it is the day of publication where the file itself names none.

    Raises:
        RefusedError: with the reader that refused it in `reader`, where one was chosen.
    """
    ending = PurePosixPath(path).suffix.casefold()
    if not content.strip():
        raise RefusedError("empty")
    if _is_pdf(content, ending):
        document = _run(pdf.READER, pdf.read, content)
        notes: tuple[str, ...] = () if ending == ".pdf" else (f"a PDF named {ending or 'without an ending'}",)
    else:
        document, notes = _read_text(content, ending)
    return replace(
        document,
        published=document.published or parse_date(PurePosixPath(path).name),
        notes=(*notes, *document.notes),
    )


def _read_text(content: bytes, ending: str) -> tuple[Document, tuple[str, ...]]:
    _refuse_binary(content)
    decoded = decode(content)
    format_ = _text_format(decoded.text, ending)
    reader, read_ = _TEXT_READERS[format_]
    notes = list(decoded.notes)
    hidden = count_hidden(decoded.text.removeprefix("\ufeff"))
    if hidden:
        notes.append(f"{hidden} invisible characters were removed")
    if _FORMAT_OF_ENDING.get(ending) != format_:
        notes.append(f"read as {format_}, though it is named {ending or 'without an ending'}")
    return _run(reader, read_, clean_characters(decoded.text)), tuple(notes)


def _run(reader: str, read_: Callable[[_Content], Document], content: _Content) -> Document:
    try:
        return read_(content)
    except RefusedError as refused:
        refused.reader = reader
        raise


def _is_pdf(content: bytes, ending: str) -> bool:
    if content[:_PDF_SEARCHED].lstrip(b"\xef\xbb\xbf \t\r\n\x00").startswith(b"%PDF-"):
        return True
    return ending == ".pdf" and b"%PDF-" in content[:_PDF_SEARCHED]


def _refuse_binary(content: bytes) -> None:
    for signature, name in _SIGNATURES:
        if content.startswith(signature):
            raise RefusedError("unknown_format", f"the content is {name}")
    if content[4:8] == b"ftyp":
        raise RefusedError("unknown_format", "the content is an MP4 recording")
    sample = content[: 64 * 1024]
    most = _MOST_CONTROLS if _is_utf8(content) else _MOST_CONTROLS_UNREADABLE
    if len(_CONTROL_BYTES.findall(sample)) > most * len(sample):
        raise RefusedError("unknown_format", "the content is binary")


def _is_utf8(content: bytes) -> bool:
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _text_format(content: str, ending: str) -> str:
    start = content[:4096].lstrip("\ufeff \t\r\n")
    if start.startswith("WEBVTT"):
        return "webvtt"
    if _HTML.match(start):
        raise RefusedError("unknown_format", "the content is an HTML page")
    if start.startswith("<?xml"):
        raise RefusedError("unknown_format", "the content is XML")
    if ending in _FORMAT_OF_ENDING:
        return _FORMAT_OF_ENDING[ending]
    if ending and ending not in _BINARY_ENDINGS:
        raise RefusedError("unknown_format", f"files named {ending} are not read")
    return "markdown" if _FRONT_MATTER.match(start.replace("\r\n", "\n").replace("\r", "\n")) else "text"
