"""Every format keeps its structure, and what cannot be read is refused for the right reason."""

from __future__ import annotations

import io
import time
import zipfile
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.silver.document import Document
from assets.silver.limits import Limits
from assets.silver.readers import READERS, markdown, pdf, text, webvtt
from assets.silver.readers import read as read_parts
from assets.silver.refusal import RefusedError
from tests.assets.silver_pdf import make_pdf
from tests.assets.test_silver_normalise import assert_sound


def read(content: bytes, path: str) -> Document:
    (document,) = read_parts(content, path)
    return document


def blocks_of(document: Document) -> list[tuple[str, str]]:
    assert_sound(document)
    return [(block.kind, document.text[block.start : block.end]) for block in document.blocks]


def refusal(content: bytes, path: str) -> RefusedError:
    with pytest.raises(RefusedError) as refused:
        read(content, path)
    return refused.value


def outcome(content: bytes, path: str) -> str | None:
    """Code of the refusal; None when the file was read, and soundly."""
    try:
        assert_sound(read(content, path))
    except RefusedError as refused:
        return refused.code
    return None


MARKDOWN = """---
title: "Wärme im Altbau"
author: Aylin Demir
tags: [Altbau]
---

# Wärme *im* [Altbau](https://example.org)

Ein Absatz mit `Code`, **fett** und einem
[Link](https://example.org/x "Titel"). <!-- geheim --> Ende&nbsp;hier.<br>Neue Zeile.

## Liste

- eins
- zwei
  1. innen
  2. zweitens
- drei

| Größe | Preis |
|-------|-------|
| 12 kW | 9.000 € |

```python
x = 1


y = 2
```

> Ein Zitat.

![Bild einer Pumpe](pumpe.jpg)

<div class="kasten"><h3>Hinweis</h3><p>Bitte <b>lesen</b>.</p><script>alert(1)</script></div>

<table><tr><th>A</th><th>B</th></tr><tr><td>1</td><td>2</td></tr></table>
"""


def test_markdown_keeps_its_structure() -> None:
    document = read(MARKDOWN.encode(), "blog/nordwind/2024-03-01-altbau.md")
    assert blocks_of(document) == [
        ("heading", "Wärme im Altbau"),
        (
            "paragraph",
            "Ein Absatz mit Code, fett und einem Link. Ende hier.\nNeue Zeile.",
        ),
        ("heading", "Liste"),
        ("list", "- eins\n- zwei\n  1. innen\n  2. zweitens\n- drei"),
        ("table", "Größe | Preis\n12 kW | 9.000 €"),
        ("code", "x = 1\n\ny = 2"),
        ("paragraph", "Ein Zitat."),
        ("paragraph", "Bild einer Pumpe"),
        ("heading", "Hinweis"),
        ("paragraph", "Bitte lesen."),
        ("table", "A | B\n1 | 2"),
    ]
    assert [block.level for block in document.blocks if block.kind == "heading"] == [1, 2, 3]
    assert (document.title, document.authors, document.tags) == ("Wärme im Altbau", ("Aylin Demir",), ("Altbau",))
    assert document.published == "2024-03-01"
    assert document.reader == markdown.READER
    assert document.notes == ("text that people do not see was left out (comment)",)


def test_the_day_in_front_matter_wins_over_the_one_in_the_name() -> None:
    assert read(b"---\ndate: 2020-01-02\n---\nText", "2024-03-01-x.md").published == "2020-01-02"


def test_text_is_split_at_empty_lines() -> None:
    document = read(b"Erster\nAbsatz.\n\n \n\nZweiter.", "a.txt")
    assert blocks_of(document) == [("paragraph", "Erster\nAbsatz."), ("paragraph", "Zweiter.")]


VTT = """WEBVTT - Wärmewende, Folge 7
Language: de-DE

NOTE ein Kommentar

1
00:00:01.000 --> 00:00:04.000
<v Aylin Demir>Willkommen bei der <i>Wärmewende</i>, dem

2
00:00:04.000 --> 00:00:06.500
<v Aylin Demir>Podcast &amp; Blog.

3
00:00:06.500 --> 00:00:09.000
<v.loud Jonas Petersen>Danke!</v>

4
01:02:03.004 --> 01:02:05.000
- Hallo.
- Guten Tag.
"""


def test_webvtt_becomes_turns_with_speakers_and_times() -> None:
    document = read(VTT.encode(), "folge.vtt")
    assert blocks_of(document) == [
        ("turn", "Willkommen bei der Wärmewende, dem Podcast & Blog."),
        ("turn", "Danke!"),
        ("turn", "Hallo."),
        ("turn", "Guten Tag."),
    ]
    assert [(b.speaker, b.start_s, b.end_s) for b in document.blocks] == [
        ("Aylin Demir", 1.0, 6.5),
        ("Jonas Petersen", 6.5, 9.0),
        (None, 3723.004, 3725.0),
        (None, 3723.004, 3725.0),
    ]
    assert (document.title, document.language) == ("Wärmewende, Folge 7", "de")


