"""Reads exported feeds, RSS and Atom: one document for each entry, its HTML read like that of pages."""

from __future__ import annotations

import hashlib
import re
from base64 import b64decode
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from assets.silver.document import Document, Hidden
from assets.silver.language import language_code
from assets.silver.limits import DEFAULT_LIMITS, Limits
from assets.silver.metadata import Metadata, metadata_from
from assets.silver.normalise import DocumentBuilder, one_line
from assets.silver.readers import html_tree, wordpress, xml_tree
from assets.silver.readers.html_page import add_pieces
from assets.silver.readers.xml_tree import attribute, local
from assets.silver.refusal import RefusedError

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

READER = "feed/5"

_ROOTS = ("rss", "feed", "rdf")
_ENTRIES = ("item", "entry")
_CONTENT = ("encoded", "content", "body", "description", "summary")
"""Elements that hold an entry's text, the fullest first (content:encoded, Atom, xhtml:body, RSS)."""
_UNPUBLISHED = frozenset(
    "draft pending private trash auto-draft future inherit scheduled deleted soft_trashed hard_trashed".split()
)
"""States in exports of WordPress and Blogger in which nobody has published an entry."""
_NO_TEXTS = frozenset(
    "attachment nav_menu_item revision custom_css customize_changeset oembed_cache user_request wp_block wp_font_face"
    " wp_font_family wp_global_styles wp_navigation wp_template wp_template_part".split()
)
"""Types of a WordPress export that are no texts of their own."""
_KIND = "g/2005#kind"
"""End of the scheme by which exports of Blogger say what an entry is: settings, a template, a comment, a post."""
_TEXT_KINDS = ("#post", "#page")
_MEDIA = re.compile(r"[\w.+-]+/[\w.+-]+")
_TEXTUAL = re.compile(r"^text/|html|[+/]xml\b", re.IGNORECASE)
"""A media type, and what shows one of text."""


@dataclass(slots=True)
class _Channel:
    """What the feed says about all of its entries."""

    language: str | None = None
    authors: tuple[str, ...] = ()
    logins: dict[str, str] = field(default_factory=dict)
    left_out: int = 0
    documents: list[Document] = field(default_factory=list)


def shows(text: str) -> bool:
    """Whether the outermost element is that of a feed."""
    return xml_tree.root_name(text) in _ROOTS


def read(text: str, limits: Limits = DEFAULT_LIMITS) -> tuple[Document, ...]:
    """The entries of a feed, each with its `part`: the entry's id, else its address, else a hash of its title.

    Args:
        text: the whole file.

    Raises:
        RefusedError: `malformed`, `too_many_entries`, `nested_too_deep`, `empty` where there is no entry.
    """
    if not shows(text):
        raise RefusedError("unknown_format", "XML that is no feed")
    channel = _Channel()
    inside: Element | None = None
    for event, element in xml_tree.events(xml_tree.mended(text), limits.nesting):
        name = local(element)
        if event == "start":
            if inside is None and name in _ENTRIES:
                inside = element
            channel.language = channel.language or language_code(attribute(element, "lang") or "")
        elif element is inside:
            if len(channel.documents) + channel.left_out >= limits.entries:
                raise RefusedError("too_many_entries", f"more than {limits.entries} entries")
            document = _entry(element)
            if document is None:
                channel.left_out += 1
            else:
                channel.documents.append(document)
            inside = None
            element.clear()
        elif inside is None and name == "language":
            channel.language = language_code(element.text or "") or channel.language
        elif inside is None and name in ("author", "creator", "managingEditor"):
            _author(channel, element)
    if not channel.documents:
        detail = f"none of the {channel.left_out} entries is published" if channel.left_out else "no entries"
        raise RefusedError("empty", detail)
    return tuple(_told_apart(channel))


def _author(channel: _Channel, element: Element) -> None:
    """Who writes the feed; in an export of WordPress, the name that belongs to a login."""
    values = {local(child): one_line(child.text or "") for child in element}
    if login := values.get("author_login"):
        channel.logins[login] = values.get("author_display_name") or login
    elif not channel.authors:
        channel.authors = _people([element])


def _told_apart(channel: _Channel) -> Iterator[Document]:
    """The entries with what the feed says for all, and parts that no two of them share."""
    seen: dict[str, int] = {}
    notes = (f"{channel.left_out} entries that are no published texts were left out",) if channel.left_out else ()
    for document in channel.documents:
        part = document.part or ""
        seen[part] = number = seen.get(part, 0) + 1
        yield replace(
            document,
            part=part if number == 1 else f"{part}#{number}",
            language=document.language or channel.language,
            authors=tuple(channel.logins.get(name, name) for name in document.authors) or channel.authors,
            notes=(*document.notes, *notes),
        )


