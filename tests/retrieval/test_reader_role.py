"""What the runtime's own role can do by plain SQL: read what a principal may see, write its audit row, no more."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from psycopg import errors, sql

from retrieval import Principal, SchemaError
from retrieval.schema.migrate import OWNER, READABLE, READER, migrate
from tests.retrieval.scene import enter
from tests.support import (
    Connection,
    Databases,
    GoldDocument,
    Index,
    Rows,
    WordsEncoder,
    asker,
    everyone,
)

PRIVILEGES = ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER", "MAINTAIN")
COLUMN_PRIVILEGES = ("SELECT", "INSERT", "UPDATE", "REFERENCES")
SECRET = "zanzibar merger"

OPEN = [
    GoldDocument("open", everyone("acme"), ["the quick brown fox", "jumps over the lazy dog"]),
    GoldDocument("for-sales", everyone("acme", "sales", clearance="internal"), ["prices of the fox"]),
    GoldDocument("of-bolt", everyone("bolt"), ["bolt has a fox as well"]),
]
CLOSED = GoldDocument("zzz", everyone("acme", "board", clearance="restricted"), [SECRET])


@pytest.fixture(scope="module")
def served(shared_index: Index) -> Index:
    """Two releases; the second one drops a document of acme's."""
    gone = GoldDocument("gone", everyone("acme"), ["a passage of long ago"])
    shared_index.serve([*OPEN, CLOSED, gone])
    shared_index.serve([*OPEN, CLOSED])
    return shared_index


@pytest.fixture
def reader(served: Index) -> Iterator[Connection]:
    with psycopg.connect(served.server.dsn(READER, served.name), autocommit=True) as connection:
        yield connection


def run_as(connection: Connection, principal: Principal, *statements: str, parameters: Sequence[Any] = ()) -> None:
    """Statements in a principal's transaction; the parameters are for the last one."""
    with connection.transaction():
        enter(connection, principal)
        for statement in statements[:-1]:
            connection.execute(statement.encode())
        connection.execute(statements[-1].encode(), parameters or None)


def table(name: str) -> sql.Identifier:
    return sql.Identifier("space_1", name)


def select(connection: Connection, name: str) -> Rows:
    rows = connection.execute(sql.SQL("select x::text from {} x order by 1").format(table(name))).fetchall()
    return rows


def everything(connection: Connection, principal: Principal, release: int | None = None) -> dict[str, Rows]:
    """All that a principal's transaction can read."""
    with connection.transaction():
        enter(connection, principal, release)
        return {name: select(connection, name) for name in READABLE}


def tenant_id(index: Index, name: str) -> int:
    row = index.owner.execute("select id from knowledge.tenant where name = %s", [name]).fetchone()
    assert row is not None
    return int(row[0])


# ------------------------------------------------------------------- privileges


def reachable(index: Index, where: str, privileges: Sequence[str], test: str) -> set[tuple[str, str]]:
    statement = f"""
        select c.oid::regclass::text, p from pg_class c join pg_namespace n on n.oid = c.relnamespace,
               unnest(%s::text[]) p
        where {where} and c.relkind in ('r', 'p', 'v', 'm', 'f') and {test}(%s, c.oid, p)
    """
    return set(index.owner.execute(statement.encode(), [list(privileges), READER]).fetchall())


def test_the_reader_reaches_these_relations_and_no_others(served: Index) -> None:
    outside = "n.nspname not in ('pg_catalog', 'information_schema') and n.nspname !~ '^pg_'"
    parts = ["", *(f"_{tenant_id(served, name)}" for name in ("acme", "bolt"))]
    wanted = {(f"space_1.{name}{part}", "SELECT") for name in READABLE for part in parts}
    assert reachable(served, outside, PRIVILEGES, "has_table_privilege") == wanted
    wanted |= {("knowledge.audit", "INSERT")}
    assert reachable(served, outside, COLUMN_PRIVILEGES, "has_any_column_privilege") == wanted


