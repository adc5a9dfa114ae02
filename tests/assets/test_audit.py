"""The audit log as its owner keeps it: partitions, seals that show what was changed, retention."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assets.audit import seals
from assets.audit.partitions import ensure_partitions, months
from assets.audit.seals import COLUMNS, Verdict, _rows_of, keep_audit, no_later_than_database, seal, verify
from retrieval import UnavailableError
from tests.support import GoldDocument, Index, asker, everyone

KEY = b"k" * 32
NOW = datetime(2026, 5, 10, 9, tzinfo=UTC)
ROW = (
    "insert into knowledge.audit (at, request_id, tenant, principal, query, release, model, k, filters, hits, scores,"
    " timings, degraded) values (%s, %s, 1, 'p', %s, 1, 'm', 1, '{}', '{a,b}', '{0.1,1e-7}',"
    ' \'{"lexical": 1.25, "b": 2}\', false)'
)


def ask(index: Index, at: datetime, n: int = 1) -> None:
    """Rows of some requests at that time."""
    for number in range(n):
        request = uuid.uuid5(uuid.NAMESPACE_URL, f"{at}{number}")
        index.owner.execute(ROW, [at, request, '{"hash": "00", "terms": ["a"]}'])


def tell(index: Index, at: datetime) -> None:
    index.owner.execute(
        "insert into knowledge.feedback (at, request_id, tenant, principal, outcome, comment)"
        " values (%s, gen_random_uuid(), 1, 'p', 'wrong', 'ä')",
        [at],
    )


def day(number: int, hour: int = 12, month: int = 5) -> datetime:
    return datetime(2026, month, number, hour, tzinfo=UTC)


def days(verdict: Verdict) -> list[date]:
    return [problem.day for problem in verdict.problems]


@pytest.fixture
def log(index: Index) -> Index:
    """Requests on the 1st, 3rd and 4th of May, feedback on the 3rd, sealed up to the 9th."""
    ask(index, day(1)), ask(index, day(3, 0), 3), ask(index, day(4, 23)), tell(index, day(3))
    assert len(seal(index.owner, KEY, now=NOW)) == 9
    return index


# ------------------------------------------------------------------- partitions


def test_partitions_are_made_ahead_and_once(index: Index) -> None:
    wanted = [f"{table}_2026_{month}" for table in ("audit", "feedback") for month in ("05", "06", "07")]
    assert ensure_partitions(index.owner, now=NOW) == wanted
    assert ensure_partitions(index.owner, now=NOW) == []
    december = datetime(2026, 12, 31, 23, 59, tzinfo=UTC)
    assert "audit_2027_02" in ensure_partitions(index.owner, now=december)


def test_what_fell_into_the_default_partition_is_moved(index: Index) -> None:
    for at in (day(1, month=2), day(31, 23, month=3), day(1, 0, month=4)):
        ask(index, at)
    tell(index, day(31, month=1))
    before = index.owner.execute("select a::text from knowledge.audit a order by 1").fetchall()
    ensure_partitions(index.owner, now=NOW)
    assert index.owner.execute("select a::text from knowledge.audit a order by 1").fetchall() == before
    assert index.owner.execute("select count(*) from knowledge.audit_rest").fetchone() == (0,)
    assert index.owner.execute("select count(*) from knowledge.audit_2026_03").fetchone() == (1,)
    assert [month.month for month in months(index.owner)] == [1, 2, 3, 4, 5, 6, 7]


def test_searches_write_into_a_partition_that_the_reader_cannot_reach(index: Index) -> None:
    index.serve([GoldDocument("fox", everyone(), ["the fox"])])
    made = ensure_partitions(index.owner, now=datetime.now(UTC))
    retriever = index.retriever()
    result = retriever.search("fox", principal=asker())
    retriever.feedback(result.request_id, "answered", principal=asker())
    for name in (made[0], made[3]):
        assert index.owner.execute(f"select count(*) from knowledge.{name}".encode()).fetchone() == (1,)
    rows = index.owner.execute(
        "select relname, relrowsecurity, relforcerowsecurity,"
        " has_any_column_privilege('knowledge_reader', oid, 'SELECT,INSERT,UPDATE,REFERENCES')"
        " or has_table_privilege('knowledge_reader', oid, 'DELETE,TRUNCATE') from pg_class where relname = any (%s)",
        [made],
    ).fetchall()
    assert sorted(rows) == [(name, True, True, False) for name in sorted(made)]


# ------------------------------------------------------------------------ seals


def test_days_are_sealed_when_they_are_over_for_an_hour(index: Index) -> None:
    assert seal(index.owner, KEY, now=NOW) == []
    ask(index, day(8))
    assert [one.day.day for one in seal(index.owner, KEY, now=NOW)] == [8, 9]
    assert seal(index.owner, KEY, now=day(11, 0) + timedelta(minutes=59)) == []
    assert [one.day.day for one in seal(index.owner, KEY, now=day(11, 1))] == [10]
    found = verify(index.owner, KEY)
    assert (found.problems, found.days, found.sealed_to) == ([], 3, date(2026, 5, 10))


def test_nothing_changed_is_nothing_found(log: Index) -> None:
    found = verify(log.owner, KEY)
    assert (found.problems, found.days, found.dropped) == ([], 9, 0)
    assert verify(log.owner, KEY, head=found.head).problems == []
    ensure_partitions(log.owner, now=NOW)  # rows move, and stay the same
    assert verify(log.owner, KEY) == found


def test_time_zone_and_formats_of_a_session_do_not_matter(log: Index) -> None:
    log.owner.execute("set timezone = 'Pacific/Auckland'")
    log.owner.execute("set extra_float_digits = -15")
    log.owner.execute("set bytea_output = 'escape'")
    assert verify(log.owner, KEY).problems == []


def test_the_form_of_what_is_hashed_stays_what_it_was(log: Index) -> None:
    """Seals that were made by earlier versions go on holding."""
    log.owner.execute(
        "update knowledge.audit set asked_at = '2026-05-02 23:59:59.000001+02', correlation = '{\"ä\": [1.50, null]}',"
        " reasons = '{standby,\"a b\"}', scores = '{1,0.33333334,NaN,-0}' where at < '2026-05-02'"
    )
    with log.owner.transaction():
        found = [_rows_of(log.owner, date(2026, 5, number))[2][:16] for number in (1, 2, 4)]
    assert found == ["3b3a23a3ab3b031b", "af6d56b48c52630e", "267157c7eedbd288"]


STRANGE = {
    "asked_at": ["infinity", "-infinity", "294276-12-31 23:59:59.999999+00", "4713-01-01 00:00:00+00 BC"],
    "correlation": ["[" * 3_000 + "]" * 3_000, "1" + "0" * 5_000, '{"a": 1e400}', "null", '"\\ud83d\\ude00"'],
    "hits": ["{NULL,a}", "{{a,b},{c,d}}"],
    "scores": ["{NULL}", "{Infinity,-Infinity,NaN}", "{{1,2},{3,4}}"],
}


@pytest.mark.parametrize(("column", "value"), [(name, value) for name, values in STRANGE.items() for value in values])
def test_no_value_that_the_database_takes_stops_the_sealing(shared_log: Index, column: str, value: str) -> None:
    """The runtime's role writes these rows: none of them may end the evidence."""
    with shared_log.owner.transaction(force_rollback=True):
        shared_log.owner.execute("truncate knowledge.seal")
        shared_log.owner.execute(f"update knowledge.audit set {column} = %s".encode(), [value])
        seal(shared_log.owner, KEY, now=NOW)
        assert verify(shared_log.owner, KEY).problems == []
        other = STRANGE[column][0] if value != STRANGE[column][0] else STRANGE[column][1]
        where = "where at = '2026-05-01 12:00+00'"
        shared_log.owner.execute(f"update knowledge.audit set {column} = %s {where}".encode(), [other])
        assert days(verify(shared_log.owner, KEY)) == [date(2026, 5, 1)]


