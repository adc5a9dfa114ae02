"""The erasure's work on feedback: comments that name the subject are emptied, and their days sealed anew."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

from psycopg import sql

from assets.audit.seals import amended
from assets.erasure.subject import Subject
from assets.index.segments import Connection

Place = tuple[str, str]
"""A partition of the feedback, and the place of a row in it (`ctid`)."""


def find_comments(connection: Connection, subject: Subject) -> dict[Place, date]:
    """Where comments name the subject, and on which days they were given."""
    found: dict[Place, date] = {}
    with connection.transaction(), connection.cursor("comments") as cursor:
        cursor.execute(
            "select c.relname, f.ctid::text, f.at, f.comment from knowledge.feedback f"
            " join pg_class c on c.oid = f.tableoid where f.comment is not null"
        )
        for partition, place, at, comment in cursor:
            if subject.holds(comment):
                found[partition, place] = at.astimezone(UTC).date()
    return found


def empty_comments(connection: Connection, subject: Subject, key: bytes, *, now: datetime) -> int:
    """Empty the comments that name the subject, and how many there were; outcome and request stay.

    Args:
        connection: as owner, in autocommit.
        key: of the audit log's seals.
    """
    found = find_comments(connection, subject)
    if not found:
        return 0

    def change() -> None:
        for partition, place in found:
            statement = sql.SQL("update {} set comment = null where ctid = %s::tid")
            connection.execute(statement.format(sql.Identifier("knowledge", partition)), [place])

    amended(connection, key, sorted(set(found.values())), change, now=now)
    return len(found)


def rewrite_feedback(connection: Connection, partitions: set[str]) -> None:
    """Write partitions anew, so that no page holds a comment that was emptied. Feedback waits meanwhile, no search."""
    for partition in sorted(partitions):
        known: Any = connection.execute("select to_regclass(%s)", [f"knowledge.{partition}"]).fetchone()
        if known != (None,):
            connection.execute(sql.SQL("vacuum (full) {}").format(sql.Identifier("knowledge", partition)))
