"""The table of formats of bytes, and of what is not read; `text_formats` has those of characters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from assets.silver.limits import Limits
from assets.silver.readers import docx, eml, odf, pdf, pptx, rtf, unread, xlsx
from assets.silver.readers.archive import is_zip
from assets.silver.readers.text_formats import TEXT_FORMATS, Parts


@dataclass(frozen=True, slots=True)
class BinaryFormat:
    """A format of bytes.

    Attributes:
        shows: whether the bytes are of this format, given the file's ending (lower case with the dot, or empty) and
            the kind of document that they are as an archive (`archive.document_kind`).
    """

    name: str
    reader: str
    read: Callable[[bytes, Limits], Parts]
    endings: tuple[str, ...]
    shows: Callable[[bytes, str, str | None], bool]


_PDF_SEARCHED = 1024
"""Readers of PDF accept the header within the first 1024 bytes (ISO 32000-1, annex H, note 13)."""

_WHITE = b"\xef\xbb\xbf \t\r\n\x00"


def _is_pdf(content: bytes, ending: str, _: str | None) -> bool:
    head = content[:_PDF_SEARCHED]
    return head.lstrip(_WHITE).startswith(b"%PDF-") or (ending == ".pdf" and b"%PDF-" in head)


def _office(name: str, reader: str, read: Callable[[bytes, Limits], Parts], endings: tuple[str, ...]) -> BinaryFormat:
    """A format that is a ZIP archive; a damaged one goes by its ending, so that its own reader says what is wrong."""

    def shows(content: bytes, ending: str, kind: str | None) -> bool:
        return kind == name or (kind is None and ending in endings and is_zip(content))

    return BinaryFormat(name, reader, read, endings, shows)


def _is_legacy(content: bytes, ending: str, _: str | None) -> bool:
    return unread.is_legacy(content, ending)


def _is_message(content: bytes, ending: str, _: str | None) -> bool:
    return eml.shows(content, ending)


BINARY_FORMATS: tuple[BinaryFormat, ...] = (
    BinaryFormat("pdf", pdf.READER, pdf.read, (".pdf",), _is_pdf),
    _office("docx", docx.READER, docx.read, (".docx", ".docm", ".dotx", ".dotm")),
    _office("pptx", pptx.READER, pptx.read, (".pptx", ".pptm", ".ppsx", ".potx")),
    _office("xlsx", xlsx.READER, xlsx.read, (".xlsx", ".xlsm", ".xltx", ".xltm")),
    _office("odf", odf.READER, odf.read, (".odt", ".ott", ".ods", ".ots", ".odp", ".otp")),
    BinaryFormat("archive", unread.ARCHIVE, unread.refuse_archive, (".zip",), lambda content, *_: is_zip(content)),
    BinaryFormat("legacy", unread.LEGACY, unread.refuse_legacy, (".doc", ".xls", ".ppt"), _is_legacy),
    BinaryFormat("rtf", rtf.READER, rtf.read, (".rtf",), lambda content, *_: content.lstrip().startswith(b"{\\rtf")),
    BinaryFormat("eml", eml.READER, eml.read, (".eml", ".mbox", ".mht", ".mhtml"), _is_message),
)
"""Asked in this order, before the file is taken for text."""

READERS: tuple[str, ...] = (
    *(format_.reader for format_ in BINARY_FORMATS),
    *(format_.reader for format_ in TEXT_FORMATS),
)
"""Versions that are current: rows of another one are made again."""

OFFICE_ENDINGS = frozenset(".doc .dot .xls .ppt .pages .key".split()).union(
    *(format_.endings for format_ in BINARY_FORMATS if format_.name in ("pdf", "docx", "pptx", "xlsx", "odf", "rtf"))
)
"""Endings that promise a binary file: text under one of them was named wrongly and is read for what it is."""

UNREAD_SIGNATURES = (
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
    (b"%!PS", "a PostScript file"),
    (b"850STL", "a subtitle file of television (EBU STL)"),
    (b"437STL", "a subtitle file of television (EBU STL)"),
    (b"Scenarist_SCC", "a file of encoded captions (SCC)"),
    (b"[Script Info]", "a subtitle file with styles (ASS or SSA)"),
)
"""First bytes of formats that are not read; they are refused without unpacking a single byte."""
