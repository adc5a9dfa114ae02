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
from assets.silver.readers.clock import CLOCK_PARTS, seconds_of
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
    rf"[ \t>*_-]{{0,6}}\\?{_OPEN}{CLOCK_PARTS}(?:[ \t]*(?:-{{1,2}}>|[-–—])[ \t]*{CLOCK_PARTS})?\\?{_CLOSE}(?![\w.,]*\d)"
    r"[ \t*_:|–—-]*",
    re.ASCII,
)
_MAYBE = re.compile(r"^[^\n:]{0,60}\d:\d", re.M)
_NAMED = re.compile(
    rf"[ \t>*_-]{{0,6}}([^\W\d_][^\n\[\](){{}}<>:]{{0,39}}?)[ \t*_,:–—-]*\\?{_OPEN}{CLOCK_PARTS}\\?{_CLOSE}[ \t*_]*"
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
    times = [time for _, (time, _) in found]
    latest = _LATEST_START_S if any(hours for _, (_, hours) in found) else _LATEST_SHORT_START_S
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
    further: list[str] = []
    for line in text.split("\n"):
        begun = _begun(line) if ":" in line else None
        if begun is None:
            (further if passages else before).append(line)
            continue
        if further:
            _hang(passages, further)
        speaker, start, end, _, behind = begun
        rest = line[behind:].strip()
        passages.append(Passage(start, end, (rest,) if rest else (), speaker, speaker is not None))
        if len(passages) > limits.cues:
            raise RefusedError("too_many_cues", f"more than {limits.cues} passages")
    _hang(passages, further)
    if not passages:
        raise RefusedError("malformed", "no line begins with a time")
    for paragraph in re.split(r"\n\s*\n", "\n".join(before)):
        builder.add("paragraph", paragraph)
    said = [part for passage in passages for part in _spoken(passage)] if "<" in text or "&" in text else passages
    if any(passage[3] for passage in said):
        speaker = None
        for place, passage in enumerate(said):
            speaker = passage.speaker or speaker
            said[place] = passage._replace(speaker=speaker)
    add_turns(builder, named(cues_from(said)))


def _hang(passages: list[Passage], further: list[str]) -> None:
    """Add lines without a time to the passage before them."""
    lines = [stripped for line in further if (stripped := line.strip())]
    if lines:
        passages[-1] = passages[-1]._replace(lines=(*passages[-1].lines, *lines))
    further.clear()


def _lines(text: str) -> Iterator[tuple[int, str]]:
    at = 0
    for line in text.split("\n"):
        yield at, line
        at += len(line) + 1


def _stamp(line: str) -> tuple[float, bool] | None:
    """The time with which a line begins, or that follows a name at its beginning, and whether it has hours."""
    begun = _begun(line)
    return None if begun is None else (begun[1], begun[3])


def _begun(line: str) -> tuple[str | None, float, float | None, bool, int] | None:
    """Speaker, start, end, whether the start has hours, and where the text begins; None for a line without a time."""
    if ":" not in line[:80]:
        return None
    match = _STAMPED.match(line)
    if match is not None:
        hours, minutes, whole, fraction, *last = match.groups()
        end = None if last[1] is None else seconds_of(*last)
        return None, seconds_of(hours, minutes, whole, fraction), end, hours is not None, match.end()
    match = _NAMED.match(line)
    if match is None or not is_name(name := match[1].strip(" *_")):
        return None
    hours, minutes, whole, fraction = match.group(2, 3, 4, 5)
    return name, seconds_of(hours, minutes, whole, fraction), None, hours is not None, match.end()


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
