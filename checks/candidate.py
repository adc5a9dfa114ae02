"""Reads from Postgres what the checks of a candidate release look at: its rows without texts, and a lexical sample."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import psycopg
import pyarrow as pa
from psycopg import sql

from assets.index.contract import CANDIDATE
from assets.index.segments import FOREVER
from checks.referential import LexicalSample
from retrieval.analysis import context, passage_terms
from retrieval.principal import CLEARANCES
from retrieval.schema.migrate import space_schema

Connection = psycopg.Connection[tuple[Any, ...]]

SAMPLE_PASSAGES = 500
"""Most passages that are analysed for one lexical check, so that it takes about a second whatever the index holds."""

SAMPLE_WORDS = 5
"""Words scored in each access set."""

_CANDIDATE = sql.SQL("""
select t.name as tenant, d.document_id::text, c.chunk_id, c.chunk, c.ordinal, c.version,
       d.version as document_version, d.source, d.path, d.language, c.text_sha256, length(c.text) as text_length,
       c.length as terms, c.char_start, c.char_end, c.page, c.start_s, c.end_s, c.acl_id,
       d.acl_id as document_acl_id, o.name as acl_tenant,
       (%(clearances)s::text[])[a.clearance + 1] as clearance, c.valid_from, c.expires_at,
       d.expires_at as document_expires_at, c.added_in, public.l2_norm(c.embedding) as norm
from {schema}.chunk c
join knowledge.tenant t on t.id = c.tenant
left join {schema}.document d
    on d.tenant = c.tenant and d.document = c.document and d.removed_in = %(forever)s
left join knowledge.acl a on a.id = c.acl_id
left join knowledge.tenant o on o.id = a.tenant
where c.removed_in = %(forever)s
order by t.name, c.chunk
""")

_ACCESS_SETS = sql.SQL("""
select c.tenant, t.name, c.acl_id, count(*)
from {schema}.chunk c join knowledge.tenant t on t.id = c.tenant
where c.removed_in = %(forever)s and (c.expires_at is null or c.expires_at > now())
group by 1, 2, 3 order by max(c.added_in) desc, count(*), 1, 3
""")

_PASSAGES = sql.SQL("""
select c.chunk, c.text, d.language, d.title, c.heading
from {schema}.chunk c join {schema}.document d
    on d.tenant = c.tenant and d.document = c.document and d.removed_in = %(forever)s
where c.tenant = %(tenant)s and c.acl_id = %(acl)s and c.removed_in = %(forever)s
  and (c.expires_at is null or c.expires_at > now())
order by c.chunk
""")

_NEW_DOCUMENTS = sql.SQL("""
with newest as (select max(number) as release from knowledge.release)
select distinct d.document_id::text
from {schema}.document d join newest on true
where d.removed_in = %(forever)s and (d.added_in = release or exists (
    select 1 from {schema}.chunk c
    where c.tenant = d.tenant and c.document = d.document and c.added_in = release))
""")

_LIVE = sql.SQL("""
select segment from knowledge.segment where space = %(space)s and tenant = %(tenant)s and removed_in = %(forever)s
""")

_POSTINGS = sql.SQL("""
select term, string_agg(post, ''::bytea order by segment) from {schema}.posting
where tenant = %(tenant)s and acl_id = %(acl)s and term = any (%(terms)s) and segment in ({live})
group by term
""")

_STATISTICS = sql.SQL("""
select coalesce(sum(chunks), 0)::bigint, coalesce(sum(length), 0)::bigint from {schema}.stat
where tenant = %(tenant)s and acl_id = %(acl)s and segment in ({live})
""")

_MASKED = sql.SQL("""
select chunk, length from {schema}.mask
where tenant = %(tenant)s and acl_id = %(acl)s and segment in ({live})
  and (removed_in < %(forever)s or expires_at <= now())
order by chunk
""")


def candidate_rows(connection: Connection, space: int) -> pa.Table:
    """Passages of the newest release of a space, as `assets.index.contract.CANDIDATE` describes them.

    A passage whose document or access set is lost has null in the columns that would come from it.

    Args:
        connection: as owner.
    """
    cursor = _execute(connection, _CANDIDATE, space, clearances=list(CLEARANCES))
    names = [column.name for column in cursor.description or ()]
    rows = cursor.fetchall()
    values = dict(zip(names, zip(*rows, strict=True), strict=True)) if rows else dict.fromkeys(names, ())
    arrays = [pa.array(values[field.name], field.type) for field in CANDIDATE.schema]
    return pa.Table.from_arrays(arrays, schema=CANDIDATE.schema)


def new_documents(connection: Connection, space: int) -> list[str]:
    """Ids of the documents that have a row or a passage that is new in the newest release."""
    return sorted(row[0] for row in _execute(connection, _NEW_DOCUMENTS, space))


def lexical_sample(connection: Connection, space: int, *, most: int = SAMPLE_PASSAGES) -> tuple[LexicalSample, ...]:
    """Access sets with what the newest release's index says of them, as a principal of just that set would see it.

    Those with the newest passages come first, as many as hold `most` passages together; larger ones are left out.

    Args:
        connection: as owner, in autocommit.
    """
    samples = []
    with connection.transaction():
        # one snapshot, or a publication in between would look like a difference
        connection.execute("set transaction isolation level repeatable read, read only")
        for tenant, name, acl, passages in _execute(connection, _ACCESS_SETS, space).fetchall():
            if passages <= most:
                most -= passages
                samples.append(_sample(connection, space, tenant, name, acl))
    return tuple(samples)


def _sample(connection: Connection, space: int, tenant: int, name: str, acl: int) -> LexicalSample:
    def fetch(statement: sql.SQL, **parameters: Any) -> list[tuple[Any, ...]]:
        return _execute(connection, statement, space, tenant=tenant, acl=acl, **parameters).fetchall()

    passages = {
        chunk: passage_terms(text, language, context(title, heading))
        for chunk, text, language, title, heading in fetch(_PASSAGES)
    }
    terms = _spread(passages.values())
    ((chunks, length),) = fetch(_STATISTICS)
    masked = fetch(_MASKED)
    return LexicalSample(
        tenant=name,
        acl_id=acl,
        words=tuple((term,) for term in terms),
        passages=passages,
        postings=dict(fetch(_POSTINGS, terms=terms)),
        chunks=chunks - len(masked),
        length=length - sum(row[1] for row in masked),
        masked=tuple(row[0] for row in masked),
    )


def _spread(passages: Iterable[Sequence[str]]) -> list[str]:
    """Terms from the rarest to the most frequent, evenly spread."""
    frequency = Counter(term for terms in passages for term in set(terms))
    ranked = sorted(frequency, key=lambda term: (frequency[term], term))
    last, steps = len(ranked) - 1, SAMPLE_WORDS - 1
    return list(dict.fromkeys(ranked[last * step // steps] for step in range(SAMPLE_WORDS))) if ranked else []


def _execute(
    connection: Connection, statement: sql.SQL, space: int, **parameters: Any
) -> psycopg.Cursor[tuple[Any, ...]]:
    composed = statement.format(schema=sql.Identifier(space_schema(space)), live=_LIVE)
    return connection.execute(composed, {"space": space, "forever": FOREVER} | parameters)
