"""The standby: the same access rule, answers while the database is gone, files that only the right key opens."""

from __future__ import annotations

import asyncio
import fcntl
import itertools
import json
import math
import multiprocessing
import os
import random
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from assets.index.releases import promote, rollback
from assets.index.standby import REWRITE_AFTER, forget_documents, write_standby
from benchmarks.failing import Load, Victim
from retrieval import AsyncRetriever, Filters, Retriever, SearchResult, Shape, UnavailableError
from retrieval.analysis import passage_terms, query_terms
from retrieval.audit import load_key
from retrieval.bm25 import COMMON
from retrieval.outbox import Outbox, sender
from retrieval.schema.migrate import READER
from retrieval.snapshot import DamagedError, path_of, read, read_header
from retrieval.standby import Snapshot
from tests.retrieval.failure import victim
from tests.retrieval.oracle import Passage, bm25, passes
from tests.retrieval.test_access import FILTERS, PRINCIPALS, QUERIES, READ_AT, Play, long_history
from tests.support import NOW, BrokenEncoder, GoldDocument, Index, WordsEncoder, asker, everyone

KEY = b"k" * 32
ADA = asker()
OPEN = [
    GoldDocument("fox", everyone(), ["the quick brown fox", "a lazy dog"], tags=("x",)),
    GoldDocument("board", everyone("acme", "board", clearance="restricted"), ["the secret fox"]),
    GoldDocument("bolt", everyone("bolt"), ["bolt has a fox as well"]),
]


def down(index: Index, folder: Path, **arguments: Any) -> Retriever:
    """A retriever whose database cannot be reached."""
    values = {"connect_timeout_s": 2, "standby": folder, "home": folder.parent / "home", **arguments.pop("values", {})}
    gone = index.settings.model_copy(update=values)
    return Retriever.connect("host=/nowhere dbname=x", settings=gone, encoder=WordsEncoder(), **arguments)


def key_of(folder: Path) -> bytes:
    return load_key(folder.parent / "home" / "keys" / "standby.key")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "standby"


@pytest.fixture(scope="module")
def served(shared_index: Index) -> Index:
    shared_index.serve(OPEN)
    return shared_index


# ------------------------------------------------------------------------ access


def largest(query: str, passages: Sequence[Passage]) -> float:
    """What counts in full: k1 + 1 times the idf of each word's most telling term that stands, none below `COMMON`."""
    texts = [set(passage_terms(p.text, p.document.language, p.document.name)) for p in passages]
    total = 0.0
    for alternatives in query_terms(query):
        found = {term: sum(term in text for text in texts) for term in alternatives}
        standing = {term: df for term, df in found.items() if df} or found
        idf = max(math.log(1 + (len(texts) - df + 0.5) / (df + 0.5)) for df in standing.values())
        total += max(idf, COMMON)
    return 2.2 * max(total, math.log(1 + (len(texts) - 0.5) / 1.5))


def compare(play: Play, retriever: Retriever, queries: tuple[str, ...]) -> int:
    """Every principal, with and without filters, against the oracle: hits, order and scores. Returns the pairs."""
    assert play.world.active is not None
    pairs = 0
    for principal, filters, query in itertools.product(PRINCIPALS, (None, *FILTERS), queries):
        passages = play.world.visible(principal, play.world.active, READ_AT)
        scores = bm25(query, passages)
        wanted = {
            p.chunk_id: scores[p.chunk_id]
            for p in passages
            if p.chunk_id in scores and (filters is None or passes(p.document, filters))
        }
        try:
            result = retriever.search(query, principal=principal, k=1000, filters=filters)
        except UnavailableError:  # there is no file of a tenant that has nothing
            assert not wanted
            continue
        bound = largest(query, passages)
        assert {hit.chunk_id: hit.score for hit in result} == pytest.approx(
            {chunk_id: min(1, score / bound) for chunk_id, score in wanted.items()}, rel=1e-9
        )
        assert [hit.score for hit in result] == sorted((hit.score for hit in result), reverse=True)
        assert (result.release, result.degraded, result.reasons) == (play.world.active, True, ("standby",))
        pairs += len(play.inbox)
    return pairs


