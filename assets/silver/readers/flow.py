"""Pieces of a document in the order in which they are read, and what is hidden between them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace

from assets.silver.document import BlockKind, Document, Hidden
from assets.silver.normalise import DocumentBuilder, one_line

_LONGEST_HEADING = 120
_LARGER = 1.15
"""Letters that much larger than those of the text make a heading."""
_MOST_HEADINGS = 0.3
"""Share of paragraphs beyond which bold or large ones are no headings but the text."""
_INDENT = "  "
_ENDS_OF_SENTENCES = (".", ",", ";", "…")


@dataclass(slots=True)
class Piece:
    """A paragraph, heading, list item (with its mark and indent) or table.

    Attributes:
        size: size of most of its letters, in any unit; 0 where unknown.
        bold: whether all of its letters are bold.
    """

    kind: BlockKind
    text: str
    level: int | None = None
    page: int | None = None
    size: float = 0.0
    bold: bool = False


@dataclass(slots=True)
class Flow:
    """Collects pieces and hidden text of one document."""

    pieces: list[Piece] = field(default_factory=list)
    _hidden: dict[str, list[str]] = field(default_factory=dict)

    def add(self, piece: Piece) -> None:
        """Append a piece; one without text is left out."""
        if piece.text.strip():
            self.pieces.append(piece)

    def add_item(self, mark: str, depth: int, text: str, page: int | None = None) -> None:
        """Append an item of a list with its mark, `depth` steps indented; its further lines hang below its text."""
        lines = [line.strip() for line in text.strip().split("\n")]
        hanging = f"\n{_INDENT * depth}{' ' * (len(mark) + 1)}"
        if any(lines):
            self.pieces.append(Piece("list", f"{_INDENT * depth}{mark} {hanging.join(lines)}", None, page))

    def hide(self, kind: str, text: str) -> None:
        """Keep text that people do not see, to be screened and not stored."""
        if text.strip():
            self._hidden.setdefault(kind, []).append(text)

    def hidden(self) -> tuple[Hidden, ...]:
        """What is hidden, one entry for each kind."""
        return tuple(Hidden(kind, "\n".join(texts)) for kind, texts in self._hidden.items())

    def document(self, reader: str, notes: tuple[str, ...] = ()) -> Document:
        """The document so far, without metadata; consecutive items are one list."""
        builder = DocumentBuilder()
        pieces = self.pieces
        at = 0
        while at < len(pieces):
            piece = pieces[at]
            end = at + 1
            while piece.kind == "list" and end < len(pieces) and pieces[end].kind == "list":
                end += 1
            text = "\n".join(item.text for item in pieces[at:end])
            builder.add(piece.kind, text, level=piece.level, page=piece.page)
            at = end
        hidden = self.hidden()
        if hidden:
            kinds = ", ".join(entry.kind for entry in hidden)
            notes = (*notes, f"text that people do not see was left out ({kinds})")
        return replace(builder.build(reader, notes=notes), hidden=hidden)


def promote_headings(pieces: list[Piece]) -> None:
    """Where no style says what is a heading: short paragraphs that are printed larger or bold are.

    Nothing is changed where headings are marked already, or where large and bold paragraphs are too many to be
    headings.
    """
    if any(piece.kind == "heading" for piece in pieces):
        return
    letters: Counter[float] = Counter()
    for piece in pieces:
        if piece.kind == "paragraph":
            letters[piece.size] += len(piece.text)
    if not letters:
        return
    body = max(letters, key=lambda size: (letters[size], -size))
    found = [piece for piece in pieces if piece.kind == "paragraph" and _looks_like_heading(piece, body)]
    paragraphs = sum(piece.kind == "paragraph" for piece in pieces)
    if not found or len(found) > _MOST_HEADINGS * paragraphs:
        return
    sizes = sorted({max(piece.size, body) for piece in found}, reverse=True)
    for piece in found:
        piece.kind = "heading"
        piece.level = min(sizes.index(max(piece.size, body)) + 1, 6)


def _looks_like_heading(piece: Piece, body: float) -> bool:
    text = one_line(piece.text)
    if len(text) > _LONGEST_HEADING or text.endswith(_ENDS_OF_SENTENCES) or not any(map(str.isalpha, text)):
        return False
    if "\n" in piece.text.strip():
        return False
    return piece.bold or (body > 0 and piece.size >= _LARGER * body)
