"""Entities computed on numpy are those that spaCy itself finds."""

from __future__ import annotations

import random

import pytest

from assets.silver.pii import names_en
from assets.silver.pii.lower import lowered
from assets.silver.pii.spacy_alone import load_alone
from assets.silver.pii.spacy_ner import Entities

PIECES = (
    "Sarah Connor met John Smith in Boston on Monday .",
    "In 2019, Barack Obama and  Angela\tMerkel visited the Brandenburg Gate.",
    "Dr. José Álvarez-Núñez (Acme Corp., $3.5 million) said: “We don't know!”",
    "the University of California, Los Angeles",
    "She works for Ursula von der Leyen",
    "   ",
    "🙂 @AnneGreen #Paris https://example.org/Tom \0\0\0 12:30",
    "twenty-five percent of Marcus Aurelius' War and Peace by Leo Tolstoy",
)


@pytest.fixture(scope="module")
def language() -> object:
    return load_alone(names_en._folder(), names_en.UNUSED)


def test_entities_are_those_of_spacy(language: object) -> None:
    rng = random.Random(5)
    texts = [*PIECES, "", *(" ".join(rng.choices(PIECES, k=3)) for _ in range(60))]
    texts += [" ".join(rng.sample(" ".join(PIECES).split(), rng.randint(1, 12))) for _ in range(200)]
    pipe = language.get_pipe("ner")  # type: ignore[attr-defined]
    documents = [language.make_doc(text) for text in texts]  # type: ignore[attr-defined]

    found = Entities(language).find(documents)  # type: ignore[arg-type]
    pipe.set_annotations(documents, pipe.predict(documents))

    expected = [[(e.start, e.end - 1, e.label_) for e in document.ents] for document in documents]
    assert sum(map(len, expected)) > 300
    assert [[tuple(entity) for entity in entities] for entities in found] == expected


def test_what_was_read_before_changes_nothing(language: object, monkeypatch: pytest.MonkeyPatch) -> None:
    documents = [language.make_doc(text) for text in PIECES]  # type: ignore[attr-defined]
    entities = Entities(language)  # type: ignore[arg-type]
    at_first = entities.find(documents)

    assert entities.find(documents) == at_first
    assert [entities.find([document])[0] for document in documents] == at_first, "a batch changes nothing"
    monkeypatch.setattr("assets.silver.pii.spacy_ner.REMEMBERED", 5)
    assert entities.find(documents[:2]) + entities.find(documents[2:]) == at_first, "nor what is forgotten"


def test_words_with_fewer_attributes_are_cut_and_named_as_before(language: object) -> None:
    tokenize, _ = names_en._pipeline()

    for text in PIECES:
        assert [(t.text, t.norm_, t.shape_) for t in tokenize(text)] == [
            (t.text, t.norm_, t.shape_)
            for t in language.make_doc(text)  # type: ignore[attr-defined]
        ]


@pytest.mark.parametrize("text", ["Ärger IM Haus", "İstanbul und DİYARBAKIR", ""])
def test_lower_case_keeps_every_place(text: str) -> None:
    assert len(lowered(text)) == len(text)
    assert lowered(text).replace("İ", "i̇") == text.lower()
