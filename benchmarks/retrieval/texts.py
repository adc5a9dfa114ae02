"""Texts of a corpus, enlarged: passages put together from its own sentences, and questions to ask of them.

A passage is a run of neighbouring sentences of one file with one sentence of another file in it. So words are as
frequent as in the corpus and stand together as there, and yet no two passages are alike.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

TEXT_ENDINGS = {".md", ".txt", ".vtt", ".srt"}
FILE_BYTES = 400_000
"""What is read of one file at most: enough of its words."""
PASSAGE_WORDS = 110
"""Words of a passage, about 160 tokens: the middle of what the chunker makes of prose."""

_NOISE = re.compile(r"^\s*(?:\d+|WEBVTT.*|[\d:.,]+\s*-->.*|\w+:\s.*|---|\+\+\+|!\[.*)\s*$", re.MULTILINE)
_MARKUP = re.compile(r"<[^>]{0,200}>|\]\([^)]{0,500}\)|https?://\S+|[*_`#|\[\]>]+|\d+:\d\d(?::\d\d)?")
_SENTENCE = re.compile(r"(?<=[.!?])\s+")
_GERMAN = frozenset("der die das und ist nicht ein eine zu mit auf für von dem den sich auch es wir".split())
_ENGLISH = frozenset("the and is not a an to with on for of it that this we you in are was be".split())


@dataclass(frozen=True)
class Source:
    """Sentences of one file, in order."""

    name: str
    language: str
    sentences: list[str]


@dataclass(frozen=True)
class Question:
    """A question and the language it is asked in."""

    text: str
    language: str


def sources(data: Path) -> list[Source]:
    """Every text of a folder that can be read as one, in order of its path."""
    found = []
    for path in sorted(path for path in data.rglob("*") if path.is_file()):
        if path.name == "SOURCES.md" or "hostile" in path.parts:
            continue
        if path.name == "corpus.jsonl":
            rows = (json.loads(line) for line in path.read_text(encoding="utf-8").splitlines())
            found += [_source(f"{path.parent.name}/{row['_id']}", row["text"]) for row in rows if row["text"]]
        elif path.suffix in TEXT_ENDINGS:
            text = path.read_bytes()[:FILE_BYTES].decode("utf-8", "replace")
            found.append(_source(str(path.relative_to(data)), _MARKUP.sub(" ", _NOISE.sub("", text))))
    kept = [source for source in found if source.sentences]
    if not kept:
        raise SystemExit(f"{data} holds no text to build an index from: pass --data DIR")
    return kept


def _source(name: str, text: str) -> Source:
    sentences = [" ".join(s.split()) for s in _SENTENCE.split(text)]
    words = text.casefold().split()[:2000]
    german = sum(word in _GERMAN for word in words) > sum(word in _ENGLISH for word in words)
    return Source(name, "de" if german else "en", [" ".join(s.split()[:60]) for s in sentences if len(s.split()) >= 4])


def questions(data: Path, found: list[Source], count: int, seed: int = 7) -> list[Question]:
    """Questions of the retrieval sets in turn; sentences of the corpus where it has no such sets."""
    draw = random.Random(seed)
    sets = []
    for path in sorted(data.rglob("queries.jsonl")):
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        texts = [Question(row["text"], (row.get("metadata") or {}).get("lang", "en")) for row in rows]
        draw.shuffle(texts)
        sets.append(texts)
    if not sets:
        sets = [[Question(draw.choice(s.sentences), s.language) for s in draw.choices(found, k=count)]]
    turns = [question for row in zip(*sets, strict=False) for question in row]
    while len(turns) < count:
        turns += turns
    return turns[:count]


def passages(found: list[Source], language: str, draw: random.Random) -> Iterator[str]:
    """Passages without end, of one file at a time and then of another."""
    own = [source for source in found if source.language == language] or found
    others = [sentence for source in own for sentence in source.sentences]
    while True:
        source = draw.choices(own, weights=[min(len(s.sentences), 200) for s in own])[0]
        for _ in range(10):
            start = draw.randrange(len(source.sentences))
            picked: list[str] = []
            words = 0
            while words < PASSAGE_WORDS * 0.85:
                place = start + len(picked)
                sentence = source.sentences[place] if place < len(source.sentences) else draw.choice(others)
                picked.append(sentence)
                words += len(sentence.split())
            picked.insert(draw.randrange(len(picked) + 1), draw.choice(others))
            yield " ".join(picked)
