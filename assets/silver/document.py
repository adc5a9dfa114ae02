"""The document as the pipeline knows it: one normalised text and the structure that lies over it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

BlockKind = Literal["heading", "paragraph", "list", "table", "code", "turn"]
BLOCK_KINDS: tuple[str, ...] = get_args(BlockKind)


@dataclass(frozen=True, slots=True)
class Block:
    """A piece of the text: `text[start:end]`, a half-open range in characters.

    Attributes:
        level: depth of a heading, 1 to 6; None for other kinds.
        page: page the block begins on, from 1; None where the format has no pages.
        speaker: who says it; None where nobody is named.
        start_s, end_s: place in the recording in seconds; None where the format has no times.
    """

    kind: BlockKind
    start: int
    end: int
    level: int | None = None
    page: int | None = None
    speaker: str | None = None
    start_s: float | None = None
    end_s: float | None = None


@dataclass(frozen=True, slots=True)
class Hidden:
    """Text that a file holds and a person who looks at it does not see; screened and never stored.

    Attributes:
        kind: how it is hidden, e.g. `comment`, `display_none`, `white_text`, `tiny_text`, `invisible_characters`.
        text: what is hidden, as a model would have read it.
    """

    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class RefusedPart:
    """A part of a file that cannot become a document, while others can: an attachment that nothing reads.

    Attributes:
        part: its name, as `Document.part` would have it.
        code, detail, reader: as in `assets.silver.refusal.RefusedError`.
    """

    part: str
    code: str
    detail: str | None = None
    reader: str | None = None


@dataclass(frozen=True, slots=True)
class Document:
    """What a reader makes of a file's bytes.

    Blocks are in order, do not overlap and are not empty; what lies between two blocks is white space
    (`"\\n\\n"`). Headings are in the text without their markup.

    Attributes:
        published: day of publication, `YYYY-MM-DD`.
        extra: front matter or container metadata that has no field of its own.
        notes: what the reader noticed and mended, without quoting content.
        part: which part of the file this is, where one file holds several documents (an entry of a feed, an
            attachment); stable while the file changes around it. None where the file is the document.
        hidden: text left out of `text` because people do not see it.
        refused: parts of the same file that are no documents; they stand at any one of its documents.
    """

    text: str
    blocks: tuple[Block, ...]
    reader: str
    title: str | None = None
    language: str | None = None
    authors: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    published: str | None = None
    url: str | None = None
    extra: Mapping[str, object] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    part: str | None = None
    hidden: tuple[Hidden, ...] = ()
    refused: tuple[RefusedPart, ...] = ()
