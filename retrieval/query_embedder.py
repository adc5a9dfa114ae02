"""Embeds queries for a retriever: loads the model when it is first needed, and says why where it cannot."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from retrieval.breaker import Breaker
from retrieval.errors import ConfigurationError, KnowledgeError, ModelError, ModelMismatchError, UnavailableError
from retrieval.fusion import DEFAULT, Scale, similarity_scale
from retrieval.query_cache import QueryCache
from retrieval.query_vector import QueryVector
from retrieval.settings import Settings

if TYPE_CHECKING:
    from retrieval.embedding import Encoder

PAUSE_S = 30.0
"""Seconds until a model that could not be loaded is tried again: finding that out may take long."""


class QueryEmbedder:
    """The model of one retriever, for threads.

    Args:
        settings: name the model, and say how many vectors are kept.
        encoder: embeds instead of the model of the settings.
        clock: seconds from any fixed point, for the timings of results.
        now: seconds from any fixed point, for the pause after a model that could not be loaded.
    """

    def __init__(
        self, settings: Settings, encoder: Encoder | None, *, clock: Callable[[], float], now: Callable[[], float]
    ) -> None:
        self._settings = settings
        self._encoder = encoder
        self._clock = clock
        self._scale: Scale | None = None
        self._vectors: QueryCache[QueryVector] = QueryCache(settings.query_cache_size)
        self._breaker = Breaker("The embedding model", failures=1, pause_s=PAUSE_S, clock=now)
        self._guard = threading.Lock()

    def encoder(self) -> Encoder:
        """The query encoder, loaded at first use.

        Raises:
            ModelError: it is missing or damaged.
        """
        if self._encoder is None:
            with self._guard:
                if self._encoder is None:
                    from retrieval.embedding import load_encoder

                    self._encoder = load_encoder(self._settings.models_dir, self._settings.model)
        return self._encoder

    def load(self) -> None:
        """Load the model now, and measure what its similarities mean.

        Raises:
            ModelError: it is missing or damaged.
        """
        encoder = self.encoder()
        encoder.load()
        self._scale = similarity_scale(encoder)

    def kept(self, query: str) -> QueryVector | None:
        """The vector of one of the last questions, or None."""
        return self._vectors.get(query)

    def embed(self, query: str) -> QueryVector:
        """The query's vector, or the reason why the lexical leg has to answer alone.

        A model that cannot be loaded is left alone for a while; the index's own check of its fingerprint still
        refuses one that is not the index's.
        """
        try:
            attempt = self._breaker.attempt()
        except UnavailableError:
            return QueryVector(None, 0.0, "model_missing")
        began = self._clock()
        vector: object | None = None
        problem = fingerprint = None
        worked: bool | None = None
        try:
            encoder = self.encoder()
            fingerprint = encoder.fingerprint.id
            from pgvector import HalfVector

            vector = HalfVector(encoder.encode_query(query))
            if self._scale is None:
                self._scale = similarity_scale(encoder)
            worked = True
        except ModelMismatchError:
            raise
        except (ModelError, ConfigurationError, ImportError):
            problem, worked = "model_missing", False
        except KnowledgeError:
            raise
        except (RuntimeError, OSError, MemoryError):
            # The runtime of the model broke or ran out of memory; the next question may fare better.
            problem, worked = "model_failed", None if self._encoder is not None else False
        finally:
            self._breaker.settle(attempt, worked)
        made = QueryVector(vector, (self._clock() - began) * 1000, problem, fingerprint, self._scale or DEFAULT)
        if vector is not None:
            self._vectors.put(query, replace(made, milliseconds=0.0))
        return made
