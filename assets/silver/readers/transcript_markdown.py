"""Reads transcripts in Markdown: paragraphs that begin with a speaker in bold, `**Anna Weber:** …`, or a plain name
where that sounds like a conversation, and with times here and there, `\\[12:34]`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from assets.silver.document import BlockKind, Document, Hidden
from assets.silver.limits import DEFAULT_LIMITS, Limits
from assets.silver.metadata import metadata_from
from assets.silver.normalise import DocumentBuilder, one_line
from assets.silver.readers import dialogue, markdown, transcript_text
from assets.silver.readers.clock import CLOCK, seconds
from assets.silver.readers.front_matter import split, without
from assets.silver.readers.speakers import label_of
from assets.silver.readers.timeline import Anchor, Timeline
from assets.silver.refusal import RefusedError

if TYPE_CHECKING:
    from markdown_it.token import Token

READER = "transcript-markdown/4"

_SAMPLE = 60_000
_FEWEST = 3
_AGAIN = 1.5
"""How often a label comes on average, at least: speakers come back, `Note:` and `Tip:` less so."""
_SHARE = 0.3
"""Of the paragraphs, how many begin with a label."""

_LABELLED = re.compile(
    r"^[ ]{0,3}(?:\\?\[[\d:.,]+\\?\][ \t]*)?(?:\*\*|__)(?P<name>[^\s*_](?:[^*_\n]|_(?!_)){0,59}?)[ \t]*"
    r"(?::[ \t]*(?:\*\*|__)|(?:\*\*|__)[ \t]*(?:\\?[\[(][\d:.,]+\\?[\])][ \t]*)?:)",
    re.M,
)
_PARAGRAPH = re.compile(r"(?:\A|\n[ \t]*\n)[ \t]*(?=\S)")
_BRACKETED_FIRST = re.compile(rf"\s*[\[(]({CLOCK})[\])][ \t]*[:–—-]?[ \t]*", re.ASCII)
_BARE_FIRST = re.compile(rf"\s*({CLOCK})(?=\s)[ \t]*", re.ASCII)
_COLON_AFTER = re.compile(r"[ \t]*(?:[\[(][\d:.,]+[\])][ \t]*)?:")
_STAMP_WITHIN = re.compile(rf"[\[(](?:[^\[\]()\n]{{0,40}}[ \t])?({CLOCK})[\])]", re.ASCII)
_STAMP_IN_LABEL = re.compile(rf"[ \t]*[\[(]?({CLOCK})[\])]?[ \t]*", re.ASCII)


@dataclass(frozen=True, slots=True)
class _Said:
    """A block with what is known of it; `at` counts the characters said before it."""

    kind: BlockKind
    text: str
    level: int | None
    speaker: str | None
    at: int


def shows(text: str) -> bool:
    """Whether speakers in bold begin the paragraphs of a Markdown text, or times its lines, front matter aside."""
    behind = without(text)
    body = behind[:_SAMPLE]
    labels = Counter(map(one_line, _LABELLED.findall(body)))
    count = sum(labels.values())
    if count >= _FEWEST and count >= _AGAIN * len(labels):
        return count >= _SHARE * len(_PARAGRAPH.findall(body))
    if behind is not text and transcript_text.shows(body.lstrip("\n")):
        return True
    return ":" in body and bool(dialogue.speakers_of(body)) and not transcript_text.shows(body.lstrip("\n"))


def read(text: str, limits: Limits = DEFAULT_LIMITS) -> Document:
    """A transcript in Markdown.

    Args:
        text: the whole file with clean characters and `\\n` line breaks.

    Raises:
        RefusedError: `malformed` when the front matter cannot be understood, `too_many_cues`.
    """
    head, body = split(text)
    builder = DocumentBuilder()
    hidden: list[Hidden] = []
    notes: tuple[str, ...] = ()
    if _LABELLED.search(body):
        notes = _add_labelled(builder, body, hidden, limits)
    elif transcript_text.shows(body[:_SAMPLE].lstrip("\n")) or not (names := dialogue.speakers_of(body)):
        transcript_text.add_passages(builder, body, limits)
    else:
        notes = _add_labelled(builder, body, hidden, limits, names)
    return metadata_from(head).over(builder.build(READER, notes=notes, hidden=tuple(hidden)))


def _add_labelled(
    builder: DocumentBuilder, body: str, hidden: list[Hidden], limits: Limits, names: frozenset[str] = frozenset()
) -> tuple[str, ...]:
    """Append paragraphs as turns of the speakers in bold, or of those whose plain names are given."""
    said: list[_Said] = []
    anchors: list[Anchor] = []
    speaker: str | None = None
    at = 0
    for block in markdown.blocks(body, hidden):
        text = block.text
        if block.kind == "heading":
            speaker = None
        elif block.inline is not None:
            name, text, stamp = _plainly_labelled(text, names) if names else _labelled(block.inline)
            speaker = name or speaker
            if stamp is not None:
                anchors.append(Anchor(at, stamp))
            anchors += _anchors_within(text, at)
        if block.kind in ("paragraph", "list") and text.strip():
            said.append(_Said("turn" if speaker else block.kind, text, block.level, speaker, at))
            at += len(text)
        elif text.strip():
            said.append(_Said(block.kind, text, block.level, None, at))
        if len(said) > limits.cues:
            raise RefusedError("too_many_cues", f"more than {limits.cues} paragraphs")
    return _add_timed(builder, said, Timeline(anchors))


def _add_timed(builder: DocumentBuilder, said: Sequence[_Said], timeline: Timeline) -> tuple[str, ...]:
    for part in said:
        if part.speaker is None or not timeline:
            builder.add(part.kind, part.text, level=part.level, speaker=part.speaker)
            continue
        start = timeline.start(part.at)
        end = max(start, timeline.end(part.at + len(part.text)))
        builder.add(part.kind, part.text, speaker=part.speaker, start_s=start, end_s=end)
    if not timeline:
        return ()
    notes = ["times between those that the text names are estimated"]
    if timeline.dropped:
        notes.append(f"{timeline.dropped} times that go backwards were ignored")
    return tuple(notes)


def _plainly_labelled(text: str, names: frozenset[str]) -> tuple[str | None, str, float | None]:
    """Speaker, text and time of a paragraph that begins with one of these names."""
    found = label_of(text)
    if found is None or found[0] not in names:
        return None, text, None
    said = text[found[1] :]
    stamp = _BRACKETED_FIRST.match(said) or _BARE_FIRST.match(said)
    return found[0], said[stamp.end() :] if stamp else said, seconds(stamp[1]) if stamp else None


def _labelled(token: Token) -> tuple[str | None, str, float | None]:
    """Speaker, text and time of a paragraph, as far as it begins with them."""
    hidden: list[Hidden] = []  # what the block has is known already
    children = token.children or []
    first = next((place for place, child in enumerate(children) if child.type != "text" or child.content.strip()), 0)
    before = ""
    if children and children[first].type == "text" and (stamp := _BRACKETED_FIRST.fullmatch(children[first].content)):
        before = stamp[1]
        first += 1
        while first < len(children) and children[first].type == "text" and not children[first].content:
            first += 1
    name, after = _bold_label(children, first)
    if name is None:
        text = markdown.inline_text(token, hidden)
        stamp = _BRACKETED_FIRST.match(text)
        return None, text[stamp.end() :] if stamp else text, seconds(stamp[1]) if stamp else None
    text = markdown.inline_text(token, hidden, skip=after)
    if not name.endswith(":") and _COLON_AFTER.match(text) is None:
        return None, markdown.inline_text(token, hidden), None
    name = name.rstrip(": ")
    inside = _STAMP_IN_LABEL.search(name)
    if inside:
        name = (name[: inside.start()] + " " + name[inside.end() :]).strip(" :")
    stamp = _BRACKETED_FIRST.match(text) or _BARE_FIRST.match(text)
    if stamp:
        text = text[stamp.end() :]
    clock = before or (inside[1] if inside else "") or (stamp[1] if stamp else "")
    return one_line(name) or None, text.lstrip(": \t"), seconds(clock) if clock else None


def _bold_label(children: Sequence[Token], first: int) -> tuple[str | None, int]:
    """Text of the bold words at the beginning, and the number of the child that follows them."""
    if first >= len(children) or children[first].type != "strong_open":
        return None, first
    parts: list[str] = []
    for place in range(first + 1, len(children)):
        child = children[place]
        if child.type == "strong_close":
            name = "".join(parts).strip()
            return (name, place + 1) if 0 < len(name) <= 80 else (None, first)
        parts.append(child.content)
    return None, first


def _anchors_within(text: str, at: int) -> list[Anchor]:
    """Times in brackets within a paragraph, `[unintelligible 00:03:11]`: they too say where in the recording it is."""
    return [
        Anchor(at + match.start(), time)
        for match in _STAMP_WITHIN.finditer(text)
        if (time := seconds(match[1])) is not None
    ]
