"""Office files keep what a person sees in them, in order, and nothing that was deleted or hidden."""

from __future__ import annotations

import datetime as dt
import io
from email.message import EmailMessage

import pytest

from assets.silver.document import Document, RefusedPart
from assets.silver.limits import Limits
from assets.silver.readers import read
from assets.silver.readers.number_format import shown
from assets.silver.refusal import RefusedError
from tests.assets.silver_office import make_docx, make_odf, paragraph, run
from tests.assets.test_silver_normalise import assert_sound

Blocks = list[tuple[str, str]]


def only(content: bytes, path: str) -> Document:
    (document,) = read(content, path)
    assert_sound(document)
    return document


def blocks_of(document: Document) -> Blocks:
    return [(block.kind, document.text[block.start : block.end]) for block in document.blocks]


def hidden_of(document: Document) -> dict[str, str]:
    return {hidden.kind: hidden.text for hidden in document.hidden}


# --- Word

HEADING_STYLES = (
    '<w:style w:type="paragraph" w:styleId="H1"><w:name w:val="heading 1"/><w:pPr><w:outlineLvl w:val="0"/></w:pPr>'
    '</w:style><w:style w:type="paragraph" w:styleId="H2"><w:name w:val="heading 2"/><w:basedOn w:val="H1"/>'
    '<w:pPr><w:outlineLvl w:val="1"/></w:pPr></w:style>'
    '<w:style w:type="character" w:styleId="Geheim"><w:name w:val="Geheim"/><w:rPr><w:vanish/></w:rPr></w:style>'
)
NUMBERING = (
    '<w:abstractNum w:abstractNumId="0"><w:lvl w:ilvl="0"><w:numFmt w:val="decimal"/><w:lvlText w:val="%1."/></w:lvl>'
    '<w:lvl w:ilvl="1"><w:numFmt w:val="lowerLetter"/><w:lvlText w:val="%2)"/></w:lvl></w:abstractNum>'
    '<w:abstractNum w:abstractNumId="1"><w:lvl w:ilvl="0"><w:numFmt w:val="bullet"/><w:lvlText w:val="·"/></w:lvl>'
    '</w:abstractNum><w:num w:numId="1"><w:abstractNumId w:val="0"/></w:num>'
    '<w:num w:numId="2"><w:abstractNumId w:val="1"/></w:num>'
    '<w:num w:numId="3"><w:abstractNumId w:val="0"/><w:lvlOverride w:ilvl="0"><w:startOverride w:val="5"/>'
    "</w:lvlOverride></w:num>"
)


def item(text: str, numbering: int, depth: int = 0) -> str:
    properties = f'<w:numPr><w:ilvl w:val="{depth}"/><w:numId w:val="{numbering}"/></w:numPr>'
    return paragraph(text, properties=properties)


def cell(*content: str, properties: str = "") -> str:
    return f"<w:tc><w:tcPr>{properties}</w:tcPr>{''.join(content)}</w:tc>"


def row(*cells: str) -> str:
    return f"<w:tr>{''.join(cells)}</w:tr>"


