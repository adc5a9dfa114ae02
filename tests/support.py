"""What several tests share: a small deterministic encoder, a database of their own, gold made by hand."""

from __future__ import annotations

import functools
import hashlib
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg import sql

from assets.index.desired import Access, Desired, DesiredDocument, Passages
from assets.index.publish import Published, publish
from assets.index.releases import promote
from retrieval import Filters, Principal, Retriever, Settings
from retrieval.bm25 import POSTING
from retrieval.schema.migrate import OWNER, READER, bootstrap, migrate, space_schema
from retrieval.search import Search
from retrieval.server import SUPERUSER, EmbeddedServer

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
DIMENSION = 16

Connection = psycopg.Connection[tuple[Any, ...]]
Rows = list[tuple[Any, ...]]


@dataclass(frozen=True)
class Fingerprint:
    """Identity of the test encoder."""

    id: str = "words-16"


@functools.cache
def _word_vector(word: str, dimension: int) -> NDArray[np.float64]:
    seed = int.from_bytes(hashlib.sha256(word.encode()).digest()[:8], "big")
    return np.random.default_rng(seed).standard_normal(dimension)


class WordsEncoder:
    """Embeds a text as the sum of fixed random vectors of its words: deterministic, and near means alike.

    Args:
        dimension: length of the vectors; another one makes another model.
    """

    max_tokens = 480

    def __init__(self, dimension: int = DIMENSION) -> None:
        self.dimension = dimension
        self.fingerprint = Fingerprint(f"words-{dimension}")

    def load(self) -> None:
        """There is nothing to load."""

    def encode_query(self, text: str) -> NDArray[np.float32]:
        """A unit vector, float32 (dimension,)."""
        vector = np.zeros(self.dimension)
        for word in text.lower().split():
            vector = vector + _word_vector(word, self.dimension)
        return (vector / (np.linalg.norm(vector) or 1)).astype(np.float32)

    def encode_documents(
        self, texts: Sequence[str], *, progress: Callable[[int], None] | None = None
    ) -> NDArray[np.float32]:
        """Unit vectors, float32 (n, dimension)."""
        return np.array([self.encode_query(text) for text in texts], np.float32).reshape(-1, self.dimension)


class BrokenEncoder(WordsEncoder):
    """A model whose runtime fails at every query: the lexical leg has to answer alone."""

    def encode_query(self, text: str) -> NDArray[np.float32]:
        """Always fails."""
        raise RuntimeError("out of memory")


@dataclass
class GoldDocument:
    """A document written by a test: passages by text, and who may see them.

    Attributes:
        flags: of all its passages; flags_of: of single ones, by their place.
    """

    name: str
    access: Access
    texts: list[str]
    event: int = 1
    language: str = "en"
    source: str = "blog"
    tags: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    flags_of: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    published: str | None = None
    expires_at: datetime | None = None
    valid_from: datetime = NOW

    @property
    def document_id(self) -> str:
        """Stable id made from the name."""
        digest = hashlib.sha256(self.name.encode()).hexdigest()
        return f"{digest[:8]}-{digest[8:12]}-5{digest[13:16]}-8{digest[17:20]}-{digest[20:32]}"


class Gold:
    """Stands in for the lake: the state publishing should reach, and the loader it reads passages from."""

    def __init__(self, documents: Sequence[GoldDocument], encoder: WordsEncoder | None = None) -> None:
        self.encoder = encoder or WordsEncoder()
        self.rows: dict[tuple[str, int, str], dict[str, Any]] = {}
        found = {}
        for document in sorted(documents, key=lambda d: (d.source, d.name)):
            chunks, flags = {}, {}
            for ordinal, text in enumerate(document.texts):
                occurrence = document.texts[:ordinal].count(text)
                key = hashlib.sha256(f"{document.document_id}\0{text}\0{occurrence}".encode()).hexdigest()
                facts = {
                    "version": document.event,
                    "ordinal": ordinal,
                    "text": text,
                    "text_sha256": hashlib.sha256(text.encode()).hexdigest(),
                    "heading": None,
                    "page": None,
                    "speaker": None,
                    "start_s": None,
                    "end_s": None,
                    "char_start": ordinal * 1000,
                    "char_end": ordinal * 1000 + len(text),
                    "language": document.language,
                    "chunk_id": key,
                }
                self.rows[document.document_id, document.event, key] = facts
                marks = document.flags_of.get(ordinal, document.flags)
                if marks:
                    flags[key] = marks
                told = repr((sorted(facts.items(), key=str)[:-1], marks))
                chunks[key] = hashlib.sha256(told.encode()).hexdigest()[:32]
            facts = {
                "version": document.event,
                "source": document.source,
                "path": f"{document.source}/{document.name}.md",
                "title": document.name,
                "language": document.language,
                "authors": [],
                "tags": list(document.tags),
                "published": document.published,
                "url": None,
            }
            found[document.document_id] = DesiredDocument(
                document_id=document.document_id,
                event=document.event,
                digest=hashlib.sha256(repr(facts).encode()).hexdigest()[:32],
                access=document.access,
                valid_from=document.valid_from,
                expires_at=document.expires_at,
                facts=facts,
                chunks=chunks,
                flags=flags,
            )
        self.desired = Desired(found, 0)

    def load(self, wanted: Sequence[tuple[str, int, str]]) -> Passages:
        """Texts and vectors, as `assets.index.desired.read_passages` gives them."""
        rows = [self.rows[key] for key in wanted]
        return Passages(rows, self.encoder.encode_documents([row["text"] for row in rows]))


