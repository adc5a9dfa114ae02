"""How the two legs become one order: each score is brought to a scale that does not depend on the other candidates.

A unit of the lexical leg is the idf mass of the query: what BM25 gives a passage of average length in which every
word stands once. A unit of the vector leg is the gap of the model: how much nearer to a question an answer lies than
a passage about something else. Both count alike, from nothing to k1 + 1 units, which is all that BM25 can give:

    score = ½ · BM25 / ((k1 + 1) · mass)  +  ½ · max(0, 1 - (best cosine - cosine) / ((k1 + 1) · gap))

So a leg decides where it has something to say. Words of a German question that stand in no English passage keep the
lexical part small, since the mass counts them too; a rare word that stands in one passage outweighs a small
difference of cosines; and where the vectors see one passage far ahead of the others, few common words do not matter.
A model also finds a passage in the question's own language nearer than one in another that says the same. Where the
question's language is plain, passages in others get the model's own language bias back before they are compared.

No constant is fitted: docs/benchmarks.md compares this with min-max, best-of-leg and raw sums.
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

UNITS = K1 + 1
"""Range of either leg in its units."""


@dataclass(frozen=True, slots=True)
class Scale:
    """What a model's similarities mean.

    Attributes:
        gap: how much nearer, as a cosine, an answer lies to its question than to other questions.
        bias: how much nearer a passage lies to a question for being in the same language.
    """

    gap: float = 0.1
    bias: float = 0.0


DEFAULT = Scale()
"""Where no model was asked for its own."""

GAP_MIN = 0.01
"""Smallest gap that is believed: below it the probes say nothing about the model."""

SCORE = """
    %(weight)s::float8 * least(1, {lexical} / %(bound)s::float8)
    + (1 - %(weight)s::float8) * coalesce(greatest(0, 1 - ({distance} - {best}) / %(span)s::float8), 0)
"""
"""`fuse` as SQL: BM25 score, cosine distance and the smallest distance are filled in."""

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

    def encode_query(self, text: str) -> NDArray[Any]: ...

    def encode_documents(self, texts: Sequence[str]) -> NDArray[Any]: ...


def similarity_scale(encoder: ProbedEncoder) -> Scale:
    """The scale of a model, from its similarities of the probes; gap 0.096 and bias 0.025 for e5-small.

    The gap is at least twice the spread among unrelated pairs: what lies within it says nothing. The bias is at most
    half the gap.
    """
    questions = np.array([encoder.encode_query(question) for question, _ in PROBES], np.float64)
    answers = np.asarray(encoder.encode_documents([answer for _, answer in PROBES]), np.float64)
    similar = questions @ answers.T
    own = np.eye(len(PROBES), dtype=bool)
    turn = np.arange(len(PROBES)) % 2
    alike = turn[:, None] == turn[None, :]
    unrelated = similar[~own]
    gap = max(float(similar[own].mean() - unrelated.mean()), 2 * float(unrelated.std()), GAP_MIN)
    bias = float(similar[alike & ~own].mean() - similar[~alike].mean())
    return Scale(gap, min(max(bias, 0.0), gap / 2))


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
        bound: largest score BM25 can give for the query, above 0.
        span: distance from the nearest candidate at which nothing is left of the vector part, above 0.
        weight: of the lexical part.
    """
    words = np.minimum(1, lexical / bound)
    meaning = np.maximum(0, 1 - (distance - distance.min()) / span)
    fused: NDArray[np.float64] = weight * words + (1 - weight) * meaning
    return fused
