"""What turns texts into vectors: onnxruntime for the default model, sentence-transformers for any other."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from retrieval.embedding import tokens
from retrieval.embedding.graph import GRAPH, INPUT
from retrieval.embedding.pack import Floats
from retrieval.embedding.store import ModelDirectory
from retrieval.errors import ModelError

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer
    from tokenizers import Tokenizer

ONNXRUNTIME = "onnxruntime"
SENTENCE_TRANSFORMERS = "sentence-transformers"

NO_TELEMETRY = "ORT_DISABLE_TELEMETRY"
"""Variable that keeps onnxruntime from sending what it does to its makers."""

BATCH = 8
"""Texts that sentence-transformers embeds at once: fastest on CPU among 1, 4, 8 and 16 with 250 tokens each."""


class Backend(Protocol):
    """Embeds texts whose length was checked before."""

    def query(self, text: str) -> Floats:
        """Vector of a query, shape (dimension,)."""

    def documents(self, texts: Sequence[str], progress: Callable[[int], None]) -> Floats:
        """Vectors of documents, shape (n, dimension); `progress` hears how many more are done."""


class OnnxBackend:
    """Runs the exported graph, one text at a time on one core each, without importing torch."""

    def __init__(self, directory: ModelDirectory, tokenizer: Tokenizer, threads: int) -> None:
        # From 1.29 on it reports to Microsoft what is loaded and how long that took, and a process that was forked
        # while that thread was there hangs when it ends. It looks at the variable once, when it is imported.
        os.environ.setdefault(NO_TELEMETRY, "1")
        import onnxruntime

        onnxruntime.disable_telemetry_events()  # where somebody else has imported it before
        options = onnxruntime.SessionOptions()
        # several texts side by side keep the cores busier than several cores on one text, and cost less in total
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        # the graph is written in its fused form; rewriting it again only costs time
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
        try:
            self._session: Any = onnxruntime.InferenceSession(
                str(directory.path / GRAPH), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # onnxruntime's errors share no base of their own
            raise ModelError(
                f"The model {directory.path} cannot be loaded by onnxruntime: delete that directory, "
                "it will be prepared again"
            ) from error
        self._tokenizer = tokenizer
        self._fingerprint = directory.fingerprint
        self._threads = threads

    def query(self, text: str) -> Floats:
        """Vector of a query, shape (dimension,)."""
        return self._run(self._ids([self._fingerprint.query_prompt + text])[0])

    def documents(self, texts: Sequence[str], progress: Callable[[int], None]) -> Floats:
        """Vectors of documents, shape (n, dimension)."""
        ids = self._ids([self._fingerprint.document_prompt + text for text in texts])
        vectors = np.empty((len(ids), self._fingerprint.dimension), np.float32)
        # longest first, so that no core is left alone with a long text at the end
        order = sorted(range(len(ids)), key=lambda number: -len(ids[number]))
        with _workers(min(self._threads, len(ids))) as run:
            for number, vector in zip(order, run(self._run, [ids[number] for number in order]), strict=True):
                vectors[number] = vector
                progress(1)
        return vectors

    def _ids(self, texts: list[str]) -> list[list[int]]:
        return tokens.ids(self._tokenizer, texts, special=True)

    def _run(self, ids: list[int]) -> Floats:
        try:
            (vectors,) = self._session.run(None, {INPUT: np.array([ids], np.int64)})
        except Exception as error:  # onnxruntime's errors share no base of their own
            raise RuntimeError("onnxruntime failed at a text") from error
        vector: Floats = vectors[0]
        return vector


@contextmanager
def _workers(
    count: int,
) -> Iterator[Callable[[Callable[[list[int]], Floats], list[list[int]]], Iterator[Floats]]]:
    """A `map` over that many threads; work not yet begun is dropped when the block is left by an error."""
    if count < 2:
        yield map
        return
    pool = ThreadPoolExecutor(count, thread_name_prefix="embedding")
    try:
        yield pool.map
    finally:
        pool.shutdown(cancel_futures=True)


class SentenceTransformersBackend:
    """Runs a sentence-transformers directory as its authors meant it, with its own prompts."""

    def __init__(self, weights: Path, threads: int | None = None) -> None:
        if threads is not None:
            import torch

            torch.set_num_threads(threads)
        self.model = load_sentence_transformer(weights)
        # its tokenizer keeps truncation as state, which two threads must not change at once
        self._lock = threading.Lock()

    def query(self, text: str) -> Floats:
        """Vector of a query, shape (dimension,)."""
        with self._lock:
            vector: Floats = self.model.encode_query(text, **self._options)
        return vector.astype(np.float32, copy=False)

    def documents(self, texts: Sequence[str], progress: Callable[[int], None]) -> Floats:
        """Vectors of documents, shape (n, dimension)."""
        order = sorted(range(len(texts)), key=lambda number: -len(texts[number]))
        parts: list[Floats] = []
        for begin in range(0, len(order), BATCH):
            batch = [texts[number] for number in order[begin : begin + BATCH]]
            with self._lock:
                parts.append(self.model.encode_document(batch, batch_size=BATCH, **self._options))
            progress(len(batch))
        vectors = np.concatenate(parts).astype(np.float32, copy=False)
        result = np.empty_like(vectors)
        result[order] = vectors
        return result

    @property
    def _options(self) -> dict[str, bool]:
        return {"normalize_embeddings": True, "convert_to_numpy": True, "show_progress_bar": False}


def load_sentence_transformer(weights: Path) -> SentenceTransformer:
    """Load a sentence-transformers directory on the CPU, without a word on the terminal.

    Raises:
        ModelError: it cannot be loaded.
    """
    from sentence_transformers import SentenceTransformer

    try:
        with without_progress_bars():
            return SentenceTransformer(str(weights), device="cpu", local_files_only=True)
    except (OSError, ValueError, KeyError, ImportError, RuntimeError) as error:
        raise ModelError(
            f"{weights} cannot be loaded as a sentence-transformers model: check the directory or KNOWLEDGE_MODEL"
        ) from error


@contextmanager
def without_progress_bars() -> Iterator[None]:
    """Keep the bars of transformers and of the model hub off the terminal, and give them back afterwards."""
    from huggingface_hub import utils
    from transformers.utils import logging

    hub: Any = utils  # its functions are public, yet not exported in the sense of type checkers
    downloads, loading = not hub.are_progress_bars_disabled(), logging.is_progress_bar_enabled()
    hub.disable_progress_bars()
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        if loading:
            logging.enable_progress_bar()  # type: ignore[no-untyped-call]
        if downloads:
            hub.enable_progress_bars()


def available_cores() -> int:
    """Cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
