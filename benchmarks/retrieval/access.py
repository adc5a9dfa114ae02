"""Whether anybody sees what is not theirs, or misses what is: every path of the library against plain Python.

Random principals ask random questions, filtered or not, through `Retriever` and `AsyncRetriever`, with neighbours
joined, hits of a document bounded, repetitions left out, a cross-encoder, a result cache and a standby; and the
runtime's own role reads every table by SQL, parents and partitions, COPY included.
"""

from __future__ import annotations

import asyncio
import random
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
from psycopg import sql
from pydantic import SecretStr

from assets.index.desired import Access
from assets.index.standby import write_standby
from benchmarks.retrieval.index import Index
from benchmarks.retrieval.texts import Question
from benchmarks.retrieval.world import CLEARANCES, Vectors, World, chunk_id, document_id
from retrieval import AsyncRetriever, Filters, Principal, SearchResult, Shape
from retrieval.audit import load_key
from retrieval.bm25 import POSTING
from retrieval.rerank import Reranker
from retrieval.schema.migrate import READABLE, READER, space_schema

SHAPES = (
    Shape(neighbours=1),
    Shape(neighbours=5),
    Shape(per_document=1),
    Shape(unique=True),
    Shape(per_document=2, neighbours=2, unique=True),
)
FILTERS = (None, None, Filters(source="podcast"), Filters(language="de"), Filters(tags="tag3"))


@dataclass
class Proof:
    """What was found.

    Attributes:
        pairs: pairs of a principal and a passage that were decided.
        leaks: passages that somebody got without the right to them.
        missing: passages that somebody with the right to them did not get where all were to come.
    """

    pairs: int = 0
    leaks: int = 0
    missing: int = 0

    def compare(self, got: Iterable[str], allowed: set[str], *, whole: bool = False) -> None:
        """Note an answer: ids that were given, ids that may be; `whole` when all of them must be."""
        found = set(got)
        self.leaks += len(found - allowed)
        self.pairs += len(found)
        if whole:
            self.missing += len(allowed - found)
            self.pairs += len(allowed - found)


Asked = tuple[Question, Principal, Filters | None, int]
"""A question, who asks it, of what, and for how many passages."""


