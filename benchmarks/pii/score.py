"""Recall and precision of what redaction finds.

A value counts as found where spans cover nine tenths of its characters, whatever their type but for people: what matters is
that it is gone. What is found counts as right where some labelled span, of any mapped type, touches it. People are
counted by words, because that is how the field compares recognizers of names.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from assets.silver.pii.extra import load_extra
from assets.silver.pii.span import Span
from assets.silver.redact import RECOGNIZERS, spans_of
from benchmarks.pii.labels import WIDER, type_of

SHIPPED = load_extra()
"""What runs beside our recognizers without any setting."""

PERSON = "PERSON"
COVERED = 0.9
_WORD = re.compile(r"[^\W_]+")


@dataclass(frozen=True)
class Example:
    """A text with labelled spans: (start, end, label)."""

    id: str
    language: str
    text: str
    spans: tuple[tuple[int, int, str], ...]


@dataclass
class Score:
    """Counts for one type: values (or words) there are, that were found, that were marked, that were marked rightly."""

    wanted: int = 0
    found: int = 0
    marked: int = 0
    right: int = 0

    @property
    def recall(self) -> float:
        """Share of what is there that is found; 1 where nothing is there."""
        return self.found / self.wanted if self.wanted else 1.0

    @property
    def precision(self) -> float:
        """Share of what is marked that is there; 1 where nothing is marked."""
        return self.right / self.marked if self.marked else 1.0


@dataclass
class Scores:
    """Scores by type, unknown labels with their numbers, and some of the mistakes for whoever looks into them."""

    by_type: dict[str, Score] = field(default_factory=dict)
    unknown: Counter[str] = field(default_factory=Counter)
    mistakes: list[str] = field(default_factory=list)

    def of(self, name: str) -> Score:
        """The score of a type."""
        return self.by_type.setdefault(name, Score())


def score(examples: Iterable[Example], scores: Scores | None = None, *, suffix: bool = True) -> Scores:
    """Compare what one pass finds with the labels.

    Args:
        suffix: people are counted by language, as `PERSON_de`.
    """
    scores = scores or Scores()
    for example in examples:
        found = spans_of(example.text, example.language, (*RECOGNIZERS, *SHIPPED.recognizers))
        gold = []
        for start, end, label in example.spans:
            kind, known = type_of(label)
            if not known:
                scores.unknown[label] += 1
            if kind is not None:
                gold.append((start, end, kind))
        people = f"{PERSON}_{example.language}" if suffix else PERSON
        _score_people(example, found, gold, scores, people)
        _score_values(example, found, gold, scores)
    return scores


def _score_values(
    example: Example, found: Sequence[Span], gold: Sequence[tuple[int, int, str]], scores: Scores
) -> None:
    for start, end, kind in gold:
        if kind == PERSON:
            continue
        covered = sum(max(0, min(end, span.end) - max(start, span.start)) for span in found)
        scores.of(kind).wanted += 1
        if covered >= COVERED * (end - start):
            scores.of(kind).found += 1
        else:
            scores.mistakes.append(f"- {kind}: {_around(example.text, start, end)}")
    for span in found:
        if span.type == PERSON:
            continue
        right = any(start < span.end and span.start < end for start, end, _ in gold)
        if not right and _is_debatable(example, span):
            continue
        scores.of(span.type).marked += 1
        scores.of(span.type).right += right
        if not right:
            scores.mistakes.append(f"+ {span.type}: {_around(example.text, span.start, span.end)}")


def _is_debatable(example: Example, span: Span) -> bool:
    """Whether the data set has a wider label there: a date of birth is a date, and an address holds a town."""
    labels = {label.upper() for start, end, label in example.spans if start < span.end and span.start < end}
    return bool(labels & WIDER.get(span.type, frozenset()))


def _score_people(
    example: Example, found: Sequence[Span], gold: Sequence[tuple[int, int, str]], scores: Scores, name: str
) -> None:
    here = scores.of(name)
    for word in _WORD.finditer(example.text):
        wanted = any(kind == PERSON and start < word.end() and word.start() < end for start, end, kind in gold)
        marked = any(
            span.start < word.end() and word.start() < span.end and (span.type == PERSON or wanted) for span in found
        )
        here.wanted += wanted
        here.found += wanted and marked
        here.marked += marked
        here.right += wanted and marked
        if wanted != marked:
            scores.mistakes.append(
                f"{'-' if wanted else '+'} {name}: {_around(example.text, word.start(), word.end())}"
            )


def _around(text: str, start: int, end: int) -> str:
    return f"{text[max(0, start - 30) : start]}[{text[start:end]}]{text[end : end + 20]}".replace("\n", " ")
