"""Text of the HTML that authors write into Markdown: snippets and unclosed tags, not whole pages."""

from __future__ import annotations

import re
from dataclasses import dataclass
from html.parser import HTMLParser

from assets.silver.document import BlockKind

_DROPPED = frozenset({"script", "style", "template", "noscript", "svg", "math", "object", "select"})
_BREAKING = frozenset(
    "address article aside blockquote body center dd details div dl dt fieldset figcaption figure footer form header"
    " hr html li main nav ol p pre section summary table tbody tfoot thead tr ul video audio iframe"
    " h1 h2 h3 h4 h5 h6".split()
)
_HEADINGS = {f"h{level}": level for level in range(1, 7)}


_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
_UNCLOSED = re.compile(r"<(?=[^<>]*(?:<|\Z))")
"""A sign that opens no tag: the parser would look for its end again and again, in quadratic time."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of text between block tags; `level` only for headings."""

    kind: BlockKind
    text: str
    level: int | None = None


def pieces_of(html: str) -> list[Piece]:
    """Blocks of a snippet in order: headings, paragraphs, lists, code, and tables with a row per line.

    Scripts, styles and comments are dropped, images become their alternative text.
    """
    collector = _Collector()
    collector.feed(_UNCLOSED.sub("&lt;", _COMMENT.sub("", html)))
    collector.close()
    return collector.finish()


class _Collector(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._pieces: list[Piece] = []
        self._text: list[str] = []
        self._kind: BlockKind = "paragraph"
        self._level: int | None = None
        self._dropping: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _DROPPED:
            self._dropping.append(tag)
        if tag in _BREAKING:
            self._break()
            self._open(tag)
        elif tag == "br":
            self._text.append("\n")
        elif tag == "img":
            self._text.append(f" {dict(attrs).get('alt') or ''} ")
        elif tag in ("td", "th"):
            self._text.append(" | " if "".join(self._text).strip() else "")

    def handle_endtag(self, tag: str) -> None:
        if tag in self._dropping:
            del self._dropping[self._dropping.index(tag) :]
        if tag in _BREAKING:
            self._break()

    def handle_data(self, data: str) -> None:
        if self._dropping:
            return
        self._text.append(data if self._kind == "code" else " ".join(_words(data)))

    def finish(self) -> list[Piece]:
        """The pieces, rows of a table and items of a list that follow one another put together."""
        self._break()
        joined: list[Piece] = []
        for piece in self._pieces:
            last = joined[-1] if joined else None
            if last is not None and last.kind == piece.kind and piece.kind in ("list", "table"):
                joined[-1] = Piece(piece.kind, f"{last.text}\n{piece.text}")
            else:
                joined.append(piece)
        return joined

    def _open(self, tag: str) -> None:
        if tag in _HEADINGS:
            self._kind, self._level = "heading", _HEADINGS[tag]
        elif tag == "li":
            self._kind = "list"
        elif tag == "tr":
            self._kind = "table"
        elif tag == "pre":
            self._kind = "code"

    def _break(self) -> None:
        text = "".join(self._text)
        text = text if self._kind == "code" else "\n".join(" ".join(line.split()) for line in text.split("\n"))
        if text.strip():
            prefix = "- " if self._kind == "list" else ""
            self._pieces.append(Piece(self._kind, prefix + text.strip("\n"), self._level))
        self._text, self._kind, self._level = [], "paragraph", None


def _words(data: str) -> list[str]:
    """Words of a text node, with an empty one where it begins or ends in white space, so that joining keeps it."""
    words = data.split()
    if not words:
        return ["", ""] if data else []
    return [""] * data[0].isspace() + words + [""] * data[-1].isspace()
