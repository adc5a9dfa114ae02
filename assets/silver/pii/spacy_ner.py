"""What spaCy's recognizer of named entities finds, computed on numpy: its weights and its rules in a third of the time.

spaCy steps through every word of every sentence and embeds each word anew. Here a word's embedding is remembered, and
because the next move depends on the word alone while no entity is open, these moves are chosen for all words at once;
only the words of entities are gone through one by one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from spacy.language import Language
    from spacy.tokens import Doc

Matrix = NDArray[np.float32]

REMEMBERED = 50_000
"""Different words whose embeddings are kept, 400 bytes each."""

_VARIANCE = np.float32(1e-8)
"""What thinc's layer norm adds to the variance."""


class Entity(NamedTuple):
    """The tokens from `first` to `last`, both inside, and spaCy's label."""

    first: int
    last: int
    label: str


class Entities:
    """Finds the entities that the pipe `ner` of a pipeline finds.

    Args:
        language: a pipeline whose `ner` is of spaCy's own architecture (`TransitionBasedParser.v2` with one hidden
            layer over `HashEmbedCNN`), with nothing said beforehand about entities and sentences.
    """

    def __init__(self, language: Language) -> None:
        self._language = language
        pipe: Any = language.get_pipe("ner")
        tok2vec, linear = pipe.model.layers[0].layers[0], pipe.model.layers[0].layers[2]
        self._embedder = _Embedder(language, tok2vec.layers[0])
        self._padding: int = tok2vec.layers[1].attrs["pad"]
        self._blocks = [_Maxout(block) for block in tok2vec.layers[1].layers[0].layers]
        self._narrow, self._narrow_bias = _columns(linear.get_param("W")), linear.get_param("b")
        lower, upper = pipe.model.get_ref("lower"), pipe.model.get_ref("upper")
        # of each place in a state: the word it is about, the first and the last word of the open entity
        self._places = [_by_piece(place) for place in lower.get_param("W")]
        self._nothing = [place.T.reshape(-1) for place in lower.get_param("pad")[0]]
        self._bias = lower.get_param("b").T.reshape(-1)
        self._upper, self._upper_bias = _columns(upper.get_param("W")), upper.get_param("b")
        moves = {pipe.moves.get_class_name(at): at for at in range(pipe.moves.n_moves)}
        moves.pop("U-", None)  # for entities that were ruled out beforehand
        self._free_moves = [move for move in moves if move[0] in "BUO"]
        self._free = [moves[move] for move in self._free_moves]
        self._free_upper = np.ascontiguousarray(self._upper[:, self._free])
        self._begins = np.array([move[0] == "B" for move in self._free_moves])
        self._outside = self._free_moves.index("O")
        self._inside = {move[2:]: (at, moves[f"L-{move[2:]}"]) for move, at in moves.items() if move[0] == "I"}

    def find(self, documents: Sequence[Doc]) -> list[list[Entity]]:
        """The entities of each document, in order."""
        lengths = [len(document) for document in documents]
        if not sum(lengths):
            return [[] for _ in documents]
        words, blank = self._embedder.rows(documents)
        vectors = self._narrow_vectors(words, lengths)
        here = vectors @ self._places[0]
        states = here + self._nothing[1]
        states += self._nothing[2]
        scores = self._hidden(states) @ self._free_upper
        scores += self._upper_bias[self._free]
        ends = np.cumsum(lengths)
        last = ends[np.array(lengths) > 0] - 1
        scores[np.ix_(last, self._begins)] = -np.inf
        scores[blank] = -np.inf
        scores[blank, self._outside] = 0
        moves = scores.argmax(axis=1)
        chosen = np.flatnonzero(moves != self._outside).tolist()
        found: list[list[Entity]] = []
        at = start = 0
        for end in ends.tolist():
            entities: list[Entity] = []
            free = start
            while at < len(chosen) and chosen[at] < end:
                first = chosen[at]
                at += 1
                if first < free:
                    continue
                move = self._free_moves[moves[first]]
                final = first if move[0] == "U" else self._end(vectors, here, first, end - 1, move[2:])
                entities.append(Entity(first - start, final - start, move[2:]))
                free = final + 1
            found.append(entities)
            start = end
        return found

    def _end(self, vectors: Matrix, here: Matrix, first: int, last: int, label: str) -> int:
        """Where an entity that begins at a word ends, at the document's last word at the latest."""
        goes_on, ends = self._inside[label]
        beginning = vectors[first] @ self._places[1]
        for at in range(first + 1, last):
            state = here[at] + beginning
            state += vectors[at - 1] @ self._places[2]
            hidden = self._hidden(state[None])[0]
            stays, leaves = (hidden @ self._upper[:, move] + self._upper_bias[move] for move in (goes_on, ends))
            if leaves > stays:
                return at
        return last

    def _hidden(self, states: Matrix) -> Matrix:
        states += self._bias
        half = states.shape[1] // 2
        return np.maximum(states[:, :half], states[:, half:])

    def _narrow_vectors(self, words: NDArray[np.intp], lengths: Sequence[int]) -> Matrix:
        """A vector for each word by itself and its neighbours, documents kept apart by empty rows."""
        gaps = np.repeat(np.arange(1, len(lengths) + 1) * self._padding, lengths)
        inside = np.arange(len(words)) + gaps
        rows = np.zeros((len(words) + self._padding * (len(lengths) + 1), self._embedder.width), np.float32)
        rows[inside] = self._embedder.vectors[words]
        window = np.zeros((len(rows), 3 * self._embedder.width), np.float32)
        width = self._embedder.width
        for block in self._blocks:
            window[1:, :width] = rows[:-1]
            window[:, width : 2 * width] = rows
            window[:-1, 2 * width :] = rows[1:]
            rows += block(window)
        narrow: Matrix = rows[inside] @ self._narrow
        narrow += self._narrow_bias
        return narrow


