"""Reads transcripts in columns: Whisper's TSV (`start`, `end`, `text`), the same as CSV, and label tracks without
names of columns.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence

from assets.silver.document import Document
from assets.silver.limits import DEFAULT_LIMITS, Limits
from assets.silver.readers.clock import seconds
from assets.silver.readers.passages import Passage, cues_from, in_milliseconds, usable
from assets.silver.readers.transcript import document_of
from assets.silver.refusal import RefusedError

READER = "transcript-table/2"

_START = frozenset(
    "start begin from in starttime startms starttimecode begintime time timestamp timecode timecodein startsec"
    " startseconds anfang anfangszeit beginn startzeit von zeit zeitstempel".split()
)
_END = frozenset(
    "end stop to out endtime endms endtimecode stoptime timecodeout endsec endseconds ende endzeit bis".split()
)
_TEXT = frozenset(
    "text transcript transcription body content sentence caption subtitle dialogue utterance gesprochen inhalt"
    " transkript transkription untertitel".split()
)
_SPEAKER = frozenset("speaker name speakername speakerlabel sprecher sprecherin sprechername person".split())
"""Names of columns, letters and digits alone."""
_MARKS = re.compile(r"[\W_]+")

_NUMBER = r"(?:\d+(?:\.\d+)?|(?:\d+:)?\d+:\d+(?:[.,]\d+)?)"
_NUMBERS = re.compile(r"^(\d+(?:\.\d+)?)\t(\d+(?:\.\d+)?)\t([^\n]*\S[^\n]*)$", re.M | re.ASCII)
"""A row as Whisper writes it."""
_LABELS = re.compile(rf"{_NUMBER}\t{_NUMBER}\t[^\t\n]*\S[^\t\n]*(?:\n|\Z)", re.ASCII)


def shows(text: str) -> bool:
    """Whether the first line names columns for a start and a text, or holds two times and a text."""
    return _columns(text.split("\n", 1)[0][:1000]) is not None or _LABELS.match(text) is not None


def read(text: str, limits: Limits = DEFAULT_LIMITS) -> Document:
    """A table of passages.

    Args:
        text: the whole file with clean characters and `\\n` line breaks.

    Raises:
        RefusedError: `malformed` when no row has a text and times, `unknown_format` where no columns are for
            them, `too_many_cues`.
    """
    text = text.lstrip("\ufeff\n")
    count = text.count("\n")
    if count > 2 * limits.cues:
        raise RefusedError("too_many_cues", f"{count} lines")
    if not shows(text):
        raise RefusedError("unknown_format", "a table that is no transcript, without columns for a start and a text")
    passages, lost = _passages(text)
    if not passages:
        raise RefusedError("malformed", f"none of the {lost} rows has a text and times that can be understood")
    notes = [f"{lost} rows without a text and times that can be understood were left out"] if lost else []
    cues = cues_from(passages, milliseconds=in_milliseconds(passages))
    return document_of(cues, READER, notes=notes, limits=limits)


def _columns(line: str) -> tuple[str, int, int | None, int, int | None] | None:
    """Separator, and the columns of start, end, text and speaker; None if the line does not name them."""
    for separator in "\t;,|":
        names = [_MARKS.sub("", name).casefold() for name in line.split(separator)]
        found = [next((at for at, name in enumerate(names) if name in known), None) for known in _KNOWN]
        start, end, text, speaker = found
        if start is not None and text is not None:
            return separator, start, end, text, speaker
    return None


_KNOWN = (_START, _END, _TEXT, _SPEAKER)


def _passages(text: str) -> tuple[list[Passage], int]:
    first, _, rest = text.partition("\n")
    columns = _columns(first)
    separator, start_at, end_at, text_at, speaker_at = columns or ("\t", 0, 1, 2, None)
    if columns and columns[:4] == ("\t", 0, 1, 2) and speaker_at is None:
        plain = _NUMBERS.findall(rest)
        if len(plain) == rest.count("\n") + (rest[-1:] != "\n"):
            rows = [Passage(float(start), float(end), (" ".join(said.split()),)) for start, end, said in plain]
            found = [passage for passage in rows if usable(passage[0], passage[1])]
            return found, len(rows) - len(found)
    found = []
    lost = 0
    for row in _rows(rest if columns else text, separator, text_at):
        start = _time(row, start_at)
        end = _time(row, end_at)
        said = " ".join(row[text_at].split()) if text_at < len(row) else ""
        if start is None and not "".join(row).strip():
            continue
        if start is None or not usable(start, end):
            lost += 1
        elif said:
            speaker = row[speaker_at].strip() or None if speaker_at is not None and speaker_at < len(row) else None
            found.append(Passage(start, end, (said,), speaker))
    return found, lost


def _rows(text: str, separator: str, text_at: int) -> Iterator[Sequence[str]]:
    if separator != "\t":
        yield from _quoted(text, separator)
        return
    # Whisper quotes nothing: a quotation mark is part of what was said
    for line in text.split("\n"):
        yield line.split("\t", max(text_at, 2))


def _quoted(text: str, separator: str) -> Iterable[Sequence[str]]:
    csv.field_size_limit(2**31 - 1)
    try:
        yield from csv.reader(io.StringIO(text), delimiter=separator)
    except csv.Error as error:
        raise RefusedError("malformed", "the table cannot be understood") from error


def _time(row: Sequence[str], at: int | None) -> float | None:
    if at is None or at >= len(row):
        return None
    cell = row[at]
    try:
        return float(cell)
    except ValueError:
        if ":" not in cell:
            return None
        # hours, minutes, seconds and frames, as editors of film count: frames are left out
        return seconds(cell.rpartition(":")[0] if cell.count(":") == 3 else cell.replace(";", "."))
