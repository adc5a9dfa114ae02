"""Reads feeds and exports of blogs in JSON: JSON Feed (jsonfeed.org, 1.0 and 1.1) and what Ghost exports."""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from assets.silver.document import Document
from assets.silver.language import language_code
from assets.silver.limits import DEFAULT_LIMITS, Limits
from assets.silver.metadata import metadata_from
from assets.silver.normalise import DocumentBuilder, one_line
from assets.silver.readers import html_tree, json_value
from assets.silver.readers.html_page import add_pieces
from assets.silver.refusal import RefusedError

READER = "feed-json/2"

_VERSION = re.compile(r'"version"\s*:\s*"https?:(?:\\?/){2}(?:www\.)?jsonfeed\.org(?:\\?/)')
_GHOST = re.compile(r'\{\s*"(?:db|meta|data)"\s*:\s*[\[{]')
_STORED = re.compile(r'"(?:mobiledoc|lexical)"\s*:')
"""How Ghost stores a post beside its HTML."""
_EMPTY_LINE = re.compile(r"\n[ \t]*\n\s*")


def shows(text: str) -> bool:
    """Whether the text is JSON as a whole and names the version of JSON Feed, or has the tables of Ghost."""
    if not text.startswith("{"):
        return False
    ghost = _GHOST.match(text) is not None and '"posts"' in text and _STORED.search(text) is not None
    return (ghost or _VERSION.search(text) is not None) and json_value.whole(text)


def read(text: str, limits: Limits = DEFAULT_LIMITS) -> tuple[Document, ...]:
    """The entries, each with its `part`: its id, else its address, else a hash of its title.

    Args:
        text: the whole file.

    Raises:
        RefusedError: `malformed`, `unknown_format` where there is no list of entries, `too_many_entries`,
            `nested_too_deep`, `empty` where no entry is published and has text.
    """
    parsed = json_value.parse(text)
    tables = _tables(parsed.value)
    listed = parsed.value.get("items") if tables is None and isinstance(parsed.value, dict) else None
    if tables is None and not isinstance(listed, list):
        raise RefusedError("unknown_format", "JSON without a list of entries")
    entries = list(_items(parsed.value, listed) if isinstance(listed, list) else _posts(tables or {}))
    if len(entries) > limits.entries:
        raise RefusedError("too_many_entries", f"more than {limits.entries} entries")
    documents = [document for entry in entries if entry is not None and (document := _document(entry)) is not None]
    left_out = len(entries) - len(documents)
    if not documents:
        raise RefusedError("empty", f"none of the {left_out} entries is published" if left_out else "no entries")
    notes = (f"{left_out} entries that are no published texts were left out",) if left_out else ()
    return tuple(replace(document, notes=(*document.notes, *notes)) for document in documents)


_Entry = Mapping[str, Any]
"""An entry as JSON Feed has it: `id`, `url`, `title`, `content_html`, `content_text`, `date`, `authors`, `tags`."""


def _items(feed: Mapping[str, Any], items: list[Any]) -> Iterator[_Entry | None]:
    """Entries of a JSON Feed, with what the feed says for all of them."""
    shared = {name: feed[name] for name in ("language", "author", "authors") if feed.get(name)}
    for item in items:
        if not isinstance(item, Mapping):
            yield None
            continue
        own = dict(item)
        if own.get("author") or own.get("authors"):
            own = {"author": None, "authors": None, **own}
        yield {**shared, **own, "date": item.get("date_published") or item.get("date_modified")}


def _tables(value: Any) -> Mapping[str, Any] | None:
    """The tables of an export of Ghost, `{"db": [{"data": …}]}` or `{"data": …}`; None where it is none."""
    if isinstance(value, Mapping) and isinstance(found := value.get("db"), list) and found:
        value = found[0]
    tables = value.get("data") if isinstance(value, Mapping) else None
    return tables if isinstance(tables, Mapping) and isinstance(tables.get("posts"), list) else None


def _posts(tables: Mapping[str, Any]) -> Iterator[_Entry | None]:
    """Posts and pages of Ghost; None for those that are drafts or not for everybody."""
    names = {name: {row.get("id"): row.get("name") for row in _rows(tables, name)} for name in ("users", "tags")}
    people = _linked(tables, "posts_authors", "author_id", names["users"])
    tags = _linked(tables, "posts_tags", "tag_id", names["tags"])
    for post in _rows(tables, "posts"):
        if post.get("status") != "published" or post.get("visibility", "public") != "public":
            yield None
            continue
        key = post.get("id")
        author = names["users"].get(post.get("author_id"))
        yield {
            "id": post.get("uuid") or post.get("slug") or key,
            "url": post.get("canonical_url"),
            "title": post.get("title"),
            "content_html": post.get("html"),
            "content_text": post.get("plaintext"),
            "date": _day(post.get("published_at")),
            "language": post.get("locale"),
            "authors": people.get(key) or ([author] if author else []),
            "tags": [tag for tag in tags.get(key, ()) if not tag.startswith("#")],  # "#" marks tags for machines
        }


def _rows(tables: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    rows = tables.get(name)
    return [row for row in rows if isinstance(row, Mapping)] if isinstance(rows, list) else []


def _linked(tables: Mapping[str, Any], name: str, column: str, names: Mapping[Any, Any]) -> dict[Any, list[str]]:
    """For each post the names that a table of links gives it, in its order."""
    found: dict[Any, list[str]] = {}
    for row in sorted(_rows(tables, name), key=lambda row: _number(row.get("sort_order"))):
        if isinstance(label := names.get(row.get(column)), str):
            found.setdefault(row.get("post_id"), []).append(label)
    return found


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def _day(value: Any) -> str | None:
    """Day of a date as text, or in milliseconds since 1970 as older exports have it."""
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e14:
        return (dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(milliseconds=value)).date().isoformat()
    return value if isinstance(value, str) else None


def _document(entry: _Entry) -> Document | None:
    """The document of an entry; None where it has no text."""
    title = html_tree.plain(_text(entry, "title"))
    builder = DocumentBuilder()
    builder.add("heading", title, level=1)
    found = html_tree.pieces_of(_text(entry, "content_html"))
    add_pieces(builder, found.shown)
    if not found.shown:
        text = _text(entry, "content_text") or _text(entry, "summary")
        for paragraph in _EMPTY_LINE.split(text):
            builder.add("paragraph", paragraph)
        if not text.strip():
            return None
    values = {name: entry[name] for name in ("date", "url", "tags", "authors", "author") if entry.get(name)}
    metadata = replace(metadata_from(values), title=title or None, extra={})
    address = one_line(str(entry.get("id") or "")) or metadata.url
    part = address or "sha256:" + hashlib.sha256(f"{title}\0{metadata.published}".encode()).hexdigest()[:32]
    language = language_code(_text(entry, "language"))
    document = metadata.over(builder.build(READER, hidden=tuple(found.hidden)))
    return replace(document, part=part, language=language)


def _text(entry: _Entry, name: str) -> str:
    value = entry.get(name)
    return value if isinstance(value, str) else ""
