"""Reads Word documents (DOCX, DOCM, DOTX): text as it is printed, with headings, lists, tables, notes and boxes.

Read from the XML itself: what python-docx hands out knows nothing of tracked changes, numbers, footnotes, text boxes
and hidden text.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from assets.silver.decode import decode
from assets.silver.document import Document, RefusedPart
from assets.silver.limits import Limits
from assets.silver.normalise import line_ends
from assets.silver.readers import drawing, html_tree
from assets.silver.readers.archive import Archive
from assets.silver.readers.docx_numbering import Numbering, read_numbering
from assets.silver.readers.docx_styles import (
    PLAIN,
    RUN_PROPERTIES,
    RunFormat,
    Style,
    Styles,
    hiding_of,
    is_shaded,
    over,
    read_styles,
    run_format,
    shades,
)
from assets.silver.readers.flow import Flow, Piece, promote_headings
from assets.silver.readers.ooxml import (
    LOCAL,
    LOCAL_OF,
    TAG,
    Relation,
    attribute,
    child,
    children,
    core_properties,
    elements,
    leading,
    local,
    main_part,
    named,
    nearly_white,
    number,
    related,
    relation_id,
    relations,
    switched_on,
    text_of,
)
from assets.silver.refusal import RefusedError

if TYPE_CHECKING:
    from lxml.etree import _Element

READER = "docx/3"

_SEPARATOR_NOTES = frozenset({"separator", "continuationSeparator", "continuationNotice"})
_REMOVED = frozenset({"del", "moveFrom", "rt"})
"""Deleted and moved text, and the small reading aid above a word."""
_WRAPPERS = frozenset({"sdt", "sdtContent", "customXml", "ins", "moveTo", "smartTag"})
_NUMBER_NONE = "0"
"""The numbering id that takes a paragraph out of the list its style puts it in."""
_SHADED = RunFormat(shaded=True)
_TELLING = frozenset({"del", "rStyle", *RUN_PROPERTIES})
"""Run properties that tell something; fonts and languages, the most frequent ones, do not."""
_SYMBOLS = range(0xF000, 0xF100)
"""Private code points under which symbol fonts hide their glyphs."""


def read(content: bytes, limits: Limits) -> Document:
    """A Word document.

    Comments and hidden, white or tiny text are kept apart; deleted text is dropped; headers and footers are
    dropped unless nothing else holds text. Pages are those that Word last laid out, where it noted all of them.

    Raises:
        RefusedError: `malformed`, `encrypted`, or a limit.
    """
    archive = Archive(content, limits)
    part = main_part(archive)
    links = relations(archive, part)
    root = archive.xml(part)
    body = child(root, "body")
    if body is None:
        raise RefusedError("malformed", f"{part} has no body")
    flow = Flow()
    walk = _Walk(
        flow=flow,
        styles=read_styles(archive, related(links, "styles")),
        numbering=read_numbering(archive, related(links, "numbering")),
        notes=_Notes(archive, links),
        paper_white=not _has_background(root),
        package=_Package(archive, links, limits),
    )
    walk.blocks(body)
    if not flow.pieces:
        for kind in ("header", "footer"):
            for link in links.values():
                if link.kind == kind and link.target in archive:
                    walk.blocks(archive.xml(link.target))
    if not walk.pages_hold(_pages(archive)):
        for piece in flow.pieces:
            piece.page = None
    promote_headings(flow.pieces)
    comments = related(links, "comments")
    if comments is not None and comments in archive:
        for comment in children(archive.xml(comments), "comment"):
            flow.hide("comment", "\n".join(_plain(paragraph) for paragraph in comment.iter("{*}p")))
    return replace(core_properties(archive).over(flow.document(READER)), refused=tuple(walk.refused))


@dataclass(frozen=True, slots=True)
class _Package:
    """What the document refers to: charts, diagrams and inserted files."""

    archive: Archive
    links: dict[str, Relation]
    limits: Limits


class _Notes:
    """Footnotes and endnotes by their id."""

    def __init__(self, archive: Archive, links: dict[str, Relation]) -> None:
        self._notes: dict[tuple[str, str], _Element] = {}
        for kind, name in (("footnotes", "footnote"), ("endnotes", "endnote")):
            part = related(links, kind)
            if part is not None and part in archive:
                for note in children(archive.xml(part), name):
                    if attribute(note, "type") not in _SEPARATOR_NOTES:
                        self._notes[name, attribute(note, "id") or ""] = note

    def get(self, kind: str, note_id: str) -> _Element | None:
        return self._notes.get((kind, note_id))


@dataclass(slots=True)
class _Paragraph:
    """What is printed of a paragraph so far."""

    text: list[str] = field(default_factory=list)
    hidden: list[tuple[str, str]] = field(default_factory=list)
    notes: list[tuple[str, _Element]] = field(default_factory=list)
    boxes: list[_Element] = field(default_factory=list)
    drawings: list[_Element] = field(default_factory=list)
    letters: dict[int, int] = field(default_factory=dict)
    page: int | None = None
    bold: bool = True


@dataclass(slots=True)
class _Walk:
    flow: Flow
    styles: Styles
    numbering: Numbering
    notes: _Notes
    paper_white: bool
    package: _Package
    page: int = 1
    breaks: int = 0
    noted: int = 0
    refused: list[RefusedPart] = field(default_factory=list)
    """Files within the document that no reader reads."""
    _fields: list[bool] = field(default_factory=list)
    """Open complex fields, outermost first: whether what follows is the result, which is printed."""
    _joined: str = ""
    """Text of paragraphs whose end was deleted: it goes on in the next one."""

    def pages_hold(self, pages: int | None) -> bool:
        """Whether the page breaks that were met account for all pages of the document."""
        return self.breaks > 0 and pages == self.breaks + 1

    def blocks(self, parent: _Element, *, shaded: bool = False) -> None:
        """Paragraphs and tables of a body, cell, note or box."""
        for element in parent:
            name = LOCAL[element.tag]
            if name == "p":
                self._paragraph(element, shaded)
            elif name == "tbl":
                self._table(element)
            elif name in _WRAPPERS:
                self.blocks(element, shaded=shaded)
            elif name == "AlternateContent":
                self.blocks(_chosen(element), shaded=shaded)
            elif name == "altChunk":
                self._inserted(element)

    def _inserted(self, element: _Element) -> None:
        """A file that Word takes in when it opens the document, as programs leave them that write HTML into one."""
        package = self.package
        link = package.links.get(relation_id(element))
        if link is None or link.target not in package.archive:
            return
        content = package.archive.read(link.target)
        if PurePosixPath(link.target).suffix.casefold() in (".htm", ".html", ".xhtml"):
            found = html_tree.pieces_of(line_ends(decode(content).text))
            for shown in found.shown:
                self.flow.add(Piece(shown.kind, shown.text, shown.level, self.page))
            hidden = found.hidden
        else:
            from assets.silver.readers.registry import read as read_file

            limits = package.limits.within()
            if limits.nesting < 1:
                raise RefusedError("nested_too_deep", "documents within documents")
            hidden = []
            try:
                documents = read_file(content, link.target, limits)
            except RefusedError as refused:
                self.refused.append(
                    RefusedPart(PurePosixPath(link.target).name, refused.code, refused.detail, refused.reader)
                )
                return
            for document in documents:
                hidden += document.hidden
                self.refused += document.refused
                for block in document.blocks:
                    self.flow.add(Piece(block.kind, document.text[block.start : block.end], block.level, self.page))
        for unseen in hidden:
            self.flow.hide(unseen.kind, unseen.text)

    def _paragraph(self, element: _Element, shaded: bool) -> None:
        properties = named(leading(element, "pPr"))
        style = self.styles.style(attribute(properties.get("pStyle"), "val") or self.styles.default_paragraph)
        behind = _SHADED if shaded or not self.paper_white or shades(properties.get("shd")) else PLAIN
        base = over(behind, over(style.formatting, self.styles.defaults))
        printed = _Paragraph()
        self._runs(element, base, printed)
        page = printed.page or self.page
        text = self._joined + "".join(printed.text)
        self._joined = ""
        dropped = attribute(properties.get("framePr"), "dropCap") in ("drop", "margin")
        if dropped or ("rPr" in properties and child(properties["rPr"], "del") is not None):
            # a large initial, or a paragraph whose end was deleted: what follows belongs to it
            self._joined = text
            text = ""
        self._place(text, style, properties, page, printed, base)
        for kind, hidden in printed.hidden:
            self.flow.hide(kind, hidden)
        for box in printed.boxes:
            self.blocks(box, shaded=_is_filled(box))
        for drawn in printed.drawings:
            for piece in drawing.pieces_of(drawn, self.package.archive, self.package.links, page):
                self.flow.add(piece)
        for mark, note in printed.notes:
            self._note(mark, note)

    def _place(
        self,
        text: str,
        style: Style,
        properties: dict[str, _Element],
        page: int,
        printed: _Paragraph,
        base: RunFormat,
    ) -> None:
        mark, depth = self._mark(style, properties) if text.strip() else (None, 0)
        outline = properties.get("outlineLvl")
        level = self.styles.heading_level(style, None if outline is None else number(outline, "val", 9))
        size = max(printed.letters, key=printed.letters.__getitem__, default=base.half_points or 20)
        if level is not None:
            numbered = f"{mark} {text}" if mark not in (None, "", "-") else text
            self.flow.add(Piece("heading", numbered, level, page))
        elif mark is not None:
            self.flow.add_item(mark, depth, text, page)
        else:
            self.flow.add(Piece("paragraph", text, None, page, float(size), printed.bold and bool(printed.letters)))

    def _mark(self, style: Style, properties: dict[str, _Element]) -> tuple[str | None, int]:
        """Mark and depth of a list item; no mark for other paragraphs."""
        direct = properties.get("numPr")
        numbering = attribute(child(direct, "numId"), "val") or style.numbering
        if numbering is None or numbering == _NUMBER_NONE or numbering not in self.numbering:
            return None, 0
        level = child(direct, "ilvl")
        depth = (style.depth or 0) if level is None else number(level, "val")
        return self.numbering.mark(numbering, depth), max(0, min(depth, 8))

    def _note(self, mark: str, note: _Element) -> None:
        before = len(self.flow.pieces)
        self.blocks(note)
        if len(self.flow.pieces) > before:
            first = self.flow.pieces[before]
            first.text = f"{mark} {first.text.strip()}"

    def _runs(self, parent: _Element, base: RunFormat, printed: _Paragraph) -> None:
        for element in parent:
            name = LOCAL[element.tag]
            if name == "r":
                self._run(element, base, printed)
            elif name in _REMOVED or name == "pPr":
                continue
            elif name == "AlternateContent":
                self._runs(_chosen(element), base, printed)
            elif name in ("oMath", "oMathPara"):
                printed.text.append("".join(text_of(found) for found in element.iter("{*}t")))
            elif name == "sdt":
                content = child(element, "sdtContent")
                if content is not None:
                    self._runs(content, base, printed)
            elif len(element):
                self._runs(element, base, printed)

    def _run(self, run: _Element, base: RunFormat, printed: _Paragraph) -> None:
        inner = list(run)
        names = list(map(LOCAL_OF, map(TAG, inner)))
        formatting = base
        if names[:1] == ["rPr"]:
            said = self._formatting(inner.pop(0))
            if said is None:
                return
            formatting = over(said, base)
            del names[0]
        if names == ["t"] and not self._fields:
            text = inner[0].text or ""
            printed.page = printed.page or self.page
        else:
            text = "".join(self._run_text(names, inner, printed))
        if not text:
            return
        hiding = hiding_of(formatting)
        if hiding is not None:
            printed.hidden.append((hiding, text))
            return
        printed.text.append(text)
        if text.strip():
            size = formatting.half_points or 20
            printed.letters[size] = printed.letters.get(size, 0) + len(text)
            printed.bold = printed.bold and bool(formatting.bold)

    def _formatting(self, properties: _Element) -> RunFormat | None:
        """How a run with these properties looks, None where it was deleted."""
        said = named(properties)
        if _TELLING.isdisjoint(said):
            return PLAIN
        if "del" in said and switched_on(said["del"]):
            return None
        formatting = run_format(said)
        if "rStyle" in said:
            formatting = over(formatting, self.styles.style(attribute(said["rStyle"], "val")).formatting)
        return formatting

    def _run_text(self, names: list[str], inner: list[_Element], printed: _Paragraph) -> Iterator[str]:
        for name, element in zip(names, inner, strict=True):
            if name == "t" and not self._fields:
                if printed.page is None:
                    printed.page = self.page
                yield element.text or ""
            elif name == "fldChar":
                self._field(attribute(element, "fldCharType"))
            elif name == "lastRenderedPageBreak":
                self.page += 1
                self.breaks += 1
            elif self._fields and not all(self._fields):
                continue
            elif name == "t":
                if printed.page is None:
                    printed.page = self.page
                yield element.text or ""
            elif name in ("tab", "ptab"):
                yield "\t"
            elif name in ("br", "cr"):
                yield "\n"
            elif name == "noBreakHyphen":
                yield "-"
            elif name == "sym":
                yield _symbol(attribute(element, "char"))
            elif name in ("footnoteReference", "endnoteReference"):
                yield self._reference(element, name.removesuffix("Reference"), printed)
            elif name == "AlternateContent":
                printed.boxes += list(_boxes(_chosen(element)))
            elif name in ("drawing", "pict", "object"):
                printed.boxes += list(_boxes(element))
                if name == "drawing":
                    printed.drawings.append(element)
            elif name == "ruby":
                yield from (text_of(found) for found in element.iterfind("{*}rubyBase/{*}r/{*}t"))

    def _field(self, kind: str | None) -> None:
        """Complex fields hold an instruction, which is not printed, and after a separator their result, which is."""
        if kind == "begin":
            self._fields.append(False)
        elif kind == "separate" and self._fields:
            self._fields[-1] = True
        elif kind == "end" and self._fields:
            self._fields.pop()

    def _reference(self, element: _Element, kind: str, printed: _Paragraph) -> str:
        note = self.notes.get(kind, attribute(element, "id") or "")
        if note is None:
            return ""
        self.noted += 1
        mark = f"[{self.noted}]"
        printed.notes.append((mark, note))
        return mark

    def _table(self, table: _Element) -> None:
        style = self.styles.style(attribute(child(table, "tblPr", "tblStyle"), "val"))
        rows = [list(_cells(row)) for row in _rows(table)]
        if all(len(row) <= 1 for row in rows):
            # A table of one column frames text and is none.
            for row in rows:
                for cell in row:
                    self.blocks(cell, shaded=style.shaded or is_shaded(child(cell, "tcPr")))
            return
        page = self.page
        lines, after = [], []
        for row in rows:
            texts = []
            for cell in row:
                text, notes = self._cell(cell, style.shaded)
                texts.append(text)
                after += notes
            while texts and not texts[-1]:
                texts.pop()
            if texts:
                lines.append(" | ".join(texts))
        self.flow.add(Piece("table", "\n".join(lines), None, page))
        for piece in after:
            self.flow.add(piece)

    def _cell(self, cell: _Element, shaded: bool) -> tuple[str, list[Piece]]:
        """Text of a cell in one line, and the notes that belong under the table."""
        properties = named(leading(cell, "tcPr"))
        merged = properties.get("vMerge")
        if merged is not None and (attribute(merged, "val") or "continue") == "continue":
            return "", []
        inner = Flow()
        outer, self.flow = self.flow, inner
        try:
            self.blocks(cell, shaded=shaded or shades(properties.get("shd")))
        finally:
            self.flow = outer
        for hidden in inner.hidden():
            outer.hide(hidden.kind, hidden.text)
        notes = [piece for piece in inner.pieces if piece.text.startswith("[") and piece.kind == "paragraph"]
        notes = [piece for piece in notes if piece.text[1 : piece.text.find("]")].isdigit()]
        texts = [" ".join(piece.text.split()) for piece in inner.pieces if piece not in notes]
        return " ".join(texts).replace(" | ", " / "), notes


def _unwrapped(parent: _Element) -> Iterator[_Element]:
    """The children, with what only wraps them (content controls, insertions, custom XML) taken off."""
    for element in parent:
        name = LOCAL[element.tag]
        if name in _WRAPPERS:
            yield from _unwrapped(element)
        elif name == "AlternateContent":
            yield from _unwrapped(_chosen(element))
        elif name not in _REMOVED:
            yield element


def _chosen(alternatives: _Element) -> _Element:
    """One of several forms of the same content: the first, unless only the fallback holds text."""
    options = children(alternatives, "Choice", "Fallback")
    for option in options:
        if next(option.iter("{*}t"), None) is not None:
            return option
    return options[0] if options else alternatives


def _boxes(element: _Element) -> Iterator[_Element]:
    """Outermost text boxes of a drawing."""
    for inner in elements(element):
        name = local(inner)
        if name == "txbxContent":
            yield inner
        elif name == "AlternateContent":
            yield from _boxes(_chosen(inner))
        else:
            yield from _boxes(inner)


def _is_filled(box: _Element) -> bool:
    """Whether the shape around a text box has a colour of its own, on which white letters can be read."""
    shape = box.getparent()
    while shape is not None and local(shape) not in ("wsp", "shape", "rect", "roundrect", "oval"):
        shape = shape.getparent()
    if shape is None:
        return False
    properties = child(shape, "spPr")
    if properties is not None:
        if children(properties, "gradFill", "blipFill", "pattFill"):
            return True
        solid = child(properties, "solidFill")
        colour = attribute(child(solid, "srgbClr"), "val")
        return solid is not None and not nearly_white(colour)
    fill = shape.get("fillcolor")
    return fill is not None and fill.split()[0:1] != ["white"] and not nearly_white(fill.split()[0] if fill else "")


def _rows(table: _Element) -> list[_Element]:
    """Rows of a table that were not deleted."""
    return [
        row
        for row in _unwrapped(table)
        if local(row) == "tr" and child(row, "trPr", "del") is None and not switched_on(child(row, "trPr", "hidden"))
    ]


def _cells(row: _Element) -> Iterator[_Element]:
    return (cell for cell in _unwrapped(row) if local(cell) == "tc")


def _symbol(code: str | None) -> str:
    try:
        point = int(code or "", 16)
    except ValueError:
        return ""
    return " " if point in _SYMBOLS or not 0x20 < point < 0x110000 else chr(point)


def _has_background(root: _Element) -> bool:
    colour = attribute(child(root, "background"), "color")
    return colour is not None and colour != "auto" and not nearly_white(colour)


def _plain(paragraph: _Element) -> str:
    return "".join(found.text or "" for found in paragraph.iter("{*}t"))


def _pages(archive: Archive) -> int | None:
    """Pages as Word counted them when it saved the file."""
    name = related(relations(archive, ""), "extended-properties")
    if name is None or name not in archive:
        return None
    try:
        return int(text_of(found)) if (found := child(archive.xml(name), "Pages")) is not None else None
    except (RefusedError, ValueError):
        return None