class _Embedder:
    """Vectors of words by themselves.

    Attributes:
        vectors: (words met so far and room for more, width).
        width: of a vector.
    """

    def __init__(self, language: Language, layers: Any) -> None:
        self._vocab = language.vocab
        features, _, hashed, mixed, _ = layers.layers
        if list(features.attrs["columns"]) != ["NORM", "PREFIX", "SUFFIX", "SHAPE"]:
            raise ValueError("the recognizer embeds other features of words than those known here")
        self._hashed = hashed.layers[0]
        self._mixed = _Maxout(mixed.layers[0])
        self.width: int = mixed.get_dim("nO")
        self._numbers: dict[tuple[int, int], int] = {}
        self.vectors: Matrix = np.zeros((1024, self.width), np.float32)
        self._blank: NDArray[np.bool_] = np.zeros(1024, bool)

    def rows(self, documents: Sequence[Doc]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Rows of `vectors` for the words of all documents, and which of these words are nothing but blanks."""
        keys = [tuple(key) for document in documents for key in document.to_array(["NORM", "ORTH"]).tolist()]
        if len(self._numbers) > REMEMBERED:
            self._numbers.clear()
        new = [key for key in dict.fromkeys(keys) if key not in self._numbers]
        if new:
            self._learn(new)
        numbers = self._numbers
        rows = np.array([numbers[key] for key in keys], np.intp)
        return rows, np.flatnonzero(self._blank[rows])

    def _learn(self, keys: Sequence[tuple[int, int]]) -> None:
        lexemes = [self._vocab[orth] for _, orth in keys]
        features = np.array(
            [
                (norm, lexeme.prefix, lexeme.suffix, lexeme.shape)
                for (norm, _), lexeme in zip(keys, lexemes, strict=True)
            ],
            np.uint64,
        )
        first = len(self._numbers)
        while first + len(keys) > len(self.vectors):
            self.vectors = np.concatenate([self.vectors, np.zeros_like(self.vectors)])
            self._blank = np.concatenate([self._blank, np.zeros_like(self._blank)])
        self.vectors[first : first + len(keys)] = self._mixed(self._hashed.predict(features))
        self._blank[first : first + len(keys)] = [lexeme.is_space for lexeme in lexemes]
        self._numbers.update((key, first + at) for at, key in enumerate(keys))


class _Maxout:
    """The one maxout layer within a model of thinc, and the layer norm behind it."""

    def __init__(self, model: Any) -> None:
        layers = {layer.name: layer for layer in model.walk()}
        weights, norm = layers["maxout"].get_param("W"), layers["layernorm"]
        self._out, self._pieces = weights.shape[:2]
        self._weights = _by_piece(weights)
        self._bias = layers["maxout"].get_param("b").T.reshape(-1)
        self._gain, self._shift = norm.get_param("G"), norm.get_param("b")

    def __call__(self, rows: Matrix) -> Matrix:
        pieces = rows @ self._weights
        pieces += self._bias
        best: Matrix = pieces[:, : self._out]
        for piece in range(1, self._pieces):
            best = np.maximum(best, pieces[:, piece * self._out : (piece + 1) * self._out])
        best = best - best.mean(axis=1, keepdims=True)
        variance = np.einsum("ij,ij->i", best, best)[:, None] / np.float32(self._out)
        best *= (variance + _VARIANCE) ** np.float32(-0.5)
        best *= self._gain
        best += self._shift
        return best


def _by_piece(weights: Matrix) -> Matrix:
    """Weights (out, pieces, in) of thinc as a matrix to multiply with from the right, the first pieces first."""
    return _columns(weights.transpose(1, 0, 2).reshape(-1, weights.shape[2]))


def _columns(weights: Matrix) -> Matrix:
    return np.ascontiguousarray(weights.T)
