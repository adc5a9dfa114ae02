"""The index as plain Python would have it: who sees which passages of which release, and how BM25 scores them.

Nothing here is fast or shares code with what it judges, but for the analysis of text.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from assets.index.desired import Access
from retrieval import Filters, Principal
from retrieval.analysis import passage_terms, query_terms, words
from tests.support import Gold, GoldDocument

CLEARANCES = ("public", "internal", "confidential", "restricted")


@dataclass(frozen=True)
class Passage:
    """One passage of a release, the `ordinal`th of its document."""

    chunk_id: str
    document: GoldDocument
    text: str
    ordinal: int = 0

    @property
    def flags(self) -> tuple[str, ...]:
        """What the screener found in it."""
        return self.document.flags_of.get(self.ordinal, self.document.flags)


@dataclass
class World:
    """All releases with what they hold, and who may see it now.

    Attributes:
        releases: release → document name → the document as that release holds it.
        models: release → dimension of the model it was made with.
        access: document name → its access and expiry, which hold in every release.
        purged: releases that are not kept any more.
        promoted: releases that were served at some time.
    """

    releases: dict[int, dict[str, GoldDocument]] = field(default_factory=dict)
    models: dict[int, int] = field(default_factory=dict)
    access: dict[str, tuple[Access, datetime | None]] = field(default_factory=dict)
    purged: set[int] = field(default_factory=set)
    promoted: set[int] = field(default_factory=set)
    active: int | None = None
    held: bool = False

    # ------------------------------------------------------------- what is done

    def publish(self, documents: Sequence[GoldDocument], model: int) -> bool:
        """The next release, if these documents tell something new. Whether it was written."""
        wanted = {document.name: document for document in documents}
        for name, document in wanted.items():
            self.access[name] = (document.access, document.expires_at)
            for held in self.releases.values():
                if name in held and held[name].access.tenant != document.access.tenant:
                    del held[name]  # it left its tenant, and with it every release of that tenant
        newest = max(self.releases, default=0)
        if not newest:
            due = bool(wanted)
        else:
            due = self.models[newest] != model or _told(wanted) != _told(self.releases[newest])
        if due:
            self.releases[newest + 1] = wanted
            self.models[newest + 1] = model
        return due

    def promote(self, *, by_hand: bool = False) -> None:
        """Serve the newest release, unless promotion is held."""
        if self.releases and (by_hand or not self.held):
            self.active, self.held = max(self.releases), False
            self.promoted.add(self.active)

    def rollback(self) -> bool:
        """Serve the release that was served before; False where there is none."""
        earlier = [n for n in self.promoted - self.purged if self.active is not None and n < self.active]
        if earlier:
            self.active, self.held = max(earlier), True
        return bool(earlier)

    def purge(self, keep: int, now: datetime) -> None:
        """Forget releases that are not kept, and everything that has expired."""
        if self.active is None:
            return
        served = sorted((n for n in self.promoted - self.purged if n <= self.active), reverse=True)
        oldest = min(served[: keep + 1])
        self.purged |= {n for n in self.releases if n < oldest}
        for held in self.releases.values():
            for name in list(held):
                expires_at = self.access[name][1]
                if expires_at is not None and expires_at <= now:
                    del held[name]

    # ------------------------------------------------------------ what is seen

    @property
    def kept(self) -> list[int]:
        """Releases that can be read."""
        return sorted(set(self.releases) - self.purged)

    def visible(self, principal: Principal, release: int, now: datetime) -> list[Passage]:
        """What that principal may see of a release, in no order."""
        found = []
        for document in self.releases[release].values():
            access, expires_at = self.access[document.name]
            if (
                access.tenant == principal.tenant
                and set(access.roles) & set(principal.roles)
                and CLEARANCES.index(access.clearance) <= CLEARANCES.index(principal.clearance)
                and (expires_at is None or expires_at > now)
            ):
                rows = Gold([document]).rows
                found += [Passage(key[2], document, facts["text"], facts["ordinal"]) for key, facts in rows.items()]
        return found


def passes(document: GoldDocument, filters: Filters) -> bool:
    """Whether a document is one that filters ask for."""
    day = date.fromisoformat(document.published) if document.published else document.valid_from.date()
    return (
        (filters.source is None or document.source in filters.source)
        and (filters.language is None or document.language in filters.language)
        and (filters.tags is None or set(filters.tags) <= set(document.tags))
        and (filters.since is None or day >= date.fromisoformat(str(filters.since)))
    )


def asked_for(passage: Passage, filters: Filters) -> bool:
    """Whether a passage is one that filters ask for."""
    return passes(passage.document, filters) and filters.flagged in (None, bool(passage.flags))


def alike(one: str, other: str) -> bool:
    """Whether two texts say nearly the same: four fifths of their runs of three words are common to both."""
    runs = []
    for text in (one, other):
        found = list(words(text))
        runs.append({tuple(found[at : at + 3]) for at in range(max(1, len(found) - 2))})
    return len(runs[0] & runs[1]) >= 0.8 * len(runs[0] | runs[1])


def bm25(query: str, passages: Sequence[Passage]) -> dict[str, float]:
    """Scores above zero by chunk id, by the book."""
    k1, b = 1.2, 0.75
    terms = {p.chunk_id: passage_terms(p.text, p.document.language, p.document.name) for p in passages}
    n = len(terms)
    average = sum(map(len, terms.values())) / n if n else 0.0
    scores: dict[str, float] = {}
    for term in {term for alternatives in query_terms(query) for term in alternatives}:
        df = sum(term in found for found in terms.values())
        idf = math.log(1 + (n - df + 0.5) / (df + 0.5))
        for chunk_id, found in terms.items():
            tf = Counter(found)[term]
            if tf:
                weight = idf * tf * (k1 + 1) / (tf + k1 * (1 - b + b * len(found) / average))
                scores[chunk_id] = scores.get(chunk_id, 0.0) + weight
    return scores


def _told(documents: dict[str, GoldDocument]) -> dict[str, tuple[object, ...]]:
    """What a release tells of its documents: everything but access and expiry, and the tenant of it."""
    return {
        name: (d.texts, d.event, d.language, d.source, d.tags, d.published, d.access.tenant)
        for name, d in documents.items()
    }
