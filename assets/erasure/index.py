"""The erasure's work on the index: rows go from every release of every space, and their files are written anew."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
from psycopg import sql

from assets.erasure.journal import Intent
from assets.erasure.subject import Subject
from assets.index.segments import Connection, SegmentWriter
from retrieval.schema.migrate import LOCK, space_schema

REWRITTEN = ("document", "chunk", "posting", "stat", "mask")


def spaces(connection: Connection) -> list[int]:
    """Spaces whose tables are there."""
    rows = connection.execute("select id from knowledge.space order by id").fetchall()
    return [id_ for (id_,) in rows if _exists(connection, f"{space_schema(id_)}.document")]


def find_in_index(connection: Connection, intent: Intent, gone: set[str], subject: Subject | None) -> None:
    """Add to the intent what only the index knows: documents that gold has lost, passages that name the subject.

    Args:
        gone: paths of files of which nothing stays.
    """
    for space in spaces(connection):
        schema = space_schema(space)
        if subject is None:
            statement = "select distinct document_id::text from {s}.document where path = any (%s)"
            intent.documents |= {id_ for (id_,) in _run(connection, schema, statement, sorted(gone)).fetchall()}
            continue
        for chunk_id, values in _texts(connection, schema, "chunk", "chunk_id, text, heading, speaker"):
            if any(subject.holds(value) for value in values):
                intent.chunks.add(chunk_id)
        holding = (
            "select distinct d.document_id::text, d.version from {s}.document d join {s}.chunk c"
            " on c.tenant = d.tenant and c.document = d.document and c.version = d.version where c.chunk_id = any (%s)"
        )
        intent.versions |= {(id_, v) for id_, v in _run(connection, schema, holding, sorted(intent.chunks)).fetchall()}
        columns = "document_id::text || ' ' || version, title, path, url, array_to_string(authors || tags, ' ')"
        for name, values in _texts(connection, schema, "document", columns):
            if any(subject.holds(value) for value in values):
                id_, version = name.split()
                intent.versions.add((id_, int(version)))


def tenants_of(connection: Connection, intent: Intent) -> set[int]:
    """Tenants in whose tables something of it stands."""
    found: set[int] = set()
    for space in spaces(connection):
        schema = space_schema(space)
        ids = sorted(intent.documents | {id_ for id_, _ in intent.versions})
        rows = _run(
            connection,
            schema,
            "select distinct tenant from {s}.document where document_id = any (%s::uuid[]) union"
            " select distinct tenant from {s}.chunk where chunk_id = any (%s)",
            ids,
            sorted(intent.chunks),
        )
        found |= {tenant for (tenant,) in rows.fetchall()}
    return found


def erase_rows(connection: Connection, intent: Intent) -> None:
    """Delete documents, passages, postings, counts and masks, in one transaction."""
    versions = sorted(intent.versions)
    with connection.transaction():
        connection.execute("select pg_advisory_xact_lock(%s)", [LOCK])
        for space in spaces(connection):
            schema = space_schema(space)
            chunks = _run(
                connection,
                schema,
                "select c.tenant, array_agg(distinct c.chunk) from {s}.chunk c where c.chunk_id = any (%s) or exists ("
                " select 1 from {s}.document d where d.tenant = c.tenant and d.document = c.document"
                " and d.document_id = any (%s::uuid[])) group by 1",
                sorted(intent.chunks),
                sorted(intent.documents),
            ).fetchall()
            for tenant, numbers in chunks:
                SegmentWriter(connection, space, tenant).erase(numbers)
                intent.count("index/chunk", len(numbers))
            gone = _run(
                connection,
                schema,
                "delete from {s}.document where document_id = any (%s::uuid[])"
                " or (document_id, version) in (select * from unnest(%s::uuid[], %s::int[]))",
                sorted(intent.documents),
                [id_ for id_, _ in versions],
                [version for _, version in versions],
            )
            intent.count("index/document", gone.rowcount)


def rewrite_tables(connection: Connection, intent: Intent) -> bool:
    """Write the tenants' tables anew, so that no page holds what was deleted; whether statistics could be, too.

    A deleted row stays in its page until the room is used again. Searches of a tenant wait while one of its tables is
    written, which takes as long as copying it. The graph of its vectors would take far longer: it is dropped before,
    and made again while searches go on and scan.
    """
    for name in intent.graphs:
        connection.execute(sql.SQL("drop index if exists {}").format(_identifier(name)))
    for space in spaces(connection):
        schema = space_schema(space)
        for tenant in sorted(intent.tenants):
            for table in REWRITTEN:
                name = f"{schema}.{table}_{tenant}"
                if _exists(connection, name):
                    connection.execute(sql.SQL(f"vacuum (full) {name}"))
                    connection.execute(sql.SQL(f"analyze {name}"))
    for name, definition in sorted(intent.graphs.items()):
        _make_graph(connection, name, definition)
    try:
        connection.execute("vacuum full pg_catalog.pg_statistic")
    except psycopg.errors.InsufficientPrivilege:
        return False
    return True


def graphs_of(connection: Connection, intent: Intent) -> dict[str, str]:
    """Definitions of the graphs over vectors of the tenants concerned, by name."""
    tables = [f"{space_schema(space)}.chunk_{tenant}" for space in spaces(connection) for tenant in intent.tenants]
    rows = connection.execute(
        "select schemaname || '.' || indexname, indexdef from pg_indexes"
        " where schemaname || '.' || tablename = any (%s) and indexdef ~ ' USING hnsw '",
        [tables],
    )
    return dict(rows.fetchall())


def _make_graph(connection: Connection, name: str, definition: str) -> None:
    """Make a graph again, in memory where there is enough; searches go on, publications wait for the erasure anyway."""
    if _exists(connection, name):
        return
    try:
        with connection.transaction():
            connection.execute("set local maintenance_work_mem = '1GB'")
            connection.execute(definition.encode())
    except (psycopg.errors.DiskFull, psycopg.errors.OutOfMemory):
        with connection.transaction():
            connection.execute("set local max_parallel_maintenance_workers = 0")
            connection.execute(definition.encode())


def _identifier(name: str) -> sql.Identifier:
    return sql.Identifier(*name.split("."))


def clear_log(admin_dsn: str) -> None:
    """Begin a new segment of the embedded server's write-ahead log, and delete those before."""
    with psycopg.connect(admin_dsn, autocommit=True) as connection:
        for _ in range(2):  # the first checkpoint is written to the segment that the second one leaves behind
            connection.execute("select pg_switch_wal()")
            connection.execute("checkpoint")


def _texts(connection: Connection, schema: str, table: str, columns: str) -> Iterator[tuple[str, list[str]]]:
    """A name and the texts of each row, a few at a time."""
    with connection.transaction(), connection.cursor("erasure") as cursor:
        cursor.execute(sql.SQL(f"select {columns} from {schema}.{table}"))
        for name, *values in cursor:
            yield name, [value for value in values if value]


def _run(connection: Connection, schema: str, text: str, *parameters: Any) -> psycopg.Cursor[tuple[Any, ...]]:
    return connection.execute(sql.SQL(text.replace("{s}", schema)), parameters)


def _exists(connection: Connection, name: str) -> bool:
    return connection.execute("select to_regclass(%s)", [name]).fetchone() != (None,)
