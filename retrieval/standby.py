"""Answers while the database is gone: from an encrypted snapshot of the active release, under the same access rule.

Here, and only here, access is decided in Python; a property test holds it to the oracle that row-level security is held
to. Scores are BM25 by rank-bm25 over exactly the passages that the principal may see, as in the database.
"""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from retrieval import snapshot
from retrieval.analysis import ANALYZER
from retrieval.bm25 import K1, POSTING, B, mass
from retrieval.errors import UnavailableError
from retrieval.limits import Deadline
from retrieval.outbox import Outbox
from retrieval.principal import CLEARANCES, Principal
from retrieval.result import Citation, Filters, Hit, SearchResult
from retrieval.search import Search
from retrieval.shape import Candidate, Shape, Span, select
from retrieval.snapshot import DamagedError, Header

KEPT = 4
"""Tenants whose snapshots stay in memory."""

AHEAD = timedelta(minutes=5)
"""How far ahead of the reader's clock a snapshot may be written. By a clock further behind nothing would be old, or
expired."""

DOCUMENTS, CHUNKS, POSTINGS = b"D", b"C", b"P"
"""First byte of a frame: access sets and documents, passages, packed postings of one access set."""

Now = Callable[[], datetime]


@dataclass(frozen=True)
class Snapshot:
    """One tenant's release in memory.

    Attributes:
        access: access set → (roles, clearance as a number).
        documents: by number.
        numbers: of the passages, sorted; `rows`, `acl`, `lengths`, `expires` (seconds, infinite for never) alike.
        postings: access set → term → packed postings.
    """

    header: Header
    access: Mapping[int, tuple[frozenset[str], int]]
    documents: Mapping[int, Mapping[str, Any]]
    rows: Sequence[Mapping[str, Any]]
    numbers: NDArray[np.int32]
    acl: NDArray[np.int32]
    lengths: NDArray[np.int64]
    expires: NDArray[np.float64]
    postings: Mapping[int, Mapping[str, bytes]]

    @classmethod
    def load(cls, path: Path, key: bytes) -> Snapshot:
        """Read and decrypt a file.

        Raises:
            DamagedError, OSError: it cannot be read or trusted.
        """
        header, frames = snapshot.read(path, key)
        access: dict[int, tuple[frozenset[str], int]] = {}
        documents: dict[int, Mapping[str, Any]] = {}
        rows: list[Mapping[str, Any]] = []
        postings: dict[int, dict[str, bytes]] = {}
        for frame in frames:
            kind, body = frame[:1], frame[1:]
            if kind == DOCUMENTS:
                given = json.loads(body)
                access |= {int(acl): (frozenset(roles), level) for acl, (roles, level) in given["access"].items()}
                documents |= {one["document"]: one for one in given["documents"]}
            elif kind == CHUNKS:
                rows += json.loads(body)
            elif kind == POSTINGS:
                acl, terms = unpack_postings(body)
                postings.setdefault(acl, {}).update(terms)
            else:
                raise DamagedError(f"The standby file {path} is of a version that this library does not know")
        rows.sort(key=lambda row: int(row["chunk"]))
        return cls(
            header=header,
            access=access,
            documents=documents,
            rows=rows,
            numbers=np.array([row["chunk"] for row in rows], np.int32),
            acl=np.array([row["acl"] for row in rows], np.int32),
            lengths=np.array([row["length"] for row in rows], np.int64),
            expires=np.array([_until(row["expires_at"]) for row in rows], np.float64),
            postings=postings,
        )

    def visible(self, principal: Principal, now: datetime) -> NDArray[np.bool_]:
        """Which passages a principal may see: of its tenant, an access set with a role and a clearance of its own,
        not past their time. The rule of `knowledge.enter` and of the policies, in Python."""
        if principal.tenant != self.header.tenant:
            return np.zeros(len(self.rows), bool)
        allowed = self.allowed(principal)
        return np.asarray(np.isin(self.acl, sorted(allowed)) & (self.expires > now.timestamp()))

    def allowed(self, principal: Principal) -> set[int]:
        """Access sets that a principal may see."""
        level = CLEARANCES.index(principal.clearance)
        roles = frozenset(principal.roles)
        return {acl for acl, (needed, needs) in self.access.items() if needed & roles and needs <= level}


