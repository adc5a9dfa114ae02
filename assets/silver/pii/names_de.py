"""Names of people in German text: a linear-chain CRF over words, their shapes, endings, neighbours and name lists.

Trained with CRFsuite by `assets.silver.pii.train_names_de`; decoded here with numpy. A feature belongs to one word, or
to a pair or triple of neighbours' kinds, so the scores of a word are computed once and looked up afterwards.
"""

from __future__ import annotations

import functools
import itertools
import json
import lzma
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from assets.silver.pii.lexicon import is_name, lexicon

FILE = Path(__file__).parent / "data" / "names_de.xz"

LABELS = ("O", "B", "I", "L", "G", "X")
"""Outside, first and further words of a person, place, organisation, other name."""

REACH = 2
"""Words on either side whose own features count."""

SEGMENT_WORDS = 64
"""Longest stretch that is decoded in one piece."""

TABLE_WORDS = 150_000
"""Different words whose scores are remembered."""

SCALE = 512.0
"""Stored weights are whole numbers of 1/512."""

WORD = re.compile(r"https?://\S+|www\.\S+|@\w+|\0+|[^\W\d_]+(?:['’-][^\W\d_]+)*|\d+|[^\w\s]|_")
"""Words, numbers and marks; web addresses, handles and what is blotted out are one word each."""
_KINDS = 1 << 13
"""More than there are kinds of words; four of them and their order fit into 64 bits."""

_OUTSIDE = ""
"""Stands for what is before the first and behind the last word."""

_TITLES = frozenset(
    "herr herrn hr frau fr fräulein dr drs prof professor professorin dipl ing mag med phil jur rer nat habil mr mrs ms"
    " miss sir lord lady don doktor pfarrer pater papst könig königin kaiser prinz prinzessin graf gräfin freiherr"
    " baron herzog fürst".split()
)
_PARTICLES = frozenset(
    "von van de del della di da dos du der den zu zur zum ten ter vom la le el al bin ibn ben mac mc st".split()
)
_ENDS = frozenset(".!?:;\n")
_SENTENCE_ENDS = frozenset(".!?")

Range = tuple[int, int]


class Word(NamedTuple):
    """A word of a text, `text[start:end]`."""

    start: int
    end: int
    text: str


@functools.lru_cache(maxsize=TABLE_WORDS)
def kind(word: str, *, listed: bool = True) -> str:
    """Coarse class of a word: shape, title or particle, and the name lists it is in.

    Args:
        listed: look the word up; training leaves some out, so that the model can do without.
    """
    if not word:
        return "END"
    if not word[0].isalnum():
        return "." if word in _ENDS else "@a" if len(word) > 1 and word[0] == "@" else word[0]
    if "/" in word or word.startswith("www."):
        return "URL"
    if word[0].isdigit():
        return f"d{min(len(word), 5)}"
    lower = word.lower()
    shape = _shape(word)
    if lower in _PARTICLES:
        return f"P{shape}"
    if lower in _TITLES:
        return f"T{shape}"
    if not listed or shape == "x":
        return shape
    lists = lexicon()
    flags = (
        "f" * is_name(lower, lists.first_names)
        + "s" * is_name(lower, lists.surnames)
        + "n" * lists.is_noun(lower)
        + "t" * (is_name(lower, lists.towns) or lower in lists.places)
        + "c" * (lower in lists.small)
    )
    return f"{shape}{flags}"


def _shape(word: str) -> str:
    parts = word.split("-") if "-" in word else [word]
    return "-".join(dict.fromkeys(map(_part_shape, parts)))


def _part_shape(part: str) -> str:
    if part.islower():
        return "x"
    if len(part) == 1:
        return "X"
    if part.isupper():
        return "XX"
    return "Xx" if part[0].isupper() and part[1:].islower() else "xX"


