"""Everything that the runtime's role can reach by SQL, as its own catalogue lists it.

Whatever it reads, copies, explains or breaks, it meets no word of what its principal may not see. An object that nobody
thought of here fails the first test.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from retrieval import Principal
from retrieval.schema.migrate import READABLE, READER, migrate
from tests.retrieval.oracle import CLEARANCES
from tests.retrieval.scene import COMMON, Scene, enter, marks_in, scene
from tests.support import Connection, Databases, GoldDocument, Index, WordsEncoder, everyone

NOBODY = Principal(user="nobody", tenant="corp", roles=["unheard-of"])

OURS = "n.nspname not in ('pg_catalog', 'information_schema', 'pg_toast') and n.nspname !~ '^pg_temp'"
PRIVILEGES = ["SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER", "MAINTAIN"]


@pytest.fixture(scope="module")
def world(shared_index: Index) -> Iterator[Scene]:
    with scene(shared_index, documents=40, seed=3) as one:
        for schema in one.index.schemas():
            for name in READABLE:
                one.index.owner.execute(f"analyze {schema}.{name}".encode())
        yield one


@pytest.fixture
def reader(world: Scene) -> Iterator[Connection]:
    with psycopg.connect(world.index.server.dsn(READER, world.index.name), autocommit=True) as connection:
        yield connection


def run(connection: Connection, statement: str) -> list[tuple[Any, ...]]:
    """Rows of a statement, or what its error says, as rows are: so that neither can be forgotten."""
    try:
        with connection.transaction():
            return connection.execute(statement.encode()).fetchall()
    except psycopg.Error as error:
        diagnosis = error.diag
        return [(str(error), diagnosis.message_detail, diagnosis.message_hint, diagnosis.context)]


def reachable(connection: Connection) -> list[str]:
    """Relations outside of Postgres' own schemas that the role may do anything with."""
    rows = connection.execute(
        f"""
        select c.oid::regclass::text from pg_class c join pg_namespace n on n.oid = c.relnamespace, unnest(%s::text[]) p
        where {OURS} and c.relkind in ('r', 'p', 'v', 'm', 'f', 'S') and has_schema_privilege(n.oid, 'usage')
          and case when c.relkind = 'S' then has_sequence_privilege(c.oid, 'usage,select,update')
                   else has_table_privilege(c.oid, p) or (p in ('SELECT', 'INSERT', 'UPDATE', 'REFERENCES')
                        and has_any_column_privilege(c.oid, p)) end
        group by 1 order by 1
        """.encode(),
        [PRIVILEGES],
    ).fetchall()
    return [row[0] for row in rows]


def known(relation: str) -> re.Match[str] | None:
    """What a relation is, if this file knows: space, table and tenant."""
    return re.fullmatch(rf"space_(\d+)\.({'|'.join(READABLE)})(?:_(\d+))?", relation)


# ---------------------------------------------------------------------------- tables


def test_each_relation_shows_rows_of_the_principals_access_sets_alone(world: Scene, reader: Connection) -> None:
    """By SELECT, COPY of a query, COPY of the table, a sample, a cursor and a plan that was made for somebody else."""
    relations = reachable(reader)
    assert {relation for relation in relations if not known(relation)} == {"knowledge.audit"}
    assert len(relations) == 1 + len(READABLE) * 4
    for number, relation in enumerate(relations[1:]):
        reader.execute(f"prepare p{number} as select x::text from {relation} x".encode())
    reader.execute("set plan_cache_mode = force_generic_plan")
    pairs = 0
    for principal, release in itertools.product([*world.principals(8), NOBODY], (1, 2)):
        with reader.transaction():
            enter(reader, principal, release)
            tenant, sets = reader.execute(
                "select current_setting('knowledge.tenant')::int, current_setting('knowledge.acl')::int[]"
            ).fetchone() or (0, [])
            for number, relation in enumerate(relations[1:]):
                match = known(relation)
                assert match is not None
                own = match[3] in (None, str(tenant))
                found = ways(reader, relation, number)
                plain = found.pop("select")
                assert all(rows == plain for rows in found.values()), (relation, found.keys())
                pairs += len(plain)
                owners = reader.execute(f"select distinct tenant, acl_id from {relation}".encode()).fetchall()
                assert set(owners) <= ({(tenant, number) for number in sets} if own else set())
                if not own:
                    assert plain == []
                elif match[2] in ("document", "chunk"):
                    passages = world.visible(principal, release)
                    ids = {p.chunk_id if match[2] == "chunk" else p.document.name for p in passages}
                    column = "chunk_id" if match[2] == "chunk" else "title"
                    rows = reader.execute(f"select {column} from {relation}".encode()).fetchall()
                    assert sorted({row[0] for row in rows}) == sorted(ids)
                    assert marks_in(plain) <= world.marks(principal, release)
                else:
                    assert marks_in(plain) <= in_sight_ever(world, principal)
    assert pairs > 2_000


