"""One search as steps without I/O: what to send, what to make of the answers. Both retrievers drive it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeGuard
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from psycopg import sql

from retrieval import bm25, fusion, statements
from retrieval.analysis import query_terms, question_language
from retrieval.audit import query_pseudonym
from retrieval.errors import InvalidPrincipalError, InvalidQueryError, NoReleaseError, UnknownTenantError
from retrieval.limits import Deadline
from retrieval.principal import Principal, well_formed
from retrieval.result import Citation, Filters, Hit, SearchResult
from retrieval.settings import Settings
from retrieval.shape import Shape

RELEASE_MAX = 2_147_483_647
"""Largest number of a release: Postgres' integer."""

NO_LIMIT_S = 3600.0
"""Time limit of a search that is made without one."""

Statement = tuple[sql.SQL, dict[str, object]]


@dataclass(frozen=True)
class Space:
    """The index a statement speaks of."""

    id: int
    fingerprint: str
    dimension: int
    analyzer: str


@dataclass
class Search:
    """State of one search between its round trips.

    Attributes:
        partition: number of the tenant's own tables, once it is known; until then the parents are read.
        key: key of the audit log's pseudonyms.
        deadline: by when the answer must be there.
        reasons: why the answer is poorer than it could be; empty where it is not.
        scale: what the model's similarities mean.
        shape: how hits are put together, where anything is asked for; reranks: whether a cross-encoder looks at them.
    """

    query: str
    principal: Principal
    k: int
    filters: Filters
    release: int | None
    request_id: UUID
    pseudonym: str
    clock: Callable[[], float] = time.perf_counter
    key: bytes = b""
    deadline: Deadline = field(default_factory=lambda: Deadline(NO_LIMIT_S))
    versions: Mapping[str, str] = field(default_factory=dict)
    correlation: Mapping[str, str] = field(default_factory=dict)
    timings: dict[str, float] = field(default_factory=dict)
    reasons: list[str] = field(default_factory=list)
    partition: int | None = None
    scale: fusion.Scale = fusion.DEFAULT
    shape: Shape | None = None
    reranks: bool = False

    def __post_init__(self) -> None:
        self._began = self._last = self.clock()
        self.words = query_terms(self.query)
        self.language = question_language(self.query)
        self._release_read = 0
        self.lexical = bm25.Lexical.nothing()
        self._eligible: NDArray[np.int32] | None = None
        self.visible = self.table_rows = 0

    @property
    def degraded(self) -> bool:
        """Whether a part has failed so far."""
        return bool(self.reasons)

    def degrade(self, reason: str) -> None:
        """Note that a part failed; the reason is one word of `result.REASONS`."""
        if reason not in self.reasons:
            self.reasons.append(reason)

    def audited(self) -> dict[str, object]:
        """Parameters of the audit row that are known before the hits are."""
        filters = {name: value for name, value in self.filters.parameters().items() if value is not None}
        if self.shape is not None:
            filters["shape"] = self.shape.parameters()
        return {
            "request_id": self.request_id,
            "principal": self.pseudonym,
            "query_pseudonym": json.dumps(query_pseudonym(self.query, self.words, self.principal.tenant, self.key)),
            "k": self.k,
            "filters": json.dumps(filters, default=str, sort_keys=True),
            "timings": json.dumps({name: round(ms, 3) for name, ms in self.timings.items()}),
            "degraded": self.degraded,
            "reasons": self.reasons,
            "versions": json.dumps(self.versions),
            "correlation": json.dumps(self.correlation),
        }

    # ---------------------------------------------------------------- first trip

    def entry(self) -> Statement:
        """Enter the transaction as the principal."""
        return statements.enter(self.principal, self.release)

    def reads(self, space: int) -> Statement:
        """What the lexical leg needs, to be sent right behind `entry`; one row."""
        terms = sorted({term for alternatives in self.words for term in alternatives})
        statement = statements.first_trip(space, self.partition, filtered=bool(self.filters))
        return statement, {"terms": statements.texts(terms)} | self.filters.parameters()

    def score(self, release: int, row: Sequence[Any]) -> None:
        """Run the lexical leg over the answer to `reads`."""
        self.lap("lexical")
        self._release_read = release
        terms, sizes, posts, chunks, length, masked, masked_length, self.table_rows, *eligible = row
        masked_chunks = _numbers(masked or b"")
        self.visible = chunks - len(masked_chunks)
        self._eligible = _numbers(eligible[0]) if eligible else None
        self.lexical = bm25.score(
            self.words,
            bm25.apart(terms or (), sizes or (), posts or b""),
            chunks=self.visible,
            length=length - masked_length,
            masked=masked_chunks,
            eligible=self._eligible,
            limit=self.candidates,
        )
        self.lap("score")

    # --------------------------------------------------------------- second trip

    @property
    def candidates(self) -> int:
        """Passages each leg puts forward: never fewer than are asked for."""
        return max(statements.CANDIDATES, self.k)

    def ranking(self, vector: object | None) -> tuple[str, dict[str, object]]:
        """Variant of the vector leg, and the parameters of both legs and their fusion."""
        variant = "none"
        if vector is not None:
            eligible = None if self._eligible is None else len(self._eligible)
            variant = statements.vector_variant(self.visible, eligible, self.lexical.coverage, self.table_rows)
        parameters: dict[str, object] = {
            "chunks": _array(self.lexical.chunks),
            "scores": _array(self.lexical.scores),
            "vector": vector,
            "weight": 1.0 if vector is None else fusion.lexical_weight(self.lexical.numbers),
            "bound": self.lexical.bound or 1.0,
            "reach": fusion.reach(self.scale),
            "near": fusion.NEAREST_MIN * self.scale.usual,
            "asked_in": self.language,
            "bias": self.scale.bias,
            "kinship": self.scale.kinship,
            "draw": fusion.DRAW,
        }
        if variant in ("exact_eligible", "exact_among"):
            parameters["eligible"] = _array(self._eligible)
        elif variant.startswith("hnsw_eligible"):
            parameters |= self.filters.parameters()
        return variant, parameters

    def fusion(self, space: Space, vector: object | None) -> Statement:
        """The second round trip; without a vector the lexical leg stands alone."""
        variant, parameters = self.ranking(vector)
        statement = statements.second_trip(space.id, self.partition, variant, self.candidates)
        return statement, parameters | {"model": space.fingerprint} | self.audited()

    def result(self, rows: Sequence[Sequence[Any]]) -> SearchResult:
        """The answer from the rows of the second round trip."""
        self.lap("fuse")
        self.timings["total"] = (self.clock() - self._began) * 1000
        return SearchResult(
            hits=tuple(_hit(row) for row in rows),
            request_id=self.request_id,
            release=self._release_read,
            timings=self.timings,
            degraded=self.degraded,
            reasons=tuple(self.reasons),
        )

    def remember(self, release: int) -> None:
        """Note that the answer is kept, and so needs neither leg nor vector."""
        self.lap("cached")
        self._release_read = release

    def embedded(self, milliseconds: float, problem: str | None = None) -> None:
        """Note what embedding cost, why there is no vector if there is none, and that waiting for it is over."""
        self.timings["embed"] = milliseconds
        if problem is not None:
            self.degrade(problem)
        self._last = self.clock()

    def lap(self, step: str) -> None:
        """Note the milliseconds since the step before."""
        now = self.clock()
        self.timings[step] = (now - self._last) * 1000
        self._last = now


