"""Reads Markdown (CommonMark with tables): front matter to metadata, the body to blocks of plain text."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from assets.silver.document import BlockKind, Document, Hidden
from assets.silver.metadata import metadata_from
from assets.silver.normalise import DocumentBuilder
from assets.silver.readers.front_matter import split
from assets.silver.readers.html_tree import how_tag_hides, pieces_of
from assets.silver.readers.links import carrier

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from markdown_it import MarkdownIt
    from markdown_it.token import Token

READER = "markdown/7"

_DROPPED_INLINE = re.compile(r"<(?P<end>/?)(?P<tag>script|style)\b", re.IGNORECASE)
_VOID = re.compile(r"<(?:br|hr|img|input|wbr|area|col|embed|link|meta|source|track)\b|<[!?]", re.IGNORECASE)
_LINE_BREAK = re.compile(r"<br\b", re.IGNORECASE)
_IMAGE_TEXT = re.compile(r"""<img\b[^>]*?\balt\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s>]+))""", re.IGNORECASE)
_SHORTCODE = re.compile(
    r"\{%[^%{}\n]*%\}|\{\{[<%][^{}\n]*[>%]\}\}|[ \t]*\{:(?=[ \t]*[.#\w-])[^{}\n]*\}|\{/\*[^{}\n]*\*/\}"
    r"|[ \t]*\{#[\w:.-]+(?:[ \t][^{}\n]*)?\}[ \t]*\Z"
)
"""Instructions of Jekyll, Liquid, kramdown, Hugo and MDX to themselves; the last ones name a heading."""
_WIKI = re.compile(r"!?\[\[[^\[\]\n]{1,300}\]\]")
_MARKED = re.compile(r"(?<![=\w])==(?=[^\s=])([^=\n]{1,500})(?<=\S)==(?![=\w])")
_ASIDE = re.compile(r"(?:(?<=\s)|\A)%%[^%]{1,2000}%%(?=\s|\Z)")
_CALLOUT = re.compile(r"\[!\w{2,20}\][+-]?(?:[ \t]+|\Z)")
_PLACE = re.compile(r"[ \t]\^[A-Za-z0-9-]{1,40}\Z")
"""What editors of notes (Obsidian) and GitHub add to Markdown: links and embedded files, marked words, comments, the
kind of a callout, and the name of a block."""
_MODULE = re.compile(r"(?:import\s[^\n]*['\"][^'\"\n]+['\"];?|export\s+(?:const|let|default|function)\b[^\n]*)\Z")
"""A line of MDX that is program."""
_REFERENCE = re.compile(r"\{\{[<%]\s*(?:rel)?ref\s[^{}\n]*[>%]\}\}")
"""Hugo's way to write a link target; with its blanks it would keep the link from being seen as one."""


@dataclass(frozen=True, slots=True)
class MarkdownBlock:
    """A block as Markdown has it; `inline` is the token of a paragraph, from which labels can be told."""

    kind: BlockKind
    text: str
    level: int | None = None
    inline: Token | None = None


def read(text: str) -> Document:
    """A Markdown file.

    Args:
        text: the whole file with clean characters and `\n` line breaks.

    Raises:
        RefusedError: `malformed` when the front matter cannot be understood.
    """
    head, body = split(text)
    builder = DocumentBuilder()
    hidden: list[Hidden] = []
    for block in blocks(body, hidden):
        builder.add(block.kind, block.text, level=block.level)
    return metadata_from(head).over(builder.build(READER, hidden=tuple(hidden)))


@cache
def _parser() -> MarkdownIt:
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark").enable(["table", "strikethrough"])


def blocks(body: str, hidden: list[Hidden]) -> Iterator[MarkdownBlock]:
    """The blocks of Markdown without front matter; what its HTML hides is appended to `hidden`."""
    tokens = _parser().parse(_REFERENCE.sub("#", body))
    at = 0
    while at < len(tokens):
        token = tokens[at]
        end = _closing(tokens, at)
        if token.type == "heading_open":
            yield MarkdownBlock("heading", inline_text(tokens[at + 1], hidden), int(token.tag[1:]))
        elif token.type == "table_open":
            yield MarkdownBlock("table", "\n".join(_rows(tokens[at:end], hidden)))
        elif token.type in ("bullet_list_open", "ordered_list_open"):
            yield MarkdownBlock("list", "\n".join(_items(tokens[at : end + 1], hidden)))
        elif token.type == "inline":
            if not token.content.startswith(("import", "export")) or not _is_program(token.content):
                yield MarkdownBlock("paragraph", inline_text(token, hidden), inline=token)
        elif token.type in ("fence", "code_block"):
            yield MarkdownBlock("code", token.content)
        elif token.type == "html_block":
            found = pieces_of(token.content)
            hidden += found.hidden
            yield from (MarkdownBlock(piece.kind, piece.text, piece.level) for piece in found.shown)
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