@functools.lru_cache(maxsize=TABLE_WORDS)
def own_features(word: str, *, listed: bool = True) -> tuple[tuple[str, ...], ...]:
    """Features of a word for the places -2 to +2 from it."""
    lower = word.lower()
    word_kind = kind(word, listed=listed)
    group = lexicon().group(word) if word[:1].isalpha() else None
    places = []
    for offset in range(-REACH, REACH + 1):
        features = [f"{offset}w{lower}", f"{offset}k{word_kind}"]
        if group is not None:
            features += (
                [f"{offset}g{group[1]}"] if abs(offset) > 1 else [f"{offset}g{group[1]}", f"{offset}G{group[0]}"]
            )
        if offset == 0 and word[:1].isalpha():
            features += [f"p{lower[:2]}", f"p{lower[:3]}", f"p{lower[:4]}"]
            features += [f"s{lower[-size:]}" for size in (1, 2, 3, 4, 5)]
        elif abs(offset) == 1 and word[:1].isalpha():
            features.append(f"{offset}s{lower[-3:]}")
        places.append(tuple(features))
    return tuple(places)


def _bases(word: str, word_kind: str) -> list[str]:
    """What the features of `own_features` are about, each once for all places."""
    lower = word.lower()
    bases = [f"w{lower}", f"k{word_kind}"]
    if word[:1].isalpha():
        group = lexicon().group(word)
        if group is not None:
            bases += [f"g{group[1]}", f"G{group[0]}"]
        bases += [f"p{lower[:2]}", f"p{lower[:3]}", f"p{lower[:4]}", f"e{lower[-3:]}"]
        bases += [f"s{lower[-size:]}" for size in (1, 2, 3, 4, 5)]
    return bases


_PLACED = re.compile(r"(-?[0-9])([wkgGs])(.*)", re.DOTALL)


def _place(feature: str) -> tuple[str, int] | None:
    """Base and place of a feature of one word; None for those of several. An ending beside a name is `e`."""
    placed = _PLACED.fullmatch(feature)
    if placed is not None:
        return f"{'e' if placed[2] == 's' else placed[2]}{placed[3]}", int(placed[1]) + REACH
    return (feature, REACH) if feature[0] in "ps" else None


def joint_features(before: str, at: str, after: str, after_next: str, word_before: str, word_after: str) -> list[str]:
    """Features of neighbouring words together, from their kinds and the words beside."""
    return [
        f"a{before}|{at}",
        f"b{at}|{after}",
        f"c{before}|{at}|{after}",
        f"d{at}|{after}|{after_next}",
        f"e{word_before}|{at}",
        f"f{at}|{word_after}",
    ]


def threes(said: str) -> list[str]:
    """Each letter with its neighbours, `^` where there is none: what another recognizer says at and beside a word."""
    return [f"^{said}^"[at : at + 3] for at in range(len(said))]


def hint_features(three: str) -> list[str]:
    """Features of what another recognizer says of a word and its neighbours, one letter each."""
    return [f"z{three[1]}", f"y{three[:2]}", f"x{three[1:]}"]


class Stretch(NamedTuple):
    """Words that are decoded together: the first ones of `text[start:end]`, which ends with their line."""

    start: int
    end: int
    words: tuple[str, ...]

    def places(self, text: str) -> list[Range]:
        """Where the words are in the text the stretch is of."""
        found = WORD.finditer(text, self.start, self.end)
        return [match.span() for match in itertools.islice(found, len(self.words))]


def stretches(text: str) -> Iterator[Stretch]:
    """The words of a text in stretches that are decoded for themselves: lines, cut at ends of sentences if long."""
    start = 0
    while start < len(text):
        end = text.find("\n", start)
        end = len(text) if end < 0 else end
        words = WORD.findall(text, start, end)
        first = 0
        # a long line is read once more, so that none of its stretches is looked for from the beginning
        long = len(words) > SEGMENT_WORDS // 2
        starts = [match.start() for match in WORD.finditer(text, start, end)] if long else [start]
        while len(words) - first > SEGMENT_WORDS // 2:
            last = first + SEGMENT_WORDS // 2
            while last < len(words) - 1 and last < first + SEGMENT_WORDS - 1 and words[last] not in _SENTENCE_ENDS:
                last += 1
            yield Stretch(starts[first], end, tuple(words[first : last + 1]))
            first = last + 1
        if first < len(words):
            yield Stretch(starts[first], end, tuple(words[first:]))
        start = end + 1


