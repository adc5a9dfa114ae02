"""Reads from Postgres what the checks of a candidate release look at: its rows without texts, and a lexical sample."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import psycopg
import pyarrow as pa
from psycopg import sql

from assets.index.contract import CANDIDATE
from assets.index.segments import FOREVER
from checks.referential import LexicalSample
from retrieval.analysis import passage_terms, query_terms
from retrieval.schema.migrate import space_schema

Connection = psycopg.Connection[tuple[Any, ...]]

SAMPLE_PASSAGES = 5_000
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
select c.chunk, c.text, d.language
from {schema}.chunk c join {schema}.document d
    on d.tenant = c.tenant and d.document = c.document and d.removed_in = %(forever)s
where c.tenant = %(tenant)s and c.acl_id = %(acl)s and c.removed_in = %(forever)s
  and (c.expires_at is null or c.expires_at > now())
order by c.chunk
""")

_LIVE = """(select segment from knowledge.segment
    where space = %(space)s and tenant = %(tenant)s and removed_in = %(forever)s)"""

_POSTINGS = sql.SQL(f"""
select term, string_agg(post, ''::bytea order by segment) from {{schema}}.posting
where tenant = %(tenant)s and acl_id = %(acl)s and term = any (%(terms)s) and segment in {_LIVE}
group by term
""")

_STATISTICS = sql.SQL(f"""
select coalesce(sum(chunks), 0)::bigint, coalesce(sum(length), 0)::bigint from {{schema}}.stat
where tenant = %(tenant)s and acl_id = %(acl)s and segment in {_LIVE}
""")

_MASKED = sql.SQL(f"""
select chunk, length from {{schema}}.mask
where tenant = %(tenant)s and acl_id = %(acl)s and segment in {_LIVE}
  and (removed_in < %(forever)s or expires_at <= now())
order by chunk
""")


def candidate_rows(connection: Connection, space: int) -> pa.Table:
    """Passages of the newest release of a space, as `assets.index.contract.CANDIDATE` describes them.

    A passage whose document or access set is lost has null in the columns that would come from it.

    Args:
        connection: as owner.
    """
    rows = _fetch(connection, _CANDIDATE, space, clearances=list(CLEARANCES))
    columns = list(zip(*rows, strict=True)) or [()] * len(CANDIDATE.columns)
    arrays = [pa.array(values, field.type) for values, field in zip(columns, CANDIDATE.schema, strict=True)]
    return pa.Table.from_arrays(arrays, schema=CANDIDATE.schema)
