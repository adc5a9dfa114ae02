"""Cuts documents into passages along their structure, so that an edit changes the passages around it and no others.

Where to cut is decided by the text around each possible place alone: of all places that leave both sides large
enough, the one whose preceding words have the highest hash is taken first, and so on until everything fits. No
decision depends on how much text comes before, so what is far from an edit is cut as before.
"""

from __future__ import annotations

import hashlib
import json
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise, product

import pyarrow as pa

from assets.gold.contract import CHUNKS
from assets.gold.embed import embedded_text_hash
from assets.gold.sentences import Span, lines, sentences, strip
from assets.silver.document import Block
from assets.silver.pii.span import neutral

CHUNKER = "blocks/2"
"""Changes whenever the same document would be cut differently, or its passages be read differently by the model."""

MAX_TOKENS, MIN_TOKENS = 384, 96
TARGET_SHARE = 0.35
"""Cuts that leave at least this share of the largest chunk on both sides are preferred."""

MAX_SPAN_S = 120.0
"""Longest stretch of a recording in one chunk, seconds, so that a citation leads near the words."""

MAX_GAP_S = 60.0
"""Passages of a recording further apart than this, seconds, are never in one chunk."""

HASHED_CHARACTERS = 64
"""How much text before a place decides how readily it is cut there."""

LONGEST_STRETCH = 8192
"""Characters of an endless sentence (a table, encoded data) that are split at a time."""

PATH_SEPARATOR = " > "

CountTokens = Callable[[Sequence[str]], Sequence[int]]


@dataclass(frozen=True, slots=True)
class Chunk:
    """A passage, `text` being the document's text from `char_start` to `char_end`.

    Attributes:
        heading: headings above its first words, outermost first.
        page: page it begins on, from 1.
        speaker: who says it, when it is one voice.
        start_s, end_s: place in the recording, seconds.
    """

    chunk_id: str
    ordinal: int
    text: str
    tokens: int
    char_start: int
    char_end: int
    heading: str | None = None
    page: int | None = None
    speaker: str | None = None
    start_s: float | None = None
    end_s: float | None = None


@dataclass(frozen=True, slots=True)
class _Piece:
    """Text that is never cut: a block, or a sentence of a block too large for one chunk."""

    start: int
    end: int
    tokens: int
    block: Block
    ends_block: bool = True
    start_s: float | None = None
    end_s: float | None = None


def chunker_version(max_tokens: int = MAX_TOKENS, min_tokens: int = MIN_TOKENS) -> str:
    """What the rows say about how they were cut."""
    return f"{CHUNKER}:{max_tokens}" + (f":{min_tokens}" if min_tokens != MIN_TOKENS else "")


def chunk_id(document_id: str, text: str, occurrence: int) -> str:
    """SHA-256 over document, text and how often that text came before in the document, as canonical JSON.

    Pseudonyms count without their digits, in the text and where occurrences are counted.
    """
    return hashlib.sha256(
        json.dumps([document_id, neutral(text), occurrence], separators=(",", ":")).encode()
    ).hexdigest()


def chunk(
    text: str,
    blocks: Sequence[Block],
    *,
    document_id: str,
    count_tokens: CountTokens,
    max_tokens: int = MAX_TOKENS,
    min_tokens: int = MIN_TOKENS,
) -> list[Chunk]:
    """The passages of a document, in order; together they hold all its words.

    A chunk crosses a heading only while it is smaller than `min_tokens`; headings stay with what follows them.
    A sentence is cut only where it, or it and the heading above, exceed `max_tokens`.

    Args:
        text: the document's text.
        blocks: its structure, in order; none means one paragraph.
        document_id: part of each chunk's id.
        count_tokens: tokens of each text, as the embedding model counts them.
        max_tokens: no chunk has more.
        min_tokens: what a chunk should have at least.

    Raises:
        ValueError: the limits contradict each other.
    """
    if not 0 < 2 * min_tokens <= max_tokens:
        raise ValueError(f"min_tokens must be above 0 and at most half of max_tokens, not {min_tokens} of {max_tokens}")
    # as long as the text itself, so every range is one of both
    plain = neutral(text)
    pieces = _pieces(plain, _usable(plain, blocks), count_tokens, max_tokens)
    if not pieces:
        return []
    layout = _Layout(plain, pieces, max_tokens, min_tokens)
    segments = _fitting(layout, layout.segments(), count_tokens)
    return _chunks(text, layout, segments, document_id, _heading_paths(text, pieces))


