"""Labelled tweets and reports, in the files their authors publish, that the recognizers of names are also trained on.

`data/SOURCES.md` names repository, commit and licence of each. Texts that stand in what names are measured on are left
out: MobIE's test part, SmartData's third version's dev and test parts, half of xLiMe's German tweets.
"""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from assets.silver.pii.names_de import words_of
from assets.silver.pii.train_data_de import Sentence, names_without_label, recut

SHA256 = {
    "mobie/train.conll2003": "87ba62335010601a2f7941ae758bc7917bf30c741564d5a38d8848743eaa2638",
    "mobie/test.conll2003": "e9d533692596e6159118f8c273e241554a980fafda5df3a26c9ae6a4f824815e",
    "smartdata/train.json.gz": "97e4550fd45a7b7d6b624694016df17608e677647beeee5684d91b9e88fb0f04",
    "smartdata/test.json.gz": "7cd730beb5a0bde66f71317b2862b8224107dcf6adb0acf3487905a21e3e1937",
    "smartdata/v3_dev.json.gz": "440c4ee02dc5d638d08288aeafa8a88cbb214ab1a97f314e9bbc4c46138bb58f",
    "smartdata/v3_test.json.gz": "0317e79ef66f0b45bdb2e6572e97f345078d0a3ec644f2d20f7c72c681231d54",
    "xlime/german_ner.txt": "b3d10d8b47d74bfc40733f0fdf67465c2dc9286b65606a725ca7b415c6630991",
    "btc/btc.train": "2117732e744d8f1692786c7ebb919c52dadd406f082b43fe1e625a51f2cadd0f",
    "wnut17/wnut17train.conll": "731820e13f71af324c6b55a1575ec2ce59fbaa2a0806f8f0400b98d56cd6a7a5",
}
"""Files in the folder of public sets."""

_TAGS = {
    **dict.fromkeys(("person", "per"), "PER"),
    **dict.fromkeys(("location", "loc"), "LOC"),
    **dict.fromkeys(("organization", "org", "corporation", "group"), "ORG"),
}

_BLANKED = {"TURLURL": "https://t.co/abc", "TUSERUSER": "@somebody"}
"""What xLiMe has in place of addresses and handles, as they are written."""


def german(folder: Path) -> dict[str, list[Sentence]]:
    """German sentences of each set; those that name somebody without a label are left out."""
    held_out = {_letters(words) for words, _ in _documents(_checked(folder, "mobie/test.conll2003"))}
    for part in ("v3_dev", "v3_test"):
        for document in _json_documents(_checked(folder, f"smartdata/{part}.json.gz")):
            held_out.add(_letters([document["text"]]))
    found = {
        "mobie": _documents(_checked(folder, "mobie/train.conll2003")),
        "smartdata": [
            stretch
            for part in ("train", "test")
            for document in _json_documents(_checked(folder, f"smartdata/{part}.json.gz"))
            if _letters([document["text"]]) not in held_out
            for stretch in _stretches(document)
        ],
        "xlime": (
            ([_BLANKED.get(word, word) for word in words], tags)
            for words, tags in _columns(_checked(folder, "xlime/german_ner.txt"), " ")
            if hashlib.sha256(" ".join(words).encode()).digest()[0] % 2
        ),
    }
    return {
        name: [
            sentence
            for words, tags in sentences
            if name == "smartdata" or _letters(words) not in held_out
            for sentence in [_labelled(words, tags)]
            if not names_without_label(*sentence)
        ]
        for name, sentences in found.items()
    }


def english(folder: Path) -> dict[str, list[Sentence]]:
    """English sentences of each set. Handles are nobody's name: it is their accounts that the sets label."""
    return {
        name: [_labelled(*_without_handles(words, tags)) for words, tags in _columns(_checked(folder, file), "\t")]
        for name, file in (("btc", "btc/btc.train"), ("wnut17", "wnut17/wnut17train.conll"))
    }


def _checked(folder: Path, name: str) -> bytes:
    """The file's bytes.

    Raises:
        SystemExit: it is another file than the one the shipped models were trained on.
    """
    raw = (folder / name).read_bytes()
    if hashlib.sha256(raw).hexdigest() != SHA256[name]:
        raise SystemExit(f"{name} is not the file that data/SOURCES.md names")
    return raw


def _columns(raw: bytes, separator: str) -> Iterator[tuple[list[str], list[str]]]:
    """Words and tags of files with a word a line, the tag behind it, and an empty line between texts."""
    words: list[str] = []
    tags: list[str] = []
    for line in [*raw.decode().split("\n"), ""]:
        parts = line.rstrip("\r").split(separator)
        if len(parts) > 1 and parts[0]:
            words.append(parts[0])
            tags.append(parts[-1])
        elif words:
            yield words, tags
            words, tags = [], []


def _documents(raw: bytes) -> Iterator[tuple[list[str], list[str]]]:
    """Words and tags of each document of MobIE, all its sentences together."""
    for document in raw.decode().split("-DOCSTART-")[1:]:
        rows = [line.split() for line in document.split("\n")[1:] if line.strip()]
        if rows:
            yield [row[0] for row in rows], [row[3] for row in rows]


def _json_documents(raw: bytes) -> Iterator[dict[str, Any]]:
    """Documents of SmartData: one JSON value behind the other, each text and list in a wrapper in the first version."""
    text, decoder, at = gzip.decompress(raw).decode().strip(), json.JSONDecoder(), 0
    while at < len(text):
        document, at = decoder.raw_decode(text, at)
        while at < len(text) and text[at].isspace():
            at += 1
        for key in ("text", "conceptMentions"):
            if isinstance(document[key], dict):
                document[key] = next(iter(document[key].values()))
        if document["text"]:
            yield document


def _stretches(document: dict[str, Any]) -> Iterator[tuple[list[str], list[str]]]:
    spans = [(s["span"]["start"], s["span"]["end"], s["type"]) for s in document["conceptMentions"] or ()]
    for stretch in words_of(document["text"]):
        tags = []
        for word in stretch:
            start, kind = next(((a, k) for a, b, k in spans if a < word.end and word.start < b), (-1, ""))
            tags.append(f"{'B' if word.start <= start else 'I'}-{kind}" if kind else "O")
        yield [word.text for word in stretch], tags


def _without_handles(words: list[str], tags: list[str]) -> tuple[list[str], list[str]]:
    handles = {at for at, word in enumerate(words) if word.startswith("@")}
    handles |= {at + 1 for at in handles if words[at] == "@"}
    return words, ["O" if at in handles else tag for at, tag in enumerate(tags)]


def _labelled(words: list[str], tags: list[str]) -> Sentence:
    """Words and labels as the recognizer cuts them; a mark beside a name (`#Name`) is no part of it."""
    kinds = [_kind(tag) for tag in tags]
    cut, labels = recut(words, kinds)
    for at, word in enumerate(cut):
        if labels[at] in ("B", "I") and not any(map(str.isalnum, word)):
            labels[at] = "O"
        if labels[at] == "I" and (at == 0 or labels[at - 1] not in ("B", "I")):
            labels[at] = "B"
    return cut, labels


def _kind(tag: str) -> str:
    """The tag in the form that `recut` reads; in sets without `B-` and `I-` every word of a name is marked alike."""
    begins, name = (tag[0], tag[2:]) if tag[1:2] == "-" else ("I", tag)
    kind = _TAGS.get(name.lower().replace("_", "-").partition("-")[0])
    return f"{begins}-{kind}" if kind else "O"


def _letters(words: Iterable[str]) -> str:
    return "".join(filter(str.isalnum, "".join(words))).lower()