class Standby:
    """The folder of snapshots, and the file that keeps audit rows until the database is back.

    Args:
        key: of `keys/standby.key`.
        outbox: keeps the audit row of each answer; no answer without it.
        max_age: snapshots older than this answer nothing: who may see what may have changed since.
        now: the time, with a time zone.
    """

    def __init__(self, folder: Path, key: bytes, outbox: Outbox, *, max_age: timedelta, now: Now) -> None:
        self._folder = folder
        self._key = key
        self.outbox = outbox
        self._max_age = max_age
        self._now = now
        self._kept: OrderedDict[str, tuple[tuple[int, int, int], Snapshot]] = OrderedDict()
        self._guard = threading.Lock()

    def answer(self, search: Search, problem: UnavailableError, deadline: Deadline) -> SearchResult:
        """Answer a search; its audit row is on disk before the result is given.

        Args:
            problem: with the database.
            deadline: by when the row must be there.

        Raises:
            UnavailableError: there is no usable snapshot of the tenant or the release, or the audit row cannot be
                kept. It tells the problem with the database, too.
        """
        began = search.clock()
        try:
            found = self._snapshot(search.principal.tenant, deadline)
        except (OSError, ValueError, KeyError, TypeError, UnavailableError) as error:
            why = str(error) if isinstance(error, UnavailableError) else "its file of the tenant cannot be read"
            raise UnavailableError(f"{problem} The standby does not answer: {why}") from None
        now = self._now()
        header = found.header
        self._check_header(header, search, problem, now)
        hits = find(found, search, now)
        search.degrade("standby")
        search.timings["standby"] = search.timings["total"] = (search.clock() - began) * 1000
        row = search.audited() | {
            "asked_at": now.isoformat(),
            "tenant": search.principal.tenant,
            "release": header.release,
            "model": header.fingerprint,
            "hits": [hit.chunk_id for hit in hits],
            "scores": [hit.score for hit in hits],
        }
        try:
            self.outbox.append(row, deadline.left())
        except TimeoutError:
            raise UnavailableError(
                f"{problem} The standby does not answer: the disk did not take the audit row in time"
                " (KNOWLEDGE_SEARCH_TIMEOUT_MS)"
            ) from None
        except OSError:
            raise UnavailableError(
                f"{problem} The standby does not answer: the audit row cannot be written to {self.outbox.path}"
            ) from None
        return SearchResult(
            hits=tuple(hits),
            request_id=search.request_id,
            release=header.release,
            timings=search.timings,
            degraded=True,
            reasons=tuple(search.reasons),
            as_of=header.written,
        )

    def _check_header(self, header: Header, search: Search, problem: UnavailableError, now: datetime) -> None:
        """Refuse a snapshot that is too old, from the future, or of another release than the one asked for."""
        if now - header.written > self._max_age:
            raise UnavailableError(
                f"{problem} The standby does not answer: it was written at {header.written_at}, longer ago than"
                " KNOWLEDGE_STANDBY_MAX_AGE_H"
            )
        if header.written - now > AHEAD:
            raise UnavailableError(
                f"{problem} The standby does not answer: it was written at {header.written_at}, and it is"
                f" {now.isoformat(timespec='seconds')} here: compare the clocks"
            )
        if search.release is not None and search.release != header.release:
            raise UnavailableError(f"{problem} The standby holds release {header.release} alone")

    def _snapshot(self, tenant: str, deadline: Deadline) -> Snapshot:
        path = snapshot.path_of(self._folder, tenant)
        # to load takes seconds at most, and twice the memory is worse than to wait
        if not self._guard.acquire(timeout=deadline.left()):
            raise UnavailableError("another search still reads its file")
        try:
            try:
                stat = path.stat()
            except FileNotFoundError:
                self._kept.pop(tenant, None)
                raise UnavailableError("it holds nothing of this tenant") from None
            stamp = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
            if tenant not in self._kept or self._kept[tenant][0] != stamp:
                loaded = Snapshot.load(path, self._key)
                if loaded.header.analyzer != ANALYZER:
                    raise DamagedError("it was written by a version with another analysis of text")
                self._kept[tenant] = (stamp, loaded)
            self._kept.move_to_end(tenant)
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
            return self._kept[tenant][1]
        finally:
            self._guard.release()