@pytest.mark.parametrize("at", ["-infinity", "4713-01-01 BC", "2020-02-29", "2027-01-01", "294276-01-01", "infinity"])
def test_rows_of_times_that_no_seal_covers_show(log: Index, at: str) -> None:
    log.owner.execute(ROW.replace("(%s,", f"('{at}'::timestamptz,", 1).encode(), [uuid.uuid4(), "{}"])
    assert len(verify(log.owner, KEY, now=NOW).problems) == 1
    assert seal(log.owner, KEY, now=NOW) == []
    ensure_partitions(log.owner, now=NOW)


def test_a_row_bears_the_time_when_it_was_written(index: Index) -> None:
    index.serve([GoldDocument("fox", everyone(), ["the fox"])])
    reader = index.reader()
    reader.execute("select 1")  # the transaction begins, and its process is frozen for a while
    began = index.owner.execute("select clock_timestamp()").fetchone()
    reader.execute("select * from knowledge.enter('acme', '{everyone}', 0)")
    reader.execute(
        "select knowledge.late_audit(now(), gen_random_uuid(), 'p', '{}', 1, 'm', 1, '{}', '{}', '{}', '{}', '{}',"
        " '{}', '{}')"
    )
    reader.commit()
    assert index.owner.execute("select at > %s from knowledge.audit", began).fetchone() == (True,)


