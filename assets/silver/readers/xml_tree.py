"""XML from strangers: no entities, nothing from outside, bounded depth, and read in one pass."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from assets.silver.refusal import RefusedError

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_DECLARATION = re.compile(r"\A\s*<\?xml[^>]*\?>")
_ROOT = re.compile(
    r"\A(?:\s+|<\?.*?\?>|<!--.*?-->|<!DOCTYPE[^>\[]*(?:\[[^\]]*\])?\s*>)*<(?:[\w.-]+:)?([\w.-]+)", re.S | re.I
)
_SEARCHED = 8192
_AMPERSANDS = re.compile(
    r"<!\[CDATA\[.*?\]\]>|<!--.*?-->|&(?:([A-Za-z][A-Za-z0-9]{1,31});|(?!#\d+;|#x[0-9A-Fa-f]+;|[A-Za-z_:][\w.:-]*;))",
    re.S,
)
_HTML_SETS = re.compile(r'<!ENTITY\s+%\s+[\w.-]+\s+PUBLIC\s+"-//W3C//ENTITIES [^"]*"\s+"[^"]*"\s*>\s*(?:%[\w.-]+;)?')
"""Declaration by which feeds, those of older Drupals for one, fetch the names that HTML has for characters."""
_OF_XML = frozenset(("amp", "lt", "gt", "quot", "apos"))


def root_name(text: str) -> str | None:
    """Local name of the outermost element, in lower case; None where the text does not begin like XML or HTML."""
    match = _ROOT.match(text[:_SEARCHED])
    return match[1].casefold() if match else None


def mended(text: str) -> str:
    """XML without the two slips that feeds are known for.

    Names that HTML has for characters (`&uuml;`), of which XML itself knows five, become numbers, and an ampersand
    that begins no name is one.
    """
    from html.entities import html5

    def correct(match: re.Match[str]) -> str:
        if match[0] == "&":
            return "&amp;"
        characters = None if match[1] is None or match[1] in _OF_XML else html5.get(f"{match[1]};")
        return match[0] if characters is None else "".join(f"&#{ord(character)};" for character in characters)

    if "-//W3C//ENTITIES" in text[:_SEARCHED]:
        text = _HTML_SETS.sub("", text[:_SEARCHED]) + text[_SEARCHED:]
    return _AMPERSANDS.sub(correct, text) if "&" in text else text


def events(text: str, nesting: int) -> Iterator[tuple[str, Element]]:
    """`start` and `end` of each element in order; what an element holds is complete at its end.

    Raises:
        RefusedError: `malformed` with the line, `xml_entities` where entities are declared, `nested_too_deep`.
    """
    from xml.etree.ElementTree import ParseError

    from defusedxml.common import DefusedXmlException
    from defusedxml.ElementTree import iterparse

    # what the declaration says about the encoding is over: these are characters already
    content = io.BytesIO(_DECLARATION.sub("", text).encode("utf-8", "replace"))
    depth = 0
    try:
        for event, element in iterparse(content, ("start", "end")):
            depth += 1 if event == "start" else -1
            if depth > nesting:
                raise RefusedError("nested_too_deep", f"XML deeper than {nesting} levels")
            yield event, element
    except ParseError as error:
        line = error.position[0] if error.position else 1
        raise RefusedError("malformed", f"line {line}: the XML cannot be understood") from error
    except DefusedXmlException as error:
        raise RefusedError("xml_entities", "an entity declaration or reference in the document type") from error


def local(element: Element) -> str:
    """Name of an element without its namespace."""
    return str(element.tag).rpartition("}")[2]


def attribute(element: Element, name: str) -> str | None:
    """Value of the attribute with this local name."""
    for key, value in element.attrib.items():
        if key.rpartition("}")[2] == name:
            return value
    return None
