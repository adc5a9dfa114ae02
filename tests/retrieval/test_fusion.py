"""The weighing of the two legs: one formula in SQL and in numpy, on scales that do not depend on the candidates."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from retrieval import bm25
from retrieval.analysis import question_language
from retrieval.embedding import Encoder
from retrieval.fusion import (
    GAP_MIN,
    LEXICAL_WEIGHT,
    NEAREST_MIN,
    NUMBERS_WEIGHT,
    PLAIN_CHARACTERS,
    UNITS,
    Scale,
    drawn,
    fuse,
    lexical_weight,
    similarity_scale,
    span,
)
from tests.support import GoldDocument, Index, WordsEncoder, asker, everyone

ADA = asker()
TEXTS = [
    "the pump of the heating needs oil every spring",
    "oil and gas prices in spring",
    "a zyklotron stands in the cellar of the institute",
    "the institute of physics has a large cellar and a pump",
    "nothing of all that is written here",
]


@pytest.fixture(scope="module")
def served(shared_index: Index) -> Index:
    shared_index.serve([GoldDocument(f"d{n}", everyone(), [text]) for n, text in enumerate(TEXTS)])
    return shared_index


@pytest.mark.parametrize("query", ["pump oil", "zyklotron", "the cellar of the physics institute", "unbekannt"])
def test_the_statement_computes_the_formula(served: Index, query: str) -> None:
    """What SQL makes of the two legs is what `fuse` and `drawn` make of what a hit tells of them."""
    hits = served.retriever().search(query, principal=ADA, k=50).hits
    alone = served.retriever(_NoVector()).search(query, principal=ADA, k=50).hits
    share = {hit.chunk_id: hit.score for hit in alone}
    assert len(hits) == len(TEXTS)
    hits = sorted(hits, key=lambda hit: TEXTS.index(hit.text))  # ties go to the passage that was there first
    expected = twice_fused(
        np.array([share.get(hit.chunk_id, 0.0) for hit in hits]),
        np.array([1 - (hit.similarity or 0) for hit in hits]),
        WordsEncoder().encode_documents([hit.text for hit in hits]),
        np.zeros(len(hits), bool),
        similarity_scale(WordsEncoder()),
    )
    # vectors are stored as halves
    assert [hit.score for hit in hits] == pytest.approx(expected.tolist(), abs=2e-3)
    assert all(0 <= hit.score <= 1 for hit in hits)


def test_scores_do_not_depend_on_how_many_are_asked_for(served: Index) -> None:
    retriever = served.retriever()
    scores = {hit.chunk_id: hit.score for hit in retriever.search("oil in the cellar", principal=ADA, k=200)}
    for k in (1, 2, 5):
        for hit in retriever.search("oil in the cellar", principal=ADA, k=k):
            assert hit.score == scores[hit.chunk_id]


def test_a_rare_word_outweighs_what_the_vectors_can_tell_of_one_word(encoder: Encoder) -> None:
    """One word stands in one passage of average length; the model thinks little of it and prefers another one."""
    packed, lengths = bm25.pack([(n, [*"abcdefg", "rare" if n == 3 else "h"]) for n in range(50)])
    found = bm25.score([("rare",)], packed, chunks=50, length=sum(lengths.values()), limit=10)
    assert found.chunks.tolist() == [3]
    lexical, distance = np.array([found.scores[0], 0.0]), np.array([0.24, 0.16])
    mine, other = fuse(lexical, distance, bound=found.bound, span=span(similarity_scale(encoder), 0.16))
    assert mine > other


def test_what_all_passages_are_about_does_not_single_one_out(encoder: Encoder) -> None:
    """All that is found of the question stands in every second passage; the nearest is one of the others."""
    packed, lengths = bm25.pack([(n, [*"abcdefg", "topic" if n % 2 else "h"]) for n in range(50)])
    found = bm25.score([("topic",)], packed, chunks=50, length=sum(lengths.values()), limit=10)
    assert found.bound == pytest.approx((bm25.K1 + 1) * math.log(1 + 49.5 / 1.5))
    lexical, distance = np.array([found.scores[0], 0.0]), np.array([0.12, 0.09])
    about, nearest = fuse(lexical, distance, bound=found.bound, span=span(similarity_scale(encoder), 0.09))
    assert nearest > about


def test_a_number_that_was_found_outweighs_what_the_vectors_think() -> None:
    """The code stands in one long passage; to the model all codes are alike, and it prefers another one by far."""
    packed, lengths = bm25.pack(
        [(n, [*"abcdefg" * 8, "kr", "kr381a", "381a"] if n == 3 else ["kr", "h"]) for n in range(50)]
    )
    words = [("kr",), ("381a",), ("kr381a",)]
    found = bm25.score(words, packed, chunks=50, length=sum(lengths.values()), limit=50)
    assert 0.9 < found.numbers < 1  # all but `kr`
    lexical = np.zeros(50)
    lexical[found.chunks] = found.scores
    distance = np.full(50, 0.2)
    distance[3] = 0.4
    scores = fuse(lexical, distance, bound=found.bound, span=0.2, weight=lexical_weight(found.numbers))
    assert scores.argmax() == 3
    assert fuse(lexical, distance, bound=found.bound, span=0.2).argmax() != 3


@pytest.mark.parametrize(
    ("words", "numbers"),
    [
        ([("pump",)], 0.0),
        ([("missing1",), ("pump",)], 0.0),
        ([("<email_0123456789>",)], 0.0),
        ([("v2",)], 1.0),
        ([("pump",), ("v2",)], 0.5),
    ],
)
def test_only_numbers_and_codes_that_stand_somewhere_are_left_to_the_lexical_leg(
    words: list[tuple[str, ...]], numbers: float
) -> None:
    packed, lengths = bm25.pack(
        [(1, ["pump"]), (2, ["v2"]), (3, ["<email_0123456789>"]), *((n, ["x"]) for n in range(4, 9))]
    )
    found = bm25.score(words, packed, chunks=8, length=sum(lengths.values()), limit=9)
    assert found.numbers == pytest.approx(numbers)
    assert LEXICAL_WEIGHT <= lexical_weight(found.numbers) <= NUMBERS_WEIGHT
    assert lexical_weight(0.0) == pytest.approx(LEXICAL_WEIGHT)
    assert lexical_weight(0.5) > (LEXICAL_WEIGHT + NUMBERS_WEIGHT) / 2


def test_the_lead_of_a_passage_counts_by_how_near_it_is() -> None:
    """As far apart as is usual it is the model's gap; where all lie close together, less is as much."""
    scale = Scale(gap=0.1, usual=0.2)
    assert span(scale, 0.2) == pytest.approx(UNITS * 0.1)
    assert span(scale, 0.1) == pytest.approx(UNITS * 0.05)
    assert span(scale, 0.0) == span(scale, -0.01) == span(scale, 0.2 * NEAREST_MIN) > 0
    far, near = (
        fuse(np.zeros(2), np.array([best, best * 1.2]), bound=1.0, span=span(scale, best)) for best in (0.3, 0.1)
    )
    assert far.tolist() == pytest.approx(near.tolist())


