"""The table of formats of characters: which reader reads what, by which endings it goes, how its content shows it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from assets.silver.document import Document
from assets.silver.limits import Limits
from assets.silver.readers import (
    delimited,
    feed,
    feed_json,
    html_page,
    markdown,
    subrip,
    text,
    transcript_html,
    transcript_json,
    transcript_markdown,
    transcript_table,
    transcript_text,
    ttml,
    webvtt,
    xml_tree,
)

Parts = Document | tuple[Document, ...]
"""What a reader gives: the document a file is, or the documents it holds."""


@dataclass(frozen=True, slots=True)
class TextFormat:
    """A format of characters.

    Attributes:
        name: as notes call it.
        reader: `name/version`; changes whenever the reader's output does.
        read: from the whole text, with `\\n` line breaks and clean characters.
        endings: by which it goes, lower case with the dot.
        shows: whether the text, without white space at its start, can only be this format; None where nothing
            but the ending tells.
        cleans: the reader cleans the characters itself. In markup and data they must not be touched before it is
            parsed: a full-width `＜` is text, and would become a tag.
    """

    name: str
    reader: str
    read: Callable[[str, Limits], Parts]
    endings: tuple[str, ...]
    shows: Callable[[str], bool] | None = None
    cleans: bool = False


def unlimited(read: Callable[[str], Parts]) -> Callable[[str, Limits], Parts]:
    """A reader that needs no other bound than the size of the file."""
    return lambda text, _: read(text)


_TEXT = (".txt", ".text")
_MARKDOWN = (".md", ".markdown", ".mdown", ".mkd", ".mdx")
_HTML = (".html", ".htm", ".xhtml")
_XML = (".xml",)

TEXT_FORMATS: tuple[TextFormat, ...] = (
    TextFormat("webvtt", webvtt.READER, webvtt.read, (".vtt", ".webvtt"), webvtt.shows),
    TextFormat("feed-json", feed_json.READER, feed_json.read, (".json",), feed_json.shows, cleans=True),
    TextFormat(
        "transcript-json",
        transcript_json.READER,
        transcript_json.read,
        (".json", ".jsonl", ".ndjson"),
        transcript_json.shows,
        cleans=True,
    ),
    TextFormat(
        "transcript-html", transcript_html.READER, transcript_html.read, _HTML, transcript_html.shows, cleans=True
    ),
    TextFormat("ttml", ttml.READER, ttml.read, (".ttml", ".dfxp", *_XML), ttml.shows, cleans=True),
    TextFormat("feed", feed.READER, feed.read, (".rss", ".atom", ".rdf", *_XML), feed.shows, cleans=True),
    TextFormat("html", html_page.READER, html_page.read, _HTML, html_page.shows, cleans=True),
    TextFormat("subrip", subrip.READER, subrip.read, (".srt",), subrip.shows),
    TextFormat("sbv", subrip.SBV_READER, subrip.read_sbv, (".sbv",), subrip.shows_sbv),
    TextFormat(
        "transcript-table", transcript_table.READER, transcript_table.read, (".tsv", ".csv"), transcript_table.shows
    ),
    TextFormat(
        "transcript-markdown",
        transcript_markdown.READER,
        transcript_markdown.read,
        _MARKDOWN,
        transcript_markdown.shows,
    ),
    TextFormat(
        "transcript-text",
        transcript_text.READER,
        transcript_text.read,
        (*_TEXT, *_MARKDOWN),
        transcript_text.shows,
    ),
    TextFormat("table", delimited.READER, delimited.read, (".csv", ".tsv", ".tab")),
    TextFormat("markdown", markdown.READER, unlimited(markdown.read), _MARKDOWN),
    TextFormat("text", text.READER, unlimited(text.read), _TEXT),
)
"""From the most particular to the most general. What a text shows is asked in this order; what none of them shows
is chosen by its ending, the most general first."""

UNREAD_TEXTS: tuple[tuple[Callable[[str], bool], str], ...] = (
    (lambda text: text.startswith("<?xml"), "XML, and neither a feed nor a transcript"),
    (lambda text: xml_tree.root_name(text) in ("svg", "opml", "plist", "urlset"), "XML without text"),
)
"""Formats of text that are not read, and how their content shows them."""