WORD: list[tuple[str, str, dict[str, str], Blocks]] = [
    (
        "headings",
        paragraph("Übersicht", properties='<w:pStyle w:val="H1"/>')
        + paragraph("Ein Absatz.")
        + paragraph("Näher", properties='<w:pStyle w:val="H2"/>'),
        {"styles": HEADING_STYLES},
        [("heading", "Übersicht"), ("paragraph", "Ein Absatz."), ("heading", "Näher")],
    ),
    (
        "lists",
        item("eins", 1) + item("innen", 1, 1) + item("zwei", 1) + item("Punkt", 2) + item("fünf", 3),
        {"numbering": NUMBERING},
        [("list", "1. eins\n  a) innen\n2. zwei\n- Punkt\n5. fünf")],
    ),
    (
        "tracked changes",
        paragraph(
            "Es bleibt ",
            f'<w:del w:id="1"><w:r><w:delText>alt</w:delText></w:r></w:del><w:ins w:id="2">{run("neu")}</w:ins>',
            f'<w:moveFrom w:id="3">{run("weg")}</w:moveFrom>',
            ".",
        )
        + paragraph("Erster ", properties='<w:rPr><w:del w:id="4"/></w:rPr>')
        + paragraph("Teil."),
        {},
        [("paragraph", "Es bleibt neu."), ("paragraph", "Erster Teil.")],
    ),
    (
        "tables",
        "<w:tbl>"
        + row(cell(paragraph("Größe")), cell(paragraph("Preis")))
        + row(cell(paragraph("12 kW"), properties='<w:vMerge w:val="restart"/>'), cell(paragraph("9.000 €")))
        + row(cell(paragraph(""), properties="<w:vMerge/>"), cell(paragraph("mit"), paragraph("Einbau")))
        + "</w:tbl>",
        {},
        [("table", "Größe | Preis\n12 kW | 9.000 €\n | mit Einbau")],
    ),
    (
        "a table of one column is a frame",
        "<w:tbl>" + row(cell(paragraph("Hinweis."), item("Punkt", 2))) + "</w:tbl>",
        {"numbering": NUMBERING},
        [("paragraph", "Hinweis."), ("list", "- Punkt")],
    ),
    (
        "footnotes",
        paragraph("Satz", '<w:r><w:footnoteReference w:id="7"/></w:r>', " geht weiter."),
        {"footnotes": f'<w:footnote w:id="7">{paragraph("Die Fußnote.")}</w:footnote>'},
        [("paragraph", "Satz[1] geht weiter."), ("paragraph", "[1] Die Fußnote.")],
    ),
    (
        "fields show their result",
        paragraph(
            '<w:r><w:fldChar w:fldCharType="begin"/></w:r><w:r><w:instrText>HYPERLINK x</w:instrText></w:r>',
            '<w:r><w:fldChar w:fldCharType="separate"/></w:r>',
            "Verweis",
            '<w:r><w:fldChar w:fldCharType="end"/></w:r>',
            ", Schluss.",
        ),
        {},
        [("paragraph", "Verweis, Schluss.")],
    ),
    (
        "text boxes and breaks",
        paragraph(
            "Zeile",
            "<w:r><w:br/></w:r>",
            "zwei",
            f"<w:r><w:pict><w:txbxContent>{paragraph('Kasten')}</w:txbxContent></w:pict></w:r>",
        ),
        {},
        [("paragraph", "Zeile\nzwei"), ("paragraph", "Kasten")],
    ),
    (
        "large and bold paragraphs are headings where no style says what is",
        paragraph(run("Einleitung", "<w:b/>"))
        + "".join(paragraph("Ein gewöhnlicher Absatz mit ganzen Sätzen.") for _ in range(4)),
        {},
        [("heading", "Einleitung"), *[("paragraph", "Ein gewöhnlicher Absatz mit ganzen Sätzen.")] * 4],
    ),
]


@pytest.mark.parametrize(("body", "parts", "expected"), [case[1:] for case in WORD], ids=[case[0] for case in WORD])
def test_word_keeps_what_is_printed(body: str, parts: dict[str, str], expected: Blocks) -> None:
    assert blocks_of(only(make_docx(body, **parts), "a.docx")) == expected


WHITE, TINY, VANISH = '<w:color w:val="FFFFFF"/>', '<w:sz w:val="2"/>', "<w:vanish/>"
SHADED = '<w:shd w:val="clear" w:fill="203040"/>'


@pytest.mark.parametrize(
    ("properties", "kind"),
    [
        (VANISH, "hidden_text"),
        ('<w:rStyle w:val="Geheim"/>', "hidden_text"),
        (WHITE, "white_text"),
        (TINY, "tiny_text"),
        (WHITE + SHADED, None),
        (WHITE + '<w:highlight w:val="blue"/>', None),
        ('<w:rStyle w:val="Geheim"/><w:vanish w:val="0"/>', None),
    ],
)
def test_hidden_text_of_word_is_kept_apart(properties: str, kind: str | None) -> None:
    content = make_docx(paragraph("Sichtbar. ", run("Verdeckt.", properties)), styles=HEADING_STYLES)
    document = only(content, "a.docx")
    assert hidden_of(document) == ({} if kind is None else {kind: "Verdeckt."})
    assert ("Verdeckt" in document.text) is (kind is None)


def test_white_letters_on_a_dark_cell_are_seen_and_comments_are_not() -> None:
    table = row(cell(paragraph(run("Kopf", WHITE)), properties=SHADED), cell(paragraph(run("weg", WHITE))))
    comments = f'<w:comment w:id="1">{paragraph("Bitte prüfen")}</w:comment>'
    document = only(make_docx(f"<w:tbl>{table}</w:tbl>", comments=comments), "a.docx")
    assert document.text == "Kopf"
    assert hidden_of(document) == {"white_text": "weg", "comment": "Bitte prüfen"}


