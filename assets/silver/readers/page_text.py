"""From the lines of printed pages to running text: no headers and footers, whole paragraphs, words unbroken."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from assets.silver.document import BlockKind
from assets.silver.normalise import one_line
from assets.silver.readers.page_layout import Layout, Line, laid_out

_EDGE_LINES = 3
"""Headers and footers are looked for among so many lines at the top and at the bottom of a page."""
_REPEATED_PAGES = 3
_REPEATED_SHARE = 0.25

_TITLE_APART = 1.8
"""Heights of the letters between a running title and the text."""
_TITLED_SHARE = 0.6

_LARGER = 1.15
_MOST_HEADINGS = 0.25
_MOST_BOLD = 0.2
"""Share of letters beyond which large and bold lines are no headings but the text."""
_MOST_CODE = 0.5
_LONGEST_HEADING = 150
_LONGEST_BOLD_HEADING = 100

_FULL_LINE = 0.7
_NEARLY_FULL_LINE = 0.9
_SHORTEST_MEASURED = 20

_NUMBER = re.compile(r"\d+")
_PAGE_NUMBER = re.compile(
    r"(?:[-–—|]\s*)?(?:seite|page|s\.|p\.)?\s*(\d{1,4})(?:\s*(?:/|von|of)\s*\d{1,4})?(?:\s*[-–—|])?", re.IGNORECASE
)
_BULLET = re.compile(r"[•●▪■◦○‣⁃∙·➢➤►▶✓\uf0b7\uf0a7]\s*|[-–—*]\s+")
_BULLET_ALONE = re.compile(r"[•●▪■◦○‣⁃∙·➢➤►▶✓\uf0b7\uf0a7–*-]")
_NUMBERED = re.compile(r"(?:\d{1,2}[.)]|[a-z]\)|\(\w{1,2}\))\s+\S")
_SAME_CODE = 2.5
"""Heights of the letters within which a line of code follows another."""
_ADDRESS_GOES_ON = re.compile(r"(?:://|\bwww\.)\S*[./_=&?#-]$")
_SECTION = re.compile(r"\d{1,2}(?:\.\d{1,2})+\.?\s+\S")
_ENDS_SENTENCES = (".", "!", "?", ":", ";", "…")
_CLOSING = "\"'»“”’)]"
_BROKEN_WORD = re.compile(r"(?<=[^\W\d_]) ?[-\xad]$")
_SUSPENDING = frozenset("und oder bzw beziehungsweise sowie bis and or to".split())
"""Words before which the hyphen at a line's end belongs to the word: `Vor- und Nachteile`."""
_AFTER_A_DASH = _SUSPENDING | frozenset("aber wie wir ich weil dass also but that which because".split())
"""Words before which a hyphen with a blank in front of it is meant as a dash."""
_LEADING_NUMBER = re.compile(r"^\s*(?:\d+(?:\.\d+)*|[A-Z]|[IVXLC]+)[.)]?\s+")
_NO_LETTERS = re.compile(r"[\W_]+")
_FIRST_WORD = re.compile(r"\w*")
_LEADERS = re.compile(r" ?(?:\. ?){4,}|…{2,}|_{8,}")
"""Dots that lead from an entry of a table of contents to its page, and lines to write on."""
_ENTRY = re.compile(r"(?:\. ?){4,}\s*\S{1,8}$")
_ROMAN = re.compile(r"\b[ivxl]{1,7}\b")
_ROMAN_VALUES = {"i": 1, "v": 5, "x": 10, "l": 50}


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Running text, a list (an item per line), a table (a row per line) or a heading with its level.

    Attributes:
        page: where it begins.
    """

    kind: BlockKind
    text: str
    page: int
    level: int | None = None


def paragraphs_of(pages: Sequence[Sequence[Line]], outline: Mapping[tuple[int, str], int]) -> list[Paragraph]:
    """Paragraphs of a document.

    Args:
        pages: the lines of each page, in the order of its content; a line without text separates paragraphs.
        outline: level of each bookmark, by the page it leads to and `heading_key` of its title.
    """
    layouts = [laid_out(page) for page in _without_running_titles(_without_build_steps(pages))]
    lines = [line for layout in layouts for line in layout.lines]
    _unmark_typewriting(lines)
    by_size = _levels_by_size(lines)
    headings = _Headings(outline, by_size, _bold_headings(lines, layouts, by_size))
    groups = _groups(lines, {layout.page: layout for layout in layouts}, headings)
    paragraphs = [_paragraph(group, headings.level(group[0])) for group in groups]
    return list(_with_lists_joined(paragraphs))


def heading_key(title: str) -> str:
    """What two spellings of a heading have in common: letters and digits without the leading number."""
    return _NO_LETTERS.sub("", _LEADING_NUMBER.sub("", title).casefold())


@dataclass(frozen=True, slots=True)
class _Headings:
    """What tells a heading: a bookmark that leads to it, larger letters, or bold ones in a line of its own."""

    outline: Mapping[tuple[int, str], int]
    by_size: Mapping[float, int]
    bold: Mapping[int, int]
    _known: dict[int, int | None] = field(default_factory=dict)

    def level(self, line: Line) -> int | None:
        """Level of a line that is a heading."""
        key = id(line)
        if key not in self._known:
            self._known[key] = self._level(line)
        return self._known[key]

    def _level(self, line: Line) -> int | None:
        text = line.text
        if len(text) > _LONGEST_HEADING or line.row or line.fixed:
            return None
        level = self.by_size.get(line.size) or self.bold.get(id(line))
        if self.outline:
            level = self.outline.get((line.page, heading_key(text)), level)
        return level if level is not None and any(map(str.isalpha, text)) else None


def _unmark_typewriting(lines: Sequence[Line]) -> None:
    """Where most of a document is in letters of one width, they mark no code."""
    fixed = sum(len(line.text) for line in lines if line.fixed)
    if fixed > _MOST_CODE * sum(len(line.text) for line in lines):
        for line in lines:
            line.fixed = False


def _levels_by_size(lines: Iterable[Line]) -> dict[float, int]:
    """Levels of the letter sizes that headings have; none where large letters are no exception, as on slides."""
    letters: Counter[float] = Counter()
    for line in lines:
        letters[line.size] += len(line.text)
    if not letters:
        return {}
    body = max(letters, key=lambda size: (letters[size], -size))
    larger = sorted((size for size in letters if size >= _LARGER * body > 0), reverse=True)
    if sum(letters[size] for size in larger) > _MOST_HEADINGS * letters.total():
        return {}
    return {size: min(level, 6) for level, size in enumerate(larger, start=1)}


def _bold_headings(lines: Sequence[Line], layouts: Sequence[Layout], by_size: Mapping[float, int]) -> dict[int, int]:
    """Bold lines that stand alone over text that is not bold, by the identity of the line."""
    bold = sum(len(line.text) for line in lines if line.bold)
    if not bold or bold > _MOST_BOLD * sum(len(line.text) for line in lines):
        return {}
    by_page = {layout.page: layout for layout in layouts}
    level = min(max(by_size.values(), default=0) + 1, 6)
    found: dict[int, int] = {}
    for before, line, after in zip([None, *lines[:-1]], lines, [*lines[1:], None], strict=True):
        if not line.bold or line.row or after is None or after.bold or after.row or after.size > line.size:
            continue
        text = line.text.strip()
        if len(text) > _LONGEST_BOLD_HEADING or text[-1] in ".,;:" or _BULLET.match(text):
            continue
        alone = before is None or before.page != line.page or by_page[line.page].apart(before, line)
        if alone and after.page == line.page and by_page[line.page].ends_early(line, after):
            found[id(line)] = level
    return found


def _without_build_steps(pages: Sequence[Sequence[Line]]) -> list[Sequence[Line]]:
    """The pages, empty where the next one says all of it in the same places and more: slides that are built up.

    Otherwise their titles would be taken for running ones.
    """
    printed = [Counter((line.text, _height(line)) for line in page if line.text.strip()) for page in pages]
    placed = [all(line.placed for line in page if line.text.strip()) for page in pages]
    return [
        [] if placed[at] and at + 1 < len(pages) and printed[at] < printed[at + 1] else page
        for at, page in enumerate(pages)
    ]


def _without_running_titles(pages: Sequence[Sequence[Line]]) -> list[list[Line]]:
    """The pages without headers, footers and page numbers."""
    edges = [_edges(page) for page in pages]
    keys = [[_edge_keys(line) for line in found] for found in edges]
    seen = Counter(key for found in keys for key in {key for line_keys in found for key in line_keys})
    often = max(_REPEATED_PAGES, _REPEATED_SHARE * len(pages))
    body = _size_of_text(pages)
    heights = _heights_of_titles(pages, edges, body)
    said: set[str] = set()

    def runs(line: Line, line_keys: list[tuple[str, int | None]]) -> bool:
        if (number := _PAGE_NUMBER.fullmatch(line.text.strip())) and int(number[1]) == line.page:
            return True
        if line.size >= _LARGER * body > 0:
            # a heading may count along, `Part 3` on page 3; what is large and a running title says the same on each,
            # and may be the title of several slides: it is read once
            text = one_line(line.text)
            line_keys = [key for key in line_keys if key[0] == text]
            if text not in said and any(map(str.isalpha, text)):
                said.add(text)
                return False
        if line.placed and _height(line) in heights:
            return True
        # Text that counts along with the pages, or stays in its place, is a running title after a few of them.
        return any(seen[key] >= (_REPEATED_PAGES if key[1] is not None else often) for key in line_keys)

    kept = []
    for page, found, found_keys in zip(pages, edges, keys, strict=True):
        left_out = {id(line) for line, line_keys in zip(found, found_keys, strict=True) if runs(line, line_keys)}
        kept.append([line for line in page if id(line) not in left_out])
    return kept if any(line.text.strip() for page in kept for line in page) else [list(page) for page in pages]


def _size_of_text(pages: Iterable[Iterable[Line]]) -> float:
    """Size of most letters."""
    letters: Counter[float] = Counter()
    for page in pages:
        for line in page:
            letters[line.size] += len(line.text)
    return max(letters, key=lambda size: (letters[size], -size), default=0.0)


def _heights_of_titles(pages: Sequence[Sequence[Line]], edges: Sequence[Sequence[Line]], body: float) -> set[int]:
    """Heights at which most pages have a line of its own above or below the text, whatever it says.

    Titles of slides stand like that, too: lines larger than the text (`body`) do not count.
    """
    found: Counter[int] = Counter()
    full = 0
    for page, lines in zip(pages, edges, strict=True):
        if len(page) <= 2 * _EDGE_LINES or not all(line.placed for line in lines):
            continue
        full += 1
        outer = ((lines[0], lines[1]), (lines[-1], lines[-2]))
        for line, neighbour in outer:
            if abs(line.base - neighbour.base) > _TITLE_APART * neighbour.size and line.size <= 1.05 * body:
                found[_height(line)] += 1
    return {height for height, count in found.items() if count >= max(4, _TITLED_SHARE * full)}


def _height(line: Line) -> int:
    return round(line.base)


def _edges(page: Sequence[Line]) -> list[Line]:
    printed = [line for line in page if line.text.strip()]
    if len(printed) <= 2 * _EDGE_LINES:
        return printed
    if any(line.placed for line in printed):
        # Headers are painted after the text as often as before it.
        printed = sorted(printed, key=lambda line: -line.base)
    return printed[:_EDGE_LINES] + printed[-_EDGE_LINES:]


def _edge_keys(line: Line) -> list[tuple[str, int | None]]:
    """What a running title repeats: its text, or its text around a number that is as far ahead of the page."""
    text = one_line(line.text)
    keys: list[tuple[str, int | None]] = [(text, None)]
    if line.placed:
        keys.append((text, _height(line)))
    for number in _NUMBER.finditer(text):
        if len(number[0]) <= 4:
            rest = f"{text[: number.start()]}#{text[number.end() :]}"
            keys.append((rest, int(number[0]) - line.page))
    for roman in _ROMAN.finditer(text):
        keys.append((f"{text[: roman.start()]}#{text[roman.end() :]}", _roman_value(roman[0]) - line.page))
    return keys


def _roman_value(roman: str) -> int:
    values = [_ROMAN_VALUES[letter] for letter in roman]
    return sum(
        -value if following > value else value for value, following in zip(values, [*values[1:], 0], strict=True)
    )


def _groups(lines: Sequence[Line], layouts: Mapping[int, Layout], headings: _Headings) -> Iterator[list[Line]]:
    """Lines that belong to one paragraph."""
    widths = _widths(lines)
    group: list[Line] = []
    for line in lines:
        if group and not (line.text.strip() and _continues(group[-1], line, widths, layouts, headings)):
            yield group
            group = []
        if line.text.strip():
            group.append(line)
    if group:
        yield group


def _widths(lines: Iterable[Line]) -> dict[int, int]:
    """Characters of a full line, by page: nine of ten lines are not longer."""
    lengths: dict[int, list[int]] = {}
    for line in lines:
        if len(line.text) >= _SHORTEST_MEASURED:
            lengths.setdefault(line.page, []).append(len(line.text))
    return {page: sorted(found)[int(0.9 * (len(found) - 1))] for page, found in lengths.items()}


def _continues(
    line: Line, following: Line, widths: Mapping[int, int], layouts: Mapping[int, Layout], headings: _Headings
) -> bool:
    if line.row or following.row:
        return line.row and following.row and line.page == following.page and line.table == following.table
    if line.fixed or following.fixed:
        near = line.page == following.page and 0 < line.base - following.base < _SAME_CODE * line.size
        return line.fixed and following.fixed and near
    level = headings.level(line)
    if level is not None or headings.level(following) is not None:
        return _one_heading(line, following, level, layouts, headings)
    text, begins = line.text.rstrip(), following.text.lstrip()
    if ("." in text[-12:-1] and _ENTRY.search(text[-60:])) or (text[-1].isdigit() and _SECTION.match(begins)):
        return False
    if _BULLET_ALONE.fullmatch(text.lstrip()):
        return True
    if _BULLET.match(begins) or _NUMBERED.match(begins):
        return False
    if text[-1] in "-\xad" and _BROKEN_WORD.search(text):
        return True
    ends = text.rstrip(_CLOSING).endswith(_ENDS_SENTENCES)
    if following.page != line.page:
        return begins[0].islower() and not ends
    if line.placed and following.placed:
        return layouts[line.page].continues(line, following, lower=begins[0].islower(), ends=ends)
    if begins[0].islower():
        return True
    width = widths.get(line.page, _SHORTEST_MEASURED)
    return len(text) >= (_NEARLY_FULL_LINE if ends else _FULL_LINE) * width


def _one_heading(
    line: Line, following: Line, level: int | None, layouts: Mapping[int, Layout], headings: _Headings
) -> bool:
    """Whether two lines are one heading that was broken."""
    if level != headings.level(following) or line.size != following.size or line.page != following.page:
        return False
    if _NUMBERED.match(following.text):
        return False
    return not (line.placed and following.placed) or not layouts[line.page].apart(line, following)


def _paragraph(lines: Sequence[Line], level: int | None) -> Paragraph:
    first = lines[0]
    if first.row:
        return Paragraph("table", "\n".join(line.text for line in lines), first.page)
    if first.fixed:
        left = min(line.left for line in lines)
        width = _width_of_letters(lines)
        code = "\n".join(" " * round((line.left - left) / width) + line.text for line in lines)
        return Paragraph("code", code, first.page)
    text = _joined([line.text for line in lines])
    if "...." in text or ". . . ." in text or "……" in text or "________" in text:
        text = _LEADERS.sub(" … ", text)
    if level is not None:
        return Paragraph("heading", text, first.page, level)
    bullet = _BULLET.match(text)
    if bullet is not None and text[bullet.end() :].strip():
        return Paragraph("list", f"- {text[bullet.end() :]}", first.page)
    return Paragraph("paragraph", text, first.page)


def _width_of_letters(lines: Sequence[Line]) -> float:
    longest = max(lines, key=lambda line: len(line.text))
    return max(1.0, (longest.right - longest.left) / len(longest.text))


def _joined(lines: Iterable[str]) -> str:
    """Lines as running text, with words that were broken at a line's end put together again."""
    text = ""
    for line in lines:
        line = " ".join(line.split())
        if not text:
            text = line
            continue
        if text[-1] in "./_=&?#-" and _ADDRESS_GOES_ON.search(text):
            text += line
            continue
        if text[-1] not in "-\xad" or not _BROKEN_WORD.search(text):
            text = f"{text} {line}"
            continue
        first_word = _FIRST_WORD.match(line)
        word = first_word[0] if first_word else ""
        if word.casefold() in (_AFTER_A_DASH if text.endswith(" -") else _SUSPENDING):
            text = f"{text} {line}"
        elif word[:1].islower():
            text = _BROKEN_WORD.sub("", text) + line
        else:
            # `Open-` and `Data`: the hyphen belongs to the word.
            text = f"{text} {line}" if text.endswith(" -") else text + line
    return text


def _with_lists_joined(paragraphs: Iterable[Paragraph]) -> Iterator[Paragraph]:
    pending: Paragraph | None = None
    for paragraph in paragraphs:
        if pending is not None and pending.kind == paragraph.kind == "list":
            pending = replace(pending, text=f"{pending.text}\n{paragraph.text}")
            continue
        if pending is not None:
            yield pending
        pending = paragraph
    if pending is not None:
        yield pending
