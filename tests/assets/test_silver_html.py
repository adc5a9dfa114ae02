"""HTML keeps its structure, loses what surrounds it, and tells what it hides."""

from __future__ import annotations

import time

import pytest

from assets.silver.document import Document
from assets.silver.readers import html_tree, read
from assets.silver.refusal import RefusedError
from tests.assets.test_silver_normalise import assert_sound

PAGE = """<!doctype html>
<html lang="de-DE"><head><title>Wärme im Hof | Nordwind</title>
<meta property="og:title" content="Wärme im Hof"><meta name="author" content="Aylin Demir">
<meta property="article:published_time" content="2026-03-01T10:00:00+01:00">
<meta name="keywords" content="Wärme, Hof"><link rel="canonical" href="https://example.org/hof">
<style>.skip { display: none }</style></head><body>
<header class="site-header"><a href="/">Start</a><nav><ul><li><a href="/b">Blog</a></li></ul></nav></header>
<div class="cookie-banner">Wir verwenden Cookies, um unsere Seite zu verbessern. <button>OK</button></div>
<main><article><h1>Wärme im <em>Hof</em></h1>
<p>Die Wärmepumpe steht im Hof und heizt zwölf Wohnungen, auch wenn es <a href="/f">draußen friert</a>.</p>
<h2>Zahlen</h2>
<table><tr><th>Monat</th><th>kWh</th></tr><tr><td>Januar</td><td>900</td></tr></table>
<ul><li>eins<ol><li>innen</li></ol></li><li>zwei</li></ul>
<pre><code>x = 1
  y = 2</code></pre>
<p class="skip">Unsichtbar.</p><script>var geheim = 1</script></article></main>
<aside class="sidebar"><h3>Mehr</h3><a href="/x">Andere Beiträge lesen</a></aside>
<footer>© 2026 Nordwind · <a href="/i">Impressum</a></footer></body></html>"""


def read_one(content: str | bytes, path: str = "a.html") -> Document:
    (document,) = read(content.encode() if isinstance(content, str) else content, path)
    assert_sound(document)
    return document


def blocks(document: Document) -> list[tuple[str, str]]:
    return [(block.kind, document.text[block.start : block.end]) for block in document.blocks]


def test_a_page_of_text_alone_keeps_all_of_it() -> None:
    body = "<h1>Zähler</h1>Es gibt drei.<ol><li>Strom für das ganze Haus, abgelesen im Januar</li></ol><p>äöü</p>"

    assert [text for _, text in blocks(read_one(f"<html><body>{body}</body></html>"))] == [
        "Zähler",
        "Es gibt drei.",
        "1. Strom für das ganze Haus, abgelesen im Januar",
        "äöü",
    ]


def test_footnotes_that_stand_aside_belong_to_the_text() -> None:
    note = '<aside class="list"><aside role="doc-footnote"><p>Gemessen am Zähler im Keller.</p></aside></aside>'

    document = read_one(PAGE.replace("</article>", f"{note}</article>"))

    assert document.text.endswith("Gemessen am Zähler im Keller.")
    assert "Andere Beiträge" not in document.text


def test_a_page_keeps_its_content_and_metadata() -> None:
    document = read_one(PAGE)
    assert blocks(document) == [
        ("heading", "Wärme im Hof"),
        ("paragraph", "Die Wärmepumpe steht im Hof und heizt zwölf Wohnungen, auch wenn es draußen friert."),
        ("heading", "Zahlen"),
        ("table", "Monat | kWh\nJanuar | 900"),
        ("list", "- eins\n  1. innen\n- zwei"),
        ("code", "x = 1\n  y = 2"),
    ]
    assert (document.title, document.authors, document.tags) == ("Wärme im Hof", ("Aylin Demir",), ("Wärme", "Hof"))
    assert (document.language, document.published, document.url) == ("de", "2026-03-01", "https://example.org/hof")
    assert [(hidden.kind, hidden.text) for hidden in document.hidden] == [("display_none", "Unsichtbar.")]
    assert document.notes == ("text that people do not see was left out (display_none)",)


