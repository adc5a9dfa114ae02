"""Reads OpenDocument files: texts (ODT), spreadsheets (ODS) and presentations (ODP), with all that people see."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from assets.silver.document import Document
from assets.silver.limits import Limits
from assets.silver.metadata import Metadata
from assets.silver.readers.archive import Archive
from assets.silver.readers.flow import Flow, Piece, promote_headings
from assets.silver.readers.ooxml import (
    LOCAL,
    attribute,
    child,
    children,
    elements,
    local,
    nearly_white,
    number,
    text_of,
)
from assets.silver.readers.properties import properties
from assets.silver.refusal import RefusedError

if TYPE_CHECKING:
    from lxml.etree import _Element

READER = "odf/2"

_LEGIBLE_POINTS = 3.5
_MOST_REPEATED = 1_000
"""How often one cell or row may stand for several: sheets end in a row that stands for a million empty ones."""
_UNPRINTED = frozenset(
    {"tracked-changes", "sequence-decls", "variable-decls", "user-field-decls", "forms", "settings", "event-listeners"}
)
_WRAPPERS = frozenset(
    "section index-body index-title numbered-paragraph table-of-content alphabetical-index illustration-index"
    " bibliography user-index object-index table-index text-box g".split()
)


@dataclass(frozen=True, slots=True)
class _Style:
    parent: str | None = None
    colour: str | None = None
    background: str | None = None
    points: float | None = None
    undisplayed: bool = False
    bold: bool | None = None


@dataclass(slots=True)
class _Styles:
    by_name: dict[str, _Style] = field(default_factory=dict)
    numbered: dict[str, set[int]] = field(default_factory=dict)
    """Levels of each list style, from 1, that are numbered."""
    _hidden_by: dict[tuple[str | bool | None, ...], str | None] = field(default_factory=dict)
    _print: dict[str | None, tuple[float, bool]] = field(default_factory=dict)

    def chain(self, name: str | None) -> Iterator[_Style]:
        seen: set[str] = set()
        while name is not None and name in self.by_name and name not in seen:
            seen.add(name)
            yield self.by_name[name]
            name = self.by_name[name].parent

    def hiding(self, names: list[str | None], *, shaded: bool = False) -> str | None:
        """How text is hidden by its styles, innermost first; None where a person sees it."""
        key = (*names, shaded)
        if key not in self._hidden_by:
            self._hidden_by[key] = self._hiding(names, shaded)
        return self._hidden_by[key]

    def _hiding(self, names: list[str | None], shaded: bool) -> str | None:
        styles = [style for name in names for style in self.chain(name)]
        if any(style.undisplayed for style in styles):
            return "hidden_text"
        points = next((style.points for style in styles if style.points is not None), None)
        if points is not None and points < _LEGIBLE_POINTS:
            return "tiny_text"
        colour = next((style.colour for style in styles if style.colour is not None), None)
        background = next((style.background for style in styles if style.background is not None), None)
        shaded = shaded or (background is not None and not nearly_white(background))
        return "white_text" if nearly_white(colour) and not shaded else None

    def print_of(self, name: str | None) -> tuple[float, bool]:
        """Points of the letters, 0 where nothing is said, and whether they are bold."""
        if name not in self._print:
            styles = list(self.chain(name))
            points = next((style.points for style in styles if style.points is not None), 0.0)
            self._print[name] = points, next((style.bold for style in styles if style.bold is not None), False)
        return self._print[name]


def read(content: bytes, limits: Limits) -> Document:
    """An OpenDocument text, spreadsheet or presentation.

    Deleted text of tracked changes is dropped, comments and hidden, white or tiny text are kept apart.

    Raises:
        RefusedError: `malformed`, `encrypted`, or a limit.
    """
    archive = Archive(content, limits)
    manifest = "META-INF/manifest.xml"
    if manifest in archive and next(archive.xml(manifest).iter("{*}encryption-data"), None) is not None:
        raise RefusedError("encrypted")
    root = archive.xml("content.xml")
    styles = _Styles()
    if "styles.xml" in archive:
        _read_styles(archive.xml("styles.xml"), styles)
    _read_styles(root, styles)
    body = child(root, "body")
    flow = Flow()
    walk = _Walk(flow, styles, limits.cells)
    for kind in elements(body) if body is not None else ():
        if local(kind) == "text":
            walk.blocks(kind)
        elif local(kind) == "spreadsheet":
            _pages(children(kind, "table"), walk, limits, sheets=True)
        elif local(kind) in ("presentation", "drawing"):
            _pages(children(kind, "page"), walk, limits, sheets=False)
    promote_headings(flow.pieces)
    return _metadata(archive).over(flow.document(READER))


def _pages(pages: list[_Element], walk: _Walk, limits: Limits, *, sheets: bool) -> None:
    if len(pages) > limits.pages:
        raise RefusedError("too_many_pages", f"{len(pages)} pages")
    for at, page in enumerate(pages, start=1):
        walk.page = at
        unshown = walk.styles.hiding([attribute(page, "style-name")]) is not None
        outer = walk.flow
        walk.flow = inner = Flow()
        if sheets:
            walk.table(page)
            if inner.pieces:
                inner.pieces.insert(0, Piece("heading", attribute(page, "name") or "", 1, at))
        else:
            _slide(page, walk)
        walk.flow = outer
        for hidden in inner.hidden():
            outer.hide(hidden.kind, hidden.text)
        if unshown:
            outer.hide("hidden_sheet" if sheets else "hidden_slide", "\n".join(piece.text for piece in inner.pieces))
        else:
            outer.pieces += inner.pieces


def _slide(page: _Element, walk: _Walk) -> None:
    frames = [element for element in elements(page) if local(element) != "notes"]
    for frame in sorted(frames, key=lambda frame: attribute(frame, "class") != "title"):
        before = len(walk.flow.pieces)
        # what is behind white letters on a slide is decided by its master and pictures
        walk.blocks(frame, shaded=True)
        if attribute(frame, "class") == "title" and len(walk.flow.pieces) > before:
            texts = [piece.text for piece in walk.flow.pieces[before:]]
            walk.flow.pieces[before:] = [Piece("heading", " ".join(texts), 1, walk.page)]
    for notes in children(page, "notes"):
        walk.blocks(notes, shaded=True)


class _RepeatedNames(dict[Any, str]):
    """Full names of the attribute by which cells are repeated, by those of the cells, which share its namespace."""

    def __missing__(self, tag: Any) -> str:
        name = self[tag] = f"{str(tag).rpartition('}')[0]}}}number-columns-repeated"
        return name


_REPEATED = _RepeatedNames()


@dataclass(slots=True)
class _Walk:
    flow: Flow
    styles: _Styles
    most_cells: int
    page: int | None = None
    noted: int = 0
    cells: int = 0
    _notes: list[tuple[str, _Element]] = field(default_factory=list)
    _boxes: list[_Element] = field(default_factory=list)

    def blocks(self, parent: _Element, *, shaded: bool = False) -> None:
        """Paragraphs, headings, lists and tables below an element."""
        for element in elements(parent):
            name = local(element)
            if name in ("h", "p"):
                self._paragraph(element, shaded)
            elif name == "list":
                self._list(element, 1, attribute(element, "style-name"), shaded)
            elif name == "table":
                self.table(element)
            elif name in ("frame", "custom-shape", "rect", "ellipse", "text-box", "object") or name in _WRAPPERS:
                if attribute(element, "display") != "none":
                    self.blocks(element, shaded=shaded)
                else:
                    self.flow.hide("hidden_text", text_of(element))

    def _paragraph(self, element: _Element, shaded: bool) -> None:
        style = attribute(element, "style-name")
        text = self._text(element, [style], shaded)
        if local(element) == "h":
            level = max(1, min(number(element, "outline-level", 1), 6))
            self.flow.add(Piece("heading", text, level, self.page))
        else:
            points, bold = self.styles.print_of(style)
            self.flow.add(Piece("paragraph", text, None, self.page, points, bold))
        self._finish(shaded)

    def _finish(self, shaded: bool) -> None:
        """Text boxes and notes that were met in a paragraph come after it."""
        boxes, self._boxes = self._boxes, []
        notes, self._notes = self._notes, []
        for box in boxes:
            self.blocks(box, shaded=True)
        for mark, note in notes:
            before = len(self.flow.pieces)
            self.blocks(note, shaded=shaded)
            if len(self.flow.pieces) > before:
                self.flow.pieces[before].text = f"{mark} {self.flow.pieces[before].text.strip()}"

    def _list(self, element: _Element, depth: int, style: str | None, shaded: bool) -> None:
        numbered = depth in self.styles.numbered.get(style or "", ())
        count = 0
        for item in children(element, "list-header", "list-item"):
            first = True
            if local(item) == "list-item":
                count = number(item, "start-value", count + 1)
            for inner in elements(item):
                if local(inner) == "list":
                    self._list(inner, depth + 1, attribute(inner, "style-name") or style, shaded)
                elif local(inner) in ("p", "h"):
                    text = self._text(inner, [attribute(inner, "style-name")], shaded).strip()
                    if local(inner) == "h":
                        level = max(1, min(number(inner, "outline-level", 1), 6))
                        self.flow.add(Piece("heading", text, level, self.page))
                    elif text:
                        # Further paragraphs of an item stand below its first one.
                        mark = (f"{count}." if numbered else "-") if first else " "
                        self.flow.add_item(mark, depth - 1, text, self.page)
                    first = False
                    self._finish(shaded)

    def table(self, table: _Element) -> None:
        """A table, or what it frames where it has a single column."""
        rows: list[list[str]] = []
        cells = [list(children(row, "table-cell", "covered-table-cell")) for row in _rows(table)]
        if local(table) == "table" and all(len(row) == 1 for row in cells) and self.page is None:
            for row in cells:
                self.blocks(row[0], shaded=True)
            return
        for row, element in zip(cells, _rows(table), strict=True):
            texts = self._row(row)
            if attribute(element, "visibility") in ("collapse", "filter"):
                self.flow.hide("hidden_cells", " ".join(filter(None, texts)))
            elif any(texts):
                rows += [texts] * min(number(element, "number-rows-repeated", 1), _MOST_REPEATED)
            elif rows and rows[-1]:
                rows.append([])
            self.cells += len(texts)
            if self.cells + len(rows) > self.most_cells:
                raise RefusedError("too_many_entries", f"more than {self.most_cells} filled cells")
        self._add_rows(rows)
        self._finish(False)

    def _row(self, cells: list[_Element]) -> list[str]:
        texts: list[str] = []
        for cell in cells:
            text = self._plain(cell)
            if text is None:
                text = self._blocks_of_cell(cell)
            if text and cell.get(_REPEATED[cell.tag]) is not None:
                texts += [text] * min(number(cell, "number-columns-repeated", 1), _MOST_REPEATED)
            else:
                texts.append(text)
        while texts and not texts[-1]:
            texts.pop()
        return texts

    def _blocks_of_cell(self, cell: _Element) -> str:
        """Text of a cell on one line, whatever blocks it holds."""
        inner = Flow()
        outer, self.flow = self.flow, inner
        notes, self._notes = self._notes, []
        try:
            self.blocks(cell, shaded=True)
        finally:
            self.flow = outer
            self._notes = notes
        for hidden in inner.hidden():
            outer.hide(hidden.kind, hidden.text)
        return " ".join(" ".join(piece.text.split()) for piece in inner.pieces).replace(" | ", " / ")

    def _plain(self, cell: _Element) -> str | None:
        """Text of a cell that holds one paragraph of bare text, as most do; None where it holds anything else."""
        inner = elements(cell)
        if not inner:
            return ""
        paragraph = inner[0]
        if len(inner) > 1 or LOCAL[paragraph.tag] != "p" or len(paragraph):
            return None
        if paragraph.attrib and self.styles.hiding([attribute(paragraph, "style-name")], shaded=True) is not None:
            return None
        return " ".join((paragraph.text or "").split()).replace(" | ", " / ")

    def _add_rows(self, rows: list[list[str]]) -> None:
        block: list[list[str]] = []
        for row in [*rows, []]:
            if row:
                block.append(row)
            elif block:
                self.flow.add(Piece("table", "\n".join(" | ".join(texts) for texts in block), None, self.page))
                block = []

    def _text(self, element: _Element, styles: list[str | None], shaded: bool) -> str:
        hiding = self.styles.hiding(styles, shaded=shaded)
        parts: list[str] = []

        def printed(text: str | None) -> None:
            if text and hiding is not None:
                self.flow.hide(hiding, text)
            elif text:
                # White space in the XML means a single blank; the rest is spelled out as elements.
                parts.append(" ".join(text.split()) if text.strip() == text else _single_blanks(text))

        printed(element.text)
        for inner in elements(element):
            parts.append(self._inline(inner, styles, shaded))
            printed(inner.tail)
        return "".join(parts)

    def _inline(self, element: _Element, styles: list[str | None], shaded: bool) -> str:
        name = local(element)
        if name == "s":
            return " " * max(1, min(number(element, "c", 1), 100))
        if name == "tab":
            return "\t"
        if name == "line-break":
            return "\n"
        if name == "note":
            return self._note(element)
        if name in ("annotation", "hidden-text", "hidden-paragraph"):
            self.flow.hide("comment" if name == "annotation" else "hidden_text", text_of(element))
            return ""
        if name in ("frame", "custom-shape", "rect"):
            self._boxes.append(element)
            return ""
        if name in _UNPRINTED or name in ("ruby-text", "bookmark", "change", "annotation-end", "desc", "title"):
            return ""
        return self._text(element, [attribute(element, "style-name"), *styles], shaded)

    def _note(self, element: _Element) -> str:
        body = child(element, "note-body")
        if body is None:
            return ""
        self.noted += 1
        self._notes.append((f"[{self.noted}]", body))
        return f"[{self.noted}]"


def _single_blanks(text: str) -> str:
    middle = " ".join(text.split())
    if not middle:
        return " "
    return f"{' ' if text[0].isspace() else ''}{middle}{' ' if text[-1].isspace() else ''}"


def _rows(table: _Element) -> list[_Element]:
    found: list[_Element] = []
    for element in elements(table):
        if local(element) == "table-row":
            found.append(element)
        elif local(element) in ("table-header-rows", "table-rows", "table-row-group"):
            found += _rows(element)
    return found


def _read_styles(root: _Element, styles: _Styles) -> None:
    for element in root.iter("{*}style"):
        name = attribute(element, "name")
        text = child(element, "text-properties")
        others = [child(element, kind) for kind in ("paragraph-properties", "table-properties")]
        if name is None:
            continue
        colour = attribute(text, "color")
        backgrounds = [attribute(part, "background-color") for part in (text, *others)]
        weight = attribute(text, "font-weight")
        styles.by_name[name] = _Style(
            parent=attribute(element, "parent-style-name"),
            colour=colour,
            background=next((found for found in backgrounds if found not in (None, "transparent")), None),
            points=_points(attribute(text, "font-size")),
            undisplayed=attribute(text, "display") == "none" or attribute(others[1], "display") == "false",
            bold=None if weight is None else weight in ("bold", "600", "700", "800", "900"),
        )
    for element in root.iter("{*}list-style"):
        levels = children(element, "list-level-style-number")
        styles.numbered[attribute(element, "name") or ""] = {
            number(level, "level") for level in levels if attribute(level, "num-format")
        }


def _points(size: str | None) -> float | None:
    if size is None or not size.endswith("pt"):
        return None
    try:
        return float(size.removesuffix("pt"))
    except ValueError:
        return None


def _metadata(archive: Archive) -> Metadata:
    if "meta.xml" not in archive:
        return Metadata()
    try:
        root = archive.xml("meta.xml")
    except RefusedError as refused:
        if refused.code != "malformed":
            raise
        return Metadata()
    meta = child(root, "meta")
    values = {local(element): text_of(element) for element in elements(meta)} if meta is not None else {}
    return properties(
        {
            "title": values.get("title"),
            "author": values.get("creator") or values.get("initial-creator"),
            "date": values.get("date") or values.get("creation-date"),
            "language": values.get("language"),
            "keywords": values.get("keyword"),
        }
    )