def words_of(text: str) -> Iterator[list[Word]]:
    """The words of each stretch with their places."""
    for stretch in stretches(text):
        yield [Word(*place, word) for place, word in zip(stretch.places(text), stretch.words, strict=True)]


class Model:
    """Weights of a trained CRF.

    Args:
        weights: by feature, one for each label.
        transitions: (labels, labels), from row to column.
        bias: added to the labels of persons; more finds more and errs more.
    """

    def __init__(
        self, weights: dict[str, NDArray[np.float32]], transitions: NDArray[np.float32], bias: float = 0.0
    ) -> None:
        self._rows = {name: row for row, name in enumerate(weights)}
        self._weights = np.array([*weights.values()], np.float32).reshape(-1, len(LABELS))
        self._transitions = transitions
        tables: dict[str, NDArray[np.float32]] = {}
        for name, row in self._rows.items():
            if (placed := _place(name)) is not None:
                table = tables.setdefault(placed[0], np.zeros((2 * REACH + 1, len(LABELS)), np.float32))
                table[placed[1]] += self._weights[row]
        self._bases = {base: row for row, base in enumerate(tables)}
        self._tables = np.array([*tables.values()], np.float32).reshape(-1, 2 * REACH + 1, len(LABELS))
        self._bias = np.array([bias if label in "BI" else 0.0 for label in LABELS], np.float32)
        self._neighbours = (_neighbours(self._rows, "e"), _neighbours(self._rows, "f"))
        self._forget()

    @classmethod
    def unpack(cls, packed: bytes) -> Model:
        """The model that `pack` wrote."""
        stored = json.loads(lzma.decompress(packed))
        weights = np.array(stored["weights"], np.float32).reshape(-1, len(LABELS)) / SCALE
        return cls(
            dict(zip(stored["features"], weights, strict=True)),
            np.array(stored["transitions"], np.float32) / SCALE,
            stored["bias"],
        )

    def pack(self) -> bytes:
        """The model as its file holds it: the same model gives the same bytes."""
        features = sorted(self._rows)
        stored = {
            "features": features,
            "weights": [round(float(w) * SCALE) for feature in features for w in self._weights[self._rows[feature]]],
            "transitions": [[round(float(w) * SCALE) for w in row] for row in self._transitions],
            "bias": float(self._bias[1]),
        }
        return lzma.compress(json.dumps(stored, ensure_ascii=False, separators=(",", ":")).encode(), preset=9)

    def labels(self, stretches: Sequence[Sequence[str]], hints: Sequence[str] = ()) -> list[list[str]]:
        """The likeliest labels of the words of each stretch.

        Args:
            hints: of each stretch a letter for each word, what another recognizer says of it, if the model was so trained.
        """
        if not stretches:
            return []
        lengths = np.array([len(stretch) for stretch in stretches])
        scores = np.zeros((len(stretches), int(lengths.max()), len(LABELS)), np.float32)
        flat = self._scores(stretches)
        if hints:
            flat += self._hinted([three for said in hints for three in threes(said)])
        at = 0
        for row, length in enumerate(lengths):
            scores[row, :length] = flat[at : at + length]
            at += length
        paths = _best_paths(scores, lengths, self._transitions)
        return [[LABELS[label] for label in path[:length]] for path, length in zip(paths, lengths, strict=True)]

    def _scores(self, stretches: Sequence[Sequence[str]]) -> NDArray[np.float32]:
        """Scores of every label for every word, all stretches in one array."""
        if len(self._ids) > TABLE_WORDS or len(self._kind_ids) > _KINDS // 2:
            self._forget()
        words: list[str] = [_OUTSIDE] * REACH
        inside: list[int] = []
        for stretch in stretches:
            inside += range(len(words), len(words) + len(stretch))
            words += stretch
            words += [_OUTSIDE] * REACH
        for word in dict.fromkeys(word for word in words if word not in self._ids):
            self._learn(word)
        numbers = np.array([*map(self._ids.__getitem__, words)])
        at = np.array(inside)
        scores = self._joint(words, numbers, at)
        for offset in range(-REACH, REACH + 1):
            scores += self._own[numbers[at + offset], offset + REACH]
        return scores + self._bias

    def _joint(self, words: Sequence[str], ids: NDArray[np.int64], at: NDArray[np.int64]) -> NDArray[np.float32]:
        """Scores by neighbouring words together: each combination has a number, whose scores are looked up."""
        kinds, befores, afters = self._classes[:, ids]
        here = kinds[at]
        four = ((kinds[at - 1] * _KINDS + here) * _KINDS + kinds[at + 1]) * _KINDS + kinds[at + 2]
        before, after = befores[at - 1] * _KINDS + here, afters[at + 1] * _KINDS + here
        scores = np.zeros((len(at), len(LABELS)), np.float32)
        for learned, keys, names in (
            (self._fours, four, self._names_of_four),
            (self._befores, before, self._names_before),
            (self._afters, after, self._names_after),
        ):
            listed = keys.tolist()
            new = {key: place for key, place in zip(listed, at.tolist(), strict=True) if key not in learned}
            for key, place in new.items():
                learned[key] = self._add_joint(names(words, place))
            scores += self._joints[[learned[key] for key in listed]]
        return scores

    def _hinted(self, found: Sequence[str]) -> NDArray[np.float32]:
        for three in {*found}.difference(self._hints):
            rows = [row for name in hint_features(three) if (row := self._rows.get(name)) is not None]
            self._hints[three] = self._weights[rows].sum(axis=0)
        return np.array([self._hints[three] for three in found], np.float32)

    def _names_of_four(self, words: Sequence[str], at: int) -> list[str]:
        before, here, after, after_next = (kind(word) for word in words[at - 1 : at + 3])
        return joint_features(before, here, after, after_next, "", "")[:4]

    def _names_before(self, words: Sequence[str], at: int) -> list[str]:
        return [f"e{words[at - 1].lower()}|{kind(words[at])}"]

    def _names_after(self, words: Sequence[str], at: int) -> list[str]:
        return [f"f{kind(words[at])}|{words[at + 1].lower()}"]

    def _forget(self) -> None:
        self._ids: dict[str, int] = {}
        self._kind_ids: dict[str, int] = {}
        self._neighbour_ids: tuple[dict[str, int], dict[str, int]] = ({}, {})
        self._classes = np.zeros((3, 1024), np.int64)
        self._own = np.zeros((1024, 2 * REACH + 1, len(LABELS)), np.float32)
        self._hints: dict[str, NDArray[np.float32]] = {}
        self._fours: dict[int, int] = {}
        self._befores: dict[int, int] = {}
        self._afters: dict[int, int] = {}
        self._joints = np.zeros((1024, len(LABELS)), np.float32)
        self._joint_count = 1
        self._learn(_OUTSIDE)

    def _learn(self, word: str) -> int:
        number = len(self._ids)
        if number == len(self._own):
            self._own = np.concatenate([self._own, np.zeros_like(self._own)])
            self._classes = np.concatenate([self._classes, np.zeros_like(self._classes)], axis=1)
        word_kind = kind(word)
        rows = [row for base in _bases(word, word_kind) if (row := self._bases.get(base)) is not None]
        # the weights are whole numbers of 1/512, so their sums are exact in any order
        self._own[number] = self._tables[rows].sum(axis=0)
        self._ids[word] = number
        lower = word.lower()
        self._classes[:, number] = [
            self._kind_ids.setdefault(word_kind, len(self._kind_ids)),
            *(
                ids.setdefault(lower, len(ids) + 1) if lower in heard else 0
                for ids, heard in zip(self._neighbour_ids, self._neighbours, strict=True)
            ),
        ]
        return number

    def _add_joint(self, names: Sequence[str]) -> int:
        number = self._joint_count
        if number == len(self._joints):
            self._joints = np.concatenate([self._joints, np.zeros_like(self._joints)])
        for name in names:
            if (row := self._rows.get(name)) is not None:
                self._joints[number] += self._weights[row]
        self._joint_count += 1
        return number


