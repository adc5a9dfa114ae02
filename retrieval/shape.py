"""What a result looks like beyond the best k passages: fewer of a document, longer ones, no repetitions.

Only chooses among passages that the reader was already given; what is joined to them is read by the same reader.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from retrieval.analysis import words
from retrieval.errors import InvalidQueryError

ALIKE = 0.8
"""Share of common shingles (Jaccard) from which two passages say the same; Broder's resemblance (1997)."""

SHINGLE = 3
"""Words of a shingle."""

NEIGHBOURS_MAX = 5
PER_DOCUMENT_MAX = 1000


@dataclass(frozen=True, slots=True)
class Shape:
    """How hits are put together.

    Args:
        per_document: most hits of one document; None: any number.
        neighbours: passages before and after each hit that are joined to it, 0 to 5. Hits that meet become one.
        unique: leave out passages that say nearly the same as a better one.

    Raises:
        InvalidQueryError: a value is out of bounds.
    """

    per_document: int | None = None
    neighbours: int = 0
    unique: bool = False

    def __post_init__(self) -> None:
        if self.per_document is not None and not _whole(self.per_document, 1, PER_DOCUMENT_MAX):
            raise InvalidQueryError(f"Shape.per_document must be a whole number from 1 to {PER_DOCUMENT_MAX}, or None")
        if not _whole(self.neighbours, 0, NEIGHBOURS_MAX):
            raise InvalidQueryError(f"Shape.neighbours must be a whole number from 0 to {NEIGHBOURS_MAX}")
        if not isinstance(self.unique, bool):
            raise InvalidQueryError("Shape.unique must be True or False")

    def parameters(self) -> dict[str, object]:
        """What is asked for, by name; without what is not."""
        asked = {"per_document": self.per_document, "neighbours": self.neighbours, "unique": self.unique}
        return {name: value for name, value in asked.items() if value}


@dataclass(frozen=True, slots=True)
class Candidate:
    """A passage that may be returned: its number, document, place in the document, and text."""

    chunk: int
    document: int
    ordinal: int
    text: str


@dataclass(frozen=True, slots=True)
class Span:
    """A hit: its best passage, and the range of places in the document that is shown."""

    chunk: int
    document: int
    first: int
    last: int


def select(candidates: Sequence[Candidate], k: int, shape: Shape) -> list[Span]:
    """At most `k` hits, best first, from candidates in that order.

    A candidate that touches a range which is already shown makes it longer instead of being a hit of its own; where
    it closes the gap between two, the worse one goes up in the better one.
    """
    chosen: list[Span] = []
    seen: list[frozenset[int]] = []
    for candidate in candidates:
        if len(chosen) == k:
            break
        if shape.unique:
            own = _shingles(candidate.text)
            if any(_resemblance(own, other) >= ALIKE for other in seen):
                continue
            if _add(candidate, chosen, shape):  # what is not shown is repeated by nothing
                seen.append(own)
        else:
            _add(candidate, chosen, shape)
    return chosen


def _add(candidate: Candidate, chosen: list[Span], shape: Shape) -> bool:
    """Whether the candidate is shown."""
    reach = shape.neighbours
    first, last = max(0, candidate.ordinal - reach), candidate.ordinal + reach
    same = [place for place, span in enumerate(chosen) if span.document == candidate.document]
    met = [place for place in same if reach and chosen[place].first <= last + 1 and first <= chosen[place].last + 1]
    if met:
        spans = [chosen[place] for place in met]
        chosen[met[0]] = Span(
            spans[0].chunk,
            candidate.document,
            min(first, *(span.first for span in spans)),
            max(last, *(span.last for span in spans)),
        )
        for place in reversed(met[1:]):
            del chosen[place]
        return True
    if shape.per_document is not None and len(same) >= shape.per_document:
        return False
    chosen.append(Span(candidate.chunk, candidate.document, first, last))
    return True


def _shingles(text: str) -> frozenset[int]:
    """Hashes of all runs of words; of a text shorter than a run, of the whole of it."""
    all_words = list(words(text)) or text.split()
    runs = range(max(1, len(all_words) - SHINGLE + 1))
    # hash() of texts differs from process to process; equality is all that is asked of it here
    return frozenset(hash(tuple(all_words[start : start + SHINGLE])) for start in runs)


def _resemblance(one: frozenset[int], other: frozenset[int]) -> float:
    return len(one & other) / len(one | other)


def _whole(value: object, least: int, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most
