"""The SQL of a search: what is sent in each of its two round trips.

No statement here filters by access: the policies of the tables do, from what `knowledge.enter` has set.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable

from psycopg import sql

from retrieval import audit, fusion
from retrieval.principal import CLEARANCES, Principal
from retrieval.schema.migrate import space_schema

ENTER = sql.SQL(
    "select problem, release, space, fingerprint, dimension, analyzer, tenant"
    " from knowledge.enter(%(tenant)s, %(roles)s::text[], %(clearance)s, %(release)s)"
)


def array(values: Iterable[int | float]) -> str:
    """Numbers as Postgres writes an array: the driver would look at each one to find its type."""
    return "{" + ",".join(map(repr, values)) + "}"


def texts(values: Iterable[str]) -> str:
    """Texts likewise; between quotation marks, these and backslashes are all that has a meaning."""
    quoted = ['"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"' for text in values]
    return "{" + ",".join(quoted) + "}"


def enter(principal: Principal, release: int | None = None) -> tuple[sql.SQL, dict[str, object]]:
    """Enter the transaction as a principal, in the active release unless another one is named."""
    return ENTER, {
        "tenant": principal.tenant,
        "roles": texts(sorted(principal.roles)),
        "clearance": CLEARANCES.index(principal.clearance),
        "release": release,
    }


CANDIDATES = 50
"""How many passages each leg puts forward."""

EXACT_UP_TO = 5_000
"""Visible rows up to which an exact scan is as cheap as the HNSW index, and finds more (measured, see docs)."""

EXACT_ALONE_UP_TO = 25_000
"""The same where the vectors decide alone: twice what a wide walk costs, which besides never reaches some of many
passages that are nearly alike (recall .974 of 12,000 real vectors, at any width)."""

MEET, MEET_WIDE = CANDIDATES, 590
"""Visible passages that a walk over the HNSW index meets: as many as the lexical leg puts forward, all of one batch of
`hnsw.ef_search` where a quarter of the table is in sight; or nearly all of three batches. Beside the lexical leg that
finds .957 of the ten nearest of 12,000 vectors of the packaged model where all is in sight, .96 to .98 where less is;
the wide walk .995 of 6,000 (docs/benchmarks.md)."""

WALK_ENDS = 4_000
"""Passages of any kind that a walk meets at most, seen or not (`hnsw.max_scan_tuples`)."""

WALK_BEGINS, WALK_GOES_ON, WALK_FILTERS = 2_400, 11, 9
"""What the first batch of a walk costs, then each passage it meets, and to see whether one passes the filters: in rows
of an exact scan (measured)."""

LOOK_UP = 4.5
"""What it costs to look up a passage by its number and compare it, in rows of an exact scan (measured)."""

WORDS_SAY = 0.5
"""Share of the question's words from which the lexical leg puts good passages forward as well, each with its true
distance. Below it (a question in another language, or in other words) the vectors decide alone, and are worth more."""

# What the lexical leg reads, as one row: each statement more costs both sides its handling. Postings come as one value,
# term after term. Masked chunks are few of those that may expire or were removed, so each kind is found by its index.
_READS = """
select t.terms, t.sizes, t.posts, s.chunks, s.length, m.masked, m.length,
       (select reltuples::int from pg_class where oid = '{s}.chunk{p}'::regclass){eligible}
from (
    select array_agg(term) as terms, array_agg(octet_length(post)) as sizes, string_agg(post, ''::bytea) as posts
    from (
        select term, string_agg(post, ''::bytea) as post
        from {s}.posting{p} where term = any (%(terms)s::text[]) group by term offset 0) p
) t, (
    select coalesce(sum(chunks), 0)::bigint as chunks, coalesce(sum(length), 0)::bigint as length from {s}.stat{p}
) s, (
    select string_agg(int4send(chunk), ''::bytea) as masked, coalesce(sum(length), 0)::bigint as length
    from (
        select chunk, length from {s}.mask{p}
        where removed_in < 2147483647 and removed_in <= (select current_setting('knowledge.release')::int)
        union all
        select chunk, length from {s}.mask{p}
        where expires_at < 'infinity' and expires_at <= now()
          and removed_in > (select current_setting('knowledge.release')::int)) k
) m
"""

_PASSES = """(%(source)s::text[] is null or d.source = any (%(source)s))
  and (%(language)s::text[] is null or d.language = any (%(language)s))
  and (%(tags)s::text[] is null or d.tags @> %(tags)s)
  and (%(since)s::date is null or coalesce(d.published, (d.valid_from at time zone 'UTC')::date) >= %(since)s)
  and (%(flagged)s::bool is null or (cardinality(c.flags) > 0) = %(flagged)s)"""
"""Whether a passage `c` of a document `d` passes the filters."""

_ELIGIBLE = """, (
    select coalesce(string_agg(int4send(c.chunk), ''::bytea), ''::bytea)
    from {s}.document{p} d join {s}.chunk{p} c on c.tenant = d.tenant and c.document = d.document
    where {passes})
