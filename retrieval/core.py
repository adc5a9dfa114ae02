"""What the sync and the async retriever share: settings, encoder, checks of role and model, errors by SQL state."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NoReturn

import psycopg
from psycopg import sql
from pydantic import SecretStr

from retrieval.analysis import ANALYZER
from retrieval.audit import labels, load_key, pseudonym
from retrieval.database import Database, unreachable
from retrieval.errors import (
    InvalidPrincipalError,
    KnowledgeError,
    ModelMismatchError,
    NoReleaseError,
    SchemaError,
    UnavailableError,
    UnknownTenantError,
    UnsafeRoleError,
)
from retrieval.principal import Principal
from retrieval.result import Filters
from retrieval.schema.migrate import OWNER, READER
from retrieval.search import Search, Space, check
from retrieval.settings import Settings

if TYPE_CHECKING:
    from retrieval.embedding import Encoder

SPACE = sql.SQL("select space, fingerprint, dimension, analyzer from knowledge.current_release()")

ROLE = sql.SQL(
    "select rolsuper or rolbypassrls, pg_has_role(rolname, %(reader)s, 'set'), rolname = %(reader)s,"
    " pg_has_role(rolname, %(owner)s, 'usage') from pg_roles where rolname = current_user"
)
ROLE_PARAMETERS = {"reader": READER, "owner": OWNER}
BECOME_READER = sql.SQL("set role {}").format(sql.Identifier(READER))

QUERY_CANCELED = "57014"
NOT_SET_UP = frozenset({"3F000", "42P01", "42703", "42883", "42501"})
"""SQLSTATEs of a schema, table, column or function that is not there, or may not be used."""

_SESSION = (
    # Plans are made once: these statements gain nothing from looking at their parameters, and planning costs
    # more than some of them take.
    "set plan_cache_mode = force_generic_plan",
    "set hnsw.ef_search = 100",
    "set hnsw.iterative_scan = relaxed_order",
)


class Core:
    """State that both retrievers keep.

    Args:
        settings: checked settings.
        database: where to read.
        encoder: embeds queries; default: the model of the settings, loaded at first use.
        new_id: makes request ids.
        clock: seconds from any fixed point.
    """

    def __init__(
        self,
        settings: Settings,
        database: Database,
        *,
        encoder: Encoder | None = None,
        new_id: Callable[[], uuid.UUID] = uuid.uuid4,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.settings = settings
        self._database = database
        self._threads = ThreadPoolExecutor(settings.pool_size, "knowledge-embed")
        self._new_id = new_id
        self._clock = clock
        self._key = load_key(settings.keys_dir / "audit.key")
        self._encoder = encoder
        self._encoder_guard = threading.Lock()
        self.space: Space | None = None

    @staticmethod
    def settings_for(dsn: str | None, settings: Settings | None) -> Settings:
        """Settings of a retriever: a DSN that is passed wins."""
        if settings is None:
            return Settings.load(dsn=dsn)
        return settings if dsn is None else settings.model_copy(update={"dsn": SecretStr(dsn)})

    def pool_options(self) -> dict[str, Any]:
        """What both kinds of connection pool are made with."""
        seconds = self.settings.connect_timeout_s
        return {
            "min_size": 1,
            "max_size": self.settings.pool_size,
            "timeout": seconds,
            "kwargs": {"connect_timeout": seconds, "prepare_threshold": 1},
            "open": False,
        }

    def session(self) -> tuple[sql.SQL | sql.Composed, ...]:
        """Statements that prepare a connection for searching."""
        timeout = sql.SQL("set statement_timeout = {}").format(self.settings.statement_timeout_ms)
        return (*(sql.SQL(statement) for statement in _SESSION), timeout)

    def begin(
        self,
        query: str,
        principal: Principal | None,
        k: int,
        filters: Filters | None,
        release: int | None,
        versions: Mapping[str, str] | None,
        correlation: Mapping[str, str] | None,
    ) -> Search:
        """Check a call and make it a search."""
        check(query, principal, k, filters, release, self.settings)
        assert principal is not None  # `check` refuses it
        return Search(
            query=query,
            principal=principal,
            k=k,
            filters=filters or Filters(),
            release=release,
            request_id=self._new_id(),
            pseudonym=pseudonym(principal, self._key),
            clock=self._clock,
            key=self._key,
            versions=labels("versions", versions),
            correlation=labels("correlation", correlation),
        )

    def encoder(self) -> Encoder:
        """The query encoder, loaded at first use."""
        with self._encoder_guard:
            if self._encoder is None:
                from retrieval.embedding import load_encoder

                self._encoder = load_encoder(self.settings.models_dir, self.settings.model)
            return self._encoder

    def embed(self, query: str) -> tuple[object | None, float]:
        """The query's vector and the milliseconds it took; no vector when the model failed at its work.

        Raises:
            ModelError: the model is not the one that was promised.
        """
        encoder = self.encoder()
        from pgvector import HalfVector

        began = self._clock()
        try:
            vector: object | None = HalfVector(encoder.encode_query(query))
        except KnowledgeError:
            raise
        except (RuntimeError, OSError, MemoryError):
            # The runtime of the model broke or ran out of memory: the lexical leg can still answer.
            vector = None
        return vector, (self._clock() - began) * 1000

    @staticmethod
    def check_model(space: Space, fingerprint: str) -> None:
        """Refuse to compare vectors of different models."""
        if space.fingerprint != fingerprint:
            raise ModelMismatchError(
                f"The index was built with model {space.fingerprint}, this process uses {fingerprint}:"
                " set KNOWLEDGE_MODEL to the index's model, or run `knowledge ingest` to build a new index"
            )
        if space.analyzer != ANALYZER:
            raise SchemaError(
                f"The index was built with text analysis {space.analyzer}, this library has {ANALYZER}:"
                " run `knowledge ingest` with this version, or use the version that built the index"
            )

    @staticmethod
    def space_of(row: Sequence[Any] | None) -> Space:
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


def entered(row: Sequence[Any] | None, wanted: int | None) -> tuple[int, Space]:
    """Release and space of a row of `ENTER`.

    Raises:
        InvalidPrincipalError, UnknownTenantError, NoReleaseError: what the database says is wrong.
    """
    problem, release, *space = row or ("principal", 0)
    if problem == "principal":
        raise InvalidPrincipalError("The principal is incomplete: tenant, roles and clearance are needed")
    if problem == "tenant":
        raise UnknownTenantError("Nothing was ever published for this tenant: check Principal.tenant")
    if problem == "release":
        what = "Nothing is published yet" if wanted is None else f"Release {wanted} is not kept"
        raise NoReleaseError(f"{what}: `knowledge release list` shows what there is")
    return int(release), Space(*space)


def translate(error: psycopg.Error) -> NoReturn:
    """Raise the library's error for one of the driver's. The driver's text may quote values and is dropped."""
    state = error.sqlstate or ""
    # The driver itself, which gives no SQLSTATE, finds that there is no vector type.
    if state in NOT_SET_UP or (isinstance(error, psycopg.ProgrammingError) and not state):
        raise SchemaError("The database is not set up for this version: run `knowledge db init` as its owner") from None
    if state == QUERY_CANCELED:
        raise UnavailableError("The database took too long (KNOWLEDGE_STATEMENT_TIMEOUT_MS): try again") from None
    if isinstance(error, psycopg.OperationalError):
        raise unreachable(error) from None
    raise UnavailableError(f"The database refused the search (SQLSTATE {state or 'unknown'})") from None
