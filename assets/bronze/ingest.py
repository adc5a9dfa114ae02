"""Ingests into bronze what changed in one source of the inbox."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from assets.bronze.cache import HashCache
from assets.bronze.changes import Held, Intake, RemovalLimit
from assets.bronze.contract import SOURCE_FILES
from assets.bronze.erased import erased_bytes
from assets.bronze.intake import intake_batches, plan_intake, state_of
from assets.bronze.observe import observe
from assets.bronze.scan import scan
from assets.contract import SOURCES
from assets.stores import Stores

REMOVAL_FLOOR = 1
"""Removals of up to so many files are never held back: of three files one is more than a fifth."""


@dataclass(frozen=True)
class IngestedSource:
    """What was taken in from one source.

    Attributes:
        kinds: rows appended, by kind.
        held: files left for the next time.
        withheld: paths that vanished but are too many at once to be believed.
    """

    kinds: Counter[str] = field(default_factory=Counter)
    held: tuple[Held, ...] = ()
    withheld: tuple[str, ...] = ()


def plan_sources(
    stores: Stores, sources: tuple[str, ...] = SOURCES, *, settle_s: float = 0.0, confirm_deletions: bool = False
) -> dict[str, Intake]:
    """What bronze lacks, by source, from one observation of the inbox.

    Args:
        settle_s: files younger than this are left for the next time.
        confirm_deletions: believe that everything that vanished was meant to.

    Raises:
        ConfigurationError: there is no inbox.
        InboxUnavailableError: its storage did not answer.
    """
    now_ns = int(stores.clock().timestamp() * 1e9)
    found = scan(stores.inbox)
    limit = None if confirm_deletions else RemovalLimit(stores.removal_share, REMOVAL_FLOOR)
    is_erased = erased_bytes(stores.lake, lambda: stores.vault)
    states = state_of(stores.lake, sources)
    plans = {}
    for source in sources:
        cache = HashCache(stores.settings.home / "cache" / f"{source}.json")
        observation = observe(
            stores.inbox,
            [item for item in found if item.source == source],
            cache=cache,
            now_ns=now_ns,
            settle_s=settle_s,
            max_bytes=stores.limits.file_bytes,
            is_erased=is_erased,
        )
        cache.save()
        plans[source] = plan_intake(
            observation, {path: state for path, state in states.items() if state.source == source}, removal_limit=limit
        )
    return plans


def ingest_source(stores: Stores, source: str, *, confirm_deletions: bool = False) -> IngestedSource:
    """Append what changed in a source to today's partition."""
    intake = plan_sources(stores, (source,), confirm_deletions=confirm_deletions)[source]
    kinds: Counter[str] = Counter()
    held = list(intake.held)
    now = stores.clock()
    if intake.changes:
        stores.vault.demand_masters()  # what is sealed now would be lost when the right keys are put back
    for batch in intake_batches(stores.inbox, intake.changes, date=stores.today, received_at=now):
        stores.lake.append(SOURCE_FILES, stores.vault.seal(batch.table, now=now))
        kinds.update(batch.table.column("kind").to_pylist())
        held += batch.held
    return IngestedSource(kinds, tuple(held), intake.withheld)
