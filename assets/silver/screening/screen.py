"""Screens a document: what in it speaks to the model instead of to people, and where."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from assets.silver.document import Document
from assets.silver.screening.encoded import DEPTH, decoded
from assets.silver.screening.lookalike import folded
from assets.silver.screening.rules import COMPACT, Kind, matches

SCREENER = "rules/3"
"""Changes whenever the same document would be judged differently."""

HARMLESS_WHEN_HIDDEN = frozenset({"comment", "link"})
"""Kinds of hidden text that ordinary documents hold in any length: they are flagged by what they say alone."""

MUCH_HIDDEN = 200
"""Characters of other hidden text from which it is worth a look, whatever it says: more than a label or a number."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that speaks to a model.

    Attributes:
        kind: way of attacking, one of `rules.KINDS`.
        rule: what matched; never text of the document.
        start, end: place in the document's text; None where it is in what people do not see.
    """

    kind: Kind
    rule: str
    start: int | None = None
    end: int | None = None


def screen(document: Document) -> tuple[Finding, ...]:
    """All findings in a document: in its text, in what its metadata and its speakers' names say, and what it hides.

    Args:
        document: as redacted, so that places are those of the text that is stored; its hidden texts are only read.

    Returns:
        Findings in order of place, hidden ones last; each rule once for each place.
    """
    found = list(_in_text(document.text))
    for line in _beside(document):
        found += [Finding(finding.kind, finding.rule) for finding in _in_text(line)]
    for hidden in document.hidden:
        found += [Finding("hidden", f"{hidden.kind}:{finding.rule}") for finding in _in_text(hidden.text)]
        if hidden.kind not in HARMLESS_WHEN_HIDDEN and len(hidden.text) >= MUCH_HIDDEN:
            found.append(Finding("hidden", hidden.kind))
    return tuple(sorted(set(found), key=_place))


def _beside(document: Document) -> Iterator[str]:
    """What stands beside the text: a runtime may show any of it to a model."""
    named = (document.title, document.url, document.part, *document.authors, *document.tags)
    speakers = dict.fromkeys(block.speaker for block in document.blocks)
    yield from (line for line in (*named, *speakers) if line)
    yield from _strings(document.extra)


def _strings(value: object) -> Iterator[str]:
    """All strings in a value of the kinds that JSON knows, keys of mappings included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        yield from (text for pair in value.items() for inner in pair for text in _strings(inner))
    elif isinstance(value, Iterable):
        yield from (text for inner in value for text in _strings(inner))


def _place(finding: Finding) -> tuple[bool, int, int, str]:
    return finding.start is None, finding.start or 0, finding.end or 0, finding.rule


def _in_text(text: str, depth: int = DEPTH) -> Iterator[Finding]:
    for rule, start, end in matches(text):
        yield Finding(rule.kind, rule.name, start, end)
    if plain := folded(text):
        for rule, start, end in matches(plain.text):
            yield Finding(rule.kind, rule.name, *plain.origin(start, end))
    if not depth:
        return
    for run in decoded(text):
        inner = COMPACT.search(run.meaning) if run.compact else next(_in_text(run.meaning, depth - 1), None)
        if inner:
            name = "spaced_letters" if run.compact else "encoded_text"
            yield Finding("encoded", name, run.start, run.end)
