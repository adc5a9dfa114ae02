"""Notes for people: beside each refused file, under `_rejected/`, a small text file says why it was refused.

A note goes away when its file is fixed or removed. Which notes there should be is read from the tables and the
inbox; nothing is remembered. Links are never followed, so no note is written or removed outside the inbox.
`assets.silver.noted` has those of files that were taken in, and brings both up to date.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import stat
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assets.bronze.files import is_readable_name, shown
from assets.bronze.scan import NOTE_FOLDERS, REJECTED_FOLDER, Found
from assets.silver.contract import QUARANTINE
from assets.silver.refusal_german import detail_in_german
from assets.stores import Stores

Events = Set[tuple[str, int]]
"""States of files: id and number of the event."""

ENDING = ".txt"
MARK = "avatar-knowledge"
"""First word of every note; a file in `_rejected` that does not begin so is somebody else's and is left alone."""

_LONGEST_PART = 200
"""Characters of an attachment's name in a note."""

_LONGEST_NAME = 200
"""Bytes of a note's name without its ending; file systems allow 255."""

LARGEST = 2**20
"""Bytes of a note that are read; longer than any that is written."""

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_TEMPORARY = f".{MARK}.tmp"


@dataclass(frozen=True, slots=True)
class Notices:
    """What became of the notes.

    Attributes:
        written, removed, kept: how many.
        failed: folders (as people see them) in which a note could not be written or removed, and why.
    """

    written: int = 0
    removed: int = 0
    kept: int = 0
    failed: tuple[str, ...] = ()


def refusal_notes(refusals: Sequence[dict[str, Any]], files: Sequence[Found]) -> dict[str, dict[str, str]]:
    """The notes that there should be in `_rejected` folders, by folder and name.

    Args:
        refusals: of `newest_refusals`.
        files: what is in the inbox.
    """
    refused: dict[str, list[dict[str, Any]]] = {}
    for row in refusals:
        refused.setdefault(row["path"], []).append(row)
    wanted: dict[str, dict[str, str]] = {}
    for found in files:
        rows = refused.get(found.path)
        if rows is not None:
            folder, name = os.path.split(found.file)
            wanted.setdefault(folder, {})[note_name(name)] = note_text(found, rows)
    return wanted


def newest_events(stores: Stores) -> Events:
    """The newest state of each file that is in the inbox."""
    newest = stores.ledger().newest
    return set(zip(newest.index, newest.event, strict=True))


def newest_refusals(stores: Stores, newest: Events) -> list[dict[str, Any]]:
    """Rows of quarantine that say what holds now: those of the newest states. Ordered by path and part."""
    columns = ["file_id", "event", "path", "part", "reason", "sentence_de", "sentence_en", "detail", "first_seen"]
    rows = stores.lake.read(QUARANTINE, columns).to_pylist()
    now = [row for row in rows if (row["file_id"], row["event"]) in newest]
    return sorted(now, key=lambda row: (row["path"], row["part"] or ""))


def note_name(name: str) -> str:
    """Name of the note for a file of that name, as the file system spells it."""
    if not is_readable_name(name):
        name = shown(name)
    if len(os.fsencode(name)) > _LONGEST_NAME:
        digest = hashlib.sha256(os.fsencode(name)).hexdigest()[:16]
        name = os.fsencode(name)[: _LONGEST_NAME - 17].decode("utf-8", "ignore") + "-" + digest
    return name + ENDING


def note_text(found: Found, rows: Sequence[Mapping[str, Any]]) -> str:
    """What the note says, in German and in English.

    Args:
        rows: the refusal of the file, or those of parts of it.
    """
    lines = [f"{MARK}: {found.path}"]
    for row in rows:
        detail, part = row["detail"], row["part"]
        lines += [
            "",
            f"Dieser Anhang wurde nicht übernommen: {_shown_part(part)}"
            if part
            else "Diese Datei wurde nicht übernommen.",
            row["sentence_de"],
            *([f"Einzelheit: {detail_in_german(detail)}"] if detail else []),
            "",
            f"This attachment was not taken in: {_shown_part(part)}" if part else "This file was not taken in.",
            row["sentence_en"],
            *([f"Detail: {detail}"] if detail else []),
            "",
            f"({row['reason']}; {row['first_seen']:%Y-%m-%d %H:%M} UTC)",
        ]
    lines += [
        "Dieser Hinweis verschwindet, sobald die Datei in Ordnung oder entfernt ist.",
        "This note goes away when the file is fixed or removed.",
        "",
    ]
    return "\n".join(lines)