def test_pages_are_those_that_word_noted_where_it_noted_all_of_them() -> None:
    broken = "<w:r><w:lastRenderedPageBreak/><w:t>Zweite Seite.</w:t></w:r>"
    body = paragraph("Erste Seite.") + paragraph(broken)
    for pages, expected in ((2, [1, 2]), (5, [None, None])):
        content = make_docx(body, pages=pages)
        assert [block.page for block in only(content, "a.docx").blocks] == expected


def test_word_gives_its_properties_but_not_those_of_programs() -> None:
    import docx

    made = docx.Document()
    made.add_heading("Übersicht", 1)
    made.add_paragraph("Text.")
    made.core_properties.title = "Planung"
    made.core_properties.author = "Lindqvist, Maja; Jonas Petersen"
    made.core_properties.modified = dt.datetime(2026, 2, 3, tzinfo=dt.UTC)
    buffer = io.BytesIO()
    made.save(buffer)
    document = only(buffer.getvalue(), "a.docx")
    assert (document.title, document.published) == ("Planung", "2026-02-03")
    assert document.authors == ("Lindqvist, Maja", "Jonas Petersen")
    assert blocks_of(document) == [("heading", "Übersicht"), ("paragraph", "Text.")]
    assert document.reader.startswith("docx/")


@pytest.mark.parametrize("entity", ['"GEHEIM"', 'SYSTEM "file:///etc/hostname"'])
def test_xml_that_declares_entities_is_refused_for_that(entity: str) -> None:
    content = make_docx(paragraph("Vorher &a; nachher."), prologue=f"<!DOCTYPE x [<!ENTITY a {entity}>]>")
    with pytest.raises(RefusedError) as refused:
        only(content, "a.docx")
    assert (refused.value.code, refused.value.detail) == (
        "xml_entities",
        "the document type of word/document.xml declares entities",
    )


# --- PowerPoint


CHART = """<c:chartSpace xmlns:c="urn:c" xmlns:a="urn:a"><c:chart><c:title><a:t>Umsatz</a:t></c:title><c:plotArea>
<c:ser><c:tx><c:pt idx="0"><c:v>2025</c:v></c:pt></c:tx><c:cat><c:pt idx="0"><c:v>Ost</c:v></c:pt></c:cat>
<c:val><c:pt idx="0"><c:v>19</c:v></c:pt></c:val></c:ser></c:plotArea></c:chart></c:chartSpace>"""
DIAGRAM = """<d:dataModel xmlns:d="urn:d" xmlns:a="urn:a">
<d:pt><d:t><a:p><a:r><a:t>Planen</a:t></a:r></a:p></d:t></d:pt>
<d:pt><d:t><a:p/></d:t></d:pt></d:dataModel>"""


def test_charts_and_diagrams_of_a_document_follow_the_paragraph_they_stand_in() -> None:
    drawing = (
        '<w:r><w:drawing><x><c:chart xmlns:c="urn:c" r:id="chart.xml"/></x></w:drawing></w:r>'
        '<w:r><w:drawing><d:relIds xmlns:d="urn:d" r:dm="data.xml"/></w:drawing></w:r>'
    )
    made = make_docx(paragraph("Davor", drawing) + paragraph("Danach"), files={"chart.xml": CHART, "data.xml": DIAGRAM})

    assert blocks_of(only(made, "a.docx")) == [
        ("paragraph", "Davor"),
        ("paragraph", "Umsatz"),
        ("table", "| 2025\nOst | 19"),
        ("list", "- Planen"),
        ("paragraph", "Danach"),
    ]


MHT = (
    "MIME-Version: 1.0\r\nContent-Type: multipart/related; boundary=x\r\n\r\n--x\r\n"
    'Content-Type: text/html; charset="utf-8"\r\n\r\n<p>Grüße</p>\r\n--x--\r\n'
).encode()


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.html", "<h2>Kopf</h2><nav>Menü</nav><p>Grüße</p>", [("heading", "Kopf"), ("paragraph", "Menü\n\nGrüße")]),
        ("a.mht", MHT, [("paragraph", "Grüße")]),
        ("a.docx", make_docx(paragraph("Grüße")), [("paragraph", "Grüße")]),
    ],
)
def test_files_that_word_takes_in_are_part_of_the_document(name: str, content: str | bytes, expected: Blocks) -> None:
    made = make_docx(paragraph("Davor") + f'<w:altChunk r:id="{name}"/>', files={name: content})

    found = blocks_of(only(made, "a.docx"))

    assert [text for _, text in found] == ["Davor", *"\n\n".join(text for _, text in expected).split("\n\n")]
    assert {kind for kind, _ in expected} <= {kind for kind, _ in found}


