"""Seals of the audit log: each day's rows are hashed and chained, so that a later change of any of them shows.

A seal is a keyed hash (HMAC-SHA256) over the hash of the rows and the seal before. The key lies outside the database,
so whoever can rewrite rows and seals there, the database's administrator for one, still cannot make them agree.
Retention drops whole months and says so in the chain; the seals stay. An erasure that empties comments seals their days
once more, in an entry of its own, and only where the rows were as they had been sealed.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import time as clock
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID

from psycopg import sql

from assets.audit.partitions import LOCK_TIMEOUT, TABLES, ensure_partitions, months, next_month, partition_name
from assets.index.segments import Connection
from retrieval.errors import UnavailableError

FORM = "knowledge-seal/1"
"""Form of the hashed rows. Columns that a later version adds are not among them: they need another form."""

COLUMNS = {
    "audit": (
        "at", "request_id", "tenant", "principal", "query", "release", "model", "k", "filters", "hits", "scores",
        "timings", "degraded", "reasons", "versions", "correlation", "asked_at",
    ),
    "feedback": ("at", "request_id", "tenant", "principal", "outcome", "comment"),
}  # fmt: skip

TIMES, JSON, SINGLE = (
    frozenset({"at", "asked_at"}),
    frozenset({"query", "filters", "timings", "versions", "correlation"}),
    "scores",
)
"""Columns that are read in a form of their own; the others are texts, whole numbers, lists of texts, truth values."""

NESTED_MAX = 500
"""Brackets from which on JSON is hashed as it is written: a parser gives up at a depth that depends on its caller."""
LONG_NUMBER = re.compile(r"\d{1000}")
"""JSON with one of these is, too: Python's limit of 4,300 digits is a setting."""

GRACE = timedelta(hours=1)
"""How long after midnight a day is sealed: the clocks of pipeline and database may differ by so much."""

WRITERS_S = 5.0
"""Seconds for which transactions that have written to the log are waited for; a search takes milliseconds."""
LOOK_S = 0.05
"""Between two looks whether they have ended."""

TO_COME = timedelta(days=1)
"""How far ahead of the pipeline's clock the times of rows may be."""

SEAL_LOCK = 0x7365616C
"""Advisory lock that keeps two processes from sealing at once ("seal" in ASCII)."""

LEAST, MOST = datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC)
"""Bounds of the times that Python has, a day apart from them for the sake of time zones."""

DAY, DROP, AMEND = "day", "drop", "amend"


@dataclass(frozen=True, slots=True)
class Seal:
    """One entry of the chain: a day that is over, a month (its first day) that retention dropped, a day once more."""

    number: int
    kind: str
    day: date
    audit_rows: int
    feedback_rows: int
    digest: str
    chain: str

    def link(self, key: bytes, previous: str) -> str:
        """What `chain` must be."""
        rows = [self.audit_rows, self.feedback_rows, self.digest]
        facts = [FORM, self.number, self.kind, str(self.day), *rows, previous]
        return hmac.digest(key, json.dumps(facts).encode(), hashlib.sha256).hex()


@dataclass(frozen=True, slots=True)
class Problem:
    """A day, or an entry of the chain, that is not as it was sealed."""

    day: date
    what: str


@dataclass(frozen=True)
class Verdict:
    """What verifying found.

    Attributes:
        problems: what was tampered with, by day; empty where nothing was.
        days: days whose rows were compared.
        dropped: days whose rows retention has dropped.
        amended: days that erasures sealed once more.
        sealed_to: last day that is sealed; None before the first.
        head: the last seal; written down elsewhere it also shows that seals were cut off.
    """

    problems: list[Problem] = field(default_factory=list)
    days: int = 0
    dropped: int = 0
    amended: int = 0
    sealed_to: date | None = None
    head: str = ""


def seal(connection: Connection, key: bytes, *, now: datetime) -> list[Seal]:
    """Seal every day that is over and not sealed yet. Returns the new seals.

    Args:
        connection: as owner, in autocommit.
        key: of `keys/seal.key`.

    Raises:
        UnavailableError: a transaction that has written to the log stays open. Its rows have times of days that are
            over and would come when these are sealed.
    """
    made: list[Seal] = []
    if _next_day(connection, _seals(connection), now) is not None:
        _wait_for_writers(connection)
    while (one := _seal_next(connection, key, now)) is not None:
        made.append(one)
    return made


