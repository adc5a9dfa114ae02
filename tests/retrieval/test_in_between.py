"""What changes while a search is under way, between its two trips: nothing is shown that may not be seen any more, and
nothing of before is kept for later."""

from __future__ import annotations

import functools
import random
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import timedelta

import pytest

from assets.index.desired import Access
from retrieval import Principal, Retriever, SearchResult, Shape
from retrieval.search import Search
from tests.retrieval.test_access import (
    PRINCIPALS,
    PUBLISHED_AT,
    QUERIES,
    READ_AT,
    ROLES,
    TENANTS,
    TEXTS,
    Delete,
    Play,
    Put,
    Step,
)
from tests.support import GoldDocument, Index, everyone

MOST = tuple(one for one in PRINCIPALS if len(frozenset(one.roles)) > 2 and one.tenant == "acme")
ASKING = (*PRINCIPALS, *MOST * 4)
LEVELS = ("public", "public", "public", "internal", "restricted")
SHAPES = (None, Shape(neighbours=2), Shape(per_document=1, unique=True))


class Between:
    """What is put in here happens once, when the next search has made its first trip."""

    def __init__(self) -> None:
        self.waiting: list[Callable[[], None]] = []
        self.in_time = False
        """Whether it had happened when the search went on; a change that waits for the search has not."""


@pytest.fixture
def between(monkeypatch: pytest.MonkeyPatch) -> Iterator[Between]:
    put_in = Between()
    score = Search.score

    def then(self: Search, *answer: object) -> None:
        score(self, *answer)  # type: ignore[arg-type]
        while put_in.waiting:
            changes.append(threads.submit(put_in.waiting.pop()))
            wait(changes[-1:], 1)  # beside it, because it may have to wait for the search
            put_in.in_time = changes[-1].done()

    changes: list[Future[None]] = []
    monkeypatch.setattr(Search, "score", then)
    with ThreadPoolExecutor(1) as threads:
        yield put_in
    for change in changes:
        change.result()


def shown(result: SearchResult) -> set[str]:
    return {part for hit in result for part in (hit.parts or (hit.chunk_id,))}


def history(seed: int, steps: int) -> Iterator[Step]:
    """Mostly access that changes, of documents that most may see; now and then a text, a deletion, a rollback."""
    draw = random.Random(seed)
    names = [f"document-{number}" for number in range(14)]

    def put(name: str) -> Put:
        access = Access(
            draw.choice(["acme"] * 4 + ["bolt"]),
            draw.choice([("everyone",), ("everyone",), ROLES[:1], ROLES[1:]]),
            draw.choice(LEVELS),
        )
        expires_at = draw.choice([None] * 5 + [READ_AT - timedelta(days=1)])
        return Put(GoldDocument(name, access, texts[name], expires_at=expires_at, valid_from=PUBLISHED_AT))

    texts = {name: draw.choices(TEXTS, k=2) for name in names}
    there = (Put(GoldDocument(name, everyone(name), ["fox"], valid_from=PUBLISHED_AT)) for name in TENANTS)
    yield Step((*map(put, names), *there))
    for _ in range(steps):
        chosen = draw.sample(names, 6)
        if draw.random() < 0.2:
            texts[chosen[0]] = draw.choices(TEXTS, k=3)
        gone = [Delete(chosen.pop())] if draw.random() < 0.2 else []
        yield Step((*map(put, chosen), *gone), keeper=draw.choice(["nothing"] * 4 + ["rollback", "purge 0"]))


@pytest.mark.parametrize("cached", [False, True])
def test_whatever_happens_between_the_trips(index: Index, between: Between, cached: bool) -> None:
    play, draw = Play(index), random.Random(11)
    first, *steps = history(5 + cached, 14)
    play.run(first)  # to make the tables of a tenant would have to wait for the search
    settings = index.settings.model_copy(update={"result_cache_size": 100 if cached else 0})
    hidden = shown_before = 0
    with Retriever.connect(settings=settings, encoder=play.encoders[16]) as retriever:
        for step in steps:
            principal, query, shape = draw.choice(ASKING), draw.choice(QUERIES), draw.choice(SHAPES)
            before = visible(play, principal, play.world.active)
            between.waiting.append(functools.partial(play.run, step))
            result = retriever.search(query, principal=principal, k=1000, shape=shape)
            assert not between.waiting, "it has happened"
            allowed = visible(play, principal, result.release)
            assert shown(result) <= (allowed if between.in_time else allowed | before)
            shown_before += len(before)
            hidden += len(before - visible(play, principal, result.release))
            again = retriever.search(query, principal=principal, k=1000)
            play.compare_hits(again, principal, again.release, None)
            kept = retriever.search(query, principal=principal, k=1000, shape=shape)
            assert shown(kept) <= visible(play, principal, kept.release)
    assert 5 < hidden < shown_before


def visible(play: Play, principal: Principal, release: int | None) -> set[str]:
    assert release is not None
    return {passage.chunk_id for passage in play.world.visible(principal, release, READ_AT)}
