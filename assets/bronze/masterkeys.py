"""Master keys of bronze: under one of them every document's data key is wrapped; they can be rotated."""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import secrets
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from retrieval.errors import ConfigurationError

KEY_BYTES = 32
"""AES-256."""

NONCE_BYTES = 12
"""Of AES-GCM (NIST SP 800-38D, 5.2.1.1: 96 bits)."""

SETTING = "KNOWLEDGE_BRONZE_KEYS"


@dataclass(frozen=True)
class MasterKeys:
    """The keys an installation has, oldest first; the last one wraps what is new.

    Attributes:
        keys: by id; an id is made from the key, so the two cannot be mixed up.
        origin: file or setting they come from, for messages.
    """

    keys: Mapping[str, bytes]
    origin: str

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
            return cls(_parsed(configured.split(","), SETTING), SETTING)
        try:
            if not path.exists():
                _write(path, [secrets.token_bytes(KEY_BYTES)], replace=False)
            if path.stat().st_mode & 0o077:
                raise ConfigurationError(f"The key file {path} can be read by others: run `chmod 600 {path}`")
            lines = path.read_text(encoding="ascii", errors="replace").split()
        except OSError as error:
            raise ConfigurationError(f"The key file {path} cannot be used: {error.strerror}") from None
        return cls(_parsed(lines, str(path)), str(path))

    @property
    def current(self) -> str:
        """Id of the key that wraps what is new."""
        return next(reversed(self.keys.keys()))  # type: ignore[call-overload,no-any-return]

    def wrap(self, data_key: bytes, context: bytes) -> tuple[str, bytes]:
        """Id of the master key, and the data key encrypted under it for exactly that context."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        return self.current, nonce + AESGCM(self.keys[self.current]).encrypt(nonce, data_key, context)

    def unwrap(self, master: str, wrapped: bytes, context: bytes) -> bytes:
        """The data key.

        Raises:
            ConfigurationError: that master key is not here, or is not the one it was wrapped under.
        """
        if master not in self.keys:
            raise ConfigurationError(
                f"The master key {master} is missing from {self.origin}: restore it from a backup; bronze cannot be"
                " read without it"
            )
        try:
            return AESGCM(self.keys[master]).decrypt(wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:], context)
        except InvalidTag:
            raise ConfigurationError(
                f"A data key does not open under master key {master}: bronze/keys is damaged, restore it from a backup"
            ) from None


def add_key(path: Path) -> str:
    """Append a new master key to the file; the id it has.

    Raises:
        ConfigurationError: the file cannot be used.
    """
    known = MasterKeys.load(None, path)
    fresh = secrets.token_bytes(KEY_BYTES)
    _write(path, [*known.keys.values(), fresh], replace=True)
    return key_id(fresh)


def drop_keys(path: Path, ids: Sequence[str]) -> None:
    """Take master keys out of the file that wrap nothing any more.

    Raises:
        ConfigurationError: the file cannot be used.
    """
    known = MasterKeys.load(None, path)
    _write(path, [key for name, key in known.keys.items() if name not in ids], replace=True)


def key_id(key: bytes) -> str:
    """Eight hex digits that name a key and tell nothing of it."""
    return hashlib.sha256(b"avatar-knowledge master key\0" + key).hexdigest()[:8]


def _parsed(texts: Sequence[str], origin: str) -> dict[str, bytes]:
    keys = {}
    for text in filter(None, map(str.strip, texts)):
        try:
            key = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            key = b""
        if len(key) != KEY_BYTES:
            raise ConfigurationError(
                f"{origin} holds something that is no master key: each is the base64 of {KEY_BYTES} random bytes"
                " (`openssl rand -base64 32`)"
            )
        keys[key_id(key)] = key
    if not keys:
        raise ConfigurationError(f"{origin} holds no master key: restore it from a backup")
    return keys


def _write(path: Path, keys: Sequence[bytes], *, replace: bool) -> None:
    """Write the file in one step; without `replace` a file that another process made meanwhile stays."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # mode 600
        fresh = Path(name)
        try:
            with os.fdopen(descriptor, "w", encoding="ascii") as stream:
                stream.writelines(base64.b64encode(key).decode() + "\n" for key in keys)
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
