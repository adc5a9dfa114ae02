"""A world in which every passage and every title holds a word that stands nowhere else, so that whatever anybody gets
tells by itself which of them it is from."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from assets.index.desired import Access
from retrieval import Filters, Principal
from tests.retrieval.oracle import CLEARANCES, Passage, World, asked_for
from tests.support import Connection, GoldDocument, Index

READ_AT = datetime.now(UTC)
PUBLISHED_AT = READ_AT - timedelta(days=30)
TENANTS = ("acme", "bolt", "corp")
ROLES = ("legal", "sales", "board", "staff")
COMMON = "lighthouse"
"""A word of every passage: whoever asks for it should get all that there is for them."""

MARK = re.compile(r"(?:mark|title)\d+x")
"""The words that stand in one passage or one title alone."""

WORDS = "salt wind rope tide gull barge fog pier crane anchor hull keel mast sail net buoy".split()
FILTERS = (
    Filters(source="podcast"),
    Filters(language=["de", "fr"]),
    Filters(tags={"x", "y"}),
    Filters(since="2026-02-01"),
    Filters(flagged=False),
    Filters(flagged=True, source=["blog", "podcast"]),
    Filters(source=["blog", "podcast"], language="en", tags="x"),
)


@dataclass
class Scene:
    """An index with two releases, changes of access since, and the oracle of all of it.

    Attributes:
        documents: what the inbox holds.
    """

    index: Index
    draw: random.Random
    world: World = field(default_factory=World)
    documents: dict[str, GoldDocument] = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=lambda: iter(range(10**6)))

    def text(self) -> str:
        """A passage with a mark of its own, sometimes nearly the same as another one."""
        words = self.draw.choices(WORDS, k=18) if self.draw.random() < 0.8 else WORDS[:9] * 2
        return f"{COMMON} {' '.join(words)} mark{next(self._numbers)}x"

    def document(self, name: str) -> GoldDocument:
        """A document drawn at random."""
        draw = self.draw
        texts = [self.text() for _ in range(draw.randint(1, 5))]
        return GoldDocument(
            name,
            self.access(),
            texts,
            language=draw.choice(["en", "de"]),
            source=draw.choice(["blog", "podcast", "document"]),
            tags=draw.choice([(), ("x",), ("x", "y")]),
            published=draw.choice([None, "2026-01-15", "2026-02-01"]),
            expires_at=self.expiry(),
            valid_from=PUBLISHED_AT,
            flags_of={n: ("override",) for n in range(len(texts)) if draw.random() < 0.15},
        )

    def access(self) -> Access:
        """An access set drawn at random."""
        roles = ["everyone"] if self.draw.random() < 0.3 else self.draw.sample(ROLES, self.draw.randint(1, 2))
        return Access(self.draw.choice(TENANTS), tuple(sorted(roles)), self.draw.choice(CLEARANCES))

    def expiry(self) -> datetime | None:
        """A time to live drawn at random; one in eight is over."""
        return self.draw.choice([None, None, None, READ_AT + timedelta(days=1)] * 2)

    def principals(self, count: int) -> list[Principal]:
        """Callers drawn at random, of every tenant."""
        return [
            Principal(
                user=f"user{n}",
                tenant=TENANTS[n % len(TENANTS)],
                roles=self.draw.sample(ROLES, self.draw.randint(0, 3)),
                clearance=self.draw.choice(CLEARANCES),  # type: ignore[arg-type]
            )
            for n in range(count)
        ]

    def publish(self) -> None:
        """Bring index and oracle in line with the inbox."""
        documents = [self.documents[name] for name in sorted(self.documents)]
        due = self.world.publish(documents, 16)
        assert self.index.publish(documents, now=PUBLISHED_AT).created == due

    def serve(self) -> None:
        """The same, and promote."""
        documents = [self.documents[name] for name in sorted(self.documents)]
        self.world.publish(documents, 16)
        self.world.promote()
        self.index.serve(documents, now=PUBLISHED_AT)

    def change(self, share: float) -> None:
        """Edit, delete and add some documents."""
        for name in list(self.documents):
            if self.draw.random() < share:
                old = self.documents[name]
                if self.draw.random() < 0.3:
                    del self.documents[name]
                else:
                    texts = [*old.texts[:-1], self.text()]
                    self.documents[name] = replace(old, texts=texts, event=old.event + 1)
        self.add(max(1, int(len(self.documents) * share / 2)))

    def change_access(self, share: float) -> None:
        """Give some documents other readers or an end; some of them another tenant."""
        for name in list(self.documents):
            if self.draw.random() < share:
                new = self.access()
                if self.draw.random() < 0.8:
                    new = replace(new, tenant=self.documents[name].access.tenant)
                over = READ_AT - timedelta(days=1) if self.draw.random() < 0.3 else None
                self.documents[name] = replace(self.documents[name], access=new, expires_at=over)

    def add(self, count: int) -> None:
        """New documents."""
        for _ in range(count):
            name = f"title{next(self._numbers)}x"
            self.documents[name] = self.document(name)

    # ---------------------------------------------------------------- what is right

    def visible(self, principal: Principal, release: int, filters: Filters | None = None) -> list[Passage]:
        """Passages that a principal may see and asks for, in no order."""
        found = self.world.visible(principal, release, READ_AT)
        return [passage for passage in found if filters is None or asked_for(passage, filters)]

    def marks(self, principal: Principal, release: int, filters: Filters | None = None) -> set[str]:
        """Marks that a principal may meet."""
        return {
            mark
            for passage in self.visible(principal, release, filters)
            for mark in MARK.findall(f"{passage.text} {passage.document.name}")
        }


@contextmanager
def scene(index: Index, *, documents: int, seed: int) -> Iterator[Scene]:
    """Two releases, of which the second is served, and changes of access after each."""
    one = Scene(index, random.Random(seed))
    one.add(documents)
    for tenant in TENANTS:  # boilerplate, for hardly anybody
        name = f"title{next(one._numbers)}x"
        access = Access(tenant, ("board",), "restricted")
        one.documents[name] = GoldDocument(name, access, [one.text()] * 20, valid_from=PUBLISHED_AT)
    one.serve()
    one.change(0.25)
    one.serve()
    one.change_access(0.2)
    one.publish()
    assert one.world.kept[:2] == [1, 2]
    assert len(one.world.kept) <= 3
    yield one


def marks_in(*found: object) -> set[str]:
    """Every mark in whatever that is."""
    return set(MARK.findall(" ".join(map(str, found))))


def named(passages: Sequence[Passage]) -> list[tuple[str, str, str]]:
    """Id, text and title of passages, sorted."""
    return sorted((p.chunk_id, p.text, p.document.name) for p in passages)


def enter(connection: Connection, principal: Principal, release: int | None = None) -> None:
    """Enter as a principal over a plain connection, as the library does."""
    row = connection.execute(
        "select problem from knowledge.enter(%s, %s, %s, %s)",
        [principal.tenant, sorted(principal.roles), CLEARANCES.index(principal.clearance), release],
    ).fetchone()
    assert row == (None,)
