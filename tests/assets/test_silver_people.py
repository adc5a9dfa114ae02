"""Who is named in German posts and news, and what only looks like a name."""

from __future__ import annotations

import pytest

from assets.silver.pii import names_de
from assets.silver.redact import spans_of


def people(text: str, language: str = "de") -> list[str]:
    return [text[span.start : span.end] for span in spans_of(text, language) if span.type == "PERSON"]


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("RT @UteWeber: Der Bus kommt nicht.", "UteWeber"),
        ("RT @SebastianBoms: Der Bus kommt nicht.", "SebastianBoms"),
        ("@Jakob_Juergen Das war gestern.", "Jakob_Juergen"),
        ("@ute_weber2 das war gestern.", "ute_weber"),
        ("@JulianRoepcke schreibt darüber.", "JulianRoepcke"),
        ("Gestern im Radio: #XavierNaidoo", "XavierNaidoo"),
        ("weg damit u fr #merkel - alles kaputt", "merkel"),
        ("Es bleibt dabei. Merkel bekommt das hin.", "Merkel"),
        ("Von Karl-Heinz Patzer", "Karl-Heinz Patzer"),
        ("[09:02] Deepak: Ich kann mich nicht anmelden.\n[09:03] Support: Seit wann?", "Deepak"),
        ("Rachel: Ich rufe morgen an.", "Rachel"),
        ("Die Schlüssel liegen am Empfang.\n\nPetra", "Petra"),
        ("Es fehlt noch eine Kopie.\n\ni. A. Voss", "Voss"),
        ("Bis morgen!\n\nLiebe Grüße\nRonja Feddersen", "Ronja Feddersen"),
    ],
)
def test_people_in_handles_hashtags_and_bylines(text: str, named: str) -> None:
    assert people(text) == [named]


@pytest.mark.parametrize(
    "text",
    [
        "Aktuell 3 km Stau. Weicht am besten über die Landstraße aus.",
        "Starke Behinderungen nach einem Unfall auf der A 3.",
        "Schon wieder Verspätung. Naja, zumindest Kaffee gab es.",
        "Heyyyy, wann fährt der nächste Zug?",
        "Das ist der Mutz. Wegen der Verspätung des Mutzes fällt er aus.",
        "Der Dow Jones schloss im Minus, Verdi ruft zum Streik auf.",
        "Erdrutsch bei Los Angeles, die Kirche St. Martinus ist zu.",
        "Hinweis: Das Formular gilt ab Mai.\nMontag: Ruhetag\n[10:04] Agent: Seit wann?\n10:15 Pause: Kaffee",
        "Der Hurrikan #Joaquin wütet auf den Bahamas.",
        "@HannoverMesse @DB_Bahn Wann geht es weiter? #BahnStreik #bahn #berlin",
    ],
)
def test_what_only_looks_like_a_name(text: str) -> None:
    assert people(text) == []


def test_words_of_a_long_line_are_looked_for_where_their_stretch_begins() -> None:
    text = "Erste Zeile.\n" + "Anna Meier und " * 500
    found = list(names_de.stretches(text))
    assert len(found) > 10
    for stretch in found:
        places = stretch.places(text)
        assert places[0][0] == stretch.start
        assert tuple(text[start:end] for start, end in places) == stretch.words
