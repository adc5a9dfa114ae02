"""An optional second look at the best passages by a cross-encoder, within a time budget that it cannot exceed.

The model runs on a thread of its own. When the budget is over nobody waits for it any longer: the fused order stands,
and the thread stops after the batch it is at.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from retrieval.breaker import Breaker
from retrieval.errors import ConfigurationError, UnavailableError

if TYPE_CHECKING:
    from sentence_transformers import CrossEncoder

BATCH = 4
"""Passages scored at a time: between batches the thread looks whether it is still waited for."""

MAX_TOKENS = 512
"""Tokens of question and passage together; what is longer is cut by the tokenizer."""

PAUSE_S = 60.0
"""Seconds for which a model that failed is left alone."""

Scores = NDArray[np.float64]


class AbandonedError(Exception):
    """Nobody waits for the scores any more."""


class Reranker:
    """A cross-encoder of sentence-transformers, loaded at first use.

    Args:
        model: hub name or directory, as `sentence_transformers.CrossEncoder` takes it.
        load: makes the model of a name; for tests of what happens when it is slow.
        clock: seconds from any fixed point, for the pause after a failure.
    """

    def __init__(
        self, model: str, load: Callable[[str], Any] | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.model = model
        self._breaker = Breaker("The reranking model", failures=1, pause_s=PAUSE_S, clock=clock)
        self._load = load or _load
        self._loaded: Any = None
        self._thread = ThreadPoolExecutor(1, "knowledge-rerank")

    def submit(self, query: str, texts: Sequence[str]) -> tuple[Future[Scores], threading.Event]:
        """Begin to score texts; setting the event gives up.

        The future fails with `ConfigurationError` where the model cannot be loaded, with `RuntimeError`, `OSError` or
        `MemoryError` where it breaks.
        """
        given_up = threading.Event()
        return self._thread.submit(self._score, query, list(texts), given_up), given_up

    def within(self, budget_s: float, query: str, texts: Sequence[str]) -> tuple[Scores | None, str | None]:
        """Scores of the texts, or why there are none in time: `rerank_slow` or `rerank_failed`."""
        try:
            attempt = self._breaker.attempt()
        except UnavailableError:
            return None, "rerank_failed"
        worked: bool | None = None
        given_up: threading.Event | None = None
        try:
            future, given_up = self.submit(query, texts)
            scores = future.result(budget_s)
            worked = True
        except TimeoutError:
            if given_up is not None:
                given_up.set()
            return None, "rerank_slow"
        except CancelledError:  # closed meanwhile
            return None, "rerank_failed"
        except (ConfigurationError, RuntimeError, OSError, MemoryError):
            worked = False
            return None, "rerank_failed"
        finally:
            self._breaker.settle(attempt, worked)
        return scores, None

    def load(self) -> None:
        """Load the model now.

        Raises:
            ConfigurationError: there is no such model.
        """
        self._thread.submit(self._get).result()

    def close(self) -> None:
        """Let the thread end after the batch it is at."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _score(self, query: str, texts: list[str], given_up: threading.Event) -> Scores:
        if given_up.is_set():
            raise AbandonedError
        model = self._get()
        scores: list[float] = []
        for start in range(0, len(texts), BATCH):
            if given_up.is_set():
                raise AbandonedError
            pairs = [(query, text) for text in texts[start : start + BATCH]]
            found = model.predict(pairs, batch_size=BATCH, show_progress_bar=False, convert_to_numpy=True)
            scores += np.asarray(found, np.float64).reshape(len(pairs), -1)[:, -1].tolist()
        return np.array(scores, np.float64)

    def _get(self) -> Any:
        if self._loaded is None:
            self._loaded = self._load(self.model)
        return self._loaded


def _load(name: str) -> CrossEncoder:
    try:
        from sentence_transformers import CrossEncoder

        return CrossEncoder(name, max_length=MAX_TOKENS, device="cpu")
    except ImportError:
        raise ConfigurationError(
            "KNOWLEDGE_RERANKER needs sentence-transformers: install it, or unset KNOWLEDGE_RERANKER"
        ) from None
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            f"The reranking model {name!r} cannot be loaded ({type(error).__name__}): set KNOWLEDGE_RERANKER to a"
            " CrossEncoder that is on disk or can be downloaded, or unset it"
        ) from None
