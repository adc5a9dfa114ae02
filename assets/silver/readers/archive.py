"""The one guard in front of every format that is a ZIP archive: what is unpacked is counted while it is inflated.

Nothing is ever written to disk, so names that climb out of a folder (`../../etc/passwd`) are only names here; they
are looked up by the spelling the format asks for and mean nothing else. What an archive's headers claim about sizes
is used to refuse early and never to allow anything.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from assets.silver.limits import Limits, sized
from assets.silver.refusal import RefusedError

if TYPE_CHECKING:
    from lxml.etree import _Element, _ElementTree

_CHUNK = 256 * 1024
_RATIO_MATTERS_FROM = 16 * 1024 * 1024
"""Unpacked bytes below which no ratio is suspicious: a small file of blanks compresses a thousandfold."""
_MOST_XML = 64 * 1024 * 1024
"""Bytes of one XML part; its tree takes about eight times as much memory."""
_CENTRAL_HEADER = b"PK\x01\x02"
_ENCRYPTED = 0x1

XML_NESTING = 255
"""Depth at which libxml2 stops by itself."""


class Archive:
    """A ZIP archive whose members are read one at a time and never beyond the limits.

    Raises:
        RefusedError: `malformed` when it is no archive or a member is damaged, `encrypted` when a member needs a
            password, `too_many_entries` and `unpacks_too_large` when it asks for more than the limits allow.
    """

    def __init__(self, content: bytes, limits: Limits) -> None:
        # Reading the directory costs about 600 bytes a member, so members are counted before it is read.
        if content.count(_CENTRAL_HEADER) > limits.entries:
            raise RefusedError("too_many_entries", f"more than {limits.entries} entries in the archive")
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(content))
        except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError, EOFError) as error:
            raise RefusedError("malformed", "the archive's directory cannot be understood") from error
        self._packed = max(1, len(content))
        self._limits = limits
        self._unpacked = 0
        members = self._zip.infolist()
        if any(member.flag_bits & _ENCRYPTED for member in members):
            raise RefusedError("encrypted", "the archive has members with a password")
        self._check(sum(member.file_size for member in members))
        # Windows programs have written "\\", and names differ in case between the index and the directory.
        self._members = {_key(member.filename): member for member in members}

    @property
    def names(self) -> list[str]:
        """Names as the archive spells them, in its order."""
        return [member.filename for member in self._members.values()]

    def __contains__(self, name: str) -> bool:
        return _key(name) in self._members

    def chunks(self, name: str) -> Iterator[bytes]:
        """The content of a member, piece by piece, each counted.

        Raises:
            RefusedError: also `malformed` when there is no such member.
        """
        member = self._members.get(_key(name))
        if member is None:
            raise RefusedError("malformed", f"{_shown(name)} is missing")
        try:
            with self._zip.open(member) as stream:
                while piece := stream.read(_CHUNK):
                    self._unpacked += len(piece)
                    self._check(self._unpacked)
                    yield piece
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, ValueError, OSError) as error:
            raise RefusedError("malformed", f"{_shown(name)} is damaged") from error
        except RuntimeError as error:
            raise RefusedError("encrypted", f"{_shown(name)} needs a password") from error

    def read(self, name: str, most: int | None = None) -> bytes:
        """The content of a member; `most` bytes of it at the most, else the file is refused."""
        pieces: list[bytes] = []
        size = 0
        for piece in self.chunks(name):
            size += len(piece)
            if most is not None and size > most:
                raise RefusedError("unpacks_too_large", f"{_shown(name)} unpacks to more than {sized(most)}")
            pieces.append(piece)
        return b"".join(pieces)

    def head(self, name: str, size: int) -> bytes:
        """The first bytes of a member; empty where there is no such member."""
        if name not in self:
            return b""
        return next(self.chunks(name), b"")[:size]

    def xml(self, name: str) -> _Element:
        """The root element of an XML member, see `parse_xml`."""
        return parse_xml(self.read(name, _MOST_XML), name)

    def xml_stream(self, name: str, *tags: str) -> Iterator[_Element]:
        """Elements of these names as they end, none inside another, for members too large for a tree.

        Each is emptied when the next one is asked for.
        """
        from lxml import etree

        parser = etree.XMLPullParser(("end",), tag=tags, **_PARSER)
        seen = False
        try:
            for piece in self.chunks(name):
                parser.feed(piece)
                for _, element in parser.read_events():
                    if not seen:
                        _refuse_entities(element, name)
                        seen = True
                    yield element
                    _forget(element)
            parser.close()
        except etree.XMLSyntaxError as error:
            raise _not_understood(error, name) from error

    def _check(self, unpacked: int) -> None:
        if unpacked > self._limits.unpacked_bytes:
            raise RefusedError("unpacks_too_large", f"it unpacks to more than {sized(self._limits.unpacked_bytes)}")
        if unpacked > _RATIO_MATTERS_FROM and unpacked > self._limits.unpacked_ratio * self._packed:
            raise RefusedError(
                "unpacks_too_large", f"it unpacks to more than {self._limits.unpacked_ratio:g} times its size"
            )


_PARSER: dict[str, Any] = {
    "resolve_entities": False,
    "load_dtd": False,
    "no_network": True,
    "huge_tree": False,
    "remove_comments": True,
    "remove_pis": True,
}


def parse_xml(content: bytes, name: str) -> _Element:
    """The root of an XML document. Entities are never replaced or fetched, and XML that declares some is refused.

    Raises:
        RefusedError: `malformed`, `xml_entities`, or `nested_too_deep` beyond `XML_NESTING` elements.
    """
    from lxml import etree

    try:
        root = etree.fromstring(content, etree.XMLParser(**_PARSER))
    except (etree.XMLSyntaxError, ValueError) as error:
        raise _not_understood(error, name) from error
    if root is None:
        raise RefusedError("malformed", f"{_shown(name)} is empty")
    _refuse_entities(root, name)
    # A reference that is not replaced stays as a node of its own, and would be taken for an element.
    etree.strip_tags(root, etree.Entity)
    return root


def _refuse_entities(root: _Element, name: str) -> None:
    """Refuse XML whose document type declares entities, which no office program writes."""
    tree: _ElementTree = root.getroottree()
    document_type = tree.docinfo.internalDTD
    if document_type is not None and next(document_type.iterentities(), None) is not None:
        raise RefusedError("xml_entities", f"the document type of {_shown(name)} declares entities")


def _not_understood(error: Exception, name: str) -> RefusedError:
    if "depth" in str(error):
        return RefusedError("nested_too_deep", f"{_shown(name)} is nested deeper than {XML_NESTING} elements")
    return RefusedError("malformed", f"the XML of {_shown(name)} cannot be understood")


def _forget(element: _Element) -> None:
    """Free an element and what stands before it, so that a stream takes no more memory than one element."""
    element.clear()
    parent = element.getparent()
    while parent is not None and element.getprevious() is not None:
        del parent[0]


def _key(name: str) -> str:
    return name.replace("\\", "/").lstrip("/").casefold()


def _shown(name: str) -> str:
    """A member's name for a message: only formats' own names are quoted, and only where they are short."""
    return name if len(name) <= 80 and name.isprintable() else "a member"


_ZIP = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")
_MAIN_FOLDERS = (("word/", "docx"), ("ppt/", "pptx"), ("xl/", "xlsx"))
_OPEN_DOCUMENT = b"application/vnd.oasis.opendocument."
_OPEN_DOCUMENTS = (b"text", b"spreadsheet", b"presentation", b"graphics")
_CONTENT_TYPES = "[content_types].xml"


def is_zip(content: bytes) -> bool:
    """Whether bytes begin as a ZIP archive does."""
    return content.startswith(_ZIP)


def document_kind(content: bytes, limits: Limits) -> str | None:
    """Which document an archive is: `docx`, `pptx`, `xlsx` or `odf`; None when it is none or cannot be opened."""
    if not is_zip(content):
        return None
    try:
        archive = Archive(content, limits)
        if (kind := archive.head("mimetype", 200)).startswith(_OPEN_DOCUMENT):
            return "odf" if kind.removeprefix(_OPEN_DOCUMENT).startswith(_OPEN_DOCUMENTS) else None
    except RefusedError:
        return None
    if _CONTENT_TYPES not in archive:
        return None
    names = [_key(name) for name in archive.names]
    return next((kind for folder, kind in _MAIN_FOLDERS if any(name.startswith(folder) for name in names)), None)
