"""Under which keys the pseudonyms were made that lake and index still hold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import psycopg

from assets.gold.contract import CHUNKS
from assets.lake import Lake
from assets.silver.contract import DOCUMENTS
from assets.silver.pii.keys import key_of

if TYPE_CHECKING:
    from assets.stores import Stores


@dataclass(frozen=True)
class Uses:
    """What still holds pseudonyms of which key.

    Attributes:
        documents: rows of silver by key id.
        releases: kept releases by key id.
        untold: why more keys may be in use than are told; None where that is not so.
    """

    documents: Mapping[str, int] = field(default_factory=dict)
    releases: Mapping[str, int] = field(default_factory=dict)
    untold: str | None = None

    @property
    def keys(self) -> set[str]:
        """Ids of all keys that something was made with."""
        return {*self.documents, *self.releases}


def demand_keys(stores: Stores) -> None:
    """Make sure that the keys of everything silver holds are here: others than before are a mistake, not a rotation.

    Raises:
        ConfigurationError: one is missing, and nobody said that it is lost.
    """
    stores.pseudonyms.demand(_in_silver(stores.lake)[0])


def uses(stores: Stores, connection: psycopg.Connection[tuple[Any, ...]]) -> Uses:
    """What lake and index hold.

    Args:
        connection: as owner.
    """
    documents, untold = _in_silver(stores.lake)
    why = f"{untold} documents are to be redacted anew: run `knowledge ingest`" if untold else None
    if why is None and _uncut(stores.lake):
        why = "passages are to be cut anew: run `knowledge ingest`"
    releases: Counter[str] = Counter()
    kept = connection.execute("select number, pseudonym_keys from knowledge.release where state <> 'purged'")
    for number, keys in kept.fetchall():
        if keys is None:
            why = why or f"release {number} does not tell its keys: it goes with `knowledge release purge`"
        releases.update(keys or ())
    return Uses(documents, dict(releases), why)


def _in_silver(lake: Lake) -> tuple[dict[str, int], int]:
    """Rows by key id, and how many do not tell theirs."""
    redactors = Counter(lake.read(DOCUMENTS, ["redactor"])["redactor"].to_pylist())
    found: Counter[str] = Counter()
    untold = 0
    for redactor, rows in redactors.items():
        key = key_of(redactor)
        if key is None:
            untold += rows
        else:
            found[key] += rows
    return dict(sorted(found.items())), untold


def _uncut(lake: Lake) -> bool:
    """Whether passages were cut from another state of their document than silver has."""
    states = lake.read(DOCUMENTS, ["document_id", "event", "digest"]).to_pylist()
    digests = {(row["document_id"], row["event"]): row["digest"] for row in states}
    cut = lake.read(CHUNKS, ["document_id", "event", "document_digest"]).to_pylist()
    return any(digests.get((row["document_id"], row["event"])) != row["document_digest"] for row in cut)
