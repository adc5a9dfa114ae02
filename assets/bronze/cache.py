"""Remembers the hashes of files that have not changed, so that a look at the inbox reads only what is new."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assets.bronze.policy import OwnAccess
from assets.bronze.scan import Found
from retrieval.errors import ConfigurationError

CACHE_VERSION = "intake/2"
"""Changes with what is remembered, or with how access is read from front matter."""

ERASED_BYTES = "erased"
"""Stands for the hash of bytes that were erased: it would be a trace of them."""

RACY_NS = 2_000_000_000
"""A file that changed this shortly before it was read may change again within the same tick of a coarse file
system clock (FAT: 2 s) and show nothing of it. Git calls such entries racily clean."""


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What reading a file gave: SHA-256 of its bytes, and what its front matter says about access."""

    sha256: str
    own: OwnAccess


class HashCache:
    """Fingerprints by path, trusted only while size, times and inode stay as they were.

    A missing, damaged or outdated cache costs time and nothing else.

    Args:
        path: where it is kept; None keeps it in memory.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._entries: dict[str, list[Any]] = _loaded(path) if path is not None else {}
        self._changed = False

    def get(self, found: Found) -> Fingerprint | None:
        """What is remembered of exactly this state of the file."""
        entry = self._entries.get(found.path)
        if entry is None or entry[:4] != _stamp(found):
            return None
        _, _, _, _, sha256, rules, problem = entry
        return Fingerprint(sha256, OwnAccess(_thawed(rules), problem))

    def has_changed(self, found: Found) -> bool:
        """Whether the file is remembered in another state than this one."""
        entry = self._entries.get(found.path)
        return entry is not None and entry[:4] != _stamp(found)

    def put(self, found: Found, fingerprint: Fingerprint, *, read_at_ns: int) -> None:
        """Remembers what was read at that time, unless the file had only just changed."""
        if max(found.mtime_ns, found.ctime_ns) > read_at_ns - RACY_NS:
            self._changed |= self._entries.pop(found.path, None) is not None
            return
        own = fingerprint.own
        self._entries[found.path] = [*_stamp(found), fingerprint.sha256, dict(own.rules), own.problem]
        self._changed = True

    def forget_others(self, found: Collection[Found]) -> None:
        """Drops what is remembered of files that are gone from the folders of those found."""
        paths = {item.path for item in found}
        folders = {_top(path) for path in paths}
        gone = [path for path in self._entries if path not in paths and _top(path) in folders]
        for path in gone:
            del self._entries[path]
        self._changed |= bool(gone)

    def save(self) -> None:
        """Writes the cache in one step, if anything changed.

        Raises:
            ConfigurationError: the file cannot be written.
        """
        if self._path is None or not self._changed:
            return
        body = json.dumps(self._entries, sort_keys=True, ensure_ascii=True)
        document = {"version": CACHE_VERSION, "digest": _digest(body), "entries": self._entries}
        try:
            _write(self._path, json.dumps(document, sort_keys=True, ensure_ascii=True))
        except OSError as error:
            raise ConfigurationError(
                f"The cache {self._path} cannot be written ({error.strerror}): correct KNOWLEDGE_HOME or free space"
            ) from error
        self._changed = False


def _loaded(path: Path) -> dict[str, list[Any]]:
    try:
        document = json.loads(path.read_bytes())
        entries = document["entries"]
        genuine = document["version"] == CACHE_VERSION and document["digest"] == _digest(
            json.dumps(entries, sort_keys=True, ensure_ascii=True)
        )
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return {}
    return entries if genuine else {}


def _digest(body: str) -> str:
    return hashlib.sha256(body.encode("ascii")).hexdigest()


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as stream:
            stream.write(text)
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


def _stamp(found: Found) -> list[int]:
    return [found.size, found.mtime_ns, found.ctime_ns, found.inode]


def _thawed(rules: Mapping[str, Any]) -> dict[str, Any]:
    """Rules as they were before JSON made lists of their tuples."""
    return {key: tuple(value) if isinstance(value, list) else value for key, value in rules.items()}


def _top(path: str) -> str:
    return path.partition("/")[0]