def test_the_reader_can_call_these_functions_and_no_others(served: Index) -> None:
    rows = served.owner.execute(
        "select p.proname, p.prosecdef, p.proconfig from pg_proc p join pg_namespace n on n.oid = p.pronamespace"
        " where (n.nspname = 'knowledge' or n.nspname ~ '^space_') and has_function_privilege(%s, p.oid, 'EXECUTE')"
        " order by 1",
        [READER],
    ).fetchall()
    assert [row[:2] for row in rows] == [
        ("current_release", True),
        ("edition", True),
        ("enter", True),
        ("give_feedback", True),
        ("late_audit", True),
    ]
    assert all(any(setting.startswith("search_path=") for setting in row[2]) for row in rows)


def test_the_reader_owns_and_may_create_nothing(served: Index) -> None:
    one = served.owner.execute(
        """
        select rolsuper or rolbypassrls or rolcreaterole or rolcreatedb or rolreplication,
               exists (select 1 from pg_auth_members where member = r.oid),
               exists (select 1 from pg_shdepend where refobjid = r.oid and deptype = 'o'),
               has_database_privilege(rolname, current_database(), 'CREATE'),
               exists (select 1 from pg_namespace n where n.nspname !~ '^pg_' and has_schema_privilege(
                   rolname, n.oid, 'CREATE'))
        from pg_roles r where rolname = %s
        """,
        [READER],
    ).fetchone()
    assert one == (False, False, False, False, False)


def test_every_table_of_a_space_and_the_audit_log_force_row_level_security(served: Index) -> None:
    rows = served.owner.execute(
        """
        select c.oid::regclass::text from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where (n.nspname ~ '^space_' or c.relname ~ '^(audit|feedback)') and c.relkind in ('r', 'p')
          and not (c.relrowsecurity and c.relforcerowsecurity)
        """
    ).fetchall()
    assert rows == []


@pytest.mark.parametrize(
    "name",
    [
        "acl",
        "tenant",
        "space",
        "release",
        "serving",
        "segment",
        "numbering",
        "migration",
        "audit",
        "audit_rest",
        "feedback",
        "feedback_rest",
        "seal",
    ],
)
def test_the_tables_of_the_core_cannot_be_read(reader: Connection, name: str) -> None:
    enter(reader, asker())
    with pytest.raises(errors.InsufficientPrivilege):
        reader.execute(sql.SQL("select * from {}").format(sql.Identifier("knowledge", name)))


def test_a_partition_read_by_name_shows_what_its_parent_shows(served: Index, reader: Connection) -> None:
    """Searches read the partitions of their tenant by name; those of another tenant are empty to them."""
    own, other = tenant_id(served, "acme"), tenant_id(served, "bolt")
    for release, name in itertools.product((1, 2), READABLE):
        with reader.transaction():
            enter(reader, asker("acme", "sales", clearance="internal"), release)
            assert select(reader, f"{name}_{own}") == select(reader, name)
            assert select(reader, f"{name}_{other}") == []


@pytest.mark.parametrize(
    "statement",
    [
        "update space_1.chunk set acl_id = 1",
        "delete from space_1.chunk",
        "truncate space_1.chunk",
        "insert into space_1.mask (tenant, segment, chunk, acl_id, length) values (1, 1, 1, 1, 1)",
        "copy space_1.chunk from stdin",
        "copy space_1.chunk to '/tmp/chunks'",
        "copy space_1.chunk to program 'cat'",
        "create table space_1.mine (a int)",
        "create table knowledge.mine (a int)",
        "create table public.mine (a int)",
        "create schema mine",
        "create function knowledge.mine() returns int language sql as 'select 1'",
        "create role mine",
        "alter table space_1.chunk disable row level security",
        "alter table space_1.chunk no force row level security",
        "drop policy visible on space_1.chunk",
        "create policy mine on space_1.chunk using (true)",
        f"alter role {READER} bypassrls",
        "set role knowledge_owner",
        "set session authorization knowledge_owner",
        "set session_replication_role = replica",
        "update knowledge.audit set k = 1",
        "delete from knowledge.audit",
        "truncate knowledge.audit",
        "insert into knowledge.audit (at) values ('2026-01-01')",
        "insert into knowledge.audit (asked_at) values ('2026-01-01')",
        "copy knowledge.audit to stdout",
        "insert into knowledge.audit_rest select * from knowledge.audit_rest",
        "insert into knowledge.feedback (request_id) values (gen_random_uuid())",
        "update knowledge.feedback set outcome = 'wrong'",
        "insert into knowledge.seal default values",
        "delete from knowledge.seal",
        "alter table knowledge.audit detach partition knowledge.audit_rest",
        "update knowledge.serving set release = 1",
        "select * from space_1.chunk for update",
    ],
)
def test_the_reader_may_change_nothing(reader: Connection, statement: str) -> None:
    with pytest.raises(errors.InsufficientPrivilege):
        run_as(reader, asker(), statement)


