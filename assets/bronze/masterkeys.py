"""Master keys of bronze: under one of them every document's data key is wrapped; they can be rotated."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import ClassVar

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from assets.keyring import KeyRing
from retrieval.errors import ConfigurationError

NONCE_BYTES = 12
"""Of AES-GCM (NIST SP 800-38D, 5.2.1.1: 96 bits)."""


@dataclass(frozen=True)
class MasterKeys(KeyRing):
    """The master keys an installation has; the last one wraps what is new."""

    what: ClassVar[str] = "master key"
    setting: ClassVar[str] = "KNOWLEDGE_BRONZE_KEYS"

    def wrap(self, data_key: bytes, context: bytes) -> tuple[str, bytes]:
        """Id of the master key, and the data key encrypted under it for exactly that context."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        return self.current, nonce + AESGCM(self.keys[self.current]).encrypt(nonce, data_key, context)

    def missing(self, master: str) -> ConfigurationError:
        """The error for a master key that is needed and not here."""
        return ConfigurationError(
            f"The master key {master} is missing from {self.origin}: restore it from a backup. Without it the original"
            " bytes in bronze cannot be read, and nothing new is taken in; what is served, silver and gold are whole."
            f" If it is gone for good, `knowledge keys abandon {master} --dry-run` tells what that costs"
        )

    def unwrap(self, master: str, wrapped: bytes, context: bytes) -> bytes:
        """The data key.

        Raises:
            ConfigurationError: that master key is not here, or is not the one it was wrapped under.
        """
        if master not in self.keys:
            raise self.missing(master)
        try:
            return AESGCM(self.keys[master]).decrypt(wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:], context)
        except InvalidTag:
            raise ConfigurationError(
                f"A data key does not open under master key {master}: bronze/keys is damaged, restore it from a backup"
            ) from None
