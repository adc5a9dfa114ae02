"""What Office Open XML files have in common: parts, the relations between them, properties (ECMA-376, part 2)."""

from __future__ import annotations

import posixpath
from collections.abc import Callable
from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from assets.silver.metadata import Metadata
from assets.silver.readers.archive import Archive
from assets.silver.readers.properties import properties
from assets.silver.refusal import RefusedError

if TYPE_CHECKING:
    from lxml.etree import _Element

_DARKEST_WHITE = 0xF0
"""Lightest channel value that can still be told from white paper: contrast below 1.15 to 1."""


@dataclass(frozen=True, slots=True)
class Relation:
    """A relation of a part; `target` is the name of another part.

    Attributes:
        kind: last word of the relation's type, e.g. `footnotes`; the transitional and the strict flavour of the
            standard differ only before it.
    """

    kind: str
    target: str


def relations(archive: Archive, part: str) -> dict[str, Relation]:
    """Relations of a part to others in the archive, by id; links to the outside are left out."""
    folder, name = posixpath.split(part)
    source = posixpath.join(folder, "_rels", f"{name}.rels")
    if source not in archive:
        return {}
    found = {}
    for element in children(archive.xml(source), "Relationship"):
        target = element.get("Target", "")
        if element.get("TargetMode") == "External" or not target:
            continue
        full = target if target.startswith("/") else posixpath.join(folder, target)
        kind = element.get("Type", "").rsplit("/", 1)[-1]
        found[element.get("Id", "")] = Relation(kind, posixpath.normpath(full).lstrip("/"))
    return found


def relation_id(element: _Element) -> str:
    """The relation an element refers to: `r:id`, which differs from an `id` of its own by the namespace alone."""
    for key, value in element.attrib.items():
        if str(key).endswith("/relationships}id"):
            return str(value)
    return ""


def related(links: dict[str, Relation], kind: str) -> str | None:
    """The first part a relation of this kind leads to."""
    return next((link.target for link in links.values() if link.kind == kind), None)


def main_part(archive: Archive) -> str:
    """Name of the part the package is about.

    Raises:
        RefusedError: `malformed` when the package names none that it holds.
    """
    part = related(relations(archive, ""), "officeDocument")
    if part is None or part not in archive:
        raise RefusedError("malformed", "the package does not say where its document is")
    return part


def core_properties(archive: Archive) -> Metadata:
    """Title, author, day of the last change, language and keywords; empty where the part is missing or damaged.

    The day is that of the last change: the day of creation is that of the template in many programs.
    """
    name = related(relations(archive, ""), "core-properties") or "docProps/core.xml"
    if name not in archive:
        return Metadata()
    try:
        root = archive.xml(name)
    except RefusedError as refused:
        if refused.code != "malformed":
            raise
        return Metadata()
    values = {local(element): text_of(element) for element in elements(root)}
    return properties(
        {
            "title": values.get("title"),
            "author": values.get("creator"),
            "date": values.get("modified") or values.get("created"),
            "language": values.get("language"),
            "keywords": values.get("keywords"),
        }
    )


class _LocalNames(dict[Any, str]):
    """Names without their namespaces, by the full ones; empty for what is no element."""

    def __missing__(self, tag: object) -> str:
        name = tag.rpartition("}")[2] if isinstance(tag, str) else ""
        if len(self) < _MOST_NAMES:
            self[tag] = name
        return name


_MOST_NAMES = 10_000
LOCAL: dict[Any, str] = _LocalNames()
"""`LOCAL[element.tag]` is what `local` gives, without a call."""
LOCAL_OF: Callable[[Any], str] = LOCAL.__getitem__
TAG: Callable[[Any], Any] = attrgetter("tag")
"""With these, the names of many elements cost no step of Python each."""


def local(element: _Element) -> str:
    """Name without its namespace: transitional and strict files have different ones for the same names."""
    return LOCAL[element.tag]


def leading(element: _Element, name: str) -> _Element | None:
    """The first child if it has this name: properties stand before what they describe (ECMA-376, part 1, 17.3)."""
    first = element[0] if len(element) else None
    return first if first is not None and LOCAL[first.tag] == name else None


def named(element: _Element | None) -> dict[str, _Element]:
    """Children by their local names, the first of each name."""
    if element is None or not len(element):
        return {}
    # from the last to the first, which so stays
    inner = element[::-1]
    return dict(zip(map(LOCAL_OF, map(TAG, inner)), inner, strict=True))


def elements(element: _Element) -> list[_Element]:
    """The children. All are elements: `archive` drops comments and instructions, and refuses declared entities."""
    return list(element)


def children(element: _Element, *names: str) -> list[_Element]:
    """The children with one of these local names."""
    return list(element.iterchildren(*(f"{{*}}{name}" for name in names)))


def child(element: _Element | None, *path: str) -> _Element | None:
    """What a path of local names leads to, the first at each step."""
    for name in path:
        if element is None:
            return None
        element = next(element.iterchildren(f"{{*}}{name}"), None)
    return element


def attribute(element: _Element | None, name: str) -> str | None:
    """Value of an attribute by its local name."""
    if element is None:
        return None
    for key, value in element.items():
        if LOCAL[key] == name:
            return str(value)
    return None


def number(element: _Element | None, name: str, default: int = 0) -> int:
    """An attribute as an integer; the default where it is missing or none."""
    try:
        return int(attribute(element, name) or default)
    except ValueError:
        return default


def switched_on(element: _Element | None) -> bool:
    """Whether an on/off property (`<w:vanish/>`, `<w:b w:val="0"/>`) is there and on."""
    return element is not None and (attribute(element, "val") or "true") not in ("0", "false", "off", "none")


def text_of(element: _Element) -> str:
    """All text below an element."""
    return "".join(str(piece) for piece in element.itertext())


def nearly_white(colour: str | None) -> bool:
    """Whether a colour `RRGGBB`, with or without `#`, cannot be told from white paper."""
    value = (colour or "").lstrip("#")
    try:
        return len(value) == 6 and min(bytes.fromhex(value)) >= _DARKEST_WHITE
    except ValueError:
        return False
