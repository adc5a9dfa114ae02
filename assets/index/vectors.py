"""The HNSW index over a tenant's vectors: when there is one, how it is made, and how one made otherwise gives way."""

from __future__ import annotations

import psycopg
from psycopg import sql

from assets.index.segments import Connection
from retrieval.schema.migrate import space_schema

HNSW_FROM = 2_000
"""Rows of a tenant from which its vectors get an HNSW index; below, and up to statements.EXACT_UP_TO visible rows,
every search scans exactly. A first load is far cheaper as COPY and CREATE INDEX than row by row."""

HNSW_OPTIONS = {"m": 16, "ef_construction": 128}
"""Neighbours of a passage in the index, and candidates they are chosen from (recall and cost: docs/benchmarks.md). An
index that was made with others is made anew by the next release that changes its tenant."""

BYTES_A_ROW = 500
"""Memory that building an index takes for a row beside its vector: links of 16 and of 32 neighbours."""
MEMORY_MAX_MIB = 4096


def build(connection: Connection, space: int, tenant: int) -> None:
    """An index for a tenant that has grown past the size where scanning everything is as good.

    It is built in memory, with the help of other processes; where the machine has too little of the shared memory
    they need, by this one alone.

    Args:
        connection: inside a transaction.
    """
    schema = space_schema(space)
    found = connection.execute(
        sql.SQL(
            "select to_regclass(%s), (select count(*) from {}.chunk where tenant = %s),"
            " (select dimension from knowledge.space where id = %s)"
        ).format(sql.SQL(schema)),
        [f"{schema}.{_name(tenant)}", tenant, space],
    ).fetchone()
    if not found or found[0] is not None or found[1] < HNSW_FROM:
        return
    mib = found[1] * (2 * found[2] + BYTES_A_ROW) // 2**20 + 64
    memory = sql.SQL("set local maintenance_work_mem = {}").format(f"{min(mib, MEMORY_MAX_MIB)}MB")
    options = ", ".join(f"{option} = {value}" for option, value in HNSW_OPTIONS.items())
    statement = sql.SQL("create index {} on {} using hnsw (embedding halfvec_cosine_ops) with ({})").format(
        sql.Identifier(_name(tenant)), sql.Identifier(schema, f"chunk_{tenant}"), sql.SQL(options)
    )
    try:
        with connection.transaction():
            connection.execute(memory)
            connection.execute(statement)
    except (psycopg.errors.DiskFull, psycopg.errors.OutOfMemory):
        connection.execute("set local max_parallel_maintenance_workers = 0")
        connection.execute(memory)
        connection.execute(statement)


def drop_old(connection: Connection, space: int, tenant: int) -> None:
    """Drop indexes that were made with other options, once there is one with these.

    Args:
        connection: in autocommit, after the release that made the new one: dropping locks readers out for a moment.
    """
    schema = space_schema(space)
    rows = connection.execute(
        "select indexname from pg_indexes where schemaname = %s and tablename = %s and indexname ~ '_hnsw' order by 1",
        [schema, f"chunk_{tenant}"],
    ).fetchall()
    names = [row[0] for row in rows]
    if _name(tenant) in names:
        for name in names:
            if name != _name(tenant):
                connection.execute(sql.SQL("drop index {}").format(sql.Identifier(schema, name)))


def _name(tenant: int) -> str:
    """Name of a tenant's index; it tells the options, so that one made with others can be told from it."""
    return f"chunk_{tenant}_hnsw_" + "_".join(map(str, HNSW_OPTIONS.values()))