def ways(connection: Connection, relation: str, number: int) -> dict[str, list[str]]:
    """All rows as text, by how they are read."""
    every = f"select x::text from {relation} x"
    found = {
        "select": run(connection, every),
        "sample": run(connection, f"select x::text from {relation} x tablesample bernoulli (100)"),
        "prepared": run(connection, f"execute p{number}"),
        "subquery": run(connection, f"select (select max(y::text) from {relation} y where y = x) from {relation} x"),
    }
    connection.execute(f"declare c no scroll cursor for {every}".encode())
    found["cursor"] = connection.execute("fetch all from c").fetchall()
    connection.execute("close c")
    rows = {way: sorted(row[0] for row in one) for way, one in found.items()}
    rows["copy of a query"] = copied(connection, f"({every})")
    whole = copied(connection, relation)
    if re.search(r"_\d+$", relation):  # under policies a COPY of a table leaves its partitions out
        assert len(whole) == len(rows["select"])
        assert marks_in(whole) == marks_in(rows["select"])
    else:
        assert whole == []
    return rows


def copied(connection: Connection, source: str) -> list[str]:
    with connection.cursor().copy(f"copy {source} to stdout".encode()) as copy:
        return sorted("\t".join(map(str, row)) for row in copy.rows())


def in_sight_ever(world: Scene, principal: Principal) -> set[str]:
    """Marks of what carries an access set of the principal, in whatever release, expired or not: postings and masks
    are those of segments, which a search reads with the masks beside."""
    marks: set[str] = set()
    for documents in world.world.releases.values():
        for document in documents.values():
            access, _ = world.world.access[document.name]
            if (
                access.tenant == principal.tenant
                and set(access.roles) & set(principal.roles)
                and CLEARANCES.index(access.clearance) <= CLEARANCES.index(principal.clearance)
            ):
                marks |= marks_in(document.name, document.texts)
    return marks


def test_postgres_own_tables_and_views_hold_no_word_of_anybodys(world: Scene, reader: Connection) -> None:
    """Statistics, activity, settings, definitions: all that the role may select from, read whole, while another
    session of the same role searches."""
    retriever = world.index.retriever()
    (principal,) = world.principals(1)
    mark = next(iter(world.marks(principal, 2)), COMMON)
    retriever.search(f"{COMMON} {mark} and title0x", principal=principal)
    names = reader.execute(
        """
        select c.oid::regclass::text from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where n.nspname in ('pg_catalog', 'information_schema') and c.relkind in ('r', 'v')
          and (has_table_privilege(c.oid, 'SELECT') or has_any_column_privilege(c.oid, 'SELECT')) order by 1
        """
    ).fetchall()
    assert len(names) > 150
    for (name,) in names:
        rows = run(reader, f"select x::text from {name} x")
        assert marks_in(rows) == set(), name
    assert run(reader, "select count(*) from pg_stats where schemaname ~ '^space_'") == [(0,)]
    assert "permission denied" in str(run(reader, "select * from pg_statistic"))
    sessions = run(reader, "select count(*) from pg_stat_activity where query <> '' and usename = current_user")
    assert sessions[0][0] > 1, "others of the same role are seen, their values are not"


