"""How the two legs become one order: each score is brought to a scale that does not depend on the other candidates.

A unit of the lexical leg is the idf mass of the query: what BM25 gives a passage of average length in which every
word stands once. Words that many passages hold count there like one in 33 of them, all words together like one that
stands in a single passage (`bm25.mass`). A unit of the vector leg is the gap of the model: how much nearer to a
question an answer lies than a passage about something else. It is measured on answers as far away as is usual for the
model; where the nearest passage lies nearer or farther than that, the gap is smaller or larger in proportion. Both legs
count alike, from nothing to k1 + 1 units, which is all that BM25 can give:

    score = ½ · BM25 / ((k1 + 1) · mass)  +  ½ · max(0, 1 - (distance - nearest) / ((k1 + 1) · gap · nearest / usual))

So a leg decides where it has something to say. Words of a German question that stand in no English passage keep the
lexical part small, since the mass counts them too; a question that has no words but those that everything is about
does not get beyond a small part either; a rare word that stands in one passage outweighs a small difference of
cosines; and where the vectors see one passage far ahead of the others, few common words do not matter. A model also
finds a passage in the question's own language nearer than one in another that says the same. Where the question's
language is plain, passages in others get the model's own language bias back before they are compared, unless they are
too short for anybody to be sure of their language.

A vector tells what a text is about, not which number stands in it: the nearest passage to `KR-381A` is any with a code.
So the more of the query's idf mass is in words with a digit that were found, the less is left to the vectors.

What is about the same thing tends to be relevant together. So the order is found twice: the candidate that leads at
first is asked, too, and every distance becomes (distance to the question + DRAW · distance to the leader) / (1 + DRAW).

Only DRAW is a choice: docs/benchmarks.md compares this with min-max, best-of-leg and raw sums, and other values of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from retrieval.bm25 import K1

LEXICAL_WEIGHT = 0.5
"""Weight of the lexical leg; one stands in for it where there is no vector."""

NUMBERS_WEIGHT = 0.99
"""Its weight where the question is nothing but numbers and codes that were found. What is left to the vectors orders
the passages without them."""

DRAW = 0.2
"""Weight of the leading candidate beside the question, 1."""

PLAIN_CHARACTERS = 150
"""Characters from which a passage's language is believed. Of 1,615 English titles with no text behind them 291 were
taken for German, of 6,000 longer texts none."""

UNITS = K1 + 1
"""Range of either leg in its units."""


@dataclass(frozen=True, slots=True)
class Scale:
    """What a model's similarities mean.

    Attributes:
        gap: how much nearer, as a cosine, an answer lies to its question than to other questions.
        usual: how far it lies from its own question.
        bias: how much nearer a passage lies to a question for being in the same language.
        kinship: how much nearer two passages lie to each other for that.
    """

    gap: float = 0.1
    usual: float = 0.2
    bias: float = 0.0
    kinship: float = 0.0


DEFAULT = Scale()
"""Where no model was asked for its own."""

GAP_MIN = 0.01
"""Smallest gap that is believed: below it the probes say nothing about the model."""

NEAREST_MIN = 0.25
"""Share of the usual distance below which a passage is as near as can be: the question itself, or nearly."""

SCORE = """
    %(weight)s::float8 * least(1, {lexical} / %(bound)s::float8)
    + (1 - %(weight)s::float8)
    * coalesce(greatest(0, 1 - ({distance} - {best}) / (%(reach)s::float8 * greatest({nearest}, %(near)s::float8))), 0)
