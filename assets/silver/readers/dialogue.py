"""Who speaks in a written conversation whose paragraphs begin with plain names: `Anna Weber: …`, `Speaker 1: …`.

Names before a colon are also how people write forms and lists of properties, so a conversation must look like one.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from assets.silver.readers.speakers import label_of

_SAMPLE = 60_000
_FEWEST = 6
_AGAIN = 3.0
"""How often a name comes on average, at least."""
_SHARE = 0.3
"""Of the paragraphs, how many begin with a name; one that stands alone counts with the paragraph below it."""
_SURE = 0.5
"""Of those names, how many are full ones or numbered."""
_SPOKEN, _SURELY_SPOKEN = 0.25, 0.5
"""Of what is said, how much sounds spoken: where names are sure, and where they are single words."""

_PARAGRAPH = re.compile(r"\n[ \t]*\n\s*")
_NUMBERED = re.compile(
    r"(?:speaker|sprecher(?:in)?|person|interviewer(?:in)?|moderator(?:in)?|host|guest|gast|teilnehmer(?:in)?)"
    r"[ _-]?\w{0,3}",
    re.IGNORECASE,
)
_MOST_OTHERS = 0.1
_NEVER = frozenset(
    "q a f question answer frage antwort note hinweis tip tipp achtung warning warnung example beispiel todo ps nb edit"
    " update problem solution lösung ursache cause result ergebnis topic thema date datum location ort name".split()
)
"""What begins a paragraph with a colon and is nobody's name; where it comes often, nothing is a conversation."""
_SOUNDS_SPOKEN = re.compile(
    r"\b(?:I|you|yeah|yes|okay|ich|mir|mich|du|dir|dich|ihr|euch|ja|nein|genau)\b"
    r"|\?\s*\Z"
)


def speakers_of(text: str) -> frozenset[str]:
    """Names that begin paragraphs of a conversation; empty where the text is none.

    Args:
        text: without front matter, `\\n` line breaks.
        known: people whom the metadata names.
    """
    said = list(_paragraphs(text[:_SAMPLE]))
    labels = Counter(label for label, _ in said if label is not None)
    again = {label: times for label, times in labels.items() if times > 1}
    count = sum(again.values())
    if count < _FEWEST or count < _AGAIN * len(again) or len(again) < 2 or count < _SHARE * len(said):
        return frozenset()
    if sum(times for label, times in again.items() if label.casefold() in _NEVER) > _MOST_OTHERS * count:
        return frozenset()
    sure = sum(times for label, times in again.items() if " " in label or _NUMBERED.fullmatch(label) is not None)
    spoken = sum(_SOUNDS_SPOKEN.search(rest) is not None for label, rest in said if label in again)
    least = _SPOKEN if sure >= _SURE * count else _SURELY_SPOKEN
    if spoken < least * count:
        return frozenset()
    return frozenset(label for label in labels if (label in again or " " in label) and label.casefold() not in _NEVER)


def _paragraphs(text: str) -> Iterator[tuple[str | None, str]]:
    """Label and text of each paragraph, headings aside; a label that stands alone has the text below it."""
    alone: str | None = None
    for paragraph in _PARAGRAPH.split(text.strip()):
        if paragraph.startswith("#"):
            continue
        found = label_of(paragraph) if alone is None else None
        if found is not None and not paragraph[found[1] :].strip():
            alone = found[0]
            continue
        label, end = found or (alone, 0)
        alone = None
        yield label, paragraph[end:]