""".replace("{passes}", _PASSES)

_READS_ALL = _READS.replace("{eligible}", "")
_READS_FILTERED = _READS.replace("{eligible}", _ELIGIBLE)

# The vector leg in its variants. `offset 0` keeps the exact ones off the HNSW index, and finds each distance once.
_EXACT = """
    select chunk, distance
    from (select c.chunk, c.embedding <=> %(vector)s as distance from {s}.chunk{p} c{only} offset 0) e
    order by distance, chunk limit {n}"""

# The walk over the HNSW index goes on until it has met {meet} passages that may be seen. It ends after
# `hnsw.max_scan_tuples` of any kind: where access or filters follow the topics, all of these may be about something
# that the reader may not see. If too few came ({enough}), everything visible is compared. Batches of the walk come
# one after the other, but not in one order, which the planner takes for granted: `+ 0` makes it sort them.
_HNSW = """
    with met as materialized (
        select c.chunk, c.embedding <=> %(vector)s as distance from {s}.chunk{p} c{only}
        order by c.embedding <=> %(vector)s limit {meet})
    (select * from met where (select count(*) from met) >= {enough} order by distance + 0, chunk limit {n})
    union all
    (select * from ({exact} offset 0) x where (select count(*) from met) < {enough})""".replace("{exact}", _EXACT)

_NAMED = """
    where c.chunk = any (%(eligible)s::int[])"""
# Where a good part of what is visible passes the filters, to read all of it costs less than to look each of these up.
_EXACT_AMONG = """
    select chunk, distance
    from (select c.chunk, c.embedding <=> %(vector)s as distance
          from (select chunk, embedding from {s}.chunk{p} offset 0) c
          where c.chunk in (select unnest(%(eligible)s::int[])) offset 0) e
    order by distance, chunk limit {n}"""
_FILTERED = """
    cross join lateral (
        select 1 from {s}.document{p} d where d.tenant = c.tenant and d.document = c.document
        and {passes} offset 0) f""".replace("{passes}", _PASSES)

_VECTOR = {
    "none": "select null::int as chunk, null::float8 as distance where false",
    "exact": _EXACT.replace("{only}", ""),
    "hnsw": _HNSW.replace("{only}", ""),
    "exact_eligible": _EXACT.replace("{only}", _NAMED),
    "exact_among": _EXACT_AMONG,
    "hnsw_eligible": _HNSW.replace("{only}", _FILTERED),
}
_VECTOR |= {f"{name}_wide": _VECTOR[name] for name in ("hnsw", "hnsw_eligible")}

# What is ranked of a candidate is read once, whichever leg put it forward: its distance to the question, so that the
# legs are weighed on what both know of it, its vector, and whether its text is long enough to be sure of its language
# (counting characters takes a look at the text, counting bytes does not: a character has at most four).
_RANKED = """
with nearest as materialized ({vector}),
named as materialized (
    select chunk, l.place as lexical_rank, v.place as vector_rank, coalesce(l.score, 0) as lexical
    from unnest(%(chunks)s::int[], %(scores)s::float8[]) with ordinality l(chunk, score, place)
    full join (select chunk, row_number() over (order by distance + 0, chunk) as place from nearest) v using (chunk)
),
candidate as materialized (
    select n.*, x.*
    from named n
    cross join lateral (
        select c.document, {embedding} as embedding, {distance} as distance,
               %(asked_in)s::text is not null and octet_length(c.text) >= {plain}
               and (octet_length(c.text) >= 4 * {plain} or length(c.text) >= {plain}) as long
        from {s}.chunk{p} c where c.chunk = n.chunk offset 0) x
),
foreigners as materialized (
    select document from {s}.document{p}
    where %(asked_in)s::text is not null and language <> %(asked_in)s
      and document = any (array(select document from candidate where long))
),
weighed as materialized (
    select c.*, c.long and f.document is not null as foreign_words,
           c.distance - case when c.long and f.document is not null then %(bias)s::float8 else 0 end as far
    from candidate c left join foreigners f using (document)
),
{drawn}
bounds as (select min(far) as best, {nearest} as nearest from {weighed}),
fused as (
    select w.*, {score} as score
    from {weighed} w cross join bounds b
    order by score desc, chunk
    limit %(k)s
)
"""

_DRAWN = """
first_bounds as (select min(far) as best from weighed),
leader as materialized (
    select w.foreign_words, w.embedding
    from weighed w cross join first_bounds b
    order by {score} desc, w.chunk limit 1
),
drawn as materialized (
    select w.chunk, w.lexical_rank, w.vector_rank, w.distance, w.lexical, w.document, {drawn} as far
    from weighed w cross join leader l
    cross join lateral (
        select (w.embedding <=> l.embedding)
               - case when w.foreign_words = l.foreign_words then 0 else %(kinship)s::float8 end as apart) x
),"""

_FUSE = """{ranked},
hit as (
    select f.score, f.lexical_rank, f.vector_rank, 1 - f.distance as similarity, p.*, d.*
    from fused f
    cross join lateral (
        select chunk, document, chunk_id, text, heading, page, speaker, start_s, end_s, valid_from, expires_at, flags
        from {s}.chunk{p} where chunk = f.chunk offset 0) p
    cross join lateral (
        select document_id, version, source, path, title, language, tags, published, url
        from {s}.document{p} where document = p.document offset 0) d
),
logged as ({logged})
select {columns}
from hit order by score desc, chunk
"""

# Where the order is not settled by the scores alone, the candidates come first and their hits in a trip of their own.
_SHORTLIST = """{ranked}
select f.chunk, f.score, f.lexical_rank, f.vector_rank, f.distance, p.document, p.ordinal, p.text
from fused f
cross join lateral (
    select document, ordinal, text from {s}.chunk{p} where chunk = f.chunk offset 0) p
