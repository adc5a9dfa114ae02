"""Speakers that a transcript names within its text: `Anna: …`, `[SPEAKER_01]: …`, `>> BEN: …`, and lines with a
dash for another voice.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from operator import itemgetter

from assets.silver.readers.cue import Cue

_MAX_WORDS = 4
_FEWEST = 2
_SOON = 5
"""A transcript that names its speakers names one within its first few cues."""

_LABEL = re.compile(
    r"(?:>>+\s*)?(?:\[([^\W_][^:\[\]<>]{0,39})\]:|\[((?i:speaker)[ _-]?\d+)\]|\(([^\W_][^:()<>]{0,39})\):"
    r"|([^\W_][^:\[\]()<>]{0,39}):)(?=\s|$)\s*"
)
_BRACKETED = re.compile(r"\[([^\W_][^:\[\]<>]{0,39})\]\s+(?=\S)")
_CHANGE = re.compile(r">>+\s*")
_DASH = re.compile(r"[-–—]\s+")
_PARTICLES = frozenset(
    "von vom zu zur van der den de del della di da du la le ten ter bin ibn al el y und and & -".split()
)
_SPEAKER = itemgetter(3)
_MAY_NAME = re.compile(r"^(?:[>\[–—-]|[^\n:]{0,47}:)", re.M)
"""A line that may name a speaker, or begin with the mark of another one."""
_TITLES = re.compile(r"(?:Dr|Prof|Mr|Mrs|Ms|St|Jr|Sr|[A-ZÄÖÜ])\.$")


def named(cues: Sequence[Cue]) -> list[Cue]:
    """The cues with the speakers that their text names; a name holds until the next one.

    Cues are returned as they are where one of them has a speaker already, or where the text does not show that
    names before a colon are its way to name speakers.
    """
    if set(map(_SPEAKER, cues)) - {None}:
        return list(cues)
    if _MAY_NAME.search("\n".join(["\n".join(cue[2]) for cue in cues])) is None:
        return list(cues)
    voiced = [part for cue in cues for part in _voices(cue)]
    labels = [_label(cue) for cue in voiced]
    known = _speakers(labels)
    if not known:
        labels = [_in_brackets(cue) for cue in voiced]
        known = _speakers_in_brackets(labels)
    if not known:
        return voiced
    speaker: str | None = None
    told: list[Cue] = []
    for cue, label in zip(voiced, labels, strict=True):
        if label is None or label[0] not in known:
            told.append(cue._replace(speaker=speaker))
            continue
        speaker = label[0]
        lines = tuple(line for line in (cue.lines[0][label[1] :], *cue.lines[1:]) if line)
        told.append(cue._replace(speaker=speaker, lines=lines, new_turn=True))
    return told


def label_of(line: str) -> tuple[str, int] | None:
    """A name that the line begins with, and where what is said begins; None where there is none."""
    if ":" not in line[:48] and not line.startswith("["):
        return None
    match = _LABEL.match(line)
    if match is None:
        return None
    name = next(filter(None, match.groups())).strip()
    return (name, match.end()) if is_name(name) else None


def _label(cue: Cue) -> tuple[str, int] | None:
    return label_of(cue.lines[0]) if cue.lines else None


def _in_brackets(cue: Cue) -> tuple[str, int] | None:
    """A name in brackets without a colon behind it, `[Anna Weber] Guten Tag`."""
    match = _BRACKETED.match(cue.lines[0]) if cue.lines else None
    return (match[1].strip(), match.end()) if match and is_name(match[1].strip()) else None


def _speakers_in_brackets(labels: Sequence[tuple[str, int] | None]) -> frozenset[str]:
    """Names in brackets are speakers where most cues have one and full names come back; else they are sounds."""
    counts = Counter(label[0] for label in labels if label)
    most = sum(counts.values()) * 2 >= len(labels) >= _FEWEST and any(labels[:_SOON])
    return frozenset(counts if most and any(" " in name and count >= _FEWEST for name, count in counts.items()) else ())


def is_name(text: str) -> bool:
    """Whether the text looks like a person's name, a role or a label such as `Speaker 1`."""
    words = text.split()
    if not 1 <= len(words) <= _MAX_WORDS or not words[0][0].isupper():
        return False
    return all(
        word[0].isupper() or word[0].isdigit() or word in _PARTICLES or _TITLES.match(word) is not None
        for word in words
    ) and not any(word[-1] in ".!?,;" and not _TITLES.match(word) for word in words)


def _speakers(labels: Sequence[tuple[str, int] | None]) -> frozenset[str]:
    """Names that are speakers: there are any where they come soon and come back."""
    counts = Counter(label[0] for label in labels if label)
    again = {name for name, count in counts.items() if count >= _FEWEST}
    soon = any(labels[:_SOON])
    most = sum(counts.values()) * 2 >= len(labels) >= _FEWEST
    if not soon or not (again or most):
        return frozenset()
    return frozenset(name for name in counts if most or name in again or " " in name or not name.isalpha())


def _voices(cue: Cue) -> list[Cue]:
    """A cue for each voice in it: dashes on several lines, `>>`, and names at the beginning of a later line."""
    lines = cue.lines
    dashes = sum(line[:1] in "-–—" and _DASH.match(line) is not None for line in lines)
    if len(lines) == 1 and not lines[0].startswith(">>"):
        return [cue]
    if dashes < _FEWEST and not any(line.startswith(">>") or label_of(line) for line in lines):
        return [cue]
    parts: list[tuple[list[str], bool]] = []
    for line in lines:
        dash = _DASH.match(line) if dashes >= _FEWEST else None
        change = _CHANGE.match(line)
        new = bool(dash or change)
        text = line[dash.end() :] if dash else line[change.end() :] if change else line
        if new or not parts or label_of(text):
            parts.append(([text], new))
        else:
            parts[-1][0].append(text)
    return [
        cue._replace(lines=tuple(filter(None, texts)), new_turn=new or (cue.new_turn and place == 0))
        for place, (texts, new) in enumerate(parts)
        if any(texts)
    ]
