"""Charts and SmartArt, which stand in files of their own next to a Word document or a presentation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from assets.silver.readers.archive import Archive
from assets.silver.readers.flow import Piece
from assets.silver.readers.ooxml import Relation, attribute, child, local, number, relation_id, text_of

if TYPE_CHECKING:
    from lxml.etree import _Element


def plain(paragraph: _Element) -> str:
    """Text of a paragraph of DrawingML."""
    return "".join(found.text or "" for found in paragraph.iter("{*}t"))


def pieces_of(
    element: _Element,
    archive: Archive,
    links: dict[str, Relation],
    page: int | None,
    text: Callable[[_Element], str] = plain,
) -> Iterator[Piece]:
    """What the charts and diagrams below an element say.

    Args:
        links: relations of the part the element is in.
        text: of a paragraph.
    """
    for reference in element.iter("{*}chart", "{*}relIds"):
        of_chart = local(reference) == "chart"
        link = links.get(relation_id(reference) if of_chart else attribute(reference, "dm") or "")
        if link is None or link.target not in archive:
            continue
        root = archive.xml(link.target)
        yield from _chart(root, page) if of_chart else _diagram(root, page, text)


def _diagram(data: _Element, page: int | None, text: Callable[[_Element], str]) -> Iterator[Piece]:
    """SmartArt: the texts of its points, as a list."""
    for point in data.iter("{*}pt"):
        said = " ".join(" ".join(text(paragraph) for paragraph in point.iterfind("{*}t/{*}p")).split())
        if said:
            yield Piece("list", f"- {said}", None, page)


def _chart(root: _Element, page: int | None) -> Iterator[Piece]:
    """A chart: its title, and its numbers as a table with a row for each category."""
    for title in root.iterfind("{*}chart/{*}title"):
        yield Piece("paragraph", "".join(text_of(found) for found in title.iter("{*}t")), None, page)
    series = [
        (
            "".join(_cached(child(found, "tx")).values()),
            _cached(child(found, "cat")),
            _cached(child(found, "val")),
        )
        for found in root.iter("{*}ser")
    ]
    if not series:
        return
    names = [name for name, _, _ in series]
    categories = dict(sorted({index: text for _, found, _ in series for index, text in found.items()}.items()))
    indexes = sorted({index for _, found, values in series for index in (*found, *values)})
    rows = [" | ".join(["", *names])] if any(names) else []
    rows += [" | ".join([categories.get(at, ""), *(values.get(at, "") for _, _, values in series)]) for at in indexes]
    yield Piece("table", "\n".join(rows), None, page)


def _cached(element: _Element | None) -> dict[int, str]:
    """The values that a chart keeps of the sheet it was made from, by their index."""
    if element is None:
        return {}
    return {number(point, "idx"): text_of(point).strip() for point in element.iter("{*}pt")}