@pytest.mark.parametrize(
    ("html", "kind"),
    [
        ("<!-- geheim -->", "comment"),
        ('<p style="display:none">geheim</p>', "display_none"),
        ('<p style="DISPLAY: none !important;">geheim</p>', "display_none"),
        ('<p style="visibility:hidden">geheim</p>', "visibility_hidden"),
        ('<p style="opacity:0">geheim</p>', "transparent"),
        ('<p aria-hidden="true">geheim</p>', "aria_hidden"),
        ("<p hidden>geheim</p>", "hidden_attribute"),
        ('<span style="font-size:0">geheim</span>', "tiny_text"),
        ('<span style="font-size: 1px">geheim</span>', "tiny_text"),
        ('<span style="color:#fff">geheim</span>', "white_text"),
        ('<span style="color: rgb(255, 255, 254)">geheim</span>', "white_text"),
        ('<font color="white">geheim</font>', "white_text"),
        ('<div style="background:#000"><span style="color:#010101">geheim</span></div>', "unreadable_colour"),
        ('<span style="color:transparent">geheim</span>', "transparent"),
        ('<p style="position:absolute; left:-9999px">geheim</p>', "off_screen"),
        ('<p style="text-indent:-10000px">geheim</p>', "off_screen"),
        ('<div style="height:0;overflow:hidden">geheim</div>', "off_screen"),
        ("<style>.weg{display:none}</style><p class='weg'>geheim</p>", "display_none"),
        ("<style>p#weg , b {visibility:hidden}</style><p id='weg'>geheim</p>", "visibility_hidden"),
    ],
)
def test_what_nobody_sees_is_kept_apart(html: str, kind: str) -> None:
    for content, path in ((f"<html><body><p>Da.</p>{html}</body></html>", "a.html"), (f"Da.\n\n{html}\n", "a.md")):
        document = read_one(content, path)
        assert document.text == "Da."
        assert [(hidden.kind, hidden.text.strip()) for hidden in document.hidden] == [(kind, "geheim")]


@pytest.mark.parametrize(
    "html",
    [
        '<div style="background-color:navy;color:#fff">sichtbar</div>',
        '<div style="background:url(x.png)"><b style="color:white">sichtbar</b></div>',
        '<table bgcolor="#000000"><tr><td><font color="#ffffff">sichtbar</font></td></tr></table>',
        '<p style="font-size:0.9em;color:black;opacity:0.5">sichtbar</p>',
        '<p style="position:absolute;left:-5px">sichtbar</p>',
        '<p style="font: 12px/1.5 serif">sichtbar</p>',
        "<details><summary>sichtbar</summary></details>",
    ],
)
def test_what_people_see_is_text(html: str) -> None:
    document = read_one(f"<html><body>{html}</body></html>")
    assert (document.text, document.hidden) == ("sichtbar", ())


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        ("Text ohne Tags &amp; so", [("paragraph", "Text ohne Tags & so")]),
        ("<p>offen<p>zwei", [("paragraph", "offen"), ("paragraph", "zwei")]),
        ("<b>a</b> b<br>c", [("paragraph", "a b\nc")]),
        ("<td>Zelle", [("paragraph", "Zelle")]),
        ("</div>zu", [("paragraph", "zu")]),
        ("<table><tr><td><h2>Kopf</h2><p>Satz.</p></td></tr></table>", [("heading", "Kopf"), ("paragraph", "Satz.")]),
        ("<table><caption>T</caption><tr><td>a<br>b</td><td>c</td></tr></table>", [("table", "T\na b | c")]),
        ('<ol start="3"><li><p>a</p><p>b</p></li><li>c</li></ol>', [("list", "3. a\n   b\n4. c")]),
        ("<p>Bild: <img alt='Pumpe' src=x></p>", [("paragraph", "Bild: Pumpe")]),
        ("<dl><dt>Wort</dt><dd>Sinn<p>mehr</p></dd></dl>", [("list", "- Wort\n  Sinn\n  mehr")]),
        (
            "<dl><dt>f()</dt><dd><h3>Kopf</h3>Satz.</dd></dl>",
            [("paragraph", "f()"), ("heading", "Kopf"), ("paragraph", "Satz.")],
        ),
        ("<div>a <br> <br/>b<br>c</div>", [("paragraph", "a"), ("paragraph", "b\nc")]),
        ("<p>&auml;&#x1F600;&bogus;</p>", [("paragraph", "ä😀&bogus;")]),
        ("<noscript>nein</noscript><template>nein</template><svg><text>nein</text></svg>ja", [("paragraph", "ja")]),
        ("<!-- nur ein Kommentar -->", []),
    ],
)
def test_snippets(html: str, expected: list[tuple[str, str]]) -> None:
    assert [(piece.kind, piece.text) for piece in html_tree.pieces_of(html).shown] == expected


