"""Access as a property: whatever happens to documents and releases, every principal sees exactly its own.

A history of edits, deletions, restores, moves and changes of access is played against a real index and against a
plain-Python oracle, and every answer is compared, down to the statistics behind the scores.
"""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from assets.index.desired import Access
from assets.index.releases import promote, purge, rollback
from retrieval import AsyncRetriever, Filters, NoReleaseError, Principal, Retriever, SearchResult, UnknownTenantError
from retrieval.bm25 import POSTING
from tests.retrieval.oracle import CLEARANCES, World, bm25, passes
from tests.support import Databases, GoldDocument, Index, WordsEncoder, see

READ_AT = datetime.now(UTC)
"""The database decides about expiry by its own clock, so times here are counted from the real now."""
PUBLISHED_AT = READ_AT - timedelta(days=30)
EXPIRIES = {
    "never": None,
    "later": READ_AT + timedelta(days=1),
    "since publication": READ_AT - timedelta(days=1),
    "before publication": READ_AT - timedelta(days=60),
}
TENANTS = ("acme", "bolt")
ROLES = ("legal", "sales")
TEXTS = (
    "the quick brown fox jumps over the lazy dog",
    "a fox is quick",
    "Der schnelle Fuchs springt über den faulen Hund, und der Fuchs ist rot",
    "salary bands of the engineering department",
    "WP-300X pump manual: pressure and flow",
    "salary of the fox",
    "Häuser und Hunde",
)
QUERIES = ("quick fox", "Fuchs salary Hunde", "WP-300X", "the dog of the department", "nothing like it")
FILTERS = (
    Filters(source="podcast"),
    Filters(language=["de", "fr"]),
    Filters(tags={"x", "y"}),
    Filters(since="2026-02-01"),
    Filters(source=["blog", "podcast"], language="en", tags="x"),
)
PRINCIPALS = tuple(
    Principal(user="ada", tenant=tenant, roles=roles, clearance=clearance)  # type: ignore[arg-type]
    for tenant in TENANTS
    for roles in ((), ("legal",), ("sales",), ("legal", "sales", "unheard-of"))
    for clearance in CLEARANCES
)


# -------------------------------------------------------------------- histories


@dataclass(frozen=True)
class Put:
    """A document appears, comes back, or becomes this."""

    document: GoldDocument


@dataclass(frozen=True)
class Delete:
    """A document goes."""

    name: str


@dataclass(frozen=True)
class Step:
    """What happens to the inbox, then publish and promote, then what a keeper of releases does."""

    changes: tuple[Put | Delete, ...]
    model: int = 16
    keeper: str = "nothing"


KEEPERS = ("nothing", "nothing", "nothing", "nothing", "rollback", "promote by hand", "purge 0", "purge 2")


@st.composite
def documents(draw: st.DrawFn, name: str) -> GoldDocument:
    access = Access(
        draw(st.sampled_from(TENANTS)),
        tuple(draw(st.sampled_from([("everyone",), ("legal",), ("sales",), ("legal", "sales")]))),
        draw(st.sampled_from(CLEARANCES)),
    )
    return GoldDocument(
        name,
        access,
        draw(st.lists(st.sampled_from(TEXTS), min_size=1, max_size=3)),
        language=draw(st.sampled_from(["en", "de"])),
        source=draw(st.sampled_from(["blog", "podcast"])),
        tags=draw(st.sampled_from([(), ("x",), ("x", "y")])),
        published=draw(st.sampled_from([None, "2026-01-15", "2026-02-01"])),
        expires_at=draw(st.sampled_from(list(EXPIRIES.values()))),
        valid_from=PUBLISHED_AT,
    )


@st.composite
def histories(draw: st.DrawFn, names: Sequence[str] = ("a", "b", "c"), steps: int = 9) -> list[Step]:
    change = st.one_of(*(documents(name).map(Put) for name in names), *(st.just(Delete(name)) for name in names))
    step = st.builds(
        Step,
        st.lists(change, min_size=1, max_size=3).map(tuple),
        st.sampled_from([16, 16, 16, 8]),
        st.sampled_from(KEEPERS),
    )
    return draw(st.lists(step, min_size=4, max_size=steps))


