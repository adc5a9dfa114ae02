"""What the sync and the async retriever share: settings, limits, encoder, checks of role and model."""

from __future__ import annotations

import os
import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import psycopg
from psycopg import sql
from pydantic import SecretStr

from retrieval import feedback
from retrieval.analysis import ANALYZER
from retrieval.audit import labels, load_key, pseudonym
from retrieval.breaker import Breaker
from retrieval.connections import BECOME_READER, ROLE, ROLE_PARAMETERS, Connection, statement_limit_s, translate
from retrieval.database import Database
from retrieval.errors import (
    ConfigurationError,
    InvalidRequestError,
    KnowledgeError,
    ModelMismatchError,
    NoReleaseError,
    OverloadedError,
    PermanentError,
    SchemaError,
    UnavailableError,
    UnsafeRoleError,
)
from retrieval.limits import Deadline, Gate, RateLimit
from retrieval.outbox import Outbox, sender
from retrieval.pooling import quiet
from retrieval.principal import Principal
from retrieval.query_embedder import QueryEmbedder
from retrieval.query_vector import QueryVector
from retrieval.rerank import Reranker
from retrieval.result import Filters, SearchResult
from retrieval.result_cache import ResultCache, normalised
from retrieval.schema.migrate import READER
from retrieval.search import Search, Space, check, entered
from retrieval.settings import Settings
from retrieval.shape import Shape
from retrieval.standby import Now, Standby, utc_now
from retrieval.statements import enter

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from retrieval.embedding import Encoder

SPACE = sql.SQL("select space, fingerprint, dimension, analyzer from knowledge.current_release()")

EMBED_SHARE = 0.6
"""Share of a search's time after which the model is not waited for any more; the rest is for the answer."""

RECONNECT_S = 1.0
"""Seconds a pool tries to replace a lost connection by itself; from then on, searches make it try."""

TRY_S = RECONNECT_S + 0.2
"""Seconds a search waits for a connection before it asks once more, which makes the pool try again."""

STANDBY_SHARE = 0.5
"""Share of a search's time that the database gets where a standby can answer instead."""

CLOSED = "This retriever is closed: open another one"
NO_THREAD = "The system gives this process no thread more: raise its limits, or lower KNOWLEDGE_CONCURRENCY"
FORKED = (
    "This retriever was opened before the process was forked, and its connections are the parent's: open one in each"
    " process (gunicorn: in post_fork, or without preload_app)"
)
NO_CONNECTION = "No database connection is free in time: try again, or raise KNOWLEDGE_POOL_SIZE"
QUEUE_TIMEOUT = "The search did not get its turn in time (KNOWLEDGE_SEARCH_TIMEOUT_MS): try again"
SWITCHING = "The index is being switched to another model: try again"


Value = TypeVar("Value")


