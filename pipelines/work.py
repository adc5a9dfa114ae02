"""What there is to do: which partitions the inbox and the tables ask for, and why."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass

from assets.bronze.changes import Intake
from assets.bronze.contract import SOURCE_FILES
from assets.gold.contract import CHUNKS, EMBEDDINGS
from assets.lake import Partition
from assets.pseudonyms import demand_keys
from assets.silver.contract import DOCUMENTS, QUARANTINE
from assets.stores import Stores


@dataclass(frozen=True)
class Group:
    """Work for one run: a source on a day.

    Attributes:
        partition: (date, source).
        fingerprint: identity of the work; the same work has the same one at every look.
        reasons: counts by kind, e.g. `content` or `unfinished`.
    """

    partition: Partition
    fingerprint: str
    reasons: Mapping[str, int]


@dataclass(frozen=True)
class Work:
    """All there is to do, and what is deliberately left.

    Attributes:
        groups: by partition, in order.
        unsettled: paths that are being written.
        unreadable: paths that may not be read.
        withheld: by source, paths that vanished but are too many at once to be believed.
        intake: the plans by source.
    """

    groups: tuple[Group, ...]
    unsettled: tuple[str, ...]
    unreadable: tuple[str, ...]
    withheld: Mapping[str, tuple[str, ...]]
    intake: Mapping[str, Intake]


def find_work(stores: Stores, plans: Mapping[str, Intake]) -> Work:
    """Compare the inbox with bronze, and bronze with what was made of it.

    Args:
        plans: what bronze lacks, from `plan_sources`.

    Raises:
        ConfigurationError: a key that pseudonyms were made under is missing.
    """
    demand_keys(stores)
    parts: dict[Partition, list[object]] = {}
    reasons: dict[Partition, dict[str, int]] = {}
    for source, plan in plans.items():
        for change in plan.changes:
            partition = (stores.today, source)
            parts.setdefault(partition, []).append([change.path, change.kind, change.event, change.sha256])
            counts = reasons.setdefault(partition, {})
            counts[change.kind] = counts.get(change.kind, 0) + 1
    for document_id, date, source, event, state in _unfinished(stores):
        partition = (date, source)
        parts.setdefault(partition, []).append([document_id, "unfinished", event, state])
        counts = reasons.setdefault(partition, {})
        counts["unfinished"] = counts.get("unfinished", 0) + 1
    groups = tuple(
        Group(partition, _fingerprint(parts[partition], stores), reasons[partition]) for partition in sorted(parts)
    )
    held = [item for plan in plans.values() for item in plan.held]
    return Work(
        groups=groups,
        unsettled=tuple(sorted(item.path for item in held if item.reason == "unsettled")),
        unreadable=tuple(sorted(item.path for item in held if item.reason == "unreadable")),
        withheld={source: plan.withheld for source, plan in plans.items() if plan.withheld},
        intake=plans,
    )


Unfinished = tuple[str, str, str, int, str]
"""A file's id, its partition's date and source, its event and how far that has come."""

_PROGRESS = (SOURCE_FILES, QUARANTINE, DOCUMENTS, CHUNKS, EMBEDDINGS)


@functools.cache
def _remembered() -> dict[str, tuple[object, tuple[Unfinished, ...]]]:
    """By lake, what was unfinished at the last look and what it followed from."""
    return {}


def _unfinished(stores: Stores) -> tuple[Unfinished, ...]:
    """What has not come to an end; read anew only when a table or the code has changed."""
    follows_from = [stores.lake.state(table) for table in _PROGRESS], stores.versions
    known = _remembered().get(stores.lake.uri)
    if known is not None and known[0] == follows_from:
        return known[1]
    rows = stores.ledger().unfinished()
    found = tuple(
        (str(document_id), str(date), str(source), int(event), str(state))
        for document_id, date, source, event, state in zip(
            rows.index, rows.date, rows.source, rows.event, rows.state, strict=True
        )
    )
    _remembered()[stores.lake.uri] = follows_from, found
    return found


def _fingerprint(parts: list[object], stores: Stores) -> str:
    """Identity of some work. The code's versions belong to it: a fixed reader makes a failed group new."""
    versions = stores.versions
    code = [versions.redactor, versions.screener, versions.chunker, versions.fingerprint]
    facts = [sorted(map(json.dumps, parts)), sorted(versions.readers or ()), code]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]
