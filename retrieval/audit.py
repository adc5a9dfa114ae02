"""Pseudonyms for the audit log: who asked stays the same person, and nobody can be looked up without the key."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from pathlib import Path

from retrieval.errors import ConfigurationError
from retrieval.principal import Principal

KEY_BYTES = 32


def load_key(path: Path) -> bytes:
    """The key in that file, made on first use with mode 600.

    Raises:
        ConfigurationError: the file cannot be made, is too short, or others may read it.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = path.with_name(f".{path.name}.{os.getpid()}")
        if not path.exists():
            handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(handle, "wb") as file:
                file.write(secrets.token_bytes(KEY_BYTES))
            try:
                os.link(fresh, path)  # never replaces a key that another process made meanwhile
            except FileExistsError:
                pass
            finally:
                fresh.unlink()
        if path.stat().st_mode & 0o077:
            raise ConfigurationError(f"The key file {path} can be read by others: run `chmod 600 {path}`")
        key = path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"The key file {path} cannot be used: {error.strerror}") from None
    if len(key) < KEY_BYTES:
        raise ConfigurationError(f"The key file {path} is shorter than {KEY_BYTES} bytes: restore it from a backup")
    return key


def pseudonym(principal: Principal, key: bytes) -> str:
    """Keyed hash of tenant and user, 32 hex digits."""
    message = f"{principal.tenant}\0{principal.user}".encode()
    return hmac.new(key, message, hashlib.sha256).hexdigest()[:32]