def chunk_rows(
    documents: pa.Table,
    *,
    count_tokens: CountTokens,
    document_prompt: str,
    max_tokens: int = MAX_TOKENS,
    min_tokens: int = MIN_TOKENS,
) -> pa.Table:
    """Rows of `gold/chunks` for documents of `silver/documents`.

    Args:
        documents: needs the columns date, source, document_id, file_id, version, event, language,
            digest, text and blocks.
        document_prompt: what the embedding model puts before each passage.
    """
    rows = [
        _row(document, passage, document_prompt, chunker_version(max_tokens, min_tokens))
        for document in documents.to_pylist()
        for passage in chunk(
            document["text"],
            [Block(**block) for block in document["blocks"]],
            document_id=document["document_id"],
            count_tokens=count_tokens,
            max_tokens=max_tokens,
            min_tokens=min_tokens,
        )
    ]
    table = pa.Table.from_pylist(rows, schema=CHUNKS.schema)
    return table.sort_by([(name, "ascending") for name in ("date", "source", *CHUNKS.key)])


_CARRIED = ("date", "source", "document_id", "file_id", "version", "event", "language")


def _row(document: Mapping[str, object], passage: Chunk, prompt: str, chunker: str) -> dict[str, object]:
    return {
        **{name: document[name] for name in _CARRIED},
        **{name: getattr(passage, name) for name in Chunk.__slots__},
        "text_sha256": embedded_text_hash(prompt, passage.text),
        "document_digest": document["digest"],
        "chunker": chunker,
    }


def _usable(text: str, blocks: Sequence[Block]) -> list[Block]:
    """Blocks without blank ones and white space around; headings that nothing follows are ordinary text."""
    shaped = [
        Block(block.kind, *span, block.level, block.page, block.speaker, block.start_s, block.end_s)
        for block in blocks or [Block("paragraph", 0, len(text))]
        if (span := strip(text, block.start, block.end))
    ]
    last = max((place for place, block in enumerate(shaped) if block.kind != "heading"), default=-1)
    return [
        block
        if place < last or block.kind != "heading"
        else Block("paragraph", block.start, block.end, page=block.page)
        for place, block in enumerate(shaped)
    ]


def _pieces(text: str, blocks: Sequence[Block], count_tokens: CountTokens, max_tokens: int) -> list[_Piece]:
    whole = [(block.start, block.end) for block in blocks]
    tokens = _counted(text, whole, count_tokens)
    rooms = _rooms(blocks, tokens, max_tokens)
    divided = [
        _parts(text, block) if tokens[span] > room or _duration_s(block) > MAX_SPAN_S else [span]
        for block, span, room in zip(blocks, whole, rooms, strict=True)
    ]
    tokens |= _counted(text, [span for spans in divided for span in spans if span not in tokens], count_tokens)
    fitting = [
        [
            part
            for span, limit in zip(spans, [room] + [max_tokens] * (len(spans) - 1), strict=True)
            for part in ([span] if tokens[span] <= limit else _split(text, span, count_tokens, limit))
        ]
        for spans, room in zip(divided, rooms, strict=True)
    ]
    tokens |= _counted(text, [span for spans in fitting for span in spans if span not in tokens], count_tokens)
    return [
        _piece(block, span, tokens[span], ends_block=span is spans[-1])
        for block, spans in zip(blocks, fitting, strict=True)
        for span in spans
    ]