def test_cues_without_usable_times_are_noted_or_refused() -> None:
    good = "00:01.000 --> 00:02.000\nGut."
    bad = "gestern --> heute\nKeine Zeiten."
    document = read(f"WEBVTT\n\n{good}\n\n{bad}\n".encode(), "a.vtt")
    assert document.notes == ("1 cues without text, or without times that can be understood, were left out",)
    assert refusal(f"WEBVTT\n\n{bad}\n".encode(), "a.vtt").code == "malformed"
    assert read(good.encode(), "a.vtt").notes == ("read as subrip, though it is named .vtt",)


LONG = "Die Anlage wurde im Frühjahr geplant und im Herbst desselben Jahres in Betrieb genommen,"
PAGES = [
    [
        ("Planungshandbuch", 20),
        "Nordwind Handbuch 1",
        ("Übersicht", 14),
        LONG,
        "was die Bewohner sehr gefreut und die Hausverwaltung von vielen Anrufen ent-",
        "lastet hat. Vor- und Nachteile wurden gegeneinander abgewogen, und alle wa -",
        "ren zufrieden.",
        "Ein zweiter Absatz beginnt hier und reicht bis auf die nächste Seite, weil er",
        "Seite 1",
    ],
    [
        "Nordwind Handbuch 2",
        "sehr lang ist.",
        "\x95 erster Punkt",
        "\x95 zweiter Punkt",
        "Seite 2",
    ],
    ["Nordwind Handbuch 3", "Dritte Seite.", "Seite 3"],
]


def printed(pages: list[list[str | tuple[str, int]]]) -> list[list[str | tuple[str, int]]]:
    """Bullets as cp1252 has them."""
    return [[line.replace("\x95", "•") if isinstance(line, str) else line for line in page] for page in pages]


def test_the_title_of_several_slides_is_read_once() -> None:
    slides = [[("Kosten", 20), *(f"Posten {page} {line} wird einzeln geprüft" for line in "abc")] for page in "PQRST"]

    document = read(make_pdf([["Vorher steht etwas"], *slides]), "a.pdf")

    assert [block.page for block in document.blocks if document.text[block.start : block.end] == "Kosten"] == [2]


def test_a_slide_that_is_built_up_is_read_once_and_keeps_its_title() -> None:
    steps = [[("Preise", 20), *(f"Punkt {name} der Liste" for name in "ABCDEF"[:count])] for count in range(1, 7)]
    document = read(make_pdf([["Vorher steht etwas"], *steps, ["Danach steht etwas"]]), "a.pdf")

    assert document.text.count("Preise") == 1
    assert [document.text.count(f"Punkt {name}") for name in "ABCDEF"] == [1] * 6
    assert {block.page for block in document.blocks} == {1, 7, 8}


def test_pdf_becomes_paragraphs_with_pages() -> None:
    document = read(make_pdf(printed(PAGES), metadata={"/Title": "Planungshandbuch"}), "handbuch.pdf")
    assert blocks_of(document) == [
        ("heading", "Planungshandbuch"),
        ("heading", "Übersicht"),
        (
            "paragraph",
            f"{LONG} was die Bewohner sehr gefreut und die Hausverwaltung von vielen Anrufen entlastet hat."
            " Vor- und Nachteile wurden gegeneinander abgewogen, und alle waren zufrieden.",
        ),
        ("paragraph", "Ein zweiter Absatz beginnt hier und reicht bis auf die nächste Seite, weil er sehr lang ist."),
        ("list", "- erster Punkt\n- zweiter Punkt"),
        ("paragraph", "Dritte Seite."),
    ]
    assert [block.page for block in document.blocks] == [1, 1, 1, 1, 2, 3]
    assert [block.level for block in document.blocks[:2]] == [1, 2]
    assert document.title == "Planungshandbuch"


def test_bookmarks_lead_to_headings() -> None:
    content = make_pdf([["1.2 Die Auslegung", LONG]], outline=[("Die Auslegung", 0)])
    assert blocks_of(read(content, "a.pdf"))[0] == ("heading", "1.2 Die Auslegung")


@pytest.mark.parametrize("title", ["Microsoft Word - Entwurf.doc", "untitled", "handbuch_v3.indd", "  "])
def test_titles_of_programs_are_no_titles(title: str) -> None:
    assert read(make_pdf([["Text."]], metadata={"/Title": title}), "a.pdf").title is None


