"""Each leg of a search by itself: BM25 against a reference over the visible rows, vectors against an exact scan."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.retrieval.index import Index
from benchmarks.retrieval.meter import Figures, Meter
from benchmarks.retrieval.texts import Question
from benchmarks.retrieval.world import Floats, Vectors, World, chunk_id, document_id, title
from retrieval import Filters, Principal, Retriever
from retrieval.analysis import passage_terms, query_terms
from retrieval.bm25 import K1, B
from retrieval.schema.migrate import space_schema
from retrieval.search import Search, Space
from retrieval.statements import CANDIDATES

LIMIT = 50
"""Passages of the lexical leg that are compared."""


class LexicalLeg:
    """The first round trip and the scoring of a search, by the retriever's own steps."""

    def __init__(self, retriever: Retriever) -> None:
        self._retriever = retriever
        self._pool: Any = retriever._pool
        self.connection: Any = None

    @contextmanager
    def session(self) -> Iterator[LexicalLeg]:
        """Hold one connection."""
        with self._pool.connection() as self.connection:
            yield self
            self.connection.commit()

    def run(self, search: Search) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Chunk numbers and scores."""
        space = self._retriever.space
        assert isinstance(space, Space)
        _, release, row = self._retriever._enter(search, self.connection, space)
        search.score(release, row)
        return search.lexical.chunks[:LIMIT], search.lexical.scores[:LIMIT]

    def measure(self, principal: Principal, questions: Sequence[Question]) -> Figures:
        """CPU of it for each question, after one round to warm up."""
        pids = [self.connection.info.backend_pid]
        parts = []
        for question in [*questions[:10], *questions]:
            search = new_search(question.text, principal)
            parts.append(Meter(lambda: pids).measure([lambda search=search: self.run(search)]))  # type: ignore[misc]
            self.connection.commit()
        kept = parts[10:]
        return Figures(*(np.concatenate([getattr(f, name) for f in kept]) for name in ("client", "server", "wall")))


def new_search(text: str, principal: Principal, k: int = 10) -> Search:
    """A search before its first step."""
    return Search(text, principal, k, Filters(), None, uuid.UUID(int=0), "nobody")


def nobody(index: Index) -> Vectors:
    """An encoder that is never asked."""
    return Vectors([], np.zeros((0, 1), np.float32), index.fingerprint)


class Reference:
    """BM25 in float64 over counted words: the term weights of rank-bm25 (BM25Okapi) with the idf of Lucene.

    It shares nothing with what it judges but the analysis of text and the constants k1 and b.
    """

    def __init__(self, texts: Sequence[str], languages: Sequence[str], titles: Sequence[str]) -> None:
        from scipy import sparse  # type: ignore[import-untyped]

        self._vocabulary: dict[str, int] = {}
        rows, columns = [], []
        self._lengths = np.zeros(len(texts))
        for row, (text, language, above) in enumerate(zip(texts, languages, titles, strict=True)):
            terms = passage_terms(text, language, above)
            self._lengths[row] = len(terms)
            rows += [row] * len(terms)
            columns += [self._vocabulary.setdefault(term, len(self._vocabulary)) for term in terms]
        shape = (len(texts), len(self._vocabulary))
        self._counts = sparse.csc_array((np.ones(len(rows)), (rows, columns)), shape=shape)
        self._counts.sum_duplicates()

    def best(
        self, query: str, visible: NDArray[np.int64], order: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Rows and scores of the best passages among the visible ones, ties in the given order of rows."""
        n = len(visible)
        if not n:
            return visible, np.zeros(0)
        lengths = self._lengths[visible]
        scores = np.zeros(n)
        for term in {term for alternatives in query_terms(query) for term in alternatives}:
            column = self._vocabulary.get(term)
            if column is None:
                continue
            frequency = self._counts[:, [column]].toarray()[visible, 0]
            df = np.count_nonzero(frequency)
            idf = np.log(1 + (n - df + 0.5) / (df + 0.5))
            scores += idf * frequency * (K1 + 1) / (frequency + K1 * (1 - B + B * lengths / lengths.mean()))
        found = np.flatnonzero(scores)
        best = found[np.lexsort((order[visible[found]], -scores[found]))][:LIMIT]
        return visible[best], scores[best]


