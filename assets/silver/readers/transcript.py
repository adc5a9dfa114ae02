"""From the cues of a recording to turns: who says what, in whole sentences, with the seconds they take."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, pairwise

from assets.silver.normalise import DocumentBuilder

MAX_SECONDS = 60.0
MAX_CHARACTERS = 900
"""A turn is cut after so much, so that a hit in it leads to the right minute."""

_FLASH_SECONDS = 0.05
_ROLLING_SHARE = 0.3
_ROLLING_PAIRS = 3

_SENTENCE_END = re.compile(r"[.!?…][\"'»“”’)\]]*(?=\s|$)")
_NO_SENTENCE_END = re.compile(
    r"(?:^|\s|\()(?:\d{1,2}|\w|[zZdDuUoOiIsS]\.\s?\w|bzw|usw|etc|ca|vgl|Nr|Dr|Prof|Mr|Mrs|Ms|St|vs|e\.g|i\.e|Abs|Art)\.$"
)


@dataclass(frozen=True, slots=True)
class Cue:
    """What is shown between two moments of a recording.

    Attributes:
        start_s, end_s: seconds; `end_s` is not before `start_s`.
        lines: text as shown, clean and without markup.
        new_turn: another person begins to speak, even if none is named.
    """

    start_s: float
    end_s: float
    lines: tuple[str, ...]
    speaker: str | None = None
    new_turn: bool = False

    @property
    def text(self) -> str:
        """The lines as one."""
        return " ".join(self.lines)


@dataclass(frozen=True, slots=True)
class Turn:
    """A stretch of speech of one voice, at most about `MAX_SECONDS` and `MAX_CHARACTERS` long."""

    speaker: str | None
    start_s: float
    end_s: float
    text: str


def add_turns(builder: DocumentBuilder, cues: Sequence[Cue]) -> None:
    """Append the turns of these cues, in order of time, as blocks of kind `turn`."""
    for turn in turns_of(cues):
        builder.add("turn", turn.text, speaker=turn.speaker, start_s=turn.start_s, end_s=turn.end_s)


def turns_of(cues: Sequence[Cue]) -> list[Turn]:
    """Turns with every word of the cues in order of time.

    Only captions that roll, that is show a line again while they add the next one, lose their repetitions.
    A turn ends with a sentence where there is one to end with; its times are those of the cues it is from.
    """
    ordered = sorted(cues, key=lambda cue: cue.start_s)
    if _rolls(ordered):
        ordered = list(_without_repetition(ordered))
    return [turn for run in _runs(ordered) for turn in _pack(_pieces(run))]


def _rolls(cues: Sequence[Cue]) -> bool:
    """Whether enough neighbours repeat each other in the ways that captions roll."""
    pairs = list(pairwise(cue for cue in cues if cue.lines))
    rolling = sum(_repeats(before, after) for before, after in pairs)
    return rolling >= _ROLLING_PAIRS and rolling >= _ROLLING_SHARE * len(pairs)


def _repeats(before: Cue, after: Cue) -> bool:
    if before.speaker != after.speaker:
        return False
    scrolls = len(after.lines) > 1 and after.lines[0] == before.lines[-1]
    flashes = after.end_s - after.start_s <= _FLASH_SECONDS and after.lines == before.lines[-len(after.lines) :]
    grows = len(after.text) > len(before.text) and after.text.startswith(before.text + " ")
    return scrolls or flashes or grows


def _without_repetition(cues: Iterable[Cue]) -> Iterator[Cue]:
    shown: tuple[str, ...] = ()
    speaker: str | None = None
    for cue in cues:
        known = shown if cue.speaker == speaker else ()
        fresh = _fresh_lines(known, cue.lines)
        shown, speaker = cue.lines, cue.speaker
        if fresh:
            yield replace(cue, lines=fresh)


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
    number = 0
    numbered: list[tuple[int, Cue]] = []
    for cue in cues:
        previous = numbered[-1][1] if numbered else None
        if previous is not None and (cue.new_turn or cue.speaker != previous.speaker):
            number += 1
        numbered.append((number, cue))
    for _, run in groupby(numbered, key=lambda pair: pair[0]):
        yield [cue for _, cue in run]


@dataclass(frozen=True, slots=True)
class _Piece:
    """The smallest part that is not cut: a sentence or what of it stands in one cue."""

    cue: Cue
    text: str
    ends_sentence: bool


def _pieces(cues: Iterable[Cue]) -> Iterator[_Piece]:
    for cue in cues:
        text, start = cue.text, 0
        for end in [*_sentence_ends(text), len(text)]:
            sentence = text[start:end].strip()
            start = end
            if sentence:
                ends = bool(_SENTENCE_END.search(sentence[-3:])) and not _NO_SENTENCE_END.search(sentence[-12:])
                yield from _bounded(_Piece(cue, sentence, ends))


def _sentence_ends(text: str) -> list[int]:
    return [m.end() for m in _SENTENCE_END.finditer(text) if not _NO_SENTENCE_END.search(text[: m.end()][-12:])]


def _bounded(piece: _Piece) -> Iterator[_Piece]:
    """The piece, cut at blanks where it alone is longer than a turn may be."""
    rest = piece.text
    while len(rest) > MAX_CHARACTERS:
        cut = rest.rfind(" ", 1, MAX_CHARACTERS + 1)
        cut = cut if cut > 0 else rest.find(" ", MAX_CHARACTERS)
        if cut < 0:
            break
        yield replace(piece, text=rest[:cut], ends_sentence=False)
        rest = rest[cut + 1 :]
    yield replace(piece, text=rest)


def _pack(pieces: Iterable[_Piece]) -> Iterator[Turn]:
    current: list[_Piece] = []
    length, end_s = 0, 0.0
    for piece in pieces:
        while current and not _fits(current[0], piece, length, end_s):
            ends = [index for index, kept in enumerate(current) if kept.ends_sentence]
            cut = ends[-1] + 1 if ends else len(current)
            yield _turn(current[:cut])
            current = current[cut:]
            length = sum(len(kept.text) + 1 for kept in current)
            end_s = max((kept.cue.end_s for kept in current), default=0.0)
        current.append(piece)
        length += len(piece.text) + 1
        end_s = max(end_s, piece.cue.end_s)
    if current:
        yield _turn(current)


def _fits(first: _Piece, piece: _Piece, length: int, end_s: float) -> bool:
    seconds = max(end_s, piece.cue.end_s) - first.cue.start_s
    return seconds <= MAX_SECONDS and length + len(piece.text) <= MAX_CHARACTERS


def _turn(pieces: Sequence[_Piece]) -> Turn:
    return Turn(
        speaker=pieces[0].cue.speaker,
        start_s=pieces[0].cue.start_s,
        end_s=max(piece.cue.end_s for piece in pieces),
        text=" ".join(piece.text for piece in pieces),
    )