def test_pdf_with_a_password_is_refused_and_with_an_empty_one_read() -> None:
    assert refusal(make_pdf([["Text."]], password="geheim"), "a.pdf").code == "encrypted"
    assert read(make_pdf([["Text."]], password=""), "a.pdf").text == "Text."


def test_pdf_without_text_is_refused_and_a_page_without_text_noted() -> None:
    assert refusal(make_pdf([[], []]), "a.pdf").code == "no_text_layer"
    assert read(make_pdf([["Text."], []]), "a.pdf").notes == ("page 2 holds no text",)


def test_a_pdf_named_otherwise_is_read_and_noted() -> None:
    document = read(make_pdf([["Text."]]), "a.md")
    assert (document.reader, document.notes) == (pdf.READER, ("read as pdf, though it is named .md",))


def test_damaged_pdf_is_refused() -> None:
    whole = make_pdf([["Text."]])
    for content in (whole[: len(whole) // 2], b"%PDF-1.7\n", b"%PDF-1.4\n" + bytes(range(256)) * 20):
        refused = refusal(content, "a.pdf")
        assert (refused.code, refused.reader) == ("malformed", pdf.READER)


def test_content_streams_that_explode_are_refused() -> None:
    content = make_pdf([["Text."]])
    stream = zlib.compress(b" " * 90_000_000, 9)
    start, end = content.index(b"BT"), content.index(b"ET") + 2
    bomb = content[:start] + stream + content[end:]
    bomb = bomb.replace(b"/Length %d" % (end - start), b"/Filter /FlateDecode /Length %d" % len(stream))
    assert refusal(bomb, "a.pdf").code in ("malformed", "no_text_layer")


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_no_mutation_of_a_pdf_takes_the_reader_down(data: st.DataObject) -> None:
    content = bytearray(make_pdf(printed(PAGES[:1])))
    for _ in range(data.draw(st.integers(1, 12))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    codes = (None, "malformed", "no_text_layer", "encrypted", "unknown_format", "unknown_encoding")
    assert outcome(bytes(content), "a.pdf") in codes


@settings(max_examples=150, deadline=None)
@given(
    st.text() | st.text(st.sampled_from("#*_[]()<>!`|-+=\n ab&;:\"'\\{}%~")), st.sampled_from([".md", ".txt", ".vtt"])
)
def test_any_text_is_read_or_refused(text: str, ending: str) -> None:
    codes = (None, "empty", "malformed", "unknown_format", "unknown_encoding")
    assert outcome(text.encode("utf-8", errors="replace"), f"a{ending}") in codes


def zip_file() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("word/document.xml", "<w/>")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "path", "code"),
    [
        (b"", "a.md", "empty"),
        (b" \n\t\r\n", "a.pdf", "empty"),
        (zip_file(), "a.docx", "malformed"),
        (zip_file(), "a.md", "archive"),
        (b"\x89PNG\r\n\x1a\n" + b"\x00" * 50, "a.txt", "unknown_format"),
        (b"\x00\x00\x00\x20ftypisom", "a.vtt", "unknown_format"),
        (b"<!DOCTYPE html><html><body> </body></html>", "a.vtt", "empty"),
        (b'<?xml version="1.0"?><rss/>', "a.txt", "empty"),
        (b'<?xml version="1.0"?><invoice/>', "a.xml", "unknown_format"),
        (b"<invoice/>", "a.xml", "unknown_format"),
        (b'{"segments": []}', "a.json", "unknown_format"),
        (bytes(range(1, 9)) * 100, "a.txt", "unknown_format"),
        (b"[1, 2, 3]", "a.json", "unknown_format"),
        (b'{"posts": ["a"]}', "a.json", "unknown_format"),
        (b"kein JSON", "a.json", "malformed"),
        (b"nur Text", "a.srt", "malformed"),
        (b"nur Text", "a.eml", "malformed"),
        (b"\\pard Text\\par}", "a.rtf", "malformed"),
        (b"850STL25.01" + bytes(20), "a.stl", "unknown_format"),
        (b"Scenarist_SCC V1.0\n\n00:00:22:00\t9425 9425\n", "a.scc", "unknown_format"),
        (b"[Script Info]\nTitle: x\n", "a.txt", "unknown_format"),
    ],
)
def test_what_is_not_read_is_refused_by_its_content(content: bytes, path: str, code: str) -> None:
    assert refusal(content, path).code == code


@pytest.mark.parametrize(
    ("content", "path", "reader"),
    [
        (b"---\ntitle: x\n---\nText", "a.docx", markdown.READER),
        (b"Nur Text", "notiz.pdf", text.READER),
        (b"Nur Text", "notiz.rtf", text.READER),
        (b"Nur Text", "notiz.ods", text.READER),
        (b"Nur Text", "LIESMICH", text.READER),
        (b"\xef\xbb\xbfWEBVTT\n\n00:01.000 --> 00:02.000\nx\n", "a.txt", webvtt.READER),
        (b"# Titel", "A.MARKDOWN", markdown.READER),
    ],
)
def test_the_content_decides_which_reader_is_used(content: bytes, path: str, reader: str) -> None:
    assert read(content, path).reader == reader
    assert reader in READERS


def test_invisible_characters_are_noted() -> None:
    assert "2 invisible characters were removed" in read("Wa\u200brm\u00adwasser".encode(), "a.txt").notes


def test_old_line_ends_keep_front_matter_in_its_place() -> None:
    document = read(b"---\rtitle: Alt\r---\r\r# Kopf\r\rText", "a.md")
    assert (document.title, document.text) == ("Alt", "Kopf\n\nText")


@pytest.mark.parametrize(
    ("content", "path"),
    [
        ("<div " * 30_000, "a.md"),
        ("<!--" * 30_000, "a.md"),
        ("{{<" * 30_000, "a.md"),
        ("WEBVTT\n\n00:01.000 --> 00:02.000\n" + "<v " * 30_000, "a.vtt"),
        ("x" * 1_000_000, "a.txt"),
    ],
)
def test_endless_markup_takes_no_quadratic_time(content: str, path: str) -> None:
    started = time.process_time()
    outcome(content.encode(), path)
    assert time.process_time() - started < 5


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("Name;Preis\nPumpe;12,50 €\nRohr;3,20 €", ["Name | Preis\nPumpe | 12,50 €\nRohr | 3,20 €"]),
        ('a,b\n"x, y","zwei\nZeilen"\n', ["a | b\nx, y | zwei Zeilen"]),
        ("a\tb\n\t2\n1\t\n\n\nc\td\n", ["a | b\n | 2\n1", "c | d"]),
        ("sep=|\na;b|c\n", ["a;b | c"]),
        ('Zoll;Preis\n3" Rohr;12\n4" Rohr;14\n', ['Zoll | Preis\n3" Rohr | 12\n4" Rohr | 14']),
        ('a;b\n"offen;1\n' + "x;2\n" * 9_000, ['a | b\n"offen | 1\n' + "x | 2\n" * 8_999 + "x | 2"]),
    ],
    ids=["semicolons", "quoted", "gaps", "named", "inches", "never closed"],
)
def test_tables_in_text(content: str, expected: list[str]) -> None:
    for ending, encoding in (("csv", "cp1252"), ("tsv", "utf-8-sig")):
        document = read(content.encode(encoding), f"a.{ending}")
        assert [document.text[block.start : block.end] for block in document.blocks] == expected
        assert {block.kind for block in document.blocks} == {"table"}