def _entry(element: Element) -> Document | None:
    """The document of one entry; None where it is a draft, protected, or no text at all."""
    children: dict[str, list[Element]] = {}
    for child in element:
        children.setdefault(local(child), []).append(child)
    if not _is_text(children) or _text(children, "status").casefold() in _UNPUBLISHED:
        return None
    if _text(children, "post_password") or _is_draft(children):
        return None
    title = html_tree.plain(_markup(children["title"][0])) if "title" in children else None
    builder = DocumentBuilder()
    builder.add("heading", title or "", level=1)
    hidden = _add_content(builder, children)
    metadata = _metadata(children, title)
    identity = _text(children, "guid") or _text(children, "id") or metadata.url
    part = identity or "sha256:" + hashlib.sha256(f"{title}\0{metadata.published}".encode()).hexdigest()[:32]
    document = metadata.over(builder.build(READER, hidden=hidden))
    return replace(document, part=part, language=language_code(attribute(element, "lang") or "") or document.language)


def _is_text(children: dict[str, list[Element]]) -> bool:
    """Whether the entry of an export is a post or a page, rather than a comment, an image or a setting."""
    kinds = [tag.get("term") or "" for tag in children.get("category", ()) if _tells_kind(tag)]
    return (
        _text(children, "post_type") not in _NO_TEXTS
        and _text(children, "type").casefold() != "comment"
        and all(kind.endswith(_TEXT_KINDS) for kind in kinds)
    )


def _tells_kind(category: Element) -> bool:
    return (category.get("scheme") or "").endswith(_KIND)


def _add_content(builder: DocumentBuilder, children: dict[str, list[Element]]) -> tuple[Hidden, ...]:
    """Append the fullest of the texts that an entry has."""
    for name in _CONTENT:
        for element in children.get(name, ()):
            markup = _markup(element)
            found = html_tree.pieces_of(wordpress.rendered(markup) if "post_type" in children else markup)
            if found.shown:
                add_pieces(builder, found.shown)
                return tuple(found.hidden)
    return ()


def _markup(element: Element) -> str:
    """HTML of a text construct: escaped, in CDATA, or as XHTML elements; plain text is escaped."""
    from html import escape
    from xml.etree.ElementTree import tostring

    if len(element):
        for child in element.iter():
            child.tag = local(child)
        return tostring(element, encoding="unicode", method="html")
    text = element.text or ""
    kind = element.get("type") or ""
    if element.get("mode") == "base64":
        text = _unpacked(text)
    elif local(element) == "content" and _MEDIA.match(kind) and not _TEXTUAL.search(kind):
        return ""  # a picture or another file, in letters that are no words (RFC 4287, 4.1.3.3)
    return escape(text, quote=False) if kind in ("text", "text/plain") else text


def _unpacked(text: str) -> str:
    """Text that Atom 0.3 packs in base64; empty where it is none."""
    try:
        return b64decode(text).decode("utf-8")
    except ValueError:
        return ""


def _metadata(children: dict[str, list[Element]], title: str | None) -> Metadata:
    values: dict[str, object] = {
        "title": title,
        "date": next(
            (day for name in ("pubDate", "published", "date", "issued", "updated") if (day := _text(children, name))),
            None,
        ),
        "url": _address(children),
    }
    found = metadata_from({name: value for name, value in values.items() if value})
    tags = [
        one_line(tag.get("label") or tag.get("term") or tag.text or "")
        for name in ("category", "subject")
        for tag in children.get(name, ())
        if not _tells_kind(tag)
    ]
    return replace(
        found,
        authors=_people([*children.get("creator", ()), *children.get("author", ())]),
        tags=tuple(dict.fromkeys(filter(None, tags))),
    )


def _address(children: dict[str, list[Element]]) -> str | None:
    for link in children.get("link", ()):
        if link.get("rel", "alternate") == "alternate" and (address := (link.get("href") or link.text or "").strip()):
            return address
    guid = children.get("guid", [None])[0]
    if guid is not None and guid.get("isPermaLink", "true") == "true":
        return (guid.text or "").strip() or None
    return None


def _people(elements: list[Element]) -> tuple[str, ...]:
    """Names: of `<name>` within, else the text; of `mail@example.org (Name)` the name."""
    names = []
    for element in elements:
        inner = next((child.text for child in element if local(child) == "name"), None)
        text = one_line(inner or element.text or "")
        if "@" in text:
            text = text.partition("(")[2].rstrip(") ")
        names.append(text)
    return tuple(dict.fromkeys(filter(None, names)))


def _text(children: dict[str, list[Element]], name: str) -> str:
    return one_line(children[name][0].text or "") if name in children else ""


def _is_draft(children: dict[str, list[Element]]) -> bool:
    """Atom's publishing protocol: `<app:control><app:draft>yes`."""
    return any(
        local(child) == "draft" and (child.text or "").strip() == "yes"
        for control in children.get("control", ())
        for child in control
    )
