"""A feed is one document for each entry, told apart by names that stay."""

from __future__ import annotations

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
