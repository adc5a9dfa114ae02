"""Reads Markdown (CommonMark with tables): front matter to metadata, the body to blocks of plain text."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from assets.silver.document import Document
from assets.silver.metadata import metadata_from
from assets.silver.normalise import DocumentBuilder
from assets.silver.readers.front_matter import split
from assets.silver.readers.html_text import pieces_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from markdown_it import MarkdownIt
    from markdown_it.token import Token

READER = "markdown/1"

_DROPPED_INLINE = re.compile(r"<(?P<end>/?)(?P<tag>script|style)\b", re.IGNORECASE)
_LINE_BREAK = re.compile(r"<br\b", re.IGNORECASE)
_IMAGE_TEXT = re.compile(r"""<img\b[^>]*?\balt\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s>]+))""", re.IGNORECASE)
_SHORTCODE = re.compile(r"\{%[^%{}\n]*%\}|\{\{[<%][^{}\n]*[>%]\}\}")
"""Instructions of Jekyll, Liquid and Hugo to themselves."""
_REFERENCE = re.compile(r"\{\{[<%]\s*(?:rel)?ref\s[^{}\n]*[>%]\}\}")
"""Hugo's way to write a link target; with its blanks it would keep the link from being seen as one."""


def read(text: str) -> Document:
    """A Markdown file.

    Args:
        text: the whole file with clean characters and `\\n` line breaks.

    Raises:
        RefusedError: `malformed` when the front matter cannot be understood.
    """
    head, body = split(text)
    builder = DocumentBuilder()
    _add_blocks(builder, _parser().parse(_REFERENCE.sub("#", body)))
    return metadata_from(head).over(builder.build(READER))


@cache
def _parser() -> MarkdownIt:
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark").enable(["table", "strikethrough"])


def _add_blocks(builder: DocumentBuilder, tokens: Sequence[Token]) -> None:
    at = 0
    while at < len(tokens):
        token = tokens[at]
        end = _closing(tokens, at)
        if token.type == "heading_open":
            builder.add("heading", _inline_text(tokens[at + 1]), level=int(token.tag[1:]))
        elif token.type == "table_open":
            builder.add("table", "\n".join(_rows(tokens[at:end])))
        elif token.type in ("bullet_list_open", "ordered_list_open"):
            builder.add("list", "\n".join(_items(tokens[at : end + 1])))
        elif token.type == "inline":
            builder.add("paragraph", _inline_text(token))
        elif token.type in ("fence", "code_block"):
            builder.add("code", token.content)
        elif token.type == "html_block":
            for piece in pieces_of(token.content):
                builder.add(piece.kind, piece.text, level=piece.level)
        whole = token.type in ("heading_open", "table_open", "bullet_list_open", "ordered_list_open")
        at = end + 1 if whole else at + 1


def _closing(tokens: Sequence[Token], at: int) -> int:
    """Index of the token that closes the one at `at`."""
    if tokens[at].nesting != 1:
        return at
    depth = 0
    for index in range(at, len(tokens)):
        depth += tokens[index].nesting
        if depth == 0:
            return index
    return len(tokens) - 1


def _rows(tokens: Sequence[Token]) -> Iterator[str]:
    cells: list[str] = []
    for token in tokens:
        if token.type == "inline":
            cells.append(" ".join(_inline_text(token).split()))
        elif token.type == "tr_close":
            yield " | ".join(cells)
            cells = []


def _items(tokens: Sequence[Token]) -> Iterator[str]:
    """Lines of a list: a mark and the text of each item, nested ones indented by two blanks a level."""
    numbers: list[int | None] = []
    mark = ""
    for token in tokens:
        if token.type == "bullet_list_open":
            numbers.append(None)
        elif token.type == "ordered_list_open":
            numbers.append(int(token.attrs.get("start", 1)))
        elif token.type in ("bullet_list_close", "ordered_list_close"):
            numbers.pop()
        elif token.type == "list_item_open":
            number = numbers[-1]
            mark = "- " if number is None else f"{number}. "
            numbers[-1] = None if number is None else number + 1
        else:
            text = _item_text(token)
            if text:
                indent = "  " * (len(numbers) - 1)
                hanging = " " * len(mark)
                yield f"{indent}{mark}" + f"\n{indent}{hanging}".join(text.split("\n"))
                mark = hanging


def _item_text(token: Token) -> str:
    if token.type == "inline":
        return _inline_text(token)
    if token.type in ("fence", "code_block"):
        return token.content.strip("\n")
    if token.type == "html_block":
        return "\n".join(piece.text for piece in pieces_of(token.content))
    return ""


def _inline_text(token: Token) -> str:
    """Text of a paragraph, heading or cell without its markup."""
    parts: list[str] = []
    dropping = False
    for child in token.children or ():
        if child.type == "html_inline":
            tag = _DROPPED_INLINE.match(child.content)
            dropping = not tag["end"] if tag else dropping
            parts.append(_html_inline_text(child.content))
        elif not dropping:
            parts.append(_child_text(child))
    return _SHORTCODE.sub("", "".join(parts))


def _child_text(child: Token) -> str:
    if child.type == "softbreak":
        return " "
    if child.type == "hardbreak":
        return "\n"
    if child.type == "image":
        return _inline_text(child)
    return child.content


def _html_inline_text(html: str) -> str:
    if _LINE_BREAK.match(html):
        return "\n"
    image = _IMAGE_TEXT.match(html)
    return next(filter(None, image.groups()), "") if image else ""
