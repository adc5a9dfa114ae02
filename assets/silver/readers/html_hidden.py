"""Which elements of an HTML tree people do not see, by their attributes and by simple rules of the page's styles."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lxml.html import HtmlElement

_DECLARATION = re.compile(r"([a-z-]+)\s*:\s*([^;]+)", re.IGNORECASE)
_SELECTOR = re.compile(r"(?:[a-z][a-z0-9]*)?([.#])([\w-]+)", re.IGNORECASE)
_CSS_COMMENT = re.compile(r"/\*.*?(?:\*/|\Z)", re.DOTALL)
_LENGTH = re.compile(r"(-?\d*\.?\d+)\s*(px|pt|em|rem|ex|ch|vw|vh|%|in|cm|mm)?", re.IGNORECASE)
_RGB = re.compile(r"rgba?\(\s*([\d.]+%?)[\s,]+([\d.]+%?)[\s,]+([\d.]+%?)(?:[\s,/]+([\d.]+%?))?\s*\)", re.IGNORECASE)
_HEX = re.compile(r"#([0-9a-f]{3,8})", re.IGNORECASE)

_WHITE = (255, 255, 255)
_NAMED = {
    "white": _WHITE,
    "black": (0, 0, 0),
    "snow": (255, 250, 250),
    "ivory": (255, 255, 240),
    "ghostwhite": (248, 248, 255),
    "whitesmoke": (245, 245, 245),
    "floralwhite": (255, 250, 240),
    "mintcream": (245, 255, 250),
    "azure": (240, 255, 255),
}
_ALIKE = 24
"""Distance of two colours, summed over red, green and blue, below which text on the other cannot be read."""
_SMALLEST = {"px": 3.0, "pt": 2.5, "em": 0.2, "rem": 0.2, "%": 20.0}
"""Sizes of letters below which nobody reads them."""
_FAR_AWAY = 900.0
"""Pixels to the left or above that put an element off the screen."""

Colour = tuple[int, int, int]
Styles = Mapping[str, Mapping[str, str]]
"""Declarations by `.class` and `#id`."""


def styles_of(css: str) -> Styles:
    """Declarations of rules whose selectors are a single class or id; all else in the style sheet is ignored."""
    rules: dict[str, dict[str, str]] = {}
    for rule in _CSS_COMMENT.sub("", css).split("}"):
        selectors, _, body = rule.rpartition("{")
        declarations = declared(body) if selectors else {}
        for selector in selectors.split(",") if declarations else ():
            if simple := _SELECTOR.fullmatch(selector.strip()):
                rules.setdefault(simple[1] + simple[2], {}).update(declarations)
    return rules


def declared(style: str) -> dict[str, str]:
    """Properties of a style attribute, lower case."""
    return {
        match[1].lower(): match[2].replace("!important", "").strip().lower() for match in _DECLARATION.finditer(style)
    }


def style_of(element: HtmlElement, styles: Styles) -> dict[str, str]:
    """The declarations that apply to an element by class, id and its own style, without those it inherits."""
    own = element.get("style")
    found: dict[str, str] = {}
    if styles:
        for name in (element.get("class") or "").split():
            found |= styles.get(f".{name}", {})
        found |= styles.get(f"#{element.get('id')}", {})
    if own:
        found |= declared(own)
    return found


def how_hidden(element: HtmlElement, style: Mapping[str, str], background: Colour) -> str | None:
    """Why nobody sees this element, as `Hidden.kind` has it; None where people do.

    Args:
        background: colour behind the element.
    """
    if element.get("hidden") is not None:
        return "hidden_attribute"
    if (element.get("aria-hidden") or "").strip().lower() == "true":
        return "aria_hidden"
    if not style and element.tag != "font":
        return None
    if style.get("display") == "none":
        return "display_none"
    if style.get("visibility") in ("hidden", "collapse"):
        return "visibility_hidden"
    if _number(style.get("opacity")) == 0.0:
        return "transparent"
    if _is_tiny(style.get("font-size") or style.get("font")):
        return "tiny_text"
    if _is_away(style):
        return "off_screen"
    return _unreadable(element, style, background)


def background_of(element: HtmlElement, style: Mapping[str, str], behind: Colour | None) -> Colour | None:
    """Colour on which the element's text stands; None where an image or an unknown colour makes it unknowable."""
    value = style.get("background-color") or style.get("background") or element.get("bgcolor")
    if value is None:
        return behind
    return behind if value in ("none", "transparent", "inherit", "initial") else colour(value)


def colour(value: str) -> Colour | None:
    """Red, green and blue of a CSS colour; None where it is no colour that is known here."""
    value = value.strip().lower()
    if value in _NAMED:
        return _NAMED[value]
    if match := _HEX.search(value):
        digits = match[1]
        pairs = (
            [digit * 2 for digit in digits[:3]] if len(digits) in (3, 4) else [digits[at : at + 2] for at in (0, 2, 4)]
        )
        return (int(pairs[0], 16), int(pairs[1], 16), int(pairs[2], 16)) if all(len(p) == 2 for p in pairs) else None
    if match := _RGB.search(value):
        red, green, blue = (_channel(match[place]) for place in (1, 2, 3))
        return red, green, blue
    return None


def _channel(text: str) -> int:
    value = float(text.rstrip("%")) if text.rstrip("%").replace(".", "", 1).isdigit() else 0.0
    return min(255, round(value * 2.55 if text.endswith("%") else value))


def _unreadable(element: HtmlElement, style: Mapping[str, str], background: Colour) -> str | None:
    value = style.get("color") or (element.get("color") if element.tag == "font" else None)
    if not value:
        return None
    if value == "transparent":
        return "transparent"
    ink = colour(value)
    if ink is None or sum(abs(a - b) for a, b in zip(ink, background, strict=True)) > _ALIKE:
        return None
    return "white_text" if background == _WHITE else "unreadable_colour"


def _is_tiny(value: str | None) -> bool:
    match = _LENGTH.search(value) if value else None
    if match is None:
        return False
    size = _number(match[1])
    return size is not None and (size == 0.0 or size <= _SMALLEST.get((match[2] or "").lower(), -1.0))


def _is_away(style: Mapping[str, str]) -> bool:
    if style.get("position") in ("absolute", "fixed"):
        for side in ("left", "top"):
            if (_number(style.get(side)) or 0.0) <= -_FAR_AWAY:
                return True
        if "rect(0" in style.get("clip", "").replace(" ", "") or "inset(50%" in style.get("clip-path", ""):
            return True
    if (_number(style.get("text-indent")) or 0.0) <= -_FAR_AWAY:
        return True
    return style.get("overflow") == "hidden" and any(_is_nothing(style.get(side)) for side in ("height", "max-height"))


def _is_nothing(value: str | None) -> bool:
    return _number(value) == 0.0


def _number(value: str | None) -> float | None:
    match = _LENGTH.match(value.strip()) if value else None
    return float(match[1]) if match else None