def _neighbours(features: Iterable[str], sort: str) -> frozenset[str]:
    """Words before (`e`) or behind (`f`) another one that some feature is about, and perhaps some more."""
    told: set[str] = set()
    for feature in features:
        if feature[0] == sort:
            parts = feature[1:].split("|")
            told.update("|".join(parts[:at] if sort == "e" else parts[at:]) for at in range(1, len(parts)))
    return frozenset(told)


def _best_paths(
    scores: NDArray[np.float32], lengths: NDArray[np.int64], transitions: NDArray[np.float32]
) -> NDArray[np.int64]:
    """Viterbi over all stretches at once: (stretches, longest) labels; what is behind a stretch's end is undefined."""
    count, longest, _ = scores.shape
    # the longer ones first, so that those that go on at a word are the first of all
    order = np.argsort(-lengths, kind="stable")
    scores = scores[order]
    going_on = np.searchsorted(-lengths[order], -np.arange(longest), side="left").tolist()
    best = np.zeros((longest, count, len(LABELS)), np.float32)
    best[0] = scores[:, 0]
    ways = np.zeros((len(LABELS), count, len(LABELS)), np.float32)  # from a label, of each stretch, to a label
    for at in range(1, longest):
        here = going_on[at]
        np.add(best[at - 1, :here].T[:, :, None], transitions[:, None], out=ways[:, :here])
        np.maximum.reduce(ways[:, :here], axis=0, out=best[at, :here])
        best[at, :here] += scores[:here, at]
    paths = np.zeros((count, longest), np.int64)
    # of the ways that lead to a word's best label, the best is asked for only where that is the path
    current = best[lengths[order] - 1, np.arange(count)].argmax(axis=1)
    for at in range(longest - 1, -1, -1):
        here = going_on[at]
        paths[:here, at] = current[:here]
        if at:
            current[:here] = (best[at - 1, :here] + transitions.T[current[:here]]).argmax(axis=1)
    unsorted = np.empty_like(paths)
    unsorted[order] = paths
    return unsorted


