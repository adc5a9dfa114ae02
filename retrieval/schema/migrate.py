"""Creates and upgrades the database: roles, core schema by numbered migrations, spaces and tenants on demand.

DDL runs statement by statement, each in its own transaction; every step can be run again after an interruption.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from importlib import resources
from typing import cast

import psycopg
from psycopg import sql

from retrieval.errors import ConfigurationError, SchemaError

OWNER = "knowledge_owner"
READER = "knowledge_reader"
SCHEMA = "knowledge"
MIGRATIONS = (
    "0001_core", "0002_audit", "0003_flags", "0004_partitions", "0005_pseudonym_keys",
    "0006_edition", "0007_statistics", "0008_amended_seals", "0009_written_at", "0010_masks",
    "0011_covered",
)  # fmt: skip
LOCK = 0x6B6E6F77
"""Advisory lock that keeps two processes from changing the schema at once ("know" in ASCII)."""

_VISIBLE_ROWS = """
    tenant = (select current_setting('knowledge.tenant')::int)
    and acl_id = any ((select current_setting('knowledge.acl')::int[])::int[])
    and added_in <= (select current_setting('knowledge.release')::int)
    and removed_in > (select current_setting('knowledge.release')::int)
    and (expires_at is null or expires_at > now())
"""
# On postings the plain form keeps both arrays in the index condition.
_VISIBLE_POSTINGS = """
    tenant = current_setting('knowledge.tenant')::int
    and acl_id = any (current_setting('knowledge.acl')::int[])
    and segment = any (current_setting('knowledge.segments')::int[])
"""
# Statistics are read whole: the settings are parsed once for a statement, not for every row.
_VISIBLE_COUNTS = """
    tenant = (select current_setting('knowledge.tenant')::int)
    and acl_id = any ((select current_setting('knowledge.acl')::int[])::int[])
    and segment = any ((select current_setting('knowledge.segments')::int[])::int[])
"""
# Masks are never found by access set: each is looked up in a table of those in sight.
_VISIBLE_MASKS = """
    tenant = (select current_setting('knowledge.tenant')::int)
    and acl_id in (select unnest(current_setting('knowledge.acl')::int[]))
    and segment = any ((select current_setting('knowledge.segments')::int[])::int[])
