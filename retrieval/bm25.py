"""BM25 over packed postings: one record format, written by the pipeline and scored here in numpy.

Scores follow Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond" (2009), with the
idf that Lucene uses, log(1 + (N - df + 0.5) / (df + 0.5)), which is never negative. N, df and the average length
come from exactly the rows that the principal may see.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

K1 = 1.2
B = 0.75
"""Lucene's defaults."""

POSTING = np.dtype([("chunk", "<i4"), ("frequency", "<i2"), ("length", "<i2")])
"""One posting: chunk number, how often the term is in it, length of the chunk in terms."""

COUNT_MAX = 32_767
"""Largest frequency and length a record holds; larger ones are stored as this."""

SCREENED_FROM = 1_000
"""Postings from which the best chunks are looked for above what a rare word's reach (measured)."""


@dataclass(frozen=True)
class Lexical:
    """What the lexical leg found.

    Attributes:
        chunks: numbers of the best chunks, int64, best first; ties in order of number.
        scores: their scores, float64.
        coverage: share of the query's idf mass that stands in visible passages, 0 to 1.
        numbers: share of it in words with a digit that stand in visible passages, 0 to 1.
        bound: score that counts in full: k1 + 1 times the query's idf mass, words that stand nowhere included and
            each as `COMMON` at least, or the idf of a word of one passage where that is more. No passage scores above.
    """

    chunks: NDArray[np.int64]
    scores: NDArray[np.float64]
    coverage: float
    numbers: float
    bound: float

    @classmethod
    def nothing(cls) -> Lexical:
        """An empty result."""
        return cls(np.zeros(0, np.int64), np.zeros(0, np.float64), 0.0, 0.0, 0.0)


def pack(passages: Iterable[tuple[int, Sequence[str]]]) -> tuple[dict[str, bytes], dict[int, int]]:
    """Postings of some passages.

    Args:
        passages: (chunk number, its terms), in order of number.

    Returns:
        Packed postings by term, in order of chunk number, and the length of each chunk.
    """
    numbers: dict[str, int] = {}
    terms: list[int] = []
    frequencies: list[int] = []
    chunks: list[int] = []
    distinct: list[int] = []
    lengths: dict[int, int] = {}
    for chunk, words in passages:
        lengths[chunk] = min(len(words), COUNT_MAX)
        counted = Counter(words)
        terms += [numbers.setdefault(term, len(numbers)) for term in counted]
        frequencies += counted.values()
        chunks.append(chunk)
        distinct.append(len(counted))
    records = np.empty(len(terms), POSTING)
    records["chunk"] = np.repeat(np.array(chunks, np.int32), distinct)
    records["frequency"] = np.minimum(frequencies, COUNT_MAX)
    records["length"] = np.repeat(np.array(list(lengths.values()), np.int16), distinct)
    order = np.argsort(terms, kind="stable")
    packed = records[order].tobytes()
    ends = (np.bincount(terms, minlength=len(numbers)).cumsum() * POSTING.itemsize).tolist()
    return {term: packed[begin:end] for term, begin, end in zip(numbers, [0, *ends], ends, strict=False)}, lengths


def apart(terms: Sequence[str], sizes: Sequence[int], posts: bytes) -> dict[str, memoryview]:
    """Postings by term of a value that holds those of several, one after the other, with their sizes in bytes."""
    ends = list(itertools.accumulate(sizes))
    view = memoryview(posts)
    return {term: view[end - size : end] for term, size, end in zip(terms, sizes, ends, strict=True)}