def find(found: Snapshot, search: Search, now: datetime) -> list[Hit]:
    """The best passages of a snapshot for a search, scored by rank-bm25 over what the principal may see."""
    visible = found.visible(search.principal, now)
    terms = sorted({term for alternatives in search.words for term in alternatives})
    counts, frequency = _counts(found, found.allowed(search.principal), terms, visible)
    if not counts:
        return []
    total = int(visible.sum())
    places = sorted(counts)
    idf = {term: float(np.log1p((total - df + 0.5) / (df + 0.5))) for term, df in frequency.items()}
    raw = _okapi(
        [counts[place] for place in places],
        found.lengths[places],
        idf=idf,
        average=float(found.lengths[visible].sum()) / total,
    )
    bound = mass(search.words, {term: (frequency[term], idf[term]) for term in terms}, total).bound
    scores = np.minimum(1, raw / bound)
    order = np.lexsort((np.array(places), -scores))
    ranked: dict[int, tuple[float, int]] = {}
    candidates: list[Candidate] = []
    for number in order:
        row = found.rows[places[number]]
        document = found.documents[row["document"]]
        if document["acl"] == row["acl"] and _passes(document, row, search.filters):
            ranked[row["chunk"]] = float(scores[number]), len(ranked) + 1
            candidates.append(Candidate(row["chunk"], row["document"], row["ordinal"], row["text"]))
            if len(ranked) == search.candidates:
                break
    chosen = select(candidates, search.k, search.shape or Shape())
    parts = _parts(found, chosen, visible, search.filters)
    return [_hit(found.documents[span.document], parts[span.chunk], span.chunk, *ranked[span.chunk]) for span in chosen]


def _parts(
    found: Snapshot, spans: Sequence[Span], visible: NDArray[np.bool_], filters: Filters
) -> dict[int, list[Mapping[str, Any]]]:
    """Passages of each range that may be seen and are asked for, by its best passage, in their order."""
    by_document: dict[int, list[Span]] = {}
    for span in spans:
        by_document.setdefault(span.document, []).append(span)
    parts: dict[int, list[Mapping[str, Any]]] = {span.chunk: [] for span in spans}
    if all(span.first == span.last for span in spans):
        for span in spans:
            parts[span.chunk] = [found.rows[int(np.searchsorted(found.numbers, span.chunk))]]
        return parts
    for place in np.flatnonzero(visible).tolist():
        row = found.rows[place]
        document = found.documents[row["document"]]
        for span in by_document.get(row["document"], ()):
            inside = span.first <= row["ordinal"] <= span.last
            if inside and document["acl"] == row["acl"] and _passes(document, row, filters):
                parts[span.chunk].append(row)
    return {chunk: sorted(rows, key=lambda row: int(row["ordinal"])) for chunk, rows in parts.items()}


def _okapi(
    documents: Sequence[Mapping[str, int]], lengths: NDArray[np.int64], *, idf: Mapping[str, float], average: float
) -> NDArray[np.float64]:
    """Scores by rank-bm25, for documents given by their counts instead of their words.

    Statistics are those of all visible passages; only the ones that hold a word of the query are given. Its own idf
    goes below zero for frequent words; ours is Lucene's, as everywhere.
    """
    from rank_bm25 import BM25Okapi

    class Counted(BM25Okapi):  # type: ignore[misc]
        def __init__(self) -> None:
            self.k1, self.b = K1, B
            self.corpus_size, self.avgdl = len(documents), average
            self.doc_freqs, self.doc_len, self.idf = documents, lengths, idf

    return np.asarray(Counted().get_scores(list(idf)), np.float64)


