"""Reads transcripts written as text: lines or paragraphs that begin with a time, `00:01:02 …`, `[1:02] Anna: …`,
`Anna Weber (01:02)`, `[00:01.000 --> 00:04.000] …`.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from itertools import islice
from operator import gt, itemgetter
from typing import Any

from assets.silver.document import Document
from assets.silver.limits import DEFAULT_LIMITS, Limits
from assets.silver.normalise import DocumentBuilder
from assets.silver.readers.captions import plain, voices
from assets.silver.readers.clock import CLOCK_PARTS, all_seconds, seconds_of
from assets.silver.readers.passages import Passage, cues_from
from assets.silver.readers.speakers import is_name, named
from assets.silver.readers.transcript import add_turns
from assets.silver.refusal import RefusedError

READER = "transcript-text/3"

_SAMPLE = 40_000
_FEWEST = 3
_LATEST_START_S = 600.0
"""Where the first time lies later, the text is more likely a log or a programme of a day than a recording."""
_LATEST_SHORT_START_S = 120.0
"""The same for times without hours, which times of day look like."""
_MOST_BEFORE = 2_000
"""Characters before the first time: a title and who takes part."""
_MOST_BETWEEN = 2_000
"""Characters to each time, on average."""

_OPEN, _CLOSE = r"[\[({<]{0,2}", r"[\])}>]{0,2}"
_MAYBE = re.compile(r"^[^\n:]{0,60}(?:\d:\d|:[ \t*_\\\[({<]{0,8}\d{1,4}:\d)", re.M)
_BEGINNING = re.compile(
    rf"^(?:(?a:[ \t>*_-]{{0,6}}\\?{_OPEN}{CLOCK_PARTS}(?:[ \t]*(?:-{{1,2}}>|[-–—])[ \t]*{CLOCK_PARTS})?\\?{_CLOSE}"
    r"(?![\w.,]*\d)[ \t*_:|–—-]*)"
    r"|(?=[^\n:]{0,79}:)[ \t>*_-]{0,6}\[?([^\W\d_][^\n\[\](){}<>:]{0,39}?)\]?[ \t*_,:–—-]*"
    rf"\\?{_OPEN}{CLOCK_PARTS}\\?{_CLOSE}[ \t*_]*(?::[ \t*_]*|(?=\n|\Z)))",
    re.M,
)
"""The beginning of a line with a time, or with a name and a time behind it. Groups: the parts of the start and of the
end, the name, the parts of the time behind it."""
_HEADING = re.compile(r"\s*(#{1,6})[ \t]+(\S[^\n]*)")
_FOOTER = re.compile(r"\n[ \t]*Transcribed by https?://\S+\s*\Z", re.IGNORECASE)
"""What Otter puts under its transcripts."""
_LONGEST_FOOTER = 200
_BATCH = 10_000
_AROUND_NAMES = " *_"
_HOURS, _START_PARTS = itemgetter(0), itemgetter(0, 1, 2, 3)
_NAME, _NAMED_HOURS = itemgetter(8), itemgetter(9)
_ENDS = itemgetter(5)
_SPEAKER = itemgetter(3)


def shows(text: str) -> bool:
    """Whether times at the beginning of lines, from the first on and in order, give the text its structure."""
    sample = text[:_SAMPLE]
    if len(_MAYBE.findall(sample)) < _FEWEST:
        return False
    found = _beginnings(sample, sys.maxsize)
    if len(found) < _FEWEST:
        return False
    groups = list(map(re.Match.groups, found))
    times = _starts(groups)
    hours = any(map(_HOURS, groups)) or any(map(_NAMED_HOURS, groups))
    latest = _LATEST_START_S if hours else _LATEST_SHORT_START_S
    first = found[0].start()
    backwards = sum(map(gt, times, times[1:]))
    between = (len(sample) - first) / len(found)
    return (
        times[0] <= latest
        and first <= _MOST_BEFORE
        and between <= _MOST_BETWEEN
        and backwards <= 0.1 * len(times)
        and times[-1] > times[0]
    )


def read(text: str, limits: Limits = DEFAULT_LIMITS) -> Document:
    """A transcript in lines.

    Args:
        text: the whole file with clean characters and `\\n` line breaks.

    Raises:
        RefusedError: `malformed` when no line begins with a time, `too_many_cues`.
    """
    builder = DocumentBuilder()
    add_passages(builder, text, limits)
    return builder.build(READER)


def add_passages(builder: DocumentBuilder, text: str, limits: Limits) -> None:
    """Append what stands before the first time as it is, and the rest as turns.

    Raises:
        RefusedError: as for `read`.
    """
    found = _beginnings(text, limits.cues)
    if not found:
        raise RefusedError("malformed", "no line begins with a time")
    groups = list(map(re.Match.groups, found))
    begin = list(map(re.Match.start, found))
    for paragraph in re.split(r"\n\s*\n", text[: begin[0]]):
        _add_paragraph(builder, paragraph)
    if (footer := _FOOTER.search(text, max(begin[-1], len(text) - _LONGEST_FOOTER))) is not None:
        text = text[: footer.start()]
    chunks = map(text.__getitem__, map(slice, map(re.Match.end, found), [*begin[1:], len(text)]))
    lines = _lines(list(map(str.strip, chunks)))
    names = list(map(_NAME, groups))
    if any(names):
        names = [name and name.strip(_AROUND_NAMES) for name in names]
    passages = list(map(Passage, _starts(groups), _ends(groups), lines, names, map(bool, names)))
    said = [part for passage in passages for part in _spoken(passage)] if "<" in text or "&" in text else passages
    if any(map(_SPEAKER, said)):
        speaker = None
        for place, passage in enumerate(said):
            speaker = passage.speaker or speaker
            said[place] = passage._replace(speaker=speaker)
    if "\n#" not in text:
        add_turns(builder, named(cues_from(said)))
        return
    for heading, part in _sections(said):
        if heading is not None:
            builder.add("heading", heading[2], level=len(heading[1]))
        add_turns(builder, named(cues_from(part)))


def _add_paragraph(builder: DocumentBuilder, paragraph: str) -> None:
    """What stands before the first time: text, and headings as Markdown has them."""
    for line in paragraph.strip().split("\n") if "#" in paragraph else (paragraph,):
        heading = _HEADING.fullmatch(line)
        if heading is not None:
            builder.add("heading", heading[2], level=len(heading[1]))
        else:
            builder.add("paragraph", line)


def _sections(passages: Sequence[Passage]) -> Iterator[tuple[re.Match[str] | None, list[Passage]]]:
    """Passages below each heading of Markdown that stands between them."""
    heading: re.Match[str] | None = None
    part: list[Passage] = []
    for passage in passages:
        held: list[str] = []
        for line in passage.lines:
            found = _HEADING.fullmatch(line)
            if found is None:
                held.append(line)
                continue
            if held:
                part.append(passage._replace(lines=tuple(held)))
            if part or heading is not None:
                yield heading, part
            heading, part, held = found, [], []
        if held:
            part.append(passage._replace(lines=tuple(held)))
    yield heading, part


def _beginnings(text: str, most: int) -> list[re.Match[str]]:
    """Where lines begin with a time, or with a name and a time.

    Raises:
        RefusedError: `too_many_cues` where there are more than `most`.
    """
    found: list[re.Match[str]] = []
    candidates = _BEGINNING.finditer(text)
    while batch := list(islice(candidates, _BATCH)):
        found += [match for match in batch if (name := match[9]) is None or is_name(name.strip(_AROUND_NAMES))]
        if len(found) > most:
            raise RefusedError("too_many_cues", f"more than {most} passages")
    return found


def _lines(chunks: Sequence[str]) -> list[tuple[str, ...]]:
    """The lines with text of each chunk; in most files every chunk is one line."""
    if "" not in chunks and "\n" not in "".join(chunks):
        return list(zip(chunks, strict=True))
    return [tuple(filter(None, map(str.strip, chunk.split("\n")))) for chunk in chunks]


_Groups = Sequence[tuple[Any, ...]]


def _starts(groups: _Groups) -> list[float]:
    if not any(map(_NAME, groups)):
        return all_seconds(map(_START_PARTS, groups))
    return all_seconds([row[:4] if row[8] is None else row[9:] for row in groups])


def _ends(groups: _Groups) -> list[float | None]:
    if not any(map(_ENDS, groups)):
        return [None] * len(groups)
    return [None if row[5] is None else seconds_of(*row[4:8]) for row in groups]


def _spoken(passage: Passage) -> Iterator[Passage]:
    """The passage without markup, or one for each voice that it names as captions do (`<v Anna>`)."""
    text = "\n".join(passage.lines)
    if "<" not in text and "&" not in text:
        yield passage
        return
    for speaker, part in voices(text):
        lines = tuple(line for line in map(plain, part.split("\n")) if line)
        if lines:
            yield Passage(passage.start, passage.end, lines, speaker or passage.speaker, passage.new_turn)
