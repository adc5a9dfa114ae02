"""Reads transcripts in JSON: Podcasting 2.0, Whisper and its kin, and speech services that name speakers.

Every service has names of its own for the same few things, so the list of passages is found by what its items
hold: a text and a start. Seconds and milliseconds are told apart by how fast people speak.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from assets.silver.document import Document
from assets.silver.limits import DEFAULT_LIMITS, Limits
from assets.silver.metadata import Metadata, metadata_from
from assets.silver.normalise import one_line
from assets.silver.readers import json_value
from assets.silver.readers.clock import seconds
from assets.silver.readers.passages import Passage, cues_from, in_milliseconds, usable
from assets.silver.readers.transcript import document_of
from assets.silver.refusal import RefusedError

READER = "transcript-json/3"

EXPECTED = (
    "no list of passages was found; expected are for instance `segments` with `start`, `end` and `text`"
    " (Whisper), `segments` with `startTime`, `endTime` and `body` (Podcasting 2.0), or `utterances` with"
    " `start`, `end`, `text` and `speaker`"
)

_LISTS = (
    "utterances segments audio_segments monologues recognizedPhrases paragraphs sentences cues captions transcription"
    " transcript events passages results chunks items words"
).split()
"""Names of lists of passages, best first: whole utterances rather than their words."""

_BEST_FIRST = ("alternatives", "nBest")
"""Names of lists whose items are several hearings of the same words."""

_TEXT = "text body utf8 transcript content sentence utterance caption line value display".split()
_WORD = "punctuated_word word".split()
_START = "start startTime start_time starttime begin from ts startSeconds start_seconds offset time".split()
_END = "end endTime end_time endtime stop to end_ts endSeconds end_seconds".split()
_DURATION = "duration dur".split()
_MILLISECONDS = {
    **dict.fromkeys("startMs start_ms startTimeMs start_time_ms tStartMs offsetMs offset_ms".split(), 1.0),
    **dict.fromkeys("startMilliseconds offsetMilliseconds endMilliseconds durationMilliseconds".split(), 1.0),
    **dict.fromkeys("endMs end_ms endTimeMs end_time_ms dDurationMs durationMs duration_ms".split(), 1.0),
    **dict.fromkeys("offsetInTicks durationInTicks".split(), 1e-4),
}
"""Names that say their unit, with its milliseconds."""
_START_MS = (
    "startMs start_ms startTimeMs start_time_ms startMilliseconds tStartMs offsetMs offset_ms offsetMilliseconds"
    " offsetInTicks"
).split()
_END_MS = "endMs end_ms endTimeMs end_time_ms endMilliseconds".split()
_DURATION_MS = "dDurationMs durationMs duration_ms durationMilliseconds durationInTicks".split()
_SPEAKER = "speaker speakerName speaker_name speakerLabel speaker_label speakerId speaker_id name".split()
_NESTED = ("offsets", "timestamps", "timestamp")
_METADATA = ("title", "language", "language_code", "lang", "published", "date", "author", "authors")


class _Names(NamedTuple):
    """Names that an item has, of each kind, best first."""

    text: tuple[str, ...]
    start_ms: tuple[str, ...]
    end_ms: tuple[str, ...]
    duration_ms: tuple[str, ...]
    start: tuple[str, ...]
    end: tuple[str, ...]
    duration: tuple[str, ...]
    speaker: tuple[str, ...]
    nested: tuple[str, ...]


_KINDS = _Names(
    text=(*_TEXT, *_WORD),
    start_ms=tuple(_START_MS),
    end_ms=tuple(_END_MS),
    duration_ms=tuple(_DURATION_MS),
    start=tuple(_START),
    end=tuple(_END),
    duration=tuple(_DURATION),
    speaker=tuple(_SPEAKER),
    nested=_NESTED,
)


@lru_cache(256)
def _present(names: tuple[str, ...]) -> _Names:
    """Items of one list have the same names: which of them mean something is looked up once."""
    there = frozenset(names)
    return _Names._make(tuple(name for name in kind if name in there) for kind in _KINDS)


_BEGINS = re.compile(r'[{\[]\s*(?:["{}\[\]]|\Z)')
_SEARCHED_DEPTH = 12
_SAME_TIME_S = 0.01
"""Times of a word and of its speaker that differ by less are the same."""
_UNIT = re.compile(r"(?i:s|sec|seconds|ms)$")
_PUNCTUATION = re.compile(r"[.,;:!?…)\]}»“”]+$")


def shows(text: str) -> bool:
    """Whether the text is JSON as a whole; an object before other text is front matter."""
    return _BEGINS.match(text) is not None and json_value.whole(text)


def read(text: str, limits: Limits = DEFAULT_LIMITS) -> Document:
    """A transcript in JSON.

    Args:
        text: the whole file with clean characters and `\\n` line breaks.

    Raises:
        RefusedError: `malformed` when it is no JSON or none of its passages has a time, `unknown_format` when
            it holds no passages, `too_many_cues`, `nested_too_deep`.
    """
    parsed = json_value.parse(text)
    lines = json_value.parse_lines(text) if text[parsed.end :].strip() else None
    if lines is not None:
        parsed = lines
    elif text[parsed.end :].strip():
        raise RefusedError(
            "malformed", f"line {text.count(chr(10), 0, parsed.end) + 1}: text behind the end of the JSON"
        )
    items = find(parsed.value)
    if items is None:
        raise RefusedError("unknown_format", EXPECTED)
    if len(items) > limits.cues:
        raise RefusedError("too_many_cues", f"{len(items)} passages")
    passages, lost, milliseconds = _passages(items)
    if passages and all(passage.speaker is None for passage in passages):
        passages = _with_voices(passages, parsed.value)
    names = _names_of_speakers(parsed.value)
    if names:
        passages = [passage._replace(speaker=names.get(passage.speaker or "", passage.speaker)) for passage in passages]
    if not passages:
        raise RefusedError("malformed", f"none of the {lost} passages has text and times that can be understood")
    notes = list(parsed.notes)
    if lost:
        notes.append(f"{lost} passages without times that can be understood were left out")
    cues = cues_from(_shown_together(passages), milliseconds=milliseconds)
    document = document_of(cues, READER, notes=notes, limits=limits)
    return _metadata(parsed.value).over(document)


def find(value: Any, depth: int = 0) -> Sequence[Mapping[str, Any]] | None:
    """The passages in a JSON value, by the names that services give their lists; None where there are none."""
    if depth > _SEARCHED_DEPTH:
        return None
    if isinstance(value, list):
        items = [item for item in value if isinstance(item, Mapping)]
        if items and 2 * sum(map(_is_passage, items[:200])) >= len(items[:200]):
            return items
        return [
            passage
            for item in value
            if isinstance(item, Mapping | list)
            for passage in _with_speaker(find(item, depth + 1) or (), item if isinstance(item, Mapping) else {})
        ] or None
    if not isinstance(value, Mapping):
        return None
    names = sorted((name for name, item in value.items() if isinstance(item, list | Mapping)), key=_rank)
    for name in names:
        item = value[name][:1] if name in _BEST_FIRST and isinstance(value[name], list) else value[name]
        if found := find(item, depth + 1):
            return found
    return None


def _rank(name: str) -> int:
    return _LISTS.index(name) if name in _LISTS else len(_LISTS)


def _with_speaker(passages: Sequence[Mapping[str, Any]], around: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Passages with the speaker that the object around them names, where they name none."""
    speaker = _speaker(around)
    for passage in passages:
        yield passage if speaker is None or _speaker(passage) is not None else {**passage, "speaker": speaker}


