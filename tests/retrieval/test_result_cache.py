"""The result cache: a kept answer is the answer a search would give, for nobody else and not a moment longer."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from psycopg import sql

from assets.index.releases import rollback
from retrieval import AsyncRetriever, Filters, Retriever, SchemaError, SearchResult, Shape
from retrieval.result_cache import ResultCache
from retrieval.schema.migrate import READABLE
from tests.support import NOW, BrokenEncoder, Databases, GoldDocument, Index, WordsEncoder, asker, everyone

ADA, EVE = asker(), asker(user="eve")
SALES = asker("acme", "sales")
LIBRARY = [
    GoldDocument("fox", everyone(), ["the quick brown fox", "and a lazy dog", "in the wood"], tags=("x",)),
    GoldDocument("prices", everyone("acme", "sales"), ["prices of the fox", "prices of the dog"]),
    GoldDocument("bolt", everyone("bolt"), ["a fox of bolt"]),
]


class Counting(WordsEncoder):
    """Counts what it is asked."""

    asked = 0

    def encode_query(self, text: str) -> Any:
        self.asked += 1
        return super().encode_query(text)


def caching(index: Index, encoder: WordsEncoder | None = None, **values: Any) -> Retriever:
    """A retriever with a cache that is closed with the index."""
    given = {"result_cache_size": 100, "query_cache_size": 0, **values}
    settings = index.settings.model_copy(update=given)
    retriever = Retriever.connect(settings=settings, encoder=encoder or WordsEncoder())
    index._open.append(retriever)
    return retriever


def cached(result: SearchResult) -> bool:
    return "cached" in result.timings


@pytest.fixture(scope="module")
def served(shared_index: Index) -> Index:
    shared_index.serve(LIBRARY)
    return shared_index


@pytest.fixture
def library(index: Index) -> Index:
    index.serve(LIBRARY)
    return index


# --------------------------------------------------------------------- the same answer


SHAPES = (None, Shape(), Shape(neighbours=1), Shape(per_document=1, unique=True))


@pytest.mark.parametrize("shape", SHAPES)
def test_an_answer_that_is_kept_is_the_answer(served: Index, shape: Shape | None) -> None:
    encoder = Counting()
    plain, retriever = served.retriever(), caching(served, encoder)
    for who, filters, k in itertools.product((ADA, SALES), (None, Filters(tags="x")), (1, 50)):
        asked: dict[str, Any] = {"principal": who, "filters": filters, "k": k, "shape": shape}
        encoder.asked = 0
        first, second = retriever.search("the fox", **asked), retriever.search("the fox", **asked)
        assert (cached(first), cached(second)) == (False, True)
        assert encoder.asked <= 1 + 12, "one question, and the scale once"
        assert second.hits == first.hits == plain.search("the fox", **asked).hits
        assert (second.release, second.degraded) == (first.release, False)
        assert set(second.timings) == {"cached", "fuse", "total"}


def test_each_answer_leaves_its_own_audit_row(served: Index) -> None:
    retriever = caching(served)
    results = [
        retriever.search("a lazy dog", principal=who, k=3, correlation={"n": str(n)})
        for n, who in enumerate((ADA, EVE))
    ]
    rows = served.owner.execute(
        "select request_id, hits, scores, k, release, model, degraded, timings ? 'cached', correlation, query"
        " from knowledge.audit where request_id = any (%s) order by correlation",
        [[result.request_id for result in results]],
    ).fetchall()
    assert [row[0] for row in rows] == [result.request_id for result in results]
    assert [row[7] for row in rows] == [False, True]
    assert [row[8] for row in rows] == [{"n": "0"}, {"n": "1"}]
    assert rows[0][1:7] == rows[1][1:7]
    assert rows[0][9] == rows[1][9]
    assert rows[0][1] == [hit.chunk_id for hit in results[0]]
    people = served.owner.execute(
        "select count(distinct principal) from knowledge.audit where request_id = any (%s)",
        [[result.request_id for result in results]],
    ).fetchone()
    assert people == (2,)


def test_no_audit_row_no_answer(library: Index) -> None:
    retriever = caching(library)
    retriever.search("fox", principal=ADA)
    library.owner.execute("revoke insert on knowledge.audit from knowledge_reader")
    with pytest.raises(SchemaError):
        retriever.search("fox", principal=ADA)


# --------------------------------------------------------------------- for nobody else


def test_another_question_is_another_answer(served: Index) -> None:
    retriever = caching(served)
    same = ("the  café\tfox ", "the cafe\u0301 fox", "the café fox")
    assert [cached(retriever.search(query, principal=ADA)) for query in same] == [False, True, True]
    others: Sequence[dict[str, Any]] = [
        {"query": "The café fox"},
        {"query": "the cafe fox"},
        {"principal": SALES},
        {"principal": asker("bolt")},
        {"k": 7},
        {"filters": Filters(language="en")},
        {"filters": Filters(flagged=False)},
        {"shape": Shape(neighbours=1)},
        {"shape": Shape(unique=True)},
    ]
    for other in others:
        arguments: dict[str, Any] = {"query": "the café fox", "principal": ADA, **other}
        assert [cached(retriever.search(**arguments)) for _ in range(2)] == [False, True], other
    # who asks, with what roles, and what the caller adds make no difference where the same is seen
    for who in (EVE, asker("acme", "unheard-of")):
        assert cached(retriever.search("the café fox", principal=who, versions={"prompt": "3"}, release=1))


def test_it_is_off_unless_it_is_asked_for(served: Index) -> None:
    retriever = served.retriever()
    assert not any(cached(retriever.search("fox", principal=ADA)) for _ in range(2))


def test_poorer_answers_and_empty_ones_are_not_kept(served: Index) -> None:
    retriever = caching(served, BrokenEncoder())
    assert [cached(retriever.search("fox", principal=ADA)) for _ in range(2)] == [False, False]
    nothing = Filters(source="podcast")
    whole = caching(served)
    assert [len(whole.search("fox", principal=ADA, filters=nothing)) for _ in range(2)] == [0, 0]
    assert whole._cache is not None
    assert len(whole._cache) == 0


# ------------------------------------------------------------------ not a moment longer


def titles(retriever: Retriever, query: str = "the fox", **asked: Any) -> list[str]:
    result = retriever.search(query, principal=asked.pop("principal", ADA), **asked)
    return sorted({hit.citation.title for hit in result})


def test_changes_of_access_show_at_the_next_question_in_every_release(library: Index) -> None:
    encoder = Counting()
    retriever = caching(library, encoder, query_cache_size=100)
    library.serve([*LIBRARY, GoldDocument("news", everyone(), ["no fox today"])])
    fox, prices, bolt = LIBRARY
    stages = [
        (LIBRARY, ["fox"], ["fox", "prices"]),
        ([replace(fox, access=everyone("acme", "board")), prices, bolt], [], ["prices"]),  # revoked
        ([replace(fox, access=everyone("acme", "board")), replace(prices, access=everyone()), bolt], ["prices"],
         ["prices"]),  # opened
        ([fox, replace(prices, access=everyone("bolt")), bolt], ["fox"], ["fox"]),  # moved to another tenant
    ]  # fmt: skip
    for documents, ada, sales in stages:
        library.publish(documents)
        encoder.asked = 0
        for _ in range(2):
            assert titles(retriever, release=1) == ada
            assert titles(retriever, principal=SALES, release=1) == sales
            assert [name for name in titles(retriever) if name != "news"] == ada
        assert encoder.asked <= 13, "nothing is embedded anew for it"


def test_releases_are_told_apart(library: Index) -> None:
    retriever = caching(library)
    library.serve([*LIBRARY, GoldDocument("news", everyone(), ["no fox today"])])
    for _ in range(2):
        assert titles(retriever) == ["fox", "news"]
        assert titles(retriever, release=1) == ["fox"]
    rollback(library.owner, now=NOW)
    assert titles(retriever) == ["fox"]


@pytest.mark.parametrize("what", ["a hit", "a passage that is no hit"])
def test_what_expires_ends_the_answers_of_all_who_see_it(index: Index, what: str) -> None:
    """By the clock of the database, which is moved by moving the expiry: it is what the row says that counts."""
    soon = datetime.now(UTC) + timedelta(hours=1)
    name = "fox" if what == "a hit" else "other"
    documents = [GoldDocument("fox", everyone(), ["the quick fox"]), GoldDocument("other", everyone(), ["a dog"])]
    index.serve([replace(d, expires_at=soon if d.name == name else None) for d in documents])
    retriever = caching(index)
    assert [cached(retriever.search("fox", principal=ADA, k=1)) for _ in range(2)] == [False, True]
    assert retriever._cache is not None
    (key,) = retriever._cache._answers
    end, kept = retriever._cache._answers[key]
    assert kept.until == soon
    # the moment has come, and nothing else was written
    retriever._cache._answers[key] = (end, replace(kept, until=datetime.now(UTC) - timedelta(seconds=1)))
    again = retriever.search("fox", principal=ADA, k=1)
    assert not cached(again)
    rows = index.owner.execute("select count(*) from knowledge.audit").fetchone()
    assert rows == (3,), "the answer that did not hold was not logged"


def test_rows_are_looked_at_again_even_where_nobody_said_that_they_changed(
    library: Index, databases: Databases
) -> None:
    """The second line: as if the edition had not moved."""
    retriever = caching(library)
    assert titles(retriever) == titles(retriever) == ["fox"]
    row = library.owner.execute("select id from knowledge.acl where roles = '{sales}'").fetchone()
    assert row is not None
    with databases.admin(library.name) as connection:
        connection.execute("set session_replication_role = replica")
        before = connection.execute("select edition from knowledge.serving").fetchone()
        connection.execute("update space_1.chunk set acl_id = %s where text like %s", [row[0], "%quick%"])
        assert connection.execute("select edition from knowledge.serving").fetchone() == before
    result = retriever.search("the fox", principal=ADA)
    assert not cached(result)
    assert "quick" not in str(result.hits)
    assert len(result) == 2
    joined = retriever.search("the fox", principal=ADA, shape=Shape(neighbours=2))
    assert "quick" not in str(joined.hits)


def test_time_and_room_are_bounded(served: Index) -> None:
    clock = [0.0]
    settings = served.settings.model_copy(update={"result_cache_size": 2, "result_cache_s": 30.0})
    with Retriever.connect(settings=settings, encoder=WordsEncoder()) as retriever:
        assert retriever._cache is not None
        retriever._cache._clock = lambda: clock[0]
        assert [cached(retriever.search("fox", principal=ADA)) for _ in range(2)] == [False, True]
        clock[0] = 29.9
        assert cached(retriever.search("fox", principal=ADA)), "asking does not make it live longer"
        clock[0] = 30.0
        assert not cached(retriever.search("fox", principal=ADA))
        for query in ("dog", "wood"):
            retriever.search(query, principal=ADA)
        assert len(retriever._cache) == 2
        assert [cached(retriever.search(query, principal=ADA)) for query in ("wood", "dog", "fox")] == [
            True, True, False,
        ]  # fmt: skip


# ------------------------------------------------------------------------ the edition


def edition(index: Index) -> str:
    row = index.owner.execute("select edition::text from knowledge.serving").fetchone()
    assert row is not None
    return str(row[0])


@pytest.mark.parametrize("name", READABLE)
def test_every_table_says_by_itself_that_it_has_changed(library: Index, name: str) -> None:
    seen = {edition(library)}
    for part, what in itertools.product(("", "_1"), ("update {} set tenant = tenant", "delete from {}", "truncate {}")):
        library.owner.execute(sql.SQL(what).format(sql.Identifier("space_1", name + part)))  # type: ignore[arg-type]
        seen.add(edition(library))
    assert len(seen) == 7


def test_it_moves_with_the_transaction_and_once_in_it(library: Index) -> None:
    before = edition(library)
    with library.owner.transaction(force_rollback=True):
        library.owner.execute("update space_1.chunk set ordinal = ordinal")
        within = edition(library)
        library.owner.execute("update space_1.document set tenant = tenant")
        assert edition(library) == within != before
    assert edition(library) == before
    library.owner.execute("update space_1.chunk set ordinal = ordinal")
    assert edition(library) not in {before, within}
    reader = library.reader()
    with reader.transaction():
        assert reader.execute("select knowledge.edition()::text").fetchone() == (edition(library),)


# --------------------------------------------------------------------- many at a time


def test_threads_never_get_what_was_taken_away_before_they_asked(library: Index) -> None:
    """One document goes to and fro between two roles while both ask without pause."""
    retriever = caching(library)
    roles = ("sales", "board")
    stages: list[set[str]] = [{"sales"}]  # who may see it now: one, or while it moves, both
    done = threading.Event()

    def ask(role: str) -> Iterator[tuple[bool, bool]]:
        while not done.is_set():
            before = stages[-1]
            moves = len(stages)
            result = retriever.search("the price list", principal=asker("acme", role), k=3)
            settled = len(stages) == moves and len(before) == 1
            found = any(hit.citation.title == "list" for hit in result)
            assert not settled or found == (role in before), (role, before)
            yield cached(result), settled

    def publish(role: str) -> None:
        library.publish([*LIBRARY, GoldDocument("list", everyone("acme", role), ["the price list"])])

    library.serve([*LIBRARY, GoldDocument("list", everyone("acme", "sales"), ["the price list"])])
    with ThreadPoolExecutor(4) as threads:
        asked = [threads.submit(list, ask(role)) for role in roles * 2]
        try:
            for n in range(12):
                stages.append(set(roles))
                publish(roles[(n + 1) % 2])
                stages.append({roles[(n + 1) % 2]})
                for _ in range(3):
                    retriever.search("the price list", principal=asker("acme", roles[n % 2]), k=3)
        finally:
            done.set()
        seen = [one for future in asked for one in future.result()]
    assert any(kept and settled for kept, settled in seen)


def test_the_async_twin_keeps_alike(served: Index) -> None:
    settings = served.settings.model_copy(update={"result_cache_size": 10})
    plain = {who: served.retriever().search("fox", principal=who).hits for who in (ADA, SALES)}

    async def ask() -> list[SearchResult]:
        async with await AsyncRetriever.connect(settings=settings, encoder=WordsEncoder()) as twin:
            first = [await twin.search("fox", principal=who) for who in plain]
            return first + list(await asyncio.gather(*(twin.search("fox", principal=who) for who in [*plain] * 4)))

    results = asyncio.run(ask())
    assert [cached(result) for result in results] == [False, False] + [True] * 8
    for who, result in zip([*plain] * 5, results, strict=True):
        assert result.hits == plain[who]


def test_a_table_that_was_dropped_since_the_search_heard_of_it(served: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    """A release was purged between two trips; the search begins anew."""
    retriever, real, gone = caching(served), ResultCache.lookup, []

    def outdated(self: ResultCache, *arguments: Any) -> Any:
        asked = real(self, *arguments)
        if gone:
            return asked
        gone.append(asked)
        return replace(asked, space=replace(asked.space, id=999))

    monkeypatch.setattr(ResultCache, "lookup", outdated)
    assert retriever.search("the fox", principal=ADA).hits == served.retriever().search("the fox", principal=ADA).hits
    assert gone
