"""Lines of a PDF page as PDFium finds them, with their place, and the text on it that nobody sees."""

from __future__ import annotations

import ctypes
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING, Any

from assets.silver.readers.page_layout import Cell, Line

if TYPE_CHECKING:
    import numpy as np
    from pypdfium2 import PdfDocument

_HYPHEN = "\ufffe"
"""What PDFium writes for a hyphen at the end of a line, instead of the line break."""
_PRINTED_LINE = re.compile(f"[^\r\n{_HYPHEN}]*[^\\s{_HYPHEN}][^\r\n{_HYPHEN}]*{_HYPHEN}?")
_WORD = re.compile(r"\S+")

_TEXT, _PATH, _IMAGE, _FORM = 1, 2, 3, 5
"""Kinds of page objects (`FPDF_PAGEOBJ_*`)."""
_AS_SHOWN, _FLATTENED = 0, 1
"""`FLAT_NORMALDISPLAY`, `FLATTEN_SUCCESS`."""
_INVISIBLE_MODES = frozenset({3, 7})
"""Text rendering modes that paint nothing (ISO 32000-1, table 106)."""
_LEGIBLE_POINTS = 1.5
"""Height below which letters are dust; the finest print of labels and drawings has about 3 points."""
_RECOGNISED = 0.5
"""Share of a page's text that is invisible where text recognition put it behind a scan."""
_SIZE_OF_GLYPH = 1.4
"""Size of letters over the height of a glyph, where the font does not tell it."""
_OPAQUE = 26
"""Of 255: letters with less are not seen."""
_NEARLY_WHITE = 240
_COVERING = 230
"""Of 255: what is painted with as much hides what is below."""
_LEAST_COVER, _MOST_COVERS = 4.0, 100
"""Points of an area that can hide a word, and how many areas of a page are looked at."""
_FIXED_PITCH = 1
"""Flag of a font (ISO 32000-1, table 123)."""
_TYPEWRITER = re.compile(rb"courier|mono(?!type)|consol|menlo|typewriter|(?:cm|sf|ec|lm)tt")
"""Names of such fonts, in small letters: standard fonts come without flags, and TeX does not set this one."""
_FORM_DEPTH = 8
_MOST_OBJECTS = 50_000
"""Objects of a page that are looked at for hidden text: drawings have more, and little text."""

_CELL_GAP = 0.9
"""Heights of the letters that a gap between two cells of a table is wide at least; a blank is about 0.3 wide."""
_EVEN = 1.5
"""Gaps within that ratio of each other are blanks that were stretched."""
_LEADERS = "...."
_BULLET = re.compile(r"[^\w\s]")
_ITEM_NUMBER = re.compile(r"\(?(?:\d{1,3}|[A-Za-z]|[ivxIVX]{1,5})(?:\.\d{1,3})*[.)]?")
"""What stands in front of an item of a list, a heading or a footnote; the gap behind it makes no table."""
_ROOMY_LETTER = 0.58
"""Width over height of an average letter beyond which a line has gaps; printed text has about 0.5."""
_ROOMY = 1.05
"""Lines with so much more room to a letter than others of the page are searched for gaps."""

_CONTRAST = 24
"""Steps of grey, of 255, by which letters must differ from what is behind them."""
_RENDER_SCALE = 1.5
_MOST_PIXELS = 8_000_000


@dataclass(slots=True)
class Page:
    """Lines of a page in the order of its content, and hidden text with its kind."""

    lines: list[Line] = field(default_factory=list)
    hidden: list[tuple[str, str]] = field(default_factory=list)


_Box = tuple[float, float, float, float]
"""Left, bottom, right, top in points from the lower left corner of the page."""


