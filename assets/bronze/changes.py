"""What bronze says about files: what was seen of each, what it knew, and what changed."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Literal

import pyarrow as pa

NO_BYTES_SHA256 = hashlib.sha256(b"").hexdigest()

NO_RULES = "{}"

Kind = Literal["content", "access", "removed"]


@dataclass(frozen=True, slots=True)
class Access:
    """The policy columns of a bronze row.

    Attributes:
        defaults, rules: JSON objects with sorted keys.
        error: reason why the file is refused before it is read, with its detail.
    """

    tenant: str | None = None
    roles: tuple[str, ...] | None = None
    clearance: str | None = None
    ttl_days: int | None = None
    refresh: str | None = None
    defaults: str = "{}"
    rules: str = NO_RULES
    error: str | None = None
    detail: str | None = None

    @property
    def decides_reading(self) -> tuple[str | None, ...]:
        """What silver depends on, so that a change of it means reading the file anew."""
        return self.tenant, self.defaults, self.rules, self.error, self.detail

    @property
    def decides_visibility(self) -> tuple[object, ...]:
        """What takes effect without reading anything anew."""
        return self.roles, self.clearance, self.ttl_days, self.refresh


@dataclass(frozen=True, slots=True)
class State:
    """The latest bronze row of a document, without its bytes."""

    document_id: str
    path: str
    source: str
    event: int
    kind: str
    version: int
    sha256: str
    size: int
    media_type: str
    access: Access


@dataclass(frozen=True, slots=True)
class Observed:
    """A file as it is now.

    Attributes:
        file: path as the file system spells it.
        sha256, size: of the bytes. A file that is not loaded has the hash of no bytes and its real size.
        loaded: whether its bytes go into bronze.
    """

    path: str
    file: str
    source: str
    sha256: str
    size: int
    access: Access
    loaded: bool = True


@dataclass(frozen=True, slots=True)
class Held:
    """A file, or a folder with all that is in it, about which nothing is decided this time."""

    path: str
    reason: Literal["unsettled", "unreadable"]


@dataclass(frozen=True, slots=True)
class Observation:
    """What a look at the inbox gave, by path; `read` counts the files whose bytes had to be read."""

    files: tuple[Observed, ...]
    held: tuple[Held, ...] = ()
    read: int = 0


@dataclass(frozen=True, slots=True)
class Change:
    """One row to append.

    Attributes:
        file: path as the file system spells it; None for a removed file.
    """

    kind: Kind
    document_id: str
    path: str
    source: str
    event: int
    version: int
    sha256: str
    size: int
    media_type: str
    access: Access
    file: str | None = None
    loaded: bool = False


@dataclass(frozen=True, slots=True)
class RemovalLimit:
    """How many files may vanish at once before it looks like an unmounted share: more than `count` files and more
    than `share` (0 to 1) of those known are held back.
    """

    share: float
    count: int = 0

    def exceeded(self, removed: int, known: int) -> bool:
        """Whether so many of the known ones are too many."""
        return removed > self.count and removed > self.share * known


@dataclass(frozen=True, slots=True)
class Intake:
    """The plan: rows to append in the order of paths, files held, and removals that the limit holds back."""

    changes: tuple[Change, ...]
    held: tuple[Held, ...] = ()
    withheld: tuple[str, ...] = ()
    unchanged: int = 0


@dataclass(frozen=True, slots=True)
class IntakeBatch:
    """Rows of `bronze/source_files`, and files that changed again before they could be read for them."""

    table: pa.Table
    held: tuple[Held, ...] = ()