def test_spaces_of_earlier_versions_are_brought_up_to_date(index: Index) -> None:
    index.serve(OPEN)
    owner, reader = index.owner, index.reader()
    fresh = privileges_and_policies(owner)
    for name, part in itertools.product(READABLE, ("_1", "_2")):
        owner.execute(f"revoke select on space_1.{name}{part} from {READER}".encode())
    for name, part in itertools.product(("stat", "mask"), ("", "_1", "_2")):
        owner.execute(f"alter policy visible on space_1.{name}{part} using (tenant = 0)".encode())
    owner.execute("delete from knowledge.migration where name in ('0004_partitions', '0010_masks')")
    assert privileges_and_policies(owner) != fresh
    migrate(index.owner_dsn)
    assert privileges_and_policies(owner) == fresh
    assert everything(reader, asker())["stat"]


def privileges_and_policies(owner: Connection) -> Rows:
    return owner.execute(
        "select c.oid::regclass::text, c.relacl::text, pg_get_expr(p.polqual, c.oid) from pg_class c"
        " join pg_policy p on p.polrelid = c.oid where c.relnamespace = 'space_1'::regnamespace order by 1, 3"
    ).fetchall()


# ------------------------------------------------------------------ fail closed


@pytest.mark.parametrize("name", READABLE)
def test_without_settings_nothing_is_read(reader: Connection, name: str) -> None:
    with pytest.raises(errors.UndefinedObject, match="unrecognized configuration parameter"):
        select(reader, name)


@pytest.mark.parametrize("name", READABLE)
def test_settings_end_with_the_transaction_and_their_empty_rest_reads_nothing(reader: Connection, name: str) -> None:
    assert everything(reader, asker())[name] or name == "mask"
    with pytest.raises(errors.InvalidTextRepresentation):
        select(reader, name)


@pytest.mark.parametrize(
    ("name", "setting"),
    [
        *itertools.product(("document", "chunk"), ("tenant", "acl", "release")),
        *itertools.product(("posting", "stat", "mask"), ("tenant", "acl", "segments")),
    ],
)
def test_one_empty_setting_is_enough_to_read_nothing(reader: Connection, name: str, setting: str) -> None:
    empty = f"select set_config('knowledge.{setting}', '', true)"
    with pytest.raises(errors.InvalidTextRepresentation):
        run_as(reader, asker(), empty, f"select * from space_1.{name}")


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ((None, ["everyone"], 3, None), "principal"),
        (("acme", None, 3, None), "principal"),
        (("acme", [], 3, None), "principal"),
        (("acme", ["everyone"], None, None), "principal"),
        (("nobody", ["everyone"], 3, None), "tenant"),
        (("", ["everyone"], 3, None), "tenant"),
        (("acme", ["everyone"], 3, 99), "release"),
        (("acme", ["everyone"], 3, 0), "release"),
    ],
)
def test_who_cannot_enter_sees_nothing(reader: Connection, arguments: tuple[Any, ...], problem: str) -> None:
    with reader.transaction():
        row = reader.execute("select * from knowledge.enter(%s, %s::text[], %s, %s)", arguments).fetchone()
        assert row == (problem, None, None, None, None, None, None)
        assert [select(reader, name) for name in READABLE] == [[]] * len(READABLE)


def test_a_failed_entry_leaves_nothing_of_the_one_before(reader: Connection) -> None:
    with reader.transaction():
        enter(reader, asker())
        assert select(reader, "chunk")
        reader.execute("select * from knowledge.enter('nobody', array['everyone'], 3)")
        assert [select(reader, name) for name in READABLE] == [[]] * len(READABLE)


