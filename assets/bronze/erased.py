"""The list of bytes that were erased: what is on it is refused at the door, and the list tells nothing of it."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime

import pyarrow as pa

from assets.bronze.contract import ERASED
from assets.bronze.vault import Vault
from assets.lake import Lake, Partition

LIST = "erased"


def erased_bytes(lake: Lake, vault: Callable[[], Vault]) -> Callable[[str], bool]:
    """Tells by the SHA-256 of bytes whether they were erased.

    Args:
        vault: asked for only where the list is not empty.
    """
    listed = set(lake.read(ERASED, ["digest"])["digest"].to_pylist())
    if not listed:
        return lambda sha256: False
    digest = vault().digester(LIST)
    return lambda sha256: digest(sha256.encode()) in listed


def list_erased(
    lake: Lake, vault: Vault, hashes: Collection[str], *, erasure: str, place: Partition, now: datetime
) -> int:
    """Put bytes on the list, by their SHA-256; how many were not on it yet."""
    vault.make_list_key(LIST, place=place, now=now)
    digest = vault.digester(LIST)
    known = set(lake.read(ERASED, ["digest"])["digest"].to_pylist())
    fresh = sorted({digest(sha256.encode()) for sha256 in hashes} - known)
    rows = [
        {"date": place[0], "source": place[1], "digest": value, "erasure": erasure, "erased_at": now} for value in fresh
    ]
    return lake.append(ERASED, pa.Table.from_pylist(rows, ERASED.schema))
