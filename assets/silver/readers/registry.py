"""Chooses the reader for a file: by what its bytes show, and by its ending where they leave a choice."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import PurePosixPath

from assets.silver.decode import decode
from assets.silver.document import Document, Hidden
from assets.silver.limits import DEFAULT_LIMITS, Limits, sized
from assets.silver.metadata import parse_date
from assets.silver.normalise import clean_characters, count_hidden, hidden_text, line_ends
from assets.silver.readers.archive import document_kind
from assets.silver.readers.formats import (
    BINARY_FORMATS,
    OFFICE_ENDINGS,
    READERS,
    UNREAD_SIGNATURES,
    BinaryFormat,
)
from assets.silver.readers.text_formats import TEXT_FORMATS, UNREAD_TEXTS, Parts, TextFormat
from assets.silver.refusal import RefusedError

__all__ = ["READERS", "REGISTRY", "read"]

REGISTRY = "registry/3"
"""Version of the choice itself: files it refuses are looked at again when it learns another format."""

_FRONT_MATTER = re.compile(r"\s*(?:---|\+\+\+)(?:json|toml|yaml)?[ \t]*(?:\r\n?|\n)")
_CONTROL_BYTES = re.compile(rb"[\x01-\x08\x0e-\x1a\x1c-\x1f]")
_RTF_INSIDE = re.compile(r"\{\\[a-z]+|\\pard?\b")
_RTF_WITHIN = 4096
_MOST_CONTROLS = 0.3
_MOST_CONTROLS_UNREADABLE = 0.05
"""Share of control characters in text: in UTF-8, where they may be left over from a terminal, and elsewhere."""


def read(
    content: bytes, path: str, limits: Limits = DEFAULT_LIMITS, *, chosen: Callable[[str], None] | None = None
) -> tuple[Document, ...]:
    """The documents a file holds, most often one.

    Args:
        content: the bytes.
        path: name of the file, relative to the inbox; its ending decides only what the bytes leave open, and a
            date in it is the day of publication where the file itself names none.
        limits: what the file may ask for.
        chosen: told which reader reads it, before it does.

    Raises:
        RefusedError: with the reader that refused it in `reader`, where one was chosen.
    """
    ending = PurePosixPath(path).suffix.casefold()
    if len(content) > limits.file_bytes:
        raise RefusedError("too_large", sized(len(content)))
    if not content.strip():
        raise RefusedError("empty")
    tell = chosen or (lambda reader: None)
    binary = _binary_format(content, ending)
    unseen: tuple[Hidden, ...] = ()
    if binary is not None:
        notes: tuple[str, ...] = ()
        tell(binary.reader)
        documents = _run(binary.reader, lambda: binary.read(content, limits))
        format_: BinaryFormat | TextFormat = binary
    else:
        _refuse_binary(content)
        decoded = decode(content)
        format_ = as_text = _text_format(decoded.text, ending)
        tell(format_.reader)
        count = count_hidden(decoded.text.removeprefix("\ufeff"))
        notes = (*decoded.notes, *([f"{count} invisible characters were removed"] if count else []))
        unseen = hidden_text(decoded.text)
        documents = _read_text(as_text, decoded.text, limits)
    if ending not in format_.endings:
        notes = (*notes, f"read as {format_.name}, though it is named {ending or 'without an ending'}")
    day = parse_date(PurePosixPath(path).name)
    return tuple(
        replace(
            document,
            published=document.published or day,
            notes=(*notes, *document.notes),
            hidden=(*document.hidden, *unseen),
        )
        for document in documents
    )


def _read_text(chosen: TextFormat, text: str, limits: Limits) -> tuple[Document, ...]:
    return _run(
        chosen.reader, lambda: chosen.read(line_ends(text) if chosen.cleans else clean_characters(text), limits)
    )


def _run(reader: str, read_: Callable[[], Parts]) -> tuple[Document, ...]:
    try:
        parts = read_()
    except RefusedError as refused:
        refused.reader = reader
        raise
    return parts if isinstance(parts, tuple) else (parts,)


def _binary_format(content: bytes, ending: str) -> BinaryFormat | None:
    kind = document_kind(content, DEFAULT_LIMITS)
    return next((format_ for format_ in BINARY_FORMATS if format_.shows(content, ending, kind)), None)


def _refuse_binary(content: bytes) -> None:
    for signature, name in UNREAD_SIGNATURES:
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


def _text_format(content: str, ending: str) -> TextFormat:
    start = line_ends(content).lstrip("\ufeff \t\n")
    for format_ in TEXT_FORMATS:
        if format_.shows is not None and format_.shows(start):
            return format_
    for shows, name in UNREAD_TEXTS:
        if shows(start):
            raise RefusedError("unknown_format", f"the content is {name}")
    for format_ in reversed(TEXT_FORMATS):
        if ending in format_.endings:
            return format_
    if ending in (".yaml", ".yml"):
        raise RefusedError("lone_sidecar")
    if ending in (".eml", ".mbox", ".mht", ".mhtml"):
        raise RefusedError("malformed", f"named {ending}, and does not begin with the header of a message")
    if ending == ".rtf" and _RTF_INSIDE.search(start, 0, _RTF_WITHIN):
        raise RefusedError("malformed", "named .rtf, and its beginning is missing")
    if ending and ending not in OFFICE_ENDINGS:
        raise RefusedError("unknown_format", f"files named {ending} are not read")
    fallback = "markdown" if _FRONT_MATTER.match(start) else "text"
    return next(format_ for format_ in TEXT_FORMATS if format_.name == fallback)