def test_row_security_cannot_be_switched_off(reader: Connection) -> None:
    with pytest.raises(errors.InsufficientPrivilege):
        run_as(reader, asker(), "set local row_security = off", "select * from space_1.chunk")


def test_the_owner_is_not_above_the_policies_by_accident(served: Index) -> None:
    """The owner sees all, through a policy of its own; nobody else would."""
    roles = served.owner.execute(
        "select distinct roles from pg_policies where schemaname in ('knowledge', 'space_1') order by 1"
    ).fetchall()
    assert roles == [(["knowledge_owner"],), ([READER],)]


def test_a_function_of_the_readers_own_meets_visible_rows_only(reader: Connection) -> None:
    """The planner would call a cheap condition first, were it not for the policy in front of it."""
    seen: list[str] = []
    reader.add_notice_handler(lambda diagnostic: seen.append(diagnostic.message_primary or ""))
    with reader.transaction():
        reader.execute(
            "create function pg_temp.peek(a text) returns boolean language plpgsql cost 0.0000001"
            " as 'begin raise notice ''%'', a; return true; end'"
        )
        enter(reader, asker("acme", "sales"))
        reader.execute("select count(*) from space_1.chunk where pg_temp.peek(text)")
        raise psycopg.Rollback
    assert sorted(seen) == sorted(["the quick brown fox", "jumps over the lazy dog"])


# ------------------------------------------------------------------ not a trace


@pytest.mark.parametrize(
    "hidden",
    [
        replace(CLOSED, access=everyone("bolt")),
        replace(CLOSED, access=everyone("corp")),
        replace(CLOSED, access=everyone("acme", "board")),
        replace(CLOSED, access=everyone("acme", clearance="confidential")),
        replace(CLOSED, access=everyone("acme", "sales", clearance="restricted")),
    ],
    ids=["other tenant", "tenant of its own", "other role", "higher clearance", "own role and higher clearance"],
)
def test_what_may_not_be_seen_leaves_no_trace(databases: Databases, hidden: GoldDocument) -> None:
    """An index with the document and one without answer every statement and every search alike."""
    principal = asker("acme", "sales", clearance="internal")
    answers = []
    for documents in ([*OPEN, hidden], OPEN):
        with databases.index() as index:
            index.serve(documents)
            index.serve([replace(d, texts=d.texts[:1]) for d in documents])  # masks, too
            result = index.retriever().search("merger of the fox", principal=principal, k=50)
            answers.append((everything(index.reader(), principal), result.hits))
    assert answers[0] == answers[1]
    assert all(answers[1][0].values())


def test_expiry_hides_rows_in_a_database_nobody_publishes_to(index: Index) -> None:
    expired = datetime.now(UTC) - timedelta(seconds=1)
    index.serve([*OPEN, replace(CLOSED, access=everyone("acme"), expires_at=expired)])
    seen = everything(index.reader(), asker())
    assert SECRET not in str(seen["chunk"])
    assert "zzz" not in str(seen["document"])


def test_a_release_shows_its_own_rows_only(served: Index, reader: Connection) -> None:
    texts = [str(everything(reader, asker(), release)["chunk"]) for release in (1, 2)]
    assert ["long ago" in text for text in texts] == [True, False]


@pytest.mark.parametrize(
    ("source", "texts"),
    [
        ("space_1.chunk (text)", []),  # under policies a COPY of a table leaves its partitions out
        ("(select text from space_1.chunk)", ["bolt has a fox as well"]),
    ],
)
def test_copy_gives_visible_rows_only(reader: Connection, source: str, texts: list[str]) -> None:
    with reader.transaction():
        enter(reader, asker("bolt", "board", clearance="restricted"))
        with reader.cursor().copy(f"copy {source} to stdout".encode()) as copy:
            assert [row[0] for row in copy.rows()] == texts


def test_statistics_of_the_planner_are_closed(served: Index, reader: Connection) -> None:
    served.owner.execute("analyze space_1.chunk")
    assert reader.execute("select count(*) from pg_stats where schemaname = 'space_1'").fetchone() == (0,)


