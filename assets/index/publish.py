"""Publishing: brings the index in line with gold, in one transaction, as the next release.

Readers see nothing of it until the release is promoted, except what must hold in every release at once: access and
expiry.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Container, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
from psycopg import sql

from assets.index import vectors
from assets.index.desired import Access, Desired, DesiredDocument, Passages
from assets.index.plan import ActualDocument, Changes, plan_release
from assets.index.segments import FOREVER, Connection, Passage, SegmentWriter
from retrieval.analysis import ANALYZER, context, passage_terms
from retrieval.bm25 import COUNT_MAX
from retrieval.errors import TransientError
from retrieval.principal import CLEARANCES
from retrieval.schema.migrate import LOCK, create_space, create_tenant, space_schema

CHUNK_COLUMNS = {
    "tenant": "int4", "chunk": "int4", "document": "int4", "chunk_id": "text", "digest": "text", "version": "int4",
    "ordinal": "int4", "text": "text", "text_sha256": "text", "heading": "text", "page": "int4", "speaker": "text",
    "start_s": "float8", "end_s": "float8", "char_start": "int4", "char_end": "int4", "length": "int2",
    "acl_id": "int4", "valid_from": "timestamptz", "expires_at": "timestamptz", "added_in": "int4",
    "flags": "text[]", "embedding": "halfvec",
}  # fmt: skip
"""Columns of a passage with their types, as binary COPY wants them."""

Load = Callable[[Sequence[tuple[str, int, str]]], Passages]
"""Gives texts and vectors of (document_id, event, chunk_id)."""


class NotReadyError(TransientError):
    """Documents still lack vectors of the model that a new index is being built for."""


@dataclass(frozen=True)
class Published:
    """What publishing did.

    Attributes:
        release: number of the newest release now.
        created: whether this call wrote it; False where nothing had to change.
        changes: counts by kind.
        pending: documents on their way that this release does not hold in their newest state.
        waiting: documents that are to be redacted under the newest key before there can be a release.
    """

    release: int | None
    created: bool
    changes: dict[str, int]
    pending: int
    waiting: int = 0


def publish(
    connection: Connection,
    desired: Desired,
    load: Load,
    *,
    fingerprint: str,
    dimension: int,
    now: datetime,
) -> Published:
    """Reconcile the index with `desired` and write a candidate release if anything readers see has changed.

    Args:
        connection: as owner, in autocommit.

    Raises:
        NotReadyError: the model is new and not every document has its vectors yet.
    """
    space = create_space(connection, fingerprint=fingerprint, dimension=dimension, analyzer=ANALYZER, now=now)
    for tenant in sorted({document.access.tenant for document in desired.documents.values()}):
        create_tenant(connection, space, tenant)
    with connection.transaction():
        connection.execute("select pg_advisory_xact_lock(%s)", [LOCK])
        writer = _Publisher(connection, space, now)
        newest = writer.newest_release()
        if desired.pending and newest is not None and newest[1] != space:
            raise NotReadyError(
                f"{desired.pending} documents have no vectors of model {fingerprint} yet: run `knowledge ingest`"
            )
        changes = _plan(desired, writer)
        damaged = writer.damaged()
        due = changes.contents or damaged or (newest[1] != space if newest else bool(desired.documents))
        due = due and not desired.waiting
        writer.change_access(changes, desired)
        for other in writer.other_spaces():
            there = _Publisher(connection, other, now)
            there.change_access(_plan(desired, there), desired)
        if not due:
            summary = changes.summary() | {"tenants_repaired": 0}
            return Published(newest[0] if newest else None, False, summary, desired.pending, desired.waiting)
        release = (newest[0] if newest else 0) + 1
        writer.write(release, changes, desired, load, rebuild=damaged)
    writer.analyse()
    summary = changes.summary() | {"tenants_repaired": len(damaged)}
    return Published(release, True, summary, desired.pending)


def differences(connection: Connection, desired: Desired, *, space: int, now: datetime) -> Changes:
    """What publishing would change; empty where the index equals gold."""
    return _plan(desired, _Publisher(connection, space, now))


def _plan(desired: Desired, there: _Publisher) -> Changes:
    """What there is to do; of the contents nothing while documents wait to be redacted under the newest key."""
    changes = plan_release(desired.documents, there.actual(), desired.hidden)
    if not desired.waiting:
        return changes
    return Changes(reaccess=changes.reaccess, evict=changes.evict, hide=changes.hide)


class _Publisher:
    """The statements of one publication, inside its transaction."""

    def __init__(self, connection: Connection, space: int, now: datetime) -> None:
        self._connection = connection
        self._space = space
        self._schema = space_schema(space)
        self._now = now
        rows = connection.execute("select name, id from knowledge.tenant").fetchall()
        self._tenants: dict[str, int] = dict(rows)
        self._writers = {name: SegmentWriter(connection, space, number) for name, number in self._tenants.items()}
        self._numbers: dict[str, dict[str, int]] = {}
        self._acls: dict[Access, int] = {}
        self._touched: set[str] = set()

    def _execute(self, text: str, *parameters: Any) -> psycopg.Cursor[tuple[Any, ...]]:
        statement = sql.SQL(text.replace("{s}", self._schema))
        return self._connection.execute(statement, parameters or None)

    # ------------------------------------------------------------------ reading

    def newest_release(self) -> tuple[int, int] | None:
        """(number, space) of the release written last."""
        row = self._execute("select number, space from knowledge.release order by number desc limit 1").fetchone()
        return (row[0], row[1]) if row else None

    def damaged(self) -> list[str]:
        """Tenants whose postings do not belong to their passages any more, because rows were lost or doubled."""
        rows = self._execute("select tenant from knowledge.numbering where space = %s", self._space)
        here = {row[0] for row in rows}
        return [
            name
            for name, number in sorted(self._tenants.items())
            if number in here and not self._writers[name].consistent()
        ]

    def other_spaces(self) -> list[int]:
        """Spaces of other models in which releases are kept, and so must follow changes of access."""
        rows = self._execute(
            "select distinct space from knowledge.release where state <> 'purged' and space <> %s order by 1",
            self._space,
        )
        return [row[0] for row in rows]

    def actual(self) -> dict[tuple[str, str], ActualDocument]:
        """Open rows of the space, by (tenant, document id)."""
        names = {number: name for name, number in self._tenants.items()}
        access = {
            row[0]: Access(names[row[1]], tuple(row[2]), CLEARANCES[row[3]])
            for row in self._execute("select id, tenant, roles, clearance from knowledge.acl")
        }
        documents = {
            (tenant, number): (document_id, digest, acl, expires_at)
            for tenant, number, document_id, digest, acl, expires_at in self._execute(
                # Of a doubled row the digest is made unlike any other, so that all of it ends.
                "select tenant, document, min(document_id::text), string_agg(digest, ' '), min(acl_id),"
                f" min(expires_at) from {{s}}.document where removed_in = {FOREVER} group by tenant, document"
            )
        }
        passages: dict[tuple[int, int], dict[str, tuple[int, str]]] = {}
        doubled: dict[tuple[int, int], list[int]] = {}
        strays: set[tuple[int, int]] = set()
        for tenant, number, chunk, chunk_id, digest, acl, expires_at in self._execute(
            "select tenant, document, chunk, chunk_id, digest, acl_id, expires_at from {s}.chunk"
            f" where removed_in = {FOREVER} order by tenant, chunk"
        ):
            key = (tenant, number)
            held = passages.setdefault(key, {})
            if chunk_id in held:
                doubled.setdefault(key, []).append(chunk)
            else:
                held[chunk_id] = (chunk, digest)
            if key not in documents or documents[key][2:] != (acl, expires_at):
                strays.add(key)
        ended = self._ended(documents.keys())
        orphans = {key: (f"lost-{key[1]}", None, None) for key in passages.keys() - documents.keys() - ended.keys()}
        result = {}
        known = {key: (row[0], None, *row[1:]) for key, row in (ended | orphans).items()} | documents
        for key, (document_id, digest, acl, expires_at) in known.items():
            tenant = names[key[0]]
            result[tenant, document_id] = ActualDocument(
                document_id=document_id,
                number=key[1],
                tenant=tenant,
                digest=digest,
                access=access.get(acl, Access(tenant, (), CLEARANCES[-1])),
                expires_at=expires_at,
                chunks=passages.get(key, {}),
                doubled=tuple(doubled.get(key, ())),
                strays=key in strays,
            )
        return result

    def _ended(self, held: Container[tuple[int, int]]) -> dict[tuple[int, int], tuple[str, int, datetime | None]]:
        """Documents without an open row, as their last row shows them: id, access set and expiry.

        They are withdrawn, or their row is lost; when they come back, earlier releases must follow their access.
        """
        rows = self._execute(
            "select distinct on (tenant, document) tenant, document, document_id::text, acl_id, expires_at"
            " from {s}.document order by tenant, document, added_in desc"
        )
        return {(row[0], row[1]): (row[2], row[3], row[4]) for row in rows if (row[0], row[1]) not in held}

    # ------------------------------------------------------------------ access

    def change_access(self, changes: Changes, desired: Desired) -> None:
        """What holds in every release: access sets, expiry, documents that are hidden or left their tenant."""
        for tenant, document_id in changes.evict:
            number = self._number(tenant, document_id)
            writer = self._writers[tenant]
            writer.erase(self._chunks_of(tenant, number))
            self._execute("delete from {s}.document where tenant = %s and document = %s", self._tenants[tenant], number)
        moves: dict[tuple[str, int, datetime | None], list[int]] = {}
        for tenant, document_id in changes.hide:
            number = self._number(tenant, document_id)
            moves.setdefault((tenant, self._acl_of(tenant, number), desired.hidden[document_id]), []).append(number)
        for document_id in changes.reaccess:
            document = desired.documents[document_id]
            acl = self.acl(document.access)
            moves.setdefault((document.access.tenant, acl, document.expires_at), []).append(
                self._number(document.access.tenant, document_id)
            )
        for (tenant, acl, expires_at), numbers in moves.items():
            self._writers[tenant].move(self._chunks_of(tenant, *numbers), acl, expires_at)
            self._execute(
                "update {s}.document set acl_id = %s, expires_at = %s where tenant = %s and document = any (%s)",
                acl,
                expires_at,
                self._tenants[tenant],
                numbers,
            )

    def acl(self, access: Access) -> int:
        """Id of an access set, made when it is new."""
        if access not in self._acls:
            values = (self._tenants[access.tenant], list(access.roles), CLEARANCES.index(access.clearance))
            self._execute(
                "insert into knowledge.acl (tenant, roles, clearance) values (%s, %s, %s) on conflict do nothing",
                *values,
            )
            row = self._execute(
                "select id from knowledge.acl where tenant = %s and roles = %s and clearance = %s", *values
            ).fetchone()
            assert row is not None
            self._acls[access] = int(row[0])
        return self._acls[access]

    def _acl_of(self, tenant: str, number: int) -> int:
        """The access set that a document's rows carry."""
        row = self._execute(
            "select acl_id from {s}.document where tenant = %s and document = %s order by added_in desc limit 1",
            self._tenants[tenant],
            number,
        ).fetchone()
        assert row is not None
        return int(row[0])

    def _chunks_of(self, tenant: str, *numbers: int) -> list[int]:
        rows = self._execute(
            "select chunk from {s}.chunk where tenant = %s and document = any (%s) order by chunk",
            self._tenants[tenant],
            list(numbers),
        )
        return [row[0] for row in rows]

    def _number(self, tenant: str, document_id: str) -> int:
        """Number of a document within its tenant: the one it ever had, or the next."""
        return self._give_numbers(tenant, [document_id])[document_id]

    def _give_numbers(self, tenant: str, document_ids: Sequence[str]) -> dict[str, int]:
        """Numbers of a tenant's documents; those that have none yet get theirs at once.

        One by one, each would have to look past all versions of the counter that this transaction has made.
        """
        if tenant not in self._numbers:
            rows = self._execute(
                "select distinct document_id::text, document from {s}.document where tenant = %s",
                self._tenants[tenant],
            )
            self._numbers[tenant] = {row[0]: row[1] for row in rows}
        known = self._numbers[tenant]
        fresh = [document_id for document_id in document_ids if document_id not in known]
        if fresh:
            first = self._allocate(tenant, "last_document", len(fresh))
            known.update(zip(fresh, range(first, first + len(fresh)), strict=True))
        return known

    def _allocate(self, tenant: str, counter: str, n: int) -> int:
        """The first of `n` new numbers."""
        row = self._execute(
            f"update knowledge.numbering set {counter} = {counter} + %s where space = %s and tenant = %s"
            f" returning {counter}",
            n,
            self._space,
            self._tenants[tenant],
        ).fetchone()
        assert row is not None
        return int(row[0]) - n + 1

    # ------------------------------------------------------------------ contents

    def write(
        self, release: int, changes: Changes, desired: Desired, load: Load, *, rebuild: Collection[str] = ()
    ) -> None:
        """End and add rows, write segments, and record the release as a candidate.

        Args:
            rebuild: tenants whose segments are made anew from the texts.
        """
        self._end("document", changes.close_documents, release)
        self._end("chunk", changes.remove, release)
        by_tenant: dict[str, list[int]] = {}
        for tenant, chunk in changes.remove:
            by_tenant.setdefault(tenant, []).append(chunk)
        for tenant, chunks in by_tenant.items():
            self._writers[tenant].mask(chunks, release)
        self._open_documents(release, changes.open_documents, desired)
        self._add_chunks(release, changes.add, desired, load, rebuild)
        passages = sum(len(document.chunks) for document in desired.documents.values())
        self._execute(
            "insert into knowledge.release (number, space, state, created_at, documents, chunks, added, removed,"
            " pseudonym_keys) values (%s, %s, 'candidate', %s, %s, %s, %s, %s, %s)",
            release,
            self._space,
            self._now,
            len(desired.documents),
            passages,
            len(changes.add),
            len(changes.remove),
            sorted(desired.keys),
        )

    def _end(self, table: str, rows: Sequence[tuple[str, int]], release: int) -> None:
        by_tenant: dict[str, list[int]] = {}
        for tenant, number in rows:
            by_tenant.setdefault(tenant, []).append(number)
        for tenant, numbers in by_tenant.items():
            self._execute(
                f"update {{s}}.{table} set removed_in = %s"
                f" where tenant = %s and {table} = any (%s) and removed_in = {FOREVER}",
                release,
                self._tenants[tenant],
                numbers,
            )

    def _open_documents(self, release: int, ids: Sequence[str], desired: Desired) -> None:
        by_tenant: dict[str, list[str]] = {}
        for document_id in ids:
            by_tenant.setdefault(desired.documents[document_id].access.tenant, []).append(document_id)
        for tenant, members in by_tenant.items():
            self._give_numbers(tenant, members)
        statement = sql.SQL(
            "insert into {}.document (tenant, document, document_id, digest, version, source, path, title,"
            " language, authors, tags, published, url, acl_id, valid_from, expires_at, added_in)"
            " values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
        ).format(sql.SQL(self._schema))
        rows = [self._document_row(release, document_id, desired.documents[document_id]) for document_id in ids]
        with self._connection.cursor() as cursor:
            cursor.executemany(statement, rows)

    def _document_row(self, release: int, document_id: str, document: DesiredDocument) -> tuple[Any, ...]:
        tenant, facts = document.access.tenant, document.facts
        return (
            self._tenants[tenant],
            self._number(tenant, document_id),
            document_id,
            document.digest,
            facts["version"],
            facts["source"],
            facts["path"],
            facts["title"],
            facts["language"],
            facts["authors"],
            facts["tags"],
            facts["published"],
            facts["url"],
            self.acl(document.access),
            document.valid_from,
            document.expires_at,
            release,
        )

    def _add_chunks(
        self,
        release: int,
        added: Sequence[tuple[str, str]],
        desired: Desired,
        load: Load,
        rebuild: Collection[str],
    ) -> None:
        by_tenant: dict[str, list[tuple[DesiredDocument, str]]] = {tenant: [] for tenant in rebuild}
        for document_id, chunk_id in added:
            document = desired.documents[document_id]
            by_tenant.setdefault(document.access.tenant, []).append((document, chunk_id))
        for tenant, members in sorted(by_tenant.items()):
            passages = load([(document.document_id, document.event, chunk_id) for document, chunk_id in members])
            segment = self._copy_chunks(release, tenant, members, passages)
            if tenant in rebuild:
                self._writers[tenant].rebuild(release)
            else:
                self._writers[tenant].write(release, segment)
            vectors.build(self._connection, self._space, self._tenants[tenant])
            self._touched.add(tenant)

    def _copy_chunks(
        self, release: int, tenant: str, members: Sequence[tuple[DesiredDocument, str]], passages: Passages
    ) -> list[Passage]:
        """Copy rows into the chunk table; what the segment needs of them comes back."""
        from pgvector import HalfVector
        from pgvector.psycopg import register_vector

        register_vector(self._connection)
        first = self._allocate(tenant, "last_chunk", len(members))
        acls = {access: self.acl(access) for access in {document.access for document, _ in members}}
        documents = {document.document_id: self._number(tenant, document.document_id) for document, _ in members}
        segment: list[Passage] = []
        # Postgres takes no COPY into a table with forced row-level security: go by a staging table.
        names = ", ".join(CHUNK_COLUMNS)
        self._execute("drop table if exists staged_chunk")
        self._execute("create temporary table staged_chunk (like {s}.chunk including defaults) on commit drop")
        statement = sql.SQL(f"copy staged_chunk ({names}) from stdin (format binary)")
        with self._connection.cursor().copy(statement) as copy:
            copy.set_types(list(CHUNK_COLUMNS.values()))
            rows = zip(members, passages.rows, passages.vectors, strict=True)
            for number, ((document, chunk_id), facts, vector) in enumerate(rows, first):
                above = context(document.facts["title"], facts["heading"])
                terms = passage_terms(facts["text"], facts["language"], above)
                acl = acls[document.access]
                segment.append(Passage(number, acl, terms, document.expires_at))
                values = facts | {
                    "tenant": self._tenants[tenant],
                    "chunk": number,
                    "document": documents[document.document_id],
                    "digest": document.chunks[chunk_id],
                    "length": min(len(terms), COUNT_MAX),
                    "acl_id": acl,
                    "valid_from": document.valid_from,
                    "expires_at": document.expires_at,
                    "flags": list(document.flags.get(chunk_id, ())),
                    "added_in": release,
                    "embedding": HalfVector(vector),
                }
                copy.write_row([values[name] for name in CHUNK_COLUMNS])
        self._execute(f"insert into {{s}}.chunk ({names}) select {names} from staged_chunk order by chunk")
        return segment

    def analyse(self) -> None:
        """Fresh statistics for the planner, after the transaction.

        Of passages the pages are marked in which everybody sees every row, too: a scan of the index by access set
        looks into no others. Where more than 2 % of them hold dead rows, these are removed, which autovacuum would put
        off until there are 20 %. Nobody has to wait for it: the table is not cut short, and one core is enough.
        """
        for tenant in sorted(self._touched):
            self._execute(f"vacuum (analyze, truncate off, parallel 0) {{s}}.chunk_{self._tenants[tenant]}")
            for table in ("document", "posting", "mask", "stat"):
                self._execute(f"analyze {{s}}.{table}_{self._tenants[tenant]}")