@dataclass(slots=True)
class _Objects:
    """What a page is painted of: pictures, and by their address the text objects that may not be seen, with the
    nominal size of their letters.
    """

    images: list[_Box] = field(default_factory=list)
    suspects: dict[int, str] = field(default_factory=dict)
    sizes: dict[int, float] = field(default_factory=dict)
    seen: int = 0
    texts: list[Any] = field(default_factory=list)
    """Text objects in the order of painting."""
    covers: list[tuple[int, _Box]] = field(default_factory=list)
    """Opaque areas, and how many text objects had been painted before each."""


class FontsLostError(Exception):
    """PDFium made what is written on a page part of it, and lost the page's fonts: they stand in a node above it."""


class PageReader:
    """Reads pages of one document; holds what its calls into PDFium write their results to."""

    def __init__(self, document: PdfDocument, *, forms: bool = True) -> None:
        """Args: forms: whether what was written into forms becomes part of the pages."""
        import pypdfium2.raw as raw

        self._raw: Any = raw
        self._document = document
        self._forms = forms
        self._box = tuple(ctypes.c_double() for _ in range(4))
        self._bounds = tuple(ctypes.c_float() for _ in range(4))
        self._colour = tuple(ctypes.c_uint() for _ in range(4))
        self._size = ctypes.c_float()
        self._matrix = raw.FS_MATRIX()
        self._name = ctypes.create_string_buffer(128)
        self._flags = ctypes.c_int()
        self._stroke = ctypes.c_int()

    def read(self, number: int) -> Page:
        """A page by its number from 1.

        Raises:
            ValueError: the page is damaged.
            FontsLostError: what is written on the page cannot become part of it.
        """
        raw = self._raw
        page = raw.FPDF_LoadPage(self._document.raw, number - 1)
        if page and self._forms and self._is_written_on(page):
            before = self._words(page)
            if raw.FPDFPage_Flatten(page, _AS_SHOWN) == _FLATTENED:
                # What was written into the fields of a form becomes part of the page, as it is shown.
                raw.FPDF_ClosePage(page)
                page = raw.FPDF_LoadPage(self._document.raw, number - 1)
                if page and 2 * len(before & self._words(page)) < len(before):
                    raw.FPDF_ClosePage(page)
                    raise FontsLostError
        if not page:
            raise ValueError(f"page {number}")
        try:
            text_page = raw.FPDFText_LoadPage(page)
            if not text_page:
                raise ValueError(f"text of page {number}")
            try:
                return self._page(page, text_page, number)
            finally:
                raw.FPDFText_ClosePage(text_page)
        finally:
            raw.FPDF_ClosePage(page)

    def _is_written_on(self, page: Any) -> bool:
        """Whether there are fields of a form or notes on the page, and not links alone."""
        raw = self._raw
        for position in range(raw.FPDFPage_GetAnnotCount(page)):
            note = raw.FPDFPage_GetAnnot(page, position)
            kind = raw.FPDFAnnot_GetSubtype(note) if note else raw.FPDF_ANNOT_LINK
            if note:
                raw.FPDFPage_CloseAnnot(note)
            if kind not in (raw.FPDF_ANNOT_LINK, raw.FPDF_ANNOT_POPUP):
                return True
        return False

    def _words(self, page: Any) -> set[str]:
        text_page = self._raw.FPDFText_LoadPage(page)
        if not text_page:
            return set()
        try:
            return set(self._text(text_page, self._raw.FPDFText_CountChars(text_page)).split())
        finally:
            self._raw.FPDFText_ClosePage(text_page)

    def _text(self, text_page: Any, count: int) -> str:
        buffer = (ctypes.c_ushort * (2 * max(0, count) + 2))()
        units = self._raw.FPDFText_GetText(text_page, 0, max(0, count), buffer)
        return ctypes.string_at(buffer, 2 * max(0, units - 1)).decode("utf-16-le", "replace")

    def _page(self, page: Any, text_page: Any, number: int) -> Page:
        raw = self._raw
        count = raw.FPDFText_CountChars(text_page)
        if count <= 0:
            return Page()
        text = self._text(text_page, count)
        index: Callable[[int], int] = int
        if len(text) != count:
            # Glyphs without a character have a place on the page and none in the text.
            index = lambda at: raw.FPDFText_GetCharIndexFromTextIndex(text_page, at)  # noqa: E731
        result = Page()
        objects = _Objects()
        self._look_at(page, raw.FPDFPage_CountObjects(page), raw.FPDFPage_GetObject, objects, 0, None)
        if objects.suspects:
            text = self._without_hidden(text, page, text_page, number, objects, index, result)
        if objects.covers and (under := self._under_covers(objects)):
            text = self._without_covered(text, page, text_page, number, under, index, result)
        edges = raw.FS_RECTF()
        known = raw.FPDF_GetPageBoundingBox(page, edges)
        result.lines = self._lines(text, text_page, number, index, edges if known else None, result)
        return result

    # --- lines

    def _lines(
        self, text: str, text_page: Any, number: int, index: Callable[[int], int], edges: Any, result: Page
    ) -> list[Line]:
        raw, matrix = self._raw, self._matrix
        left, right, bottom, top = self._box
        lines: list[Line] = []
        starts: list[int] = []
        for match in _PRINTED_LINE.finditer(text):
            printed = match[0]
            start = match.start() + len(printed) - len(printed.lstrip())
            printed = printed.strip()
            if printed[-1] == _HYPHEN:
                printed = printed[:-1] + "-"
            first, last = index(start), index(start + len(printed) - 1)
            line = Line(printed, number)
            lines.append(line)
            starts.append(start)
            # Initials and quotation marks are often larger than the line they begin.
            half = len(printed[: len(printed) // 2 + 1].rstrip()) - 1
            middle = index(start + half)
            if not raw.FPDFText_GetMatrix(text_page, middle, matrix):
                continue
            stretch = abs(matrix.a * matrix.d - matrix.b * matrix.c) ** 0.5
            line.size = round(raw.FPDFText_GetFontSize(text_page, middle) * stretch, 1)
            if line.size < _LEGIBLE_POINTS and raw.FPDFText_GetCharBox(text_page, middle, left, right, bottom, top):
                line.size = round(_SIZE_OF_GLYPH * (top.value - bottom.value), 1)
            if abs(matrix.b) > abs(matrix.a) or not raw.FPDFText_GetCharBox(text_page, first, left, right, bottom, top):
                continue
            line.left, line.base = left.value, bottom.value
            if raw.FPDFText_GetCharBox(text_page, last, left, right, bottom, top):
                line.right = right.value
            if raw.FPDFText_GetCharOrigin(text_page, first, left, bottom):
                line.base = bottom.value
            bold, fixed = self._font(text_page, first)
            if bold or fixed:
                last_bold, last_fixed = self._font(text_page, last)
                # Text with code at both ends is no line of code.
                line.fixed = fixed and last_fixed and self._font(text_page, middle)[1]
                line.bold = bold and last_bold
        if edges is not None:
            beyond = [line for line in lines if _is_beyond(line, edges)]
            if beyond:
                result.hidden += [("off_page", line.text) for line in beyond]
                kept = [(line, start) for line, start in zip(lines, starts, strict=True) if not _is_beyond(line, edges)]
                lines, starts = [line for line, _ in kept], [start for _, start in kept]
        self._find_cells(lines, starts, text_page, index)
        return lines

    def _font(self, text_page: Any, at: int) -> tuple[bool, bool]:
        """Whether a character is bold, and whether all characters of its font are of one width."""
        written = self._raw.FPDFText_GetFontInfo(text_page, at, self._name, 128, self._flags)
        name = self._name.value.lower() if 0 < written <= 128 else b""
        bold = b"bold" in name or b"black" in name or b"heavy" in name
        fixed = bool(self._flags.value & _FIXED_PITCH) or _TYPEWRITER.search(name) is not None
        return bold, fixed and written > 0

    def _find_cells(self, lines: list[Line], starts: list[int], text_page: Any, index: Callable[[int], int]) -> None:
        """Cells of the lines that have wide gaps; all lines are searched where one of the roomy ones has any."""
        room = {
            at: (line.right - line.left) / (line.size * len(line.text))
            for at, line in enumerate(lines)
            if line.right > line.left and line.size > 0 and " " in line.text
        }
        if sum(lines[at].fixed for at in room) <= len(room) / 2:
            # Blanks within code make no table; a page in typewriting may have some.
            room = {at: width for at, width in room.items() if not lines[at].fixed}
        if not room:
            return
        usual = median(room.values()) if len(room) > 2 else 0.0
        roomy = [at for at, width in room.items() if width >= min(_ROOMY * usual, _ROOMY_LETTER)]
        for at in roomy:
            lines[at].cells = self._cells(lines[at], starts[at], text_page, index)
        if any(lines[at].cells for at in roomy):
            for at in room.keys() - set(roomy):
                lines[at].cells = self._cells(lines[at], starts[at], text_page, index)

    def _cells(self, line: Line, start: int, text_page: Any, index: Callable[[int], int]) -> tuple[Cell, ...]:
        raw = self._raw
        left, right, bottom, top = self._box
        words = list(_WORD.finditer(line.text))
        if _LEADERS in line.text.replace(" ", ""):
            return ()
        gaps: list[float] = []
        cells: list[Cell] = []
        begin, cell_left = 0, line.left
        for previous, word in pairwise(words):
            raw.FPDFText_GetCharBox(text_page, index(start + previous.end() - 1), left, right, bottom, top)
            edge = right.value
            raw.FPDFText_GetCharBox(text_page, index(start + word.start()), left, right, bottom, top)
            gaps.append(left.value - edge)
            if gaps[-1] > _CELL_GAP * line.size and not _BULLET.fullmatch(line.text, begin, previous.end()):
                cells.append(Cell(line.text[begin : previous.end()], cell_left, edge))
                begin, cell_left = word.start(), left.value
        if not cells or (len(cells) == 1 and _ITEM_NUMBER.fullmatch(cells[0].text)):
            return ()
        if len(cells) + 1 == len(words) > 2 and max(gaps) < _EVEN * min(gaps):
            # A short line that was stretched to the width of the column.
            return ()
        return (*cells, Cell(line.text[begin:], cell_left, line.right))

    # --- what is hidden

    def _look_at(
        self,
        holder: Any,
        count: int,
        get: Callable[[Any, int], Any],
        objects: _Objects,
        depth: int,
        around: _Box | None,
    ) -> None:
        """Find pictures and suspects; `around` is the place on the page of the form they are in."""
        raw = self._raw
        red, green, blue, alpha = self._colour
        size, matrix = self._size, self._matrix
        for position in range(min(count, _MOST_OBJECTS - objects.seen)):
            item = get(holder, position)
            kind = raw.FPDFPageObj_GetType(item)
            objects.seen += 1
            if kind == _TEXT:
                if depth == 0:
                    objects.texts.append(item)
                suspicion = None
                raw.FPDFTextObj_GetFontSize(item, size)
                if raw.FPDFTextObj_GetTextRenderMode(item) in _INVISIBLE_MODES:
                    suspicion = "invisible_text"
                elif size.value < 2 * _LEGIBLE_POINTS and raw.FPDFPageObj_GetMatrix(item, matrix):
                    stretch = abs(matrix.a * matrix.d - matrix.b * matrix.c) ** 0.5
                    suspicion = "tiny_text" if 0 < size.value * stretch < _LEGIBLE_POINTS else None
                if suspicion is None and raw.FPDFPageObj_GetFillColor(item, red, green, blue, alpha):
                    if alpha.value < _OPAQUE:
                        suspicion = "transparent_text"
                    elif min(red.value, green.value, blue.value) >= _NEARLY_WHITE:
                        suspicion = "white_text"
                if suspicion is not None:
                    objects.suspects[_address(item)] = suspicion
                    objects.sizes[_address(item)] = size.value
            elif kind == _PATH:
                if objects.texts and len(objects.covers) < _MOST_COVERS and self._is_opaque(item):
                    objects.covers.append((len(objects.texts), around or self._bounds_of(item)))
            elif kind == _IMAGE:
                objects.images.append(around or self._bounds_of(item))
            elif kind == _FORM and depth < _FORM_DEPTH:
                place = around or self._bounds_of(item)
                inner = raw.FPDFFormObj_CountObjects(item)
                self._look_at(item, inner, raw.FPDFFormObj_GetObject, objects, depth + 1, place)

    def _bounds_of(self, item: Any) -> _Box:
        left, bottom, right, top = self._bounds
        if not self._raw.FPDFPageObj_GetBounds(item, left, bottom, right, top):
            return (0.0, 0.0, 0.0, 0.0)
        return (left.value, bottom.value, right.value, top.value)

    def _is_opaque(self, path: Any) -> bool:
        """Whether an area is filled and large enough to lie over a word."""
        box = self._bounds_of(path)
        if box[2] - box[0] < _LEAST_COVER or box[3] - box[1] < _LEAST_COVER:
            return False
        if not self._raw.FPDFPath_GetDrawMode(path, self._flags, self._stroke) or not self._flags.value:
            return False
        return bool(self._raw.FPDFPageObj_GetFillColor(path, *self._colour)) and self._colour[3].value >= _COVERING

    def _under_covers(self, objects: _Objects) -> dict[int, list[_Box]]:
        """Text objects, by their address, over part of which an opaque area was painted later, with those areas."""
        import numpy as np

        boxes = np.array([self._bounds_of(item) for item in objects.texts[: objects.covers[-1][0]]])
        found: dict[int, list[_Box]] = {}
        for after, cover in objects.covers:
            left, bottom, right, top = boxes[:after].T
            touched = (left < cover[2]) & (right > cover[0]) & (bottom < cover[3]) & (top > cover[1])
            for at in np.flatnonzero(touched):
                found.setdefault(_address(objects.texts[at]), []).append(cover)
        return found

    def _without_covered(
        self,
        text: str,
        page: Any,
        text_page: Any,
        number: int,
        under: dict[int, list[_Box]],
        index: Callable[[int], int],
        result: Page,
    ) -> str:
        """The text with blanks for what lies under an area painted later, as where somebody blackened a name.

        Only where nothing can be told apart in the page as it is shown.
        """
        raw = self._raw
        runs: list[tuple[int, int]] = []
        for at, character in enumerate(text):
            item = None if character.isspace() else raw.FPDFText_GetTextObject(text_page, index(at))
            covers = under.get(_address(item)) if item else None
            if covers is None:
                continue
            box = self._box_of(text_page, index(at), index(at))
            if not any(_overlap(box, cover) for cover in covers):
                continue
            if runs and not text[runs[-1][1] : at].strip(" "):
                runs[-1] = (runs[-1][0], at + 1)
            else:
                runs.append((at, at + 1))
        kept = list(text)
        picture = self._rendered(number) if runs else None
        for start, end in runs:
            box = self._box_of(text_page, index(start), index(end - 1))
            if picture is not None and not self._stands_out(page, picture, box):
                result.hidden.append(("covered_text", text[start:end].replace(_HYPHEN, "").strip()))
                kept[start:end] = " " * (end - start)
        return "".join(kept)

    def _without_hidden(
        self,
        text: str,
        page: Any,
        text_page: Any,
        number: int,
        objects: _Objects,
        index: Callable[[int], int],
        result: Page,
    ) -> str:
        """The text with blanks for what is hidden, which goes to the result."""
        raw = self._raw
        runs: list[tuple[int, int, int]] = []
        for at in range(len(text)):
            item = raw.FPDFText_GetTextObject(text_page, index(at))
            address = _address(item) if item else 0
            if address not in objects.suspects:
                continue
            if runs and runs[-1][2] == address and not text[runs[-1][1] : at].strip(f" \r\n{_HYPHEN}"):
                runs[-1] = (runs[-1][0], at + 1, address)
            else:
                runs.append((at, at + 1, address))
        picture: np.ndarray | None = None
        kept = list(text)
        boxes = [self._box_of(text_page, index(start), index(end - 1)) for start, end, _ in runs]
        # Fonts with glyphs of their own drawing have sizes of their own measure: what counts is what is painted.
        legible = {
            objects.sizes[address]
            for (_, _, address), box in zip(runs, boxes, strict=True)
            if box[3] - box[1] >= _LEGIBLE_POINTS
        }
        unseen_letters = sum(end - start for start, end, at in runs if objects.suspects[at] == "invisible_text")
        scan = unseen_letters >= _RECOGNISED * len(text)
        for (start, end, address), box in zip(runs, boxes, strict=True):
            kind = objects.suspects[address]
            if kind == "tiny_text" and objects.sizes[address] in legible:
                continue
            if kind == "invisible_text" and scan and any(_overlap(box, image) for image in objects.images):
                # What text recognition puts behind a scan says what the picture shows.
                continue
            if kind == "white_text":
                picture = self._rendered(number) if picture is None else picture
                if self._stands_out(page, picture, box):
                    continue
            if unseen := text[start:end].replace(_HYPHEN, "").strip():
                result.hidden.append((kind, unseen))
            kept[start:end] = [character if character in "\r\n" else " " for character in text[start:end]]
        return "".join(kept)

    def _box_of(self, text_page: Any, first: int, last: int) -> _Box:
        left, right, bottom, top = self._box
        boxes = []
        for at in (first, last):
            if self._raw.FPDFText_GetCharBox(text_page, at, left, right, bottom, top):
                boxes.append((left.value, bottom.value, right.value, top.value))
        if not boxes:
            return (0.0, 0.0, 0.0, 0.0)
        lefts, bottoms, rights, tops = zip(*boxes, strict=True)
        return (min(lefts), min(bottoms), max(rights), max(tops))

    def _rendered(self, number: int) -> np.ndarray:
        """The page in steps of grey."""
        page = self._document[number - 1]
        try:
            width, height = page.get_size()
            scale = min(_RENDER_SCALE, (_MOST_PIXELS / max(1.0, width * height)) ** 0.5)
            picture: np.ndarray = page.render(scale=scale, grayscale=True).to_numpy().copy()
            return picture
        finally:
            page.close()

    def _stands_out(self, page: Any, picture: np.ndarray, box: _Box) -> bool:
        """Whether anything can be told apart where a run of text stands."""
        x, y = ctypes.c_int(), ctypes.c_int()
        height, width = picture.shape[:2]
        corners = []
        for across, up in ((box[0], box[1]), (box[2], box[3])):
            self._raw.FPDF_PageToDevice(page, 0, 0, width, height, 0, across, up, x, y)
            corners.append((x.value, y.value))
        xs, ys = sorted(corner[0] for corner in corners), sorted(corner[1] for corner in corners)
        region = picture[max(0, ys[0]) : max(0, ys[1]) + 1, max(0, xs[0]) : max(0, xs[1]) + 1]
        if not region.size:
            return False
        return float(region.max()) - float(region.min()) > _CONTRAST


def _address(item: Any) -> int:
    return ctypes.addressof(item.contents)


def _overlap(box: _Box, other: _Box) -> bool:
    across, up = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    return other[0] <= across <= other[2] and other[1] <= up <= other[3]


def _is_beyond(line: Line, edges: Any) -> bool:
    """Whether a line lies wholly outside of the page."""
    if line.right <= line.left or min(edges.right - edges.left, edges.top - edges.bottom) < 2 * line.size:
        # A page smaller than its letters has wrong edges, as converters of images write them.
        return False
    above_or_below: bool = line.base > edges.top or line.base + line.size < edges.bottom
    beside: bool = line.left > edges.right or line.right < edges.left
    return above_or_below or beside