def _is_passage(item: Mapping[str, Any]) -> bool:
    names = _present(tuple(item))
    timed = names.start or names.start_ms or names.nested or "elements" in item
    return bool(timed) and _text_of(item) is not None


def _text_of(item: Mapping[str, Any]) -> str | None:
    for key in _present(tuple(item)).text:
        value = item[key]
        if isinstance(value, str):
            return value
    for key in _BEST_FIRST:
        best = item.get(key)
        if isinstance(best, list) and best and isinstance(best[0], Mapping):
            return _text_of(best[0])
    parts = item.get("segs") or item.get("elements")
    if not isinstance(parts, list):
        return None
    return "".join(str(part.get("utf8") or part.get("value") or "") for part in parts if isinstance(part, Mapping))


def _passages(items: Sequence[Mapping[str, Any]]) -> tuple[list[Passage], int, bool]:
    """Passages, how many had text and no usable time, and whether times are milliseconds."""
    found: list[Passage] = []
    lost = 0
    named_milliseconds = False
    for item in items:
        text = _text_of(item) or ""
        lines = tuple(filter(None, map(one_line, text.split("\n"))))
        start, end, milliseconds = _times(item)
        if start is None or not usable(start, end):
            if lines and found and _PUNCTUATION.fullmatch(lines[0]):
                found[-1] = _with_mark(found[-1], lines[0])
            else:
                lost += 1
        elif lines:
            named_milliseconds |= milliseconds
            passage = Passage(start, end, lines, _speaker(item))
            found += _by_words(item, passage)
    return found, lost, named_milliseconds or in_milliseconds(found)


