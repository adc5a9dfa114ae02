"""Reads transcripts written as text: lines or paragraphs that begin with a time, `00:01:02 …`, `[1:02] Anna: …`,
`Anna Weber (01:02)`, `[00:01.000 --> 00:04.000] …`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

from assets.silver.document import Document
from assets.silver.limits import DEFAULT_LIMITS, Limits
from assets.silver.normalise import DocumentBuilder
from assets.silver.readers.captions import plain, voices
from assets.silver.readers.clock import CLOCK, seconds
from assets.silver.readers.passages import Passage, cues_from
from assets.silver.readers.speakers import is_name, named
from assets.silver.readers.transcript import add_turns
from assets.silver.refusal import RefusedError

READER = "transcript-text/1"

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
_STAMPED = re.compile(
    rf"[ \t>*_-]{{0,6}}\\?{_OPEN}({CLOCK})(?:[ \t]*(?:-{{1,2}}>|[-–—])[ \t]*({CLOCK}))?\\?{_CLOSE}(?![\w.,]*\d)"
    r"[ \t*_:|–—-]*",
    re.ASCII,
)
_MAYBE = re.compile(r"^[^\n:]{0,60}\d:\d", re.M)
_NAMED = re.compile(
    rf"[ \t>*_-]{{0,6}}([^\W\d_][^\n\[\](){{}}<>:]{{0,39}}?)[ \t*_,:–—-]*\\?{_OPEN}({CLOCK})\\?{_CLOSE}[ \t*_]*"
    r"(?::[ \t*_]*|(?=\n|\Z))"
)


def shows(text: str) -> bool:
    """Whether times at the beginning of lines, from the first on and in order, give the text its structure."""
    sample = text[:_SAMPLE]
    if len(_MAYBE.findall(sample)) < _FEWEST:
        return False
    found = [(at, time) for at, line in _lines(sample) if (time := _stamp(line)) is not None]
    if len(found) < _FEWEST:
        return False
    times = [seconds(clock) or 0.0 for _, (clock, _) in found]
    latest = _LATEST_START_S if any(clock.count(":") == 2 for _, (clock, _) in found) else _LATEST_SHORT_START_S
    backwards = sum(after < before for before, after in pairwise(times))
    between = (len(sample) - found[0][0]) / len(found)
    return (
        times[0] <= latest
        and found[0][0] <= _MOST_BEFORE
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
    before: list[str] = []
    passages: list[Passage] = []
    for _, line in _lines(text):
        begun = _begun(line)
        if begun is not None:
            passages.append(begun)
        elif not passages:
            before.append(line)
        elif line.strip():
            last = passages[-1]
            passages[-1] = Passage(last.start, last.end, (*last.lines, line.strip()), last.speaker, last.new_turn)
        if len(passages) > limits.cues:
            raise RefusedError("too_many_cues", f"more than {limits.cues} passages")
    if not passages:
        raise RefusedError("malformed", "no line begins with a time")
    for paragraph in re.split(r"\n\s*\n", "\n".join(before)):
        builder.add("paragraph", paragraph)
    said = [part for passage in passages for part in _spoken(passage)]
    if any(passage.speaker for passage in said):
        speaker = None
        for place, passage in enumerate(said):
            speaker = passage.speaker or speaker
            said[place] = Passage(passage.start, passage.end, passage.lines, speaker, passage.new_turn)
    add_turns(builder, named(cues_from(said)))


def _lines(text: str) -> Iterator[tuple[int, str]]:
    at = 0
    for line in text.split("\n"):
        yield at, line
        at += len(line) + 1


def _stamp(line: str) -> tuple[str, str | None] | None:
    """The time with which a line begins, or that follows a name at its beginning."""
    if match := _STAMPED.match(line):
        return match[1], match[2]
    match = _NAMED.match(line)
    return (match[2], None) if match and is_name(match[1].strip(" *_")) else None


def _begun(line: str) -> Passage | None:
    if ":" not in line[:80]:
        return None
    speaker = None
    end = None
    if match := _STAMPED.match(line):
        start, end = seconds(match[1]), seconds(match[2]) if match[2] else None
    else:
        match = _NAMED.match(line)
        if match is None or not is_name(name := match[1].strip(" *_")):
            return None
        speaker, start = name, seconds(match[2])
    if start is None:
        return None
    rest = line[match.end() :].strip()
    return Passage(start, end, (rest,) if rest else (), speaker, new_turn=speaker is not None)


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
