"""Keys of pseudonyms: the newest makes the new ones, older ones stay until nothing kept was made with them."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from assets.keyring import KEY_BYTES, LOST, KeyRing
from retrieval.errors import ConfigurationError

FIRST_FILE = "pii.key"
"""The one raw key of homes that were made before keys had ids; it goes on as the first of the ring."""

_STAMP = re.compile(r" key/(?P<id>[0-9a-f]{8})\Z")


@dataclass(frozen=True)
class PseudonymKeys(KeyRing):
    """The keys an installation has for pseudonyms."""

    what: ClassVar[str] = "pseudonym key"
    setting: ClassVar[str] = "KNOWLEDGE_PSEUDONYM_KEYS"
    may_be_lost: ClassVar[bool] = True

    def of_tenant(self, tenant: str, key: str | None = None) -> bytes:
        """The key of a tenant's pseudonyms: the same person in two tenants has two pseudonyms.

        Args:
            key: id; None: the newest.
        """
        master = self.keys[key or self.current]
        return hmac.new(master, f"tenant\0{tenant}".encode(), hashlib.sha256).digest()

    def demand(self, ids: Iterable[str]) -> None:
        """Make sure that every one of these keys is here, or was said to be lost.

        Raises:
            ConfigurationError: one is missing.
        """
        missing = sorted(set(ids) - self.keys.keys() - self.lost)
        if missing:
            raise ConfigurationError(
                f"Pseudonyms were made under the key {missing[0]}, which is missing from {self.origin}: restore it from"
                f" a backup, or add `{LOST}{missing[0]}` there if it is gone for good; then everything is redacted anew"
                " under the newest key, and what older releases keep can no longer be searched for a person"
            )

    @classmethod
    def _first(cls, path: Path) -> bytes:
        """The raw key of an older home, where there is one."""
        older = path.with_name(FIRST_FILE)
        if not older.exists():
            return super()._first(path)
        if older.stat().st_mode & 0o077:
            raise ConfigurationError(f"The key file {older} can be read by others: run `chmod 600 {older}`")
        key = older.read_bytes()
        if len(key) != KEY_BYTES:
            raise ConfigurationError(f"The key file {older} is not {KEY_BYTES} bytes long: restore it from a backup")
        return key


def stamped(redactor: str, key: str) -> str:
    """The redactor's version with the key it redacts under, as it stands on the rows it makes."""
    return f"{redactor} key/{key}"


def key_of(redactor: str) -> str | None:
    """Id of the key that a row was redacted under; None where its version does not tell."""
    found = _STAMP.search(redactor)
    return found["id"] if found else None