def test_nothing_is_sealed_while_somebody_still_writes(log: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    """A row is seen when its transaction ends: it would come when its day is sealed."""
    with psycopg.connect(log.owner_dsn) as writer:
        writer.execute(ROW, [day(10, 23), uuid.uuid4(), "{}"])
        monkeypatch.setattr(seals, "WRITERS_S", 0.1)
        with pytest.raises(UnavailableError, match=f"process {writer.info.backend_pid} of the database"):
            seal(log.owner, KEY, now=day(11, 2))
        monkeypatch.setattr(seals, "WRITERS_S", 30)
        with ThreadPoolExecutor(1) as threads:
            sealed = threads.submit(seal, log.owner, KEY, now=day(11, 2))
            assert not sealed.done()
            writer.commit()
            assert [(one.day.day, one.audit_rows) for one in sealed.result(20)] == [(10, 1)]
    assert verify(log.owner, KEY).problems == []


def test_a_clock_that_runs_ahead_of_the_database_is_not_believed(index: Index) -> None:
    now = datetime.now(UTC)
    assert abs(no_later_than_database(index.owner, now + timedelta(days=3_650)) - now) < timedelta(minutes=1)
    assert no_later_than_database(index.owner, NOW) == NOW


TAMPERING: list[tuple[str, int]] = [
    *(
        (f"update knowledge.audit set {change} where at = '2026-05-01 12:00+00'", 1)
        for change in (
            "principal = 'q'", "tenant = 2", "k = 2", "hits = '{b,a}'", "hits = '{a}'", "scores = '{0.1,2e-7}'",
            "query = '{}'", "versions = '{\"prompt\": \"2\"}'", "degraded = true", "timings = '{}'", "model = 'n'",
            "filters = '{\"tags\": []}'", "reasons = '{x}'", "correlation = '{\"a\": \"b\"}'", "asked_at = now()",
            "request_id = gen_random_uuid()", "release = 2", "at = at + interval '1 microsecond'",
        )
    ),
    ("delete from knowledge.audit where at = '2026-05-01 12:00+00'", 1),
    ("delete from knowledge.audit where at = '2026-05-04 23:00+00'", 4),
    ("delete from knowledge.feedback", 3),
    ("update knowledge.feedback set comment = null", 3),
    ("update knowledge.feedback set outcome = 'answered'", 3),
    ("insert into knowledge.audit select * from knowledge.audit where at = '2026-05-01 12:00+00'", 1),
    ("update knowledge.seal set audit_rows = 2 where number = 3", 3),
    ("update knowledge.seal set digest = 'x' where number = 5", 5),
    ("update knowledge.seal set chain = 'x' where number = 5", 5),
    ("update knowledge.seal set kind = 'drop', day = '2026-05-01' where number = 9", 1),
    ("delete from knowledge.seal where number = 4", 4),
    ("delete from knowledge.seal where number = 1", 2),
]  # fmt: skip


@pytest.mark.parametrize(("statement", "number"), TAMPERING, ids=lambda value: str(value)[:60])
def test_tampering_names_the_day(shared_log: Index, statement: str, number: int) -> None:
    """In a transaction that is taken back, so that one log serves all."""
    with shared_log.owner.transaction(force_rollback=True):
        assert shared_log.owner.execute(statement.encode()).rowcount > 0
        assert date(2026, 5, number) in days(verify(shared_log.owner, KEY))


@pytest.fixture(scope="module")
def shared_log(shared_index: Index) -> Index:
    ask(shared_index, day(1)), ask(shared_index, day(3, 0), 3), ask(shared_index, day(4, 23))
    tell(shared_index, day(3))
    seal(shared_index.owner, KEY, now=NOW)
    return shared_index


def test_a_row_is_moved_to_another_day(log: Index) -> None:
    log.owner.execute("update knowledge.audit set at = at + interval '1 day' where at = '2026-05-01 12:00+00'")
    assert days(verify(log.owner, KEY)) == [date(2026, 5, 1), date(2026, 5, 2)]


def test_rows_before_the_first_seal_show(log: Index) -> None:
    ask(log, day(30, month=4))
    assert days(verify(log.owner, KEY)) == [date(2026, 4, 30)]


def test_who_has_all_rights_but_not_the_key_cannot_seal(log: Index) -> None:
    log.owner.execute("delete from knowledge.audit where at = '2026-05-04 23:00+00'")
    log.owner.execute("delete from knowledge.seal")
    seal(log.owner, b"x" * 32, now=NOW)
    assert len(days(verify(log.owner, KEY))) == 9


def test_seals_that_were_cut_off_show_against_one_written_down(log: Index) -> None:
    head = verify(log.owner, KEY).head
    log.owner.execute("delete from knowledge.audit where at = '2026-05-04 23:00+00'")
    log.owner.execute("delete from knowledge.seal where number >= 4")
    seal(log.owner, KEY, now=NOW)
    assert verify(log.owner, KEY).problems == []
    found = verify(log.owner, KEY, head=head)
    assert [problem.what for problem in found.problems] == ["the chain of seals does not contain the seal given"]


@settings(
    max_examples=25, deadline=None, derandomize=True, database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)  # fmt: skip
@given(
    asked=st.lists(st.tuples(st.integers(1, 6), st.integers(0, 23)), min_size=1, max_size=6, unique=True),
    victim=st.integers(0, 5),
    change=st.sampled_from(["delete from {t} where {w}", "update {t} set principal = 'x' where {w}", None]),
)
def test_exactly_the_days_that_were_touched_are_named(
    shared_log: Index, asked: list[tuple[int, int]], victim: int, change: str | None
) -> None:
    with shared_log.owner.transaction(force_rollback=True):
        shared_log.owner.execute("truncate knowledge.audit, knowledge.feedback, knowledge.seal")
        for number, hour in asked:
            ask(shared_log, day(number, hour))
        seal(shared_log.owner, KEY, now=NOW)
        number, hour = asked[victim % len(asked)]
        touched = set()
        if change is not None:
            where = f"at = '{day(number, hour)}'"
            shared_log.owner.execute(change.format(t="knowledge.audit", w=where).encode())
            touched = {date(2026, 5, number)}
        assert set(days(verify(shared_log.owner, KEY))) == touched


# -------------------------------------------------------------------- retention


def test_months_past_their_time_are_dropped_and_their_seals_stay(index: Index) -> None:
    for month in (1, 2, 3):
        ask(index, day(5, month=month), 2), tell(index, day(6, month=month))
    first = keep_audit(index.owner, KEY, now=day(2, 5, month=4), keep_days=3650)
    assert first["dropped"] == []
    before = verify(index.owner, KEY)
    done = keep_audit(index.owner, KEY, now=day(10, 5, month=4), keep_days=30)
    assert done["dropped"] == ["audit_2026_01", "feedback_2026_01", "audit_2026_02", "feedback_2026_02"]
    found = verify(index.owner, KEY, head=before.head)
    assert (found.problems, found.dropped) == ([], 27 + 28)
    assert index.owner.execute("select count(*) from knowledge.audit").fetchone() == (2,)
    assert keep_audit(index.owner, KEY, now=day(10, 5, month=4), keep_days=30)["dropped"] == []
    ask(index, day(7, month=2))
    assert days(verify(index.owner, KEY)) == [date(2026, 2, 7)]


def test_nothing_is_dropped_that_is_not_past_its_time_to_the_last_day(index: Index) -> None:
    ask(index, day(1, month=1))
    for today, dropped in ((31, False), (32, False), (33, True)):
        now = datetime(2026, 1, 31, 5, tzinfo=UTC) + timedelta(days=today)
        done = keep_audit(index.owner, KEY, now=now, keep_days=32)
        assert bool(done["dropped"]) is dropped, now


@pytest.mark.parametrize(
    "drop",
    ["drop table knowledge.audit_2026_05", "alter table knowledge.audit detach partition knowledge.audit_2026_05"],
)
def test_a_month_dropped_by_hand_shows(log: Index, drop: str) -> None:
    ensure_partitions(log.owner, now=NOW)
    log.owner.execute(drop.encode())
    assert days(verify(log.owner, KEY)) == [date(2026, 5, 1), date(2026, 5, 3), date(2026, 5, 4)]


def test_two_that_seal_at_once_make_one_chain(log: Index) -> None:
    def work(_: int) -> int:
        with psycopg.connect(log.owner_dsn, autocommit=True) as connection:
            return len(seal(connection, KEY, now=day(20)))

    with ThreadPoolExecutor(3) as threads:
        assert sum(threads.map(work, range(3))) == 10
    assert verify(log.owner, KEY).problems == []


def test_each_kind_of_row_is_covered(index: Index) -> None:
    """A column that a migration adds must be sealed, or said not to be."""
    for table, names in COLUMNS.items():
        rows = index.owner.execute(
            "select column_name from information_schema.columns where table_schema = 'knowledge' and table_name = %s",
            [table],
        ).fetchall()
        assert sorted(name for (name,) in rows) == sorted(names)