@functools.cache
def model() -> Model:
    """The packaged model."""
    return Model.unpack(FILE.read_bytes())


REMEMBERED = 50_000
"""Stretches whose people are remembered: a text is read again until nothing is left to redact."""

_read: dict[tuple[str, ...], tuple[tuple[int, int], ...]] = {}


def ranges(text: str) -> list[Range]:
    """Where people are named, in order: character ranges, mostly without titles."""
    found = [stretch for stretch in stretches(text) if _may_hold_a_name(stretch.words)]
    if len(_read) > REMEMBERED:
        _read.clear()
    new = [words for words in dict.fromkeys(stretch.words for stretch in found) if words not in _read]
    for words, labels in zip(new, model().labels(new), strict=True):
        _read[words] = tuple(people(labels))
    named: list[Range] = []
    for stretch in found:
        if persons := _read[stretch.words]:
            places = stretch.places(text)
            named += [(places[first][0], places[last][1]) for first, last in persons]
    return named


def _may_hold_a_name(words: Iterable[str]) -> bool:
    return any(word[0].isupper() for word in words)


def people(labels: Sequence[str]) -> Iterator[tuple[int, int]]:
    """First and last word of each person."""
    first: int | None = None
    for at, label in enumerate([*labels, "O"]):
        if first is not None and label != "I":
            yield first, at - 1
            first = None
        if label == "B" or (label == "I" and first is None):
            first = at
