"""Front matter and sidecars become fields, however they are written."""

from __future__ import annotations

import datetime as dt
import json
import re

import pytest

from assets.silver.metadata import metadata_from, parse_date
from assets.silver.readers.front_matter import parse_yaml, split
from assets.silver.refusal import RefusedError
from assets.silver.refusal_german import detail_in_german


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("2024-02-29", "2024-02-29"),
        ("2023-04-02T09:47:14 (UTC +02:00)", "2023-04-02"),
        ("/2023/12/15/a-post", "2023-12-15"),
        ("24.12.2024", "2024-12-24"),
        ("5. März 2020", "2020-03-05"),
        ("March 5th, 2020", "2020-03-05"),
        ("12 Oct 2019", "2019-10-12"),
        ("2021-11-31", None),
        ("bald", None),
        ("Version 12345-67-89", None),
    ],
)
def test_days_are_understood_or_left_alone(text: str, day: str | None) -> None:
    assert parse_date(text) == day


@pytest.mark.parametrize(
    ("value", "names"),
    [
        ("Maja Lindqvist", ("Maja Lindqvist",)),
        ("Aylin Demir, Jonas Petersen und Ole Nowak", ("Aylin Demir", "Jonas Petersen", "Ole Nowak")),
        ("Lindqvist, Maja", ("Lindqvist, Maja",)),
        (["A B", {"name": "C D", "email": "c@example.org"}], ("A B", "C D")),
        ("Anna Alt & Bert Breit", ("Anna Alt", "Bert Breit")),
    ],
)
def test_authors(value: object, names: tuple[str, ...]) -> None:
    assert metadata_from({"author": value}).authors == names


def test_fields_have_many_names_and_the_rest_is_extra() -> None:
    found = metadata_from(
        {
            "Titel": "  Die \n Heizung ",
            "date": dt.date(2024, 5, 1),
            "tags": "Wärme, Altbau",
            "topic": "Altbau",
            "lang": "de-DE",
            "permalink": "https://example.org/heizung",
            "draft": False,
            "weight": float("nan"),
        }
    )
    assert found.title == "Die Heizung"
    assert found.published == "2024-05-01"
    assert found.tags == ("Wärme", "Altbau")
    assert found.language == "de"
    assert found.url == "https://example.org/heizung"
    assert found.extra == {"draft": False, "weight": "nan"}
    json.dumps(found.extra, allow_nan=False)


def test_what_is_not_understood_is_noted_without_its_value_and_kept() -> None:
    found = metadata_from({"date": "irgendwann", "lang": "klingonisch", "published": True, "url": "/relativ"})
    assert (found.published, found.language, found.url) == (None, None, None)
    assert found.notes == ("date was not understood", "lang was not understood")
    assert found.extra == {"date": "irgendwann", "lang": "klingonisch", "published": True, "url": "/relativ"}


def test_the_day_is_taken_from_the_address_where_no_key_names_it() -> None:
    assert metadata_from({"path": "2023/12/15/a-post"}).published == "2023-12-15"


@pytest.mark.parametrize(
    "text",
    [
        "---\ntitle: Ein Titel\ndraft: false\nn: 3\n---\nText",
        '+++\ntitle = "Ein Titel"\ndraft = false\nn = 3\n+++\nText',
        '{\n "title": "Ein Titel", "draft": false, "n": 3\n}\nText',
        "\n---\ntitle: Ein Titel\ndraft: false\nn: 3\n...\nText",
    ],
)
def test_front_matter_in_three_languages(text: str) -> None:
    head, body = split(text)
    assert head == {"title": "Ein Titel", "draft": False, "n": 3}
    assert body.strip() == "Text"


@pytest.mark.parametrize(
    "text",
    ["Nur Text", "---\n\nEin Absatz zwischen zwei Linien.\n\n---\n\nText", "{% include x %}\nText", "--- kein Zaun"],
)
def test_text_without_front_matter_is_left_whole(text: str) -> None:
    assert split(text) == ({}, text)


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        ("---\ntitle: x\nroles: [hr]\n\nText", "never closed"),
        ('---\ntitle: "x\nlist: [1, 2\n---\nText', "YAML"),
        ("---\ntitle: !!python/object/apply:os.system [ls]\n---\n", "line 2"),
        ("---\ntitle: Teil 1: Anfang\n---\n", "line 2: the YAML cannot be understood: a text that holds a colon"),
        ("---\na: 1\ntags:\n\t- x\n---\n", "line 4: the YAML cannot be understood: lines are indented with spaces"),
        ("---\nurl: @acme\n---\n", "line 2: the YAML cannot be understood: a text that begins with a special sign"),
        ("---\na: 1\ntitle: 'offen\nb: 2\n---\n", "line 3: the YAML cannot be understood: a quotation mark"),
        ("---\ntags: [a, b\ntitle: x\n---\n", "line 2: the YAML cannot be understood: a bracket"),
        ("---\n- a: 1\n---\n", "keys and values"),
        ("---\na: &a [x]\nb: *a\n---\n", "line 3: YAML aliases"),
        ("---\na: " + "[" * 5000 + "\n---\n", "nested"),
        ("+++\ntitle = \n+++\n", "line 2"),
        ('{ "title": \n', "JSON"),
    ],
)
def test_broken_front_matter_is_refused_with_its_place(text: str, detail: str) -> None:
    with pytest.raises(RefusedError) as refused:
        split(text)
    assert refused.value.code == "bad_front_matter"
    assert detail in (refused.value.detail or "")
    german = detail_in_german(refused.value.detail or "")
    assert not re.search(r"understood|must|never|mark|spaces", german)


def test_refusals_do_not_quote_the_file() -> None:
    with pytest.raises(RefusedError) as refused:
        parse_yaml('geheimnis: "offen\nweiter: [')
    assert "geheimnis" not in str(refused.value)
    assert "offen" not in str(refused.value)


def test_yaml_scalars_mean_what_an_editor_means() -> None:
    assert parse_yaml("lang: no\ntime: 12:30\nversion: 1.10\nday: 2024-05-01\nempty:\nyes: on") == {
        "lang": "no",
        "time": "12:30",
        "version": "1.10",
        "day": "2024-05-01",
        "empty": None,
        "yes": "on",
    }