def score(
    words: Sequence[tuple[str, ...]],
    postings: Mapping[str, bytes | memoryview],
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
    sizes = [len(post) // POSTING.itemsize for post in posts]
    ends = list(itertools.accumulate(sizes))
    records = np.frombuffer(b"".join(posts), POSTING)
    if not len(records):
        idf = _idf(np.zeros(len(terms)), chunks)
        return Lexical(np.zeros(0, np.int64), np.zeros(0, np.float64), *_mass(words, terms, sizes, idf, chunks))
    numbers = records["chunk"]
    first = int(numbers.min())
    places = np.subtract(numbers, first, dtype=np.intp)
    width = int(places.max()) + 1
    hidden = _between(masked, first, width)
    df = np.array(sizes)
    if len(hidden):
        marks = np.zeros(width, bool)
        marks[hidden] = True
        # Few postings are of masked chunks: count them, and let their scores go at the end.
        df -= np.bincount(np.searchsorted(ends, np.flatnonzero(marks[places]), "right"), minlength=len(terms))
    idf = _idf(df, chunks)
    weight = _saturation(records, chunks / max(length, 1))
    for begin, end, value in zip([0, *ends], ends, idf.tolist(), strict=False):
        weight[begin:end] *= value
    totals: NDArray[np.float64] = np.bincount(places, weights=weight, minlength=width)  # type: ignore[assignment]
    totals[hidden] = 0
    if eligible is not None:
        kept = _between(eligible, first, width)
        only = np.zeros(width)
        only[kept] = totals[kept]
        totals = only
    found = _highest(totals, places, ends, idf, limit)
    scores = totals[found]
    order = np.lexsort((found, -scores))[:limit]
    return Lexical(found[order] + first, scores[order], *_mass(words, terms, df.tolist(), idf, chunks))


def _idf(df: NDArray[Any], chunks: int) -> NDArray[np.float64]:
    result: NDArray[np.float64] = np.log1p((chunks - df + 0.5) / (df + 0.5))
    return result


def _saturation(records: NDArray[Any], per_length: float) -> NDArray[np.float64]:
    """What each posting is worth in units of its term's idf. Lengths are few: their part comes from a table."""
    lengths = records["length"]
    table = K1 * (1 - B + B * np.arange(int(lengths.max()) + 1) * per_length)
    frequency = records["frequency"].astype(np.float64)
    below = table[lengths]
    below += frequency
    frequency *= K1 + 1
    frequency /= below
    return frequency


def _highest(
    totals: NDArray[np.float64], places: NDArray[np.intp], ends: Sequence[int], idf: NDArray[np.float64], limit: int
) -> NDArray[np.intp]:
    """Places of the `limit` highest totals above 0, those as high as the last of them included, in no order.

    What the chunks of one rare word reach, all must reach that are among the best: so few are looked at twice.
    """
    floor = 0.0
    if len(places) > SCREENED_FROM:
        for term in np.argsort(-idf, kind="stable").tolist():
            own = places[ends[term - 1] if term else 0 : ends[term]]
            if len(own) >= limit:
                some = totals[own]
                floor = float(np.partition(some, len(some) - limit)[len(some) - limit])
                if floor > 0:
                    break
    found = np.flatnonzero(totals >= floor if floor > 0 else totals > 0)  # of truth values: far faster than of floats
    if len(found) > limit:
        scores = totals[found]
        found = found[scores >= np.partition(scores, len(scores) - limit)[len(scores) - limit]]
    return found


def _between(numbers: NDArray[np.int32] | None, first: int, width: int) -> NDArray[np.intp]:
    """Places of those of some sorted numbers that are among `width` chunks from `first` on."""
    if numbers is None or not len(numbers):
        return np.zeros(0, np.intp)
    begin, end = np.searchsorted(numbers, (first, first + width))
    return np.subtract(numbers[begin:end], first, dtype=np.intp)


def _mass(
    words: Sequence[tuple[str, ...]], terms: Sequence[str], df: Sequence[int], idf: NDArray[np.float64], chunks: int
) -> Mass:
    return mass(words, dict(zip(terms, zip(df, idf.tolist(), strict=True), strict=True)), chunks)


COMMON = 3.5
"""Smallest idf that a word of a query counts with in the bound: about that of one in 33 passages."""


class Mass(NamedTuple):
    """`Lexical.coverage`, `numbers` and `bound`."""

    coverage: float
    numbers: float
    bound: float


def mass(words: Sequence[tuple[str, ...]], terms: Mapping[str, tuple[int, float]], chunks: int) -> Mass:
    """What the words of a query could tell, and how much of it was found.

    A word counts by the most telling of its terms that stands anywhere. For the bound it counts as `COMMON` at least:
    what a collection is about stands in many of its passages, and how often and in how long ones tells little of which
    one answers. Words that together tell less than one that stands in a single passage cannot single one out, even
    where they are all there is of the question: the bound is never below that.

    Args:
        words: the query's words, each with its alternative terms.
        terms: document frequency and idf by term.
        chunks: number of visible chunks, at least 1.
    """
    found = numbers = total = least = 0.0
    for alternatives in words:
        present = [terms[term][1] for term in alternatives if terms[term][0]]
        mass = max(present) if present else max(terms[term][1] for term in alternatives)
        total += mass
        least += max(mass, COMMON)
        found += mass if present else 0.0
        numbers += mass if present and _numbered(alternatives[0]) else 0.0
    single = float(_idf(np.array(1), chunks))
    return Mass(found / total if total else 0.0, numbers / max(total, single), (K1 + 1) * max(least, single))


def _numbered(term: str) -> bool:
    """Whether a term has a digit, as numbers, codes and quantities do; the digits of a pseudonym mean nothing."""
    return not term.startswith("<") and any(map(str.isdigit, term))
