"""The encoder: texts in, unit vectors out, whichever model is configured."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

import numpy as np

from retrieval.embedding import tokens
from retrieval.embedding.backends import (
    ONNXRUNTIME,
    Backend,
    OnnxBackend,
    SentenceTransformersBackend,
    available_cores,
)
from retrieval.embedding.capitals import without_shouting
from retrieval.embedding.fingerprint import Fingerprint
from retrieval.embedding.pack import Floats
from retrieval.embedding.preparation import prepare
from retrieval.embedding.store import ModelDirectory
from retrieval.errors import ConfigurationError, InvalidQueryError, InvalidRequestError

if TYPE_CHECKING:
    from tokenizers import Tokenizer


class Encoder:
    """Turns queries and documents into unit vectors. May be shared by threads.

    Tokenizer and model are loaded when they are first needed, or by `load`: 0.8 s for the default model.

    Args:
        directory: a prepared model.
        threads: cores to use; None for all this process may use.

    Raises:
        ConfigurationError: `threads` is less than one.
    """

    def __init__(self, directory: ModelDirectory, *, threads: int | None = None) -> None:
        if threads is not None and threads < 1:
            raise ConfigurationError(f"The encoder cannot run on {threads} threads: give one or more")
        self._directory = directory
        self._threads = threads
        self._loading = threading.RLock()

    @property
    def fingerprint(self) -> Fingerprint:
        """Identity of the model; `fingerprint.id` is what rows and releases carry."""
        return self._directory.fingerprint

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        return self.fingerprint.dimension

    @property
    def max_tokens(self) -> int:
        """Tokens a text may have as `count_tokens` counts them, that is without prompt and special tokens."""
        return self._directory.text_tokens

    @property
    def tokenizer_path(self) -> Path:
        """The model's tokenizer as a file of the `tokenizers` library, without truncation and padding."""
        return self._directory.tokenizer_path

    @property
    def backend(self) -> str:
        """What computes the vectors: `onnxruntime` or `sentence-transformers`."""
        return self._directory.backend

    def load(self) -> None:
        """Load tokenizer and model now rather than at the first text."""
        with self._loading:
            _ = self._model

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text, without prompt and special tokens, never truncated.

        Raises:
            InvalidRequestError: something is no text.
        """
        return [len(ids) for ids in tokens.ids(self._get_tokenizer(), texts, special=False)]

    def encode_query(self, text: str) -> Floats:
        """Unit vector of a query, float32 of shape (dimension,).

        A query longer than `max_tokens` is embedded by its beginning: unlike a passage it loses nothing by that
        which the lexical leg would not still find.

        Raises:
            InvalidQueryError: the query is no text, or blank.
            RuntimeError: the runtime of the model failed, for want of memory for instance.
        """
        try:
            (count,) = self.count_tokens([text])
        except InvalidRequestError as error:
            raise InvalidQueryError(f"The query cannot be embedded: {error}") from error
        if not text.strip():
            raise InvalidQueryError("The query cannot be embedded: it is blank")
        if (read := without_shouting(text)) != text:
            text, (count,) = read, self.count_tokens([read])
        if count > self.max_tokens:
            text = tokens.head(self._get_tokenizer(), text, self.max_tokens)
        return self._get_model().query(text)

    def encode_documents(self, texts: Sequence[str], *, progress: Callable[[int], None] | None = None) -> Floats:
        """Unit vectors of documents, float32 of shape (n, dimension), in the order given.

        Args:
            texts: passages of at most `max_tokens` tokens each; nothing is cut off silently.
            progress: hears how many more texts are done.

        Raises:
            InvalidRequestError: something is no text, blank, or longer than `max_tokens`.
            RuntimeError: the runtime of the model failed, for want of memory for instance.
        """
        self._require_length(texts)
        if not texts:
            return np.empty((0, self.dimension), np.float32)
        return self._get_model().documents([*map(self._fitting, texts)], progress or _ignore)

    def _require_length(self, texts: Sequence[str]) -> None:
        for number, count in enumerate(self.count_tokens(texts)):
            if count > self.max_tokens:
                raise InvalidRequestError(
                    f"Text {number} has {count} tokens and the model reads {self.max_tokens}: split it"
                )
            if not texts[number].strip():
                raise InvalidRequestError(f"Text {number} is blank: leave it out")

    def _fitting(self, text: str) -> str:
        """A passage as the model reads it. Rare letters have more tokens when they are small; then they stay."""
        read = without_shouting(text)
        return read if read == text or self.count_tokens([read])[0] <= self.max_tokens else text

    def _get_tokenizer(self) -> Tokenizer:
        with self._loading:
            return self._tokenizer

    def _get_model(self) -> Backend:
        with self._loading:
            return self._model

    @cached_property
    def _tokenizer(self) -> Tokenizer:
        return tokens.load(self.tokenizer_path)

    @cached_property
    def _model(self) -> Backend:
        if self.backend == ONNXRUNTIME:
            return OnnxBackend(self._directory, self._tokenizer, self._threads or available_cores())
        return SentenceTransformersBackend(self._directory.weights, self._threads)


def _ignore(count: int) -> None:
    """Progress that nobody wants to hear of."""


_in_use: WeakValueDictionary[tuple[Path, Fingerprint, int | None], Encoder] = WeakValueDictionary()
_guard = threading.Lock()


def load_encoder(models_dir: Path, model: str | None = None, *, threads: int | None = None) -> Encoder:
    """The encoder of a model, which is prepared first when it is not yet; see `prepare` for model and errors.

    Whoever asks for a model that others in this process hold gets theirs: its weights take half a gigabyte.
    """
    directory = prepare(models_dir, model)
    key = (directory.path.resolve(), directory.fingerprint, threads)
    with _guard:
        encoder = _in_use.get(key)
        if encoder is None:
            encoder = _in_use[key] = Encoder(directory, threads=threads)
        return encoder