@pytest.mark.slow
def test_every_principal_gets_from_the_standby_what_it_may_see(index: Index, folder: Path) -> None:
    """Edits, deletions, changes of access, moves between tenants, expiry and rollbacks; the file follows them."""
    play, pairs = Play(index), 0
    key = key_of(folder)
    with down(index, folder, values={"rate_per_minute": None}) as retriever:
        for number, step in enumerate(long_history(11, names=12, steps=3)):
            play.run(step)
            write_standby(index.owner, folder, key, now=READ_AT)
            if play.world.active is not None:
                pairs += compare(play, retriever, QUERIES[number % 5 : number % 5 + 1])
    assert pairs > 1_500


def test_hits_are_those_of_a_degraded_search_in_the_database(served: Index, folder: Path) -> None:
    write_standby(served.owner, folder, key_of(folder), now=NOW)
    live = served.retriever(BrokenEncoder())
    with down(served, folder, wall=lambda: NOW) as retriever:
        for principal in (ADA, asker("acme", "board", clearance="restricted"), asker("bolt")):
            for filters in (None, Filters(tags="x"), Filters(source="podcast")):
                expected = live.search("the quick fox", principal=principal, filters=filters)
                found = retriever.search("the quick fox", principal=principal, filters=filters)
                assert [hit.chunk_id for hit in found] == [hit.chunk_id for hit in expected]
                for one, other in zip(found, expected, strict=True):
                    assert replace(one, score=other.score) == other
                    assert one.score == pytest.approx(other.score, rel=1e-12)
        assert found.as_of == NOW


@pytest.mark.parametrize("flagged", [None, False])
def test_hits_are_shaped_as_in_the_database(index: Index, folder: Path, flagged: bool | None) -> None:
    """Neighbours are joined, hits of a document bounded, and repetitions left out; filters hold for neighbours, too."""
    texts = [f"the fox {'runs far' if n % 3 else 'sleeps'} on day {n}" for n in range(9)]
    index.serve(
        [
            GoldDocument("diary", everyone(), texts, flags_of={2: ("override",), 3: ("hidden", "override")}),
            GoldDocument("board", everyone("acme", "board"), ["a fox of the board", "and its den"]),
            GoldDocument("copy", everyone(), ["the fox sleeps on day 0", "a cat", "the end"]),
        ]
    )
    write_standby(index.owner, folder, key_of(folder), now=NOW)
    live = index.retriever(BrokenEncoder())
    shapes = [Shape(neighbours=1), Shape(neighbours=2, per_document=1), Shape(unique=True), Shape(per_document=2)]
    with down(index, folder, wall=lambda: NOW) as retriever:
        for shape, k, query in itertools.product(shapes, (1, 3, 50), ("fox sleeps", "cat", "day 4 far", "den")):
            asked = {"principal": ADA, "k": k, "shape": shape, "filters": Filters(flagged=flagged)}
            expected, found = live.search(query, **asked), retriever.search(query, **asked)  # type: ignore[arg-type]
            assert [replace(hit, score=0) for hit in found] == [replace(hit, score=0) for hit in expected]
            assert [hit.score for hit in found] == pytest.approx([hit.score for hit in expected], rel=1e-12)
            assert flagged is None or not any(hit.flags for hit in found)


def test_what_expires_while_the_database_is_gone_is_not_shown(index: Index, folder: Path) -> None:
    index.serve([replace(OPEN[0], expires_at=NOW + timedelta(hours=2)), replace(OPEN[1], access=everyone())])
    write_standby(index.owner, folder, key_of(folder), now=NOW)
    clock = [NOW]
    with down(index, folder, wall=lambda: clock[0]) as retriever:
        for hours, titles in ((0, {"fox", "board"}), (1, {"fox", "board"}), (2, {"board"}), (3, {"board"})):
            clock[0] = NOW + timedelta(hours=hours)
            assert {hit.citation.title for hit in retriever.search("fox", principal=ADA)} == titles


# ------------------------------------------------------------------------- files