def test_a_page_without_main_element_loses_its_surroundings_too() -> None:
    prose = "Die Anlage wurde im Frühjahr geplant und im Herbst desselben Jahres in Betrieb genommen. "
    links = "".join(f'<li><a href="/{n}">Ein anderer Beitrag Nummer {n}</a></li>' for n in range(9))
    body = (
        f"<div id='top'><ul>{links}</ul></div><h1>Die Anlage</h1><p>{prose * 3}</p><h3>Mehr</h3><p>{prose * 2}</p>"
        f"<pre>Ein Beispiel {'mit Text ' * 12}</pre><div><ul>{links}</ul></div><p>© 2026 Nordwind</p>"
    )
    text = read_one(f"<html><head><title>Anlage</title></head><body>{body}</body></html>").text
    assert text.startswith("Die Anlage\n\nDie Anlage wurde")
    assert "Mehr" in text
    assert "Ein Beispiel" in text
    assert "Ein anderer Beitrag" not in text
    assert "© 2026" not in text


@pytest.mark.parametrize(
    ("declared", "encoding"),
    [
        ("iso-8859-1", "cp1252"),
        ("utf-8", "cp1252"),
        ("windows-1252", "mac_roman"),
        ("nonsense", "cp1252"),
        ("", "utf-8"),
    ],
)
def test_umlauts_survive_what_the_page_says_about_its_encoding(declared: str, encoding: str) -> None:
    html = f'<html><head><meta charset="{declared}"></head><body><p>Größe, Übermaß und Straßenlärm.</p></body></html>'
    assert read_one(html.encode(encoding)).text == "Größe, Übermaß und Straßenlärm."


def test_other_scripts_are_read_where_the_page_says_how() -> None:
    html = '<?xml version="1.0" encoding="koi8-r"?><html><body><p>Привет, мир</p></body></html>'
    assert read_one(html.encode("koi8-r")).text == "Привет, мир"


def test_characters_that_look_like_markup_stay_text() -> None:
    assert (
        read_one("<html><body><p>＜script＞alert(1)＜/script＞</p></body></html>").text == "<script>alert(1)</script>"
    )


@pytest.mark.parametrize(
    ("html", "code"),
    [
        ("<html>" + "<div>" * 20_000, "nested_too_deep"),
        ("<html><body>" + "<b>" * 250 + "x", "nested_too_deep"),
        ("<html><body> <p></p> </body></html>", "empty"),
        ("<html><body><p style='display:none'>x</p></body></html>", "empty"),
    ],
)
def test_pages_that_are_refused(html: str, code: str) -> None:
    with pytest.raises(RefusedError) as refused:
        read(html.encode(), "a.html")
    assert refused.value.code == code


@pytest.mark.parametrize(
    "html",
    [
        "<table><tr><td>x" * 20_000,
        "<html><p style='color:" + "rgb(" * 20_000,
        "<html><style>" + "a{" * 50_000,
        "<html><style>" + "." * 200_000,
        "<html>" + "<!--" * 50_000,
        "<html>" + "<a href=x>" * 50_000,
        "<html><body>" + "&" * 200_000,
        "<html><head><title>" + "x " * 200_000,
        "<html><ul>" + "<li>x" * 50_000,
        "<html>" + "<p>x</p>" * 60_000,
    ],
)
def test_hostile_pages_take_no_quadratic_time(html: str) -> None:
    started = time.process_time()
    try:
        documents = read(html.encode(), "a.html")
    except RefusedError:
        documents = ()
    assert time.process_time() - started < 5
    for document in documents:
        assert_sound(document)


def test_lists_and_quotations_at_the_end_of_a_plain_page_are_kept() -> None:
    page = (
        '<html lang="de"><head><meta name="author" content="Ada"><title>Öl</title></head><body><h1>Öl</h1>'
        "<p>Ein Absatz mit Text, der lang genug ist, damit er als Inhalt erkannt wird, und noch etwas mehr.</p>"
        "<ol><li>eins</li><li>zwei<ul><li>drei</li></ul></li></ol><blockquote><p>Kurz.</p></blockquote>"
        "<p>© Firma</p></body></html>"
    )
    document = read_one(page)
    assert document.authors == ("Ada",)
    assert document.text.endswith("1. eins\n2. zwei\n  - drei\n\nKurz.")


