"""The HNSW index over a tenant's vectors: when there is one, and how it is made."""

from __future__ import annotations

import psycopg
from psycopg import sql

from assets.index.segments import Connection
from retrieval.schema.migrate import space_schema

HNSW_FROM = 2_000
"""Rows of a tenant from which its vectors get an HNSW index; below, and up to statements.EXACT_UP_TO visible rows,
every search scans exactly. A first load is far cheaper as COPY and CREATE INDEX than row by row. The index has
pgvector's own options: denser graphs cost more to write and to walk than a wider walk does (docs/benchmarks.md)."""

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
    schema, name = space_schema(space), f"chunk_{tenant}_hnsw"
    found = connection.execute(
        sql.SQL(
            "select to_regclass(%s), (select count(*) from {}.chunk where tenant = %s),"
            " (select dimension from knowledge.space where id = %s)"
        ).format(sql.SQL(schema)),
        [f"{schema}.{name}", tenant, space],
    ).fetchone()
    if not found or found[0] is not None or found[1] < HNSW_FROM:
        return
    mib = found[1] * (2 * found[2] + BYTES_A_ROW) // 2**20 + 64
    memory = sql.SQL("set local maintenance_work_mem = {}").format(f"{min(mib, MEMORY_MAX_MIB)}MB")
    statement = sql.SQL("create index {} on {} using hnsw (embedding halfvec_cosine_ops)").format(
        sql.Identifier(name), sql.Identifier(schema, f"chunk_{tenant}")
    )
    try:
        with connection.transaction():
            connection.execute(memory)
            connection.execute(statement)
    except (psycopg.errors.DiskFull, psycopg.errors.OutOfMemory):
        connection.execute("set local max_parallel_maintenance_workers = 0")
        connection.execute(memory)
        connection.execute(statement)