class Oracle:
    """Who may see which passages, by the rule in plain Python."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._ids = [chunk_id(document_id(world, row), text) for row, text in enumerate(world.texts)]
        self._language = dict(zip(reversed(world.documents), reversed(world.languages), strict=True))
        self._visible: dict[Principal, list[int]] = {}
        self._rows = {one: row for row, one in enumerate(self._ids)}

    def allowed(self, principal: Principal, filters: Filters | None = None) -> set[str]:
        """Ids of passages."""
        if principal not in self._visible:
            self._visible[principal] = self._world.visible(principal, datetime.now(UTC)).tolist()
        rows = self._visible[principal]
        return {self._ids[row] for row in rows if filters is None or self._passes(row, filters)}

    def between(self, parts: Sequence[str], allowed: set[str]) -> set[str]:
        """What of `allowed` stands in the same document from the first of some passages to the last."""
        rows = [self._rows[part] for part in parts if part in self._rows]
        return {self._ids[row] for row in range(min(rows), max(rows) + 1)} & allowed if rows else set()

    def text(self, part: str) -> str:
        """The text of a passage."""
        return self._world.texts[self._rows[part]] if part in self._rows else ""

    def texts(self, allowed: set[str]) -> set[str]:
        """The texts of passages."""
        return {self.text(one) for one in allowed}

    def _passes(self, row: int, filters: Filters) -> bool:
        number = self._world.documents[row]
        return (
            (filters.source is None or ("blog", "podcast", "document")[number % 3] in filters.source)
            and (filters.language is None or self._language[number] in filters.language)
            and (filters.tags is None or f"tag{number % 7}" in filters.tags)
        )


def prove(index: Index, encoder: Vectors, questions: Sequence[Question], searches: int, seed: int = 3) -> Proof:
    """Play random principals against every path."""
    draw, proof = random.Random(seed), Proof()
    oracle = Oracle(index.world)
    asked = []
    for number in range(searches):
        principal = index.world.random_principal(draw)
        asked.append((questions[number % len(questions)], principal, draw.choice(FILTERS), draw.choice((3, 10, 200))))
    with index.retriever(encoder) as retriever:
        for question, principal, filters, k in asked:
            allowed = oracle.allowed(principal, filters)
            result = retriever.search(question.text, principal=principal, filters=filters, k=k)
            _compare(proof, result, allowed, k)
    results = asyncio.run(_ask(index, encoder, asked[::4]))
    for (_, principal, filters, k), result in zip(asked[::4], results, strict=True):
        _compare(proof, result, oracle.allowed(principal, filters), k)
    shaped(index, encoder, oracle, asked[::2], draw, proof)
    _from_standby(index, encoder, oracle, asked[::4], draw, proof)
    _by_sql(index, oracle, draw, proof)
    return proof


class Judge:
    """A cross-encoder that likes long passages, and keeps what it is shown."""

    def __init__(self) -> None:
        self.shown: list[str] = []

    def predict(self, pairs: Sequence[tuple[str, str]], **_: Any) -> list[float]:
        """Scores of question and passage."""
        self.shown += [text for _, text in pairs]
        return [float(len(text)) for _, text in pairs]


def shaped(
    index: Index, encoder: Vectors, oracle: Oracle, asked: Sequence[Asked], draw: random.Random, proof: Proof
) -> None:
    """Shapes, the cache and a cross-encoder: each search twice, the second time from the cache."""
    judge, judged = Judge(), {"reranker": "judge", "rerank_budget_ms": 60_000}
    with (
        index.retriever(encoder, result_cache_size=len(asked)) as keeping,
        index.retriever(encoder, **judged) as reranking,
    ):
        reranking._reranker = Reranker("judge", load=lambda _: judge)
        for question, principal, filters, k in asked:
            allowed = oracle.allowed(principal, filters)
            shape = draw.choice((None, *SHAPES))
            answers = [
                one.search(question.text, principal=principal, filters=filters, k=k, shape=shape)
                for one in (keeping, keeping, reranking)
            ]
            assert ("cached" in answers[1].timings) == bool(answers[0].hits)
            for result in answers:
                _compare_shaped(proof, oracle, result, allowed)
            proof.leaks += answers[1].hits != answers[0].hits
            proof.leaks += len(set(judge.shown) - oracle.texts(allowed))
            proof.pairs += len(judge.shown)
            judge.shown.clear()


def _compare_shaped(proof: Proof, oracle: Oracle, result: SearchResult, allowed: set[str]) -> None:
    for hit in result:
        parts = hit.parts or (hit.chunk_id,)
        proof.compare(parts, allowed)
        proof.missing += len(oracle.between(parts, allowed) - set(parts))
        proof.leaks += hit.text != "\n\n".join(oracle.text(part) for part in parts)


def _from_standby(
    index: Index, encoder: Vectors, oracle: Oracle, asked: Sequence[Asked], draw: random.Random, proof: Proof
) -> None:
    """The same while the database is gone."""
    with tempfile.TemporaryDirectory(prefix="kp-") as folder:
        home = Path(folder)
        with index.owner() as owner:
            write_standby(owner, home / "standby", load_key(home / "keys" / "standby.key"), now=datetime.now(UTC))
        gone = {"dsn": SecretStr("host=/nowhere dbname=x"), "home": home, "standby": home / "standby"}
        with index.retriever(encoder, **gone) as retriever:
            for question, principal, filters, k in asked:
                shape = draw.choice((None, *SHAPES))
                result = retriever.search(question.text, principal=principal, filters=filters, k=k, shape=shape)
                assert result.reasons == ("standby",)
                _compare_shaped(proof, oracle, result, oracle.allowed(principal, filters))


def _compare(proof: Proof, result: SearchResult, allowed: set[str], k: int) -> None:
    proof.compare((hit.chunk_id for hit in result), allowed, whole=len(allowed) <= min(k, 50))


async def _ask(index: Index, encoder: Vectors, asked: Sequence[Asked]) -> list[SearchResult]:
    retriever = await AsyncRetriever.connect(settings=index.settings, encoder=encoder)  # type: ignore[arg-type]
    async with retriever:
        return [await retriever.search(q.text, principal=who, filters=f, k=k) for q, who, f, k in asked]


def _by_sql(index: Index, oracle: Oracle, draw: random.Random, proof: Proof, principals: int = 40) -> None:
    """As the runtime's role: what each table shows, by parent, by partition, and by COPY."""
    numbers, tenants = _numbers(index)
    _posts_are_in_place(index, proof)
    with psycopg.connect(index.server.embedded.dsn(READER, index.name), autocommit=True) as reader:
        for _ in range(principals):
            principal = index.world.random_principal(draw)
            own = tenants[principal.tenant]
            sets = {numbers[access] for access in index.world.sets_of(principal) if access in numbers}
            for part in ("", f"_{own}", f"_{draw.choice(sorted(set(tenants.values()) - {own}))}"):
                theirs = part in ("", f"_{own}")
                with reader.transaction():
                    enter(reader, principal)
                    _read_passages(reader, part, oracle.allowed(principal) if theirs else set(), proof)
                    for table in READABLE:
                        name = sql.Identifier(space_schema(1), table + part)
                        rows = reader.execute(sql.SQL("select distinct tenant, acl_id from {}").format(name)).fetchall()
                        allowed = {(own, number) for number in sets} if theirs else set()
                        proof.leaks += len(set(rows) - allowed)
                        proof.pairs += len(allowed)