# ------------------------------------------------------------------------ audit

AUDIT = (
    "insert into knowledge.audit (request_id, tenant, principal, release, model, k, filters, hits, scores, timings,"
    " degraded) values (gen_random_uuid(), %s, 'p', 1, 'm', 1, '{}', '{}', '{}', '{}', false)"
)


def test_audit_rows_are_written_for_the_own_tenant_alone(served: Index, reader: Connection) -> None:
    run_as(reader, asker("acme"), AUDIT, parameters=[tenant_id(served, "acme")])
    with pytest.raises(errors.InsufficientPrivilege, match="row-level security"):
        run_as(reader, asker("acme"), AUDIT, parameters=[tenant_id(served, "bolt")])


def test_audit_rows_cannot_be_read_back(served: Index, reader: Connection) -> None:
    with pytest.raises(errors.InsufficientPrivilege):
        run_as(reader, asker("acme"), AUDIT + " returning request_id", parameters=[tenant_id(served, "acme")])


def test_audit_rows_need_an_entry(served: Index, reader: Connection) -> None:
    with pytest.raises((errors.UndefinedObject, errors.InvalidTextRepresentation)):
        reader.execute(AUDIT, [tenant_id(served, "acme")])


def test_each_answer_leaves_one_row_without_question_or_name(served: Index) -> None:
    retriever = served.retriever()
    result = retriever.search("the lazy fox", principal=asker("acme", "sales", user="lovelace"), k=2)
    columns = "tenant, release, model, k, filters, hits, degraded, principal, x::text"
    rows = served.owner.execute(
        f"select {columns} from knowledge.audit x where request_id = %s".encode(), [result.request_id]
    ).fetchall()
    assert len(rows) == 1
    *facts, pseudonym, text = rows[0]
    chunk_ids = [hit.chunk_id for hit in result]
    assert facts == [tenant_id(served, "acme"), 2, WordsEncoder().fingerprint.id, 2, {}, chunk_ids, False]
    assert len(pseudonym) == 32
    assert "lovelace" not in text
    assert "lazy" not in text


def test_no_audit_row_no_answer(index: Index) -> None:
    index.serve(OPEN)
    retriever = index.retriever()
    index.owner.execute("revoke insert on knowledge.audit from knowledge_reader")
    with pytest.raises(SchemaError):
        retriever.search("fox", principal=asker())


# ------------------------------------------------------------------------- plan


def test_postings_are_found_by_term_and_access_set_in_the_index(index: Index) -> None:
    words = [f"word{i}" for i in range(3000)]
    documents = [
        GoldDocument(f"d{n}", everyone("acme", f"role{n}"), [" ".join(words[i::4]) for i in range(4)]) for n in range(3)
    ]
    index.serve(documents)
    reader = index.reader()
    with reader.transaction():
        reader.execute("set local plan_cache_mode = force_generic_plan")
        enter(reader, asker("acme", "role0", "role1"))
        reader.execute(
            "prepare look (text[]) as select term, string_agg(post, ''::bytea) from space_1.posting"
            " where term = any ($1) group by term"
        )
        plan = [row[0] for row in reader.execute("explain (costs off) execute look('{word1,word2}')")]
    conditions = [line for line in plan if "Index Cond" in line]
    assert conditions, plan
    assert all("term = ANY" in line and "acl_id = ANY" in line for line in conditions), plan
    assert not any("Seq Scan" in line for line in plan), plan


def test_the_reader_can_make_nothing_of_its_own(databases: Databases) -> None:
    """No table, function or operator of its own stands where a statement looks for one; the owner's work needs some."""
    template = databases.TEMPLATE
    with psycopg.connect(databases.server.dsn(READER, template), autocommit=True) as reader:
        for statement in (
            "create temporary table chunk (i int)",
            "create function pg_temp.f() returns int language sql as 'select 1'",
            "create table public.chunk (i int)",
            "create schema mine",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                reader.execute(statement)
    with psycopg.connect(databases.server.dsn(OWNER, template)) as owner:
        owner.execute("create temporary table staged (i int) on commit drop")
