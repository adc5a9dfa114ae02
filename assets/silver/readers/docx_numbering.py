"""Numbers of lists and headings in Word documents: they are not in the text but counted when it is shown."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from assets.silver.readers.archive import Archive
from assets.silver.readers.ooxml import attribute, child, children, named, number

_PLACEHOLDER = re.compile(r"%([1-9])")
_LEVELS = 9
_LONGEST_ROMAN = 4999
_ROMAN = (
    (1000, "m"),
    (900, "cm"),
    (500, "d"),
    (400, "cd"),
    (100, "c"),
    (90, "xc"),
    (50, "l"),
    (40, "xl"),
    (10, "x"),
    (9, "ix"),
    (5, "v"),
    (4, "iv"),
    (1, "i"),
)


@dataclass(frozen=True, slots=True)
class _Level:
    format: str = "decimal"
    text: str = "%1."
    start: int = 1
    legal: bool = False


@dataclass(slots=True)
class Numbering:
    """Definitions of lists, and how far each has been counted."""

    _levels: dict[str, dict[int, _Level]] = field(default_factory=dict)
    _abstract_of: dict[str, str] = field(default_factory=dict)
    _starts: dict[str, dict[int, int]] = field(default_factory=dict)
    _counters: dict[str, list[int | None]] = field(default_factory=dict)

    def __contains__(self, numbering: str) -> bool:
        return numbering in self._abstract_of

    def mark(self, numbering: str, depth: int) -> str:
        """The next mark of a list at a depth from 0: `-` for bullets, `2.1` or `b)` for numbers, empty for none."""
        abstract = self._abstract_of.get(numbering, "")
        levels = self._levels.get(abstract, {})
        depth = max(0, min(depth, _LEVELS - 1))
        level = levels.get(depth, _Level("bullet"))
        # Lists that share an abstract definition go on counting, unless one of them starts over.
        key = f"={numbering}" if numbering in self._starts else abstract
        counters = self._counters.setdefault(key, [None] * _LEVELS)
        starts = self._starts.get(numbering, {})
        for above in range(depth):
            if counters[above] is None:
                counters[above] = starts.get(above, levels.get(above, _Level()).start)
        counted = counters[depth]
        counters[depth] = starts.get(depth, level.start) if counted is None else counted + 1
        counters[depth + 1 :] = [None] * (_LEVELS - depth - 1)
        if level.format == "bullet":
            return "-"
        if level.format == "none":
            return ""

        def counter(match: re.Match[str]) -> str:
            at = int(match[1]) - 1
            format_ = "decimal" if level.legal else levels.get(at, _Level()).format
            return _written(counters[at] or 0, format_)

        return _PLACEHOLDER.sub(counter, level.text).strip()


def read_numbering(archive: Archive, part: str | None) -> Numbering:
    """The numbering part; without one no paragraph is numbered."""
    found = Numbering()
    if part is None or part not in archive:
        return found
    root = archive.xml(part)
    for abstract in children(root, "abstractNum"):
        levels = {}
        for element in children(abstract, "lvl"):
            said = named(element)
            levels[number(element, "ilvl")] = _Level(
                format=attribute(said.get("numFmt"), "val") or "decimal",
                text=attribute(said.get("lvlText"), "val") or "",
                start=number(said.get("start"), "val", 1),
                legal="isLgl" in said,
            )
        found._levels[attribute(abstract, "abstractNumId") or ""] = levels
    for element in children(root, "num"):
        numbering = attribute(element, "numId") or ""
        found._abstract_of[numbering] = attribute(child(element, "abstractNumId"), "val") or ""
        starts = {
            number(override, "ilvl"): number(start, "val", 1)
            for override in children(element, "lvlOverride")
            if (start := child(override, "startOverride")) is not None
        }
        if starts:
            found._starts[numbering] = starts
    return found


def _written(count: int, format_: str) -> str:
    if format_ in ("lowerLetter", "upperLetter"):
        letters = chr(ord("a") + (count - 1) % 26) * ((count - 1) // 26 + 1) if 0 < count <= 26 * 9 else str(count)
        return letters.upper() if format_ == "upperLetter" else letters
    if format_ in ("lowerRoman", "upperRoman"):
        roman = _roman(count)
        return roman.upper() if format_ == "upperRoman" else roman
    if format_ == "decimalZero":
        return f"{count:02d}"
    return "" if format_ in ("none", "bullet") else str(count)


def _roman(count: int) -> str:
    if not 0 < count <= _LONGEST_ROMAN:
        return str(count)
    written = ""
    for value, letters in _ROMAN:
        written += letters * (count // value)
        count %= value
    return written