def _read_passages(reader: psycopg.Connection[tuple[Any, ...]], part: str, allowed: set[str], proof: Proof) -> None:
    name = sql.Identifier(space_schema(1), f"chunk{part}")
    rows = reader.execute(sql.SQL("select chunk_id from {}").format(name)).fetchall()
    proof.compare((row[0] for row in rows), allowed, whole=True)
    with reader.cursor().copy(sql.SQL("copy (select chunk_id from {}) to stdout").format(name)) as copy:
        proof.compare((row[0] for row in copy.rows()), allowed, whole=True)


def enter(connection: psycopg.Connection[tuple[Any, ...]], principal: Principal) -> None:
    """Begin as a principal."""
    connection.execute(
        "select problem from knowledge.enter(%s, %s, %s)",
        [principal.tenant, sorted(principal.roles), CLEARANCES.index(principal.clearance)],
    )


def _numbers(index: Index) -> tuple[dict[Access, int], dict[str, int]]:
    """Numbers of access sets and of tenants in the database."""
    with index.owner() as owner:
        sets = owner.execute(
            "select t.name, a.roles, a.clearance, a.id from knowledge.acl a join knowledge.tenant t on t.id = a.tenant"
        ).fetchall()
        tenants = owner.execute("select name, id from knowledge.tenant").fetchall()
    return {Access(row[0], tuple(row[1]), CLEARANCES[row[2]]): row[3] for row in sets}, dict(tenants)


def _posts_are_in_place(index: Index, proof: Proof) -> None:
    """Each posting stands under the access set of its passage, and under no other."""
    schema = space_schema(1)
    with index.owner() as owner:
        rows = owner.execute(f"select tenant, acl_id, post from {schema}.posting".encode()).fetchall()
        placed: dict[str, int] = dict(
            owner.execute(f"select (tenant, chunk)::text, acl_id from {schema}.chunk".encode()).fetchall()
        )
    for tenant, acl, post in rows:
        chunks = np.frombuffer(post, POSTING)["chunk"].tolist()
        proof.leaks += sum(placed[f"({tenant},{chunk})"] != acl for chunk in chunks)
        proof.pairs += len(chunks)