def _counted(text: str, spans: Sequence[Span], count_tokens: CountTokens) -> dict[Span, int]:
    counts = count_tokens([text[start:end] for start, end in spans]) if spans else []
    return dict(zip(spans, counts, strict=True))


def _rooms(blocks: Sequence[Block], tokens: Mapping[Span, int], max_tokens: int) -> list[int]:
    """Tokens that the first words of each block may have so that the headings above fit into the same chunk.

    Headings that would take up more than half of it are left alone instead.
    """
    rooms = []
    headings = 0
    for block in blocks:
        rooms.append(max_tokens - headings if 2 * headings <= max_tokens else max_tokens)
        headings = headings + tokens[block.start, block.end] if block.kind == "heading" else 0
    return rooms


def _duration_s(block: Block) -> float:
    return block.end_s - block.start_s if block.start_s is not None and block.end_s is not None else 0.0


def _parts(text: str, block: Block) -> list[Span]:
    """Sentences, or the lines of what is written in lines, as ranges of the document's text."""
    find = lines if block.kind in ("list", "table", "code") else sentences
    return [(block.start + start, block.start + end) for start, end in find(text[block.start : block.end])]


def _split(text: str, span: Span, count_tokens: CountTokens, max_tokens: int) -> list[Span]:
    """Parts of a sentence that is too long for any chunk, cut between words or, if it must be, within one."""
    from semantic_text_splitter import TextSplitter

    splitter = TextSplitter.from_callback(lambda part: count_tokens([part])[0], max_tokens)
    return [
        (start + at, start + at + len(part))
        for start, end in _windows(text, span)
        for at, part in splitter.chunk_indices(text[start:end])
    ]


def _windows(text: str, span: Span) -> Iterator[Span]:
    """Stretches of bounded length, because the splitter's time grows faster than its input."""
    start, last = span
    while last - start > LONGEST_STRETCH:
        space = text.rfind(" ", start + 1, start + LONGEST_STRETCH)
        end = space if space > start else start + LONGEST_STRETCH
        yield start, end
        start = end
    yield start, last


def _piece(block: Block, span: Span, tokens: int, *, ends_block: bool) -> _Piece:
    """A piece with its place in the recording: within a block, time passes evenly with the characters."""
    if block.start_s is None or block.end_s is None:
        return _Piece(*span, tokens, block, ends_block, block.start_s, block.end_s)
    rate = _duration_s(block) / (block.end - block.start)
    start_s = block.start_s + rate * (span[0] - block.start)
    end_s = block.end_s if ends_block else block.start_s + rate * (span[1] - block.start)
    return _Piece(*span, tokens, block, ends_block, start_s, end_s)