def no_later_than_database(connection: Connection, now: datetime) -> datetime:
    """The earlier of a time and the database's own, which its rows bear. A clock that ran ahead would seal days whose
    rows are still to come, and drop months before their time."""
    theirs: datetime = connection.execute("select clock_timestamp()").fetchone()[0]  # type: ignore[index]
    return min(now, theirs)


def keep_audit(connection: Connection, key: bytes, *, now: datetime, keep_days: int) -> dict[str, list[str]]:
    """The daily work on the log: partitions ahead, seals, and months past their time dropped.

    A month is dropped when its last day is older than `keep_days` and sealed.

    Returns:
        Names of the partitions `made` and `dropped`, and the days `sealed`.
    """
    made = ensure_partitions(connection, now=now)
    sealed = seal(connection, key, now=now)
    oldest = now.astimezone(UTC).date() - timedelta(days=keep_days)
    dropped: list[str] = []
    for month in months(connection):
        if next_month(month) <= oldest:
            dropped += _drop(connection, key, month, now)
    return {"made": made, "sealed": [str(one.day) for one in sealed], "dropped": dropped}


def verify(connection: Connection, key: bytes, *, head: str | None = None, now: datetime | None = None) -> Verdict:
    """Compare rows and seals.

    Args:
        head: a seal that was written down earlier; the chain must still hold it.
        now: rows of more than a day later are a problem; None: they are not looked for.
    """
    with connection.transaction():
        # Nobody seals or drops meanwhile; sealed rows do not change by themselves.
        connection.execute("select pg_advisory_xact_lock_shared(%s)", [SEAL_LOCK])
        seals = _seals(connection)
        problems = list(_broken_links(seals, key))
        if head is not None and head not in {one.chain for one in seals}:
            problems.append(
                Problem(seals[-1].day if seals else date.min, "the chain of seals does not contain the seal given")
            )
        days = [one for one in seals if one.kind == DAY]
        gone = {one.day for one in seals if one.kind == DROP}
        compared = [one for one in days if one.day.replace(day=1) not in gone]
        newest = {one.day: one for one in seals if one.kind in (DAY, AMEND)}
        for one in (newest[one.day] for one in compared):
            found = _rows_of(connection, one.day)
            if found != (one.audit_rows, one.feedback_rows, one.digest):
                problems.append(Problem(one.day, _difference(one, found)))
        problems += _rows_outside(connection, days, gone, now)
    return Verdict(
        problems=sorted(problems, key=lambda problem: problem.day),
        days=len(compared),
        dropped=len(days) - len(compared),
        amended=len({one.day for one in seals if one.kind == AMEND}),
        sealed_to=days[-1].day if days else None,
        head=seals[-1].chain if seals else "",
    )


def amended(
    connection: Connection, key: bytes, days: Sequence[date], change: Callable[[], None], *, now: datetime
) -> None:
    """Change rows for an erasure, and seal once more those of the days that were sealed and unchanged until now.

    A day that somebody tampered with stays what it is: a day that does not agree with its seal.

    Args:
        connection: as owner, in autocommit.
        days: all days whose rows change.
        change: changes them, in the transaction of the seals.
    """
    with connection.transaction():
        connection.execute("select pg_advisory_xact_lock(%s)", [SEAL_LOCK])
        newest = {one.day: one for one in _seals(connection) if one.kind in (DAY, AMEND)}
        sound = [
            day
            for day in days
            if day in newest
            and _rows_of(connection, day) == (newest[day].audit_rows, newest[day].feedback_rows, newest[day].digest)
        ]
        change()
        for day in sound:
            _append(connection, key, _seals(connection), AMEND, day, _rows_of(connection, day), now)


# ---------------------------------------------------------------------- inside


def _seal_next(connection: Connection, key: bytes, now: datetime) -> Seal | None:
    with connection.transaction():
        connection.execute("select pg_advisory_xact_lock(%s)", [SEAL_LOCK])
        seals = _seals(connection)
        day = _next_day(connection, seals, now)
        if day is None:
            return None
        return _append(connection, key, seals, DAY, day, _rows_of(connection, day), now)


def _next_day(connection: Connection, seals: Sequence[Seal], now: datetime) -> date | None:
    """The next day to seal; None where none is over."""
    days = [one.day for one in seals if one.kind == DAY]
    day = days[-1] + timedelta(days=1) if days else _first_day(connection)
    return None if day is None or _end(day) + GRACE > now else day


