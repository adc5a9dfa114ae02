"""What WebVTT, SubRip and SBV have in common: captions as webvtt-py parses them become cues.

Times that people and careless programs wrote (`1:02,5 -> 1:04`) are rewritten before the library sees them.
"""

from __future__ import annotations

import html
import io
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from assets.silver.limits import Limits
from assets.silver.normalise import one_line
from assets.silver.readers.clock import CLOCK, seconds
from assets.silver.readers.cue import Cue
from assets.silver.refusal import RefusedError

if TYPE_CHECKING:
    from webvtt import WebVTT
    from webvtt.models import Timestamp

ARROW = re.compile(rf"^[ \t]*({CLOCK})[ \t]*(?:--+|[–—])[ \t]*>[ \t]*({CLOCK})(?![\d:.,])([^\n]*)", re.M | re.ASCII)
"""A line with the times of a cue, `00:01.000 --> 00:02.000 line:0`, however carelessly it is written."""

COMMA = re.compile(rf"^[ \t]*({CLOCK})[ \t]*,[ \t]*({CLOCK})[ \t]*$()", re.M | re.ASCII)
"""The same in SBV, `0:00:01.000,0:00:02.000`."""

_EXACT = re.compile(
    r"^(?:\d{2,4}:)?[0-5]\d:[0-5]\d\.\d{3} --> (?:\d{2,4}:)?[0-5]\d:[0-5]\d\.\d{3}(?![\d:.,])", re.M | re.A
)
_EXACT_NUMBERED = re.compile(
    r"^\d{1,9}\n\d{2,4}:[0-5]\d:[0-5]\d,\d{3} --> \d{2,4}:[0-5]\d:[0-5]\d,\d{3}(?![\d:.,])", re.M | re.A
)
_NUMBERED = re.compile(
    r"(?:(?:\A|(?<=\n))[ \t]*\d{1,9}[ \t]*\n|(?:\A|(?<=\n\n))[^\n]{1,40}\n)?" + ARROW.pattern[1:], re.M | re.A
)

_VOICE = re.compile(r"<v(?:\.[^\s<>.]*)*(?:[ \t]+([^<>]*))?>|</v>")
_TAG = re.compile(r"</?[a-z0-9.:][^<>]*>", re.IGNORECASE)
_OVERRIDE = re.compile(r"\{\\[^{}\n]*\}")
_ENTITY = re.compile(r"&(?:[a-z][a-z0-9]{1,30}|#\d{1,7}|#x[0-9a-f]{1,6});", re.IGNORECASE)
_DASH = re.compile(r"^\s*[-–—]\s+")


def parse(text: str, kind: Literal["vtt", "srt", "sbv"], limits: Limits) -> tuple[WebVTT, tuple[str, ...]]:
    """The captions and what had to be mended or left out.

    Raises:
        RefusedError: `too_many_cues`, or `malformed` when no cue can be understood.
    """
    count = text.count("-->") if kind != "sbv" else len(COMMA.findall(text))
    if count > limits.cues:
        raise RefusedError("too_many_cues", f"{count} cues")
    captions = _parsed(_mended(text, kind), kind)
    notes = []
    lost = count - len(captions)
    if not captions and lost:
        raise RefusedError("malformed", f"none of the {lost} cues has text and times that can be understood")
    if lost > 0:
        notes.append(f"{lost} cues without text, or without times that can be understood, were left out")
    backwards = sum(caption.end_in_seconds < caption.start_in_seconds for caption in captions)
    if backwards:
        notes.append(f"{backwards} cues end before they begin")
    return captions, tuple(notes)


def _mended(text: str, kind: str) -> str:
    if kind == "vtt":
        return text if len(_EXACT.findall(text)) == text.count("-->") else ARROW.sub(_exact_line, text)
    if kind == "sbv":
        return COMMA.sub(lambda match: f"\n{_exact(match[1])},{_exact(match[2])}", text)
    if len(_EXACT_NUMBERED.findall(text)) == text.count("-->"):
        return text.lstrip("\n")
    # the library wants a number before every cue, and takes empty lines for text of the cue before
    return _NUMBERED.sub(lambda match: f"\n1\n{_exact_line(match)}", text).lstrip("\n")


def _exact_line(match: re.Match[str]) -> str:
    return f"{_exact(match[1])} --> {_exact(match[2])}{match[3]}"


def _exact(clock: str) -> str:
    milliseconds = round((seconds(clock) or 0.0) * 1000)
    minutes, rest = divmod(milliseconds, 60_000)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{rest // 1000:02d}.{rest % 1000:03d}"


def _parsed(text: str, kind: str) -> WebVTT:
    import webvtt
    from webvtt.errors import MalformedCaptionError, MalformedFileError

    try:
        return webvtt.WebVTT.from_buffer(io.StringIO(text), format=kind)
    except (MalformedFileError, StopIteration) as error:  # the latter from lines that are all empty
        raise RefusedError("malformed", "no cue was found where the first should be") from error
    except (MalformedCaptionError, ValueError, OverflowError) as error:
        raise RefusedError("malformed", "a cue cannot be understood") from error


def cues_of(captions: WebVTT) -> list[Cue]:
    """A cue for each voice of each caption; lines that begin with a dash are voices without a name."""
    cues: list[Cue] = []
    for caption in captions:
        lines = caption.lines
        start = _seconds(caption.start_time)
        end = _seconds(caption.end_time)
        if end < start:
            end = start
        raw = lines[0] if len(lines) == 1 else "\n".join(lines)
        if "<" in raw or "&" in raw or "{" in raw or "♪" in raw or "♫" in raw or (len(lines) > 1 and raw[:1] in "-–—"):
            cues += _marked_up(raw, start, end)
        elif len(lines) == 1:
            cues.append(Cue(start, end, (" ".join(raw.split()),)))
        else:
            cues.append(Cue(start, end, tuple([" ".join(line.split()) for line in lines if line.strip()])))
    return cues


def _marked_up(raw: str, start: float, end: float) -> Iterator[Cue]:
    for speaker, part in voices(raw):
        lines = [line for line in map(plain, part.split("\n")) if line]
        if sum(bool(_DASH.match(line)) for line in lines) > 1:
            for line in lines:
                yield Cue(start, end, (_DASH.sub("", line),), speaker, new_turn=bool(_DASH.match(line)))
        elif lines:
            yield Cue(start, end, tuple(lines), speaker)


def _seconds(time: Timestamp) -> float:
    # One division: adding up fractions of a second would leave times such as 59.99999.
    milliseconds: int = (time.hours * 60 + time.minutes) * 60_000 + time.seconds * 1000 + time.milliseconds
    return milliseconds / 1000


def voices(raw: str) -> Iterator[tuple[str | None, str]]:
    """Speaker and text of each part of a cue; text outside of a voice span has no speaker."""
    speaker: str | None = None
    at = 0
    for match in _VOICE.finditer(raw):
        yield speaker, raw[at : match.start()]
        speaker = one_line(html.unescape(match[1] or "")) or None
        at = match.end()
    yield speaker, raw[at:]


def plain(line: str) -> str:
    """A line of a caption without tags, position codes and escaped characters."""
    if "<" in line:
        line = _TAG.sub("", line)
    if "{" in line:
        line = _OVERRIDE.sub("", line)
    if "&" in line:
        line = one_line(_ENTITY.sub(lambda match: html.unescape(match[0]), line))
    if "♪" in line or "♫" in line:
        line = line.replace("♪", " ").replace("♫", " ")
    return " ".join(line.split())
