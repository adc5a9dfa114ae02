"""Segments of postings: however many small releases wrote them, the answers are those of a fresh index."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.silver.pii.span import Span, token
from retrieval.analysis import passage_terms, query_terms
from retrieval.bm25 import COUNT_MAX, POSTING, pack, score
from tests.support import GoldDocument, Index, asker, everyone, see

WORDS = [f"word{i}" for i in range(40)]
BOARD = asker("acme", "board", clearance="restricted")
QUERIES = ("word1 word2 word3", "word7", "word39 word0 word11 word12")
RELEASES = 60


def note(number: int, draw: random.Random) -> GoldDocument:
    access = everyone("acme", *draw.choice([(), (), ("board",)]))
    texts = [" ".join([*draw.choices(WORDS, k=draw.randint(3, 20)), f"note{number}-{i}"]) for i in range(2)]
    return GoldDocument(f"note-{number}", access, texts)


def histories() -> list[list[GoldDocument]]:
    """An inbox that grows by a document each time, with edits, deletions and changes of access on the way."""
    draw = random.Random(5)
    inbox: dict[int, GoldDocument] = {}
    states = []
    for number in range(RELEASES):
        inbox[number] = note(number, draw)
        if number % 3 == 2:
            edited = draw.choice(list(inbox))
            old = inbox[edited]
            inbox[edited] = replace(old, texts=[old.texts[0], f"word1 edited {number}"], event=old.event + 1)
        if number % 7 == 6:
            del inbox[draw.choice(list(inbox))]
        if number % 5 == 4:
            moved = draw.choice(list(inbox))
            inbox[moved] = replace(inbox[moved], access=everyone("acme", "board"))
        states.append(list(inbox.values()))
    return states


def live_segments(index: Index) -> int:
    row = index.owner.execute("select count(*) from knowledge.segment where removed_in = 2147483647").fetchone()
    assert row is not None
    return int(row[0])


@pytest.mark.slow
def test_sixty_small_releases_answer_like_a_fresh_index(index: Index, shared_index: Index) -> None:
    most = 0
    states = histories()
    for state in states:
        index.serve(state)
        most = max(most, live_segments(index))
    assert most <= 12
    shared_index.serve(states[-1])
    assert live_segments(shared_index) == 1
    for query in QUERIES:
        for principal in (BOARD, asker()):
            merged = see(index.reader(), principal, query).scores
            assert merged == pytest.approx(see(shared_index.reader(), principal, query).scores, abs=1e-12)
            assert merged


# ------------------------------------------------------------- the pure half

passages = st.lists(st.lists(st.sampled_from("abcdef"), max_size=12), max_size=12)


@given(passages, passages, st.sets(st.integers(0, 23)), st.sets(st.integers(0, 23)))
def test_segments_and_masks_score_like_one_index_of_what_is_left(
    first: Sequence[Sequence[str]], second: Sequence[Sequence[str]], masked: set[int], eligible: set[int]
) -> None:
    everything = list(enumerate([*first, *second]))
    left = [(number, terms) for number, terms in everything if number not in masked]
    gone = np.array(sorted(masked & {number for number, _ in everything}), np.int32)
    parts = [pack(everything[: len(first)])[0], pack(everything[len(first) :])[0]]
    postings = {term: parts[0].get(term, b"") + parts[1].get(term, b"") for term in parts[0] | parts[1]}
    words = [("a",), ("b", "c"), ("z",)]
    counts: dict[str, Any] = {"chunks": len(left), "length": sum(len(terms) for _, terms in left)}
    chosen = np.array(sorted(eligible), np.int32)
    got = score(words, postings, **counts, masked=gone, eligible=chosen, limit=5)
    whole = score(words, pack(left)[0], **counts, limit=100)
    expected = [(n, s) for n, s in zip(whole.chunks, whole.scores, strict=True) if n in eligible][:5]
    assert list(zip(got.chunks, got.scores, strict=True)) == expected
    assert got.coverage == whole.coverage


def test_equal_scores_are_ordered_by_number_whatever_the_limit() -> None:
    postings, lengths = pack((n, ["same"]) for n in range(10))
    for limit in range(1, 12):
        found = score([("same",)], postings, chunks=10, length=sum(lengths.values()), limit=limit)
        assert found.chunks.tolist() == list(range(min(limit, 10)))


def test_counts_too_large_for_a_record_are_stored_as_the_largest() -> None:
    postings, lengths = pack([(1, ["long"] * (COUNT_MAX + 5))])
    assert np.frombuffer(postings["long"], POSTING).tolist() == [(1, COUNT_MAX, COUNT_MAX)]
    assert lengths == {1: COUNT_MAX}


def test_an_empty_index_or_a_query_without_words_finds_nothing() -> None:
    assert len(score([("a",)], {}, chunks=0, length=0, limit=5).chunks) == 0
    assert len(score([], {}, chunks=3, length=3, limit=5).chunks) == 0
    assert len(score([("a",)], {}, chunks=3, length=3, limit=5).chunks) == 0


@pytest.mark.parametrize(
    ("passage", "language", "query"),
    [
        ("Die Häuser stehen am Fluss", "de", "Haus"),
        ("STRASSENBAHN und Straßenbahnen", "de", "straßenbahn"),
        ("the engineers were running", "en", "engineer runs"),
        ("pump WP-300X", "en", "wp300x"),
        ("pump WP300X", "en", "WP-300X"),
        ("Café in the city", "en", "cafe"),
        ("a tank of 5 kW", "en", "5kW"),
        ("ein Speicher mit 300l", "de", "300 l"),
        ("gebaut in den 1990er Jahren", "de", "1990s"),
        ("at 4,200 turns", "en", "4200"),
        ("4200 turns", "en", "4,200"),
        ("the baker’s oven", "en", "baker"),
        ("grosse Haeuser", "de", "große"),
        ("ﬁne print", "en", "fine"),
        ("une phrase en français", "fr", "francais phrases"),
    ],
)
def test_passages_and_queries_meet_in_their_terms(passage: str, language: str, query: str) -> None:
    terms = set(passage_terms(passage, language))
    assert any(terms & set(alternatives) for alternatives in query_terms(query))


def test_how_long_a_passage_is_does_not_depend_on_the_key_of_its_pseudonyms() -> None:
    """Letters and digits of a pseudonym differ between installations; what is counted must not."""
    spans = [Span(0, 1, kind, "value") for kind in ("EMAIL", "DE_TAX_ID", "SECRET")]
    counts = set()
    for number in range(300):
        key = number.to_bytes(2, "big")
        text = f"Anna schreibt an {' und '.join(token(span, key) for span in spans)}, danke."
        terms = passage_terms(text, "de")
        counts.add((len(terms), len(set(terms))))
    assert len(counts) == 1


def test_a_passage_is_found_by_what_stands_above_it() -> None:
    own = passage_terms("The pump needs oil.", "en")
    assert passage_terms("The pump needs oil.", "en", "Pumps\nCare > Oil and grease") == [*own, "care", "greas"]
    assert passage_terms("The pump needs oil.", "en", "") == own


@given(st.text(max_size=60))
def test_the_analysis_takes_any_text(text: str) -> None:
    for language in ("de", "en", "xx"):
        terms = passage_terms(text, language)
        assert all(terms)
        assert terms == passage_terms(text, language)
    assert all(all(alternatives) for alternatives in query_terms(text))
