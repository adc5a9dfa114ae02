"""From the lines of printed pages to running text: no headers and footers, whole paragraphs, words unbroken."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from assets.silver.document import BlockKind
from assets.silver.normalise import one_line

_EDGE_LINES = 3
"""Headers and footers are looked for among so many lines at the top and at the bottom of a page."""
_REPEATED_PAGES = 3
_REPEATED_SHARE = 0.25

_LARGER = 1.15
_MOST_HEADINGS = 0.25
_LONGEST_HEADING = 150

_FULL_LINE = 0.7
_NEARLY_FULL_LINE = 0.9
_SHORTEST_MEASURED = 20

_NUMBER = re.compile(r"\d+")
_PAGE_NUMBER = re.compile(
    r"(?:[-–—|]\s*)?(?:seite|page|s\.|p\.)?\s*(\d{1,4})(?:\s*(?:/|von|of)\s*\d{1,4})?(?:\s*[-–—|])?", re.IGNORECASE
)
_BULLET = re.compile(r"[•●▪■◦○‣⁃∙·➢➤►▶✓\uf0b7\uf0a7]\s*|[-–—*]\s+")
_NUMBERED = re.compile(r"(?:\d{1,2}[.)]|[a-z]\)|\(\w{1,2}\))\s+\S")
_SENTENCE_END = re.compile(r"[.!?:;…][\"'»“”’)\]]*$")
_BROKEN_WORD = re.compile(r"(?<=[^\W\d_]) ?-$")
_SUSPENDING = frozenset("und oder bzw beziehungsweise sowie bis and or to".split())
"""Words before which the hyphen at a line's end belongs to the word: `Vor- und Nachteile`."""
_AFTER_A_DASH = _SUSPENDING | frozenset("aber wie wir ich weil dass also but that which because".split())
"""Words before which a hyphen with a blank in front of it is meant as a dash."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line as printed.

    Attributes:
        page: from 1.
        size: height of most of its letters in points; 0 when unknown.
    """

    text: str
    page: int
    size: float = 0.0


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Running text, a list (an item per line) or a heading with its level; `page` is where it begins."""

    kind: BlockKind
    text: str
    page: int
    level: int | None = None


def paragraphs_of(pages: Sequence[Sequence[Line]], outline: Mapping[tuple[int, str], int]) -> list[Paragraph]:
    """Paragraphs of a document.

    Args:
        pages: the lines of each page, in reading order; a line without text separates paragraphs.
        outline: level of each bookmark, by the page it leads to and `heading_key` of its title.
    """
    lines = [line for page in _without_running_titles(pages) for line in page]
    headings = _Headings(outline, _levels_by_size(lines))
    paragraphs = [_paragraph(group, headings.level(group[0])) for group in _groups(lines, headings)]
    return list(_with_lists_joined(paragraphs))


def heading_key(title: str) -> str:
    """What two spellings of a heading have in common: letters and digits without the leading number."""
    unnumbered = re.sub(r"^\s*(?:\d+(?:\.\d+)*|[A-Z]|[IVXLC]+)[.)]?\s+", "", title)
    return "".join(character for character in unnumbered.casefold() if character.isalnum())


@dataclass(frozen=True, slots=True)
class _Headings:
    outline: Mapping[tuple[int, str], int]
    by_size: Mapping[float, int]

    def level(self, line: Line) -> int | None:
        """Level of a line that is a heading: a bookmark leads to it, or it is printed larger than the text."""
        if not any(character.isalpha() for character in line.text) or len(line.text) > _LONGEST_HEADING:
            return None
        return self.outline.get((line.page, heading_key(line.text)), self.by_size.get(line.size))


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


def _without_running_titles(pages: Sequence[Sequence[Line]]) -> list[list[Line]]:
    """The pages without headers, footers and page numbers."""
    seen = Counter(key for page in pages for key in {key for line in _edges(page) for key in _edge_keys(line)})
    often = max(_REPEATED_PAGES, _REPEATED_SHARE * len(pages))

    def runs(line: Line) -> bool:
        if (number := _PAGE_NUMBER.fullmatch(line.text.strip())) and int(number[1]) == line.page:
            return True
        # Text that counts along with the pages is a running title after a few of them already.
        return any(seen[key] >= (_REPEATED_PAGES if key[1] is not None else often) for key in _edge_keys(line))

    kept = []
    for page in pages:
        edges = {id(line) for line in _edges(page) if runs(line)}
        kept.append([line for line in page if id(line) not in edges])
    return kept if any(line.text.strip() for page in kept for line in page) else [list(page) for page in pages]


def _edges(page: Sequence[Line]) -> list[Line]:
    printed = [line for line in page if line.text.strip()]
    return printed if len(printed) <= 2 * _EDGE_LINES else printed[:_EDGE_LINES] + printed[-_EDGE_LINES:]


def _edge_keys(line: Line) -> list[tuple[str, int | None]]:
    """What a running title repeats: its text, or its text around a number that is as far ahead of the page."""
    text = one_line(line.text)
    keys: list[tuple[str, int | None]] = [(text, None)]
    for number in _NUMBER.finditer(text):
        if len(number[0]) <= 4:
            rest = f"{text[: number.start()]}#{text[number.end() :]}"
            keys.append((rest, int(number[0]) - line.page))
    return keys


def _groups(lines: Sequence[Line], headings: _Headings) -> Iterator[list[Line]]:
    """Lines that belong to one paragraph."""
    widths = _widths(lines)
    group: list[Line] = []
    for line in lines:
        if group and not (line.text.strip() and _continues(group[-1], line, widths, headings)):
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


def _continues(line: Line, following: Line, widths: Mapping[int, int], headings: _Headings) -> bool:
    level = headings.level(line)
    if level is not None or headings.level(following) is not None:
        same_size = line.size == following.size and line.page == following.page
        return level == headings.level(following) and same_size and not _NUMBERED.match(following.text)
    text, begins = line.text.rstrip(), following.text.lstrip()
    if _BULLET.match(begins) or _NUMBERED.match(begins):
        return False
    if _BROKEN_WORD.search(text):
        return True
    if following.page != line.page:
        return begins[0].islower() and not _SENTENCE_END.search(text)
    if begins[0].islower():
        return True
    width = widths.get(line.page, _SHORTEST_MEASURED)
    return len(text) >= (_NEARLY_FULL_LINE if _SENTENCE_END.search(text) else _FULL_LINE) * width


def _paragraph(lines: Sequence[Line], level: int | None) -> Paragraph:
    text = _joined([line.text for line in lines])
    if level is not None:
        return Paragraph("heading", text, lines[0].page, level)
    bullet = _BULLET.match(text)
    if bullet is not None and text[bullet.end() :].strip():
        return Paragraph("list", f"- {text[bullet.end() :]}", lines[0].page)
    return Paragraph("paragraph", text, lines[0].page)


def _joined(lines: Iterable[str]) -> str:
    """Lines as running text, with words that were broken at a line's end put together again."""
    text = ""
    for line in map(one_line, lines):
        first_word = re.split(r"\W", line, maxsplit=1)[0]
        apart = _AFTER_A_DASH if text.endswith(" -") else _SUSPENDING
        if not text:
            text = line
        elif not _BROKEN_WORD.search(text) or first_word.casefold() in apart:
            text = f"{text} {line}"
        elif first_word[:1].islower():
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
