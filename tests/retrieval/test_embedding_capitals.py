"""Texts in capitals: what is read in small letters, and what stays."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.embedding.capitals import without_shouting


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("THE LINGERING FRAGRANCE: PROCEEDINGS 1978.", "the lingering fragrance: proceedings 1978."),
        ("WIE KÜNDIGE ICH", "wie kündige ich"),
        ("ГДЕ МОЯ ПОСЫЛКА", "где моя посылка"),
        ("THE ALLIES met IN PARIS", "the allies met in paris"),
    ],
)
def test_most_words_in_capitals_are_read_in_small_letters(text: str, read: str) -> None:
    assert without_shouting(text) == read


@pytest.mark.parametrize(
    "text",
    [
        "",
        "KR-381A",
        "DHL Paket",
        "SARS-CoV-2",
        "What is KR-381A?",
        "Die ARD und das ZDF senden",
        "IBAN 4711",
        "東京 大学 図書館",
    ],
)
def test_names_codes_and_sentences_stay(text: str) -> None:
    assert without_shouting(text) == text


@given(text=st.text())
def test_once_is_enough_and_no_word_is_lost(text: str) -> None:
    read = without_shouting(text)
    assert without_shouting(read) == read
    assert read in (text, text.lower())
