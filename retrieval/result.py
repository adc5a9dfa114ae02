"""What a search takes beside the question, and what it gives back."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from uuid import UUID

from retrieval.errors import InvalidQueryError
from retrieval.principal import well_formed

REASONS = {
    "model_missing": "the embedding model cannot be loaded: words alone were compared",
    "model_failed": "the embedding model failed at this question: words alone were compared",
    "model_slow": "the embedding model took too long: words alone were compared",
    "standby": "the database does not answer: words alone were compared, in a snapshot of earlier",
    "rerank_failed": "the reranking model failed: the fused order stands",
    "rerank_slow": "the reranking model took longer than its budget: the fused order stands",
}
"""Why a result can be degraded."""


@dataclass(frozen=True, slots=True)
class Filters:
    """Narrows a search to some documents; what may be seen at all is not decided here.

    Args:
        source: source folder (`blog`, `podcast`, `document`), or several of them.
        language: ISO 639-1 code, or several of them.
        tags: tags that a document must all have.
        flagged: False leaves out passages that the screener marked, True keeps those alone; None: both, each
            hit says so in `flags`.
        since: earliest day of publication, a date or `YYYY-MM-DD`; where a document names no day, the day it
            was received counts.

    Raises:
        InvalidQueryError: a value is of the wrong type.
    """

    source: str | Iterable[str] | None = None
    language: str | Iterable[str] | None = None
    tags: str | Iterable[str] | None = None
    since: dt.date | str | None = None
    flagged: bool | None = None

    def __post_init__(self) -> None:
        for name in ("source", "language", "tags"):
            object.__setattr__(self, name, _names(name, getattr(self, name)))
        if self.flagged is not None and not isinstance(self.flagged, bool):
            raise InvalidQueryError("Filters.flagged must be True, False or None")
        if isinstance(self.since, str):
            try:
                object.__setattr__(self, "since", dt.date.fromisoformat(self.since))
            except ValueError:
                raise InvalidQueryError("Filters.since is not a date: write YYYY-MM-DD") from None
        elif isinstance(self.since, dt.datetime):
            object.__setattr__(self, "since", self.since.date())
        elif self.since is not None and not isinstance(self.since, dt.date):
            raise InvalidQueryError("Filters.since is not a date: write YYYY-MM-DD")

    def parameters(self) -> dict[str, object]:
        """Values for the statement, None where nothing is asked for."""
        names = {"source": self.source, "language": self.language, "tags": self.tags}
        return {
            **{name: None if given is None else list(given) for name, given in names.items()},
            "since": self.since,
            "flagged": self.flagged,
        }

    def __bool__(self) -> bool:
        return any(value is not None for value in self.parameters().values())


def _names(name: str, value: object) -> tuple[str, ...] | None:
    if value is None:
        return None
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, Iterable):
        raise InvalidQueryError(f"Filters.{name} must be a name or several names")
    names = list(values)
    if not names or not all(isinstance(v, str) and v and "\x00" not in v and well_formed(v) for v in names):
        raise InvalidQueryError(f"Filters.{name} is empty or contains an invalid name")
    return tuple(sorted(set(names)))


@dataclass(frozen=True, slots=True)
class Citation:
    """Where a passage stands, for a person to follow.

    Attributes:
        page: page from 1, in documents that have pages.
        start_s, end_s: seconds in the recording, in transcripts.
    """

    title: str
    path: str
    heading: str | None
    page: int | None
    speaker: str | None
    start_s: float | None
    end_s: float | None
    url: str | None
    published: dt.date | None
    version: int

    @property
    def place(self) -> str:
        """Page or time alone, e.g. `page 3` or `12:05`; empty where there is neither."""
        if self.page is not None:
            return f"page {self.page}"
        if self.start_s is not None:
            minutes, seconds = divmod(int(self.start_s), 60)
            hours, minutes = divmod(minutes, 60)
            return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes:02d}:{seconds:02d}"
        return ""

    @property
    def link(self) -> str:
        """Address or path, with the page or second to jump to."""
        target = self.url or self.path
        if self.page is not None:
            return f"{target}#page={self.page}"
        if self.start_s is not None:
            return f"{target}#t={int(self.start_s)}"
        return target

    def __str__(self) -> str:
        return ", ".join(part for part in (self.title, self.path, self.place) if part)


@dataclass(frozen=True, slots=True)
class Hit:
    """One passage.

    Attributes:
        score: fused score, 0 to 1, the same whatever k is; comparable within one query and release only.
        lexical_rank, vector_rank: place in each leg from 1; None where that leg did not have it.
        similarity: cosine of query and passage; None in a degraded result.
        chunk_id: stable id of the passage; document_id: stable id of the document.
        version: version of the document in this release.
        flags: kinds of instructions to a model that the screener found in the passage or hidden in its document,
            such as `override`; whoever builds a prompt from it should leave it out or take care.
        expires_at: when the passage stops being served; None: never.
        rerank_score: what the cross-encoder says, on its own scale; None where none is configured or it was too slow.
        parts: ids of the passages that the text is joined from; empty where it is one. The citation leads to where
            the first of them begins.
    """

    text: str
    score: float
    lexical_rank: int | None
    vector_rank: int | None
    similarity: float | None
    citation: Citation
    chunk_id: str
    document_id: UUID
    version: int
    source: str
    language: str
    tags: tuple[str, ...]
    valid_from: dt.datetime
    expires_at: dt.datetime | None
    flags: tuple[str, ...] = ()
    rerank_score: float | None = None
    parts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SearchResult:
    """Hits, best first, and how they came about.

    Attributes:
        request_id: id of the audit row.
        release: number of the release that answered.
        timings: milliseconds by step (`lexical`, `score`, `embed`, `fuse`, `total`). `embed` runs beside
            `lexical` and `score`; `cached` stands in the place of all three where the answer was kept.
        degraded: True where a part failed and the result is poorer for it.
        reasons: which parts, words of `REASONS`; empty where none did.
        as_of: when the snapshot was written that answered in the database's place; None where the database did.
    """

    hits: tuple[Hit, ...]
    request_id: UUID
    release: int
    timings: Mapping[str, float] = field(hash=False)
    degraded: bool
    reasons: tuple[str, ...] = ()
    as_of: dt.datetime | None = None

    def __iter__(self) -> Iterator[Hit]:
        return iter(self.hits)

    def __getitem__(self, place: int) -> Hit:
        return self.hits[place]

    def __len__(self) -> int:
        return len(self.hits)
