"""Every path of the library that returns anything, for many principals, against plain Python: no leak, nothing missing.

`python -m benchmarks.retrieval --parts leaks` plays the same at another size.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import pytest

from assets.index.releases import list_releases
from assets.index.standby import write_standby
from retrieval import (
    AsyncRetriever,
    Filters,
    InvalidRequestError,
    Principal,
    Retriever,
    SearchResult,
    Shape,
    UnavailableError,
)
from retrieval.audit import load_key
from retrieval.rerank import Reranker
from tests.retrieval.oracle import Passage, alike
from tests.retrieval.scene import COMMON, FILTERS, READ_AT, Scene, marks_in, named, scene
from tests.support import Index, WordsEncoder

ALL = 1000
"""More passages than there are."""

SHAPES = (
    Shape(neighbours=1),
    Shape(neighbours=5),
    Shape(per_document=1),
    Shape(unique=True),
    Shape(per_document=2, neighbours=2),
    Shape(per_document=1, unique=True),
    Shape(per_document=1, neighbours=1, unique=True),
)
QUERIES = (COMMON, f"{COMMON} salt wind", "fog on the pier")


class Judge:
    """A cross-encoder that prefers what the alphabet puts last, and remembers what it was shown."""

    def __init__(self) -> None:
        self.shown: set[str] = set()

    def predict(self, pairs: Sequence[tuple[str, str]], **_: Any) -> list[float]:
        self.shown |= marks_in([text for _, text in pairs])
        return [float(sum(text.split(COMMON)[1].encode())) for _, text in pairs]


@dataclass
class Paths:
    """The ways to an answer, by name."""

    scene: Scene
    judge: Judge
    plain: Retriever
    caching: Retriever
    reranking: Retriever


@pytest.fixture(scope="module")
def paths(shared_index: Index) -> Iterator[Paths]:
    judge = Judge()
    settings = shared_index.settings
    kept = settings.model_copy(update={"result_cache_size": 10_000})
    second = settings.model_copy(update={"reranker": "judge", "rerank_budget_ms": 60_000, "rerank_depth": 200})
    with (
        scene(shared_index, documents=45, seed=7) as one,
        Retriever.connect(settings=settings, encoder=WordsEncoder()) as plain,
        Retriever.connect(settings=kept, encoder=WordsEncoder()) as caching,
        Retriever.connect(settings=second, encoder=WordsEncoder()) as reranking,
    ):
        reranking._reranker = Reranker("judge", load=lambda _: judge)
        yield Paths(one, judge, plain, caching, reranking)


# ------------------------------------------------------------------------- comparing


def compare(scene: Scene, result: SearchResult, principal: Principal, release: int, filters: Filters | None) -> int:
    """A plain answer that holds all there is. Returns the pairs of principal and passage that it decided."""
    wanted = scene.visible(principal, release, filters)
    assert sorted((hit.chunk_id, hit.text, hit.citation.title) for hit in result) == named(wanted)
    nothing_else(scene, result, principal, release, filters)
    return sum(len(document.texts) for document in scene.world.releases[release].values())


def nothing_else(
    scene: Scene, found: object, principal: Principal, release: int, filters: Filters | None = None
) -> None:
    """No word of an answer, wherever in it, is of anything that the principal may not see or did not ask for."""
    assert marks_in(found) <= scene.marks(principal, release, filters)


def compare_shaped(
    scene: Scene, result: SearchResult, principal: Principal, release: int, filters: Filters | None, shape: Shape
) -> None:
    """Each hit is a whole range of what may be seen; what is not shown is left out for a reason that holds."""
    nothing_else(scene, result, principal, release, filters)
    wanted = {passage.chunk_id: passage for passage in scene.visible(principal, release, filters)}
    by_document: dict[str, list[Passage]] = {}
    for passage in sorted(wanted.values(), key=lambda p: p.ordinal):
        by_document.setdefault(passage.document.name, []).append(passage)
    shown: list[str] = []
    for hit in result:
        parts = hit.parts or (hit.chunk_id,)
        whole = by_document[hit.citation.title]
        places = [wanted[part].ordinal for part in parts]
        best = wanted[hit.chunk_id].ordinal
        first, last = min(places[0], best - shape.neighbours), max(places[-1], best + shape.neighbours)
        assert hit.chunk_id in parts
        assert list(parts) == [p.chunk_id for p in whole if first <= p.ordinal <= last]
        assert hit.text == "\n\n".join(wanted[part].text for part in parts)
        assert set(hit.flags) == {flag for part in parts for flag in wanted[part].flags}
        shown += parts
    assert len(shown) == len(set(shown)), "no passage is shown twice"
    per_document = {name: sum(hit.citation.title == name for hit in result) for name in by_document}
    if shape.per_document is not None:
        assert all(count <= shape.per_document for count in per_document.values())
    best_texts = [wanted[hit.chunk_id].text for hit in result]
    assert not shape.unique or not any(alike(*pair) for pair in itertools.combinations(best_texts, 2))
    for passage in wanted.values():
        if passage.chunk_id not in shown:
            full = shape.per_document is not None and per_document[passage.document.name] >= shape.per_document
            repeats = shape.unique and any(alike(passage.text, wanted[part].text) for part in shown)
            assert full or repeats, "it is missing"


# ----------------------------------------------------------------------------- paths


def test_every_search_finds_all_that_its_principal_may_see_and_nothing_else(paths: Paths) -> None:
    scene, pairs = paths.scene, 0
    principals = scene.principals(12)
    for number, (principal, release) in enumerate(itertools.product(principals, scene.world.kept[:2])):
        query = QUERIES[number % len(QUERIES)]
        for filters in (None, FILTERS[number % len(FILTERS)]):
            asked: dict[str, Any] = {"principal": principal, "k": ALL, "filters": filters, "release": release}
            found = paths.plain.search(query, **asked)
            pairs += compare(scene, found, principal, release, filters)
            for kept in (paths.caching.search(query, **asked) for _ in range(2)):
                assert kept.hits == found.hits
            assert ("cached" in kept.timings) == bool(found.hits)
            few = paths.caching.search(query, **(asked | {"k": 3}))
            assert len(few) == min(3, len(found))
            nothing_else(scene, few, principal, release, filters)
            paths.judge.shown.clear()
            judged = paths.reranking.search(query, **asked)
            pairs += compare(scene, judged, principal, release, filters)
            nothing_else(scene, paths.judge.shown, principal, release, filters)
            assert judged.degraded is False
    assert pairs > 10_000


def test_a_shape_shows_whole_ranges_of_what_may_be_seen(paths: Paths) -> None:
    scene = paths.scene
    joined = 0
    for number, principal in enumerate(scene.principals(7)):
        release, query = scene.world.kept[number % 2], QUERIES[number % len(QUERIES)]
        for turn, shape in enumerate(SHAPES):
            filters = FILTERS[(number + turn) % len(FILTERS)] if turn % 2 else None
            asked: dict[str, Any] = {"principal": principal, "filters": filters, "release": release, "shape": shape}
            plain, first, second = (
                one.search(query, k=ALL, **asked) for one in (paths.plain, paths.caching, paths.caching)
            )
            assert second.hits == first.hits == plain.hits
            judged = paths.reranking.search(query, k=ALL, **asked)
            for found in (plain, judged):
                compare_shaped(scene, found, principal, release, filters, shape)
            nothing_else(scene, paths.plain.search(query, k=2, **asked), principal, release, filters)
            joined += sum(bool(hit.parts) for hit in found)
    assert joined > 25


def test_tasks_get_the_same(paths: Paths) -> None:
    scene = paths.scene
    asked = [
        {"principal": principal, "k": ALL, "release": release, "filters": filters, "shape": shape}
        for principal in scene.principals(3)
        for release in scene.world.kept[:2]
        for filters, shape in ((None, None), (FILTERS[4], None), (None, SHAPES[4]), (FILTERS[0], SHAPES[6]))
    ]
    settings = paths.caching.settings.model_copy(update={"queue_length": 1000})

    async def ask() -> list[SearchResult]:
        async with await AsyncRetriever.connect(settings=settings, encoder=WordsEncoder()) as twin:
            turn = asyncio.Semaphore(4)

            async def one(arguments: Mapping[str, Any]) -> SearchResult:
                async with turn:
                    return await twin.search(COMMON, **arguments)

            return await asyncio.gather(*(one(each) for each in asked * 2))

    for arguments, result in zip(asked * 2, asyncio.run(ask()), strict=True):
        assert result.hits == paths.plain.search(COMMON, **arguments).hits
        if arguments["shape"] is None:
            compare(scene, result, arguments["principal"], arguments["release"], arguments["filters"])


def test_the_standby_shows_the_same(paths: Paths, tmp_path: Path) -> None:
    """Its answers are lexical, and the word that is asked for stands everywhere: so all there is comes."""
    scene, index, folder = paths.scene, paths.scene.index, tmp_path / "standby"
    active = scene.world.active
    assert active is not None
    write_standby(index.owner, folder, load_key(tmp_path / "home" / "keys" / "standby.key"), now=READ_AT)
    values = {"connect_timeout_s": 2, "standby": folder, "home": tmp_path / "home", "result_cache_size": 100}
    gone = index.settings.model_copy(update=values)
    with Retriever.connect("host=/nowhere dbname=x", settings=gone, encoder=WordsEncoder()) as retriever:
        for number, principal in enumerate(scene.principals(12)):
            for filters, shape in (
                (None, None),
                (FILTERS[number % 7], None),
                (FILTERS[number % 5], SHAPES[number % 7]),
            ):
                asked: dict[str, Any] = {"principal": principal, "k": ALL, "filters": filters, "shape": shape}
                try:
                    result = retriever.search(COMMON, **asked)
                except UnavailableError:  # there is no file of a tenant that has nothing
                    assert not scene.visible(principal, active)
                    continue
                if shape is None:
                    compare(scene, result, principal, active, filters)
                else:
                    compare_shaped(scene, result, principal, active, filters, shape)


def test_feedback_tells_nothing_of_other_tenants(paths: Paths) -> None:
    scene = paths.scene
    principals = scene.principals(9)
    asked = {principal: paths.plain.search(COMMON, principal=principal).request_id for principal in principals}
    for giver, (asker, request_id) in itertools.product(principals, asked.items()):
        if giver.tenant == asker.tenant:
            paths.plain.feedback(request_id, "answered", principal=giver)
        else:
            with pytest.raises(InvalidRequestError, match=r"^No request of this tenant has that id: pass \S+$"):
                paths.plain.feedback(request_id, "wrong", principal=giver)
    rows = scene.index.owner.execute(
        "select count(*) from knowledge.feedback f where tenant <> (select a.tenant from knowledge.audit a"
        " where a.request_id = f.request_id)"
    ).fetchone()
    assert rows == (0,)


def test_the_list_of_releases_holds_numbers_alone(paths: Paths) -> None:
    """It is for keepers of releases, who connect as the owner; a reader learns the number in force, whoever it is."""
    scene, index = paths.scene, paths.scene.index
    listed = list_releases(index.owner)
    assert {one.number for one in listed} == set(scene.world.releases)
    assert marks_in([astuple(one) for one in listed]) == set()
    with index.reader() as reader:
        for principal in scene.principals(6):
            entered = reader.execute(
                "select release from knowledge.enter(%s, %s, 3)", [principal.tenant, sorted(principal.roles)]
            ).fetchone()
            assert entered == (scene.world.active,)
            (row,) = reader.execute("select * from knowledge.current_release()").fetchall()
            assert row == (scene.world.active, 1, "words-16", 16, row[4])
            assert marks_in(row) == set()
            reader.rollback()


def test_what_is_logged_of_an_answer_is_what_was_given(paths: Paths) -> None:
    scene = paths.scene
    for principal, retriever in itertools.product(scene.principals(6), (paths.plain, paths.caching, paths.reranking)):
        result = retriever.search(COMMON, principal=principal, k=ALL)
        (row,) = scene.index.owner.execute(
            "select hits, x::text, t.name from knowledge.audit x join knowledge.tenant t on t.id = x.tenant"
            " where request_id = %s",
            [result.request_id],
        ).fetchall()
        assert (row[0], row[2]) == ([hit.chunk_id for hit in result], principal.tenant)
        assert marks_in(row[1]) == set()
        assert principal.user not in row[1]