def test_a_table_of_too_many_cells_is_refused() -> None:
    with pytest.raises(RefusedError) as refused:
        read_parts(b"a;b\nc;d\ne;f\n", "a.csv", Limits(cells=5))
    assert refused.value.code == "too_many_entries"


NOTE = """---json
{"title": "Notiz", "author": {"name": "Aylin Demir"}}
---

import Kasten from './Kasten.astro';
export const meta = {};

## Schall {#schall .wichtig}

Mehr in [[Aufbau|dem Aufbau]] und [[Hof]], ==sehr== laut, ![[bild.png]] %%nur für uns%% aber `[[ -f a ]] == %%`. ^a1

> [!warning]- Achtung
> Heiß.

[Link](x){:target="_blank"} {/* weg */}
{: .notice}
"""


def test_notation_of_notes_and_of_site_generators_is_no_text() -> None:
    document = read(NOTE.encode(), "notiz.mdx")
    assert blocks_of(document) == [
        ("heading", "Schall"),
        ("paragraph", "Mehr in dem Aufbau und Hof, sehr laut, aber [[ -f a ]] == %%."),
        ("paragraph", "Achtung Heiß."),
        ("paragraph", "Link"),
    ]
    assert (document.title, document.authors) == ("Notiz", ("Aylin Demir",))
    assert [hidden.text for hidden in document.hidden] == ["nur für uns"]


@pytest.mark.parametrize(("head", "tags"), [("layout: post\n", ("a", "b")), ("", ("a b",))])
def test_jekyll_separates_tags_with_blanks(head: str, tags: tuple[str, ...]) -> None:
    assert read(f"---\n{head}tags: a b\n---\nText".encode(), "a.md").tags == tags
