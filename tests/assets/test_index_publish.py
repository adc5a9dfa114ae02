"""Publishing against a real database: it repairs, it is all or nothing, and it writes nothing without a reason."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import psycopg
import pytest

from assets.index import vectors
from assets.index.desired import Passages
from assets.index.publish import NotReadyError, differences, publish
from retrieval import Filters, Hit, ModelMismatchError, Principal, Retriever, connections, statements
from retrieval.schema.migrate import READER
from tests.support import (
    NOW,
    Connection,
    Databases,
    Gold,
    GoldDocument,
    Index,
    Rows,
    WordsEncoder,
    asker,
    everyone,
)

WORDS = "fox dog salary pump pressure board meeting minutes quick lazy brown red house river bridge".split()
BOARD = asker("acme", "board", clearance="restricted")
EVERYONE = asker("acme")

Answers = list[list[Any]]


WALKS_COST_NOTHING = {"WALK_BEGINS": 0, "WALK_GOES_ON": 0, "WALK_FILTERS": 0}
"""Settings of `statements` with which the vector index is used above the smallest limits."""


def article(name: str, *, passages: int = 2, seed: int = 0, **facts: Any) -> GoldDocument:
    """A document of random words, the same ones each time."""
    draw = random.Random(f"{name} {seed}")
    texts = [" ".join([*draw.choices(WORDS, k=draw.randint(4, 12)), f"{name}-{i}"]) for i in range(passages)]
    return GoldDocument(name, facts.pop("access", everyone()), texts, **facts)


CORPUS = [
    article("alpha", passages=4),
    article("beta", access=everyone("acme", "board", clearance="confidential")),
    article("gamma", passages=3),
    article("of-bolt", access=everyone("bolt")),
]
EDITED = [
    replace(CORPUS[0], texts=[*CORPUS[0].texts[:3], "an edited passage about the pump"], event=2),
    replace(CORPUS[1], access=everyone("acme", "board", clearance="internal")),
    article("delta", access=everyone("acme", "sales")),
    CORPUS[3],
    article("of-corp", access=everyone("corp")),
]


def answers(retriever: Retriever, principals: Sequence[Principal] = (BOARD, EVERYONE)) -> Answers:
    """What searches give, without the ranks of passages that score alike."""
    found = []
    for principal, query in itertools.product(
        principals, ("quick fox", "salary of the board meeting", "pump-pressure")
    ):
        hits = retriever.search(query, principal=principal, k=500)
        found.append(sorted((hit.chunk_id, round(hit.score, 12), hit.similarity, hit.text) for hit in hits))
    return found


@pytest.fixture(scope="module")
def fresh(databases: Databases) -> tuple[Answers, Answers]:
    """What indexes of CORPUS and of EDITED answer that were made in one go."""
    found = []
    for documents in (CORPUS, EDITED):
        with databases.index() as index:
            index.serve(documents)
            found.append(answers(index.retriever()))
    return found[0], found[1]


# ------------------------------------------------------------------ no change


def test_nothing_changed_writes_nothing(index: Index) -> None:
    index.serve(CORPUS)
    before = index.contents()
    again = index.publish(list(reversed(CORPUS)))
    assert (again.created, again.release) == (False, 1)
    assert not any(again.changes.values())
    assert index.contents() == before


def test_an_empty_inbox_publishes_nothing(index: Index) -> None:
    published = index.publish([])
    assert (published.created, published.release) == (False, None)


def test_withdrawing_everything_is_a_release(index: Index) -> None:
    index.serve(CORPUS)
    assert index.serve([]) == 2
    assert not index.retriever().search("fox", principal=BOARD)


def test_a_change_of_access_alone_is_no_release_and_loads_no_vectors(index: Index) -> None:
    index.serve(CORPUS)

    def load(wanted: Sequence[tuple[str, int, str]]) -> Passages:
        raise AssertionError("nothing has to be loaded")

    changed = [replace(CORPUS[0], access=everyone("acme", "board")), *CORPUS[1:]]
    published = index.publish(changed, load=load)
    assert (published.created, published.changes["access_changed"]) == (False, 1)
    assert not [hit for hit in index.retriever().search("fox", principal=EVERYONE) if hit.citation.title == "alpha"]


def test_an_edit_adds_and_removes_only_what_changed(index: Index) -> None:
    index.serve(CORPUS)
    loaded: list[tuple[str, int, str]] = []
    gold = Gold([EDITED[0], *CORPUS[1:]])

    def load(wanted: Sequence[tuple[str, int, str]]) -> Passages:
        loaded.extend(wanted)
        return gold.load(wanted)

    published = index.publish([EDITED[0], *CORPUS[1:]], load=load)
    assert published.changes["passages_added"] == published.changes["passages_removed"] == len(loaded) == 1
    assert published.changes["documents_new_or_changed"] == 1


def test_the_order_of_documents_plays_no_part(databases: Databases) -> None:
    contents = []
    for step in (1, -1):
        with databases.index() as index:
            index.serve(CORPUS[::step])
            index.serve(EDITED[::step])
            contents.append(index.contents())
    assert contents[0] == contents[1]


def test_differences_tell_what_publishing_would_do(index: Index) -> None:
    index.serve(CORPUS)
    changes = differences(index.owner, Gold(EDITED).desired, space=1, now=NOW)
    assert changes.contents
    index.publish(EDITED)
    assert not differences(index.owner, Gold(EDITED).desired, space=1, now=NOW)


# --------------------------------------------------------------------- repair

DAMAGE = {
    "a lost passage": "delete from space_1.chunk where chunk = 2",
    "all passages of a document lost": "delete from space_1.chunk where document = 1",
    "a doubled passage": """
        insert into space_1.chunk (
            tenant, chunk, document, chunk_id, digest, version, ordinal, text, text_sha256, char_start, char_end,
            length, acl_id, valid_from, added_in, removed_in, embedding)
        select tenant, 900, document, chunk_id, digest, version, ordinal, text, text_sha256, char_start, char_end,
            length, acl_id, valid_from, added_in, removed_in, embedding
        from space_1.chunk where chunk = 2 and tenant = 1""",
    "a wrong digest of a passage": "update space_1.chunk set digest = 'wrong' where chunk = 2",
    "a wrong digest of a document": "update space_1.document set digest = 'wrong' where document = 1",
    "a lost document": "delete from space_1.document where document = 1",
    "a doubled document": """
        insert into space_1.document
        select tenant, document, document_id, 'other', version, source, path, 'doubled', language, authors, tags,
               published, url, acl_id, valid_from, expires_at, 0, removed_in
        from space_1.document where document = 1""",
    "a passage under the wrong access set": """
        update space_1.chunk set acl_id = (select max(id) from knowledge.acl where tenant = 1) where chunk = 2""",
    "a document under the wrong access set": """
        update space_1.document set acl_id = (select max(id) from knowledge.acl where tenant = 1)
        where document = 1 and tenant = 1""",
    "a passage with a wrong expiry": "update space_1.chunk set expires_at = '2026-03-02' where chunk = 2",
    "lost statistics": "delete from space_1.stat where tenant = 1",
    "wrong statistics": "update space_1.stat set length = length + 1 where tenant = 1",
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_damage_is_reported_and_repaired_by_the_next_publish(
    index: Index, fresh: tuple[Answers, Answers], damage: str
) -> None:
    index.serve(CORPUS)
    retriever = index.retriever()
    assert answers(retriever) == fresh[0]
    assert index.owner.execute(damage.encode()).rowcount > 0
    repaired = index.publish(CORPUS)
    assert any(repaired.changes.values())
    index.serve(CORPUS)
    assert answers(retriever) == fresh[0]
    again = index.publish(CORPUS)
    assert not again.created, "repaired in one go"
    assert not any(again.changes.values())


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_damage_is_repaired_beside_other_changes(index: Index, fresh: tuple[Answers, Answers], damage: str) -> None:
    index.serve(CORPUS)
    index.owner.execute(damage.encode())
    index.serve(EDITED)
    assert answers(index.retriever()) == fresh[1]


# --------------------------------------------------------------- all or nothing


class InterruptedLoadError(Exception):
    """What the loader raises when it breaks."""


@pytest.mark.parametrize("after", [0, 1])
def test_a_loader_that_breaks_leaves_nothing_behind(index: Index, after: int) -> None:
    index.serve(CORPUS)
    index.publish([*CORPUS, EDITED[4]], load=Gold([*CORPUS, EDITED[4]]).load)  # its tenant is there from now on
    before = index.contents()
    gold, calls = Gold(EDITED), itertools.count()

    def load(wanted: Sequence[tuple[str, int, str]]) -> Passages:
        if next(calls) == after:
            raise InterruptedLoadError
        return gold.load(wanted)

    edited = [*EDITED, article("of-bolt-2", access=everyone("bolt"))]
    gold = Gold(edited)
    with pytest.raises(InterruptedLoadError):
        index.publish(edited, load=load)
    assert index.contents() == before


class Dying(psycopg.Connection[tuple[Any, ...]]):
    """A connection whose server process is killed before the n-th statement."""

    life = 0
    admin: Connection

    def execute(self, *arguments: Any, **keywords: Any) -> psycopg.Cursor[tuple[Any, ...]]:
        if self.life == 0:
            self.admin.execute("select pg_terminate_backend(%s, 5000)", [self.info.backend_pid])
        self.life -= 1
        return super().execute(*arguments, **keywords)


@pytest.mark.slow
def test_killed_at_any_statement_the_next_publish_ends_as_if_undisturbed(databases: Databases) -> None:
    """Each attempt is killed two statements later than the one before, until one gets through."""
    with databases.index() as undisturbed:
        undisturbed.serve(CORPUS)
        undisturbed.publish(EDITED)
        written = undisturbed.contents()
        undisturbed.serve(EDITED)
        promoted, hits = undisturbed.contents(), answers(undisturbed.retriever())
    with databases.index() as index, databases.admin(index.name) as admin:
        index.serve(CORPUS)
        retriever = index.retriever()
        before, seen = index.contents(), answers(retriever)
        states = (before, written)
        for life in itertools.count(0, 2):
            with Dying.connect(index.owner_dsn, autocommit=True) as connection:
                connection.life, connection.admin = life, admin
                try:
                    index.publish(EDITED, connection=connection)
                except psycopg.OperationalError:
                    assert without_numbers(index.contents()) in map(without_numbers, states), "half written"
                    if life % 20 == 0 and index.contents()["release"] == before["release"]:
                        assert answers(retriever) == seen
                    continue
            break
        assert life > 40
        index.serve(EDITED)
        assert index.contents() == promoted
        assert answers(retriever) == hits


def without_numbers(contents: dict[str, Rows]) -> dict[str, Rows]:
    """What a reader can notice: counters of a tenant that is still empty are made ahead of the transaction."""
    return {name: rows for name, rows in contents.items() if name != "numbering"}


# ------------------------------------------------------------------------ models


def test_a_new_model_opens_a_space_beside_the_live_one(index: Index) -> None:
    old, new = WordsEncoder(16), WordsEncoder(24)
    index.serve(CORPUS, encoder=old)
    running = index.retriever(old)
    waiting = index.retriever(new)
    before = answers(running)
    candidate = index.publish(CORPUS, encoder=new)
    assert (candidate.created, candidate.release) == (True, 2)
    assert answers(running) == before
    with pytest.raises(ModelMismatchError, match=r"words-16.*words-24.*KNOWLEDGE_MODEL.*knowledge ingest"):
        waiting.search("fox", principal=EVERYONE)
    index.serve(CORPUS, encoder=new)
    with pytest.raises(ModelMismatchError, match="words-24"):
        running.search("fox", principal=EVERYONE)
    assert len(waiting.search("fox", principal=EVERYONE, k=100)) == 7
    assert len(running.search("fox", principal=EVERYONE, k=100, release=1)) == 7
    assert index.publish(CORPUS, encoder=new).created is False


def test_a_new_model_waits_until_every_document_has_its_vectors(index: Index) -> None:
    index.serve(CORPUS)
    before = index.contents()
    gold, new = Gold(CORPUS, WordsEncoder(24)), WordsEncoder(24)
    desired = replace(gold.desired, pending=1)
    arguments = {"fingerprint": new.fingerprint.id, "dimension": new.dimension, "now": NOW}
    with pytest.raises(NotReadyError, match="knowledge ingest"):
        publish(index.owner, desired, gold.load, **arguments)  # type: ignore[arg-type]
    after = without_numbers(index.contents())
    assert {name: after[name] for name in before if name in after} == without_numbers(before)


# ------------------------------------------------------------------------- HNSW


@pytest.mark.parametrize("filters", [None, Filters(source="blog")])
def test_above_the_threshold_the_vector_index_finds_the_same(
    index: Index, monkeypatch: pytest.MonkeyPatch, filters: Filters | None
) -> None:
    monkeypatch.setattr(vectors, "HNSW_FROM", 100)
    documents = [
        article(f"d{i}", passages=10, access=everyone("acme", *(("board",) if i % 4 == 0 else ())), source=source)
        for i, source in enumerate(["blog", "podcast"] * 20)
    ]
    index.serve(documents[:4])
    assert not vector_indexes(index)
    index.serve(documents)
    assert vector_indexes(index) == ["chunk_1_hnsw"]
    # In a table this small sorting everything is cheaper; a large one is what the index is for.
    dsn = index.server.dsn(READER, index.name) + " options='-c enable_seqscan=off -c enable_sort=off'"
    retriever = Retriever.connect(dsn, settings=index.settings, encoder=WordsEncoder())

    def near() -> list[list[Hit]]:
        return [
            sorted(retriever.search(query, principal=p, k=200, filters=filters), key=lambda h: h.vector_rank or 999)[
                :20
            ]
            for p, query in itertools.product((BOARD, EVERYONE), ("quick fox", "river bridge house", "board"))
        ]

    exact = near()
    assert not used(index)
    for limit, value in ({"EXACT_UP_TO": 50, "EXACT_ALONE_UP_TO": 50} | WALKS_COST_NOTHING).items():
        monkeypatch.setattr(statements, limit, value)
    assert near() == exact
    with retriever._pool.connection() as session:
        session.execute("select pg_stat_force_next_flush()")  # else counted only some time later
    retriever.close()
    assert used(index)


@pytest.mark.parametrize("filters", [None, Filters(source="blog")])
def test_passages_behind_many_that_may_not_be_seen_are_found(
    index: Index, monkeypatch: pytest.MonkeyPatch, filters: Filters | None
) -> None:
    """Access follows the topic, and the walk over the vector index ends before it has left what was asked about."""
    monkeypatch.setattr(vectors, "HNSW_FROM", 100)
    monkeypatch.setattr(connections, "_SESSION", (*connections._SESSION, "set hnsw.max_scan_tuples = 1"))
    board = [
        GoldDocument(f"b{i}", everyone("acme", "board"), [f"the salary fox {i} {j}" for j in range(10)])
        for i in range(30)
    ]
    others = [
        GoldDocument(f"e{i}", everyone("acme"), [f"house by a river {i} {j}" for j in range(5)], source=source)
        for i, source in enumerate(["blog", "podcast"] * 4)
    ]
    index.serve(board + others)
    retriever = index.retriever(WordsEncoder())

    def near() -> set[str]:
        return {hit.chunk_id for hit in retriever.search("the salary fox", principal=EVERYONE, k=20, filters=filters)}

    exact = near()
    for limit, value in ({"EXACT_UP_TO": 5, "EXACT_ALONE_UP_TO": 5} | WALKS_COST_NOTHING).items():
        monkeypatch.setattr(statements, limit, value)
    assert near() == exact
    assert len(exact) == 20


def vector_indexes(index: Index) -> list[str]:
    rows = index.owner.execute("select indexname from pg_indexes where indexdef like '%hnsw%' order by 1").fetchall()
    return [row[0] for row in rows]


def used(index: Index) -> bool:
    """Whether a search has read the vector index."""
    row = index.owner.execute(
        "select coalesce(sum(idx_scan), 0) > 0 from pg_stat_user_indexes where indexrelname = 'chunk_1_hnsw'"
    ).fetchone()
    return row == (True,)
