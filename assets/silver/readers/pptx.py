"""Reads presentations (PPTX): a page for each slide, with its title as heading, lists, tables, charts and notes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from assets.silver.document import Document
from assets.silver.limits import Limits
from assets.silver.readers import drawing
from assets.silver.readers.archive import Archive
from assets.silver.readers.flow import Flow, Piece
from assets.silver.readers.ooxml import (
    Relation,
    child,
    children,
    core_properties,
    elements,
    local,
    main_part,
    number,
    related,
    relation_id,
    relations,
    text_of,
)
from assets.silver.refusal import RefusedError

if TYPE_CHECKING:
    from lxml.etree import _Element

READER = "pptx/2"

_RUNNING = frozenset({"ftr", "dt", "sldNum", "hdr", "sldImg"})
"""Placeholders that say the same on every slide."""
_TITLES = frozenset({"title", "ctrTitle"})
_LEGIBLE = 350
"""Hundredths of a point; letters smaller than 3.5 points on a slide of the usual height are not meant to be read."""
_USUAL_HEIGHT = 6_858_000
"""Height of a slide in English Metric Units: 7.5 inches, as PowerPoint makes them for screens."""


@dataclass(frozen=True, slots=True)
class _Slide:
    """Where a slide's content comes from, and the size of the page in English Metric Units."""

    archive: Archive
    links: dict[str, Relation]
    width: int
    height: int

    @property
    def legible(self) -> float:
        """Hundredths of a point that letters need: a slide fills the screen, whatever its size."""
        return _LEGIBLE * min(1.0, self.height / _USUAL_HEIGHT) if self.height else _LEGIBLE


def read(content: bytes, limits: Limits) -> Document:
    """A presentation.

    Titles are headings, a section's name is one above them. Slides that are not shown, text beyond the edge of the
    slide, and comments are kept apart as hidden.

    Raises:
        RefusedError: `malformed`, `encrypted`, or a limit.
    """
    archive = Archive(content, limits)
    part = main_part(archive)
    root = archive.xml(part)
    links = relations(archive, part)
    size = child(root, "sldSz")
    slides = children(child(root, "sldIdLst"), "sldId") if child(root, "sldIdLst") is not None else []
    if len(slides) > limits.pages:
        raise RefusedError("too_many_pages", f"{len(slides)} slides")
    flow = Flow()
    unshown = noted = 0
    for page, entry in enumerate(slides, start=1):
        link = links.get(relation_id(entry))
        if link is None or link.target not in archive:
            continue
        slide = archive.xml(link.target)
        slide_links = relations(archive, link.target)
        source = _Slide(archive, slide_links, number(size, "cx"), number(size, "cy"))
        inner = Flow()
        _slide(slide, source, inner, page)
        noted += _notes(source, inner, page)
        for hidden in inner.hidden():
            flow.hide(hidden.kind, hidden.text)
        if slide.get("show") in ("0", "false"):
            unshown += 1
            flow.hide("hidden_slide", "\n".join(piece.text for piece in inner.pieces))
        else:
            flow.pieces += inner.pieces
    notes = [f"{unshown} slides that are not shown were left out"] if unshown else []
    notes += [f"speaker notes of {noted} slides are part of the text"] if noted else []
    return core_properties(archive).over(flow.document(READER, tuple(notes)))


def _slide(slide: _Element, source: _Slide, flow: Flow, page: int) -> None:
    tree = child(slide, "cSld", "spTree")
    if tree is None:
        return
    shapes = list(_shapes(tree))
    for shape in sorted(shapes, key=lambda shape: _role(shape) not in _TITLES):
        _shape(shape, source, flow, page)
    for link in source.links.values():
        if link.kind == "comments" and link.target in source.archive:
            comments = source.archive.xml(link.target)
            flow.hide("comment", "\n".join(text_of(found) for found in comments.iter("{*}text", "{*}t")))


def _shapes(tree: _Element) -> Iterator[_Element]:
    """Shapes in the order in which they are read, groups taken apart."""
    for element in elements(tree):
        name = local(element)
        if name == "grpSp":
            yield from _shapes(element)
        elif name == "AlternateContent":
            options = children(element, "Choice", "Fallback")
            yield from _shapes(options[0]) if options else ()
        elif name in ("sp", "graphicFrame", "cxnSp"):
            yield element


def _role(shape: _Element) -> str | None:
    placeholder = child(shape, "nvSpPr", "nvPr", "ph")
    return None if placeholder is None else (placeholder.get("type") or "body")