def test_functions_that_run_as_somebody_else_are_known_and_say_nothing(world: Scene, reader: Connection) -> None:
    rows = run(
        reader,
        "select p.oid::regprocedure::text, pg_get_functiondef(p.oid) from pg_proc p"
        " where p.prosecdef and has_function_privilege(p.oid, 'execute')"
        " and has_schema_privilege(p.pronamespace, 'usage') order by 1",
    )
    assert [name.split("(")[0].removeprefix("knowledge.") for name, _ in rows] == [
        "current_release", "edition", "enter", "give_feedback", "late_audit",
    ]  # fmt: skip
    assert not any(re.search(r"\braise\b", source, re.IGNORECASE) for _, source in rows)
    answers = run(reader, "select * from knowledge.current_release()") + run(reader, "select knowledge.edition()")
    for principal in world.principals(6):
        roles = "{" + ",".join(sorted(principal.roles)) + "}"
        answers += run(reader, f"select * from knowledge.enter('{principal.tenant}', '{roles}', 3)")
    assert marks_in(answers) == set()
    forbidden = run(
        reader,
        "select p.proname from pg_proc p where has_function_privilege(p.oid, 'execute')"
        " and proname ~ '^(pg_read_|pg_ls_|pg_stat_file|lo_import|lo_export|dblink)'",
    )
    assert forbidden == []


# --------------------------------------------------------------------- errors and plans

BREAKING = (
    "({c})::text::int > 0",
    "1 / (length(({c})::text) * 0) > 0",
    "('{{' || ({c})::text)::json is null",
    "({c})::text::timestamptz > now()",
    "({c})::text::regclass is null",
    "('(' || ({c})::text) ~ ('(' || ({c})::text)",
    "substring(({c})::text from 1 for -1) is null",
)
"""Conditions that fail at every value, most of them with a message that quotes it."""


def test_an_error_quotes_nothing_that_may_not_be_seen(world: Scene, reader: Connection) -> None:
    """Conditions that break at each row they meet: they meet visible rows alone, behind the policy."""
    everybody = [NOBODY, *world.principals(3)]
    quoted: set[str] = set()
    for relation in [relation for relation in reachable(reader)[1:] if not re.search(r"_[2-9]$", relation)]:
        columns = run(
            reader,
            f"select attname from pg_attribute where attrelid = '{relation}'::regclass and attnum > 0"
            " and not attisdropped and atttypid in ('text'::regtype, 'text[]'::regtype, 'uuid'::regtype)",
        )
        for principal in everybody:
            allowed = in_sight_ever(world, principal)
            for (column,), condition in itertools.product(columns, BREAKING):
                statement = f"select 1 from {relation} x where {condition.format(c=f'x.{column}')}"
                with reader.transaction():
                    enter(reader, principal)
                    rows = run(reader, f"select count(*) from {relation}")
                    answer = run(reader, statement)
                assert marks_in(answer) <= allowed, statement
                quoted |= marks_in(answer)
                if rows == [(0,)]:
                    assert answer == [], "it broke at a row that is not there"
    assert quoted, "messages do quote values"


def test_what_the_role_may_insert_collides_with_nothing(world: Scene, reader: Connection) -> None:
    """No unique index, exclusion or foreign key, whose violation would tell of a row that is there."""
    rows = run(
        reader,
        "select c.oid::regclass::text from pg_class c where has_any_column_privilege(c.oid, 'INSERT')"
        " and (exists (select 1 from pg_index i where i.indrelid = c.oid and (i.indisunique or i.indisexclusion))"
        " or exists (select 1 from pg_constraint k where k.conrelid = c.oid and k.contype in ('u', 'p', 'x', 'f')))",
    )
    assert rows == []
    assert run(reader, "select 1 from pg_class c where relname = 'audit' and has_any_column_privilege(c.oid, 'INSERT')")


CONDITIONS = {
    "chunk": ("text like '%mark%'", "text ~ 'mark'", "embedding <=> '{v}' < 0.5", "flags @> '{{override}}'",
              "lower(text) = 'x'", "length(heading) > 3"),
    "document": ("title ilike 'title%'", "tags @> '{{x}}'", "path ~ '^blog'", "document_id::text like 'a%'"),
    "posting": ("term like 'mark%'", "term ~ '^mark'", "length(post) > 8"),
    "stat": ("chunks / length > 1", "sqrt(chunks) > 1"),
    "mask": ("sqrt(chunk) > 1", "expires_at::text > ''"),
}  # fmt: skip
"""Conditions with operators that are not leakproof, by table."""
LEAKING = re.compile(r"~|<=>|@>|sqrt|length\(|lower\(| / |::text >")
"""These operators, as a plan writes them."""


