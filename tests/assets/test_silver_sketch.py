"""Near-duplicates are found, and texts that merely share a subject are not."""

from __future__ import annotations

import random

import pytest

from assets.silver.sketch import LEAST_WORDS, NEAR, RUN_WORDS, likeness, near_duplicates, sketch

SIGNATURE = "8d16cc001b35e902"
"""Begin of a signature as it was computed once: stored ones must stay comparable."""

WORDS = [f"wort{number}" for number in range(5_000)]


def text(seed: int, length: int = 600) -> list[str]:
    return random.Random(seed).choices(WORDS, k=length)


def signature(words: list[str]) -> bytes:
    made = sketch(" ".join(words))
    assert made is not None
    return made


def true_likeness(one: list[str], other: list[str]) -> float:
    runs = [{tuple(words[at : at + RUN_WORDS]) for at in range(len(words) - RUN_WORDS + 1)} for words in (one, other)]
    return len(runs[0] & runs[1]) / len(runs[0] | runs[1])


@pytest.mark.parametrize("edits", [0, 3, 10, 30, 100])
def test_the_estimate_is_near_the_truth(edits: int) -> None:
    differences = []
    for seed in range(20):
        one, other = text(seed), text(seed)
        for place in random.Random(seed).sample(range(len(other)), edits):
            other[place] = "anders"
        differences.append(likeness(signature(one), signature(other)) - true_likeness(one, other))

    assert abs(sum(differences) / len(differences)) < 0.05
    assert max(map(abs, differences)) < 0.25


def test_a_signature_is_the_same_everywhere_and_ignores_case_and_punctuation() -> None:
    words = text(1)
    assert sketch(" ".join(words)) == sketch(", ".join(words).upper() + ".")
    assert signature(WORDS[:100])[:8].hex() == SIGNATURE
    assert sketch(" ".join(words[: LEAST_WORDS - 1])) is None
    assert len(signature(words)) == 256


def test_near_duplicates_point_at_the_first_and_others_stay_alone() -> None:
    edited = text(1)
    edited[300] = "anders"
    half = text(1)[:300] + text(2)[300:]
    texts = {"a": text(1), "b": text(3), "c": edited, "d": text(1), "e": half}
    assert true_likeness(texts["a"], half) < NEAR / 2

    found = near_duplicates({name: signature(words) for name, words in texts.items()}, [*"abcdex"])

    assert found == {"c": "a", "d": "a"}