order by f.score desc, f.chunk
"""

# A hit is the range of a document's passages that the reader may see and that pass the filter of passages (the others
# filter documents). Its citation leads to where the range begins.
_PASSAGES = """
    select u.place, u.chunk, u.score, u.lexical_rank, u.vector_rank, u.similarity, u.rerank_score, p.chunk_id, w.*, d.*
    from chosen u
    cross join lateral (
        select document, chunk_id, ordinal from {s}.chunk{p} where chunk = u.chunk offset 0) p
    cross join lateral (
        select string_agg(n.text, E'\\n\\n' order by n.ordinal) as text,
               array_agg(n.chunk_id order by n.ordinal) as parts,
               (array_agg(n.heading order by n.ordinal))[1] as heading,
               (array_agg(n.page order by n.ordinal))[1] as page,
               case when count(distinct n.speaker) = 1 and count(n.speaker) = count(*) then min(n.speaker) end
                   as speaker,
               (array_agg(n.start_s order by n.ordinal))[1] as start_s,
               (array_agg(n.end_s order by n.ordinal desc))[1] as end_s,
               max(n.valid_from) as valid_from, min(n.expires_at) as expires_at,
               (select coalesce(array_agg(distinct f), '{{}}') from {s}.chunk{p} m cross join unnest(m.flags) f
                where m.document = p.document
                  and m.ordinal between least(u.first, p.ordinal) and greatest(u.last, p.ordinal)
                  and (%(flagged)s::bool is null or (cardinality(m.flags) > 0) = %(flagged)s)) as flags
        from {s}.chunk{p} n
        where n.document = p.document
          and n.ordinal between least(u.first, p.ordinal) and greatest(u.last, p.ordinal)
          and (%(flagged)s::bool is null or (cardinality(n.flags) > 0) = %(flagged)s)) w
    cross join lateral (
        select document_id, version, source, path, title, language, tags, published, url
        from {s}.document{p} where document = p.document offset 0) d
"""

_SELECTED = """
with chosen as (
    select u.*, 1 - u.distance as similarity
    from unnest(%(chunks)s::int[], %(scores)s::float8[], %(lexical_ranks)s::int[], %(vector_ranks)s::int[],
                %(distances)s::float8[], %(reranked)s::float8[], %(firsts)s::int[], %(lasts)s::int[])
    with ordinality u(chunk, score, lexical_rank, vector_rank, distance, rerank_score, first, last, place)
),
hit as ({passages}),
logged as ({logged_in_place})
select {columns}, rerank_score, parts
from hit order by place
"""

# An answer that is kept. Where anything of it may not be seen any more, or anything in sight has expired since, there
# is no row and nothing is logged.
_KEPT = """
with chosen as (
    select * from unnest(%(chunks)s::int[], %(scores)s::float8[], %(lexical_ranks)s::int[], %(vector_ranks)s::int[],
                         %(similarities)s::float8[], %(reranked)s::float8[], %(firsts)s::int[], %(lasts)s::int[],
                         %(sizes)s::int[])
    with ordinality u(chunk, score, lexical_rank, vector_rank, similarity, rerank_score, first, last, size, place)
),
seen as materialized ({passages} where cardinality(w.parts) = u.size),
hit as (
    select * from seen
    where (select count(*) from seen) = cardinality(%(chunks)s::int[])
      and (%(until)s::timestamptz is null or now() < %(until)s)
),
logged as ({logged_in_place} having count(*) > 0)
select {columns}, rerank_score, parts
from hit order by place
"""

_UNTIL = "select min(expires_at) from {s}.mask{p} where expires_at < 'infinity' and expires_at > now()"

_COLUMNS = """chunk, text, score, lexical_rank, vector_rank, similarity,
       title, path, heading, page, speaker, start_s, end_s, url, published, version,
       chunk_id, document_id, source, language, tags, valid_from, expires_at, flags"""

CHUNK_ID, STAGED = 16, 24
"""Places in a row of hits: of the passage's id, and of what only a search in two steps gives."""

