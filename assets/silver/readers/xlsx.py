"""Reads workbooks (XLSX, XLSM): a page for each sheet, its cells as tables, values as people see them.

Read as a stream from the XML itself: openpyxl fills every gap of a sheet with empty cells, so that two cells far apart
keep it busy for minutes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from assets.silver.document import Document
from assets.silver.limits import Limits
from assets.silver.readers import drawing
from assets.silver.readers.archive import Archive
from assets.silver.readers.flow import Flow, Piece
from assets.silver.readers.number_format import BUILTIN, general, is_date, shown
from assets.silver.readers.ooxml import (
    LOCAL,
    attribute,
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

READER = "xlsx/2"

_SAMPLE = 2_000
"""Characters of the texts in cells by which their language is told."""

_REFERENCE = re.compile(r"\$?([A-Z]{1,3})\$?([0-9]{1,7})")
_ESCAPED = re.compile(r"_x([0-9A-Fa-f]{4})_")
_TITLE_OF_A_PROGRAM = re.compile(r"(?:sheet|tabelle|table|blatt|feuil|hoja)\s?\d*$", re.IGNORECASE)


@dataclass(slots=True)
class _Book:
    """What the cells of a workbook refer to."""

    archive: Archive
    most_cells: int
    strings: list[str] = field(default_factory=list)
    formats: list[str] = field(default_factory=list)
    from_1904: bool = False
    language: str = "en"
    cells: int = 0


@dataclass(slots=True)
class _Sheet:
    """Rows of a sheet by number, with the text of each cell by column."""

    rows: dict[int, dict[int, str]] = field(default_factory=dict)
    hidden: list[str] = field(default_factory=list)


def read(content: bytes, limits: Limits) -> Document:
    """A workbook.

    Cells hold what Excel last calculated and shows. Rows that follow one another are a table, which a row without
    text ends; a cell that stands alone is a paragraph. Hidden sheets, rows and columns, and comments are kept apart.

    Raises:
        RefusedError: `malformed`, `encrypted`, or a limit.
    """
    archive = Archive(content, limits)
    part = main_part(archive)
    root = archive.xml(part)
    links = relations(archive, part)
    sheets = children(child(root, "sheets"), "sheet") if child(root, "sheets") is not None else []
    if len(sheets) > limits.pages:
        raise RefusedError("too_many_pages", f"{len(sheets)} sheets")
    book = _Book(archive, limits.cells, from_1904=_is_on(child(root, "workbookPr"), "date1904"))
    _read_strings(book, related(links, "sharedStrings"))
    _read_formats(book, related(links, "styles"))
    parts = {
        page: link.target
        for page, entry in enumerate(sheets, start=1)
        if (link := links.get(relation_id(entry))) is not None and link.kind == "worksheet" and link.target in archive
    }
    book.language = _language(book.strings or _inline_strings(archive, parts.values()))
    flow = Flow()
    unshown = 0
    for page, entry in enumerate(sheets, start=1):
        if page not in parts:
            continue
        sheet = _read_sheet(book, parts[page])
        pieces = _pieces(sheet, page)
        pieces += _boxes(book, parts[page], page, flow)
        flow.hide("hidden_cells", "\n".join(sheet.hidden))
        _comments(book, parts[page], flow)
        if (entry.get("state") or "visible") != "visible":
            unshown += 1
            flow.hide("hidden_sheet", "\n".join(piece.text for piece in pieces))
            continue
        name = entry.get("name") or ""
        if pieces and (len(sheets) > 1 or not _TITLE_OF_A_PROGRAM.fullmatch(name.strip())):
            flow.add(Piece("heading", name, 1, page))
        flow.pieces += pieces
    left_out = "1 hidden sheet was left out" if unshown == 1 else f"{unshown} hidden sheets were left out"
    notes = (left_out,) if unshown else ()
    return core_properties(archive).over(flow.document(READER, notes))


def _is_on(element: _Element | None, name: str) -> bool:
    """Whether an attribute is there and on."""
    return (attribute(element, name) or "0") in ("1", "true", "on")


def _read_strings(book: _Book, part: str | None) -> None:
    """Texts of cells; phonetic guides above them are left out."""
    if part is None or part not in book.archive:
        return
    for item in book.archive.xml_stream(part, "{*}si"):
        book.strings.append(_rich_text(item))
        if len(book.strings) > book.most_cells:
            raise RefusedError("too_many_entries", f"more than {book.most_cells} different texts in cells")


def _rich_text(item: _Element) -> str:
    parts = []
    for element in elements(item):
        name = local(element)
        if name == "t":
            parts.append(element.text or "")
        elif name == "r":
            parts += [found.text or "" for found in children(element, "t")]
    return _unescaped("".join(parts))


def _unescaped(text: str) -> str:
    """Characters that XML cannot hold are written `_x000D_`."""
    return _ESCAPED.sub(lambda match: chr(int(match[1], 16)), text) if "_x" in text else text


def _read_formats(book: _Book, part: str | None) -> None:
    if part is None or part not in book.archive:
        return
    root = book.archive.xml(part)
    own = {
        number(entry, "numFmtId"): entry.get("formatCode") or "General"
        for formats in children(root, "numFmts")
        for entry in children(formats, "numFmt")
    }
    for cells in children(root, "cellXfs"):
        for entry in children(cells, "xf"):
            code = number(entry, "numFmtId")
            book.formats.append(own.get(code) or BUILTIN.get(code, "General"))


def _inline_strings(archive: Archive, parts: Iterable[str]) -> Iterator[str]:
    """Texts that stand in the cells themselves, as some programs write them."""
    for part in parts:
        yield from map(_rich_text, archive.xml_stream(part, "{*}is"))


def _language(strings: Iterable[str]) -> str:
    """Language of the texts in cells, which decides how numbers are written: `de` or `en`."""
    from assets.silver.language import detect

    sample: list[str] = []
    size = 0
    for text in strings:
        sample.append(text)
        size += len(text)
        if size > _SAMPLE:
            break
    return "de" if detect(" ".join(sample), None) == "de" else "en"


def _read_sheet(book: _Book, part: str) -> _Sheet:
    sheet = _Sheet()
    hidden_columns: list[tuple[int, int]] = []
    row = 0
    # Columns are declared in front of the rows.
    for element in book.archive.xml_stream(part, "{*}col", "{*}row"):
        name = local(element)
        if name == "col" and element.get("hidden") in ("1", "true"):
            hidden_columns.append((number(element, "min"), number(element, "max")))
        elif name == "row":
            row = number(element, "r", row + 1)
            _read_row(book, sheet, row, element, hidden_columns)
    return sheet


def _read_row(book: _Book, sheet: _Sheet, row: int, element: _Element, hidden_columns: list[tuple[int, int]]) -> None:
    unseen = element.get("hidden") in ("1", "true")
    column = 0
    texts: dict[int, str] = {}
    for cell in elements(element):
        column = _column(cell.get("r")) or column + 1
        text = " ".join(_cell_text(book, cell).split())
        if not text:
            continue
        book.cells += 1
        if book.cells > book.most_cells:
            raise RefusedError("too_many_entries", f"more than {book.most_cells} filled cells")
        if unseen or (hidden_columns and any(first <= column <= last for first, last in hidden_columns)):
            sheet.hidden.append(text)
        else:
            texts[column] = text
    if texts:
        sheet.rows[row] = texts


def _column(reference: str | None) -> int:
    """Number of a column from 1, from a reference such as `AB12`; 0 where there is none."""
    letters = reference.rstrip("0123456789") if reference else ""
    if letters in _KNOWN_COLUMNS:
        return _KNOWN_COLUMNS[letters]
    match = _REFERENCE.fullmatch(reference or "")
    return _column_of(match[1]) if match is not None else 0


def _column_of(letters: str) -> int:
    column = 0
    for letter in letters:
        column = column * 26 + ord(letter) - ord("A") + 1
    return column


_KNOWN_COLUMNS = {letter: _column_of(letter) for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"}
"""Columns that most sheets are made of, found without a pattern."""


def _cell_text(book: _Book, cell: _Element) -> str:
    kind = cell.get("t") or "n"
    if kind == "inlineStr":
        inline = child(cell, "is")
        return _rich_text(inline) if inline is not None else ""
    text = ""
    for value in reversed(cell):  # the value stands last, behind the formula
        if LOCAL[value.tag] == "v":
            text = value.text or ""
            break
    if not text:
        return ""
    if kind == "s":
        return book.strings[int(text)] if text.isdecimal() and int(text) < len(book.strings) else ""
    if kind == "str":
        return _unescaped(text)
    if kind == "b":
        return {"de": ("FALSCH", "WAHR")}.get(book.language, ("FALSE", "TRUE"))[text == "1"]
    if kind == "e":
        return ""
    if kind == "d":
        return text.removesuffix("T00:00:00").replace("T", " ")
    style = cell.get("s") or "0"
    return _number_text(book, text, int(style) if style.isdecimal() else 0)


def _number_text(book: _Book, text: str, style: int) -> str:
    try:
        value = float(text)
    except ValueError:
        return text
    code = book.formats[style] if 0 <= style < len(book.formats) else "General"
    if code == "General":
        return general(value, book.language) if abs(value) < 1e300 else text
    if book.language == "de" and code in (BUILTIN[14], BUILTIN[22]):
        code = code.replace(BUILTIN[14], "dd.mm.yyyy")
    result = shown(value, code, language=book.language, from_1904=book.from_1904)
    return result or ("" if not is_date(code) else text)


def _pieces(sheet: _Sheet, page: int) -> list[Piece]:
    """Tables of a sheet: a row without text ends one, and columns that none of its rows fills are left out."""
    pieces: list[Piece] = []
    block: list[dict[int, str]] = []
    last = 0
    for row, texts in [*sorted(sheet.rows.items()), (0, {})]:
        if block and row != last + 1:
            pieces.append(_piece(block, page))
            block = []
        if texts:
            block.append(texts)
        last = row
    return pieces


def _piece(block: list[dict[int, str]], page: int) -> Piece:
    columns = sorted({column for texts in block for column in texts})
    if len(columns) == 1:
        return Piece("paragraph", "\n".join(texts[columns[0]] for texts in block), None, page)
    rows = (" | ".join(texts.get(column, "").replace(" | ", " / ") for column in columns) for texts in block)
    return Piece("table", "\n".join(rows), None, page)


def _boxes(book: _Book, part: str, page: int, flow: Flow) -> Iterator[Piece]:
    """Text boxes of a sheet. Charts are left out, whose numbers stand in cells, and so are buttons and their like."""
    for link in relations(book.archive, part).values():
        if link.kind != "drawing" or link.target not in book.archive:
            continue
        for anchor in elements(book.archive.xml(link.target)):
            for shape in children(anchor, "sp") + [
                found for group in children(anchor, "grpSp") for found in group.iter("{*}sp")
            ]:
                text = "\n".join(map(drawing.plain, shape.iterfind("{*}txBody/{*}p")))
                if (unseen := child(shape, "nvSpPr", "cNvPr")) is not None and _is_on(unseen, "hidden"):
                    flow.hide("hidden_text", text)
                elif text.strip():
                    yield Piece("paragraph", text, None, page)


def _comments(book: _Book, part: str, flow: Flow) -> None:
    for link in relations(book.archive, part).values():
        if link.kind in ("comments", "threadedComment") and link.target in book.archive:
            for comment in book.archive.xml(link.target).iter("{*}comment", "{*}threadedComment"):
                flow.hide("comment", text_of(comment))