def test_files_follow_the_release_and_access_and_are_left_alone_otherwise(index: Index, folder: Path) -> None:
    assert write_standby(index.owner, folder, KEY, now=NOW).release is None
    index.serve(OPEN)
    assert write_standby(index.owner, folder, KEY, now=NOW).written == ["acme", "bolt"]
    assert write_standby(index.owner, folder, KEY, now=NOW).unchanged == ["acme", "bolt"]
    index.serve([replace(OPEN[0], access=everyone("acme", "sales")), *OPEN[1:]])
    done = write_standby(index.owner, folder, KEY, now=NOW)
    assert (done.written, done.unchanged) == (["acme"], ["bolt"]), "access alone makes no release"
    index.serve(OPEN[:2])
    assert write_standby(index.owner, folder, KEY, now=NOW).removed == ["bolt"]
    rollback(index.owner, now=NOW)
    done = write_standby(index.owner, folder, KEY, now=NOW)
    assert (done.release, done.written) == (1, ["acme", "bolt"])
    promote(index.owner, 2, now=NOW, by_hand=True)
    write_standby(index.owner, folder, KEY, now=NOW)
    assert write_standby(index.owner, folder, KEY, now=NOW + REWRITE_AFTER).written == ["acme"]
    assert write_standby(index.owner, folder, b"x" * 32, now=NOW + REWRITE_AFTER).written == ["acme"], "another key"
    assert {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()} == {"acme.standby": 0o600}


def test_nothing_of_a_passage_can_be_read_in_a_file(served: Index, folder: Path) -> None:
    write_standby(served.owner, folder, KEY, now=NOW)
    content = path_of(folder, "acme").read_bytes()
    for word in (b"quick", b"fox", b"board", b"secret", b"restricted", b"blog/"):
        assert word not in content


@pytest.fixture(scope="module")
def sealed(served: Index, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("standby")
    write_standby(served.owner, folder, KEY, now=NOW)
    return folder


@settings(
    max_examples=150, deadline=None, derandomize=True, database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture], phases=[Phase.explicit, Phase.generate],
)  # fmt: skip
@given(draw=st.randoms(use_true_random=False), what=st.sampled_from(["flip", "cut", "insert", "append", "swap"]))
def test_no_changed_file_is_read(sealed: Path, tmp_path: Path, draw: random.Random, what: str) -> None:
    content = bytearray(path_of(sealed, "acme").read_bytes())
    place = draw.randrange(len(content))
    if what == "flip":
        content[place] ^= 1 << draw.randrange(8)
    elif what == "cut":
        del content[place:]
    elif what == "insert":
        content.insert(place, draw.randrange(256))
    elif what == "append":
        content += content[place:]
    else:
        other = draw.randrange(len(content))
        if content[place] == content[other]:
            return
        content[place], content[other] = content[other], content[place]
    path = path_of(tmp_path, "acme")
    path.write_bytes(content)
    with pytest.raises(DamagedError):
        Snapshot.load(path, KEY)


def test_a_file_under_another_tenants_name_or_with_frames_of_another_file_is_refused(
    sealed: Path, served: Index, tmp_path: Path
) -> None:
    content = path_of(sealed, "bolt").read_bytes()
    path_of(tmp_path, "acme").write_bytes(content)
    with pytest.raises(DamagedError, match="of another tenant"):
        Snapshot.load(path_of(tmp_path, "acme"), KEY)
    path_of(tmp_path, "acme").write_bytes(content.replace(b'"bolt"', b'"acme"'))
    with pytest.raises(DamagedError, match="was changed, or made with another key"):
        Snapshot.load(path_of(tmp_path, "acme"), KEY)
    again = tmp_path / "again"
    write_standby(served.owner, again, KEY, now=NOW)
    ours, theirs = path_of(sealed, "acme").read_bytes(), path_of(again, "acme").read_bytes()
    half = ours.index(b"}") + 1
    path_of(tmp_path, "acme").write_bytes(ours[:half] + theirs[half:])
    with pytest.raises(DamagedError):
        Snapshot.load(path_of(tmp_path, "acme"), KEY)
    with pytest.raises(DamagedError):
        Snapshot.load(path_of(sealed, "acme"), b"x" * 32)
    with pytest.raises(DamagedError):
        path_of(sealed, "../acme")


def test_frames_cannot_be_left_out(sealed: Path, tmp_path: Path) -> None:
    path = path_of(sealed, "acme")
    header, frames = read(path, KEY)
    assert len(list(frames)) >= 3
    content = path.read_bytes()
    start = content.index(b"}") + 1
    first = start + 4 + int.from_bytes(content[start : start + 4], "big")
    assert header == read_header(path)
    shorter = path_of(tmp_path, "acme")
    for changed in (content[:start] + content[first:], content[:first], content[:start]):
        shorter.write_bytes(changed)
        with pytest.raises(DamagedError):
            Snapshot.load(shorter, KEY)


