"""Characters and white space are written one way, and blocks always point at the text they claim."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.silver.document import BLOCK_KINDS, Document
from assets.silver.normalise import DocumentBuilder, clean_characters, count_hidden, normalise, one_line

ODD = st.text(
    st.sampled_from(
        "aä\u0308\u0301fi ﬁ\u00ad\u200b\u200c\u200d\u202e\ufeff\u00a0\t\n\r\x85\u2028\x00\x1b[m१क😀\ud800＋４"
    )
)
ANY_TEXT = st.text() | ODD | st.text(st.characters())


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("u\u0308ber", "über"),
        ("Wa\u00adrm\u200bwas\u2060ser", "Warmwasser"),
        ("e\ufb03zient \ufb01nden", "effizient finden"),
        ("10\u00a0000\u202f€", "10 000 €"),
        ("a\r\nb\rc\u2028d\x0be", "a\nb\nc\nd\ne"),
        ("ein\x00Wort\x1b[31mrot", "ein Wort rot"),
        ("＋４９（３０）", "+49(30)"),
        ("𝗡𝗲𝘂𝗲 Heizung", "Neue Heizung"),
        ("Nicht\u2011trennen", "Nicht-trennen"),
        ("a\U000e0041\U000e0042b", "ab"),
        ("vorher \u202eabc\u202c", "vorher abc"),
        ("lone \ud83d end", "lone \ufffd end"),
        ("👩\u200d🔧", "👩\u200d🔧"),
        ("m\u200dax@example.org", "max@example.org"),
        ("क\u094d\u200dष", "क\u094d\u200dष"),
    ],
)
def test_characters_are_written_one_way(given: str, expected: str) -> None:
    assert clean_characters(given) == expected


def test_white_space_of_a_text_is_tidied_and_its_indentation_kept() -> None:
    assert normalise("\n\n  eins  \n\n\n\n    zwei\t\n") == "  eins\n\n    zwei"


def test_one_line_has_no_line_breaks() -> None:
    assert one_line("  Ein\n  langer\tTitel ") == "Ein langer Titel"


def test_hidden_characters_are_counted() -> None:
    assert count_hidden("a\u200bb\u00adc\U000e0041") == 3
    assert count_hidden("völlig normal") == 0


@given(ANY_TEXT)
def test_doing_it_twice_changes_nothing(text: str) -> None:
    for function in (clean_characters, normalise, one_line):
        once = function(text)
        assert function(once) == once


@given(ANY_TEXT)
def test_clean_text_can_be_stored(text: str) -> None:
    cleaned = clean_characters(text)
    cleaned.encode("utf-8")
    assert unicodedata.is_normalized("NFC", cleaned)
    assert "\r" not in cleaned
    assert "\x00" not in cleaned


@given(st.lists(st.tuples(st.sampled_from(BLOCK_KINDS), ANY_TEXT)))
def test_blocks_point_at_the_text_they_were_made_of(parts: list[tuple[str, str]]) -> None:
    builder = DocumentBuilder()
    for kind, text in parts:
        builder.add(kind, text)  # type: ignore[arg-type]
    document = builder.build("test/1")
    assert_sound(document)
    expected = [clean_characters(text).split() for _, text in parts if clean_characters(text).split()]
    assert [document.text[block.start : block.end].split() for block in document.blocks] == expected
    assert normalise(document.text) == document.text


def assert_sound(document: Document) -> None:
    """The promises of `Document`: blocks in order, apart, not empty, and only white space between them."""
    end = 0
    for block in document.blocks:
        assert block.start >= end
        assert block.end > block.start
        assert not document.text[end : block.start].strip()
        assert document.text[block.start : block.end].strip()
        end = block.end
    assert not document.text[end:].strip()
