"""Styles of a Word document: how a run looks, whether a person sees it, which paragraphs are headings or list items."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from assets.silver.readers.archive import Archive
from assets.silver.readers.ooxml import LOCAL, attribute, child, children, named, nearly_white, number, switched_on

if TYPE_CHECKING:
    from lxml.etree import _Element

_LEGIBLE_HALF_POINTS = 7
"""Letters below 3.5 points are not meant to be read; the finest print of contracts has 4."""
_HEADING_NAME = re.compile(r"(?:heading|überschrift|titre|kop) ?([1-9])$", re.IGNORECASE)
_TITLES = {"title": 1, "titel": 1, "subtitle": 2, "untertitel": 2}
_BODY_TEXT = 9
"""Outline level of a paragraph that is no heading."""


class RunFormat(NamedTuple):
    """How a run is printed; None where nothing is said.

    Attributes:
        half_points: size of the letters in half points.
        shaded: whether something else than white paper is behind it.
    """

    vanish: bool | None = None
    colour: str | None = None
    half_points: int | None = None
    shaded: bool | None = None
    bold: bool | None = None

    @property
    def hidden(self) -> str | None:
        """The kind of hiding (`assets.silver.document.Hidden`), None where a person sees it."""
        if self.vanish:
            return "hidden_text"
        if self.half_points is not None and self.half_points < _LEGIBLE_HALF_POINTS:
            return "tiny_text"
        if not self.shaded and nearly_white(self.colour):
            return "white_text"
        return None


PLAIN = RunFormat()


@lru_cache(4096)
def hiding_of(formatting: RunFormat) -> str | None:
    """`RunFormat.hidden`, computed once for each."""
    return formatting.hidden


@lru_cache(4096)
def over(formatting: RunFormat, base: RunFormat) -> RunFormat:
    """What a formatting leaves open, taken from another one. Documents repeat a few in thousands of runs."""
    return RunFormat(
        base.vanish if formatting.vanish is None else formatting.vanish,
        base.colour if formatting.colour is None else formatting.colour,
        base.half_points if formatting.half_points is None else formatting.half_points,
        base.shaded if formatting.shaded is None else formatting.shaded,
        base.bold if formatting.bold is None else formatting.bold,
    )


@dataclass(frozen=True, slots=True)
class Style:
    """A style, not yet with what it inherits.

    Attributes:
        outline: outline level from 0, 9 for body text; None where nothing is said.
        shaded: whether a table style shades cells.
    """

    name: str = ""
    base: str | None = None
    formatting: RunFormat = PLAIN
    outline: int | None = None
    numbering: str | None = None
    depth: int | None = None
    shaded: bool = False


@dataclass(slots=True)
class Styles:
    """The styles of a document, by their id; each is read when it is first used, because most never are."""

    defaults: RunFormat = PLAIN
    default_paragraph: str | None = None
    _elements: dict[str, _Element] = field(default_factory=dict)
    _resolved: dict[str, Style] = field(default_factory=dict)

    def style(self, style_id: str | None) -> Style:
        """A style with everything it inherits; an empty one where there is none of this id."""
        if style_id is None or style_id not in self._elements:
            return _NO_STYLE
        if style_id not in self._resolved:
            chain: dict[str, Style] = {}
            following: str | None = style_id
            while following is not None and following in self._elements and following not in chain:
                chain[following] = _style_of(self._elements[following])
                following = chain[following].base
            merged = Style()
            for ancestor in reversed(chain.values()):
                merged = _inherit(ancestor, merged)
            self._resolved[style_id] = merged
        return self._resolved[style_id]

    def heading_level(self, style: Style, outline: int | None) -> int | None:
        """Level of a heading, 1 to 6; `outline` is what the paragraph itself says."""
        outline = style.outline if outline is None else outline
        if outline is not None:
            return min(outline + 1, 6) if outline < _BODY_TEXT else None
        return _level_of(style.name)


@lru_cache(256)
def _level_of(name: str) -> int | None:
    """Level that the name of a style gives."""
    if (heading := _HEADING_NAME.match(name)) is not None:
        return min(int(heading[1]), 6)
    return _TITLES.get(name.casefold())


_NO_STYLE = Style()


def read_styles(archive: Archive, part: str | None) -> Styles:
    """The styles part; without one every style is plain."""
    styles = Styles()
    if part is None or part not in archive:
        return styles
    root = archive.xml(part)
    styles.defaults = run_format(named(child(root, "docDefaults", "rPrDefault", "rPr")))
    for element in children(root, "style"):
        said = {LOCAL[name]: str(value) for name, value in element.items()}
        style_id = said.get("styleId", "")
        styles._elements[style_id] = element
        if said.get("type") == "paragraph" and said.get("default") in ("1", "true", "on"):
            styles.default_paragraph = style_id
    return styles


def _style_of(element: _Element) -> Style:
    said = named(element)
    paragraph = named(said.get("pPr"))
    numbering = named(paragraph.get("numPr"))
    outline = paragraph.get("outlineLvl")
    formatting = run_format(named(said.get("rPr")))
    if shades(paragraph.get("shd")):
        formatting = formatting._replace(shaded=True)
    return Style(
        name=attribute(said.get("name"), "val") or "",
        base=attribute(said.get("basedOn"), "val"),
        formatting=formatting,
        outline=None if outline is None else number(outline, "val", _BODY_TEXT),
        numbering=attribute(numbering.get("numId"), "val"),
        depth=number(numbering["ilvl"], "val") if "ilvl" in numbering else None,
        shaded=any(map(shades, element.iter("{*}shd"))),
    )


RUN_PROPERTIES = frozenset({"vanish", "b", "sz", "color", "highlight", "shd"})
"""Names of the run properties that `run_format` reads."""


def run_format(said: Mapping[str, _Element]) -> RunFormat:
    """What run properties (`w:rPr`), by their names, say."""
    if not said:
        return PLAIN
    vanish, bold, size = said.get("vanish"), said.get("b"), said.get("sz")
    colour = attribute(said.get("color"), "val")
    highlight = attribute(said.get("highlight"), "val")
    shaded = shades(said.get("shd")) or (highlight is not None and highlight not in ("none", "white"))
    return RunFormat(
        vanish=None if vanish is None else switched_on(vanish),
        colour=colour,
        half_points=None if size is None else number(size, "val", 20),
        shaded=True if shaded else None,
        bold=None if bold is None else switched_on(bold),
    )


def is_shaded(properties: _Element | None) -> bool:
    """Whether the properties of a paragraph or a cell put a colour behind the text."""
    return shades(child(properties, "shd"))


def shades(shade: _Element | None) -> bool:
    """Whether a shading (`w:shd`) puts a colour behind the text."""
    if shade is None:
        return False
    fill = attribute(shade, "fill") or "auto"
    pattern = attribute(shade, "val") or "clear"
    return (
        (fill != "auto" and not nearly_white(fill))
        or pattern not in ("clear", "nil")
        or bool(attribute(shade, "themeFill"))
    )


def _inherit(style: Style, base: Style) -> Style:
    return Style(
        name=style.name,
        base=style.base,
        formatting=over(style.formatting, base.formatting),
        outline=base.outline if style.outline is None else style.outline,
        numbering=base.numbering if style.numbering is None else style.numbering,
        depth=base.depth if style.depth is None else style.depth,
        shaded=style.shaded or base.shaded,
    )