def _times(item: Mapping[str, Any]) -> tuple[float | None, float | None, bool]:
    """Start and end, and whether a name says that they are milliseconds."""
    names = _present(tuple(item))
    found = _times_named(item, names)
    for key in names.nested:
        if found is None and isinstance(inner := item[key], Mapping):
            found = _times_named(inner, _present(tuple(inner)))
    if found is not None:
        return found
    pair = item.get("timestamp")
    if isinstance(pair, list) and len(pair) == 2:
        return _number(pair[0]), _number(pair[1]), False
    if isinstance(pair, str | int | float):
        return _number(pair), None, False
    spans = [part for part in item.get("elements") or () if isinstance(part, Mapping)]
    begins = [time for part in spans if (time := _first(part, _present(tuple(part)).start)) is not None]
    stops = [time for part in spans if (time := _first(part, _present(tuple(part)).end)) is not None]
    return (min(begins), max(stops, default=None), False) if begins else (None, None, False)


def _times_named(item: Mapping[str, Any], names: _Names) -> tuple[float, float | None, bool] | None:
    """Start, end and whether they are milliseconds, by the names that say so; None where no start is named."""
    known = bool(names.start_ms)
    start = _first(item, names.start_ms)
    if start is None:
        known = False
        start = _first(item, names.start)
    if start is None:
        return None
    end = _first(item, names.end_ms if known else names.end)
    if end is None and (length := _first(item, names.duration_ms if known else names.duration)) is not None:
        end = start + length
    return start, end, known


def _first(item: Mapping[str, Any], keys: Sequence[str]) -> float | None:
    for key in keys:
        number = _number(item[key])
        if number is not None:
            return number * _MILLISECONDS[key] if key in _MILLISECONDS else number
    return None


def _number(value: Any) -> float | None:
    """A finite number, also as text such as `1.5`, `1.5s` or `00:01:02.5`."""
    if type(value) is float:
        return value if 0.0 <= value < math.inf else None
    if isinstance(value, str):
        if ":" in value:
            return seconds(value)
        try:
            value = float(_UNIT.sub("", value.strip()))
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) and number >= 0 else None


def _speaker(item: Mapping[str, Any]) -> str | None:
    for key in _present(tuple(item)).speaker:
        value = item[key]
        if isinstance(value, Mapping):
            value = value.get("name") or value.get("label") or value.get("id")
        if isinstance(value, int) and not isinstance(value, bool):
            return f"Speaker {value}"
        if isinstance(value, str) and one_line(value):
            return one_line(value)
    best = next((item[key] for key in _BEST_FIRST if key in item), None)
    return _speaker(best[0]) if isinstance(best, list) and best and isinstance(best[0], Mapping) else None


