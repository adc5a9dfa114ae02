"""How the database answers as the runtime's role: from the tenant's own tables, by their indexes, and with the word
statistics of what the principal sees and of nothing else."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from psycopg import sql

from assets.index import vectors
from retrieval import Filters, Retriever, statements
from retrieval.connections import session
from retrieval.schema.migrate import OWNER, create_space, create_tenant, migrate
from retrieval.search import Search, Space
from tests.support import NOW, BrokenEncoder, Connection, GoldDocument, Index, WordsEncoder, asker, everyone, see

TENANTS = ("acme", "bolt", "corp")
SPACE = Space(1, "words-16", 16, "")


@pytest.fixture(scope="module")
def large(shared_index: Index) -> Iterator[Index]:
    """Three tenants whose vectors are indexed, and several access sets."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vectors, "HNSW_FROM", 100)
        documents = [
            GoldDocument(f"{tenant}-{n}", everyone(tenant, f"role{n % 5}"), [f"word{n} passage {i}" for i in range(10)])
            for tenant in TENANTS
            for n in range(30)
        ]
        shared_index.serve(documents)
        yield shared_index


def plan(connection: Connection, statement: sql.SQL, parameters: dict[str, Any]) -> list[str]:
    """The plan as lines of text."""
    explain = sql.SQL("explain (costs off) ") + statement
    return [row[0] for row in connection.execute(explain, parameters).fetchall()]


def plans(index: Index, retriever: Retriever, *, partition: bool = True) -> dict[str, str]:
    """Plans of all statements of a search, as a connection of the retriever makes them."""
    tenant = index.owner.execute("select id from knowledge.tenant where name = 'acme'").fetchone()
    assert tenant is not None
    search = Search("word3 passage", asker("acme", "role1", "role2"), 10, Filters(), None, uuid.UUID(int=0), "nobody")
    search.partition = tenant[0] if partition else None
    with retriever._pool.connection() as connection:
        for setting in session(index.settings):
            connection.execute(setting)
        entry = connection.execute(*search.entry()).fetchone()
        assert entry is not None
        assert entry[0] is None
        reads = search.reads(1)
        found = {"reads": plan(connection, *reads)}
        row = connection.execute(*reads).fetchone()
        assert row is not None
        search.score(1, row)
        _, parameters = search.fusion(SPACE, None)
        values = parameters | {"vector": retriever._embedder.embed("word3").vector}
        for variant in ("exact", "hnsw", "hnsw_wide"):
            found[variant] = plan(connection, statements.second_trip(1, search.partition, variant, 50), values)
        connection.rollback()
    return {name: "\n".join(lines) for name, lines in found.items()}


def test_a_search_reads_the_tables_of_its_tenant_alone(large: Index) -> None:
    others = large.owner.execute("select id from knowledge.tenant where name <> 'acme'").fetchall()
    for name, text in plans(large, large.retriever()).items():
        for (other,) in others:
            assert f"_{other} " not in text, (name, text)


def test_postings_are_found_by_term_and_access_set_in_the_index(large: Index) -> None:
    text = plans(large, large.retriever())["reads"]
    conditions = [line for line in text.splitlines() if "Index Cond" in line and "term" in line]
    assert conditions
    assert all("term = ANY" in line and "acl_id = ANY" in line for line in conditions), text


def test_nearest_passages_come_from_the_vector_index_and_exact_ones_do_not(large: Index) -> None:
    found = plans(large, large.retriever())
    assert "_hnsw" in found["hnsw"]
    assert "_hnsw" in found["hnsw_wide"]
    # batches of the walk come in no order among themselves: nothing may trust that they are sorted by distance
    assert not any("Presorted Key" in line and "distance" in line for line in found["hnsw_wide"].splitlines())
    assert "_hnsw" not in found["exact"]
    # passages that are named are looked up by their number
    assert "Seq Scan on chunk_1 c\n" not in found["hnsw"]
    # everything is compared where too little came, and only then
    assert any("One-Time Filter" in line and "< 50" in line for line in found["hnsw"].splitlines())


