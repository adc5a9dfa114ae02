"""The language is what the metadata says, else what the text shows."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from assets.silver.language import detect, language_code

GERMAN = "Die Wärmepumpe steht im Hof und heizt zwölf Wohnungen, auch wenn es draußen friert."
ENGLISH = "The heat pump stands in the yard and warms twelve flats, even when it freezes outside."
FRENCH = (
    "La pompe à chaleur se trouve dans la cour et chauffe douze appartements, même lorsqu'il gèle dehors pendant"
    " plusieurs semaines et que les habitants restent chez eux."
)


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("de", "de"),
        ("de-DE", "de"),
        ("de_AT.UTF-8", "de"),
        ("EN", "en"),
        ("German", "de"),
        ("Deutsch", "de"),
        ("xx", None),
        ("", None),
    ],
)
def test_language_codes(name: str, code: str | None) -> None:
    assert language_code(name) == code


@pytest.mark.parametrize(
    ("text", "code"), [(GERMAN, "de"), (ENGLISH, "en"), (FRENCH, "fr"), ("Guten Morgen zusammen", "de")]
)
def test_the_text_shows_its_language(text: str, code: str) -> None:
    assert detect(text, None) == code


def test_a_known_hint_wins_and_an_unknown_one_does_not() -> None:
    assert detect(ENGLISH, "de-DE") == "de"
    assert detect(ENGLISH, "xx") == "en"


def test_a_text_without_letters_has_a_language_too() -> None:
    assert detect("12345 – 67", None) == "en"


def test_the_model_is_loaded_where_no_file_may_be_written() -> None:
    """As in the processes that read files."""
    code = (
        "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))\n"
        "from assets.silver.language import load; load()"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).resolve().parents[2])