@pytest.mark.parametrize("table", CONDITIONS)
def test_a_condition_that_could_leak_is_not_looked_at_before_the_policy(
    world: Scene, reader: Connection, table: str
) -> None:
    vector = str(WordsEncoder().encode_query("x").tolist())
    for condition, part, scans in itertools.product(CONDITIONS[table], ("", "_1"), ("on", "off")):
        mine = condition.format(v=vector)
        with reader.transaction():
            enter(reader, world.principals(1)[0])
            reader.execute(f"set local enable_seqscan = {scans}".encode())
            (answer,) = run(
                reader, f"explain (format json, costs off) select 1 from space_1.{table}{part} where {mine}"
            )
        for node in nodes(answer[0][0]["Plan"]):
            before, filtered = f"{node.get('Index Cond', '')} {node.get('Recheck Cond', '')}", node.get("Filter", "")
            assert not LEAKING.search(before), (mine, node)
            leaking = LEAKING.search(filtered)
            if leaking:
                looked_at = before + filtered[: leaking.start()]
                assert "acl_id" in looked_at, (mine, node)
                assert "tenant" in looked_at, (mine, node)


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """All nodes of a plan."""
    yield plan
    for below in plan.get("Plans", ()):
        yield from nodes(below)


TEXTS = {"chunk": ("text", "chunk_id", "text_sha256"), "document": ("title", "path")}


@pytest.mark.parametrize("table", TEXTS)
def test_estimates_tell_nothing_of_single_texts(world: Scene, reader: Connection, table: str) -> None:
    """A passage that stands there twenty times is expected as often as one that does not."""
    for column, part in itertools.product(TEXTS[table], ("", "_1", "_2", "_3")):
        relation = f"space_1.{table}{part}"
        often = f"select {column} from {relation} group by 1 order by count(*) desc limit 2"
        values = world.index.owner.execute(often.encode()).fetchall()
        plans = set()
        for (value,) in [*values, ("no such value",)]:
            with reader.transaction():
                enter(reader, NOBODY)
                statement = f"explain select 1 from {relation} where {column} = %s".encode()
                lines = psycopg.ClientCursor(reader).execute(statement, [value]).fetchall()
            plans.add("\n".join(re.sub(r"'[^']*'", "?", line[0]) for line in lines))
        assert len(plans) == 1, (column, plans)


def test_the_planner_keeps_values_of_these_columns_alone(world: Scene, databases: Databases) -> None:
    with databases.admin(world.index.name) as connection:
        rows = connection.execute(
            "select distinct tablename::text, attname::text from pg_stats where schemaname = 'space_1'"
            " and attname not in (select attname from pg_attribute where atttypid in ('int4'::regtype, 'int2'::regtype,"
            " 'int8'::regtype, 'float8'::regtype, 'timestamptz'::regtype))"
        ).fetchall()
    kept = {re.sub(r"_\d+$", "", table) + "." + column for table, column in rows}
    assert kept == {"document.source", "document.language", "posting.term"}


def test_what_the_planner_knew_before_is_forgotten(index: Index, databases: Databases) -> None:
    """A space that an earlier version made."""
    index.serve([GoldDocument("a", everyone(), ["the same"] * 9)])
    values = "select count(*) from pg_stats where schemaname = 'space_1' and attname in ('text', 'title')"
    for name in ("chunk", "chunk_1", "document_1"):
        column = "title" if name == "document_1" else "text"
        index.owner.execute(f"alter table space_1.{name} alter column {column} set statistics -1".encode())
        index.owner.execute(f"analyze space_1.{name}".encode())
    with databases.admin(index.name) as connection:
        assert connection.execute(values).fetchone() == (3,)
        index.owner.execute("delete from knowledge.migration where name = '0007_statistics'")
        migrate(index.owner_dsn)
        index.owner.execute("analyze space_1.chunk")
        assert connection.execute(values).fetchone() == (0,)