def test_words_that_many_passages_hold_count_in_full_only_beside_rarer_ones() -> None:
    """A question of everyday words about what all passages are about leaves more to the vectors than its idf says."""
    packed, lengths = bm25.pack([(n, ["virus", "rare"] if n == 7 else ["virus"]) for n in range(20)])
    sizes = {"chunks": 20, "length": sum(lengths.values()), "limit": 20}
    units = {
        words: bm25.score([(word,) for word in words], packed, **sizes).bound / (bm25.K1 + 1)
        for words in (("virus",), ("virus", "rare"), ("virus", "missing", "rare"))
    }
    single, missing = math.log(1 + 19.5 / 1.5), math.log(1 + 20.5 / 0.5)
    assert single < bm25.COMMON < missing
    assert units["virus",] == pytest.approx(bm25.COMMON)
    assert units["virus", "rare"] == pytest.approx(2 * bm25.COMMON)
    assert units["virus", "missing", "rare"] == pytest.approx(2 * bm25.COMMON + missing)


def test_no_passage_scores_above_the_bound() -> None:
    packed, lengths = bm25.pack([(1, ["a", "a", "a", "b"]), (2, ["a"] * 500), (3, ["c"])])
    sizes = {"chunks": len(lengths), "length": sum(lengths.values())}
    for words in ([("a",)], [("a",), ("b",)], [("a",), ("missing",)]):
        found = bm25.score(words, packed, limit=10, **sizes)
        assert 0 < found.scores.max() <= found.bound
    everywhere = bm25.score([("a",), ("missing",)], packed, limit=10, **sizes)
    assert everywhere.bound > bm25.score([("a",)], packed, limit=10, **sizes).bound


@given(
    st.lists(st.tuples(st.floats(0, 50), st.floats(0, 2)), min_size=1, max_size=20),
    st.floats(0.1, 100),
    st.floats(0.01, 2),
)
def test_better_in_both_legs_is_never_worse(pairs: list[tuple[float, float]], bound: float, reach: float) -> None:
    lexical, distance = (np.array(column) for column in zip(*pairs, strict=True))
    scores = fuse(lexical, distance, bound=bound, span=reach)
    assert ((scores >= 0) & (scores <= 1)).all()
    for one in range(len(pairs)):
        for other in range(len(pairs)):
            if lexical[one] >= lexical[other] and distance[one] <= distance[other]:
                assert scores[one] >= scores[other]


