"""Documents that crowd the index: passages that are near-copies of each other, or that stand near many questions.

Both are how an index is poisoned: many alike passages, or one text written to be near everything, take the places of
the answers. They are reported when a release is published; a person decides.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

SHINGLE_WORDS = 5
ALIKE = 0.7
"""Jaccard similarity of word shingles from which two passages are near-copies: a few words in ten differ. A shingle
counts as often as it stands there, or what is said again and again would weigh less than the few words that differ."""

FEWEST_PASSAGES = 5
COPIED_SHARE = 0.5
"""A document is reported when at least half of five or more passages have a near-copy within it."""

MOST_PASSAGES = 400
"""Passages of one document that are compared; the work grows with the square."""

NEAREST = 10
FEWEST_QUESTIONS = 5
CROWDED_SHARE = 0.3
TIMES_EXPECTED = 5.0
"""A document is reported when it is among the ten nearest of at least 30 % of five or more golden questions, and five
times as often as its share of the tenant's passages would make it by chance."""

_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Crowd:
    """A document among the nearest of many questions.

    Attributes:
        questions: of how many; `asked`: of how many that were asked.
    """

    document_id: str
    questions: int
    asked: int


def copied_share(passages: Sequence[str]) -> float:
    """Share of passages that have a near-copy among the others, 0 to 1; 0 for fewer than `FEWEST_PASSAGES`."""
    if len(passages) < FEWEST_PASSAGES:
        return 0.0
    shingles = [_shingles(text) for text in passages[:MOST_PASSAGES]]
    copied = set()
    for first, mine in enumerate(shingles):
        for second in range(first + 1, len(shingles)):
            if first in copied and second in copied:
                continue
            if _jaccard(mine, shingles[second]) >= ALIKE:
                copied |= {first, second}
    return len(copied) / len(shingles)


def crowds(nearest: Sequence[Sequence[str]], shares: Mapping[str, float]) -> list[Crowd]:
    """Documents that stand near suspiciously many questions, by id.

    Args:
        nearest: for each question the documents of its nearest passages.
        shares: share of the tenant's passages, by document that is new.
    """
    if len(nearest) < FEWEST_QUESTIONS:
        return []
    seen = Counter(document for documents in nearest for document in set(documents))
    return [
        Crowd(document, seen[document], len(nearest))
        for document, share in sorted(shares.items())
        if seen[document] >= CROWDED_SHARE * len(nearest)
        and seen[document] >= TIMES_EXPECTED * _expected(share) * len(nearest)
    ]


def _expected(share: float) -> float:
    """Chance that one of the ten nearest is of a document that has this share of all passages."""
    return float(1 - (1 - share) ** NEAREST)


def _shingles(text: str) -> frozenset[bytes]:
    """Runs of words, each with how often it has stood there before."""
    words = [word.casefold() for word in _WORD.findall(text)]
    seen: Counter[str] = Counter()
    found = set()
    for at in range(max(1, len(words) - SHINGLE_WORDS + 1)):
        run = " ".join(words[at : at + SHINGLE_WORDS])
        seen[run] += 1
        found.add(hashlib.blake2b(f"{seen[run]} {run}".encode(), digest_size=8).digest())
    return frozenset(found)


def _jaccard(first: frozenset[bytes], second: frozenset[bytes]) -> float:
    if not first or not second or min(len(first), len(second)) < ALIKE * max(len(first), len(second)):
        return 0.0
    return len(first & second) / len(first | second)
