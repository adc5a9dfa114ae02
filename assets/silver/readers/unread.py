"""Formats that are recognised only to be refused with the sentence that helps: old Office files and plain archives."""

from __future__ import annotations

from typing import NoReturn

from assets.silver.limits import Limits
from assets.silver.readers.archive import Archive
from assets.silver.refusal import RefusedError

LEGACY = "legacy/1"
ARCHIVE = "archive/2"

_COMPOUND = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
"""Compound File Binary: Word, Excel and PowerPoint up to 2003, Outlook messages, and encrypted new files."""
_OLDER = (b"\xdb\xa5-\x00", b"\x31\xbe\x00\x00", b"\x32\xbe\x00\x00", b"\xfe\x37\x00\x23", b"\x9b\xa5")
"""Word 2.0, Windows Write (twice), Word for DOS or Mac, Word 1.0."""
_BIFF = (b"\x09\x00\x04\x00", b"\x09\x02\x06\x00", b"\x09\x04\x06\x00", b"\x09\x08\x08\x00")
"""Excel 2 to 5 outside a compound file."""
_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")
_STREAMS = (
    ("__substg1.0_", "an Outlook message; save it as .eml"),
    ("WordDocument", "a Word document; save it as .docx"),
    ("PowerPoint Document", "a presentation; save it as .pptx"),
    ("Workbook", "a workbook; save it as .xlsx"),
    ("Book", "a workbook; save it as .xlsx"),
)


def is_legacy(content: bytes, ending: str) -> bool:
    """Whether bytes are an Office file of before 2007."""
    if content.startswith((_COMPOUND, *_OLDER)):
        return True
    return ending in (".xls", ".xlt", ".xlm") and content.startswith(_BIFF)


def refuse_legacy(content: bytes, limits: Limits) -> NoReturn:
    """Say which format to save the file in.

    Raises:
        RefusedError: always; `encrypted` for a new file in the shell that passwords put around it.
    """
    if content.startswith(_COMPOUND) and _ENCRYPTED in content:
        raise RefusedError("encrypted")
    for stream, found in _STREAMS:
        if stream.encode("utf-16-le") in content:
            raise RefusedError("legacy_office", found)
    raise RefusedError("legacy_office")


def refuse_archive(content: bytes, limits: Limits) -> NoReturn:
    """Say that archives are not unpacked.

    Raises:
        RefusedError: always; `unknown_format` for documents that are archives inside, which nobody can take apart.
    """
    try:
        archive = Archive(content, limits)
        names, kind = archive.names, archive.head("mimetype", 200)
    except RefusedError:
        names, kind = [], b""
    if kind.startswith(b"application/epub"):
        raise RefusedError("unknown_format", "the content is an e-book (EPUB)")
    if any(name.casefold().endswith((".iwa", "index.apxl", "index.xml.gz")) for name in names):
        raise RefusedError("unknown_format", "the content is an Apple document (Pages, Numbers or Keynote)")
    raise RefusedError("archive", "a ZIP archive that is no document")