def test_the_scale_is_the_model_s_own(encoder: Encoder) -> None:
    scale = similarity_scale(encoder)
    assert scale.gap == pytest.approx(0.096, abs=0.004)
    assert scale.usual == pytest.approx(0.17, abs=0.004)
    assert scale.bias == pytest.approx(0.025, abs=0.004)
    assert scale.kinship == pytest.approx(0.031, abs=0.004)
    words = similarity_scale(WordsEncoder())
    assert words.gap >= GAP_MIN
    assert 0 <= words.bias <= words.gap / 2
    assert 0 <= words.kinship <= words.gap / 2


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Wie groß muss der Speicher sein?", "de"),
        ("How large must the tank be?", "en"),
        ("WAS IST DAS", "de"),
        ("WP-300X", None),
        ("in was so", None),
        ("", None),
    ],
)
def test_function_words_tell_the_language_of_a_question(text: str, language: str | None) -> None:
    assert question_language(text) == language


def test_an_answer_in_the_other_language_is_not_behind_for_its_language(index: Index, encoder: Encoder) -> None:
    """The model alone prefers what is in the language of the question; the bias is measured and given back."""
    answer = (
        "Every machine is serviced by a technician once in two years, at no charge. The visit takes about an hour, and"
        " the parts that wear out are replaced on that day."
    )
    others = [
        "Die Maschine ist sehr leise und braucht wenig Strom.",
        "Jede Maschine wird vor dem Versand geprüft, verpackt und auf eine Palette gestellt. Der Spediteur liefert sie"
        " bis an die Bordsteinkante, und den Rest des Weges muss der Käufer selbst übernehmen.",
    ]
    assert min(len(answer), len(others[1])) >= PLAIN_CHARACTERS > len(others[0])
    documents = [GoldDocument("en", everyone(), [answer], language="en")]
    documents += [GoldDocument(f"de{n}", everyone(), [text], language="de") for n, text in enumerate(others)]
    model: Any = encoder
    index.serve(documents, encoder=model)
    question = "Wie oft wird jede Maschine gewartet?"
    scores = {h.citation.title: h for h in index.retriever(model).search(question, principal=ADA)}
    hits = list(scores.values())
    scale = similarity_scale(encoder)
    foreign = np.array([name == "en" for name in scores])
    distance = np.array([1 - (hit.similarity or 0) for hit in hits]) - scale.bias * foreign
    texts = encoder.encode_documents([hit.text for hit in hits])
    mute: Any = _Mute(encoder)
    alone = {hit.chunk_id: hit.score for hit in index.retriever(mute).search(question, principal=ADA)}
    lexical = np.array([alone.get(hit.chunk_id, 0.0) for hit in hits])
    assert not lexical[foreign].any()
    expected = twice_fused(lexical, distance, texts, foreign, scale)
    assert [hit.score for hit in hits] == pytest.approx(expected.tolist(), abs=2e-3)


def test_a_short_passage_gets_nothing_for_its_language(index: Index, encoder: Encoder) -> None:
    """Nobody can be sure of it: English titles are taken for German."""
    model: Any = encoder
    text = "Error estimation in Runge-Kutta procedures"
    documents = [GoldDocument(name, everyone(), [f"{text} {name}"], language=name) for name in ("de", "en")]
    index.serve(documents, encoder=model)
    hits = list(index.retriever(model).search("What is the error of the procedure?", principal=ADA))
    assert all(hit.lexical_rank for hit in hits)
    gaps = [hit.score for hit in sorted(hits, key=lambda hit: -(hit.similarity or 0))]
    assert gaps == sorted(gaps, reverse=True)


def twice_fused(
    lexical: NDArray[np.float64],
    distance: NDArray[np.float64],
    vectors: NDArray[np.float32],
    foreign: NDArray[np.bool_],
    scale: Scale,
) -> NDArray[np.float64]:
    """The formula over candidates in order of number; BM25 scores are shares of their bound."""
    reach = span(scale, distance.min())
    leader = int(np.argmax(fuse(lexical, distance, bound=1.0, span=reach)))
    apart = 1 - vectors.astype(float) @ vectors[leader].astype(float) - scale.kinship * (foreign != foreign[leader])
    return fuse(lexical, drawn(distance, apart), bound=1.0, span=reach)


def test_what_is_like_the_leader_comes_before_what_is_not() -> None:
    distance, apart = np.array([0.1, 0.2, 0.2]), np.array([0.0, 0.3, 0.1])
    first = drawn(distance, apart)
    assert first[0] < first[2] < first[1]
    assert drawn(distance, apart, 0.0).tolist() == distance.tolist()


class _NoVector(WordsEncoder):
    def encode_query(self, text: str) -> np.ndarray:  # type: ignore[type-arg]
        raise RuntimeError("out of memory")


class _Mute:
    """The model itself, but for questions."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder

    def __getattr__(self, name: str) -> Any:
        return getattr(self._encoder, name)

    def encode_query(self, text: str) -> np.ndarray:  # type: ignore[type-arg]
        raise RuntimeError("out of memory")