def test_a_file_in_a_document_that_nobody_reads_leaves_the_rest() -> None:
    made = make_docx(paragraph("Davor") + '<w:altChunk r:id="a.bin"/>', files={"a.bin": b"\x89PNG\r\n\x1a\n"})

    document = only(made, "a.docx")

    assert document.text == "Davor"
    assert document.refused == (RefusedPart("a.bin", "unknown_format", "the content is a PNG image"),)


def test_documents_within_documents_end() -> None:
    made = make_docx(paragraph("Innen"))
    for _ in range(6):
        made = make_docx('<w:altChunk r:id="a.docx"/>', files={"a.docx": made})

    document = only(made, "a.docx")

    assert document.text == ""
    assert document.refused == (RefusedPart("a.docx", "nested_too_deep", "documents within documents", "docx/3"),)


def test_small_letters_of_a_small_slide_are_seen() -> None:
    from pptx import Presentation
    from pptx.util import Emu, Pt

    made = Presentation()
    made.slide_width, made.slide_height = Emu(3_048_000), Emu(2_286_000)
    slide = made.slides.add_slide(made.slide_layouts[6])
    paragraph = slide.shapes.add_textbox(0, 0, Emu(900_000), Emu(900_000)).text_frame.paragraphs[0]
    for text, size in (("lesbar", 3), ("winzig", 1)):
        run = paragraph.add_run()
        run.text, run.font.size = text, Pt(size)
    buffer = io.BytesIO()
    made.save(buffer)

    document = only(buffer.getvalue(), "a.pptx")

    assert (document.text, hidden_of(document)) == ("lesbar", {"tiny_text": "winzig"})


def test_text_boxes_of_a_sheet_follow_its_cells() -> None:
    from xlsxwriter import Workbook

    buffer = io.BytesIO()
    made = Workbook(buffer)
    sheet = made.add_worksheet("Preise")
    sheet.write_row(0, 0, ["A", "B"])
    sheet.insert_textbox(3, 3, "Alle Preise ohne Gewähr.")
    made.add_worksheet("Rest").write(0, 0, "x")
    made.close()

    document = only(buffer.getvalue(), "a.xlsx")

    assert blocks_of(document)[:3] == [
        ("heading", "Preise"),
        ("table", "A | B"),
        ("paragraph", "Alle Preise ohne Gewähr."),
    ]


def test_slides_are_pages_with_titles_lists_tables_charts_and_notes() -> None:
    from pptx import Presentation
    from pptx.chart.data import CategoryChartData
    from pptx.enum.chart import XL_CHART_TYPE
    from pptx.util import Inches

    made = Presentation()
    slide = made.slides.add_slide(made.slide_layouts[1])
    slide.shapes.title.text = "Wärmepumpen"
    frame = slide.placeholders[1].text_frame
    frame.text = "Erster Punkt"
    inner = frame.add_paragraph()
    inner.text, inner.level = "Unterpunkt", 1
    place = (Inches(1), Inches(1), Inches(3), Inches(1))
    table = slide.shapes.add_table(1, 2, *place).table
    table.cell(0, 0).text, table.cell(0, 1).text = "12 kW", "9.000 €"
    data = CategoryChartData()
    data.categories = ["Ost", "West"]
    data.add_series("Umsatz", (19, 21))
    slide.shapes.add_chart(XL_CHART_TYPE.COLUMN_CLUSTERED, *place, data)
    slide.shapes.add_textbox(Inches(30), 0, Inches(1), Inches(1)).text_frame.text = "neben der Folie"
    slide.notes_slide.notes_text_frame.text = "Langsam sprechen."
    hidden = made.slides.add_slide(made.slide_layouts[5])
    hidden.shapes.title.text = "Nicht gezeigt"
    hidden._element.set("show", "0")
    last = made.slides.add_slide(made.slide_layouts[5])
    last.shapes.title.text = "Schluss"
    buffer = io.BytesIO()
    made.save(buffer)
    document = only(buffer.getvalue(), "a.pptx")
    assert blocks_of(document) == [
        ("heading", "Wärmepumpen"),
        ("list", "- Erster Punkt\n  - Unterpunkt"),
        ("table", "12 kW | 9.000 €"),
        ("table", "| Umsatz\nOst | 19\nWest | 21"),
        ("paragraph", "Langsam sprechen."),
        ("heading", "Schluss"),
    ]
    assert [block.page for block in document.blocks] == [1, 1, 1, 1, 1, 3]
    assert hidden_of(document) == {"off_page": "neben der Folie", "hidden_slide": "Nicht gezeigt"}


