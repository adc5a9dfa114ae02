"""Umlauts come out right, or the file is refused."""

from __future__ import annotations

import codecs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.silver.decode import decode
from assets.silver.refusal import RefusedError

GERMAN = "Größe und Wärme für Übergänge, „schön“ – ausführlich erläutert."
PLAIN_GERMAN = "Größe und Wärme für Übergänge, ausführlich erläutert: Öl, Straße, Äste."


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "utf-16-le", "utf-16-be", "utf-32-be"])
def test_unicode_is_read(encoding: str) -> None:
    assert decode(GERMAN.encode(encoding)).text == GERMAN


@pytest.mark.parametrize("encoding", ["cp1252", "mac_roman"])
def test_umlauts_and_quotation_marks_show_the_encoding(encoding: str) -> None:
    decoded = decode(GERMAN.encode(encoding))
    assert (decoded.text, decoded.encoding) == (GERMAN, encoding)
    assert decoded.notes == (f"read as {encoding}",)


@pytest.mark.parametrize("encoding", ["cp1252", "latin-1", "iso8859-15", "mac_roman", "cp437", "cp850"])
def test_umlauts_show_the_encoding(encoding: str) -> None:
    assert decode(PLAIN_GERMAN.encode(encoding)).text == PLAIN_GERMAN


@pytest.mark.parametrize(
    "text", ["It’s a “quoted” word", "café au lait, à la carte", "§ 5 Absatz 2 – 30 €", "Señor, mañana"]
)
def test_other_western_text_in_windows_1252(text: str) -> None:
    assert decode(text.encode("cp1252")).text == text


def test_text_that_was_encoded_twice_is_mended_and_noted() -> None:
    doubled = GERMAN.encode("utf-8").decode("latin-1").encode("utf-8")
    decoded = decode(doubled)
    assert decoded.text == GERMAN
    assert decoded.notes


@pytest.mark.parametrize("view", ["latin-1", "cp1252"])
@pytest.mark.parametrize("text", ["Größe 🎉 ≥ 18, Michał", "└── Größe", "Übermaß 二手"])
def test_everything_that_was_encoded_twice_is_mended(view: str, text: str) -> None:
    shown = "".join(
        bytes([byte]).decode(view, "ignore") or chr(byte)  # cp1252 has no character for five bytes
        for byte in text.encode()
    )
    assert decode(shown.encode()).text == text


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("Das kostet 2500 € für die Größe.", "iso8859-15"),
        ("Es ist gemäß der Satzung süß.", "cp1252"),
        ("- Adolfo Ochagavía, Müller und Groß", "mac_roman"),
        ("He’s here, O’Brien too, and l’art pour l’art; they’re fine.", "cp1252"),
        (f"{PLAIN_GERMAN * 2} Vielen Dank nach Košice.", "cp1252"),
    ],
)
def test_signs_and_foreign_names_among_umlauts(text: str, encoding: str) -> None:
    assert decode(text.encode(encoding)).text == text


def test_windows_1252_within_utf8_is_mended_and_noted() -> None:
    decoded = decode("Grüße aus ".encode() + "Köln".encode("cp1252") + " und München".encode())
    assert decoded.text == "Grüße aus Köln und München"
    assert decoded.notes


@pytest.mark.parametrize(
    "content",
    [
        "Привет, как дела сегодня".encode("cp1251"),
        "Zażółć gęślą jaźń".encode("cp1250"),
        "今日は天気がいい".encode("shift_jis"),
        b"\xff\xfeA\x00\x00\xd8",
        bytes(range(128, 256)),
    ],
)
def test_what_cannot_be_told_for_certain_is_refused(content: bytes) -> None:
    with pytest.raises(RefusedError) as refused:
        decode(content)
    assert refused.value.code == "unknown_encoding"


def test_capitals_before_quotation_marks_are_no_double_encoding() -> None:
    text = "»CAFÉ« und »À LA CARTE«, “OLÉ”, fiancé’s"
    assert decode(text.encode()).text == text


@given(st.text())
def test_utf8_is_never_misread_as_a_wider_or_older_encoding(text: str) -> None:
    content = codecs.BOM_UTF8 + text.encode("utf-8", errors="replace")
    assert decode(content).text == text.encode("utf-8", errors="replace").decode()


@given(st.binary())
def test_bytes_become_text_or_are_refused(content: bytes) -> None:
    try:
        outcome = type(decode(content).text).__name__
    except RefusedError as refused:
        outcome = refused.code
    assert outcome in ("str", "unknown_encoding")
