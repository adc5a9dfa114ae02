"""What people should look at before they trust a release: new sources of personal data, documents that crowd it.

These checks warn and block nothing: a person decides.
"""

from collections.abc import Sequence
from typing import Any

import dagster as dg
import psycopg
from psycopg import sql

from assets.governance.reviews import open_reviews
from assets.index.assets import CANDIDATE
from assets.index.golden import GoldenQuestion, read_golden
from assets.index.poisoning import COPIED_SHARE, FEWEST_QUESTIONS, NEAREST, copied_share, crowds
from assets.index.segments import FOREVER
from assets.silver.contract import DOCUMENTS
from assets.stores import Stores
from checks.candidate import new_documents
from retrieval.schema.migrate import space_schema

Connection = psycopg.Connection[tuple[Any, ...]]

_NEW_PASSAGES = sql.SQL("""
select d.tenant, d.document_id::text, d.path, array_agg(c.text order by c.ordinal)
from {schema}.document d join {schema}.chunk c
    on c.tenant = d.tenant and c.document = d.document and c.removed_in = %(forever)s
where d.removed_in = %(forever)s and d.document_id = any (%(new)s::uuid[])
group by 1, 2, 3 order by 3
""")

_TENANTS = sql.SQL("""
select t.name, t.id, count(*) from {schema}.chunk c join knowledge.tenant t on t.id = c.tenant
where c.removed_in = %(forever)s group by 1, 2
""")

_NEAREST = sql.SQL("""
select d.document_id::text from (
    select document from {schema}.chunk where tenant = %(tenant)s and removed_in = %(forever)s
    order by embedding <=> %(vector)s limit %(nearest)s) c
join {schema}.document d on d.tenant = %(tenant)s and d.document = c.document and d.removed_in = %(forever)s
""")


@dg.asset_check(
    asset=dg.AssetKey(DOCUMENTS.name.split("/")),
    name="data_protection_review",
    description="No folder has begun to hold a type of personal data that nobody has reviewed"
    " (`knowledge review --acknowledge`).",
)
def data_protection_review(stores: dg.ResourceParam[Stores]) -> dg.AssetCheckResult:
    """Warn until every new source of personal data was reviewed."""
    waiting = open_reviews(stores.lake)
    by_folder: dict[str, list[str]] = {}
    for origin in waiting:
        by_folder.setdefault(origin.folder, []).append(f"{origin.type} ({origin.documents} documents)")
    return dg.AssetCheckResult(
        passed=not waiting,
        severity=dg.AssetCheckSeverity.WARN,
        description=None if not waiting else "A data-protection review is due: see `knowledge review`.",
        metadata={folder: ", ".join(types) for folder, types in by_folder.items()},
    )


@dg.asset_check(
    asset=CANDIDATE,
    name="nothing_crowds_the_index",
    description="No new document repeats itself in many passages or stands near suspiciously many golden questions.",
)
def nothing_crowds_the_index(stores: dg.ResourceParam[Stores]) -> dg.AssetCheckResult:
    """Warn about documents that look as if they were written to take the places of others."""
    with stores.connect() as connection:
        row = connection.execute("select space from knowledge.release order by number desc limit 1").fetchone()
        found = suspicions(stores, connection, int(row[0])) if row else {}
    return dg.AssetCheckResult(
        passed=not found,
        severity=dg.AssetCheckSeverity.WARN,
        description=None if not found else "Documents that may poison the index: look at them before promoting.",
        metadata=found,
    )


def suspicions(stores: Stores, connection: Connection, space: int) -> dict[str, str]:
    """What looks wrong about documents that are new in the newest release, by path."""
    new = new_documents(connection, space)
    if not new:
        return {}
    schema = sql.Identifier(space_schema(space))
    rows = connection.execute(_NEW_PASSAGES.format(schema=schema), {"forever": FOREVER, "new": new}).fetchall()
    paths = {document: path for _, document, path, _ in rows}
    sizes = {(tenant, document): len(texts) for tenant, document, _, texts in rows}
    found: dict[str, str] = {}
    for _, document, _, texts in rows:
        share = copied_share(texts)
        if share >= COPIED_SHARE:
            found[paths[document]] = f"{share:.0%} of its {len(texts)} passages are near-copies of each other"
    golden = read_golden(stores.golden, stores.inbox)
    tenants = connection.execute(_TENANTS.format(schema=schema), {"forever": FOREVER}).fetchall()
    for name, tenant, passages in tenants:
        questions = [question for question in golden if question.tenant == name]
        shares = {document: count / passages for (owner, document), count in sizes.items() if owner == tenant}
        if len(questions) < FEWEST_QUESTIONS or not shares:
            continue
        for crowd in crowds(_nearest(stores, connection, schema, tenant, questions), shares):
            told = f"among the {NEAREST} nearest passages of {crowd.questions} of {crowd.asked} golden questions"
            found[paths[crowd.document_id]] = "; ".join(filter(None, [found.get(paths[crowd.document_id]), told]))
    return found


def _nearest(
    stores: Stores, connection: Connection, schema: sql.Identifier, tenant: int, questions: Sequence[GoldenQuestion]
) -> list[list[str]]:
    from pgvector import HalfVector
    from pgvector.psycopg import register_vector

    register_vector(connection)
    statement = _NEAREST.format(schema=schema)
    fixed = {"tenant": tenant, "forever": FOREVER, "nearest": NEAREST}
    return [
        [
            row[0]
            for row in connection.execute(
                statement, fixed | {"vector": HalfVector(stores.encoder.encode_query(question.text))}
            )
        ]
        for question in questions
    ]
