"""Releases as their keepers see them: promote, roll back, purge, list."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import sql

from assets.index.segments import Connection, SegmentWriter
from retrieval.errors import NoReleaseError
from retrieval.schema.migrate import LOCK, space_schema


@dataclass(frozen=True, slots=True)
class Release:
    """One release and where it stands: `candidate`, `active`, `retired` or `purged`."""

    number: int
    state: str
    created_at: datetime
    released_at: datetime | None
    documents: int
    chunks: int
    added: int
    removed: int
    fingerprint: str


def list_releases(connection: Connection) -> list[Release]:
    """All releases, newest first."""
    rows = connection.execute(
        """
        select r.number,
               case when v.release = r.number then 'active' when r.state = 'released' then 'retired' else r.state end,
               r.created_at, r.released_at, r.documents, r.chunks, r.added, r.removed, s.fingerprint
        from knowledge.release r join knowledge.space s on s.id = r.space cross join knowledge.serving v
        order by r.number desc
        """
    )
    return [Release(*row) for row in rows]


@dataclass(frozen=True, slots=True)
class Serving:
    """What is served: the active release, and whether new ones wait for a person since a rollback."""

    release: int | None
    held: bool
    since: datetime


def serving(connection: Connection) -> Serving:
    """The one row that decides what every reader reads."""
    row = connection.execute("select release, held, since from knowledge.serving").fetchone()
    assert row is not None
    return Serving(*row)


def promote(connection: Connection, number: int, *, now: datetime, by_hand: bool = False) -> Serving:
    """Make a release the active one.

    After a rollback releases are built but not promoted until somebody promotes one by hand: otherwise the next
    dropped file would bring back what was rolled back.

    Args:
        by_hand: a person asked for exactly this release.

    Raises:
        NoReleaseError: there is no such release, or it is purged.
    """
    with connection.transaction():
        connection.execute("select pg_advisory_xact_lock(%s)", [LOCK])
        row = connection.execute("select state from knowledge.release where number = %s", [number]).fetchone()
        if row is None or row[0] == "purged":
            raise NoReleaseError(f"Release {number} is not kept: `knowledge release list` shows what there is")
        current = serving(connection)
        if current.held and not by_hand:
            return current
        connection.execute(
            "update knowledge.release set state = 'released', released_at = %s"
            " where number = %s and state = 'candidate'",
            [now, number],
        )
        connection.execute(
            "update knowledge.serving set release = %s, held = false, since = %s"
            " where release is distinct from %s or held",
            [number, now, number],
        )
        return serving(connection)


def rollback(connection: Connection, *, now: datetime, to: int | None = None) -> Serving:
    """Serve an earlier release again, by default the one before; changes one row. Promotion is held from then on.

    Raises:
        NoReleaseError: there is no earlier release that is kept, or `to` is not one.
    """
    with connection.transaction():
        connection.execute("select pg_advisory_xact_lock(%s)", [LOCK])
        row = connection.execute(
            "select max(r.number) from knowledge.release r cross join knowledge.serving v"
            " where r.state = 'released' and r.number < v.release and (%s::int is null or r.number = %s)",
            [to, to],
        ).fetchone()
        if row is None or row[0] is None:
            wanted = "no earlier release" if to is None else f"no earlier release {to}"
            raise NoReleaseError(f"There is {wanted} to roll back to: `knowledge release list` shows what is kept")
        connection.execute("update knowledge.serving set release = %s, held = true, since = %s", [row[0], now])
        return serving(connection)


def purge(connection: Connection, *, keep: int, now: datetime) -> dict[str, int]:
    """Delete what no kept release shows, and what has expired.

    Kept are the active release, every later one, and the `keep` released before it.

    Args:
        connection: as owner, in autocommit.

    Returns:
        Rows deleted, by table, and `releases` purged.
    """
    deleted: dict[str, int] = {}
    with connection.transaction():
        connection.execute("select pg_advisory_xact_lock(%s)", [LOCK])
        active = serving(connection).release
        if active is None:
            return deleted
        kept = connection.execute(
            "select coalesce(min(number), %s) from (select number from knowledge.release"
            " where state = 'released' and number <= %s order by number desc limit %s) k",
            [active, active, keep + 1],
        ).fetchone()
        assert kept is not None
        oldest = kept[0]
        deleted["releases"] = connection.execute(
            "update knowledge.release set state = 'purged', released_at = coalesce(released_at, %s)"
            " where number < %s and state <> 'purged'",
            [now, oldest],
        ).rowcount
        for (space,) in connection.execute("select id from knowledge.space order by id").fetchall():
            _purge_space(connection, space, oldest, now, deleted)
    return deleted


def _purge_space(connection: Connection, space: int, oldest: int, now: datetime, deleted: dict[str, int]) -> None:
    schema = space_schema(space)

    def run(name: str, text: str, *parameters: Any) -> None:
        statement = sql.SQL(text.replace("{s}", schema))
        deleted[name] = deleted.get(name, 0) + connection.execute(statement, list(parameters)).rowcount

    states = connection.execute("select distinct state from knowledge.release where space = %s", [space]).fetchall()
    if states == [("purged",)]:
        # No release reads it any more; should its model come back, it is built anew.
        connection.execute(sql.SQL("drop schema if exists {} cascade").format(sql.Identifier(schema)))
        run("segment", "delete from knowledge.segment where space = %s", space)
        connection.execute("delete from knowledge.numbering where space = %s", [space])
        return
    dead = "(select tenant, segment from knowledge.segment where space = %s and removed_in <= %s)"
    for table in ("posting", "stat", "mask"):
        run(table, f"delete from {{s}}.{table} where (tenant, segment) in {dead}", space, oldest)
    run("segment", "delete from knowledge.segment where space = %s and removed_in <= %s", space, oldest)
    gone = sql.SQL(
        f"select tenant, array_agg(chunk) from {schema}.chunk where removed_in <= %s or expires_at <= %s group by 1"
    )
    deleted.setdefault("chunk", 0)
    for tenant, chunks in connection.execute(gone, [oldest, now]).fetchall():
        SegmentWriter(connection, space, tenant).erase(chunks)
        deleted["chunk"] += len(chunks)
    run("document", "delete from {s}.document where removed_in <= %s or expires_at <= %s", oldest, now)
