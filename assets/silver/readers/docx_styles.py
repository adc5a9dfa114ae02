"""Styles of a Word document: how a run looks, whether a person sees it, which paragraphs are headings or list items."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from assets.silver.readers.archive import Archive
from assets.silver.readers.ooxml import attribute, child, children, local, nearly_white, number, switched_on

if TYPE_CHECKING:
    from lxml.etree import _Element

_LEGIBLE_HALF_POINTS = 7
"""Letters below 3.5 points are not meant to be read; the finest print of contracts has 4."""
_HEADING_NAME = re.compile(r"(?:heading|überschrift|titre|kop) ?([1-9])$", re.IGNORECASE)
_TITLES = {"title": 1, "titel": 1, "subtitle": 2, "untertitel": 2}
_BODY_TEXT = 9
"""Outline level of a paragraph that is no heading."""


@dataclass(frozen=True, slots=True)
class Look:
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

    def over(self, base: Look) -> Look:
        """This look where it says something, else the other."""
        return Look(
            base.vanish if self.vanish is None else self.vanish,
            base.colour if self.colour is None else self.colour,
            base.half_points if self.half_points is None else self.half_points,
            base.shaded if self.shaded is None else self.shaded,
            base.bold if self.bold is None else self.bold,
        )

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


PLAIN = Look()


@dataclass(frozen=True, slots=True)
class ListPlace:
    """Where a paragraph stands in a list: the numbering it uses and how deep, from 0."""

    numbering: str
    depth: int


@dataclass(frozen=True, slots=True)
class Style:
    """A style, not yet with what it inherits.

    Attributes:
        outline: outline level from 0, 9 for body text; None where nothing is said.
        shaded: whether a table style shades cells.
    """

    name: str = ""
    base: str | None = None
    look: Look = PLAIN
    outline: int | None = None
    numbering: str | None = None
    depth: int | None = None
    shaded: bool = False


@dataclass(slots=True)
class Styles:
    """All styles of a document, by their id."""

    by_id: dict[str, Style] = field(default_factory=dict)
    defaults: Look = PLAIN
    default_paragraph: str | None = None
    _resolved: dict[str, Style] = field(default_factory=dict)

    def style(self, style_id: str | None) -> Style:
        """A style with everything it inherits; an empty one where there is none of this id."""
        if style_id is None or style_id not in self.by_id:
            return Style()
        if style_id not in self._resolved:
            chain: list[str] = []
            following: str | None = style_id
            while following is not None and following in self.by_id and following not in chain:
                chain.append(following)
                following = self.by_id[following].base
            merged = Style()
            for ancestor in reversed(chain):
                merged = _inherit(self.by_id[ancestor], merged)
            self._resolved[style_id] = merged
        return self._resolved[style_id]

    def heading_level(self, style: Style, outline: int | None) -> int | None:
        """Level of a heading, 1 to 6; `outline` is what the paragraph itself says."""
        outline = style.outline if outline is None else outline
        if outline is not None:
            return min(outline + 1, 6) if outline < _BODY_TEXT else None
        if (named := _HEADING_NAME.match(style.name)) is not None:
            return min(int(named[1]), 6)
        return _TITLES.get(style.name.casefold())


def read_styles(archive: Archive, part: str | None) -> Styles:
    """The styles part; without one every style is plain."""
    styles = Styles()
    if part is None or part not in archive:
        return styles
    root = archive.xml(part)
    styles.defaults = look_of(child(root, "docDefaults", "rPrDefault", "rPr"))
    for element in children(root, "style"):
        style_id = attribute(element, "styleId") or ""
        paragraph = child(element, "pPr")
        numbering = child(paragraph, "numPr")
        outline = child(paragraph, "outlineLvl")
        look = look_of(child(element, "rPr"))
        if _is_shaded(child(paragraph, "shd")):
            look = replace(look, shaded=True)
        styles.by_id[style_id] = Style(
            name=attribute(child(element, "name"), "val") or "",
            base=attribute(child(element, "basedOn"), "val"),
            look=look,
            outline=None if outline is None else number(outline, "val", _BODY_TEXT),
            numbering=attribute(child(numbering, "numId"), "val"),
            depth=None if child(numbering, "ilvl") is None else number(child(numbering, "ilvl"), "val"),
            shaded=any(_is_shaded(shade) for shade in element.iter("{*}shd")),
        )
        if attribute(element, "type") == "paragraph" and attribute(element, "default") in ("1", "true", "on"):
            styles.default_paragraph = style_id
    return styles


def look_of(properties: _Element | None) -> Look:
    """What run properties (`w:rPr`) say."""
    if properties is None or not len(properties):
        return PLAIN
    said = {local(element): element for element in properties}
    vanish, bold, size = said.get("vanish"), said.get("b"), said.get("sz")
    colour = attribute(said.get("color"), "val")
    highlight = attribute(said.get("highlight"), "val")
    shaded = _is_shaded(said.get("shd")) or (highlight is not None and highlight not in ("none", "white"))
    return Look(
        vanish=None if vanish is None else switched_on(vanish),
        colour=colour,
        half_points=None if size is None else number(size, "val", 20),
        shaded=True if shaded else None,
        bold=None if bold is None else switched_on(bold),
    )


def is_shaded(properties: _Element | None) -> bool:
    """Whether the properties of a paragraph or a cell put a colour behind the text."""
    return _is_shaded(child(properties, "shd"))


def _is_shaded(shade: _Element | None) -> bool:
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
        look=style.look.over(base.look),
        outline=base.outline if style.outline is None else style.outline,
        numbering=base.numbering if style.numbering is None else style.numbering,
        depth=base.depth if style.depth is None else style.depth,
        shaded=style.shaded or base.shaded,
    )
