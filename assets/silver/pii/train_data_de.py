"""Labelled German sentences that the recognizer of names is trained on, in words as the recognizer cuts them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from assets.silver.pii.names_de import WORD, words_of
from assets.silver.pii.person import is_first_name

Sentence = tuple[list[str], list[str]]
"""Words and their labels."""

TAGGED = ("train_de/germeval*.jsonl", "train_de/enp_sbb.jsonl")
"""Files of `{"tokens", "tags"}` lines. The other old newspapers (LFT, ONB) cost time and gained nothing."""

SPANNED = ("mobie*.jsonl",)
"""Files of `{"text", "spans"}` lines."""

_TAGS = {"PER": "P", "LOC": "L", "ORG": "G", "OTH": "X"}
_SPANS = {"person": "P", "location": "L", "organization": "G"}


def sentences(folder: Path, folds: int = 0, fold: int = 0, *, held_out: bool = False) -> dict[str, list[Sentence]]:
    """Sentences of each file.

    Args:
        folds: parts that lines are dealt to by the hash of file and number; 0 for everything.
        held_out: the sentences of the part `fold`, otherwise those of the others.
    """
    found: dict[str, list[Sentence]] = {}
    for patterns, read in ((TAGGED, _tagged), (SPANNED, _spanned)):
        for file in (file for pattern in patterns for file in sorted(folder.glob(pattern))):
            found[file.name] = [
                sentence
                for number, line in enumerate(file.read_text(encoding="utf-8").splitlines())
                if not folds or (_part(f"{file.name}{number}", folds) == fold) == held_out
                for sentence in read(line)
                if held_out or read is _tagged or not names_without_label(*sentence)
            ]
    return found


def _part(name: str, folds: int) -> int:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") % folds


def _tagged(line: str) -> Iterator[Sentence]:
    row = json.loads(line)
    sentence = recut(row["tokens"], row["tags"])
    if sentence[0]:
        yield sentence


def recut(tokens: Sequence[str], tags: Sequence[str]) -> Sentence:
    """Words and labels of a sentence whose tokens were cut by other rules."""
    words: list[str] = []
    labels: list[str] = []
    for token, tag in zip(tokens, tags, strict=True):
        begins, _, name = tag.partition("-")
        for index, part in enumerate(WORD.findall(token)):
            kind = _TAGS.get(name, "O")
            words.append(part)
            labels.append(("B" if begins == "B" and index == 0 else "I") if kind == "P" else kind)
    return words, labels


def _spanned(line: str) -> Iterator[Sentence]:
    """Stretches of a text; a mark in a name (`@SibylleBerg` is one word) stays outside."""
    row = json.loads(line)
    kinds = [(s["start"], s["end"], _SPANS.get(s["label"].partition("-")[0], "O")) for s in row["spans"]]
    for stretch in words_of(row["text"]):
        labels: list[str] = []
        for word in stretch:
            kind = next((kind for start, end, kind in kinds if start < word.end and word.start < end), "O")
            if kind == "P":
                before = labels[-1] if labels else "O"
                kind = "O" if not any(c.isalnum() for c in word.text) else "I" if before in "BI" else "B"
            labels.append(kind)
        yield [word.text for word in stretch], labels


def names_without_label(words: Iterable[str], labels: Iterable[str]) -> bool:
    """Whether somebody is named whom nobody labelled: it would teach that names are none."""
    return any(
        label == "O" and word[:1].isupper() and is_first_name(word) for word, label in zip(words, labels, strict=True)
    )
