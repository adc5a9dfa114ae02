"""Writing postings: a segment for each release, merged in steps, moved when access changes.

A segment is immutable once its release is out, but for two things that must be true in every release at once: who
may see a passage, and when it expires.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg import sql

from retrieval.analysis import context, passage_terms
from retrieval.bm25 import POSTING, pack
from retrieval.schema.migrate import space_schema

Connection = psycopg.Connection[tuple[Any, ...]]
FOREVER = 2_147_483_647

_GONE = f"m.removed_in < {FOREVER}"
"""A masked chunk that no release to come will show. One that has expired may come back with another expiry."""

GROWTH = 3
"""A segment is merged with the newer ones once they hold a third of its passages: so their number stays below
log4 of the passages (about nine at 400,000) and each passage is rewritten about as often."""


@dataclass(frozen=True, slots=True)
class Passage:
    """What a segment needs to know of a chunk."""

    chunk: int
    acl: int
    terms: Sequence[str]
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class Segment:
    """A live segment: the passages added by the releases from `added_from` to `added_to`."""

    number: int
    added_from: int
    added_to: int
    chunks: int


class SegmentWriter:
    """Writes the postings of one tenant in one space, inside the caller's transaction."""

    def __init__(self, connection: Connection, space: int, tenant: int) -> None:
        self._connection = connection
        self._space = space
        self._tenant = tenant
        self._schema = space_schema(space)

    def _execute(self, text: str, **parameters: Any) -> psycopg.Cursor[tuple[Any, ...]]:
        statement = sql.SQL(text.replace("{s}", self._schema))
        return self._connection.execute(statement, {"space": self._space, "tenant": self._tenant} | parameters)

    def mask(self, chunks: Sequence[int], release: int) -> None:
        """From `release` on these chunks do not count any more."""
        self._execute(
            """
            insert into {s}.mask (tenant, segment, chunk, acl_id, length, removed_in)
            select c.tenant, g.segment, c.chunk, c.acl_id, c.length, %(release)s
            from {s}.chunk c join knowledge.segment g on g.space = %(space)s and g.tenant = c.tenant
              and g.removed_in = %(forever)s and c.added_in between g.added_from and g.added_to
            where c.tenant = %(tenant)s and c.chunk = any (%(chunks)s)
            on conflict (tenant, segment, chunk) do update set removed_in = excluded.removed_in
            """,
            release=release,
            chunks=list(chunks),
            forever=FOREVER,
        )

    def write(self, release: int, passages: Sequence[Passage]) -> None:
        """The segment of a release: its own passages and those of the older segments it takes in."""
        if passages:
            merged = self._due(len(passages))
            numbers = [segment.number for segment in merged]
            self._write(release, passages, merged, self._surviving(numbers), self._surviving_stat(numbers))

    def consistent(self) -> bool:
        """Whether the live segments count the passages of the chunk table; they do not where a row was lost."""
        row = self._execute(
            """
            with live as materialized (
                select segment, added_from, added_to, added_in from knowledge.segment
                where space = %(space)s and tenant = %(tenant)s and removed_in = %(forever)s),
            held as (
                select g.segment, c.acl_id, count(*) as chunks, sum(c.length) as length
                from live g join {s}.chunk c
                  on c.added_in between g.added_from and g.added_to and c.removed_in > g.added_in
                where c.tenant = %(tenant)s group by 1, 2),
            counted as (
                select segment, acl_id, chunks, length from {s}.stat
                where tenant = %(tenant)s and chunks <> 0 and segment in (select segment from live))
            select not exists (
                select 1 from held h full join counted s using (segment, acl_id)
                where h.chunks is distinct from s.chunks or h.length is distinct from s.length)
            """,
            forever=FOREVER,
        ).fetchone()
        assert row is not None
        return bool(row[0])

    def rebuild(self, release: int) -> None:
        """One new segment in place of all live ones, from the texts of the chunk table instead of their postings."""
        rows = self._execute(
            """
            select c.chunk, c.acl_id, c.text, d.language, d.title, c.heading, c.expires_at
            from {s}.chunk c join {s}.document d on d.tenant = c.tenant and d.document = c.document
            where c.tenant = %(tenant)s and c.removed_in = %(forever)s and d.removed_in = %(forever)s
            order by c.chunk
            """,
            forever=FOREVER,
        )
        passages = [
            Passage(chunk, acl, passage_terms(text, language, context(title, heading)), expires_at)
            for chunk, acl, text, language, title, heading, expires_at in rows
        ]
        self._write(release, passages, self._live(), {}, {})

    def _write(
        self,
        release: int,
        passages: Sequence[Passage],
        merged: Sequence[Segment],
        postings: dict[tuple[int, str], list[bytes]],
        old_stat: dict[int, tuple[int, int]],
    ) -> None:
        """A segment from new passages and from the postings and counts that it takes over from merged ones."""
        added_from = min((segment.added_from for segment in merged), default=release)
        by_acl: dict[int, list[Passage]] = {}
        for passage in passages:
            by_acl.setdefault(passage.acl, []).append(passage)
        fresh_stat: dict[int, tuple[int, int]] = {}
        for acl, members in sorted(by_acl.items()):
            packed, lengths = pack((member.chunk, member.terms) for member in members)
            fresh_stat[acl] = (len(lengths), sum(lengths.values()))
            for term, post in packed.items():
                postings.setdefault((acl, term), []).append(post)
        self._retire([segment.number for segment in merged], release)
        self._execute(
            "insert into knowledge.segment (space, tenant, segment, added_from, added_to, added_in)"
            " values (%(space)s, %(tenant)s, %(release)s, %(added_from)s, %(release)s, %(release)s)",
            release=release,
            added_from=added_from,
        )
        self._stage(
            (term, acl, release, b"".join(parts))
            for (acl, term), parts in sorted(postings.items(), key=lambda item: (item[0][1], item[0][0]))
        )
        self._execute(
            "insert into {s}.posting (tenant, term, acl_id, segment, post)"
            " select %(tenant)s, term, acl_id, segment, post from staged_posting"
        )
        for acl in sorted(old_stat.keys() | fresh_stat.keys()):
            chunks, length = np.add(old_stat.get(acl, (0, 0)), fresh_stat.get(acl, (0, 0))).tolist()
            self._execute(
                "insert into {s}.stat (tenant, acl_id, segment, chunks, length)"
                " values (%(tenant)s, %(acl)s, %(release)s, %(chunks)s, %(length)s)",
                acl=acl,
                release=release,
                chunks=chunks,
                length=length,
            )
        self._mask_expiring(release, added_from)

    def _mask_expiring(self, segment: int, added_from: int) -> None:
        self._execute(
            """
            insert into {s}.mask (tenant, segment, chunk, acl_id, length, expires_at)
            select tenant, %(segment)s, chunk, acl_id, length, expires_at from {s}.chunk
            where tenant = %(tenant)s and expires_at is not null
              and added_in between %(added_from)s and %(segment)s and removed_in = %(forever)s
            """,
            segment=segment,
            added_from=added_from,
            forever=FOREVER,
        )

    def move(self, chunks: Sequence[int], acl: int, expires_at: datetime | None) -> None:
        """Give chunks another access set and expiry, in every segment that any release reads.

        Their rows in the chunk table must carry the old access set still; they are updated here as well.
        """
        wanted = np.array(sorted(chunks), np.int32)
        if not len(wanted):
            return
        old = [row[0] for row in self._execute(
            "select distinct acl_id from {s}.chunk where tenant = %(tenant)s and chunk = any (%(chunks)s)"
            " and acl_id <> %(acl)s",
            chunks=wanted.tolist(), acl=acl,
        )]  # fmt: skip
        if old:
            self._move_postings(wanted, old, acl)
        self._execute(
            "update {s}.chunk set acl_id = %(acl)s, expires_at = %(expires_at)s"
            " where tenant = %(tenant)s and chunk = any (%(chunks)s)",
            acl=acl,
            expires_at=expires_at,
            chunks=wanted.tolist(),
        )
        self._execute(
            """
            insert into {s}.mask (tenant, segment, chunk, acl_id, length, expires_at)
            select c.tenant, g.segment, c.chunk, c.acl_id, c.length, coalesce(c.expires_at, 'infinity')
            from {s}.chunk c join knowledge.segment g on g.space = %(space)s and g.tenant = c.tenant
              and c.added_in between g.added_from and g.added_to and c.removed_in > g.added_in
            where c.tenant = %(tenant)s and c.chunk = any (%(chunks)s) and (c.expires_at is not null or exists (
                select 1 from {s}.mask m
                where m.tenant = c.tenant and m.segment = g.segment and m.chunk = c.chunk))
            on conflict (tenant, segment, chunk)
            do update set acl_id = excluded.acl_id, expires_at = excluded.expires_at
            """,
            chunks=wanted.tolist(),
        )

    def erase(self, chunks: Sequence[int]) -> None:
        """Take chunks out of every segment, and their rows out of the index, as if they had never been."""
        wanted = np.array(sorted(chunks), np.int32)
        if not len(wanted):
            return
        acls = [row[0] for row in self._execute(
            "select distinct acl_id from {s}.chunk where tenant = %(tenant)s and chunk = any (%(chunks)s)",
            chunks=wanted.tolist(),
        )]  # fmt: skip
        self._move_postings(wanted, acls, None)
        for table in ("mask", "chunk"):
            self._execute(
                f"delete from {{s}}.{table} where tenant = %(tenant)s and chunk = any (%(chunks)s)",
                chunks=wanted.tolist(),
            )

    # ---------------------------------------------------------------- inside

    def _live(self) -> list[Segment]:
        """Segments the newest release reads, newest first."""
        rows = self._execute(
            """
            select g.segment, g.added_from, g.added_to, coalesce(sum(t.chunks), 0)::int
            from knowledge.segment g left join {s}.stat t on t.tenant = g.tenant and t.segment = g.segment
            where g.space = %(space)s and g.tenant = %(tenant)s and g.removed_in = %(forever)s
            group by 1, 2, 3 order by g.added_to desc
            """,
            forever=FOREVER,
        )
        return [Segment(*row) for row in rows]

    def _due(self, new: int) -> list[Segment]:
        """The newest segments that a release with `new` passages merges with its own."""
        if not new:
            return []
        merged: list[Segment] = []
        held, taken = new, new
        segments = self._live()
        for i, segment in enumerate(segments):
            held += segment.chunks
            if segment.chunks <= GROWTH * taken:
                merged = segments[: i + 1]
                taken = held
        return merged

    def _surviving(self, segments: Sequence[int]) -> dict[tuple[int, str], list[bytes]]:
        """Postings of segments without the chunks removed by now, by access set and term, in order of chunk."""
        if not segments:
            return {}
        rows = self._execute(
            "select acl_id, term, string_agg(post, ''::bytea order by segment) from {s}.posting"
            " where tenant = %(tenant)s and segment = any (%(segments)s) group by 1, 2",
            segments=list(segments),
        ).fetchall()
        gone = self._gone(segments)
        if not rows or not len(gone):
            return {(acl, term): [post] for acl, term, post in rows}
        records = np.frombuffer(b"".join(row[2] for row in rows), POSTING)
        counts = np.array([len(row[2]) for row in rows]) // POSTING.itemsize
        keep = ~np.isin(records["chunk"], gone)
        kept = np.add.reduceat(keep, np.r_[0, counts.cumsum()[:-1]])
        parts = np.split(records[keep], kept.cumsum()[:-1])
        return {(row[0], row[1]): [part.tobytes()] for row, part in zip(rows, parts, strict=True) if len(part)}

    def _gone(self, segments: Sequence[int]) -> NDArray[np.int32]:
        rows = self._execute(
            "select m.chunk from {s}.mask m where m.tenant = %(tenant)s and m.segment = any (%(segments)s)"
            f" and {_GONE} order by m.chunk",
            segments=list(segments),
        )
        return np.array([row[0] for row in rows], np.int32)

    def _surviving_stat(self, segments: Sequence[int]) -> dict[int, tuple[int, int]]:
        if not segments:
            return {}
        rows = self._execute(
            f"""
            select acl_id, sum(chunks)::int, sum(length)::bigint from (
                select acl_id, chunks, length from {{s}}.stat
                where tenant = %(tenant)s and segment = any (%(segments)s)
                union all
                select m.acl_id, -1, -m.length from {{s}}.mask m
                where m.tenant = %(tenant)s and m.segment = any (%(segments)s) and {_GONE}
            ) s group by 1 having sum(chunks) > 0
            """,
            segments=list(segments),
        )
        return {row[0]: (row[1], row[2]) for row in rows}

    def _retire(self, segments: Sequence[int], release: int) -> None:
        self._execute(
            "update knowledge.segment set removed_in = %(release)s"
            " where space = %(space)s and tenant = %(tenant)s and segment = any (%(segments)s)",
            release=release,
            segments=list(segments),
        )

    def _move_postings(self, chunks: NDArray[np.int32], old: Sequence[int], new: int | None) -> None:
        """Cut the postings of some chunks out of their access sets and put them under another, or nowhere."""
        rows = self._execute(
            "select segment, term, acl_id, post from {s}.posting where tenant = %(tenant)s and acl_id = any (%(old)s)",
            old=list(old),
        ).fetchall()
        rest: list[tuple[str, int, int, bytes]] = []
        moved: dict[tuple[str, int], list[bytes]] = {}
        for segment, term, acl, post in rows:
            records = np.frombuffer(post, POSTING)
            hit = np.isin(records["chunk"], chunks)
            if hit.any():
                rest.append((term, acl, segment, records[~hit].tobytes()))
                moved.setdefault((term, segment), []).append(records[hit].tobytes())
        self._replace_postings(rest)
        if new is not None:
            self._append_postings((term, new, segment, b"".join(p)) for (term, segment), p in sorted(moved.items()))
        self._move_stat(chunks, old, new)

    def _replace_postings(self, rows: Iterable[tuple[str, int, int, bytes]]) -> None:
        self._stage(rows)
        self._execute(
            "delete from {s}.posting p using staged_posting n where p.tenant = %(tenant)s"
            " and p.term = n.term and p.acl_id = n.acl_id and p.segment = n.segment"
        )
        self._execute(
            "insert into {s}.posting (tenant, term, acl_id, segment, post)"
            " select %(tenant)s, term, acl_id, segment, post from staged_posting where post <> ''"
        )

    def _append_postings(self, rows: Iterable[tuple[str, int, int, bytes]]) -> None:
        self._stage(rows)
        self._execute(
            "insert into {s}.posting (tenant, term, acl_id, segment, post)"
            " select %(tenant)s, term, acl_id, segment, post from staged_posting"
            " on conflict (tenant, term, acl_id, segment) do update set post = posting.post || excluded.post"
        )

    def _stage(self, rows: Iterable[tuple[str, int, int, bytes]]) -> None:
        """Rows into a temporary table: Postgres takes no COPY into one with forced row-level security."""
        self._execute("drop table if exists staged_posting")
        self._execute(
            'create temporary table staged_posting (term text collate "C", acl_id int, segment int, post bytea)'
            " on commit drop"
        )
        with self._connection.cursor().copy("copy staged_posting from stdin (format binary)") as copy:
            copy.set_types(["text", "int4", "int4", "bytea"])
            for row in rows:
                copy.write_row(row)

    def _move_stat(self, chunks: NDArray[np.int32], old: Sequence[int], new: int | None) -> None:
        """Counts follow from the chunk table: a chunk is in a segment that covers its release and met it alive."""
        rows = self._execute(
            """
            select g.segment, c.acl_id, count(*)::int, sum(c.length)::bigint
            from {s}.chunk c join knowledge.segment g on g.space = %(space)s and g.tenant = c.tenant
              and c.added_in between g.added_from and g.added_to and c.removed_in > g.added_in
            where c.tenant = %(tenant)s and c.chunk = any (%(chunks)s) and c.acl_id = any (%(old)s)
            group by 1, 2 order by 1, 2
            """,
            chunks=chunks.tolist(),
            old=list(old),
        ).fetchall()
        for segment, acl, count, length in rows:
            self._change_stat(acl, segment, -count, -length)
            if new is not None:
                self._change_stat(new, segment, count, length)

    def _change_stat(self, acl: int, segment: int, chunks: int, length: int) -> None:
        self._execute(
            """
            insert into {s}.stat (tenant, acl_id, segment, chunks, length)
            values (%(tenant)s, %(acl)s, %(segment)s, %(chunks)s, %(length)s)
            on conflict (tenant, acl_id, segment)
            do update set chunks = stat.chunks + excluded.chunks, length = stat.length + excluded.length
            """,
            acl=acl,
            segment=segment,
            chunks=chunks,
            length=length,
        )