_LOGGED = {"logged": audit.LOGGED, "logged_in_place": audit.LOGGED.replace("score desc, chunk", "place")}


@functools.lru_cache(maxsize=4096)
def _compose(template: str, space: int, partition: int | None, variant: str = "none", n: int = CANDIDATES) -> sql.SQL:
    tables = {"s": space_schema(space), "p": "" if partition is None else f"_{int(partition)}"}
    wide = variant.endswith("_wide")
    meet = max(n, MEET_WIDE if wide else MEET)
    # Vectors that decide alone have to be the nearest; beside the lexical leg as many as it puts forward are enough.
    vector = _VECTOR[variant].format(n=n, meet=meet, enough=meet if wide else n, **tables)
    embedding, distance = "null::int", "null::float8"
    if variant != "none":
        embedding, distance = "c.embedding", "(c.embedding <=> %(vector)s)"
    score = functools.partial(fusion.SCORE.format, lexical="lexical", distance="w.far", best="b.best")
    drawn, weighed, nearest = "", "weighed", "min(far)"
    if variant != "none":
        first = score(nearest="b.best")
        drawn = _DRAWN.format(score=first, drawn=fusion.DRAWN.format(distance="w.far", apart="x.apart"), **tables)
        weighed, nearest = "drawn", "(select best from first_bounds)"
    ranks = {"vector": vector, "distance": distance, "drawn": drawn, "weighed": weighed, "nearest": nearest}
    ranks |= {"embedding": embedding, "score": score(nearest="b.nearest")}
    ranked = _RANKED.format(**ranks, plain=fusion.PLAIN_CHARACTERS, **tables)
    parts = {"ranked": ranked, "passages": _PASSAGES.format(**tables), "columns": _COLUMNS}
    return sql.SQL(template.format(**parts, **_LOGGED, **tables))


def first_trip(space: int, partition: int | None, *, filtered: bool) -> sql.SQL:
    """Postings, statistics, masked chunks and, when filters are given, the chunks that pass them, in one row.

    Args:
        space: where the release lies.
        partition: the tenant's tables there; None: the parents, which hold the same for whoever has entered.
    """
    return _compose(_READS_FILTERED if filtered else _READS_ALL, space, partition)


def second_trip(space: int, partition: int | None, variant: str, candidates: int) -> sql.SQL:
    """Vector leg, fusion, texts and audit row; `variant` is a key of the vector leg."""
    return _compose(_FUSE, space, partition, variant, candidates)


def shortlist(space: int, partition: int | None, variant: str, candidates: int) -> sql.SQL:
    """Vector leg and fusion; the best candidates with their texts, and no audit row yet."""
    return _compose(_SHORTLIST, space, partition, variant, candidates)


def selected(space: int, partition: int | None) -> sql.SQL:
    """Texts, citations and audit row of hits that were chosen from a short list."""
    return _compose(_SELECTED, space, partition)


def kept(space: int, partition: int | None) -> sql.SQL:
    """Texts, citations and audit row of an answer that is kept, where all of it still holds."""
    return _compose(_KEPT, space, partition)


def until(space: int, partition: int | None) -> sql.SQL:
    """When the next of all passages in sight expires."""
    return _compose(_UNTIL, space, partition)


def vector_variant(visible: int, eligible: int | None, coverage: float, table: int) -> str:
    """How to run the vector leg: what is expected to cost least, and where the vectors decide alone, finds most.

    Args:
        visible: rows it has to choose from.
        eligible: those of them that pass the filters; None: all do.
        coverage: share of the question's words, by weight, that the lexical leg has found.
        table: rows there are, visible or not, as the planner has last counted them; not above 0 where it has not.
    """
    alone = coverage < WORDS_SAY
    rows, exact, suffix, goes_on = float(visible), "exact", "", WALK_GOES_ON
    wanted = visible
    if eligible is not None:
        wanted, suffix, goes_on = eligible, "_eligible", WALK_GOES_ON + WALK_FILTERS
        rows, exact = min((LOOK_UP * eligible, "exact_eligible"), (visible + eligible, "exact_among"))
    # as if the wanted passages stood among the others in no order
    met = min((MEET_WIDE if alone else MEET) * max(1.0, table / max(wanted, 1)), WALK_ENDS)
    if rows <= max(EXACT_ALONE_UP_TO if alone else EXACT_UP_TO, WALK_BEGINS + goes_on * met):
        return exact
    return f"hnsw{suffix}{'_wide' if alone else ''}"