def _wait_for_writers(connection: Connection) -> None:
    """Wait until all transactions that have written to the log by now have ended.

    A row bears the time when it was written, and is seen when its transaction ends: of a process that was frozen in
    between, hours later. Whoever writes from now on gets a time after now.
    """
    give_up = clock.monotonic() + WRITERS_S
    writing = _writers(connection)
    while writing:
        if clock.monotonic() >= give_up:
            pids = ", ".join(str(pid) for _, pid in sorted(writing))
            raise UnavailableError(
                f"The audit log cannot be sealed: a transaction that has written to it is still open (process {pids}"
                " of the database): end it with pg_terminate_backend, or try again later"
            )
        clock.sleep(LOOK_S)
        writing &= _writers(connection)


def _writers(connection: Connection) -> set[tuple[str, int]]:
    """Transactions that have inserted into the log and not ended yet, with the processes they run in."""
    rows = connection.execute(
        "select virtualtransaction, pid from pg_locks where locktype = 'relation' and mode = 'RowExclusiveLock'"
        " and relation in ('knowledge.audit'::regclass, 'knowledge.feedback'::regclass) and pid <> pg_backend_pid()"
        " and database = (select oid from pg_database where datname = current_database())"
    ).fetchall()
    return {(transaction, pid) for transaction, pid in rows}


def _drop(connection: Connection, key: bytes, month: date, now: datetime) -> list[str]:
    last = next_month(month) - timedelta(days=1)
    dropped = []
    with connection.transaction():
        connection.execute("select pg_advisory_xact_lock(%s)", [SEAL_LOCK])
        seals = _seals(connection)
        days = [one for one in seals if one.kind == DAY]
        # A month before the first sealed day has no rows that anybody could miss.
        if days and days[-1].day < last:
            return []
        in_month = [one for one in days if one.day.replace(day=1) == month]
        counts = sum(one.audit_rows for one in in_month), sum(one.feedback_rows for one in in_month)
        connection.execute(sql.SQL("set local lock_timeout = {}").format(sql.Literal(LOCK_TIMEOUT)))
        for table in TABLES:
            name = partition_name(table, month)
            if connection.execute("select to_regclass(%s)", [f"knowledge.{name}"]).fetchone() != (None,):
                connection.execute(sql.SQL("drop table {}").format(sql.Identifier("knowledge", name)))
                dropped.append(name)
        if in_month:
            digest = hashlib.sha256(" ".join(one.digest for one in in_month).encode()).hexdigest()
            _append(connection, key, seals, DROP, month, (*counts, digest), now)
    return dropped


def _append(
    connection: Connection,
    key: bytes,
    seals: Sequence[Seal],
    kind: str,
    day: date,
    rows: tuple[int, int, str],
    now: datetime,
) -> Seal:
    bare = Seal(len(seals) + 1, kind, day, *rows, chain="")
    one = Seal(len(seals) + 1, kind, day, *rows, chain=bare.link(key, seals[-1].chain if seals else ""))
    connection.execute(
        "insert into knowledge.seal (number, kind, day, audit_rows, feedback_rows, digest, chain, sealed_at)"
        " values (%s, %s, %s, %s, %s, %s, %s, %s)",
        [one.number, kind, day, *rows, one.chain, now],
    )
    return one


def _seals(connection: Connection) -> list[Seal]:
    rows = connection.execute(
        "select number, kind, day, audit_rows, feedback_rows, digest, chain from knowledge.seal order by number"
    )
    return [Seal(*row) for row in rows]


def _first_day(connection: Connection) -> date | None:
    row = connection.execute(
        "select (least((select min(at) from knowledge.audit where at > %(least)s),"
        " (select min(at) from knowledge.feedback where at > %(least)s)) at time zone 'UTC')::date",
        {"least": LEAST},
    ).fetchone()
    return row[0] if row else None


def _rows_of(connection: Connection, day: date) -> tuple[int, int, str]:
    """Counts and hash of a day's rows. Rows are hashed one by one and their hashes sorted, so order does not matter."""
    whole = hashlib.sha256(f"{FORM} {day}".encode())
    counts = []
    for table in TABLES:
        hashes = sorted(hashlib.sha256(row).digest() for row in _canonical(connection, table, day))
        counts.append(len(hashes))
        whole.update(f" {table} {len(hashes)} ".encode())
        whole.update(b"".join(hashes))
    return counts[0], counts[1], whole.hexdigest()