def _counts(
    found: Snapshot, allowed: set[int], terms: Sequence[str], visible: NDArray[np.bool_]
) -> tuple[dict[int, dict[str, int]], dict[str, int]]:
    """Frequencies of the terms by place of the passage, and in how many visible passages each stands."""
    counts: dict[int, dict[str, int]] = {}
    frequency: dict[str, int] = {}
    for term in terms:
        packed = b"".join(found.postings.get(acl, {}).get(term, b"") for acl in sorted(allowed))
        posts = np.frombuffer(packed, POSTING)
        places = np.searchsorted(found.numbers, posts["chunk"])
        seen = visible[places]
        frequency[term] = int(seen.sum())
        for place, count in zip(places[seen].tolist(), posts["frequency"][seen].tolist(), strict=True):
            counts.setdefault(place, {})[term] = count
    return counts, frequency


def _passes(document: Mapping[str, Any], row: Mapping[str, Any], filters: Filters) -> bool:
    day = document["published"] or row["valid_from"][:10]
    return (
        (filters.source is None or document["source"] in filters.source)
        and (filters.language is None or document["language"] in filters.language)
        and (filters.tags is None or set(filters.tags) <= set(document["tags"]))
        and (filters.since is None or date.fromisoformat(day) >= date.fromisoformat(str(filters.since)))
        and (filters.flagged is None or bool(row["flags"]) is filters.flagged)
    )


def _hit(document: Mapping[str, Any], parts: Sequence[Mapping[str, Any]], best: int, score: float, place: int) -> Hit:
    """A hit from the passages of its range, of which `best` was found."""
    published = date.fromisoformat(document["published"]) if document["published"] else None
    first, last = parts[0], parts[-1]
    speakers = {row["speaker"] for row in parts}
    until = [datetime.fromisoformat(row["expires_at"]) for row in parts if row["expires_at"]]
    return Hit(
        text="\n\n".join(row["text"] for row in parts),
        score=score,
        lexical_rank=place,
        vector_rank=None,
        similarity=None,
        citation=Citation(
            document["title"],
            document["path"],
            first["heading"],
            first["page"],
            first["speaker"] if len(speakers) == 1 else None,
            first["start_s"],
            last["end_s"],
            document["url"],
            published,
            document["version"],
        ),
        chunk_id=next(row["chunk_id"] for row in parts if row["chunk"] == best),
        document_id=UUID(document["document_id"]),
        version=document["version"],
        source=document["source"],
        language=document["language"],
        tags=tuple(document["tags"]),
        valid_from=max(datetime.fromisoformat(row["valid_from"]) for row in parts),
        expires_at=min(until, default=None),
        flags=tuple(sorted({flag for row in parts for flag in row["flags"]})),
        parts=tuple(row["chunk_id"] for row in parts) if len(parts) > 1 else (),
    )


def _until(expires_at: str | None) -> float:
    return datetime.fromisoformat(expires_at).timestamp() if expires_at else float("inf")


def pack_postings(acl: int, terms: Mapping[str, bytes]) -> bytes:
    """Postings of one access set as the body of a frame."""
    index = json.dumps([acl, [[term, len(post)] for term, post in terms.items()]]).encode()
    return index + b"\n" + b"".join(terms.values())


def unpack_postings(body: bytes) -> tuple[int, dict[str, bytes]]:
    """What `pack_postings` packed."""
    index, _, packed = body.partition(b"\n")
    acl, sizes = json.loads(index)
    terms, offset = {}, 0
    for term, size in sizes:
        terms[term] = packed[offset : offset + size]
        offset += size
    return int(acl), terms


def utc_now() -> datetime:
    """The time now."""
    return datetime.now(UTC)