def _shape(shape: _Element, source: _Slide, flow: Flow, page: int) -> None:
    role = _role(shape)
    unseen = child(shape, "nvSpPr", "cNvPr")
    if role in _RUNNING:
        return
    if _is_off_slide(shape, source):
        flow.hide("off_page", "\n".join(text_of(found) for found in shape.iter("{*}t")))
        return
    if unseen is not None and unseen.get("hidden") in ("1", "true"):
        flow.hide("hidden_text", "\n".join(text_of(found) for found in shape.iter("{*}t")))
        return
    if local(shape) == "graphicFrame":
        _graphic(shape, source, flow, page)
        return
    body = child(shape, "txBody")
    if body is None:
        return
    paragraphs = [(_paragraph_text(paragraph, flow, source.legible), paragraph) for paragraph in children(body, "p")]
    if role in _TITLES:
        flow.add(Piece("heading", " ".join(text for text, _ in paragraphs), 1, page))
        return
    if role == "subTitle":
        flow.add(Piece("paragraph", "\n".join(text for text, _ in paragraphs), None, page))
        return
    items = sum(bool(text.strip()) for text, _ in paragraphs)
    counts: dict[int, int] = {}
    for text, paragraph in paragraphs:
        mark, depth = _mark(paragraph, role, items, counts)
        if not text.strip():
            continue
        if mark is None:
            flow.add(Piece("paragraph", text, None, page))
        else:
            flow.add_item(mark, depth, text, page)


def _mark(paragraph: _Element, role: str | None, items: int, counts: dict[int, int]) -> tuple[str | None, int]:
    """Mark and depth of a paragraph that is a list item.

    Bullets of the body placeholder come from the master; where the slide says nothing, several paragraphs in it
    are a list.
    """
    properties = child(paragraph, "pPr")
    depth = number(properties, "lvl") if properties is not None else 0
    if child(properties, "buNone") is not None:
        return None, depth
    numbered = child(properties, "buAutoNum")
    if numbered is not None:
        counts[depth] = counts[depth] + 1 if depth in counts else number(numbered, "startAt", 1)
        for deeper in [level for level in counts if level > depth]:
            del counts[deeper]
        return f"{counts[depth]}.", depth
    counts.clear()
    if child(properties, "buChar") is not None or child(properties, "buBlip") is not None:
        return "-", depth
    return ("-", depth) if role in ("body", "obj") and items > 1 else (None, depth)


def _paragraph_text(paragraph: _Element, flow: Flow, legible: float) -> str:
    parts: list[str] = []
    for element in elements(paragraph):
        name = local(element)
        if name == "br":
            parts.append("\n")
        elif name in ("r", "fld"):
            text = "".join(text_of(found) for found in children(element, "t"))
            hiding = _hiding(child(element, "rPr"), legible)
            if hiding is not None:
                flow.hide(hiding, text)
            else:
                parts.append(text)
        elif name in ("AlternateContent", "m"):
            parts += [found.text or "" for found in element.iter("{*}t")]
    return "".join(parts).replace("\x0b", "\n")


def _hiding(properties: _Element | None, legible: float) -> str | None:
    """How a run is hidden. White letters are not judged: what is behind them is decided by theme and pictures."""
    if properties is None:
        return None
    size = properties.get("sz")
    if size is not None and size.isdecimal() and int(size) < legible:
        return "tiny_text"
    solid = child(properties, "solidFill")
    alpha = None if solid is None else next(solid.iter("{*}alpha"), None)
    if alpha is not None and number(alpha, "val", 100_000) < 5_000:
        return "transparent_text"
    return None


def _is_off_slide(shape: _Element, source: _Slide) -> bool:
    """Whether the shape lies beyond the edges of the slide; shapes in groups have coordinates of their own."""
    parent = shape.getparent()
    if parent is None or local(parent) == "grpSp" or not source.width or not source.height:
        return False
    transform = child(shape, "spPr", "xfrm")
    if transform is None:
        transform = child(shape, "xfrm")
    offset, extent = child(transform, "off"), child(transform, "ext")
    if offset is None or extent is None:
        return False
    left, top = number(offset, "x"), number(offset, "y")
    right, bottom = left + number(extent, "cx"), top + number(extent, "cy")
    return right <= 0 or bottom <= 0 or left >= source.width or top >= source.height


def _graphic(frame: _Element, source: _Slide, flow: Flow, page: int) -> None:
    for table in frame.iter("{*}tbl"):
        rows = []
        for row in children(table, "tr"):
            cells = []
            for cell in children(row, "tc"):
                if cell.get("hMerge") in ("1", "true"):
                    continue
                texts = [
                    _paragraph_text(paragraph, flow, source.legible) for paragraph in cell.iterfind("{*}txBody/{*}p")
                ]
                cells.append(" ".join(" ".join(texts).split()))
            if any(cells):
                rows.append(" | ".join(cells))
        flow.add(Piece("table", "\n".join(rows), None, page))
    for piece in drawing.pieces_of(
        frame, source.archive, source.links, page, lambda paragraph: _paragraph_text(paragraph, flow, source.legible)
    ):
        flow.add(piece)


def _notes(source: _Slide, flow: Flow, page: int) -> bool:
    """Add the speaker's notes of a slide; whether there are any."""
    part = related(source.links, "notesSlide")
    if part is None or part not in source.archive:
        return False
    tree = child(source.archive.xml(part), "cSld", "spTree")
    before = len(flow.pieces)
    for shape in _shapes(tree) if tree is not None else ():
        body = child(shape, "txBody")
        if _role(shape) in _RUNNING or body is None:
            continue
        for paragraph in children(body, "p"):
            flow.add(Piece("paragraph", _paragraph_text(paragraph, flow, source.legible), None, page))
    return len(flow.pieces) > before
