"""A feed is one document for each entry, told apart by names that stay."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest

from assets.silver.document import Document
from assets.silver.limits import Limits
from assets.silver.readers import read
from assets.silver.refusal import RefusedError
from tests.assets.test_silver_normalise import assert_sound

FIRST = """<item><title>Erster &amp;amp; Beitrag</title><link>https://example.org/1</link>
<guid isPermaLink="false">tag:1</guid><dc:creator><![CDATA[Aylin Demir]]></dc:creator>
<pubDate>Tue, 03 Mar 2026 10:00:00 +0000</pubDate><category>Wärme</category><category><![CDATA[Hof]]></category>
<description>Kurz.</description>
<content:encoded><![CDATA[<h2>Kopf</h2><p>Hallo <b>Welt</b> &amp; alle.</p><!-- geheim --><ul><li>a</li></ul>]]>
</content:encoded></item>"""
SECOND = "<item><title>Zwei</title><link>https://example.org/2</link><description>&lt;p&gt;Kurz.&lt;/p&gt;</description></item>"
THIRD = "<item><title>Drei</title><description>Nur Text mit 3 &lt; 4.</description></item>"
DRAFTS = "".join(
    f"<item><title>Entwurf</title>{mark}<description>Geheim.</description></item>"
    for mark in (
        "<wp:status>draft</wp:status>",
        "<wp:status>private</wp:status>",
        "<wp:post_type>attachment</wp:post_type>",
        "<wp:post_password>x</wp:post_password>",
    )
)

ATOM = """<?xml version="1.0"?><feed xmlns="http://www.w3.org/2005/Atom" xml:lang="en"><title>F</title>
<author><name>Maja Lindqvist</name></author>
<entry><id>urn:1</id><title type="html">A &lt;b&gt;bold&lt;/b&gt; one</title><link rel="edit" href="https://e.org/x"/>
<link href="https://e.org/a"/><published>2026-01-02T00:00:00Z</published><updated>2026-05-02T00:00:00Z</updated>
<content type="xhtml"><div xmlns="http://www.w3.org/1999/xhtml"><h2>Head</h2><p>Text<br/>more</p></div></content></entry>
<entry xml:lang="de"><id>urn:1</id><title>5 &lt; 6</title><summary type="text">plain &lt;b&gt; text</summary></entry>
<entry xmlns:app="http://www.w3.org/2007/app"><id>urn:3</id><title>D</title><summary>s</summary>
<app:control><app:draft>yes</app:draft></app:control></entry></feed>"""


OUTSIDE = b'<!DOCTYPE rss [<!ENTITY x SYSTEM "file:///etc/passwd">]><rss><item><title>&x;</title></item></rss>'
BOMB = b'<!DOCTYPE r [<!ENTITY a "aa"><!ENTITY b "&a;&a;">]><rss><item><title>&b;</title></item></rss>'


def rss(*items: str) -> bytes:
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<!-- exported --><rss version="2.0"'
        ' xmlns:content="http://purl.org/rss/1.0/modules/content/" xmlns:dc="http://purl.org/dc/elements/1.1/"'
        ' xmlns:wp="http://wordpress.org/export/1.2/"><channel><title>Blog</title><language>de-DE</language>'
        f"<link>https://example.org</link>{''.join(items)}</channel></rss>"
    ).encode()


def blocks(document: Document) -> list[tuple[str, str]]:
    assert_sound(document)
    return [(block.kind, document.text[block.start : block.end]) for block in document.blocks]


def test_entries_of_rss() -> None:
    first, second, third = read(rss(FIRST, SECOND, DRAFTS, THIRD), "blog.xml")
    assert blocks(first) == [
        ("heading", "Erster & Beitrag"),
        ("heading", "Kopf"),
        ("paragraph", "Hallo Welt & alle."),
        ("list", "- a"),
    ]
    assert (first.title, first.authors, first.tags) == ("Erster & Beitrag", ("Aylin Demir",), ("Wärme", "Hof"))
    assert (first.language, first.published, first.url) == ("de", "2026-03-03", "https://example.org/1")
    assert [hidden.text for hidden in first.hidden] == ["geheim"]
    assert blocks(second) == [("heading", "Zwei"), ("paragraph", "Kurz.")]
    assert blocks(third)[1] == ("paragraph", "Nur Text mit 3 < 4.")
    assert [document.part for document in (first, second)] == ["tag:1", "https://example.org/2"]
    assert (third.part or "").startswith("sha256:")
    assert first.notes[-1] == "4 entries that are no published texts were left out"


def test_entries_of_atom() -> None:
    first, second = read(ATOM.encode(), "blog.atom")
    assert blocks(first) == [("heading", "A bold one"), ("heading", "Head"), ("paragraph", "Text\nmore")]
    assert (first.url, first.published, first.language) == ("https://e.org/a", "2026-01-02", "en")
    assert first.authors == second.authors == ("Maja Lindqvist",)
    assert blocks(second) == [("heading", "5 < 6"), ("paragraph", "plain <b> text")]
    assert (first.part, second.part, second.language) == ("urn:1", "urn:1#2", "de")


def test_parts_stay_when_the_feed_around_them_changes() -> None:
    whole = {document.title: document.part for document in read(rss(FIRST, SECOND, THIRD), "a.xml")}
    assert {document.title: document.part for document in read(rss(THIRD, SECOND), "a.xml")}.items() <= whole.items()
    assert len(set(whole.values())) == 3


@pytest.mark.parametrize(
    ("content", "path", "code"),
    [
        (rss(), "a.xml", "empty"),
        (rss(DRAFTS), "a.xml", "empty"),
        (rss(FIRST, SECOND, THIRD, SECOND, THIRD), "a.xml", "too_many_entries"),
        (rss(FIRST)[:300], "a.rss", "malformed"),
        (rss("<x>" * 300), "a.xml", "nested_too_deep"),
        (OUTSIDE, "a.xml", "xml_entities"),
        (BOMB, "a.xml", "xml_entities"),
        (b"<feed>kein Atom", "a.txt", "malformed"),
    ],
)  # fmt: skip
def test_feeds_that_are_refused(content: bytes, path: str, code: str) -> None:
    with pytest.raises(RefusedError) as refused:
        read(content, path, Limits(entries=4))
    assert refused.value.code == code
    assert "passwd" not in str(refused.value)


def test_html_of_entries_is_bounded_too() -> None:
    with pytest.raises(RefusedError) as refused:
        read(rss(f"<item><title>x</title><description>{'&lt;div&gt;' * 5000}</description></item>"), "a.xml")
    assert refused.value.code == "nested_too_deep"


def test_a_long_feed_takes_linear_time() -> None:
    import time

    def once(count: int) -> float:
        feed = rss(*(FIRST.replace("tag:1", f"tag:{n}") for n in range(count)))
        started = time.process_time()
        assert len(read(feed, "a.xml")) == count
        return time.process_time() - started

    # the best of three: a pause of the garbage collector or of the machine is none of the reader's time
    seconds = [min(once(count) for _ in range(3)) for count in (300, 1200)]
    assert all(after < 12 * before for before, after in pairwise(seconds))


def test_an_export_of_wordpress_is_shown_as_wordpress_does() -> None:
    author = (
        "<wp:author><wp:author_login>ademir</wp:author_login>"
        "<wp:author_display_name>Aylin Demir</wp:author_display_name></wp:author>"
    )
    text = (
        "Erster Absatz [sic].\n\nZweiter,\nnach Umbruch.\n<h3>Kopf</h3>\n\n"
        '[caption id="a"]<img src="x.jpg"/> Am Hof[/caption]\n\n[gallery ids="1,2"]\n\n'
        "[embed]https://example.org/v[/embed]\n\n<pre>a\n\nb</pre>\nEnde"
    )
    item = (
        f"<item><title>T</title><dc:creator>ademir</dc:creator><wp:post_type>post</wp:post_type>"
        f"<content:encoded><![CDATA[{text}]]></content:encoded></item>"
    )
    (post,) = read(rss(author, item), "wordpress.xml")
    assert post.authors == ("Aylin Demir",)
    assert blocks(post)[1:] == [
        ("paragraph", "Erster Absatz [sic]."),
        ("paragraph", "Zweiter,\nnach Umbruch."),
        ("heading", "Kopf"),
        ("paragraph", "Am Hof"),
        ("code", "a\n\nb"),
        ("paragraph", "Ende"),
    ]


BLOGGER_KIND = (
    '<category scheme="http://schemas.google.com/g/2005#kind" term="http://schemas.google.com/blogger/2008/kind#{}"/>'
)


def test_exports_of_blogger_hold_more_than_posts() -> None:
    def entry(inner: str) -> str:
        return f'<entry>{inner}<title>T</title><content type="html">Eins&lt;br/&gt;&lt;br/&gt;zwei</content></entry>'

    entries = [entry(BLOGGER_KIND.format(kind)) for kind in ("template", "settings", "comment")]
    entries += [
        entry(f"<b:type>{kind}</b:type><b:status>{status}</b:status>")
        for kind, status in (("COMMENT", "LIVE"), ("POST", "DRAFT"))
    ]
    post = entry(BLOGGER_KIND.format("post") + '<category term="hof" label="Höfe"/>')
    feed = f'<feed xmlns="http://www.w3.org/2005/Atom" xmlns:b="http://b">{"".join(entries)}{post}</feed>'
    (document,) = read(feed.encode(), "blog.xml")
    assert document.tags == ("Höfe",)
    assert blocks(document)[1:] == [("paragraph", "Eins"), ("paragraph", "zwei")]
    assert document.notes[-1] == "5 entries that are no published texts were left out"


def test_json_feed() -> None:
    feed = {
        "version": "https://jsonfeed.org/version/1.1",
        "language": "de-DE",
        "authors": [{"name": "Aylin Demir"}],
        "items": [
            {"id": 7, "url": "https://e.org/7", "title": "A &amp; B", "content_html": "<h2>K</h2><p>Hallo.</p>",
             "date_published": "2026-03-04T08:00:00+01:00", "tags": ["Hof"]},
            {"id": "8", "content_text": "Eins < zwei.\n\nDrei.", "author": {"name": "Ben Okafor"}, "language": "en"},
            {"id": "9", "title": "Ohne Text"},
            "keiner",
        ],
    }  # fmt: skip
    first, second = read(json.dumps(feed).encode(), "feed.json")
    assert blocks(first) == [("heading", "A & B"), ("heading", "K"), ("paragraph", "Hallo.")]
    assert (first.part, first.url, first.published) == ("7", "https://e.org/7", "2026-03-04")
    assert (first.title, first.authors, first.tags, first.language) == ("A & B", ("Aylin Demir",), ("Hof",), "de")
    assert blocks(second) == [("paragraph", "Eins < zwei."), ("paragraph", "Drei.")]
    assert (second.part, second.authors, second.language) == ("8", ("Ben Okafor",), "en")
    assert first.notes[-1] == "2 entries that are no published texts were left out"


def test_an_export_of_ghost() -> None:
    tables = {
        "posts": [
            {"id": 1, "uuid": "u1", "title": "T", "html": "<p>Hallo.</p>", "lexical": "{}", "status": "published",
             "published_at": 1772611200000},
            {"id": 2, "title": "D", "html": "<p>Geheim.</p>", "status": "draft"},
            {"id": 3, "title": "M", "html": "<p>Geheim.</p>", "status": "published", "visibility": "paid"},
        ],
        "users": [{"id": 5, "name": "Aylin Demir"}],
        "tags": [{"id": 6, "name": "Hof"}, {"id": 7, "name": "#intern"}],
        "posts_tags": [{"post_id": 1, "tag_id": 7}, {"post_id": 1, "tag_id": 6, "sort_order": 1}],
        "posts_authors": [{"post_id": 1, "author_id": 5}],
    }  # fmt: skip
    for export in ({"db": [{"meta": {}, "data": tables}]}, {"meta": {}, "data": tables}):
        (post,) = read(json.dumps(export).encode(), "export.json")
        assert blocks(post) == [("heading", "T"), ("paragraph", "Hallo.")]
        assert (post.part, post.published, post.tags, post.authors) == ("u1", "2026-03-04", ("Hof",), ("Aylin Demir",))


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ({"items": []}, "empty"),
        ({"items": [{"title": "a", "content_text": "b"}] * 5}, "too_many_entries"),
        ({"items": {}}, "unknown_format"),
    ],
)
def test_json_feeds_that_are_refused(content: dict[str, object], code: str) -> None:
    with pytest.raises(RefusedError) as refused:
        read(json.dumps({"version": "https://jsonfeed.org/version/1", **content}).encode(), "a.json", Limits(entries=4))
    assert refused.value.code == code


def test_names_that_html_has_for_characters_are_known() -> None:
    text = "<description><![CDATA[<p>&Uuml;ber &lt;b></p>]]></description>"

    (document,) = read(rss(f"<item><title>Gr&uuml;&szlig;e &amp; mehr</title>{text}</item>"), "a.xml")

    assert (document.title, document.text) == ("Grüße & mehr", "Grüße & mehr\n\nÜber <b>")


def test_an_ampersand_that_begins_no_name_is_one() -> None:
    link, text = "<link>https://e.org/?a=1&b=2</link>", "<description>Q&A &amp; &x</description>"

    (document,) = read(rss(f"<item><title>Haus & Hof&#33;</title>{link}{text}</item>"), "a.xml")

    assert (document.title, document.url, document.text) == (
        "Haus & Hof!",
        "https://e.org/?a=1&b=2",
        "Haus & Hof!\n\nQ&A & &x",
    )


def test_the_text_of_an_entry_may_be_its_body() -> None:
    body = '<body xmlns="http://www.w3.org/1999/xhtml"><p>Ganzer <b>Text</b>.</p></body>'

    (document,) = read(rss(f"<item><title>T</title><description>Kurz.</description>{body}</item>"), "a.xml")

    assert document.text == "T\n\nGanzer Text."


def test_the_declaration_by_which_older_drupals_fetch_these_names_is_no_danger() -> None:
    declared = '<!ENTITY % HTMLlat1 PUBLIC "-//W3C//ENTITIES Latin 1 for XHTML//EN" "http://www.w3.org/xhtml-lat1.ent">'
    feed = rss("<item><title>Gr&uuml;&szlig;e</title></item>").replace(
        b"<rss", f"<!DOCTYPE rss [{declared}]><rss".encode()
    )

    assert read(feed, "a.xml")[0].title == "Grüße"
    with pytest.raises(RefusedError) as refused:
        read(feed.replace(b"//W3C//", b"//Jemand//"), "a.xml")
    assert refused.value.code == "xml_entities"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ('<content type="image/png">iVBORw0KGgo=</content>', "Kurz."),
        ('<content type="image/png" mode="base64">iVBORw0KGgo=</content>', "Kurz."),
        ('<content type="text/html" mode="base64">PHA+R3LDvMOfZTwvcD4=</content>', "Grüße"),
        ('<content mode="base64">_</content>', "Kurz."),
        ('<content type="application/xhtml+xml"><p>Grüße</p></content>', "Grüße"),
    ],
)
def test_content_of_atom_is_what_its_type_says(content: str, expected: str) -> None:
    entry = f"<entry><id>1</id><title>Titel</title>{content}<summary>Kurz.</summary></entry>"

    (document,) = read(f'<feed xmlns="http://www.w3.org/2005/Atom">{entry}</feed>'.encode(), "a.atom")

    assert document.text == f"Titel\n\n{expected}"
