"""Where else something of a document may stand: files beside lake and index, and how they are searched."""

from __future__ import annotations

import json
import mmap
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

from assets.bronze.changes import NO_BYTES_SHA256
from assets.erasure.journal import Intent
from assets.erasure.subject import Subject

MOST = 200
"""Needles of one kind that are searched for in raw bytes; a document or person has few."""

ELSEWHERE = {"db", "models", "lake", "keys", "erasures", "dagster"}
"""Folders of a home that are looked after, or hold nothing of a document."""


@dataclass(frozen=True)
class Needles:
    """What is searched for in raw bytes once everything is erased.

    Attributes:
        own: texts that stand nowhere unless something was left: hashes of the bytes, ids of documents that are gone
            as a whole, the subject and its pseudonyms.
        paths: where the files lay; a path may go on in another one's name.
    """

    own: tuple[str, ...]
    paths: tuple[str, ...]

    @classmethod
    def of(cls, intent: Intent, subject: Subject | None) -> Needles:
        """Those of an erasure."""
        if subject is not None:
            # every version of a file whose path names them is erased, so that path stands nowhere either
            naming = [form for path in sorted(intent.paths) if subject.holds(path) for form in _forms(path)]
            return cls((*sorted(subject.tokens), *_forms(subject.text), *naming[:MOST]), ())
        hashes = sorted({sha256 for _, _, sha256 in intent.rows} - {NO_BYTES_SHA256})
        return cls((*hashes[:MOST], *sorted(intent.documents)[:MOST]), tuple(sorted(intent.paths)[:MOST]))

    @cached_property
    def own_bytes(self) -> tuple[bytes, ...]:
        """The first kind as files hold them: UTF-8, and ids as Postgres keeps them."""
        found = [text.encode() for text in self.own]
        for text in self.own:
            if len(text) == 36:
                try:
                    found.append(uuid.UUID(text).bytes)
                except ValueError:
                    continue
        return tuple(dict.fromkeys(found))

    @cached_property
    def all_bytes(self) -> tuple[bytes, ...]:
        """Both kinds, paths also as JSON writes them."""
        paths = [form for path in self.paths for form in _forms(path)]
        return tuple(dict.fromkeys([*self.own_bytes, *(path.encode() for path in paths)]))


def _forms(text: str) -> tuple[str, str]:
    """A text as it is, and as JSON writes it."""
    return text, json.dumps(text)[1:-1]


class Place(Protocol):
    """Something beside lake and index in which traces may be."""

    @property
    def name(self) -> str:
        """What the certificate calls it."""
        ...

    def erase(self, needles: Needles) -> int:
        """Remove what holds one of them; how many things went."""
        ...

    def find(self, needles: Needles) -> tuple[int, int]:
        """How many files were looked at, and how many of them hold one."""
        ...


@dataclass(frozen=True)
class HomeFiles:
    """Caches, snapshots and logs of a home: what holds a trace is deleted; all of it can be made again."""

    home: Path
    name: str = "files of the home"

    def erase(self, needles: Needles) -> int:
        """See `Place`."""
        hits = [path for path in self._files() if holds(path, needles.all_bytes)]
        for path in hits:
            path.unlink(missing_ok=True)
        return len(hits)

    def find(self, needles: Needles) -> tuple[int, int]:
        """See `Place`."""
        return count_holding(self._files(), needles.all_bytes)

    def _files(self) -> Iterator[Path]:
        for entry in sorted(self.home.iterdir()):
            if entry.is_dir() and not entry.is_symlink() and entry.name not in ELSEWHERE:
                yield from files_below(entry)


def files_below(folder: Path) -> Iterator[Path]:
    """Regular files of a folder and those below it, in order; links are not followed."""
    yield from (path for path in sorted(folder.rglob("*")) if path.is_file() and not path.is_symlink())


def count_holding(paths: Iterable[Path], needles: tuple[bytes, ...]) -> tuple[int, int]:
    """How many files there are, and how many hold one of the needles."""
    looked_at = found = 0
    for path in paths:
        looked_at += 1
        found += holds(path, needles)
    return looked_at, found


def holds(path: Path, needles: tuple[bytes, ...]) -> bool:
    """Whether a file holds one of the needles; one that vanished meanwhile holds none."""
    try:
        with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return any(content.find(needle) != -1 for needle in needles)
    except (FileNotFoundError, ValueError):  # ValueError: it is empty
        return False