def rows_by_id(world: World, tenant: int) -> dict[str, int]:
    """Row of the world by id of the passage, for one tenant."""
    own = world.tenants[tenant]
    rows = range(own.first, own.first + own.chunks)
    return {chunk_id(document_id(world, row), world.texts[row]): row for row in rows}


def rows_by_number(index: Index, tenant: int) -> dict[int, int]:
    """Row of the world by number of the chunk, for the open rows of a tenant."""
    by_id = rows_by_id(index.world, tenant)
    with index.owner() as owner:
        rows = owner.execute(
            f"select c.chunk, c.chunk_id from {space_schema(1)}.chunk c join knowledge.tenant t on t.id = c.tenant"
            " where t.name = %s and c.removed_in = 2147483647".encode(),
            [index.world.tenants[tenant].name],
        )
        return {chunk: by_id[name] for chunk, name in rows}


def lexical_equals(index: Index, tenant: int, principals: Sequence[Principal], questions: Sequence[Question]) -> float:
    """Share of questions whose lexical results are those of the reference, in order and in score."""
    world = index.world
    own = world.tenants[tenant]
    part = slice(own.first, own.first + own.chunks)
    titles = [title(number) for number in world.documents[part]]
    reference = Reference(world.texts[part], world.languages[part], titles)
    by_number = rows_by_number(index, tenant)
    order = np.zeros(own.chunks, np.int64)
    for number, row in by_number.items():
        order[row - own.first] = number
    visible = [world.visible(principal, datetime.now(UTC)) - own.first for principal in principals]
    same = 0
    with index.retriever(nobody(index)) as retriever, LexicalLeg(retriever).session() as leg:
        for question, turn in zip(questions, itertools.cycle(range(len(principals))), strict=False):
            chunks, scores = leg.run(new_search(question.text, principals[turn]))
            leg.connection.commit()
            rows, wanted = reference.best(question.text, visible[turn], order)
            found = [by_number[number] - own.first for number in chunks.tolist()]
            same += found == rows.tolist() and bool(np.allclose(scores, wanted, rtol=1e-9, atol=0))
    return same / len(questions)


def recall(
    index: Index, tenant: int, principal: Principal, queries: Floats, asked: Sequence[Question] | None = None
) -> float:
    """Share of the ten nearest visible passages, by an exact scan here, that the vector leg puts first.

    The questions are words that stand nowhere, so the vector leg decides alone; with `asked`, they are these, and a
    passage counts where it is among the hits, whichever leg put it forward. Distances are those of the vectors as
    Postgres stores them, in half precision; a passage as near as the tenth counts as found.
    """
    world = index.world
    visible = world.visible(principal, datetime.now(UTC))
    if not len(visible):
        return 1.0
    count = min(10, len(visible))
    stored = _halved(world.vectors[visible])
    by_id = rows_by_id(world, tenant)
    place = {row: i for i, row in enumerate(visible.tolist())}
    questions = asked or [Question(f"qqzz{number}qq", "en") for number in range(len(queries))]
    found = 0
    with index.retriever(Vectors(questions, queries, index.fingerprint)) as retriever:
        for question, query in zip(questions, _halved(queries), strict=True):
            similarity = stored @ query
            tenth = np.partition(similarity, len(similarity) - count)[len(similarity) - count]
            # As many hits as the leg puts forward: their order is that of the fusion, their rank that of the leg.
            hits = retriever.search(question.text, principal=principal, k=CANDIDATES)
            nearest = [hit.chunk_id for hit in hits if asked or (hit.vector_rank or count + 1) <= count]
            found += min(count, sum(bool(similarity[place[by_id[name]]] >= tenth - 1e-5) for name in nearest))
    return found / count / len(queries)


def _halved(vectors: Floats) -> Floats:
    half = vectors.astype(np.float16).astype(np.float32)
    unit: Floats = (half / np.linalg.norm(half, axis=1, keepdims=True)).astype(np.float32)
    return unit