class Databases:
    """Fresh databases on one server, made from a template that is set up once."""

    TEMPLATE = "template_knowledge"

    def __init__(self, server: EmbeddedServer, home: Path) -> None:
        self.server = server
        self.home = home
        self._made = 0
        bootstrap(self._admin_dsn, self.TEMPLATE)
        migrate(server.dsn(OWNER, self.TEMPLATE))

    @property
    def _admin_dsn(self) -> str:
        return self.server.dsn(SUPERUSER, "postgres")

    def admin(self, database: str = "postgres") -> Connection:
        """A connection as superuser, in autocommit."""
        return psycopg.connect(self.server.dsn(SUPERUSER, database), autocommit=True)

    def bare(self) -> str:
        """Name of a new database in which nothing is set up."""
        return self._create("template1")

    @contextmanager
    def index(self) -> Iterator[Index]:
        """An index of its own, dropped afterwards."""
        name = self._create(self.TEMPLATE)
        index = Index(self, name)
        try:
            yield index
        finally:
            index.close()
            with self.admin() as connection:
                connection.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))

    def _create(self, template: str) -> str:
        self._made += 1
        name = f"test_{self._made}"
        statement = sql.SQL("create database {} template {} owner {}")
        with self.admin() as connection:
            connection.execute(statement.format(sql.Identifier(name), sql.Identifier(template), sql.Identifier(OWNER)))
        return name


