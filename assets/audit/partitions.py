"""Monthly partitions of audit and feedback: made ahead, and made for whatever fell into the default partition."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime

from psycopg import sql

from assets.index.segments import Connection
from retrieval.schema.migrate import OWNER

TABLES = ("audit", "feedback")
AHEAD = 2
"""Months made before they begin: one missed night, or ten, must not matter."""
LOCK_TIMEOUT = "5s"
"""How long the log may be held up while a partition is attached or dropped; a later run tries again."""

_NAME = re.compile(r"(?:audit|feedback)_(\d{4})_(\d{2})")


def ensure_partitions(connection: Connection, *, now: datetime, ahead: int = AHEAD) -> list[str]:
    """Create the partitions of this month, of the next ones, and of every month that rows in the default one are of.

    Args:
        connection: as owner, in autocommit.

    Returns:
        Names of the partitions made.
    """
    first = now.astimezone(UTC).date().replace(day=1)
    made = []
    for table in TABLES:
        wanted = {_later(first, months) for months in range(ahead + 1)} | set(_strays(connection, table))
        for month in sorted(wanted):
            if _create(connection, table, month):
                made.append(partition_name(table, month))
    return made


def partition_name(table: str, month: date) -> str:
    """Name of the partition of a month, given by its first day."""
    return f"{table}_{month:%Y_%m}"


def months(connection: Connection) -> list[date]:
    """First days of the months that have a partition, oldest first."""
    rows = connection.execute(
        "select c.relname from pg_inherits i join pg_class c on c.oid = i.inhrelid"
        " where i.inhparent in ('knowledge.audit'::regclass, 'knowledge.feedback'::regclass)"
    ).fetchall()
    found = (_NAME.fullmatch(name) for (name,) in rows)
    return sorted({date(int(match[1]), int(match[2]), 1) for match in found if match})


def next_month(month: date) -> date:
    """First day of the month after."""
    return _later(month.replace(day=1), 1)


def _later(first: date, months: int) -> date:
    years, month = divmod(first.month - 1 + months, 12)
    return date(first.year + years, month + 1, 1)


def _strays(connection: Connection, table: str) -> Iterator[date]:
    statement = sql.SQL(
        "select distinct date_trunc('month', at at time zone 'UTC')::date from {}"
        " where at >= '0001-02-01 UTC' and at < '9999-12-01 UTC'"  # others have no month that Python knows
    )
    for (month,) in connection.execute(statement.format(_identifier(f"{table}_rest"))):
        yield month


def _create(connection: Connection, table: str, month: date) -> bool:
    """One partition, with the rows of its month that are in the default one; False where it is there already."""
    name = partition_name(table, month)
    bounds = {
        "table": _identifier(table),
        "rest": _identifier(f"{table}_rest"),
        "name": _identifier(name),
        "owner": sql.Identifier(OWNER),
        "start": sql.Literal(f"{month} 00:00:00+00"),
        "end": sql.Literal(f"{next_month(month)} 00:00:00+00"),
    }
    if connection.execute("select to_regclass(%s)", [f"knowledge.{name}"]).fetchone() != (None,):
        return False
    with connection.transaction():
        connection.execute(sql.SQL("set local lock_timeout = {}").format(sql.Literal(LOCK_TIMEOUT)))
        for statement in (
            # Rows that come meanwhile wait, and then find the new partition.
            "lock table {rest} in access exclusive mode",
            "create table {name} (like {table} including defaults including constraints including indexes)",
            # sealing reads a day out of a month; rows come in order of time
            "create index on {name} using brin (at)",
            "with moved as (delete from {rest} where at >= {start} and at < {end} returning *)"
            " insert into {name} select * from moved",
            "alter table {name} enable row level security",
            "alter table {name} force row level security",
            "create policy owner on {name} to {owner} using (true) with check (true)",
            "alter table {table} attach partition {name} for values from ({start}) to ({end})",
        ):
            connection.execute(sql.SQL(statement).format(**bounds))
    return True


def _identifier(name: str) -> sql.Identifier:
    return sql.Identifier("knowledge", name)
