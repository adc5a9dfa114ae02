"""Where lines stand on a printed page: tables and columns, and whether a line goes on in the next one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from statistics import median

_ALIGNED = 0.7
"""Heights of the letters by which edges of cells in one column may differ."""
_FEWEST_COLUMN_LINES = 4
_COLUMN_CELL = 22
"""Characters that the lines of columns of text have on the average; cells of tables are shorter."""
_CONTINUED_CELL = 1.9
"""Heights of the letters within which a line below a row goes on in one of its cells."""

_APART = 1.35
"""Distances of lines, over the usual one, that separate paragraphs."""
_WORD_SLACK = 1.25
_LETTER_WIDTH = 0.5
"""Width of a letter over its height, where nothing better is known."""
_RAGGED = 0.2
"""Share of a column's width that a line in the midst of a sentence may leave free."""
_INDENT = 0.8
_SAME_SIZE = 1.12
_ONE_BLOCK = 2.2
"""Heights of the letters within which a line below another is in one block with it."""
_GUTTER = 8.0
"""Points of white between two columns at least."""
_WIDER_GAP = 1.5
"""A page is cut between two lines where that gap is so many times as wide as the one between columns."""
_MOST_BLOCKS = 300
_SAME_LINE = 0.15
"""Heights of the letters by which base lines of one line differ at the most."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A piece of a line between wide gaps, and its edges in points."""

    text: str
    left: float
    right: float


@dataclass(slots=True, eq=False)
class Line:
    """A line as printed.

    Attributes:
        page: from 1.
        size: height of most of its letters in points; 0 when unknown.
        left, right, base: edges and base line in points from the lower left corner; all 0 when unknown.
        bold, fixed: whether its first and last letters are bold, or of a font with letters of one width.
        cells: the pieces between wide gaps, where there are any.
        row: whether it is a row of a table, with ` | ` between its cells.
        table: number of the table within the page.
    """

    text: str
    page: int
    size: float = 0.0
    left: float = 0.0
    right: float = 0.0
    base: float = 0.0
    bold: bool = False
    fixed: bool = False
    cells: tuple[Cell, ...] = ()
    row: bool = False
    table: int = 0

    @property
    def placed(self) -> bool:
        """Whether its place on the page is known."""
        return self.right > self.left


@dataclass(slots=True)
class Layout:
    """A page: its lines in reading order, and what is usual on it.

    Attributes:
        leading: usual distance of base lines by size of letters.
        edges: right edge of the text by its left edge, in steps of `_STEP` points.
    """

    page: int
    lines: list[Line]
    leading: dict[float, float] = field(default_factory=dict)
    edges: dict[int, float] = field(default_factory=dict)

    def apart(self, line: Line, following: Line) -> bool:
        """Whether more than the usual distance is between two lines, or the second stands elsewhere."""
        distance = line.base - following.base
        size = max(line.size, following.size)
        usual = self.leading.get(line.size) or self.leading.get(following.size) or 1.3 * size
        return not 0 <= distance <= _APART * usual

    def ends_early(self, line: Line, following: Line, *, ends: bool = True) -> bool:
        """Whether the first word of the next line would have had room in this one: the break was meant.

        Args:
            ends: whether the line ends a sentence; ragged lines within one leave room here and there.
        """
        edge = self.edges.get(_step(line.left), line.right)
        if not ends and edge - line.right < _RAGGED * (edge - line.left):
            return False
        word = following.text.split(maxsplit=1)[0]
        letter = (line.right - line.left) / max(1, len(line.text))
        if not 0.2 * line.size < letter < 1.2 * line.size:
            letter = _LETTER_WIDTH * line.size
        return edge - line.right > (len(word) + 1) * letter * _WORD_SLACK

    def continues(self, line: Line, following: Line, *, lower: bool, ends: bool) -> bool:
        """Whether a paragraph goes on in the next line.

        Args:
            lower: whether the next line begins with a small letter.
            ends: whether this line ends a sentence.
        """
        sizes = sorted((line.size, following.size))
        if sizes[1] > _SAME_SIZE * sizes[0] > 0:
            return lower and not ends
        if self.apart(line, following):
            if line.base < following.base or lower:
                # The next column, or text around a picture.
                return not ends and (lower or not self.ends_early(line, following, ends=False))
            return False
        if line.text.endswith(","):
            return True
        if self.ends_early(line, following, ends=ends):
            return lower and not ends
        indented = following.left - line.left > _INDENT * line.size
        return lower or not (ends and indented)


_STEP = 6.0


def _step(left: float) -> int:
    return round(left / _STEP)


def laid_out(lines: Sequence[Line]) -> Layout:
    """A page in reading order, with rows of tables put together and columns of text taken apart."""
    page = lines[0].page if lines else 0
    ordered = _in_order(lines)
    if any(line.cells for line in ordered):
        ordered = list(_with_tables(ordered))
    layout = Layout(page, ordered)
    _measure(layout)
    return layout