def test_erased_documents_are_in_no_file_any_more(served: Index, folder: Path) -> None:
    write_standby(served.owner, folder, KEY, now=NOW)
    path_of(folder, "damaged").write_bytes(b"x")
    (folder / ".acme.standby.7.ab").write_bytes(b"half written")
    assert forget_documents(folder, KEY, [OPEN[2].document_id]) == ["bolt", "damaged"]
    assert [path.name for path in folder.iterdir()] == ["acme.standby"]
    assert write_standby(served.owner, folder, KEY, now=NOW).written == ["bolt"]


# ------------------------------------------------------------- when it may answer


def failing(retriever: Retriever, message: str, **arguments: Any) -> None:
    with pytest.raises(UnavailableError, match=message):
        retriever.search("fox", principal=arguments.pop("principal", ADA), **arguments)


def test_when_it_does_not_answer(served: Index, folder: Path) -> None:
    write_standby(served.owner, folder, key_of(folder), now=NOW)
    clock = [NOW + timedelta(hours=48)]
    with down(served, folder, wall=lambda: clock[0]) as retriever:
        assert len(retriever.search("fox", principal=ADA)) == 2
        failing(retriever, "holds nothing of this tenant", principal=asker("corp"))
        failing(retriever, "holds release 1 alone", release=2)
        assert len(retriever.search("fox", principal=ADA, release=1)) == 2
        clock[0] += timedelta(seconds=1)
        failing(retriever, "longer ago than KNOWLEDGE_STANDBY_MAX_AGE_H")
        clock[0] = NOW - timedelta(minutes=5)
        assert len(retriever.search("fox", principal=ADA)) == 2
        clock[0] = datetime(1970, 1, 1, tzinfo=UTC)  # a machine whose clock was lost: nothing would have expired
        failing(retriever, "it is 1970-01-01T00:00:00.00:00 here: compare the clocks")
        clock[0] = NOW
        path_of(folder, "acme").write_bytes(b"no file")
        failing(retriever, "is not a standby file")
        path_of(folder, "acme").unlink()
        failing(retriever, "^The database .*The standby does not answer: it holds nothing of this tenant")


def test_no_audit_row_no_answer(served: Index, folder: Path) -> None:
    write_standby(served.owner, folder, key_of(folder), now=NOW)
    with down(served, folder, wall=lambda: NOW) as retriever:
        (folder.parent / "home" / "audit").write_text("in the way")
        failing(retriever, "audit row cannot be written")


def test_without_a_standby_there_is_an_error(served: Index, tmp_path: Path) -> None:
    with pytest.raises(UnavailableError):
        Retriever.connect("host=/nowhere dbname=x", settings=served.settings, encoder=WordsEncoder())


# ---------------------------------------------------------------- outbox and drill


def test_rows_survive_a_process_that_dies_and_a_delivery_that_breaks(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "audit" / "pending.jsonl")
    for number in range(3):
        outbox.append({"request_id": number})
    with outbox.path.open("ab") as file:
        file.write(b'{"request_id": 3')  # died here
    outbox.append({"request_id": 4})
    seen: list[int] = []

    def breaking(rows: Any) -> bool:
        seen.extend(row["request_id"] for row in rows)
        raise psycopg.OperationalError("gone again")

    def taking(rows: Any) -> bool:
        seen.extend(row["request_id"] for row in rows)
        return True

    with pytest.raises(psycopg.OperationalError):
        outbox.deliver(breaking)
    outbox.append({"request_id": 5})
    assert outbox.waiting
    seen.clear()
    assert outbox.deliver(taking) == 5
    assert seen == [0, 1, 2, 4, 5]
    assert not outbox.waiting
    outbox.append({"request_id": 6})
    assert outbox.deliver(lambda rows: False) == 0
    assert json.loads((tmp_path / "audit" / "pending.refused").read_text()) == {"request_id": 6}
    assert outbox.path.parent.stat().st_mode & 0o777 == 0o700


