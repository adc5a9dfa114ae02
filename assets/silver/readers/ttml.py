"""Reads TTML (also DFXP and IMSC) transcripts: paragraphs with times, agents as speakers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING

from assets.silver.document import Document
from assets.silver.language import language_code
from assets.silver.limits import DEFAULT_LIMITS, Limits
from assets.silver.metadata import Metadata
from assets.silver.normalise import one_line
from assets.silver.readers import xml_tree
from assets.silver.readers.clock import LONGEST_S, rounded
from assets.silver.readers.clock import seconds as clock_seconds
from assets.silver.readers.cue import Cue
from assets.silver.readers.transcript import document_of
from assets.silver.readers.xml_tree import attribute, local
from assets.silver.refusal import RefusedError

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

READER = "ttml/2"

_TIMED = ("body", "div", "p", "span")
_CLOCK = re.compile(r"(\d{2,}):(\d{2}):(\d{2})(?:(\.\d+)|:(\d{2,}(?:\.\d+)?))?", re.ASCII)
_OFFSET = re.compile(r"(\d+(?:\.\d+)?)(h|ms|m|s|f|t)", re.ASCII)
_BARE = re.compile(r"\d+(?:\.\d+)?", re.ASCII)
_UNIT_S = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}


@dataclass(slots=True)
class _State:
    """Where in the document the parser is, and what it found; times in seconds."""

    frame_rate: float = 30.0
    tick_rate: float = 1.0
    language: str | None = None
    title: str | None = None
    agents: dict[str, str] = field(default_factory=dict)
    cues: list[Cue] = field(default_factory=list)
    begins: list[float] = field(default_factory=lambda: [0.0])
    voices: list[str | None] = field(default_factory=lambda: [None])
    lost: int = 0


def shows(text: str) -> bool:
    """Whether the outermost element is `tt`."""
    return xml_tree.root_name(text) == "tt"


def read(text: str, limits: Limits = DEFAULT_LIMITS) -> Document:
    """A TTML file.

    Args:
        text: the whole file.

    Raises:
        RefusedError: `malformed` when the XML cannot be understood or no paragraph has times, `too_many_cues`,
            `nested_too_deep`.
    """
    state = _State()
    inside = False
    for event, element in xml_tree.events(text, limits.nesting):
        name = local(element)
        if event == "start" and name == "tt":
            _root(state, element)
        elif name == "body":
            inside = event == "start"
        if name in _TIMED and (inside or name == "body"):
            _enter(state, element) if event == "start" else _leave(state, element, name)
        elif event == "end" and name == "agent":
            _agent(state, element)
        elif event == "end" and name == "title" and not inside:
            state.title = one_line(element.text or "") or state.title
        if len(state.cues) > limits.cues:
            raise RefusedError("too_many_cues", f"more than {limits.cues} paragraphs")
    if not state.cues:
        raise RefusedError("malformed" if state.lost else "empty", "no paragraph has text and times")
    notes = [f"{state.lost} paragraphs without times were left out"] if state.lost else []
    document = document_of(state.cues, READER, notes=notes, limits=limits)
    return Metadata(title=state.title, language=state.language).over(document)


def _root(state: _State, element: Element) -> None:
    state.language = language_code(attribute(element, "lang") or "")
    rate = _positive(attribute(element, "frameRate")) or 30.0
    numerator, _, denominator = (attribute(element, "frameRateMultiplier") or "1 1").partition(" ")
    state.frame_rate = rate * (_positive(numerator) or 1.0) / (_positive(denominator) or 1.0)
    explicit = attribute(element, "frameRate") is not None
    state.tick_rate = _positive(attribute(element, "tickRate")) or (state.frame_rate if explicit else 1.0)


def _positive(text: str | None) -> float | None:
    return float(text) if text and re.fullmatch(r"\d{1,12}", text, re.ASCII) and int(text) else None


def _agent(state: _State, element: Element) -> None:
    key = attribute(element, "id")
    name = one_line(" ".join(child.text or "" for child in element if local(child) == "name"))
    if key and name:
        state.agents[key] = name


def _enter(state: _State, element: Element) -> None:
    state.begins.append(state.begins[-1] + (_seconds(state, attribute(element, "begin")) or 0.0))
    state.voices.append(attribute(element, "agent") or state.voices[-1])


def _leave(state: _State, element: Element, name: str) -> None:
    begin, voice = state.begins.pop(), state.voices.pop()
    if name != "p":
        return
    if attribute(element, "begin") is not None:
        _add(state, element, begin, voice)
    else:
        spans = list(_timed_spans(element))
        known = len(state.cues)
        for span in spans:
            start = begin + (_seconds(state, attribute(span, "begin")) or 0.0)
            _add(state, span, start, attribute(span, "agent") or voice)
        if all(map(_is_word, spans)):
            state.cues[known:] = _sentence(state.cues[known:])
        state.lost += not spans and bool("".join(element.itertext()).strip())
    element.clear()


def _timed_spans(element: Element) -> Iterator[Element]:
    """The outermost spans with times; those within them divide the same words further."""
    for child in element:
        if local(child) == "span" and attribute(child, "begin") is not None:
            yield child
        else:
            yield from _timed_spans(child)


def _is_word(element: Element) -> bool:
    """Whether the element is a word and nothing else, as Apple Podcasts marks it."""
    return attribute(element, "unit") == "word"


def _sentence(words: list[Cue]) -> Iterator[Cue]:
    """The words of a paragraph as one cue for each voice."""
    for voice, run in groupby(words, key=lambda word: word.speaker):
        said = list(run)
        yield Cue(said[0].start_s, max(word.end_s for word in said), (" ".join(word.text for word in said),), voice)


def _add(state: _State, element: Element, begin: float, voice: str | None) -> None:
    """A cue of an element that begins at `begin`; its end is counted from where its parent begins."""
    lines = tuple(filter(None, (one_line(line) for line in _text(element).split("\n"))))
    if not lines:
        return
    parent = begin - (_seconds(state, attribute(element, "begin")) or 0.0)
    end, length = _seconds(state, attribute(element, "end")), _seconds(state, attribute(element, "dur"))
    if _seconds(state, attribute(element, "begin")) is None or begin > LONGEST_S:
        state.lost += 1
        return
    ends = [
        time for time in (None if end is None else parent + end, None if length is None else begin + length) if time
    ]
    state.cues.append(
        Cue(
            rounded(begin),
            max(rounded(begin), rounded(min(ends, default=begin))),
            lines,
            state.agents.get(voice, voice) if voice else None,
        )
    )


def _text(element: Element) -> str:
    """Text of an element, line breaks of the markup as such and those of the source as blanks."""
    parts = [(element.text or "").replace("\n", " ")]
    for child in element:
        if _is_word(child):
            parts.append(" ")  # Apple writes no blanks between words
        parts.append("\n" if local(child) == "br" else "" if local(child) == "metadata" else _text(child))
        parts.append((child.tail or "").replace("\n", " "))
    return "".join(parts)


def _seconds(state: _State, text: str | None) -> float | None:
    """Seconds of a clock time or an offset (TTML2, section 12.3.1); None where it is neither."""
    if text is None:
        return None
    text = text.strip()
    if clock := _CLOCK.fullmatch(text):
        hours, minutes, seconds, fraction, frames = clock.groups()
        whole = int(hours) * 3600 + int(minutes) * 60 + int(seconds)
        return whole + float(fraction or 0.0) + float(frames or 0.0) / state.frame_rate
    if offset := _OFFSET.fullmatch(text):
        unit = {**_UNIT_S, "f": 1 / state.frame_rate, "t": 1 / state.tick_rate}[offset[2]]
        return float(offset[1]) * unit
    # Apple Podcasts: `0.860`, `1:48.737`, `1:02:03.456`
    return float(text) if _BARE.fullmatch(text) else clock_seconds(text)