def _canonical(connection: Connection, table: str, day: date) -> Iterator[bytes]:
    names = COLUMNS[table]
    statement = sql.SQL("select {} from {} where at >= %s and at < %s").format(
        sql.SQL(", ").join(map(_read, names)), sql.Identifier("knowledge", table)
    )
    with connection.cursor(name=f"seal_{table}") as cursor:
        cursor.itersize = 2_000
        cursor.execute(statement, [_start(day), _end(day)])
        for row in cursor:
            facts: dict[str, Any] = {}
            written: dict[str, str] = {}
            for name, value in zip(names, row, strict=True):
                facts[name] = _plain(name, value, written)
            yield json.dumps(
                facts | ({"written": written} if written else {}), sort_keys=True, separators=(",", ":")
            ).encode()


def _read(name: str) -> sql.Composed:
    """A column in a form that no version of driver, server or session writes otherwise, and no value of it breaks:
    times in microseconds since 1970, `infinity` as a word; JSON as text; numbers of single precision by their bits."""
    forms = {
        **dict.fromkeys(
            TIMES, "case when isfinite({0}) then trunc(extract(epoch from {0}) * 1000000)::text else {0}::text end"
        ),
        **dict.fromkeys(JSON, "{0}::text"),
        SINGLE: "array(select encode(float4send(s), 'hex') from unnest({0}) s)",
    }
    return sql.SQL(forms.get(name, "{0}")).format(sql.Identifier(name))


def _plain(name: str, value: Any, written: dict[str, str]) -> Any:
    """A value as it is hashed; what is hashed as it is written goes into `written` under its name."""
    if value is None:
        return None
    if name in TIMES:
        return int(value) if value.lstrip("-").isdecimal() else value
    if isinstance(value, UUID):
        return value.hex
    if name in JSON:
        if value.count("[") + value.count("{") > NESTED_MAX or LONG_NUMBER.search(value):
            written[name] = value
            return None
        return json.loads(value)
    return value


def _broken_links(seals: Sequence[Seal], key: bytes) -> Iterator[Problem]:
    previous, expected = "", None
    for place, one in enumerate(seals, 1):
        if one.number != place or not hmac.compare_digest(one.chain, one.link(key, previous)):
            yield Problem(one.day, f"seal {one.number} was changed, or the one before it is missing")
        if one.kind == DAY:
            if expected is not None and one.day != expected:
                yield Problem(expected, "the seal of this day is missing")
            expected = one.day + timedelta(days=1)
        previous = one.chain


def _rows_outside(
    connection: Connection, days: Sequence[Seal], gone: set[date], now: datetime | None
) -> Iterator[Problem]:
    """Rows at times before the first seal, in months that were dropped, or to come: they were put there later."""
    left, early = "were added where none are left to be", "are of a time that is still to come"
    spans: list[tuple[datetime | str, datetime | str, str]] = [
        (_start(month), _end(next_month(month) - timedelta(days=1)), left) for month in sorted(gone)
    ]
    if days:
        spans.append(("-infinity", _start(days[0].day), left))
    if now is not None:
        spans.append((now + TO_COME, "infinity", early))
    for begin, end, what in spans:
        for table in TABLES:
            statement = sql.SQL(
                "select (least(greatest(min(at), {least}), {most}) at time zone 'UTC')::date from {table}"
                " where at >= {begin} and (at < {end} or at = 'infinity' and {end} = 'infinity'::timestamptz)"
                " having count(*) > 0"
            ).format(table=sql.Identifier("knowledge", table), begin=begin, end=end, least=LEAST, most=MOST)
            row = connection.execute(statement).fetchone()
            if row:
                yield Problem(row[0], f"rows of {table} {what}")


def _difference(one: Seal, found: tuple[int, int, str]) -> str:
    sealed, now = (one.audit_rows, one.feedback_rows), found[:2]
    if sealed != now:
        return f"sealed with {sealed[0]} requests and {sealed[1]} feedbacks, now there are {now[0]} and {now[1]}"
    return "rows were changed since they were sealed"


def _start(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def _end(day: date) -> datetime:
    return _start(day + timedelta(days=1))