def _shown_part(part: str) -> str:
    """An attachment's name on one line: whoever sent it chose it."""
    return "".join(character if character.isprintable() else " " for character in part)[:_LONGEST_PART]


def sync_notices(root: Path, wanted: Mapping[str, Mapping[str, str]], into: str = REJECTED_FOLDER) -> Notices:
    """Write, rewrite and remove notes until they are those in `wanted`.

    Args:
        root: the inbox, absolute and without links.
        wanted: for each folder, relative to the inbox as the file system spells it, the notes by name.
        into: name of the folder in it that the notes are in.
    """
    written = removed = kept = 0
    failed: list[str] = []
    for folder in sorted({*wanted, *_folders_with_notes(root, into)}):
        try:
            counts = _sync_folder(root, folder, wanted.get(folder, {}), into)
        except OSError as error:
            failed.append(f"{shown(folder) or '.'}: {error.strerror}")
            continue
        written, removed, kept = written + counts[0], removed + counts[1], kept + counts[2]
    return Notices(written, removed, kept, tuple(failed))


def _folders_with_notes(root: Path, into: str) -> Iterator[str]:
    for folder, names, _ in os.walk(root, followlinks=False):
        if into in names:
            yield os.path.relpath(folder, root).removeprefix(".").removeprefix("/")
        names[:] = [name for name in names if name not in NOTE_FOLDERS and not name.startswith(".")]


def _sync_folder(root: Path, folder: str, wanted: Mapping[str, str], into: str) -> tuple[int, int, int]:
    with _opened_folder(root, [part for part in folder.split("/") if part]) as parent:
        if wanted:
            with contextlib.suppress(FileExistsError):
                os.mkdir(into, 0o755, dir_fd=parent)
        try:
            notes = os.open(into, _FOLDER, dir_fd=parent)
        except FileNotFoundError:
            return 0, 0, 0
        try:
            counts = _sync_notes(notes, wanted, into)
        finally:
            os.close(notes)
        if not wanted:
            with contextlib.suppress(OSError):  # other files of people are in it
                os.rmdir(into, dir_fd=parent)
    return counts


@contextlib.contextmanager
def _opened_folder(root: Path, parts: Sequence[str]) -> Iterator[int]:
    """A descriptor of the folder, reached without passing a link."""
    folder = os.open(root, _FOLDER)
    try:
        for part in parts:
            if part == os.pardir:
                raise PermissionError(errno.EPERM, "it lies outside of the inbox")
            below = os.open(part, _FOLDER, dir_fd=folder)
            os.close(folder)
            folder = below
        yield folder
    finally:
        os.close(folder)


def _sync_notes(notes: int, wanted: Mapping[str, str], into: str) -> tuple[int, int, int]:
    written = removed = kept = 0
    present = {name: _read_note(notes, name) for name in os.listdir(notes)}
    for name, text in sorted(wanted.items()):
        if present.get(name) == text:
            kept += 1
        elif name in present and present[name] is None:
            raise FileExistsError(errno.EEXIST, f"{into}/{shown(name)} is a file of somebody else")
        else:
            _write_note(notes, name, text)
            written += 1
    for name, text_ in present.items():
        if (name not in wanted and text_ is not None) or name == _TEMPORARY:
            os.unlink(name, dir_fd=notes)
            removed += 1
    return written, removed, kept


def _read_note(notes: int, name: str) -> str | None:
    """Text of a note; None for whatever is none."""
    if not name.endswith(ENDING):
        return None
    try:
        descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=notes)
    except OSError:
        return None
    with os.fdopen(descriptor, "rb") as stream:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return None
        content = stream.read(LARGEST)
    text = content.decode("utf-8", "replace")
    return text if text.startswith(f"{MARK}: ") else None


def _write_note(notes: int, name: str, text: str) -> None:
    """The note in one step: whoever looks sees the old one or the new one."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(_TEMPORARY, dir_fd=notes)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(_TEMPORARY, flags, 0o644, dir_fd=notes)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="replace") as stream:
            stream.write(text)
        os.rename(_TEMPORARY, name, src_dir_fd=notes, dst_dir_fd=notes)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(_TEMPORARY, dir_fd=notes)
        raise
