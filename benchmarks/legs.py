"""What each leg of the search finds alone, read as the runtime's role through the statements of a search."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql

from retrieval.bm25 import POSTING
from retrieval.connections import ROLE, ROLE_PARAMETERS
from retrieval.core import Core
from retrieval.database import Database
from retrieval.principal import Principal
from retrieval.result import Filters
from retrieval.schema.migrate import space_schema
from retrieval.search import Search, entered
from retrieval.settings import Settings

DEPTH = 100
"""Passages of each leg that are kept."""

_NEAREST = """
select chunk, 1 - (embedding <=> %s) from {s}.chunk order by (embedding <=> %s) + 0, chunk limit %s
"""
_SIMILAR = "select chunk, 1 - (embedding <=> %s) from {s}.chunk where chunk = any (%s)"
_PLACES = """
select c.chunk, d.path, d.language
from {s}.chunk c join {s}.document d on d.tenant = c.tenant and d.document = c.document
"""


@dataclass(frozen=True)
class Legs:
    """The legs' passages by number, best first, with BM25 scores and cosines.

    Attributes:
        similar: cosine of every passage of either leg.
        words: for each word of the query, each of its terms with the number of visible passages it stands in.
    """

    lexical: dict[int, float]
    vector: dict[int, float]
    similar: dict[int, float]
    words: list[dict[str, int]]
    coverage: float
    chunks: int


class LegReader:
    """One reader's connection to an index whose release does not change meanwhile."""

    def __init__(self, settings: Settings, principal: Principal) -> None:
        from pgvector.psycopg import register_vector

        self._principal = principal
        self._database = Database.for_reading(settings)
        self._connection: psycopg.Connection[Any] = self._database.connect(settings)
        if Core.must_change_role(self._connection.execute(ROLE, ROLE_PARAMETERS).fetchone()):
            self._connection.execute("set role knowledge_reader")
        register_vector(self._connection)
        self._connection.commit()

    def places(self) -> Mapping[int, tuple[str, str]]:
        """Path and language of the document of every visible passage."""
        with self._connection.transaction():
            _, space = self._enter(self._search("places"))
            rows = self._connection.execute(sql.SQL(_PLACES.format(s=space_schema(space)))).fetchall()
        return {row[0]: (row[1], row[2]) for row in rows}

    def ask(self, query: str, vector: object) -> Legs:
        """Run both legs."""
        search = self._search(query)
        with self._connection.transaction():
            release, space = self._enter(search)
            answer = self._connection.execute(*search.reads(space)).fetchone()
            assert answer is not None
            search.score(release, answer)
            schema = space_schema(space)
            nearest = self._connection.execute(sql.SQL(_NEAREST.format(s=schema)), [vector, vector, DEPTH]).fetchall()
            lexical = dict(zip(search.lexical.chunks.tolist(), search.lexical.scores.tolist(), strict=True))
            similar = self._connection.execute(sql.SQL(_SIMILAR.format(s=schema)), [vector, list(lexical)]).fetchall()
        sizes = zip(answer[0] or (), answer[1] or (), strict=True)
        frequency = {term: size // POSTING.itemsize for term, size in sizes}
        return Legs(
            lexical=lexical,
            vector=dict(nearest),
            similar=dict(nearest) | dict(similar),
            words=[{term: frequency.get(term, 0) for term in alternatives} for alternatives in search.words],
            coverage=search.lexical.coverage,
            chunks=search.visible,
        )

    def _search(self, query: str) -> Search:
        return Search(query, self._principal, DEPTH, Filters(), None, uuid.UUID(int=0), "benchmark")

    def _enter(self, search: Search) -> tuple[int, int]:
        release, space = entered(self._connection.execute(*search.entry()).fetchone(), None)
        return release, space.id

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()
