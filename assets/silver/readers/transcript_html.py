"""Reads transcripts in HTML as Podcasting 2.0 has them: `<cite>` names the speaker, `<time>` the start, `<p>` holds
what is said.
"""

from __future__ import annotations

import re
from operator import gt
from typing import TYPE_CHECKING

from assets.silver.document import Document
from assets.silver.language import language_code
from assets.silver.limits import DEFAULT_LIMITS, Limits
from assets.silver.metadata import Metadata
from assets.silver.normalise import one_line
from assets.silver.readers import html_tree
from assets.silver.readers.clock import CLOCK, seconds
from assets.silver.readers.passages import Passage, cues_from
from assets.silver.readers.transcript import document_of
from assets.silver.refusal import RefusedError

if TYPE_CHECKING:
    from lxml.html import HtmlElement

READER = "transcript-html/2"

_SEARCHED = 200_000
_FEWEST = 2
_MOST_BACKWARDS = 0.1
_TIME = re.compile(
    rf"<time\b[^>]*>\s*[\[(]?({CLOCK})[\])]?\s*</time>(\s*(?:</?(?!p\b)[^<>]*>\s*){{0,4}}<p\b)?",
    re.IGNORECASE | re.ASCII,
)
"""A time, and whether a paragraph follows."""
_PARAGRAPH = re.compile(r"<p\b", re.IGNORECASE)


def shows(text: str) -> bool:
    """Whether times of a recording stand before most paragraphs of a page, in order; those of a day's news do not."""
    if not text.startswith("<"):
        return False
    sample = text[:_SEARCHED]
    found = _TIME.findall(sample)
    if len(found) < _FEWEST or 2 * len(found) < len(_PARAGRAPH.findall(sample)):
        return False
    times = [seconds(clock) or 0.0 for clock, _ in found]
    backwards = sum(map(gt, times, times[1:]))
    return 2 * sum(bool(behind) for _, behind in found) >= len(found) and backwards <= _MOST_BACKWARDS * len(times)


def read(text: str, limits: Limits = DEFAULT_LIMITS) -> Document:
    """A transcript in HTML.

    Args:
        text: the whole file.

    Raises:
        RefusedError: `malformed` when no paragraph follows a time, `too_many_cues`, `nested_too_deep`.
    """
    root = html_tree.parse(text, limits.nesting)
    passages: list[Passage] = []
    speaker: str | None = None
    changed = False
    start: float | None = None
    for element in root.iter("cite", "time", "p"):
        said = one_line(element.text_content())
        if element.tag == "cite":
            speaker, changed = said.rstrip(": ") or None, True
        elif element.tag == "time":
            start = seconds(said.strip("[]() ")) if said else None
        elif said and start is not None and not any(parent.tag == "p" for parent in element.iterancestors()):
            if changed or not passages or passages[-1].start != start:
                passages.append(Passage(start, None, (said,), speaker, changed))
            else:
                passages[-1] = passages[-1]._replace(lines=(*passages[-1].lines, said))
            changed = False
        if len(passages) > limits.cues:
            raise RefusedError("too_many_cues", f"more than {limits.cues} paragraphs")
    if not passages:
        raise RefusedError("malformed", "no paragraph follows a time")
    document = document_of(cues_from(passages), READER, limits=limits)
    return Metadata(title=_title(root), language=language_code(root.get("lang") or "")).over(document)


def _title(root: HtmlElement) -> str | None:
    return next((one_line(element.text_content()) or None for element in root.iter("title")), None)
