"""The times that retention enforces."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Retention:
    """Days for which something is kept after nobody needs it any more.

    Attributes:
        bronze: bytes of files.
        text: what was made of them in silver and gold; passages go with their text. Bytes never outlive it.
        quarantine: refusals.
        history: older versions of the lake's tables.
    """

    bronze: int = 0
    text: int = 0
    quarantine: int = 30
    history: int = 7