def _in_order(lines: Sequence[Line]) -> list[Line]:
    """The order of the content, unless it comes back to something above: then columns by columns, top to bottom."""
    if not all(line.placed for line in lines):
        return list(lines)
    whole = _with_pieces_joined(lines)
    blocks = _blocks(whole)
    if not 1 < len(blocks) <= _MOST_BLOCKS or not _comes_back(blocks):
        return whole
    return _with_pieces_joined([line for block in _cut(blocks) for line in block.lines])


def _with_pieces_joined(lines: Sequence[Line]) -> list[Line]:
    """The lines, with what stands on one base line side by side put together."""
    whole: list[Line] = []
    for line in lines:
        last = whole[-1] if whole else None
        if last is None or abs(line.base - last.base) > _SAME_LINE * line.size or line.size > _SAME_SIZE * last.size:
            whole.append(line)
            continue
        gap = line.left - last.right
        if gap < -_SAME_LINE * line.size:
            whole.append(line)
            continue
        before = last.cells or (Cell(last.text, last.left, last.right),)
        after = line.cells or (Cell(line.text, line.left, line.right),)
        blank = " " if gap > _SAME_LINE * line.size else ""
        if gap > line.size:
            last.cells = (*before, *after)
        elif last.cells or line.cells:
            # The cell at the seam goes on.
            seam = Cell(f"{before[-1].text}{blank}{after[0].text}", before[-1].left, after[0].right)
            last.cells = (*before[:-1], seam, *after[1:])
        last.text, last.right = f"{last.text}{blank}{line.text}", line.right
    return whole


@dataclass(slots=True, eq=False)
class _Block:
    """Lines below one another, and the rectangle around them."""

    lines: list[Line]
    left: float
    right: float
    bottom: float
    top: float


def _blocks(lines: Sequence[Line]) -> list[_Block]:
    blocks: list[_Block] = []
    for line in lines:
        block = blocks[-1] if blocks else None
        last = block.lines[-1] if block else None
        if (
            block is not None
            and last is not None
            and 0 <= last.base - line.base <= _ONE_BLOCK * max(last.size, line.size)
            and line.left < block.right
            and line.right > block.left
        ):
            block.lines.append(line)
            block.left, block.right = min(block.left, line.left), max(block.right, line.right)
            block.bottom = min(block.bottom, line.base)
        else:
            blocks.append(_Block([line], line.left, line.right, line.base, line.base + line.size))
    return blocks


def _comes_back(blocks: Sequence[_Block]) -> bool:
    """Whether a block stands above one that came before it, in the same column."""
    for at, block in enumerate(blocks):
        for before in blocks[:at]:
            shared = min(block.right, before.right) - max(block.left, before.left)
            narrower = min(block.right - block.left, before.right - before.left)
            if block.bottom >= before.top and shared > 0.3 * narrower:
                return True
    return False


def _cut(blocks: list[_Block]) -> list[_Block]:
    """Blocks in reading order: the page is cut at its widest gaps, first into columns and then into what is below."""
    if len(blocks) < 2:
        return blocks
    across, left, right = _widest_gap(blocks, lambda block: (block.left, block.right))
    along, below, above = _widest_gap(blocks, lambda block: (block.bottom, block.top))
    side_by_side = across >= _GUTTER and min(max(block.top for block in half) for half in (left, right)) > max(
        min(block.bottom for block in half) for half in (left, right)
    )
    if side_by_side and along <= _WIDER_GAP * across:
        return [*_cut(left), *_cut(right)]
    if along > 0:
        return [*_cut(above), *_cut(below)]
    if across > 0:
        return [*_cut(left), *_cut(right)]
    return sorted(blocks, key=lambda block: (-block.top, block.left))


def _widest_gap(
    blocks: Sequence[_Block], sides: Callable[[_Block], tuple[float, float]]
) -> tuple[float, list[_Block], list[_Block]]:
    """Width of the widest gap between blocks in one direction, and the blocks before and behind it."""
    ordered = sorted(blocks, key=sides)
    widest, at = 0.0, len(ordered)
    reach = sides(ordered[0])[1]
    for position, block in enumerate(ordered[1:], start=1):
        low, high = sides(block)
        if low - reach > widest:
            widest, at = low - reach, position
        reach = max(reach, high)
    return widest, ordered[:at], ordered[at:]