PROSE = "Die Pumpe steht im Hof, und im Keller wird gebraucht, was sie abgibt."


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        (
            "<pre><span>SELECT</span> avg(n) <b>FROM</b> t<br>;</pre>",
            [("code", "SELECT avg(n) FROM t\n;")],
        ),
        ("<table><tr><td><pre>1\n2\n3</pre></td><td><pre>a\nb\nc</pre></td></tr></table>", [("code", "a\nb\nc")]),
        ("<p style='display:none'>geheim <b>und</b> versteckt</p>ja", [("paragraph", "ja")]),
    ],
)
def test_text_between_elements_is_not_lost(html: str, expected: list[tuple[str, str]]) -> None:
    found = html_tree.pieces_of(html)
    assert [(piece.kind, piece.text) for piece in found.shown] == expected
    assert [hidden.text for hidden in found.hidden] in ([], ["geheim und versteckt"])


@pytest.mark.parametrize(
    ("html", "there"),
    [
        (f"<h2 id='navigation'>Navigation im Hof</h2><p>{PROSE}</p>", "Navigation im Hof"),
        (f"<section id='related-work'><h2>Related work</h2><p>{PROSE} Anders.</p></section><p>{PROSE}</p>", "Anders"),
        (f"<div class='share-container'><p>{PROSE}</p><p>{PROSE} Anders.</p></div>", "Anders"),
        (f"<p>{PROSE} Mit <a class='popup' href='x'>Verweis</a> darin.</p>", "Verweis"),
        (f"<p>{PROSE}</p><section id='related'><h2>Mehr davon</h2><p>Anderer Beitrag.</p></section>", None),
        (f"<p>{PROSE}</p><div class='comments'><p>{PROSE} Anders.</p><p>{PROSE} Anders.</p></div>", None),
        (f"<p>{PROSE} <a class='skip-link' href='#x'>Zum Inhalt</a></p>", None),
    ],
)
def test_names_of_elements_are_not_taken_at_their_word(html: str, there: str | None) -> None:
    (document,) = read(f"<html><body><main><h1>Seite</h1><p>{PROSE}</p>{html}</main></body></html>".encode(), "a.html")
    assert PROSE in document.text
    for text in ("Anders", "Verweis", "Navigation im Hof", "Anderer Beitrag", "Zum Inhalt"):
        assert (text in document.text) == (text == there)


def test_exports_of_google_docs_have_their_title_in_a_style() -> None:
    body = f"<p class='c1 title'><span>Leitfaden</span></p><h1>Vorbereitung</h1><p>{PROSE}</p>"
    (document,) = read(
        f"<html><head><meta charset='utf-8'></head><body class='doc-content'>{body}</body></html>".encode(), "a.html"
    )
    assert document.title == "Leitfaden"
    (document,) = read(f"<html><head><title>Seite</title></head><body>{body}</body></html>".encode(), "a.html")
    assert document.title != "Leitfaden"


def page(*parts: str) -> bytes:
    text = "".join(f"<p>{PROSE} Satz {number} gehört dazu.</p>" for number in range(6))
    return f"<html><body><main><h1>Seite</h1>{text}{''.join(parts)}</main></body></html>".encode()


@pytest.mark.parametrize(
    ("behind", "gone", "there"),
    [
        ("<h3>Das könnte Sie auch interessieren</h3><p>Solarthermie</p>", "Solarthermie", ""),
        ("<h3>3 Kommentare</h3><div><p>Danke, sagt ein Leser, der auch so eine hat.</p></div>", "Danke", ""),
        (f"<h2>Kommentare in Programmen sind nützlich</h2><p>{PROSE} Noch einmal.</p>", "", "Noch einmal"),
        (f"<h2>Weitere Themen</h2><p>{PROSE} Noch.</p><p>{PROSE} Und.</p>", "", "Und."),
        ("<ul><li>Punkt am Ende</li></ul>", "", "Punkt am Ende"),
    ],
)
def test_what_comes_behind_the_text_is_left_out(behind: str, gone: str, there: str) -> None:
    (document,) = read(page(behind), "a.html")
    assert "Satz 5" in document.text
    assert not gone or gone not in document.text
    assert there in document.text
