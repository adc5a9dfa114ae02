"""Plain Postgres: pgvector and tsvector in one statement, fused by rank."""

from __future__ import annotations

from typing import Any

import psycopg
from common import CANDIDATES, Data, K, run
from pgvector import HalfVector
from pgvector.psycopg import register_vector

SEARCH = f"""
with nearest as materialized (
    select id, embedding <=> %(vector)s as distance from passage
    where tenant = %(tenant)s and acl = any (%(allowed)s)
    order by embedding <=> %(vector)s limit {CANDIDATES}
),
vectorial as (select id, row_number() over (order by distance, id) as place from nearest),
found as materialized (
    select id, ts_rank_cd(words, q.query) as score
    from passage, (select replace(plainto_tsquery(%(config)s, %(question)s)::text, ' & ', ' | ')::tsquery as query) q
    where tenant = %(tenant)s and acl = any (%(allowed)s) and words @@ q.query
    order by score desc, id limit {CANDIDATES}
),
lexical as (select id, row_number() over (order by score desc, id) as place from found),
fused as (
    select id, sum(1.0 / (60 + place)) as score from (
        select id, place from vectorial union all select id, place from lexical) u
    group by id order by 2 desc, id limit {K}
)
select f.id, f.score, p.text from fused f join passage p using (id) order by f.score desc, f.id
"""


def main() -> None:
    """Load, index, ask."""
    data = Data.load()
    with psycopg.connect(data.dsn, autocommit=True, prepare_threshold=1) as connection:
        register_vector(connection)
        load(connection, data)
        connection.execute("set plan_cache_mode = force_generic_plan")
        connection.execute("set hnsw.iterative_scan = relaxed_order")
        connection.execute("set hnsw.ef_search = 200")  # one batch, as here
        connection.execute("set max_parallel_workers_per_gather = 0")

        def ask(question: str, query: Any) -> list[int]:
            german = sum(word in question.lower().split() for word in ("der", "die", "das", "wie", "wer", "und")) > 0
            values = {
                "vector": HalfVector(query), "tenant": data.tenant, "allowed": data.allowed, "question": question,
                "config": "german" if german else "english",
            }  # fmt: skip
            return [row[0] for row in connection.execute(SEARCH, values, binary=True).fetchall()]

        run(data, ask, connection.info.backend_pid)


def load(connection: psycopg.Connection[Any], data: Data) -> None:
    """One table, filled by COPY and indexed afterwards."""
    connection.execute("drop table if exists passage")
    connection.execute(
        f"create table passage (id int primary key, tenant int not null, acl int not null, text text not null,"
        f" words tsvector, embedding halfvec({data.vectors.shape[1]}) not null)"
    )
    columns = "id, tenant, acl, text, embedding"
    with connection.cursor().copy(f"copy passage ({columns}) from stdin (format binary)") as copy:
        copy.set_types(["int4", "int4", "int4", "text", "halfvec"])
        for row, text in enumerate(data.texts):
            copy.write_row((row, data.tenants[row], data.acls[row], text, HalfVector(data.vectors[row])))
    connection.execute("create temporary table spoken (id int primary key, language text)")
    with connection.cursor().copy("copy spoken from stdin") as copy:
        for row, language in enumerate(data.languages):
            copy.write_row((row, "german" if language == "de" else "english"))
    connection.execute(
        "update passage p set words = to_tsvector(s.language::regconfig, text) from spoken s where s.id = p.id"
    )
    connection.execute("set maintenance_work_mem = '1GB'")
    connection.execute("create index on passage using hnsw (embedding halfvec_cosine_ops)")
    connection.execute("create index on passage using gin (words)")
    connection.execute("create index on passage (tenant, acl)")
    connection.execute("vacuum (full, analyze) passage")


if __name__ == "__main__":
    main()
