"""The audit row: what it holds of a request, and what nobody can read out of it."""

from __future__ import annotations

import asyncio
import itertools
import json
from typing import Any

import pytest

from retrieval import AsyncRetriever, InvalidRequestError, SearchResult
from retrieval.analysis import query_terms
from retrieval.audit import labels, pseudonym, query_pseudonym, term_pseudonym
from retrieval.schema import migrate as schema
from retrieval.schema.migrate import migrate
from retrieval.server import SUPERUSER
from tests.support import Databases, GoldDocument, Index, WordsEncoder, asker, everyone

KEY, OTHER_KEY = b"k" * 32, b"o" * 32
ADA = asker()


@pytest.fixture(scope="module")
def served(shared_index: Index) -> Index:
    shared_index.serve([GoldDocument("fox", everyone(), ["the quick brown fox", "a lazy dog"])])
    return shared_index


def row_of(index: Index, result: SearchResult) -> dict[str, Any]:
    """The one audit row of a result, as JSON."""
    rows = index.owner.execute(
        "select to_jsonb(a) from knowledge.audit a where request_id = %s", [result.request_id]
    ).fetchall()
    assert len(rows) == 1
    return dict(rows[0][0])


def of(query: str, tenant: str = "acme", key: bytes = KEY) -> dict[str, Any]:
    return query_pseudonym(query, query_terms(query), tenant, key)


def test_a_row_tells_what_the_caller_passed_and_what_came_back(served: Index) -> None:
    versions, correlation = {"prompt": "12", "model": "talker-3"}, {"conversation": "c/42", "trace.id": "00-af"}
    result = served.retriever().search("Quick FOX", principal=ADA, k=1, versions=versions, correlation=correlation)
    row = row_of(served, result)
    assert (row["versions"], row["correlation"]) == (versions, correlation)
    assert row["hits"] == [hit.chunk_id for hit in result]
    assert row["scores"] == pytest.approx([hit.score for hit in result], rel=1e-6)
    assert {"lexical", "score", "embed"} <= set(row["timings"])
    assert (row["k"], row["release"], row["degraded"], row["reasons"]) == (1, result.release, False, [])
    assert (row["asked_at"], row["filters"]) == (None, {})


def test_the_async_twin_writes_the_same_row(served: Index) -> None:
    async def ask() -> SearchResult:
        async with await AsyncRetriever.connect(settings=served.settings, encoder=WordsEncoder()) as retriever:
            return await retriever.search("quick fox", principal=ADA, versions={"prompt": "1"})

    own = {"at", "request_id", "timings"}
    row, twin = (
        {name: value for name, value in row_of(served, result).items() if name not in own}
        for result in (
            served.retriever().search("quick fox", principal=ADA, versions={"prompt": "1"}),
            asyncio.run(ask()),
        )
    )
    assert row == twin


def test_no_word_of_a_question_is_in_its_row(served: Index) -> None:
    question = "Does Grace Hopper (grace@example.org) own the brown fox?"
    result = served.retriever().search(question, principal=asker(user="lovelace"))
    stored = json.dumps(row_of(served, result)).casefold()
    for word in ("grace", "hopper", "example", "own", "brown", "fox", "lovelace"):
        assert word not in stored.replace(str(result.request_id), "")


def test_the_same_question_is_the_same_and_another_one_another() -> None:
    assert of("What  is a FOX?")["hash"] == of("what is a fox?")["hash"]
    hashes = [
        of(query, tenant, key)["hash"]
        for query, tenant, key in itertools.product(("fox", "foxes", "f ox"), ("acme", "bolt"), (KEY, OTHER_KEY))
    ]
    assert len(set(hashes)) == len(hashes)


def test_whoever_holds_the_key_finds_questions_by_a_word() -> None:
    stored = of("Wie wird die Wärmepumpe gewartet?")["terms"]
    (alternatives,) = query_terms("wärmepumpen")
    assert {term_pseudonym(term, "acme", KEY) for term in alternatives} & set(stored)
    for tenant, key in (("bolt", KEY), ("acme", OTHER_KEY)):
        assert not {term_pseudonym(term, tenant, key) for term in alternatives} & set(stored)


def test_the_order_of_words_is_not_kept() -> None:
    assert of("fox dog cat")["terms"] == of("cat fox dog")["terms"] == sorted(of("fox dog cat")["terms"])


def test_pseudonyms_of_users_questions_and_words_never_meet() -> None:
    """A user called like a word, or a tenant and user that join to the same text, are no one else."""
    assert pseudonym(asker(user="fox"), KEY)[:12] != term_pseudonym("fox", "acme", KEY)
    assert pseudonym(asker("acme", user="b"), KEY) != pseudonym(asker("acm", user="eb"), KEY)


@pytest.mark.parametrize(
    "given",
    [
        [("prompt", "1")],
        "prompt=1",
        {f"n{i}": "x" for i in range(17)},
        {"": "x"},
        {"with space": "x"},
        {"1st": "x"},
        {"n" * 65: "x"},
        {1: "x"},
        {"prompt": 1},
        {"prompt": None},
        {"prompt": "x" * 201},
        {"prompt": "two\nlines"},
        {"prompt": "\x00"},
        {"prompt": "\ud800"},
    ],
    ids=ascii,
)
def test_versions_and_ids_are_short_printable_texts(served: Index, given: Any) -> None:
    with pytest.raises(InvalidRequestError):
        labels("versions", given)
    retriever = served.retriever()
    for name in ("versions", "correlation"):
        with pytest.raises(InvalidRequestError, match=name):
            retriever.search("fox", principal=ADA, **{name: given})


def test_an_older_database_is_upgraded_with_its_rows(databases: Databases, monkeypatch: pytest.MonkeyPatch) -> None:
    name = databases.bare()
    dsn = databases.server.dsn(SUPERUSER, name)
    with databases.admin(name) as admin:
        admin.execute("create extension vector")
        monkeypatch.setattr(schema, "MIGRATIONS", ("0001_core",))
        assert migrate(dsn) == ["0001_core"]
        admin.execute(
            "insert into knowledge.audit (request_id, tenant, principal, release, model, k, filters, hits, scores,"
            " timings, degraded) values (gen_random_uuid(), 1, 'p', 1, 'm', 1, '{}', '{a}', '{1}', '{}', false)"
        )
        monkeypatch.undo()
        assert migrate(dsn)[0] == "0002_audit"
        assert migrate(dsn) == []
        row = admin.execute("select hits, query, reasons, versions, correlation, asked_at from knowledge.audit")
        assert row.fetchall() == [(["a"], {}, [], {}, {}, None)]