def test_a_row_that_the_log_cannot_take_holds_back_no_other(served: Index, folder: Path) -> None:
    write_standby(served.owner, folder, key_of(folder), now=NOW)
    with down(served, folder, wall=lambda: NOW) as retriever:
        results = [retriever.search("fox", principal=ADA) for _ in range(4)]
        outbox = Outbox(retriever.settings.outbox)
        rows = [json.loads(line) for line in outbox.path.read_text().splitlines()]
        rows[1]["k"] = "many"
        del rows[2]["query_pseudonym"]
        nobodys = rows[0] | {"principal": None, "request_id": str(uuid.uuid4())}
        outbox.path.write_text("".join(json.dumps(row) + "\n" for row in [*rows, nobodys, {"tenant": None}, {}, 3]))
        with psycopg.connect(served.server.dsn(READER, served.name), autocommit=True) as reader:
            assert outbox.deliver(sender(reader)) == 2
    assert not outbox.waiting
    assert len(outbox.refused.read_text().splitlines()) == 5
    taken = [results[0].request_id, results[3].request_id]
    found = served.owner.execute("select request_id from knowledge.audit where request_id = any (%s)", [taken])
    assert len(found.fetchall()) == 2


def test_without_a_thread_no_row_is_written_and_the_next_one_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    outbox = Outbox(tmp_path / "audit" / "pending.jsonl")
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refused)
        for number in range(2):
            with pytest.raises(OSError, match="no thread"):
                outbox.append({"request_id": number}, 20)
    outbox.append({"request_id": 2}, 20)
    assert [json.loads(line) for line in outbox.path.read_text().splitlines()] == [{"request_id": 2}]


def test_a_task_does_not_wait_for_a_thread_that_a_model_keeps(served: Index, folder: Path) -> None:
    write_standby(served.owner, folder, key_of(folder), now=NOW)
    given = {"standby": folder, "search_timeout_ms": 800, "pool_size": 1, "breaker_pause_s": 30.0}
    given["home"] = folder.parent / "home"
    hangs = threading.Event()

    async def ask() -> None:
        settings = served.settings.model_copy(update=given)
        opened = AsyncRetriever.connect(settings=settings, encoder=WordsEncoder(), wall=lambda: NOW)
        async with await opened as retriever:
            retriever._in_thread(hangs.wait)
            retriever._breaker.trip()
            began = time.monotonic()
            with pytest.raises(UnavailableError, match="no thread was free in time"):
                await retriever.search("fox", principal=ADA)
            assert time.monotonic() - began < 2
            hangs.set()
            assert (await retriever.search("fox", principal=ADA)).reasons == ("standby",)

    try:
        asyncio.run(ask())
    finally:
        hangs.set()


