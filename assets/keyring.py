"""Rings of keys: they come from the environment or from a private file, have ids, and can be rotated."""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import secrets
import tempfile
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

from retrieval.errors import ConfigurationError

KEY_BYTES = 32
"""Of AES-256, and as much as HMAC-SHA256 can make use of."""

LOST = "lost:"
"""Before the id of a key that is gone for good."""


@dataclass(frozen=True)
class KeyRing:
    """The keys of one kind that an installation has, oldest first; the last one is used for what is new.

    Attributes:
        keys: by id; an id is made from the key, so the two cannot be mixed up.
        origin: file or setting they come from, for messages.
        lost: ids of keys that somebody said are gone for good.
    """

    keys: Mapping[str, bytes]
    origin: str
    lost: frozenset[str] = frozenset()

    what: ClassVar[str]
    """What messages call such a key, `master key` for one."""
    setting: ClassVar[str]
    """Variable of the environment that holds the ring."""
    may_be_lost: ClassVar[bool] = False
    """Whether there is a way on without an old key."""

    @classmethod
    def load(cls, configured: str | None, path: Path) -> Self:
        """Keys from the environment, else from the file, which is made on first use with mode 600.

        Args:
            configured: base64 of 32 bytes each, separated by commas, the newest last; None: the file holds the
                same, one a line.

        Raises:
            ConfigurationError: a key is malformed, or the file cannot be used, or others may read it.
        """
        if configured:
            return cls._parsed(configured.split(","), cls.setting)
        try:
            if not path.exists():
                _write(path, _lines([cls._first(path)]), replace=False)
            if path.stat().st_mode & 0o077:
                raise ConfigurationError(f"The key file {path} can be read by others: run `chmod 600 {path}`")
            lines = path.read_text(encoding="ascii", errors="replace").split()
        except OSError as error:
            raise ConfigurationError(f"The key file {path} cannot be used: {error.strerror}") from None
        return cls._parsed(lines, str(path))

    @classmethod
    def add(cls, path: Path) -> str:
        """Append a new key to the file; the id it has.

        Raises:
            ConfigurationError: the file cannot be used.
        """
        known = cls.load(None, path)
        fresh = secrets.token_bytes(KEY_BYTES)
        _write(path, [*_lines(known.keys.values()), *known._lost_lines(()), *_lines([fresh])], replace=True)
        return cls.id_of(fresh)

    @classmethod
    def drop(cls, path: Path, ids: Collection[str]) -> None:
        """Take keys out of the file that nothing needs any more, and ids of lost ones.

        Raises:
            ConfigurationError: the file cannot be used.
        """
        known = cls.load(None, path)
        kept = [key for name, key in known.keys.items() if name not in ids]
        _write(path, [*known._lost_lines(ids), *_lines(kept)], replace=True)

    @classmethod
    def id_of(cls, key: bytes) -> str:
        """Eight hex digits that name a key and tell nothing of it."""
        return hashlib.sha256(f"avatar-knowledge {cls.what}\0".encode() + key).hexdigest()[:8]

    @property
    def current(self) -> str:
        """Id of the key that is used for what is new."""
        return next(reversed(self.keys.keys()))  # type: ignore[call-overload,no-any-return]

    @classmethod
    def _first(cls, path: Path) -> bytes:
        """The key that a new file begins with."""
        return secrets.token_bytes(KEY_BYTES)

    @classmethod
    def _parsed(cls, texts: Sequence[str], origin: str) -> Self:
        keys: dict[str, bytes] = {}
        lost = set()
        for text in filter(None, map(str.strip, texts)):
            if cls.may_be_lost and text.startswith(LOST):
                lost.add(text.removeprefix(LOST))
                continue
            try:
                key = base64.b64decode(text, validate=True)
            except (binascii.Error, ValueError):
                key = b""
            if len(key) != KEY_BYTES:
                raise ConfigurationError(
                    f"{origin} holds something that is no {cls.what}: each is the base64 of {KEY_BYTES} random bytes"
                    " (`openssl rand -base64 32`)"
                )
            name = cls.id_of(key)
            keys.pop(name, None)  # a key that stands there twice is as new as its last place
            keys[name] = key
        if not keys:
            raise ConfigurationError(f"{origin} holds no {cls.what}: restore it from a backup")
        return cls(keys, origin, frozenset(lost - keys.keys()))

    def _lost_lines(self, without: Collection[str]) -> list[str]:
        return [f"{LOST}{name}\n" for name in sorted(self.lost.difference(without))]


def _lines(keys: Collection[bytes]) -> list[str]:
    return [base64.b64encode(key).decode() + "\n" for key in keys]


def _write(path: Path, lines: Sequence[str], *, replace: bool) -> None:
    """Write the file in one step; without `replace` a file that another process made meanwhile stays."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # mode 600
        fresh = Path(name)
        try:
            with os.fdopen(descriptor, "w", encoding="ascii") as stream:
                stream.writelines(lines)
                stream.flush()
                os.fsync(stream.fileno())
            if replace:
                fresh.replace(path)
            else:
                try:
                    os.link(fresh, path)
                except FileExistsError:
                    return
        finally:
            fresh.unlink(missing_ok=True)
    except OSError as error:
        raise ConfigurationError(f"The key file {path} cannot be written: {error.strerror}") from None