class _Layout:
    """The pieces of a document, and where it may be cut between them.

    A cut is the index of the piece it lies before; a segment is a half-open range of pieces.
    """

    def __init__(self, text: str, pieces: Sequence[_Piece], max_tokens: int, min_tokens: int) -> None:
        self.text = text
        self.pieces = pieces
        self.max_tokens = max_tokens
        self.min_tokens = min_tokens
        self._tokens = [0, *accumulate(piece.tokens for piece in pieces)]
        self._weights = [0, *accumulate(map(self._weight, pieces))]
        self._ranks = [0, *(_rank(text, piece) for piece in pieces)]
        self._levels = _section_levels(pieces)

    def segments(self) -> list[Span]:
        """The document cut at its gaps and headings."""
        gaps = [place for place in range(1, len(self.pieces)) if self._is_gap(place)]
        return [
            segment
            for whole in pairwise([0, *gaps, len(self.pieces)])
            for segment in pairwise([whole[0], *self._heading_cuts(whole), whole[1]])
        ]

    def is_large(self, segment: Span) -> bool:
        """Whether the segment is too large for one chunk, judged by its pieces."""
        return (
            self._tokens[segment[1]] - self._tokens[segment[0]] > self.max_tokens or self._span_s(segment) > MAX_SPAN_S
        )

    def halves(self, segment: Span) -> tuple[Span, Span]:
        """The segment, of at least two pieces, cut at its best place."""
        start, end = segment
        cut = self._best_cut(start, end)
        return (start, cut), (cut, end)

    def _weight(self, piece: _Piece) -> int:
        """Share of a chunk that the piece takes up, by tokens or by time, in tokens."""
        seconds = piece.end_s - piece.start_s if piece.start_s is not None and piece.end_s is not None else 0.0
        return max(piece.tokens, int(seconds * self.max_tokens / MAX_SPAN_S))

    def _span_s(self, segment: Span) -> float:
        times = [(p.start_s, p.end_s) for p in self.pieces[slice(*segment)] if p.start_s is not None]
        return (times[-1][1] or times[-1][0]) - times[0][0] if times else 0.0

    def _is_gap(self, cut: int) -> bool:
        before, after = self.pieces[cut - 1], self.pieces[cut]
        if before.end_s is None or after.start_s is None or before.start_s is None:
            return False
        return after.start_s - before.end_s > MAX_GAP_S or before.start_s - after.start_s > MAX_GAP_S

    def _heading_cuts(self, segment: Span) -> list[int]:
        """Cuts before headings such that no chunk of `min_tokens` or more goes on past one.

        Cuts that leave enough on both sides come first, so that small sections are joined evenly.
        """
        places = [cut for cut in range(segment[0] + 1, segment[1]) if self._begins_section(cut)]
        places.sort(key=lambda cut: (self._levels[cut], -self._ranks[cut + 1], cut))
        cuts: list[int] = []
        for needed_after in (self.min_tokens, 0):
            for cut in places:
                at = bisect_left(cuts, cut)
                before = cuts[at - 1] if at else segment[0]
                after = cuts[at] if at < len(cuts) else segment[1]
                if self._between(before, cut) < self.min_tokens or self._between(cut, after) < needed_after:
                    continue
                if cut != after:
                    cuts.insert(at, cut)
        return cuts

    def _begins_section(self, cut: int) -> bool:
        return _is_heading(self.pieces[cut]) and not _is_heading(self.pieces[cut - 1])

    def _between(self, start: int, end: int) -> int:
        return self._tokens[end] - self._tokens[start]

    def _best_cut(self, start: int, end: int) -> int:
        allowed = [cut for cut in range(start + 1, end) if not _is_heading(self.pieces[cut - 1])]
        room = {cut: self._room(start, cut, end) for cut in allowed or range(start + 1, end)}
        whole = [cut for cut in room if self.pieces[cut - 1].ends_block]
        target = int(self.max_tokens * TARGET_SHARE)
        for places, needed in product((whole, room), (target, self.min_tokens)):
            enough = [cut for cut in places if room[cut] >= needed]
            if enough:
                # where the same words repeat, near the middle is better than all at one end
                return max(enough, key=lambda cut: (self._ranks[cut], room[cut], -cut))
        return max(room, key=lambda cut: (room[cut], -cut))

    def _room(self, start: int, cut: int, end: int) -> int:
        """Weight of the smaller side of a cut."""
        return min(self._weights[cut] - self._weights[start], self._weights[end] - self._weights[cut])


def _is_heading(piece: _Piece) -> bool:
    return piece.block.kind == "heading"


def _section_levels(pieces: Sequence[_Piece]) -> list[int]:
    """The outermost level of the headings in a row that begin at each piece; 0 where none does."""
    levels = [0]
    for piece in reversed(pieces):
        own = piece.block.level or 1
        levels.append(min(own, levels[-1] or own) if _is_heading(piece) else 0)
    return levels[:0:-1]