def _with_voices(passages: Sequence[Passage], value: Any) -> list[Passage]:
    """Passages that name no speaker with those of a list beside them, which says when each of them speaks."""
    spans = sorted(_voices_beside(value))
    if not spans:
        return list(passages)
    begins = [start for start, _ in spans]
    named: list[Passage] = []
    for passage in passages:
        at = bisect_right(begins, passage.start + _SAME_TIME_S) - 1
        named.append(passage if passage.speaker or at < 0 else passage._replace(speaker=spans[at][1]))
    return named


def _voices_beside(value: Any, depth: int = 0) -> Iterator[tuple[float, str]]:
    """When which speaker begins, by a list under `speaker_labels` (AWS Transcribe until 2023, Watson)."""
    if not isinstance(value, Mapping) or depth > 2:
        return
    listed = value.get("speaker_labels")
    if isinstance(listed, Mapping):
        listed = listed.get("segments")
    for item in listed if isinstance(listed, list) else ():
        if isinstance(item, Mapping) and (voice := _speaker(item)) is not None:
            start = _times(item)[0]
            if start is not None:
                yield start, voice
    for inner in value.values():
        yield from _voices_beside(inner, depth + 1)


def _names_of_speakers(value: Any) -> dict[str, str]:
    """Names by the numbers that passages use, where the transcript has a list of them beside its passages."""
    listed = value.get("speakers") if isinstance(value, Mapping) else None
    names = {}
    for entry in listed if isinstance(listed, list) else ():
        if isinstance(entry, Mapping) and isinstance(entry.get("name"), str) and one_line(entry["name"]):
            known = _speaker({"speaker": entry.get("id")})
            if known is not None:
                names[known] = one_line(entry["name"])
    return names


def _by_words(item: Mapping[str, Any], whole: Passage) -> list[Passage]:
    """The passage, or the sentences of a long one where its words have times of their own and tell its text."""
    words = [word for word in item.get("words") or () if isinstance(word, Mapping)]
    if len(words) < 2 or whole.end is None:
        return [whole]
    texts = [one_line(_text_of(word) or "") for word in words]
    if " ".join(filter(None, texts)) != " ".join(whole.lines):
        return [whole]
    found: list[Passage] = []
    held: list[str] = []
    start = whole.start
    for word, text in zip(words, texts, strict=True):
        begins, ends, _ = _times(word)
        if not held:
            start = begins if begins is not None and begins >= start else start
        held.append(text)
        if text[-1:] in (".", "!", "?", "…") and ends is not None and ends >= start:
            found.append(whole._replace(start=start, end=ends, lines=(" ".join(filter(None, held)),)))
            held, start = [], ends
    if any(held):
        found.append(whole._replace(start=start, end=max(start, whole.end), lines=(" ".join(filter(None, held)),)))
    return found


def _shown_together(passages: Sequence[Passage]) -> list[Passage]:
    """Neighbours with the same times and speaker as the lines of one caption, and marks joined to their word."""
    joined: list[Passage] = []
    for passage in passages:
        last = joined[-1] if joined else None
        if last is None or last.speaker != passage.speaker:
            joined.append(passage)
        elif _PUNCTUATION.fullmatch(" ".join(passage.lines)):
            joined[-1] = _with_mark(last, passage.lines[0])
        elif passage.end is not None and (last.start, last.end) == (passage.start, passage.end):
            joined[-1] = last._replace(lines=last.lines + passage.lines)
        else:
            joined.append(passage)
    return joined


def _with_mark(passage: Passage, mark: str) -> Passage:
    return passage._replace(lines=(*passage.lines[:-1], passage.lines[-1] + mark))


def _metadata(value: Any) -> Metadata:
    """What the object around the passages says about the recording."""
    if not isinstance(value, Mapping):
        return Metadata()
    plain = {key: value[key] for key in _METADATA if isinstance(value.get(key), str | list)}
    if "language_code" in plain:
        plain.setdefault("language", plain.pop("language_code"))
    for name in ("metadata", "result"):
        inner = value.get(name)
        if isinstance(inner, Mapping):
            plain = {key: inner[key] for key in _METADATA if isinstance(inner.get(key), str)} | plain
    return metadata_from(plain)
