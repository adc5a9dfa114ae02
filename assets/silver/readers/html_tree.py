"""From an HTML tree to blocks of text: whole pages, entries of feeds, and the snippets authors write into Markdown."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from html import unescape
from typing import TYPE_CHECKING

from assets.silver.document import BlockKind, Hidden
from assets.silver.limits import DEFAULT_LIMITS
from assets.silver.readers.html_hidden import Colour, Styles, background_of, how_hidden, style_of, styles_of
from assets.silver.readers.links import carrier
from assets.silver.refusal import RefusedError

if TYPE_CHECKING:
    from lxml.html import HtmlElement

_DROPPED = frozenset(
    "script style template noscript svg math object embed applet select datalist head iframe canvas audio video"
    " input button textarea map progress meter".split()
)
_BREAKING = frozenset(
    "address article aside blockquote body center dd details dialog dir div dl dt fieldset figcaption figure footer"
    " form header hgroup hr html li main menu nav ol p pre search section summary table tbody td tfoot th thead tr ul"
    " caption h1 h2 h3 h4 h5 h6".split()
)
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_LISTS = frozenset(("ul", "ol", "menu", "dir"))
_TERMS = frozenset(("dl", "dt", "dd", "div"))
"""Elements of a list of terms that is nothing else."""
_CELLS = frozenset(("td", "th"))
_LAYOUT = frozenset("h1 h2 h3 h4 h5 h6 table article section main nav form pre blockquote".split())
"""Elements that a table of data has none of; one that has lays out the page."""

_NOT_TEXT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")
_BREAKS = re.compile(r"\n\s*\n")
_TEXT_AND_BREAKS = ".//text() | .//br"
_WHITE = (255, 255, 255)
_LONGEST_HIDDEN = 20_000


@dataclass(frozen=True, slots=True)
class Piece:
    """A block of an HTML document; `level` only for headings, `links` the share of its characters within links."""

    kind: BlockKind
    text: str
    level: int | None = None
    links: float = 0.0


@dataclass(slots=True)
class Pieces:
    """Blocks in order, and the text that people do not see."""

    shown: list[Piece] = field(default_factory=list)
    hidden: list[Hidden] = field(default_factory=list)


def parse(html: str, nesting: int = DEFAULT_LIMITS.nesting) -> HtmlElement:
    """The tree of a page or snippet; whatever is wrong with it is mended as browsers do.

    Raises:
        RefusedError: `nested_too_deep`, `empty` where nothing but white space is left.
    """
    from lxml import etree
    from lxml.html import HTMLParser, document_fromstring

    content = _NOT_TEXT.sub(" ", html).encode("utf-8", "replace")
    try:
        root: HtmlElement = document_fromstring(content, parser=HTMLParser(encoding="utf-8"))
    except etree.ParserError as error:
        raise RefusedError("empty") from error
    depth = 0
    for event, _ in etree.iterwalk(root, events=("start", "end")):
        depth += 1 if event == "start" else -1
        if depth > nesting:
            raise RefusedError("nested_too_deep", f"HTML deeper than {nesting} levels")
    return root


def pieces_of(html: str) -> Pieces:
    """Blocks of a snippet; see `pieces`."""
    if "<" not in html:
        text = " ".join(unescape(html).split())
        return Pieces([Piece("paragraph", text)] if text else [])
    try:
        root = parse(html)
    except RefusedError as refused:
        if refused.code != "empty":
            raise
        return Pieces(
            hidden=[Hidden("comment", text) for text in re.findall(r"<!--(.*?)(?:-->|\Z)", html, re.S) if text.strip()]
        )
    return pieces(root)


def how_tag_hides(tag: str) -> str | None:
    """Why nobody sees what follows a tag such as `<span style="…">`, as `Hidden.kind` has it; None where people do."""
    if "=" not in tag and "hidden" not in tag:
        return None
    body = parse(f"{tag}x").find("body")
    element = body.find(".//*") if body is not None else None
    return None if element is None else how_hidden(element, style_of(element, {}), _WHITE)


def plain(html: str) -> str:
    """The visible text of a snippet, on one line."""
    return " ".join(" ".join(piece.text for piece in pieces_of(html).shown).split())


def pieces(
    root: HtmlElement, skip: Callable[[HtmlElement], bool] | None = None, whole: HtmlElement | None = None
) -> Pieces:
    """Blocks below an element: headings, paragraphs, lists, code, and tables with a row per line.

    Scripts and styles are dropped, images become their alternative text, and what people do not see goes to
    `hidden`. The tree is at most as deep as `parse` allows.

    Args:
        skip: elements to leave out with all they hold.
        whole: the tree whose style sheets apply, where it is another one.
    """
    css = "\n".join(style.text or "" for style in (root if whole is None else whole).iter("style"))
    walker = _Walker(styles_of(css) if css else {}, skip or (lambda _: False))
    walker.visit(root, _WHITE)
    walker.flush()
    return walker.pieces


class _Walker:
    def __init__(self, styles: Styles, skip: Callable[[HtmlElement], bool]) -> None:
        self.pieces = Pieces()
        self._styles = styles
        self._skip = skip
        self._text: list[str] = []
        self._linked = 0
        self._in_link = False

    def flush(self, kind: BlockKind = "paragraph", level: int | None = None) -> None:
        whole = "".join(self._text)
        self._text.clear()
        linked, self._linked = self._linked, 0
        # two breaks in a row are how many editors write a paragraph
        parts = _BREAKS.split(whole) if kind == "paragraph" and whole.count("\n") > 1 else (whole,)
        for part in parts:
            if text := _tidy(part):
                self.pieces.shown.append(Piece(kind, text, level, min(1.0, linked / len(whole))))

    def visit(self, element: HtmlElement, behind: Colour | None) -> None:
        """The element's own text and what is in it, not the text behind it."""
        tag = element.tag
        style = style_of(element, self._styles) if element.attrib else {}
        if element.attrib:
            behind = background_of(element, style, behind)
            if (kind := how_hidden(element, style, behind or _UNKNOWN)) is not None:
                self._hide(kind, element)
                return
        if tag in _BREAKING:
            self.flush()
            self._block(element, tag, behind)
        elif tag == "br":
            self._text.append("\n")
        elif tag == "img":
            self.pieces.hidden += carrier("image", element.get("src"))
            self._text.append(f" {element.get('alt') or ''} ")
        elif tag == "a":
            self.pieces.hidden += carrier("link", element.get("href"))
            outside, self._in_link = self._in_link, True
            self._inside(element, behind)
            self._in_link = outside
        else:
            self._inside(element, behind)

    def _block(self, element: HtmlElement, tag: str, behind: Colour | None) -> None:
        if tag in _HEADINGS:
            self._inside(element, behind)
            self.flush("heading", _HEADINGS[tag])
        elif tag == "pre":
            self._code(element)
        elif tag in _LISTS:
            self._whole("list", element, self._items(element, behind, 0))
        elif tag == "dl" and _is_glossary(element):
            self._whole("list", element, self._terms(element, behind))
        elif tag == "table" and not _is_layout(element):
            self._whole("table", element, self._rows(element, behind))
        else:
            self._inside(element, behind)
            self.flush()

    def _inside(self, element: HtmlElement, behind: Colour | None) -> None:
        self._say(element.text)
        for child in element:
            self._child(child, behind)
            self._say(child.tail)

    def _child(self, child: HtmlElement, behind: Colour | None) -> None:
        if not isinstance(child.tag, str):
            if child.text and child.text.strip():
                self.pieces.hidden.append(Hidden("comment", " ".join(child.text.split())[:_LONGEST_HIDDEN]))
        elif child.tag not in _DROPPED and not self._skip(child):
            self.visit(child, behind)

    def _say(self, text: str | None) -> None:
        if text:
            words = " ".join(text.split())
            if text[0].isspace() and self._text:
                words = f" {words}"
            if words and text[-1].isspace():
                words = f"{words} "
            self._text.append(words)
            if self._in_link:
                self._linked += len(words)

    def _code(self, element: HtmlElement) -> None:
        text = "".join("\n" if not isinstance(part, str) else part for part in element.xpath(_TEXT_AND_BREAKS))
        text = text.strip("\n")
        if text.strip() and not _is_numbering(text):
            self.pieces.shown.append(Piece("code", text))

    def _whole(self, kind: BlockKind, element: HtmlElement, lines: Iterator[str]) -> None:
        text = "\n".join(line for line in lines if line.strip())
        if text:
            linked = sum(len(" ".join(link.text_content().split())) for link in element.iter("a"))
            self.pieces.shown.append(Piece(kind, text, links=min(1.0, linked / len(text))))

    def _within(self, element: HtmlElement, behind: Colour | None) -> list[Piece]:
        """Blocks of an element that stands in a list or a table."""
        inner = _Walker(self._styles, self._skip)
        inner.pieces.hidden = self.pieces.hidden
        inner.visit(element, behind)
        inner.flush()
        return inner.pieces.shown

    def _items(self, element: HtmlElement, behind: Colour | None, depth: int) -> Iterator[str]:
        number = int(start) if element.tag == "ol" and (start := element.get("start") or "1").isdigit() else 1
        for child in element:
            if not isinstance(child.tag, str):
                self._child(child, behind)
                continue
            if child.tag in _LISTS:
                yield from self._items(child, behind, depth + 1)
                continue
            mark = f"{number}. " if element.tag == "ol" else "- "
            lines = [line for piece in self._within(child, behind) for line in piece.text.split("\n")]
            if lines:
                number += 1
                yield mark + lines[0]
                yield from (" " * (2 if line.lstrip()[:2] == "- " else len(mark)) + line for line in lines[1:])

    def _terms(self, element: HtmlElement, behind: Colour | None) -> Iterator[str]:
        """Lines of a list of terms: each term, and what is said of it below."""
        for child in element:
            if not isinstance(child.tag, str):
                self._child(child, behind)
            elif child.tag == "div":
                yield from self._terms(child, behind)
            else:
                lines = [line for piece in self._within(child, behind) for line in piece.text.split("\n")]
                mark = "- " if child.tag == "dt" else "  "
                yield from (f"{mark if place == 0 else '  '}{line}" for place, line in enumerate(lines))

    def _rows(self, element: HtmlElement, behind: Colour | None) -> Iterator[str]:
        for child in element:
            if not isinstance(child.tag, str) or child.tag in _DROPPED:
                continue
            if child.tag == "tr":
                cells = [cell for cell in child if isinstance(cell.tag, str)]
                texts = [" ".join(" ".join(p.text for p in self._within(cell, behind)).split()) for cell in cells]
                yield " | ".join(texts) if any(texts) else ""
            elif child.tag in ("tbody", "thead", "tfoot"):
                yield from self._rows(child, behind)
            else:
                yield " ".join(" ".join(piece.text for piece in self._within(child, behind)).split())

    def _hide(self, kind: str, element: HtmlElement) -> None:
        text = " ".join(" ".join(element.xpath(".//text()")).split())
        if text and element.tag not in _DROPPED:
            self.pieces.hidden.append(Hidden(kind, text[:_LONGEST_HIDDEN]))


_UNKNOWN = (-1000, -1000, -1000)
"""A background that no colour is like."""


def _is_layout(table: HtmlElement) -> bool:
    if (table.get("role") or "") == "presentation":
        return True
    cells = 0
    for element in table.iter():
        if element is not table and element.tag in _LAYOUT:
            return True
        cells += element.tag in _CELLS
    return cells <= 1


def _is_glossary(terms: HtmlElement) -> bool:
    """Whether a `dl` holds words and sentences alone; documentation of code puts whole sections into one."""
    return all(
        element.tag not in _BREAKING or element.tag in _TERMS or element.tag == "p"
        for element in terms.iter()
        if element is not terms and isinstance(element.tag, str)
    ) and not any(True for _ in terms.iterdescendants("dl"))


def _is_numbering(code: str) -> bool:
    """Whether this is the column of numbers that stands beside lines of code."""
    lines = code.split()
    return (
        len(lines) > 1
        and all(map(str.isdecimal, lines))
        and [*map(int, lines)] == [*range(int(lines[0]), int(lines[0]) + len(lines))]
    )


def _tidy(text: str) -> str:
    return "\n".join(filter(None, (" ".join(line.split()) for line in text.split("\n"))))
