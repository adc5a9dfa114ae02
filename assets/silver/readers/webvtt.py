"""Reads WebVTT transcripts: voices become speakers, cues become sentences and turns with their times."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING

from assets.silver.document import Document
from assets.silver.language import language_code
from assets.silver.metadata import Metadata
from assets.silver.normalise import DocumentBuilder, one_line
from assets.silver.readers.transcript import Cue, add_turns
from assets.silver.refusal import RefusedError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from webvtt import Caption, WebVTT
    from webvtt.models import Timestamp

READER = "webvtt/1"

_VOICE = re.compile(r"<v(?:\.[^\s<>.]*)*(?:[ \t]+([^<>]*))?>|</v>")
_TAG = re.compile(r"</?[a-z0-9.:][^<>]*>", re.IGNORECASE)
_DASH = re.compile(r"^\s*[-–—]\s+")
_TIMING = re.compile(r"^.*-->.*$", re.M)
_LANGUAGE = re.compile(r"^Language:\s*(\S+)", re.IGNORECASE)


def read(text: str) -> Document:
    """A WebVTT file.

    Args:
        text: the whole file with clean characters and `\\n` line breaks.

    Raises:
        RefusedError: `malformed` when the header is missing or no cue can be understood.
    """
    captions = _parse(text)
    notes: list[str] = []
    cues = [cue for caption in captions for cue in _cues(caption)]
    lost = len(_TIMING.findall(text)) - len(captions)
    if not captions and lost:
        raise RefusedError("malformed", f"none of the {lost} cues has times that can be understood")
    if lost > 0:
        notes.append(f"{lost} cues without times that can be understood were left out")
    backwards = sum(caption.end_in_seconds < caption.start_in_seconds for caption in captions)
    if backwards:
        notes.append(f"{backwards} cues end before they begin")
    builder = DocumentBuilder()
    add_turns(builder, cues)
    return _metadata(captions).over(builder.build(READER, notes=tuple(notes)))


def _parse(text: str) -> WebVTT:
    import webvtt
    from webvtt.errors import MalformedCaptionError, MalformedFileError

    try:
        return webvtt.from_string(text)
    except MalformedFileError as error:
        raise RefusedError("malformed", "line 1: WEBVTT is missing") from error
    except (MalformedCaptionError, ValueError, OverflowError) as error:
        raise RefusedError("malformed", "a cue cannot be understood") from error


def _metadata(captions: WebVTT) -> Metadata:
    languages = [match[1] for line in captions.metadata if (match := _LANGUAGE.match(line))]
    return Metadata(
        title=one_line(captions.header_text).lstrip("-–— ") or None,
        language=language_code(languages[0]) if languages else None,
    )


def _cues(caption: Caption) -> Iterator[Cue]:
    """A cue for each voice; lines that begin with a dash are voices without a name."""
    start = _seconds(caption.start_time)
    end = max(start, _seconds(caption.end_time))
    for speaker, raw in _voices(caption.raw_text):
        lines = [line for line in map(_plain, raw.split("\n")) if line]
        if sum(bool(_DASH.match(line)) for line in lines) > 1:
            for line in lines:
                yield Cue(start, end, (_DASH.sub("", line),), speaker, new_turn=bool(_DASH.match(line)))
        elif lines:
            yield Cue(start, end, tuple(lines), speaker)


def _seconds(time: Timestamp) -> float:
    # One division: adding up fractions of a second would leave times such as 59.99999.
    return float((time.hours * 60 + time.minutes) * 60_000 + time.seconds * 1000 + time.milliseconds) / 1000


def _voices(raw: str) -> Iterator[tuple[str | None, str]]:
    """Speaker and text of each part of a cue; text outside of a voice span has no speaker."""
    speaker: str | None = None
    at = 0
    for match in _VOICE.finditer(raw):
        yield speaker, raw[at : match.start()]
        speaker = one_line(html.unescape(match[1] or "")) or None
        at = match.end()
    yield speaker, raw[at:]


def _plain(line: str) -> str:
    text = _TAG.sub("", line) if "<" in line else line
    return one_line(html.unescape(text)) if "&" in text else " ".join(text.split())
