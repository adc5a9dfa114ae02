"""Walks the inbox and lists what lies in it, in the same order on every machine, without reading a file."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Literal

from assets.bronze.files import POLICY_LOOKALIKES, escaped, is_readable_name, is_sidecar, nfc, shown, within
from assets.contract import SOURCES
from assets.errors import InboxUnavailableError
from retrieval.errors import ConfigurationError

REJECTED_FOLDER, NOTED_FOLDER = NOTE_FOLDERS = "_rejected", "_noted"
"""Folders of notes for editors: why a file was refused, and what there is to say of one that was not. Never
content themselves."""

DEFAULT_SOURCE = "document"
"""Partition of what lies in no source folder."""

TEMPORARY = re.compile(r"~\$.*|\.~lock.*|~.*\.tmp|.*(?:\.(?:tmp|part|crdownload|swp)|~)|thumbs\.db|desktop\.ini", re.I)
"""Names that office programs, browsers, editors and desktops give to files of their own."""

Problem = Literal["outside_source", "link_outside", "bad_name", "unknown_format", "unreadable"]
"""Reasons of `assets.silver.refusal`, and `unreadable`: the pipeline may not look there."""

UNOPENED = frozenset({"link_outside", "bad_name", "unknown_format", "unreadable"})
"""Problems of files whose content is not looked at."""


@dataclass(frozen=True, slots=True)
class Found:
    """A file of the inbox as the file system shows it.

    Attributes:
        path: relative to the inbox, NFC, `/` between its parts; percent-encoded for `bad_name`.
        file: the same as the file system spells it, to open it by.
        source: source folder, and partition, it belongs to.
        size: bytes.
        mtime_ns, ctime_ns: last change of the content, and of the file's entry; nanoseconds since 1970.
        problem: why it is not taken as it is.
        detail: what exactly was found.
    """

    path: str
    file: str
    source: str
    size: int = 0
    mtime_ns: int = 0
    ctime_ns: int = 0
    inode: int = 0
    problem: Problem | None = None
    detail: str | None = None


def scan(inbox: Path) -> list[Found]:
    """All files of the inbox that people dropped, sorted by path.

    Not listed: hidden and temporary files, `_policy.yaml`, sidecars, and folders of notes. Links within the inbox count
    as the file they lead to; links that leave it, and links to folders, are listed and not followed.

    Raises:
        ConfigurationError: there is no such folder, or it may not be read.
        InboxUnavailableError: the storage did not answer.
    """
    root = inbox_root(inbox)
    found = sorted(_walk(root, ""), key=lambda item: (item.path, item.file))
    return [item for _, same in groupby(found, key=lambda item: item.path) for item in _told_apart(list(same))]


def inbox_root(inbox: Path) -> Path:
    """The inbox as an absolute path without links.

    Raises:
        ConfigurationError: there is no such folder, or it may not be read.
        InboxUnavailableError: the storage did not answer.
    """
    try:
        root = inbox.resolve(strict=True)
        next(iter(root.iterdir()), None)
    except (FileNotFoundError, NotADirectoryError, RuntimeError) as error:
        raise ConfigurationError(f"The inbox {inbox} is not a folder: create it or correct KNOWLEDGE_INBOX") from error
    except PermissionError as error:
        raise ConfigurationError(f"The inbox {inbox} may not be read by this user: correct its permissions") from error
    except OSError as error:
        raise InboxUnavailableError(
            f"The inbox {inbox} does not answer ({error.strerror}); it is tried again"
        ) from error
    return root


def _walk(root: Path, folder: str) -> Iterator[Found]:
    try:
        with os.scandir(root / folder) as listing:
            entries = sorted(listing, key=lambda entry: entry.name)
    except (FileNotFoundError, NotADirectoryError):
        return
    except PermissionError:
        yield Found(shown(folder), folder, _source(folder), problem="unreadable", detail="a folder without permission")
        return
    except OSError as error:
        raise InboxUnavailableError(f"{shown(folder)} in the inbox does not answer ({error.strerror})") from error
    siblings = {nfc(entry.name) for entry in entries}
    for entry in entries:
        if _is_passed_over(entry.name, siblings):
            continue
        file = f"{folder}/{entry.name}" if folder else entry.name
        if entry.is_dir(follow_symlinks=False):
            if entry.name not in NOTE_FOLDERS:
                yield from _walk(root, file)
        else:
            yield from _look_at(root, file, entry)


def _is_passed_over(name: str, siblings: set[str]) -> bool:
    return (
        name.startswith(".")
        or TEMPORARY.fullmatch(name) is not None
        or name.casefold() in POLICY_LOOKALIKES
        or is_sidecar(name, siblings)
    )


def _look_at(root: Path, file: str, entry: os.DirEntry[str]) -> Iterator[Found]:
    found = Found(shown(file), file, _source(file))
    if entry.is_symlink():
        detail = _link_problem(root, file)
        if detail is not None:
            yield replace(found, problem="link_outside", detail=detail)
            return
    try:
        status = entry.stat(follow_symlinks=True)
    except FileNotFoundError:
        return
    except OSError as error:
        raise InboxUnavailableError(f"{found.path} in the inbox does not answer ({error.strerror})") from error
    yield _judged(
        replace(
            found,
            size=status.st_size,
            mtime_ns=status.st_mtime_ns,
            ctime_ns=status.st_ctime_ns,
            inode=status.st_ino,
        ),
        status.st_mode,
    )


def _link_problem(root: Path, file: str) -> str | None:
    try:
        target = within(root, file)
    except OSError:
        return "a link that leads nowhere"
    if target is None:
        return "a link that leaves the inbox"
    if target.is_dir():
        return "a link to a folder"
    return None if target.exists() else "a link that leads nowhere"


def _judged(found: Found, mode: int) -> Found:
    if not stat.S_ISREG(mode):
        return replace(found, size=0, problem="unknown_format", detail="no regular file")
    if not is_readable_name(found.file):
        return replace(found, problem="bad_name", detail="the name holds characters that cannot be shown")
    if found.file.partition("/")[0] not in SOURCES or "/" not in found.file:
        folder, slash, _ = found.file.partition("/")
        meant = folder.casefold() if slash and folder.casefold() in SOURCES else None
        return replace(found, problem="outside_source", detail=f"the folder must be named {meant}" if meant else None)
    return found


def _source(file: str) -> str:
    first, slash, _ = file.partition("/")
    return first if slash and first in SOURCES else DEFAULT_SOURCE


def _told_apart(same: list[Found]) -> list[Found]:
    """Files whose names differ only in how Unicode spells them: one keeps the path, the others are refused."""
    keeper = next((item for item in same if item.file == item.path), same[0])
    return [
        item
        if item is keeper
        else replace(
            item,
            path=escaped(item.file),
            problem="bad_name",
            detail="another file has the same name in another Unicode spelling",
        )
        for item in same
    ]