@contextmanager
def slow_disk(path: Path) -> Iterator[None]:
    """The file of the rows is not written while this lasts: another process holds its lock, as a slow disk would."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def test_a_row_that_is_not_written_in_time_is_not_written_at_all(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "audit" / "pending.jsonl")
    with ThreadPoolExecutor(1) as threads:
        with slow_disk(outbox.path):
            for number in range(3):
                with pytest.raises(TimeoutError):
                    outbox.append({"request_id": number}, 0.01)
            patient = threads.submit(outbox.append, {"request_id": 3}, 20)
            while len(outbox._lines) < 4:
                assert not wait([patient], 0.01).done
        patient.result(20)
    outbox.append({"request_id": 4}, 20)
    seen: list[int] = []

    def taking(rows: Any) -> bool:
        seen.extend(row["request_id"] for row in rows)
        return True

    outbox.deliver(taking)
    assert seen == [3, 4]


def test_rows_that_wait_together_go_to_the_disk_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outbox = Outbox(tmp_path / "audit" / "pending.jsonl")
    flushed: list[int] = []
    real = os.fsync
    monkeypatch.setattr(os, "fsync", lambda handle: (flushed.append(handle), real(handle)))
    with ThreadPoolExecutor(8) as threads:
        with slow_disk(outbox.path):
            rows = [threads.submit(outbox.append, {"request_id": number}, 20) for number in range(8)]
            while len(outbox._lines) < 8:
                assert not wait(rows, 0.01, FIRST_EXCEPTION).done
        for row in rows:
            row.result(20)
    assert len(flushed) <= 2
    assert len(outbox.path.read_text().splitlines()) == 8


def test_an_answer_whose_row_is_late_is_not_given(served: Index, folder: Path) -> None:
    write_standby(served.owner, folder, key_of(folder), now=NOW)
    with down(served, folder, wall=lambda: NOW, values={"search_timeout_ms": 400}) as retriever:
        outbox = Outbox(retriever.settings.outbox)
        with slow_disk(outbox.path):
            began = time.monotonic()
            failing(retriever, "the disk did not take the audit row in time")
            assert 0.3 < time.monotonic() - began < 2
        assert len(retriever.search("fox", principal=ADA)) == 2
        assert len(outbox.path.read_text().splitlines()) == 1


def test_a_row_is_never_forgotten_before_it_is_committed(served: Index) -> None:
    with pytest.raises(AssertionError, match="before it is committed"):
        sender(served.reader())


def _append(path: Path, first: int) -> None:
    outbox = Outbox(path)
    for number in range(first, first + 50):
        outbox.append({"request_id": number})
    os._exit(0)


def test_processes_share_an_outbox(tmp_path: Path) -> None:
    path = tmp_path / "pending.jsonl"
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=_append, args=(path, first)) for first in (0, 100)]
    for worker in workers:
        worker.start()
    seen: list[int] = []
    while any(worker.is_alive() for worker in workers) or Outbox(path).waiting:
        Outbox(path).deliver(lambda rows: seen.extend(row["request_id"] for row in rows) or True)  # type: ignore[func-returns-value]
    assert sorted(seen) == [*range(50), *range(100, 150)]


@pytest.fixture(scope="module")
def attacked() -> Iterator[Victim]:
    with victim(OPEN) as one:
        folder = one.home / "standby"
        with one.owner() as owner:
            write_standby(owner, folder, load_key(one.home / "keys" / "standby.key"), now=datetime.now(UTC))
        yield one


def late_rows(attacked: Victim) -> list[tuple[Any, ...]]:
    with attacked.owner() as owner:
        return owner.execute(
            "select request_id, degraded, reasons, release, tenant, at > asked_at, cardinality(hits), query ? 'hash'"
            " from knowledge.audit where asked_at is not null"
        ).fetchall()


@pytest.mark.parametrize("way", ["frozen", "stopped"])
def test_under_load_the_standby_answers_and_the_database_gets_every_row(attacked: Victim, way: str) -> None:
    results: list[SearchResult] = []
    settings_ = attacked.settings(standby=attacked.home / "standby")

    def ask() -> SearchResult:
        results.append(retriever.search("fox", principal=ADA))
        return results[-1]

    with Retriever.connect(settings=settings_, encoder=WordsEncoder()) as retriever:
        load = Load(ask)
        with load.running():
            load.wait_for("hits", 20)
            with getattr(attacked, way)():
                load.wait_for("degraded", 40)
            load.wait_for("hits", 20)
        assert set(load.counts()) == {"hits", "degraded"}, "nobody was sent away"
        assert load.longest_s() < settings_.search_timeout_ms / 1000 + 0.7
        while Outbox(settings_.outbox).waiting:  # a search that finds a delivery under way begins no other
            retriever.search("fox", principal=ADA)
            assert retriever._delivery is not None
            retriever._delivery.result(20)
    degraded = {result.request_id for result in results if result.as_of is not None}
    rows = [row for row in late_rows(attacked) if row[0] in degraded]
    assert len(rows) == len(degraded)
    assert all(row[1:] == (True, ["standby"], 1, 1, True, 2, True) for row in rows)
    assert not Outbox(settings_.outbox).waiting


def test_tasks_get_the_standbys_answers_too_and_a_start_without_database_works(attacked: Victim) -> None:
    settings_ = attacked.settings(standby=None)

    async def drill() -> None:
        with attacked.stopped():
            retriever = await AsyncRetriever.connect(
                settings=settings_, standby=attacked.home / "standby", encoder=WordsEncoder()
            )
            found = await asyncio.gather(*(retriever.search("fox", principal=ADA) for _ in range(8)))
            assert all(result.reasons == ("standby",) and len(result) == 2 for result in found)
        async with retriever:
            for _ in range(400):
                result = await retriever.search("fox", principal=ADA)
                if not result.degraded:
                    break
                await asyncio.sleep(0.02)
            assert not result.degraded
            assert retriever._delivery is not None
            await asyncio.wrap_future(retriever._delivery)
            await retriever.feedback(found[0].request_id, "answered", principal=ADA)

    asyncio.run(drill())
    assert not Outbox(settings_.outbox).waiting