"""
READABLE = {
    "document": _VISIBLE_ROWS,
    "chunk": _VISIBLE_ROWS,
    "posting": _VISIBLE_POSTINGS,
    "stat": _VISIBLE_COUNTS,
    "mask": _VISIBLE_MASKS,
}
"""Tables of a space that the reader may select from, with what it sees of them."""


COVERED = "include (chunk, added_in, removed_in, expires_at, embedding)"
"""What the index by access set holds beside it: all that the policy and an exact scan look at."""
COVERED_DIMENSION_MAX = 1_300
"""Largest dimension that fits: an entry of a B-tree has at most 2,704 bytes, a vector two for each of its numbers."""


def bootstrap(admin_dsn: str, database: str) -> None:
    """Create roles, database and extension, as a superuser; does nothing where they exist.

    Args:
        admin_dsn: connection to any database of the server, allowed to create roles and databases.
        database: name of the database to create.
    """
    with psycopg.connect(admin_dsn, autocommit=True) as connection:
        connection.execute("select pg_advisory_lock(%s)", [LOCK])
        for role in (OWNER, READER):
            if not connection.execute("select 1 from pg_roles where rolname = %s", [role]).fetchone():
                connection.execute(
                    sql.SQL("create role {} login nosuperuser nocreatedb nocreaterole nobypassrls").format(
                        sql.Identifier(role)
                    )
                )
        if not connection.execute("select 1 from pg_database where datname = %s", [database]).fetchone():
            connection.execute(
                sql.SQL("create database {} owner {}").format(sql.Identifier(database), sql.Identifier(OWNER))
            )
    with psycopg.connect(admin_dsn, dbname=database, autocommit=True) as connection:
        connection.execute("create extension if not exists vector schema public")
        connection.execute("revoke create on schema public from public")
        # who asks questions needs no tables and functions of its own
        place = {"database": sql.Identifier(database), "owner": sql.Identifier(OWNER)}
        connection.execute(sql.SQL("revoke temporary on database {database} from public").format(**place))
        connection.execute(sql.SQL("grant temporary on database {database} to {owner}").format(**place))


def migrate(owner_dsn: str) -> list[str]:
    """Bring the core schema to this version, as the owner. Returns the names of the migrations applied.

    Raises:
        SchemaError: the database was made by a newer version of this library.
        ConfigurationError: roles or the vector extension are missing.
    """
    with psycopg.connect(owner_dsn, autocommit=True) as connection:
        connection.execute("select pg_advisory_lock(%s)", [LOCK])
        known = connection.execute("select 1 from pg_extension where extname = 'vector'").fetchone()
        roles = connection.execute("select count(*) from pg_roles where rolname in (%s, %s)", [OWNER, READER])
        if known is None or roles.fetchone() != (2,):
            raise ConfigurationError(
                "The database lacks the vector extension or the roles knowledge_owner and knowledge_reader:"
                " run `knowledge db init` once with an administrator's DSN"
            )
        applied = _applied(connection)
        unknown = applied - set(MIGRATIONS)
        if unknown:
            raise SchemaError(
                f"The database has migration {max(unknown)}, which this version does not know: upgrade avatar-knowledge"
            )
        pending = [name for name in MIGRATIONS if name not in applied]
        for name in pending:
            _apply(connection, name)
        return pending


def schema_version(connection: psycopg.Connection[tuple[object, ...]]) -> str | None:
    """Name of the newest migration the database has; None when it has none."""
    return max(_applied(connection), default=None)


def create_space(
    connection: psycopg.Connection[tuple[object, ...]],
    *,
    fingerprint: str,
    dimension: int,
    analyzer: str,
    now: datetime,
) -> int:
    """The space of that model and analyser, created when there is none. Needs a connection in autocommit."""
    found = connection.execute(
        "select id, dimension from knowledge.space where fingerprint = %s and analyzer = %s", [fingerprint, analyzer]
    ).fetchone()
    if found is None:
        found = connection.execute(
            "insert into knowledge.space (fingerprint, dimension, analyzer, created_at)"
            " values (%s, %s, %s, %s) returning id, dimension",
            [fingerprint, dimension, analyzer, now],
        ).fetchone()
        assert found is not None
    space = cast(int, found[0])
    if connection.execute("select to_regnamespace(%s)", [space_schema(space)]).fetchone() == (None,):
        with connection.transaction():
            values = {"schema": space_schema(space), "dimension": dimension, "vector": "public."}
            values["covered"] = COVERED if dimension <= COVERED_DIMENSION_MAX else ""
            for statement in _statements("space", **values):
                connection.execute(statement)
            for table, visible in READABLE.items():
                _protect(connection, f"{space_schema(space)}.{table}", visible)
    return space


def create_tenant(connection: psycopg.Connection[tuple[object, ...]], space: int, name: str) -> int:
    """The tenant of that name with its partitions in the space, created when missing."""
    connection.execute("insert into knowledge.tenant (name) values (%s) on conflict do nothing", [name])
    row = connection.execute("select id from knowledge.tenant where name = %s", [name]).fetchone()
    assert row is not None
    tenant = cast(int, row[0])
    schema = space_schema(space)
    if connection.execute("select to_regclass(%s)", [f"{schema}.mask_{tenant}"]).fetchone() == (None,):
        with connection.transaction():
            connection.execute("insert into knowledge.numbering (space, tenant) values (%s, %s)", [space, tenant])
            for statement in _statements("tenant", schema=schema, tenant=tenant):
                connection.execute(statement)
            for table, visible in READABLE.items():
                _protect(connection, f"{schema}.{table}_{tenant}", visible)
    return tenant


def space_schema(space: int) -> str:
    """Name of the schema that holds the tables of a space."""
    return f"space_{int(space)}"


# ---------------------------------------------------------------------- inside


def _applied(connection: psycopg.Connection[tuple[object, ...]]) -> set[str]:
    if connection.execute("select to_regclass('knowledge.migration')").fetchone() == (None,):
        return set()
    return {str(row[0]) for row in connection.execute("select name from knowledge.migration")}


def _apply(connection: psycopg.Connection[tuple[object, ...]], name: str) -> None:
    with connection.transaction():
        connection.execute("create schema if not exists knowledge")
        connection.execute(
            "create table if not exists knowledge.migration"
            " (name text primary key, applied_at timestamptz not null default now())"
        )
        connection.execute("set local search_path = knowledge, public")
        for statement in _statements(name):
            connection.execute(statement)
        connection.execute("insert into knowledge.migration (name) values (%s)", [name])


def _protect(connection: psycopg.Connection[tuple[object, ...]], table: str, visible: str) -> None:
    """Row-level security on a table; a partition gets the same, for searches that read it by name."""
    for statement in _statements("policies", table=table, visible=visible):
        connection.execute(statement)


def _statements(name: str, **values: object) -> Iterator[sql.SQL]:
    """Statements of a file of this folder, with names filled in that come from this module alone."""
    text = resources.files(__package__).joinpath(f"{name}.sql").read_text(encoding="utf-8")
    for key, value in values.items():
        text = text.replace("{" + key + "}", str(value))
    for statement in text.split(";;"):
        lines = [line for line in statement.splitlines() if not line.startswith("--")]
        body = "\n".join(lines).strip()
        if body:
            yield sql.SQL(body)