class Index:
    """One database, with what tests do to it as its owner, and what a reader sees of it."""

    def __init__(self, databases: Databases, name: str) -> None:
        self.name = name
        self.server = databases.server
        self.settings = Settings.load(home=databases.home, dsn=self.server.dsn(READER, name), k_max=1000)
        self.owner_dsn = self.server.dsn(OWNER, name)
        self.owner: Connection = psycopg.connect(self.owner_dsn, autocommit=True)
        self._open: list[Retriever | Connection] = [self.owner]

    def publish(
        self,
        documents: Sequence[GoldDocument],
        *,
        now: datetime = NOW,
        encoder: WordsEncoder | None = None,
        connection: Connection | None = None,
        load: Callable[[Sequence[tuple[str, int, str]]], Passages] | None = None,
        hidden: Sequence[GoldDocument] = (),
    ) -> Published:
        """Publish these documents as the whole of gold; `hidden` ones no release may show any more."""
        encoder = encoder or WordsEncoder()
        gold = Gold(documents, encoder)
        since = {document.document_id: now for document in hidden}
        return publish(
            connection or self.owner,
            replace(gold.desired, hidden=since),
            load or gold.load,
            fingerprint=encoder.fingerprint.id,
            dimension=encoder.dimension,
            now=now,
        )

    def serve(self, documents: Sequence[GoldDocument], **arguments: Any) -> int:
        """Publish and promote; the number of the newest release."""
        release = self.publish(documents, **arguments).release
        assert release is not None
        promote(self.owner, release, now=NOW)
        return release

    def retriever(self, encoder: WordsEncoder | None = None) -> Retriever:
        """A retriever that is closed with the index."""
        retriever = Retriever.connect(settings=self.settings, encoder=encoder or WordsEncoder())
        self._open.append(retriever)
        return retriever

    def reader(self) -> Connection:
        """A connection as the runtime's own role."""
        connection: Connection = psycopg.connect(self.server.dsn(READER, self.name))
        self._open.append(connection)
        return connection

    def schemas(self) -> list[str]:
        """Schemas of the spaces."""
        rows = self.owner.execute("select nspname from pg_namespace where nspname ~ '^space_' order by oid")
        return [row[0] for row in rows]

    def contents(self) -> dict[str, Rows]:
        """Everything that publishing writes, with names instead of numbers that a sequence gave.

        Two indexes whose contents are equal answer every question alike.
        """
        found = {
            "release": self._named(
                "select number, {space}, state, documents, chunks, added, removed from knowledge.release x"
            ),
            "serving": self._named("select release, held from knowledge.serving x"),
            "segment": self._named(
                "select {space}, {tenant}, segment, added_from, added_to, added_in, removed_in from knowledge.segment x"
            ),
            "numbering": self._named("select {space}, {tenant}, last_document, last_chunk from knowledge.numbering x"),
        }
        for schema in self.schemas():
            for table, columns in _SPACE_TABLES.items():
                found[f"{schema}.{table}"] = self._named(f"select {columns} from {schema}.{table} x")
            postings = f"select {{tenant}}, term, {{acl}}, segment, post from {schema}.posting x"
            found[f"{schema}.posting"] = sorted(
                (*row[:-1], sorted(np.frombuffer(row[-1], POSTING).tolist())) for row in self._named(postings)
            )
        return found

    def _named(self, statement: str) -> Rows:
        names = {
            "{tenant}": "(select name from knowledge.tenant t where t.id = x.tenant)",
            "{space}": "(select fingerprint from knowledge.space s where s.id = x.space)",
            "{acl}": "(select array_append(a.roles, a.clearance::text) from knowledge.acl a where a.id = x.acl_id)",
        }
        for name, expression in names.items():
            statement = statement.replace(name, expression)
        return sorted(self.owner.execute(sql.SQL(statement)).fetchall(), key=repr)

    def close(self) -> None:
        """Close what was opened."""
        for one in self._open:
            one.close()


_SPACE_TABLES = {
    "document": "{tenant}, document, document_id, digest, version, source, path, title, language, authors, tags,"
    " published, url, {acl}, valid_from, expires_at, added_in, removed_in",
    "chunk": "{tenant}, chunk, document, chunk_id, digest, version, ordinal, text, text_sha256, heading, length,"
    " {acl}, valid_from, expires_at, added_in, removed_in, embedding::text",
    "stat": "{tenant}, {acl}, segment, chunks, length",
    "mask": "{tenant}, segment, chunk, {acl}, length, removed_in, expires_at::text",
}


def everyone(tenant: str = "acme", *roles: str, clearance: str = "public") -> Access:
    """Access for everyone of a tenant, or for some roles."""
    return Access(tenant, tuple(sorted(roles)) or ("everyone",), clearance)


def asker(tenant: str = "acme", *roles: str, clearance: str = "public", user: str = "ada") -> Principal:
    """A principal."""
    return Principal(user=user, tenant=tenant, roles=roles, clearance=clearance)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Seen:
    """What the runtime's role can read as a principal, and how the lexical leg scores it.

    Attributes:
        scores: by chunk id, best first.
    """

    release: int
    chunk_ids: list[str]
    titles: list[str]
    scores: dict[str, float]


def see(connection: Connection, principal: Principal, query: str, release: int | None = None) -> Seen:
    """Enter as a principal on a reader's connection, by the statements of a search, and look around."""
    search = Search(query, principal, 1000, Filters(), release, uuid.UUID(int=0), "nobody")
    with connection.transaction():
        problem, read, space, *_ = connection.execute(*search.entry()).fetchone() or ("nothing",)
        assert problem is None
        answer = connection.execute(*search.reads(space)).fetchone()
        assert answer is not None
        schema = space_schema(space)
        chunks: dict[int, str] = dict(
            connection.execute(f"select chunk, chunk_id from {schema}.chunk".encode()).fetchall()
        )
        titles = connection.execute(f"select title from {schema}.document".encode()).fetchall()
    search.score(read, answer)
    names = [chunks[number] for number in search.lexical.chunks.tolist()]
    scores = dict(zip(names, search.lexical.scores.tolist(), strict=True))
    assert len(scores) == len(names), "a passage is found once"
    return Seen(read, sorted(chunks.values()), sorted(row[0] for row in titles), scores)
