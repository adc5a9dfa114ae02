"""From the cues of a recording to turns: who says what, in whole sentences, with the seconds they take."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import compress, count
from operator import eq, itemgetter, or_, sub
from typing import NamedTuple

from assets.silver.document import Document
from assets.silver.limits import DEFAULT_LIMITS, Limits
from assets.silver.normalise import DocumentBuilder
from assets.silver.readers.cue import Cue
from assets.silver.readers.speakers import named
from assets.silver.refusal import RefusedError

MAX_SECONDS = 60.0
MAX_CHARACTERS = 900
"""A turn is cut after so much, so that a hit in it leads to the right minute."""

MAX_GAP_S = 30.0
"""A turn is cut where nothing is said for so long."""

_LONGEST_TURN_S = MAX_SECONDS - 0.025
"""What is compared, in hundredths: no length that recordings are likely to have, so that formats which round the
same times differently are cut alike."""

_LONG_CUE_S = 20.0
"""Sentences of a longer cue have places of their own, by their share of its characters."""

_FLASH_SECONDS = 0.05
_ROLLING_SHARE = 0.3
_ROLLING_PAIRS = 3

_SENTENCE_END = re.compile(r"[.!?…][\"'»“”’)\]]*(?=\s|$)")
_NO_SENTENCE_END = re.compile(
    r"(?:^|\s|\()(?:\d{1,2}|\w|[zZdDuUoOiIsS]\.\s?\w|bzw|usw|etc|ca|vgl|Nr|Dr|Prof|Mr|Mrs|Ms|St|vs|e\.g|i\.e|Abs|Art)\.$"
)


class Turn(NamedTuple):
    """A stretch of speech of one voice, at most about `MAX_SECONDS` and `MAX_CHARACTERS` long."""

    speaker: str | None
    start_s: float
    end_s: float
    text: str


def add_turns(builder: DocumentBuilder, cues: Sequence[Cue]) -> None:
    """Append the turns of these cues, in order of time, as blocks of kind `turn`."""
    for turn in turns_of(cues):
        builder.add("turn", turn.text, speaker=turn.speaker, start_s=turn.start_s, end_s=turn.end_s)


def document_of(
    cues: Sequence[Cue], reader: str, *, notes: Sequence[str] = (), limits: Limits = DEFAULT_LIMITS
) -> Document:
    """A transcript: its turns, with the speakers that cues or their text name.

    Raises:
        RefusedError: `too_many_cues`.
    """
    if len(cues) > limits.cues:
        raise RefusedError("too_many_cues", f"{len(cues)} cues")
    builder = DocumentBuilder()
    add_turns(builder, named(cues))
    return builder.build(reader, notes=tuple(notes))


def turns_of(cues: Sequence[Cue]) -> list[Turn]:
    """Turns with every word of the cues in order of time.

    Only captions that roll, that is show a line again while they add the next one, lose their repetitions.
    A turn ends with a sentence where there is one to end with. Its times are those of the cues it is from;
    within a cue that is long, time passes evenly with the characters.
    """
    ordered = _in_order(cues)
    if _rolls(ordered):
        ordered = list(_without_repetition(ordered))
    return [turn for run in _runs(ordered) for turn in _pack(run[0].speaker, _pieces(run))]


def _in_order(cues: Iterable[Cue]) -> list[Cue]:
    """Cues with text by their start; one that stays far beyond the next ends there, for nobody speaks that long."""
    ordered = sorted(filter(_LINES, cues), key=_START)
    lengths = map(sub, map(_CUE_END, ordered[:-1]), map(_START, ordered))
    for at in [*compress(count(), map(MAX_SECONDS.__lt__, lengths))]:
        following = ordered[at + 1].start_s
        if ordered[at].end_s > following:
            ordered[at] = ordered[at]._replace(end_s=following)
    return ordered


_START, _CUE_END, _LINES = itemgetter(0), itemgetter(1), itemgetter(2)
_FIRST, _LAST = itemgetter(0), itemgetter(-1)
_HEAD = itemgetter(slice(4))


def _rolls(cues: Sequence[Cue]) -> bool:
    """Whether enough neighbours repeat each other in the ways that captions roll."""
    # all ways to repeat begin with the beginning of a line that was there, or last for a moment only
    lines = list(map(_LINES, cues))
    heads = list(map(_HEAD, map(_FIRST, lines)))
    like_last = map(eq, heads[1:], map(_HEAD, map(_LAST, lines)))
    like_first = map(eq, heads[1:], heads)
    flashes = map(_FLASH_SECONDS.__ge__, map(sub, map(_CUE_END, cues[1:]), map(_START, cues[1:])))
    likely = compress(count(), map(or_, map(or_, like_last, like_first), flashes))
    rolling = sum([_repeats(cues[at], cues[at + 1]) for at in likely])
    return rolling >= _ROLLING_PAIRS and rolling >= _ROLLING_SHARE * (len(cues) - 1)


def _repeats(before: Cue, after: Cue) -> bool:
    shown, lines = before.lines, after.lines
    if after.end_s - after.start_s <= _FLASH_SECONDS and lines == shown[-len(lines) :]:
        return True
    if before.speaker != after.speaker:
        return False
    scrolls = len(lines) > 1 and lines[0] == shown[-1]
    return scrolls or after.text.startswith(before.text + " ")


def _without_repetition(cues: Iterable[Cue]) -> Iterator[Cue]:
    shown: tuple[str, ...] = ()
    speaker: str | None = None
    for cue in cues:
        known = shown if cue.speaker == speaker else ()
        fresh = _fresh_lines(known, cue.lines)
        shown, speaker = cue.lines, cue.speaker
        if fresh:
            yield cue._replace(lines=fresh)


def _fresh_lines(shown: tuple[str, ...], lines: tuple[str, ...]) -> tuple[str, ...]:
    """Lines without those that were on the screen before; a line that grew keeps what it gained."""
    for overlap in range(min(len(shown), len(lines)), 0, -1):
        if shown[-overlap:] == lines[:overlap]:
            return lines[overlap:]
    if shown and lines:
        for known in (shown[-1], " ".join(shown)):
            if lines[0].startswith(known + " "):
                return (lines[0][len(known) + 1 :], *lines[1:])
    return lines


def _runs(cues: Iterable[Cue]) -> Iterator[list[Cue]]:
    """Cues that belong to one voice."""
    run: list[Cue] = []
    for cue in cues:
        if run and (cue.new_turn or cue.speaker != run[-1].speaker):
            yield run
            run = []
        run.append(cue)
    if run:
        yield run


_Piece = tuple[str, float, float, bool]
"""The smallest part that is not cut, a sentence or what of it stands in one cue: text, start, end, and whether it ends
a sentence. Cues and pieces are many, so they are plain tuples and taken apart by place."""


def _pieces(run: Sequence[Cue]) -> list[_Piece]:
    """Pieces of the cues of one voice; sentences are looked for in all of its text at once."""
    texts = list(map(" ".join, map(_LINES, run)))
    ends = _sentence_ends("\n".join(texts))
    ends.append(sys.maxsize)
    pieces: list[_Piece] = []
    start = following = 0
    for cue, text in zip(run, texts, strict=True):
        stop = start + len(text)
        if ends[following] > stop and len(text) <= MAX_CHARACTERS:
            pieces.append((text, cue[0], cue[1], False))
        else:
            first = following
            while ends[following] <= stop:
                following += 1
            if following == first + 1 and ends[first] == stop and len(text) <= MAX_CHARACTERS:
                pieces.append((text, cue[0], cue[1], True))
            else:
                pieces += _divided(cue, text, [end - start for end in ends[first:following]])
        start = stop + 1
    return pieces


def _sentence_ends(text: str) -> list[int]:
    """Where sentences end; full stops of dates, initials and abbreviations end none."""
    return [
        end
        for end in list(map(re.Match.end, _SENTENCE_END.finditer(text)))
        if text[end - 1] != "." or _NO_SENTENCE_END.search(text, max(0, end - 12), end) is None
    ]


def _divided(cue: Cue, text: str, ends: Sequence[int]) -> Iterator[_Piece]:
    length = cue.end_s - cue.start_s
    rate = length / len(text) if length > _LONG_CUE_S else 0.0
    last = len(text.rstrip())
    for start, end, ends_sentence in _ranges(text, ends):
        yield (
            text[start:end],
            round(cue.start_s + rate * start, 3),
            round(cue.start_s + rate * end, 3) if rate and end < last else cue.end_s,
            ends_sentence,
        )


def _ranges(text: str, ends: Sequence[int]) -> Iterator[tuple[int, int, bool]]:
    """Start and end of each sentence without blanks around, and of the parts of one longer than a turn may be."""
    start = 0
    for end in [*ends, len(text)]:
        while start < end and text[start].isspace():
            start += 1
        while end - start > MAX_CHARACTERS:
            cut = text.rfind(" ", start + 1, start + MAX_CHARACTERS + 1)
            cut = cut if cut > 0 else text.find(" ", start + MAX_CHARACTERS, end)
            if cut < 0:
                break
            yield start, cut, False
            start = cut + 1
        if text[start:end].strip():
            yield start, end, end in ends[-1:] or end < len(text)
        start = end


def _pack(speaker: str | None, pieces: Iterable[_Piece]) -> Iterator[Turn]:
    current: list[_Piece] = []
    length, start_s, end_s = 0, 0.0, 0.0
    for piece in pieces:
        text, starts, ends, _ = piece
        while current and (
            length + len(text) > MAX_CHARACTERS
            or starts - end_s > MAX_GAP_S
            or (ends if ends > end_s else end_s) - start_s > _LONGEST_TURN_S
        ):
            cut = len(current)
            if starts - end_s <= MAX_GAP_S:
                cut = next(compress(range(cut, 0, -1), map(_ENDS_SENTENCE, reversed(current))), cut)
            yield _turn(speaker, current[:cut])
            current = current[cut:]
            length = sum([len(kept[0]) + 1 for kept in current])
            start_s = current[0][1] if current else 0.0
            end_s = max(map(_END, current), default=0.0)
        if not current:
            start_s = starts
        current.append(piece)
        length += len(text) + 1
        end_s = ends if ends > end_s else end_s
    if current:
        yield _turn(speaker, current)


_END = itemgetter(2)
_TEXT = itemgetter(0)
_ENDS_SENTENCE = itemgetter(3)


def _turn(speaker: str | None, pieces: Sequence[_Piece]) -> Turn:
    return Turn(speaker, pieces[0][1], max(map(_END, pieces)), " ".join(map(_TEXT, pieces)))