"""
"""`fuse` and `span` as SQL: BM25 score, cosine distance, the smallest one, and the smallest to the question are filled
in."""

DRAWN = "({distance} + %(draw)s::float8 * {apart}) / (1 + %(draw)s::float8)"
"""`drawn` as SQL: cosine distances to the question and to the leader are filled in."""

PROBES: Sequence[tuple[str, str]] = (
    # German and English in turn
    ("Wie groß muss der Pufferspeicher sein?", "Je Kilowatt Heizlast rechnet man mit zwanzig Litern Speicher."),
    ("When does the last ferry leave the island?", "The final boat back to the mainland departs at half past ten."),
    ("Wer hat den Vertrag unterschrieben?", "Unterzeichnet wurde die Vereinbarung von der Geschäftsführerin im Mai."),
    ("What do bees eat in winter?", "During the cold months the colony lives on the honey it has stored."),
    ("Wie kündige ich mein Abonnement?", "Ein Abo lässt sich bis zum Monatsende in den Einstellungen beenden."),
    ("How tall is the cathedral tower?", "The spire of the church rises 142 metres above the square."),
)
"""Questions with their answers, in other words, about things that have nothing to do with each other."""


class ProbedEncoder(Protocol):
    """What is needed of a model."""

    def encode_query(self, text: str) -> NDArray[Any]:
        """Unit vector of a question."""

    def encode_documents(self, texts: Sequence[str]) -> NDArray[Any]:
        """Unit vectors of passages, one row for each."""


def similarity_scale(encoder: ProbedEncoder) -> Scale:
    """The scale of a model, from its similarities of the probes.

    For e5-small the gap is .095, the usual distance .17, bias .025, kinship .031.

    The gap is at least twice the spread among unrelated pairs: what lies within it says nothing. The bias is at most
    half the gap, and so is the kinship.
    """
    questions = np.array([encoder.encode_query(question) for question, _ in PROBES], np.float64)
    answers = np.asarray(encoder.encode_documents([answer for _, answer in PROBES]), np.float64)
    similar = questions @ answers.T
    own = np.eye(len(PROBES), dtype=bool)
    unrelated = similar[~own]
    gap = max(float(similar[own].mean() - unrelated.mean()), 2 * float(unrelated.std()), GAP_MIN)
    usual = max(1 - float(similar[own].mean()), GAP_MIN)
    bias, kinship = (min(max(_for_language(which), 0.0), gap / 2) for which in (similar, answers @ answers.T))
    return Scale(gap, usual, bias, kinship)


def _for_language(similar: NDArray[np.float64]) -> float:
    """How much more alike unrelated texts of one language are than those of two."""
    turn = np.arange(len(similar)) % 2
    alike = turn[:, None] == turn[None, :]
    return float(similar[alike & ~np.eye(len(similar), dtype=bool)].mean() - similar[~alike].mean())


def reach(scale: Scale) -> float:
    """Distances from the nearest passage, in units of its own, at which nothing is left of the vector part."""
    return UNITS * scale.gap / scale.usual


def span(scale: Scale, nearest: float) -> float:
    """The same as a distance.

    Args:
        nearest: cosine distance of the nearest candidate to the question, less the bias.
    """
    return reach(scale) * max(nearest, NEAREST_MIN * scale.usual)


def lexical_weight(numbers: float) -> float:
    """Weight of the lexical leg for a query, by the share of its idf mass that is in numbers and codes found.

    What is left to the vectors goes with the square of the rest: a code among a few common words decides as well.
    """
    return NUMBERS_WEIGHT - (NUMBERS_WEIGHT - LEXICAL_WEIGHT) * (1 - numbers) ** 2


def drawn(distance: NDArray[np.float64], apart: NDArray[np.float64], draw: float = DRAW) -> NDArray[np.float64]:
    """Distances of candidates once the leader is asked, too.

    Args:
        distance: cosine distances to the question, less the bias.
        apart: to the leading candidate, less the kinship for one of the two being in the question's language.
    """
    return (distance + draw * apart) / (1 + draw)


def fuse(
    lexical: NDArray[np.float64],
    distance: NDArray[np.float64],
    *,
    bound: float,
    span: float,
    weight: float = LEXICAL_WEIGHT,
) -> NDArray[np.float64]:
    """Scores of candidates, 0 to 1.

    Args:
        lexical: BM25 scores, 0 where a candidate has none.
        distance: cosine distances to the query, less the bias for passages in another language.
        bound: BM25 score that counts in full (`bm25.Lexical.bound`), above 0.
        span: distance from the nearest candidate at which nothing is left of the vector part (`span`), above 0.
        weight: of the lexical part.
    """
    words = np.minimum(1, lexical / bound)
    meaning = np.maximum(0, 1 - (distance - distance.min()) / span)
    fused: NDArray[np.float64] = weight * words + (1 - weight) * meaning
    return fused