def _rows(tokens: Sequence[Token], hidden: list[Hidden]) -> Iterator[str]:
    cells: list[str] = []
    for token in tokens:
        if token.type == "inline":
            cells.append(" ".join(inline_text(token, hidden).split()))
        elif token.type == "tr_close":
            yield " | ".join(cells)
            cells = []


def _items(tokens: Sequence[Token], hidden: list[Hidden]) -> Iterator[str]:
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
            text = _item_text(token, hidden)
            if text:
                indent = "  " * (len(numbers) - 1)
                hanging = " " * len(mark)
                yield f"{indent}{mark}" + f"\n{indent}{hanging}".join(text.split("\n"))
                mark = hanging


def _item_text(token: Token, hidden: list[Hidden]) -> str:
    if token.type == "inline":
        return inline_text(token, hidden)
    if token.type in ("fence", "code_block"):
        return token.content.strip("\n")
    if token.type == "html_block":
        found = pieces_of(token.content)
        hidden += found.hidden
        return "\n".join(piece.text for piece in found.shown)
    return ""


def inline_text(token: Token, hidden: list[Hidden], skip: int = 0) -> str:
    """Text of a paragraph, heading or cell without its markup, from its child `skip` on."""
    children = (token.children or ())[skip:]
    if any(child.type == "html_inline" for child in children):
        text = _text_with_html(children, hidden)
    else:
        text = "".join(_child_text(child, hidden) for child in children)
    if "{" in text:
        text = _SHORTCODE.sub("", text)
    if text.startswith("[!"):
        text = _CALLOUT.sub("", text, count=1)
    return _PLACE.sub("", text) if " ^" in text else text


def _without_notation(text: str, hidden: list[Hidden]) -> str:
    """Text of a note as it is shown: links by their names, comments apart."""
    hidden += [Hidden("comment", aside.strip(" %")) for aside in _ASIDE.findall(text)]
    text = _ASIDE.sub("", text)
    text = _WIKI.sub(lambda link: "" if link[0][0] == "!" else link[0][2:-2].rpartition("|")[2].strip(), text)
    return _MARKED.sub(r"\1", text)


def _is_program(text: str) -> bool:
    return all(map(_MODULE.match, text.split("\n")))


def _text_with_html(children: Sequence[Token], hidden: list[Hidden]) -> str:
    """Text between tags that are not dropped and whose attributes do not hide it."""
    parts: list[str] = []
    unseen: list[str] = []
    dropping = False
    kind: str | None = None
    depth = 0
    for child in children:
        if child.type != "html_inline":
            if not dropping:
                (unseen if kind else parts).append(_child_text(child, hidden))
            continue
        if child.content.startswith("<!--"):
            hidden.append(Hidden("comment", child.content[4:].removesuffix("-->").strip()))
            continue
        tag = _DROPPED_INLINE.match(child.content)
        dropping = not tag["end"] if tag else dropping
        if kind is not None:
            depth += _nesting(child.content)
            if depth <= 0:
                hidden.append(Hidden(kind, "".join(unseen).strip()))
                unseen, kind = [], None
        elif (kind := how_tag_hides(child.content)) is not None:
            depth = _nesting(child.content)
            kind = kind if depth else None
        else:
            parts.append(_html_inline_text(child.content))
    if kind is not None:
        hidden.append(Hidden(kind, "".join(unseen).strip()))
    return "".join(parts)


def _nesting(tag: str) -> int:
    """What a tag adds to the depth: 1, -1, or 0 for one that holds nothing."""
    if tag.startswith("</"):
        return -1
    return 0 if tag.endswith("/>") or _VOID.match(tag) else 1


def _child_text(child: Token, hidden: list[Hidden]) -> str:
    if child.type == "softbreak":
        return " "
    if child.type == "hardbreak":
        return "\n"
    if child.type == "image":
        hidden += carrier("image", child.attrs.get("src"))
        return inline_text(child, hidden)
    if child.type == "link_open":
        hidden += carrier("link", child.attrs.get("href"))
    text = child.content
    if child.type == "text" and ("[[" in text or "==" in text or "%%" in text):
        return _without_notation(text, hidden)
    return text


def _html_inline_text(html: str) -> str:
    if _LINE_BREAK.match(html):
        return "\n"
    image = _IMAGE_TEXT.match(html)
    return next(filter(None, image.groups()), "") if image else ""