def check(
    query: object,
    principal: object,
    k: object,
    filters: object,
    release: object,
    shape: object,
    settings: Settings,
) -> None:
    """Refuse a call that cannot be answered, before anything is asked of the database.

    Raises:
        InvalidQueryError: query, k, filters or release are out of bounds.
        InvalidPrincipalError: there is no principal.
    """
    if not isinstance(principal, Principal):
        raise InvalidPrincipalError("search needs principal=Principal(user=…, tenant=…): nobody means nothing")
    if not isinstance(query, str) or not query.strip():
        raise InvalidQueryError("The query is empty: ask something")
    if len(query) > settings.query_max_chars:
        raise InvalidQueryError(
            f"The query has {len(query)} characters, at most {settings.query_max_chars} are accepted"
            " (KNOWLEDGE_QUERY_MAX_CHARS)"
        )
    if not well_formed(query):
        raise InvalidQueryError("The query holds half a surrogate pair: send well-formed Unicode")
    if not _whole(k) or not 1 <= k <= settings.k_max:
        raise InvalidQueryError(f"k must be a whole number from 1 to {settings.k_max} (KNOWLEDGE_K_MAX)")
    if filters is not None and not isinstance(filters, Filters):
        raise InvalidQueryError("filters must be a Filters object")
    if shape is not None and not isinstance(shape, Shape):
        raise InvalidQueryError("shape must be a Shape object")
    if release is not None and (not _whole(release) or not 0 <= release <= RELEASE_MAX):
        raise InvalidQueryError("release must be the number of a release, or None for the active one")


def entered(row: Sequence[Any] | None, wanted: int | None) -> tuple[int, Space]:
    """Release and space of a row of `ENTER`.

    Raises:
        InvalidPrincipalError, UnknownTenantError, NoReleaseError: what the database says is wrong.
    """
    problem, release, *space, _ = row or ("principal", 0, None)
    if problem == "principal":
        raise InvalidPrincipalError("The principal is incomplete: tenant, roles and clearance are needed")
    if problem == "tenant":
        raise UnknownTenantError("Nothing was ever published for this tenant: check Principal.tenant")
    if problem == "release":
        what = "Nothing is published yet" if wanted is None else f"Release {wanted} is not kept"
        raise NoReleaseError(f"{what}: `knowledge release list` shows what there is")
    return int(release), Space(*space)


def _whole(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def _numbers(packed: bytes) -> NDArray[np.int32]:
    return np.sort(np.frombuffer(packed, ">i4").astype(np.int32))


def _array(values: NDArray[Any] | None) -> str:
    return statements.array(() if values is None else values.tolist())


def _hit(row: Sequence[Any]) -> Hit:
    (
        _, text, score, lexical_rank, vector_rank, similarity,
        title, path, heading, page, speaker, start_s, end_s, url, published, version,
        chunk_id, document_id, source, language, tags, valid_from, expires_at, flags, *staged,
    ) = row  # fmt: skip
    rerank_score, parts = staged or (None, ())
    return Hit(
        text=text,
        score=score,
        lexical_rank=lexical_rank,
        vector_rank=vector_rank,
        similarity=similarity,
        citation=Citation(title, path, heading, page, speaker, start_s, end_s, url, published, version),
        chunk_id=chunk_id,
        document_id=document_id,
        version=version,
        source=source,
        language=language,
        tags=tuple(tags),
        valid_from=valid_from,
        expires_at=expires_at,
        flags=tuple(flags),
        rerank_score=rerank_score,
        parts=tuple(parts) if len(parts) > 1 else (),
    )