def _measure(layout: Layout) -> None:
    distances: dict[float, list[float]] = {}
    edges: dict[int, list[float]] = {}
    before: Line | None = None
    for line in layout.lines:
        if line.row or not line.placed:
            before = None
            continue
        for step in range(_step(line.left) - 2, _step(line.left) + 3):
            edges.setdefault(step, []).append(line.right)
        if before is not None and before.size == line.size and 0 < before.base - line.base < 3 * line.size:
            distances.setdefault(line.size, []).append(before.base - line.base)
        before = line
    layout.leading = {size: _low_median(found) for size, found in distances.items()}
    # A single line that juts out is no edge.
    layout.edges = {step: sorted(found)[-2] if len(found) > 3 else max(found) for step, found in edges.items()}


def _low_median(values: list[float]) -> float:
    return sorted(values)[(len(values) - 1) // 3]


# --- tables and columns


def _with_tables(lines: Sequence[Line]) -> Iterator[Line]:
    at = tables = 0
    while at < len(lines):
        end = _end_of_table(lines, at)
        rows = lines[at:end]
        if sum(bool(line.cells) for line in rows) >= 2:
            if _are_columns(rows):
                yield from _columns(rows)
            else:
                tables += 1
                yield from _rows(rows, tables)
            at = end
        else:
            yield lines[at]
            at += 1


def _end_of_table(lines: Sequence[Line], start: int) -> int:
    """Index behind the last line of a table that begins at a line; the line's own where none begins."""
    if not lines[start].cells:
        return start
    columns = list(lines[start].cells)
    end = last_row = start + 1
    row = lines[start]
    while end < len(lines):
        line = lines[end]
        if not line.placed or not 0 <= row.base - line.base < 8 * line.size:
            break
        if line.cells and _share_columns(columns, (row.left, row.right), line):
            columns += line.cells
            last_row, row = end + 1, line
        elif not line.cells and _cell_below(line, row, lines[end - 1]) is not None:
            # A row whose cell is broken ends the table where no other row follows.
            last_row = end + 1
        else:
            break
        end += 1
    return last_row


def _share_columns(columns: Sequence[Cell], outer: tuple[float, float], line: Line) -> bool:
    """Whether two cells of a line are aligned with others above, at least one of them within the table.

    Args:
        outer: left and right edge of the row above, which lines of running text share as well.
    """
    near = _ALIGNED * line.size
    matching = inner = 0
    for cell in line.cells:
        left = any(abs(cell.left - other.left) <= near for other in columns)
        right = any(abs(cell.right - other.right) <= near for other in columns)
        matching += left or right
        inner += (left and abs(cell.left - outer[0]) > near) or (right and abs(cell.right - outer[1]) > near)
    return matching >= 2 and inner >= 1


def _cell_below(line: Line, row: Line, before: Line) -> int | None:
    """Which cell of a row a line below it goes on in."""
    if not 0 < before.base - line.base <= _CONTINUED_CELL * line.size or line.size > _SAME_SIZE * row.size:
        return None
    near = _ALIGNED * line.size
    for position, cell in enumerate(row.cells):
        following = row.cells[position + 1].left if position + 1 < len(row.cells) else float("inf")
        if abs(cell.left - line.left) <= near and line.right <= following and (position or len(row.cells) > 2):
            return position
    return None


def _rows(lines: Sequence[Line], table: int) -> Iterator[Line]:
    """Rows of a table with ` | ` between cells, and broken cells put together."""
    texts: list[str] = []
    row = before = lines[0]
    for line in lines:
        if line.cells:
            if texts:
                yield _row(row, texts, table)
            row, texts = line, [" ".join(cell.text.split()) for cell in line.cells]
        else:
            position = _cell_below(line, row, before)
            texts[position or 0] = f"{texts[position or 0]} {line.text.strip()}"
        before = line
    if texts:
        yield _row(row, texts, table)


def _row(line: Line, texts: Sequence[str], table: int) -> Line:
    return Line(" | ".join(texts), line.page, line.size, line.left, line.right, line.base, row=True, table=table)


def _are_columns(lines: Sequence[Line]) -> bool:
    """Whether lines run through two columns of text side by side."""
    pairs = [line.cells for line in lines if len(line.cells) == 2]
    if len(pairs) < _FEWEST_COLUMN_LINES or len(pairs) < sum(bool(line.cells) for line in lines):
        return False
    gutter = [right.left for _, right in pairs]
    aligned = sum(abs(left - median(gutter)) <= lines[0].size for left in gutter) >= 0.8 * len(pairs)
    return aligned and all(
        sum(len(cells[side].text) for cells in pairs) >= _COLUMN_CELL * len(pairs) for side in (0, 1)
    )


def _columns(lines: Sequence[Line]) -> Iterator[Line]:
    gutter = median(line.cells[1].left for line in lines if len(line.cells) == 2)
    for side in (0, 1):
        for line in lines:
            pieces = line.cells or (Cell(line.text, line.left, line.right),)
            for cell in pieces:
                if (cell.left >= gutter - line.size) == bool(side):
                    yield Line(cell.text, line.page, line.size, cell.left, cell.right, line.base, line.bold, line.fixed)