def long_history(seed: int, *, names: int, steps: int) -> Iterator[Step]:
    """A longer history than hypothesis would draw; most of it are small changes to documents that are there."""
    draw = random.Random(seed)
    there: dict[str, GoldDocument] = {}

    def change(name: str) -> Put | Delete:
        old = there.get(name)
        if old is not None and draw.random() < 0.15:
            del there[name]
            return Delete(name)
        new = GoldDocument(
            name,
            Access(
                draw.choice(TENANTS), draw.choice([("everyone",), ROLES, ROLES[:1], ROLES[1:]]), draw.choice(CLEARANCES)
            ),
            draw.choices(TEXTS, k=draw.randint(1, 4)),
            language=draw.choice(["de", "en"]),
            source=draw.choice(["blog", "podcast"]),
            tags=draw.choice([(), ("x",), ("x", "y")]),
            published=draw.choice([None, "2026-01-15", "2026-02-01"]),
            expires_at=draw.choice([None, None, *EXPIRIES.values()]),
            valid_from=PUBLISHED_AT,
        )
        if old is not None:
            kept = draw.choice([("access",), ("texts",), ("expires_at",), ("access", "expires_at"), ()])
            same = {"access", "texts", "expires_at", "language", "source", "tags", "published"} - set(kept)
            new = replace(new, **{name: getattr(old, name) for name in same}) if kept else new
        there[name] = new
        return Put(new)

    for number in range(steps):
        chosen = draw.sample(range(names), names // 2 if number == 0 else draw.randint(1, 4))
        yield Step(tuple(change(f"document-{i}") for i in chosen), draw.choice([16] * 9 + [8]), draw.choice(KEEPERS))


# ------------------------------------------------------------------ playing one


@dataclass
class Play:
    """An index and its oracle, side by side."""

    index: Index
    world: World = field(default_factory=World)
    inbox: dict[str, GoldDocument] = field(default_factory=dict)
    pairs: int = 0

    def __post_init__(self) -> None:
        self.reader = self.index.reader()
        self.encoders = {dimension: WordsEncoder(dimension) for dimension in (8, 16)}
        self.retrievers: dict[int, Retriever] = {}

    def run(self, step: Step) -> None:
        """Do it to both."""
        self._change(step.changes)
        in_force = [
            document
            for document in self.inbox.values()
            if document.expires_at is None or document.expires_at > PUBLISHED_AT
        ]
        due = self.world.publish(in_force, step.model)
        published = self.index.publish(in_force, now=PUBLISHED_AT, encoder=self.encoders[step.model])
        assert (published.created, published.release or 0) == (due, max(self.world.releases, default=0))
        self.world.promote()
        if published.release is not None:
            promote(self.index.owner, published.release, now=PUBLISHED_AT)
        self._keep(step.keeper)

    def _change(self, changes: Iterable[Put | Delete]) -> None:
        for change in changes:
            if isinstance(change, Delete):
                self.inbox.pop(change.name, None)
                continue
            new, old = change.document, self.inbox.get(change.document.name)
            edited = old is not None and (old.texts, old.language) != (new.texts, new.language)
            event = (old.event + edited) if old is not None else 1
            self.inbox[new.name] = replace(new, event=event)

    def _keep(self, what: str) -> None:
        owner, world = self.index.owner, self.world
        if what == "rollback":
            if world.rollback():
                rollback(owner, now=PUBLISHED_AT)
            else:
                with pytest.raises(NoReleaseError):
                    rollback(owner, now=PUBLISHED_AT)
        elif what == "promote by hand" and world.releases:
            world.promote(by_hand=True)
            promote(owner, max(world.releases), now=PUBLISHED_AT, by_hand=True)
        elif what.startswith("purge"):
            keep = int(what.split()[1])
            world.purge(keep, READ_AT)
            purge(owner, keep=keep, now=READ_AT)

    # -------------------------------------------------------------- comparing

    def compare_postings(self) -> None:
        """No posting, whoever may read it, is about a passage that is not there any more."""
        for schema in self.index.schemas():
            held = set(self.index.owner.execute(f"select tenant, chunk from {schema}.chunk".encode()).fetchall())
            posts = self.index.owner.execute(f"select tenant, post from {schema}.posting".encode()).fetchall()
            assert {(tenant, int(n)) for tenant, post in posts for n in np.frombuffer(post, POSTING)["chunk"]} <= held

    def compare_rows(self, releases: Iterable[int], query: str) -> None:
        """As the runtime's role: rows, statistics and lexical scores of every principal."""
        tenants = {row[0] for row in self.index.owner.execute("select name from knowledge.tenant")}
        for release, principal in itertools.product(releases, PRINCIPALS):
            if principal.tenant in tenants:
                self._compare_rows(principal, release, query)
                self.pairs += len(self.inbox)

    def _compare_rows(self, principal: Principal, release: int, query: str) -> None:
        passages = self.world.visible(principal, release, READ_AT)
        seen = see(self.reader, principal, query, release)
        assert seen.chunk_ids == sorted(p.chunk_id for p in passages)
        assert seen.titles == sorted({p.document.name for p in passages})
        assert seen.scores == pytest.approx(bm25(query, passages), abs=1e-9, rel=1e-9)
        assert list(seen.scores.values()) == sorted(seen.scores.values(), reverse=True)

    def retriever(self, model: int) -> Retriever:
        if model not in self.retrievers:
            self.retrievers[model] = self.index.retriever(self.encoders[model])
        return self.retrievers[model]

    def compare_searches(self, principals: Iterable[Principal], release: int | None, query: str) -> None:
        """Through the library: hits of a plain search and of filtered ones."""
        read = self.world.active if release is None else release
        if read is None:
            return
        retriever = self.retriever(self.world.models[read])
        for principal in principals:
            if self.known(principal.tenant):
                for filters in (None, *FILTERS):
                    result = retriever.search(query, principal=principal, k=1000, filters=filters, release=release)
                    assert result.release == read
                    self.compare_hits(result, principal, read, filters)
            else:
                with pytest.raises(UnknownTenantError):
                    retriever.search(query, principal=principal, release=release)

    def compare_hits(self, result: SearchResult, principal: Principal, release: int, filters: Filters | None) -> None:
        passages = self.world.visible(principal, release, READ_AT)
        wanted = [p for p in passages if filters is None or passes(p.document, filters)]
        assert sorted((h.chunk_id, h.text, h.citation.title) for h in result) == sorted(
            (p.chunk_id, p.text, p.document.name) for p in wanted
        )

    def known(self, tenant: str) -> bool:
        return (tenant,) in self.index.owner.execute("select name from knowledge.tenant").fetchall()

    def compare_all(self) -> None:
        """Every kept release for everyone; releases that are not kept for nobody."""
        self.compare_postings()
        for number, release in enumerate(self.world.kept):
            self.compare_rows([release], QUERIES[number % len(QUERIES)])
            self.compare_searches(PRINCIPALS[:: len(PRINCIPALS) // 4], release, QUERIES[0])
        asker = next((p for p in PRINCIPALS if self.known(p.tenant)), None)
        for release in sorted(self.world.purged):
            assert asker is not None
            with pytest.raises(NoReleaseError):
                self.retriever(16).search("fox", principal=asker, release=release)


# ------------------------------------------------------------------------ tests


@settings(
    max_examples=8,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],  # to shrink a history takes minutes; add Phase.shrink by hand
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(history=histories(), query=st.sampled_from(QUERIES))
@pytest.mark.slow
def test_every_principal_sees_its_own_and_nothing_else(databases: Databases, history: list[Step], query: str) -> None:
    with databases.index() as index:
        play = Play(index)
        for step in history:
            play.run(step)
            if play.world.active:
                play.compare_rows([play.world.active], query)
        play.compare_all()


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_a_long_history(index: Index, seed: int) -> None:
    play = Play(index)
    for number, step in enumerate(long_history(seed, names=24, steps=12)):
        play.run(step)
        if play.world.active:
            kept = play.world.kept
            play.compare_rows({play.world.active, kept[number % len(kept)]}, QUERIES[number % len(QUERIES)])
            play.compare_searches(PRINCIPALS[number % 5 :: 9], None, QUERIES[number % len(QUERIES)])
    play.compare_all()
    assert play.pairs > 5_000


def test_the_async_twin_answers_alike(index: Index) -> None:
    play = Play(index)
    for step in itertools.islice(long_history(3, names=12, steps=4), 4):
        play.run(replace(step, model=16, keeper="nothing"))

    async def ask() -> list[SearchResult]:
        retriever = await AsyncRetriever.connect(settings=index.settings, encoder=WordsEncoder())
        turn = asyncio.Semaphore(4)  # a search's time runs from when it is asked for

        async def one(principal: Principal, filters: Filters | None, release: int | None) -> SearchResult:
            async with turn:
                return await retriever.search(QUERIES[0], principal=principal, k=1000, filters=filters, release=release)

        async with retriever:
            asked = itertools.product(PRINCIPALS[::3], (None, *FILTERS), (None, 2))
            return await asyncio.gather(*(one(*each) for each in asked))

    results = iter(asyncio.run(ask()))
    sync = play.retriever(16)
    for principal, filters, release in itertools.product(PRINCIPALS[::3], (None, *FILTERS), (None, 2)):
        twin = next(results)
        play.compare_hits(twin, principal, twin.release, filters)
        assert twin.hits == sync.search(QUERIES[0], principal=principal, k=1000, filters=filters, release=release).hits