@pytest.mark.parametrize("variant", ["exact", "exact_among"])
def test_an_exact_scan_reads_one_index_and_no_passages(large: Index, variant: str) -> None:
    """Which holds where a publication has marked the pages that everybody sees whole."""
    with large.retriever()._pool.connection() as connection:
        for setting in (*session(large.settings), "set enable_seqscan = off"):
            connection.execute(setting)
        connection.execute(*statements.enter(asker("acme", "role1", "role2")))
        exact = statements._VECTOR[variant].format(n=50, s="space_1", p="_1").replace("(vector)s", "(vector)s::halfvec")
        vector = {"vector": "[" + ",".join(["0.25"] * 16) + "]", "eligible": [1, 2, 3]}
        explain = sql.SQL(
            "explain (analyze, costs off, timing off) " + exact.replace("%(vector)s", "%(vector)s::halfvec")
        )
        text = "\n".join(row[0] for row in connection.execute(explain, vector).fetchall())
    assert "Index Only Scan using chunk_1_tenant_acl_id_chunk" in text, text
    assert "Heap Fetches: 0" in text, text


@pytest.mark.parametrize(("dimension", "covered"), [(1_300, True), (1_301, False)])
def test_vectors_that_are_too_long_for_an_index_by_access_set_are_not_in_it(
    index: Index, dimension: int, covered: bool
) -> None:
    """Neither where a space is made nor where an older one is brought up to date."""
    database = index.owner
    space = create_space(database, fingerprint="long", dimension=dimension, analyzer="a", now=NOW)
    create_tenant(database, space, "acme")
    row = {"dimension": dimension, "covered": covered}

    def takes_a_vector() -> bool:
        """Whether the index holds vectors; a row with the longest fits in any case."""
        database.execute(
            f"insert into space_{space}.chunk (tenant, chunk, document, acl_id, added_in, embedding, chunk_id, digest,"
            " version, ordinal, text, text_sha256, char_start, char_end, length, valid_from)"
            " select 1, coalesce(max(chunk), 0) + 1, 1, 1, 1, array_fill(random()::real, array[%(dimension)s])"
            "::public.halfvec, '', '', 1, 1, '', '', 0, 0, 1, now()"
            f" from space_{space}.chunk".encode(),
            row,
        )
        found = database.execute(
            "select indexdef from pg_indexes where schemaname = %s and indexname = 'chunk_visible'", [f"space_{space}"]
        ).fetchall()
        return "embedding" in found[0][0]

    assert takes_a_vector() is covered
    database.execute(f"drop index space_{space}.chunk_visible".encode())
    database.execute(f"create index on space_{space}.chunk (tenant, acl_id)".encode())
    database.execute("delete from knowledge.migration where name = '0011_covered'")
    assert migrate(index.server.dsn(OWNER, index.name)) == ["0011_covered"]
    assert takes_a_vector() is covered
    names = database.execute(
        "select indexname from pg_indexes where schemaname = %s and tablename = 'chunk'", [f"space_{space}"]
    ).fetchall()
    assert ("chunk_tenant_acl_id_idx",) not in names


def test_settings_are_read_once_a_statement_where_a_table_is_read_whole(large: Index) -> None:
    text = plans(large, large.retriever())["reads"]
    assert "InitPlan" in text
    assert not any("current_setting" in line for line in text.splitlines() if "Filter" in line), text


def test_parents_answer_alike_before_the_tenant_was_met(large: Index) -> None:
    first, second = large.retriever(), large.retriever()
    who = asker("acme", "role1", "role2")
    before = second.search("word6 passage 3", principal=who, k=50)
    after = second.search("word6 passage 3", principal=who, k=50)
    assert second._partitions
    assert before.hits == after.hits == first.search("word6 passage 3", principal=who, k=50).hits


def test_a_tenant_whose_number_has_changed_is_met_anew(large: Index) -> None:
    """The database was made anew under a running retriever."""
    retriever, who = large.retriever(), asker("acme", "role1")
    right = retriever.search("word1", principal=who, k=50)
    (place,) = retriever._partitions
    for wrong in (2, 3, 99):
        retriever._partitions[place] = wrong
        assert retriever.search("word1", principal=who, k=50).hits == right.hits
        assert retriever._partitions[place] != wrong


# ------------------------------------------------------------------- statistics

COMMON, RARE = "the fox is here", "the hound is there"