# --- Excel


def test_sheets_are_tables_with_values_as_people_see_them() -> None:
    from openpyxl import Workbook
    from openpyxl.comments import Comment

    made = Workbook()
    sheet = made.active
    sheet.title = "Preise"
    sheet.append(["Artikel", "Preis", "gültig ab", "Anteil"])
    sheet.append(["Wärmepumpe für das Einfamilienhaus", 9000.5, dt.date(2026, 3, 1), 0.125])
    sheet["B2"].number_format, sheet["C2"].number_format = '#,##0.00 "€"', "DD.MM.YYYY"
    sheet["D2"].number_format = "0.0%"
    sheet["A4"] = "Alle Angaben sind ohne Gewähr und gelten nicht für Händler."
    sheet["F2"], sheet["XFD1048576"] = "verborgen", "weit weg"
    sheet.column_dimensions["F"].hidden = True
    sheet["A2"].comment = Comment("intern", "ich")
    other = made.create_sheet("Kalkulation")
    other["A1"], other.sheet_state = "geheim", "hidden"
    buffer = io.BytesIO()
    made.save(buffer)
    document = only(buffer.getvalue(), "a.xlsx")
    assert blocks_of(document) == [
        ("heading", "Preise"),
        (
            "table",
            "Artikel | Preis | gültig ab | Anteil\n"
            "Wärmepumpe für das Einfamilienhaus | 9.000,50 € | 01.03.2026 | 12,5%",
        ),
        ("paragraph", "Alle Angaben sind ohne Gewähr und gelten nicht für Händler."),
        ("paragraph", "weit weg"),
    ]
    assert {block.page for block in document.blocks} == {1}
    assert hidden_of(document) == {"hidden_cells": "verborgen", "comment": "intern", "hidden_sheet": "geheim"}
    assert "1 hidden sheet was left out" in document.notes


@pytest.mark.parametrize(
    ("value", "code", "language", "expected"),
    [
        (1234.5, "General", "en", "1234.5"),
        (1234.5, "General", "de", "1234,5"),
        (12345678901234.0, "General", "en", "1.23456789E+13"),
        (1234.5, "#,##0.00", "en", "1,234.50"),
        (1234.5, "#,##0.00", "de", "1.234,50"),
        (1234.5, "#,##0.00 [$€-407]", "en", "1.234,50 €"),
        (0.125, "0%", "en", "13%"),
        (-1234.5, "#,##0.0_);[Red](#,##0.0)", "en", "(1,234.5)"),
        (-5, "0", "en", "-5"),
        (-5, "0;;", "en", ""),
        (0, '0;-0;"keine"', "de", "keine"),
        (3, '0" Stück"', "de", "3 Stück"),
        (1234567, '0.0,,"M"', "en", "1.2M"),
        (12345, "0.00E+00", "en", "1.23E+04"),
        (7, "000", "en", "007"),
        (0.5, "#.##", "en", ".5"),
        (2.005, "0.00", "en", "2.01"),
        (45000, "DD.MM.YYYY", "de", "15.03.2023"),
        (45000.75, "d. mmmm yyyy h:mm", "de", "15. März 2023 18:00"),
        (45000.75, "ddd h:mm AM/PM", "en", "Wed 6:00 PM"),
        (45000.75, "[$-409]mmm d, yyyy", "de", "Mar 15, 2023"),
        (1.5, "[h]:mm", "en", "36:00"),
        (0.000011574 * 90, "mm:ss", "en", "01:30"),
        (1, "yyyy-mm-dd", "en", "1900-01-01"),
        (61, "yyyy-mm-dd", "en", "1900-03-01"),
        (-1, "yyyy-mm-dd", "en", "-1"),
        (1e12, "yyyy-mm-dd", "en", "1E+12"),
        (float("nan"), "0", "en", ""),
    ],
)
def test_numbers_are_shown_as_their_format_says(value: float, code: str, language: str, expected: str) -> None:
    assert shown(value, code, language=language) == expected