class Core:
    """State that both retrievers keep.

    Args:
        settings: checked settings.
        database: where to read.
        encoder, redactor, new_id, clock, now, wall: see `options.Options`.
    """

    def __init__(
        self,
        settings: Settings,
        database: Database,
        *,
        encoder: Encoder | None = None,
        redactor: feedback.Redactor = feedback.redact,
        new_id: Callable[[], uuid.UUID] = uuid.uuid4,
        clock: Callable[[], float] = time.perf_counter,
        now: Callable[[], float] = time.monotonic,
        wall: Now = utc_now,
    ) -> None:
        self.settings = settings
        self._database = database
        self._process = os.getpid()
        self._redactor = redactor
        self._new_id = new_id
        self._clock = clock
        self._now = now
        self._key = load_key(settings.keys_dir / "audit.key")
        self._embedder = QueryEmbedder(settings, encoder, clock=clock, now=now)
        self._reranker = Reranker(settings.reranker, clock=now) if settings.reranker else None
        self._guard = threading.Lock()
        self._gate = Gate(settings.concurrency or settings.pool_size, settings.queue_length)
        self._rate = RateLimit(settings.rate_per_minute, settings.rate_burst, now) if settings.rate_per_minute else None
        self._breaker = Breaker(
            "The database", failures=settings.breaker_failures, pause_s=settings.breaker_pause_s, clock=now
        )
        self._threads = ThreadPoolExecutor(settings.concurrency or settings.pool_size, "knowledge-embed")
        self._errands = ThreadPoolExecutor(1, "knowledge-errand")
        self._starting: Future[None] | None = None
        self._delivery: Future[int] | None = None
        self._standby = self._open_standby(wall)
        self.space: Space | None = None
        self._keeps_session = False  # until it was found out: no pooler changes it behind a connection
        self._trouble: tuple[float, type[KnowledgeError], str] | None = None
        self._partitions: dict[tuple[int, str], int] = {}
        size, seconds = settings.result_cache_size, settings.result_cache_s
        self._cache = ResultCache(size, seconds, now) if size else None

    def _choose_partition(self, search: Search, space: Space) -> None:
        """Read the tenant's own tables, where an earlier search has met them."""
        search.partition = self._partitions.get((space.id, search.principal.tenant))

    def _partition_holds(self, search: Search, space: Space, row: Sequence[Any] | None) -> bool:
        """Whether a search read the tables of its tenant; notes for the next one which these are.

        Args:
            space: the space that was read.
            row: what `ENTER` answered; its last column is the number of the tenant's tables in the release's space.
        """
        partition, place = row[-1] if row else None, (space.id, search.principal.tenant)
        if partition is None:
            self._partitions.pop(place, None)
        else:
            self._partitions[place] = partition
        return search.partition in (None, partition)

    @staticmethod
    def _settings_for(dsn: str | None, settings: Settings | None, standby: Path | str | None) -> Settings:
        """Settings of a retriever: what is passed wins."""
        given: dict[str, object] = {"dsn": SecretStr(dsn)} if dsn is not None else {}
        if standby is not None:
            given["standby"] = Path(standby)
        return (settings or Settings.load()).model_copy(update=given)

    def _pool_options(self) -> dict[str, Any]:
        """What both kinds of connection pool are made with."""
        quiet()
        seconds = self.settings.connect_timeout_s
        return {
            "min_size": 1,
            "max_size": self.settings.pool_size,
            "timeout": seconds,
            "reconnect_timeout": RECONNECT_S,
            # The driver itself prepares nothing: with a rollback it would forget what `trip` has prepared as well.
            "kwargs": {"connect_timeout": seconds, "prepare_threshold": None},
            "open": False,
        }

    def _note(self, error: psycopg.Error | KnowledgeError) -> None:
        """Note why the pool could not open a connection, for the searches that wait for one."""
        try:
            if isinstance(error, psycopg.Error):
                translate(error)
            raise error
        except KnowledgeError as known:
            self._trouble = self._now(), type(known), str(known)

    def _no_connection(self, since: float, *, over: bool) -> KnowledgeError | None:
        """Why there is no connection.

        Args:
            since: when the search began to wait; what went wrong before says nothing of now.
            over: whether it has waited for as long as it may; else only what waiting does not help against.
        """
        at, kind, sentence = self._trouble or (since, UnavailableError, NO_CONNECTION)
        if at < since:
            kind, sentence = UnavailableError, NO_CONNECTION
        return kind(sentence) if over or issubclass(kind, PermanentError) else None

    @property
    def _is_forked(self) -> bool:
        """Whether this process was forked from the one that opened the retriever: two processes that read from one
        connection get each other's answers."""
        return os.getpid() != self._process

    def _check_process(self) -> None:
        """Refuse to use another process's connections.

        Raises:
            ConfigurationError: this process was forked after the retriever was opened.
        """
        if self._is_forked:
            raise ConfigurationError(FORKED)

    def _in_thread(self, act: Callable[..., Value], *arguments: Any) -> Future[Value]:
        """Run a function in another thread.

        Raises:
            UnavailableError: the retriever was closed meanwhile, the interpreter ends, or there is no thread.
        """
        return _submit(self._threads, act, *arguments)

    def _stop_threads(self) -> None:
        """End the helpers without waiting for a model that hangs."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._errands.shutdown(wait=False, cancel_futures=True)
        if self._reranker is not None:
            self._reranker.close()

    # ------------------------------------------------------------------- calls

    def _new_search(
        self,
        query: str,
        principal: Principal | None,
        k: int,
        filters: Filters | None,
        release: int | None,
        versions: Mapping[str, str] | None,
        correlation: Mapping[str, str] | None,
        shape: Shape | None = None,
    ) -> Search:
        """Check the arguments of a call and make a search of them.

        Raises:
            InvalidRequestError: it cannot be answered.
            OverloadedError: this principal asks too often.
            ConfigurationError: this is another process than the one that opened the retriever.
        """
        self._check_process()
        check(query, principal, k, filters, release, shape, self.settings)
        assert principal is not None  # `check` refuses it
        notes = labels("versions", versions), labels("correlation", correlation)
        if self._rate is not None:
            self._rate.take((principal.tenant, principal.user))
        return Search(
            query=query if self._cache is None else normalised(query),
            principal=principal,
            k=k,
            filters=filters or Filters(),
            release=release,
            request_id=self._new_id(),
            pseudonym=pseudonym(principal, self._key),
            clock=self._clock,
            key=self._key,
            deadline=self._new_deadline(),
            versions=notes[0],
            correlation=notes[1],
            shape=shape,
            reranks=self._reranker is not None,
        )

    def _restart(self, search: Search) -> None:
        """Prepare a second attempt at a search, under an id of its own: the audit row of the first may have been
        written although its answer never came, and an id stands for one answer."""
        search.request_id = self._new_id()
        search.reasons.clear()
        search.timings.clear()

    def _new_deadline(self) -> Deadline:
        """Time limit of the database for a call that begins now; a standby gets the rest."""
        share = 1.0 if self._standby is None else STANDBY_SHARE
        return Deadline(share * self.settings.search_timeout_ms / 1000, self._now)

    # ----------------------------------------------------------------- standby

    def _open_standby(self, wall: Now) -> Standby | None:
        if self.settings.standby is None:
            return None
        key = load_key(self.settings.keys_dir / "standby.key")
        max_age = timedelta(hours=self.settings.standby_max_age_h)
        return Standby(self.settings.standby, key, Outbox(self.settings.outbox), max_age=max_age, now=wall)

    @property
    def _has_standby(self) -> bool:
        """Whether there is something to answer from while the database is gone."""
        return self._standby is not None

    def _answer_from_standby(self, search: Search, problem: UnavailableError) -> SearchResult:
        """Answer from the standby, where there is one.

        Raises:
            UnavailableError: there is none, or it cannot answer.
        """
        if self._standby is None:
            raise problem
        self._restart(search)
        return self._standby.answer(search, problem, search.deadline.stretched(1 / STANDBY_SHARE))

    def _deliver_outbox(self) -> None:
        """The database answers: have it take the audit rows that wait for it, in the background."""
        if self._standby is None or not self._standby.outbox.waiting:
            return
        with self._guard:
            if self._delivery is None or self._delivery.done():
                with suppress(UnavailableError):  # closed meanwhile: the next process delivers them
                    self._delivery = _submit(self._errands, self._deliver_rows, self._standby.outbox)

    def _deliver_rows(self, outbox: Outbox) -> int:
        # Autocommit: a row is only forgotten when the transaction that holds it has ended.
        with Connection.connect(
            self._database.dsn,
            autocommit=True,
            connect_timeout=self.settings.connect_timeout_s,
            client_encoding="UTF8",
        ) as connection:
            connection.limit_s = statement_limit_s(self.settings)
            if self.must_change_role(connection.execute(ROLE, ROLE_PARAMETERS).fetchone()):
                connection.execute(BECOME_READER)
            return outbox.deliver(sender(connection))

    def _feedback_statements(
        self, request_id: object, outcome: object, comment: object, principal: Principal | None
    ) -> tuple[tuple[sql.SQL, dict[str, object]], tuple[sql.SQL, dict[str, object]]]:
        """Statements that record feedback: one that enters, one that gives it."""
        self._check_process()
        given = feedback.checked(request_id, outcome, comment, principal, self._redactor)
        assert principal is not None  # `checked` refuses it
        return enter(principal), (feedback.GIVE, given | {"principal": pseudonym(principal, self._key)})

    @staticmethod
    def _check_feedback(entry: Sequence[Any] | None, given: Sequence[Any] | None) -> None:
        """Raise what the answers to `_feedback_statements` say is wrong.

        Raises:
            InvalidRequestError: the tenant never asked that.
        """
        if entry is None or entry[0] not in (None, "release"):
            entered(entry, None)
        if given is None or given[0] is not True:
            raise InvalidRequestError("No request of this tenant has that id: pass SearchResult.request_id")

    def _server_start(self) -> Future[None] | None:
        """Start the embedded server again, once for all who ask meanwhile; None where the server is not ours."""
        if self._database.server is None:
            return None
        with self._guard:
            if self._starting is None or self._starting.done():
                self._starting = _submit(self._errands, self._database.prepare)
            return self._starting

    # ------------------------------------------------------------------- model

    def encoder(self) -> Encoder:
        """The query encoder, loaded at first use."""
        return self._embedder.encoder()

    def load_model(self) -> None:
        """Load the model now, and measure what its similarities mean."""
        self._check_process()
        self._embedder.load()
        if self._reranker is not None:
            self._reranker.load()

    def _rerank(self, search: Search, rows: Sequence[Sequence[Any]]) -> NDArray[np.float64] | None:
        """Scores of the cross-encoder for the first rows of a short list, within its budget; None where none came.

        The search notes why none came. Waits, so not to be called on an event loop.
        """
        if self._reranker is None or not rows:
            return None
        texts = [row[-1] for row in rows[: max(self.settings.rerank_depth, search.k)]]
        scores, problem = self._reranker.within(self._rerank_budget_s(search), search.query, texts)
        if problem is not None:
            search.degrade(problem)
        search.lap("rerank")
        return scores

    def _rerank_budget_s(self, search: Search) -> float:
        """Seconds that the cross-encoder may take."""
        return min(self.settings.rerank_budget_ms / 1000, search.deadline.left())

    def _begin_embedding(self, query: str) -> Future[QueryVector]:
        """The query's vector, soon: at once for one of the last questions, else from another thread."""
        kept = self._embedder.kept(query)
        if kept is None:
            return self._in_thread(self._embedder.embed, query)
        known: Future[QueryVector] = Future()
        known.set_result(kept)
        return known

    def _model_wait_s(self, search: Search) -> float:
        """Seconds for which the model may still be waited for."""
        return search.deadline.left_of(EMBED_SHARE)

    def _use_vector(self, search: Search, space: Space, embedded: QueryVector | None) -> object | None:
        """The vector to search with, once it is there or given up (None).

        Raises:
            ModelMismatchError: it is of another model than the index.
        """
        if embedded is None:
            embedded = QueryVector(None, 0.0, "model_slow")
        search.embedded(embedded.milliseconds, embedded.problem)
        search.scale = embedded.scale
        self._check_model(space, embedded.fingerprint)
        return embedded.vector

    @staticmethod
    def _check_model(space: Space, fingerprint: str | None) -> None:
        """Refuse to compare vectors of different models, or words that were analysed differently."""
        if fingerprint is not None and space.fingerprint != fingerprint:
            raise ModelMismatchError(
                f"The index was built with model {space.fingerprint}, this process uses {fingerprint}:"
                " set KNOWLEDGE_MODEL to the index's model, or run `knowledge ingest` to build a new index"
            )
        if space.analyzer != ANALYZER:
            raise SchemaError(
                f"The index was built with text analysis {space.analyzer}, this library has {ANALYZER}:"
                " run `knowledge ingest` with this version, or use the version that built the index"
            )

    # ---------------------------------------------------------------- database

    @staticmethod
    def _space_of(row: Sequence[Any] | None) -> Space:
        """The space of a row of `SPACE`."""
        if row is None:
            raise NoReleaseError("Nothing is published yet: run `knowledge ingest` first")
        return Space(*row)

    @staticmethod
    def must_change_role(row: Sequence[Any] | None) -> bool:
        """Whether the session has to become the reader first.

        Raises:
            UnsafeRoleError: the login could step around row-level security and cannot become the reader.
        """
        unsafe, may_become, is_reader, owns = row or (True, False, False, True)
        if is_reader:
            return False
        if may_become:
            return True
        if unsafe or owns:
            raise UnsafeRoleError(
                f"The database login may bypass row-level security: connect as {READER}, or grant it to the login"
            )
        raise UnsafeRoleError(f"The database login is not {READER}: grant it with `grant {READER} to <login>`")


def _submit(threads: ThreadPoolExecutor, act: Callable[..., Value], *arguments: Any) -> Future[Value]:
    try:
        return threads.submit(act, *arguments)
    except RuntimeError as error:
        raise UnavailableError(CLOSED if "schedule" in str(error) else NO_THREAD) from None


def queue_timeout() -> OverloadedError:
    """The error for a search that waited for its turn until its time was over."""
    return OverloadedError(QUEUE_TIMEOUT)