def corpus(tenant: str, often: str, seldom: str, *roles: str) -> list[GoldDocument]:
    """Many passages with one word and one passage with the other."""
    many = [GoldDocument(f"{tenant}-{n}{roles}", everyone(tenant, *roles), [f"{often} {n}"]) for n in range(20)]
    return [*many, GoldDocument(f"{tenant}-one{roles}", everyone(tenant, *roles), [f"{seldom} and {often}"])]


@pytest.mark.parametrize(
    "other",
    [corpus("bolt", RARE, COMMON), corpus("acme", RARE, COMMON, "board")],
    ids=["another tenant", "a role of the same tenant"],
)
def test_words_weigh_what_they_weigh_among_what_is_seen(databases: Any, other: list[GoldDocument]) -> None:
    """Two corpora with opposite words, in one index or alone: the same scores to the last bit."""
    own = corpus("acme", COMMON, RARE)
    answers, scores = [], []
    for documents in (own, own + other):
        with databases.index() as index:
            index.serve(documents)
            scores.append(see(index.reader(), asker("acme"), "fox and hound").scores)
            hits = [
                index.retriever(encoder).search("fox and hound", principal=asker("acme"), k=50).hits
                for encoder in (WordsEncoder(), BrokenEncoder())
            ]
            answers.append([[(hit.chunk_id, hit.score, hit.lexical_rank) for hit in found] for found in hits])
    assert answers[0] == answers[1]
    assert scores[0] == scores[1]
    assert len(set(scores[0].values())) > 1


@pytest.mark.parametrize(
    ("visible", "eligible", "coverage", "table", "variant"),
    [
        (5_000, None, 1.0, 5_000, "exact"),
        (5_001, None, 0.5, 5_001, "hnsw"),
        (5_001, None, 0.5, -1, "hnsw"),  # nobody has counted the table yet
        (6_600, None, 1.0, 133_000, "exact"),  # a walk would meet 1,000 for 50 of these
        (6_600, None, 1.0, 25_000, "hnsw"),
        (46_000, None, 1.0, 10_000_000, "exact"),  # it ends after 4,000 in any case
        (47_000, None, 1.0, 10_000_000, "hnsw"),
        (25_000, None, 0.49, 25_000, "exact"),
        (25_001, None, 0.0, 25_001, "hnsw_wide"),
        (38_000, None, 0.0, 384_000, "exact"),  # it would end before it has met 590
        (100_000, None, 0.0, 384_000, "hnsw_wide"),
        (50_001, None, 0.0, 10_000_000, "hnsw_wide"),
        (90_000, 4_000, 0.9, 90_000, "exact_eligible"),
        (90_000, 6_000, 0.9, 90_000, "hnsw_eligible"),
        (90_000, 5_500, 0.1, 90_000, "exact_eligible"),
        (90_000, 30_000, 0.1, 90_000, "hnsw_eligible_wide"),
        (10_000, 2_000, 0.9, 90_000, "exact_eligible"),  # each looked up costs less than to look at all 10,000
        (10_000, 4_000, 0.9, 90_000, "exact_among"),
        (10_000, 10_000, 0.9, 10_000, "hnsw_eligible"),
        (600, 0, 0.9, 90_000, "exact_eligible"),
    ],
)
def test_the_index_is_walked_where_that_costs_less_than_to_compare_everything(
    visible: int, eligible: int | None, coverage: float, table: int, variant: str
) -> None:
    assert statements.vector_variant(visible, eligible, coverage, table) == variant


def test_a_search_knows_how_many_rows_the_planner_has_counted(large: Index) -> None:
    """In the tenant's own table; of the parents, which are never counted, it learns nothing."""
    large.owner.execute("analyze space_1.chunk_1")
    retriever = large.retriever()
    tenant = large.owner.execute("select id from knowledge.tenant where name = 'acme'").fetchone()
    assert tenant is not None
    found = []
    for partition in (tenant[0], None):
        search = Search("word3", asker("acme", "role1"), 10, Filters(), None, uuid.UUID(int=0), "nobody")
        search.partition = partition
        with retriever._pool.connection() as connection:
            connection.execute(*search.entry())
            search.score(1, connection.execute(*search.reads(1), binary=True).fetchone() or ())
            connection.rollback()
        found.append((search.visible, search.table_rows))
    assert found == [(60, 300), (60, -1)]