# --- OpenDocument and RTF

ODF_STYLES = (
    '<style:style style:name="weg"><style:text-properties text:display="none"/></style:style>'
    '<style:style style:name="weiss"><style:text-properties fo:color="#ffffff"/></style:style>'
    '<text:list-style style:name="L"><text:list-level-style-number text:level="1" style:num-format="1"/>'
    "</text:list-style>"
)
ODF_BODY = (
    "<text:tracked-changes><text:changed-region><text:deletion><text:p>gelöscht</text:p></text:deletion>"
    '</text:changed-region></text:tracked-changes><text:h text:outline-level="2">Übersicht</text:h>'
    '<text:p>Ein<text:s text:c="2"/>Absatz<text:span text:style-name="weg">versteckt</text:span>'
    '<text:span text:style-name="weiss">weiß</text:span><text:note><text:note-citation>1</text:note-citation>'
    "<text:note-body><text:p>Fußnote</text:p></text:note-body></text:note>."
    "<office:annotation><text:p>Anmerkung</text:p></office:annotation></text:p>"
    '<text:list text:style-name="L"><text:list-item><text:p>eins</text:p><text:list><text:list-item>'
    "<text:p>innen</text:p></text:list-item></text:list></text:list-item></text:list>"
    "<table:table><table:table-row><table:table-cell><text:p>A</text:p></table:table-cell>"
    "<table:table-cell><text:p>B</text:p></table:table-cell></table:table-row></table:table>"
)
RTF = r"""{\rtf1\ansi\ansicpg1252\deff0{\fonttbl{\f0\fswiss\fcharset0 Arial;}}
{\colortbl;\red0\green0\blue0;\red255\green255\blue255;}
{\stylesheet{\s0 Normal;}{\s1\outlinelevel0\b\fs32 heading 1;}}{\info{\title Die Planung}{\author Maja Lindqvist}}
\pard\s1\b\fs32 \'dcbersicht\par
\pard\plain Ein \u228?u\'dferer Absatz{\v versteckt}{\cf2 wei\'df}{\deleted alt}.{\footnote\pard Fu\'dfnote}\par
{\listtext\'b7\tab}eins\par{\listtext\'b7\tab}zwei\par
\trowd\cellx100\cellx200 A\cell B\cell\row
\pard{\header Kopf}}"""


def test_opendocument_text_keeps_what_is_printed() -> None:
    metadata = "<dc:title>Die Planung</dc:title><dc:creator>Maja Lindqvist</dc:creator><dc:date>2026-02-03</dc:date>"
    document = only(make_odf(ODF_BODY, styles=ODF_STYLES, metadata=metadata), "a.odt")
    assert blocks_of(document) == [
        ("heading", "Übersicht"),
        ("paragraph", "Ein Absatz[1]."),
        ("paragraph", "[1] Fußnote"),
        ("list", "1. eins\n  - innen"),
        ("table", "A | B"),
    ]
    assert hidden_of(document) == {"hidden_text": "versteckt", "white_text": "weiß", "comment": "Anmerkung"}
    assert (document.title, document.authors, document.published) == ("Die Planung", ("Maja Lindqvist",), "2026-02-03")


def test_white_letters_on_a_slide_are_seen() -> None:
    letters = '<text:p><text:span text:style-name="weiss">weiß</text:span></text:p>'
    box = f"<drawing:frame><drawing:text-box>{letters}</drawing:text-box></drawing:frame>"
    body = f"<drawing:page>{box}</drawing:page>"

    document = only(make_odf(body, styles=ODF_STYLES, kind="presentation"), "a.odp")

    assert (document.text, hidden_of(document)) == ("weiß", {})


def test_opendocument_sheets_are_pages() -> None:
    cells = "".join(f"<table:table-cell><text:p>{text}</text:p></table:table-cell>" for text in ("A", "1,5 €"))
    body = (
        f'<table:table table:name="Preise"><table:table-row>{cells}</table:table-row>'
        '<table:table-row table:number-rows-repeated="1048574"><table:table-cell/></table:table-row></table:table>'
    )
    document = only(make_odf(body, kind="spreadsheet"), "a.ods")
    assert blocks_of(document) == [("heading", "Preise"), ("table", "A | 1,5 €")]


