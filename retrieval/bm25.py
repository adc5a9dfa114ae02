"""BM25 over packed postings: one record format, written by the pipeline and scored here in numpy.

Scores follow Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond" (2009), with the
idf that Lucene uses, log(1 + (N - df + 0.5) / (df + 0.5)), which is never negative. N, df and the average length
come from exactly the rows that the principal may see.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

K1 = 1.2
B = 0.75
"""Lucene's defaults."""

POSTING = np.dtype([("chunk", "<i4"), ("frequency", "<i2"), ("length", "<i2")])
"""One posting: chunk number, how often the term is in it, length of the chunk in terms."""

COUNT_MAX = 32_767
"""Largest frequency and length a record holds; larger ones are stored as this."""


@dataclass(frozen=True)
class Lexical:
    """What the lexical leg found.

    Attributes:
        chunks: numbers of the best chunks, int64, best first; ties in order of number.
        scores: their scores, float64.
        coverage: share of the query's idf mass that stands in visible passages, 0 to 1.
        bound: largest score that a passage could have: k1 + 1 times the idf mass, words that stand nowhere included.
    """

    chunks: NDArray[np.int64]
    scores: NDArray[np.float64]
    coverage: float
    bound: float

    @classmethod
    def nothing(cls) -> Lexical:
        """An empty result."""
        return cls(np.zeros(0, np.int64), np.zeros(0, np.float64), 0.0, 0.0)


def pack(passages: Iterable[tuple[int, Sequence[str]]]) -> tuple[dict[str, bytes], dict[int, int]]:
    """Postings of some passages.

    Args:
        passages: (chunk number, its terms), in order of number.

    Returns:
        Packed postings by term, in order of chunk number, and the length of each chunk.
    """
    rows: dict[str, list[tuple[int, int, int]]] = {}
    lengths: dict[int, int] = {}
    for chunk, terms in passages:
        length = lengths[chunk] = min(len(terms), COUNT_MAX)
        for term, frequency in Counter(terms).items():
            rows.setdefault(term, []).append((chunk, min(frequency, COUNT_MAX), length))
    return {term: np.array(row, POSTING).tobytes() for term, row in rows.items()}, lengths


def score(
    words: Sequence[tuple[str, ...]],
    postings: Mapping[str, bytes],
    *,
    chunks: int,
    length: int,
    masked: NDArray[np.int32] | None = None,
    eligible: NDArray[np.int32] | None = None,
    limit: int,
) -> Lexical:
    """Score every posting and keep the best.

    Args:
        words: the query's words, each with its alternative terms.
        postings: packed postings of the terms that were found, all of them visible to the principal.
        chunks: N, number of visible chunks, masked ones not counted.
        length: sum of their lengths.
        masked: sorted numbers of chunks that are in the postings but do not count any more.
        eligible: sorted numbers of the chunks that may be returned; None: all. Statistics do not change with it.
        limit: most results.

    Returns:
        The best `limit` chunks.
    """
    if chunks <= 0 or not words:
        return Lexical.nothing()
    terms = list(dict.fromkeys(term for alternatives in words for term in alternatives))
    posts = [postings.get(term, b"") for term in terms]
    records = np.frombuffer(b"".join(posts), POSTING)
    df = np.array([len(post) for post in posts]) // POSTING.itemsize
    first = int(records["chunk"].min()) if len(records) else 0
    places = records["chunk"].astype(np.int64) - first
    width = int(places.max()) + 1 if len(records) else 0
    if masked is not None and len(masked) and width:
        keep = ~_marked(masked, first, width)[places]
        below = np.concatenate(([0], keep.cumsum()))
        df = np.diff(below[np.concatenate(([0], df.cumsum()))])
        records, places = records[keep], places[keep]
    idf = np.log1p((chunks - df + 0.5) / (df + 0.5))
    coverage, bound = mass(words, dict(zip(terms, zip(df.tolist(), idf.tolist(), strict=True), strict=True)))
    if not len(records):
        return Lexical(np.zeros(0, np.int64), np.zeros(0, np.float64), coverage, bound)
    frequency, own_length = records["frequency"].astype(np.float64), records["length"].astype(np.float64)
    saturation = frequency + K1 * (1 - B + B * own_length * (chunks / max(length, 1)))
    weight = np.repeat(idf, df) * frequency * (K1 + 1) / saturation
    totals = np.bincount(places, weights=weight, minlength=width)
    if eligible is not None:
        totals[~_marked(eligible, first, width)] = 0
    found = np.flatnonzero(totals)
    scores: NDArray[np.float64] = totals[found].astype(np.float64, copy=False)
    if len(found) > limit:
        threshold = np.partition(scores, len(scores) - limit)[len(scores) - limit]
        keep = scores >= threshold
        found, scores = found[keep], scores[keep]
    order = np.lexsort((found, -scores))[:limit]
    return Lexical(found[order] + first, scores[order], coverage, bound)


def _marked(numbers: NDArray[np.int32], first: int, width: int) -> NDArray[np.bool_]:
    """Which of `width` chunks from `first` on are among some sorted numbers: looked up faster than searched for."""
    begin, end = np.searchsorted(numbers, (first, first + width))
    marks = np.zeros(width, bool)
    marks[numbers[begin:end] - first] = True
    return marks


def mass(words: Sequence[tuple[str, ...]], terms: Mapping[str, tuple[int, float]]) -> tuple[float, float]:
    """Coverage and bound: a word counts by the most telling of its terms that stands anywhere."""
    found = total = 0.0
    for alternatives in words:
        present = [terms[term][1] for term in alternatives if terms[term][0]]
        mass = max(present) if present else max(terms[term][1] for term in alternatives)
        total += mass
        found += mass if present else 0.0
    return (found / total if total else 0.0), (K1 + 1) * total