def _rank(text: str, piece: _Piece) -> int:
    """How readily the text is cut behind this piece: a hash of its last words."""
    words = text[max(piece.start, piece.end - HASHED_CHARACTERS) : piece.end]
    return int.from_bytes(hashlib.blake2b(words.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")


def _fitting(layout: _Layout, segments: Sequence[Span], count_tokens: CountTokens) -> list[tuple[Span, int]]:
    """The segments cut until none has more tokens than allowed, in order, each with its exact number of tokens."""
    small = [part for segment in segments for part in _small(layout, segment)]
    fitting: dict[Span, int] = {}
    while small:
        counts = _exact(layout, small, count_tokens)
        large = [part for part in small if counts[part] > layout.max_tokens and part[1] - part[0] > 1]
        fitting |= counts
        for part in large:
            del fitting[part]
        # the tokens of two pieces can be fewer than those of both together
        small = [half for part in large for half in layout.halves(part)]
    return sorted(fitting.items())


def _small(layout: _Layout, segment: Span) -> Iterator[Span]:
    pending = [segment]
    while pending:
        part = pending.pop()
        if part[1] - part[0] > 1 and layout.is_large(part):
            pending += layout.halves(part)
        else:
            yield part


def _exact(layout: _Layout, segments: Sequence[Span], count_tokens: CountTokens) -> dict[Span, int]:
    joined = [segment for segment in segments if segment[1] - segment[0] > 1]
    ranges = {segment: _range(layout, segment) for segment in joined}
    counts = _counted(layout.text, list(ranges.values()), count_tokens)
    alone = {segment: layout.pieces[segment[0]].tokens for segment in segments if segment not in ranges}
    return alone | {segment: counts[characters] for segment, characters in ranges.items()}


def _range(layout: _Layout, segment: Span) -> Span:
    """The segment in characters."""
    return layout.pieces[segment[0]].start, layout.pieces[segment[1] - 1].end


def _chunks(
    text: str,
    layout: _Layout,
    segments: Sequence[tuple[Span, int]],
    document_id: str,
    paths: Sequence[str | None],
) -> list[Chunk]:
    seen: Counter[str] = Counter()
    chunks = []
    for ordinal, (segment, tokens) in enumerate(segments):
        start, end = _range(layout, segment)
        plain = layout.text[start:end]
        pieces = layout.pieces[slice(*segment)]
        first_words = next(
            (place for place in range(*segment) if not _is_heading(layout.pieces[place])), segment[1] - 1
        )
        chunks.append(
            Chunk(
                chunk_id=chunk_id(document_id, plain, seen[plain]),
                ordinal=ordinal,
                text=text[start:end],
                tokens=max(tokens, 1),
                char_start=start,
                char_end=end,
                heading=paths[first_words],
                page=pieces[0].block.page,
                speaker=_only(piece.block.speaker for piece in pieces if not _is_heading(piece)),
                start_s=min((piece.start_s for piece in pieces if piece.start_s is not None), default=None),
                end_s=max((piece.end_s for piece in pieces if piece.end_s is not None), default=None),
            )
        )
        seen[plain] += 1
    return chunks


def _only(speakers: Iterable[str | None]) -> str | None:
    """The one speaker; None where there are several, or somebody without a name."""
    distinct = set(speakers)
    return distinct.pop() if len(distinct) == 1 else None


def _heading_paths(text: str, pieces: Sequence[_Piece]) -> list[str | None]:
    """The headings above each piece, its own included."""
    paths: list[str | None] = []
    above: list[tuple[int, str]] = []
    block: Block | None = None
    for piece in pieces:
        if _is_heading(piece) and piece.block is not block:
            level = piece.block.level or 1
            title = " ".join(text[piece.block.start : piece.block.end].split())
            above = [*(entry for entry in above if entry[0] < level), (level, title)]
        block = piece.block
        paths.append(PATH_SEPARATOR.join(title for _, title in above) or None)
    return paths
