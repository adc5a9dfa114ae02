"""What bronze knows about single files of the inbox: names, media types, identity, and how to open one safely."""

from __future__ import annotations

import os
import stat
import unicodedata
import uuid
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import BinaryIO
from urllib.parse import quote

POLICY_FILE = "_policy.yaml"
POLICY_LOOKALIKES = frozenset({"_policy.yaml", "_policy.yml"})
"""Names, lower-cased, by which somebody means the policy file."""

SIDECAR_ENDING = ".yaml"
SIDECAR_LOOKALIKES = (".YAML", ".yml", ".YML")
"""Endings by which somebody means a sidecar."""

DOCUMENT_NAMESPACE = uuid.UUID("5f1c2f0e-6a3d-5b57-9a52-2d7a4c1b8e90")
"""Namespace of document ids. Changing it would make every document of every installation a new one."""

UNKNOWN_MEDIA_TYPE = "application/octet-stream"
MEDIA_TYPES = {
    ".csv": "text/csv",
    ".docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    ".eml": "message/rfc822",
    ".htm": "text/html",
    ".html": "text/html",
    ".json": "application/json",
    ".markdown": "text/markdown",
    ".md": "text/markdown",
    ".mdown": "text/markdown",
    ".mkd": "text/markdown",
    ".odt": "application/vnd.oasis.opendocument.text",
    ".pdf": "application/pdf",
    ".pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    ".rtf": "application/rtf",
    ".sbv": "text/plain",
    ".srt": "application/x-subrip",
    ".text": "text/plain",
    ".tsv": "text/tab-separated-values",
    ".ttml": "application/ttml+xml",
    ".txt": "text/plain",
    ".vtt": "text/vtt",
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ".xml": "application/xml",
}
"""By ending, so that it does not depend on the tables of the operating system. Readers look at the content."""


def document_id(path: str) -> str:
    """UUIDv5 of a path relative to the inbox."""
    return str(uuid.uuid5(DOCUMENT_NAMESPACE, path))


def part_id(file_id: str, part: str) -> str:
    """UUIDv5 of a part of a file (an entry of a feed, an attachment), in the namespace that the file's own id is.

    A namespace of its own for each file: no name of another file can lead to the same id.
    """
    return str(uuid.uuid5(uuid.UUID(file_id), part))


def media_type(path: str) -> str:
    """Media type by the ending of the name, in any case."""
    return MEDIA_TYPES.get(PurePosixPath(path).suffix.lower(), UNKNOWN_MEDIA_TYPE)


def nfc(name: str) -> str:
    """The name in the one spelling that all file systems' names are compared in."""
    return unicodedata.normalize("NFC", name)


def is_sidecar(name: str, siblings: Collection[str]) -> bool:
    """Whether the name is that of another file of the folder with a sidecar's ending.

    Args:
        siblings: all names of the folder in NFC.
    """
    return any(
        name.endswith(ending) and nfc(name.removesuffix(ending)) in siblings
        for ending in (SIDECAR_ENDING, *SIDECAR_LOOKALIKES)
    )


def is_readable_name(file: str) -> bool:
    """Whether every character of the path can be written as text and shown on a line."""
    return not any(unicodedata.category(character) in ("Cc", "Cs") for character in file)


def shown(file: str) -> str:
    """A path as people see it: NFC where the name can be shown, percent-encoded where it cannot."""
    return nfc(file) if is_readable_name(file) else escaped(file)


def escaped(file: str) -> str:
    """A path in ASCII, different for every path."""
    return quote(os.fsencode(file), safe="/ ._-,()")


def within(root: Path, file: str) -> Path | None:
    """Where the file really lies; None when that is outside of `root`, an absolute path without links."""
    real = Path(os.path.realpath(root / file))
    return real if real.is_relative_to(root) else None


@contextmanager
def opened(root: Path, file: str) -> Iterator[BinaryIO]:
    """The file for reading in binary.

    Raises:
        FileNotFoundError: it is gone, or is no regular file within `root` any more.
        OSError: it cannot be opened.
    """
    real = within(root, file)
    if real is None:
        raise FileNotFoundError(file)
    # a name swapped for a link or a pipe since it was looked at must neither lead elsewhere nor block
    descriptor = os.open(real, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as stream:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise FileNotFoundError(file)
        yield stream