def test_rtf_keeps_what_is_printed() -> None:
    document = only(RTF.encode("cp1252"), "a.rtf")
    assert blocks_of(document) == [
        ("heading", "Übersicht"),
        ("paragraph", "Ein äußerer Absatz.[1]"),
        ("paragraph", "[1] Fußnote"),
        ("list", "- eins\n- zwei"),
        ("table", "A | B"),
    ]
    assert {kind: text.strip() for kind, text in hidden_of(document).items()} == {
        "hidden_text": "versteckt",
        "white_text": "weiß",
    }
    assert (document.title, document.authors) == ("Die Planung", ("Maja Lindqvist",))


# --- e-mail


def message(subject: str = "AW: Wartung", sender: str = "Maja Lindqvist <maja@example.org>") -> EmailMessage:
    made = EmailMessage()
    made["From"], made["To"], made["Subject"] = sender, "jemand@example.org", subject
    made["Date"] = "Tue, 03 Mar 2026 10:00:00 +0100"
    return made


def test_a_message_and_its_attachments_are_documents() -> None:
    inner = message("Weitergeleitet")
    inner.set_content("<p>Grüße</p><ul><li>eins</li></ul>", subtype="html")
    outer = message()
    outer.set_content("Hallo,\n\nanbei für Müller.\n\n-- \nMaja Lindqvist\n0171 5550123")
    outer.add_attachment(b"# Protokoll", maintype="text", subtype="markdown", filename="../../protokoll.md")
    outer.add_attachment(b"# Anderes", maintype="text", subtype="markdown", filename="protokoll.md")
    outer.add_attachment(b"\x89PNG\r\n\x1a\n" + bytes(50), maintype="image", subtype="png", filename="bild.png")
    outer.add_attachment(inner)
    documents = read(outer.as_bytes(), "a.eml")
    assert [(document.part, document.text) for document in documents] == [
        (None, "Hallo,\n\nanbei für Müller."),
        ("protokoll.md", "Protokoll"),
        ("protokoll.md (2)", "Anderes"),
        ("attachment-4.eml", "Grüße\n\n- eins"),
    ]
    first = documents[0]
    assert (first.title, first.authors, first.published) == ("Wartung", ("Maja Lindqvist",), "2026-03-03")
    assert first.refused == (RefusedPart("bild.png", "unknown_format", "the content is a PNG image"),)


@pytest.mark.parametrize("sender", ["maja@example.org", '"maja@example.org" <maja@example.org>'])
def test_addresses_become_neither_author_nor_title(sender: str) -> None:
    made = message("Frage von maja@example.org", sender)
    made.set_content("Text.")
    (document,) = read(made.as_bytes(), "a.eml")
    assert (document.title, document.authors) == ("Frage von", ())


def test_a_message_begins_with_blanks_or_a_header_without_any() -> None:
    made = message()
    made.set_content("Grüße")
    for start in (b" " * 80 + b"\r\n", b"\xef\xbb\xbf", b"X-Store-Info:J++/JTCz\n"):
        (document,) = read(start + made.as_bytes(), "a.eml")
        assert (document.text, document.title, document.notes) == ("Grüße", "Wartung", ())


@pytest.mark.parametrize(
    ("charset", "encoding", "text"),
    [
        ("iso-8859-1", "cp1252", "„Grüße“ – 5 €"),
        ("iso-8859-1", "utf-8", "„Grüße“ – 5 €"),
        ("us-ascii", "utf-8", "„Grüße“ – 5 €"),
        ("iso-8859-1", "iso-8859-1", "Grüße"),
        ("gb2312", "gb18030", "屄 é"),
        ("shift_jis", "cp932", "①"),
    ],
)
def test_character_sets_are_read_as_browsers_do(charset: str, encoding: str, text: str) -> None:
    head = f"From: Maja <maja@example.org>\nSubject: x\nContent-Type: text/plain; charset={charset}\n"

    (document,) = read(f"{head}Content-Transfer-Encoding: 8bit\n\n".encode() + text.encode(encoding), "a.eml")

    assert document.text == text


def test_flowed_text_is_joined_and_declared_character_sets_are_kept() -> None:
    made = message()
    made.set_content("Ein Satz, der \nweitergeht: äöü ß €.\n", charset="cp1252", cte="quoted-printable")
    made.replace_header("Content-Type", 'text/plain; charset="cp1252"; format=flowed')
    assert read(made.as_bytes(), "a.eml")[0].text == "Ein Satz, der weitergeht: äöü ß €."


def test_rtf_of_old_macintosh_and_signs_in_two_halves() -> None:
    assert only(rb"{\rtf1\mac Gr\'9f\'a7e.\par}", "a.rtf").text == "Grüße."
    assert only(rb"{\rtf1\ansi\ansicpg1252 Gut \u-10179?\u-8694?.\par}", "a.rtf").text == "Gut 😊."


def test_a_text_that_is_attached_is_in_the_character_set_its_part_declares() -> None:
    message = EmailMessage()
    message["From"], message["Subject"] = "ada@example.org", "Text"
    message.set_content("Anbei.")
    message.add_attachment("こんにちは", charset="iso-2022-jp", filename="a.txt")
    assert [document.text for document in read(message.as_bytes(), "a.eml")] == ["Anbei.", "こんにちは"]


def test_cells_beyond_the_limit_are_refused() -> None:
    from openpyxl import Workbook

    made = Workbook()
    for number in range(4):
        made.active.append([number, f"Zeile {number}"])
    buffer = io.BytesIO()
    made.save(buffer)
    with pytest.raises(RefusedError) as refused:
        read(buffer.getvalue(), "a.xlsx", Limits(cells=7))
    assert (refused.value.code, refused.value.detail) == ("too_many_entries", "more than 7 filled cells")


def test_a_mailbox_holds_a_document_for_each_message() -> None:
    first, second, sealed = message("Eins"), message("Zwei"), message("Drei")
    first.set_content("Guten Tag.\n\nFrom hier an geht es weiter.\n")
    second.set_content("Anbei die Liste.\n")
    second.add_attachment("Größe: 12\n", filename="liste.txt")
    second["Message-ID"] = "<2@example.org>"
    sealed.add_header("Content-Type", "application/pkcs7-mime")
    box = b"".join(
        b"From maja@example.org Tue Mar  3 09:00:00 2026\n"
        + one.as_bytes().replace(b"\nFrom hier", b"\n>From hier")
        + b"\n"
        for one in (first, second, sealed)
    )
    documents = read(box, "archiv.mbox")
    assert [document.title for document in documents] == ["Eins", "Zwei", "liste"]
    assert "\n\nFrom hier an geht es weiter." in documents[0].text
    assert (documents[2].part or "").startswith(f"{documents[1].part}/")
    assert [part.code for part in documents[0].refused] == ["encrypted"]
    # what a message is called does not depend on the messages before it
    rest = read(box[box.index(b"From maja", 9) :], "archiv.mbox")
    assert [document.part for document in rest] == [document.part for document in documents[1:]]


def test_a_page_that_a_browser_saved_is_read_as_a_page() -> None:
    made = EmailMessage()
    made["From"] = "<Saved by Blink>"
    made["Subject"] = "Seite"
    made["Snapshot-Content-Location"] = "https://example.org/seite"
    made.set_content(
        "<html lang='de'><head><title>Seite</title></head><body><nav><a href='/'>Start</a></nav><main><h2>Schall</h2>"
        "<p>Die Pumpe steht im Hof und ist leise, was alle freut.</p></main></body></html>",
        subtype="html",
    )
    made.add_related(b"p { color: red }", maintype="text", subtype="css")
    (document,) = read(made.as_bytes(), "seite.mhtml")
    assert [block.kind for block in document.blocks] == ["heading", "paragraph"]
    assert (document.title, document.url, document.language) == ("Seite", "https://example.org/seite", "de")
    assert document.notes == ()


def test_footers_of_lists_and_headers_beyond_ascii() -> None:
    head = "From: Maja Lindqvist <m@example.org>\nSubject: Größe\nContent-Type: text/plain; charset=iso-8859-1\n\n"
    rule = "_" * 47
    for footer in (f"{rule}\nTeam mailing list\nhttps://example.org/mailman/listinfo/team\n", ""):
        (document,) = read(f"{head}Ein Satz.\n{footer}".encode("latin-1"), "a.eml")
        assert (document.title, document.text) == ("Größe", "Ein Satz.")
    (document,) = read(f"{head}Name:\n{rule}\nDatum und Unterschrift\n".encode("latin-1"), "a.eml")
    assert "Unterschrift" in document.text


def test_a_dropped_initial_belongs_to_its_word() -> None:
    body = paragraph("D", properties='<w:framePr w:dropCap="drop" w:lines="3"/>') + paragraph("ie Pumpe ist leise.")
    (document,) = read(make_docx(body), "a.docx")
    assert document.text == "Die Pumpe ist leise."
