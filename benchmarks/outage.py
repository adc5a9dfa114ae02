"""Takes the database away under load, in every way and several times, with and without a standby: does anything hang,
does anybody get anything but hits or a clear error, does all come back, is every answer in the audit log.

The inbox is ingested into a home of its own first. `--quick` does each once and for a shorter time.
"""

from __future__ import annotations

import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import wait
from contextlib import AbstractContextManager
from pathlib import Path
from uuid import UUID

from assets.index.standby import write_standby
from benchmarks.failing import Load, Victim
from benchmarks.home import new_home
from benchmarks.ingest import knowledge
from benchmarks.report import REPOSITORY, Measures, parse
from pipelines.stores import utc_now
from retrieval import Principal, Retriever, SearchResult
from retrieval.audit import load_key
from retrieval.outbox import Outbox
from retrieval.server import EmbeddedServer

WAYS = ("frozen", "stopped", "slow", "killed")
ROUNDS, QUICK_ROUNDS = 3, 1
OUTAGE_S, QUICK_OUTAGE_S = 6.0, 2.0
THREADS = 8
LIMITS = {"statement_timeout_ms": 500, "search_timeout_ms": 3000, "connect_timeout_s": 2, "breaker_pause_s": 0.25}
SLACK_S = 0.5
"""What scheduling of eight threads on two cores may add to a limit."""
QUESTION = "Wie wird das gewartet, und what does it cost?"


def main() -> int:
    """Run the drill and report."""
    arguments = parse(__doc__ or "", REPOSITORY / "examples" / "inbox")
    rounds, seconds = (QUICK_ROUNDS, QUICK_OUTAGE_S) if arguments.quick else (ROUNDS, OUTAGE_S)
    measures = Measures()
    with tempfile.TemporaryDirectory(prefix="ko-") as folder:
        home = Path(folder) / "home"
        new_home(home)
        inbox = Path(folder) / "inbox"  # a copy: refused files get notes beside them
        shutil.copytree(arguments.data, inbox)
        environment = os.environ | {"KNOWLEDGE_INBOX": str(inbox), "KNOWLEDGE_HOME": str(home)}
        knowledge(["ingest"], environment)
        server = EmbeddedServer.attach(home)
        try:
            for standby in (False, True):
                drill(Victim(home, server), measures, rounds, seconds, standby=standby)
        finally:
            server.release()
    return measures.finish(arguments)


def drill(victim: Victim, measures: Measures, rounds: int, seconds: float, *, standby: bool) -> None:
    """All ways, one after the other, under one load."""
    folder = victim.home / "standby"
    with victim.owner() as owner:
        (tenant,) = owner.execute("select min(name) from knowledge.tenant").fetchone() or ("",)
        if standby:
            write_standby(owner, folder, load_key(victim.home / "keys" / "standby.key"), now=utc_now())
    settings = victim.settings(**LIMITS, standby=folder if standby else None)
    principal = Principal(user="drill", tenant=tenant)
    answered: list[UUID] = []
    recoveries: list[float] = []
    with Retriever.connect(settings=settings) as retriever:
        retriever.warm_up()

        def ask() -> SearchResult:
            result = retriever.search(QUESTION, principal=principal)
            answered.append(result.request_id)
            return result

        load = Load(ask, threads=THREADS)
        with load.running():
            for way in WAYS * rounds:
                load.wait_for("hits", 20)
                take_away(victim, way, seconds)
                recoveries.append(load.wait_for("hits", 1, timeout=60))
                print(f"{way}: back after {recoveries[-1]:.2f} s, {dict(load.counts())}", file=sys.stderr)
            load.wait_for("hits", 100)
        if standby:
            while Outbox(settings.outbox).waiting:
                retriever.search(QUESTION, principal=principal)
                wait([retriever._delivery] if retriever._delivery else [], 30)
    report(measures, "standby" if standby else "alone", load, recoveries, missing_rows(victim, answered))


def take_away(victim: Victim, way: str, seconds: float) -> None:
    """One outage."""
    if way == "killed":
        victim.kill()
        return
    outage: Callable[[], AbstractContextManager[None]] = getattr(victim, way)
    with outage():
        time.sleep(seconds)  # the length of the outage, not a wait for something


def missing_rows(victim: Victim, answered: list[UUID]) -> int:
    """Answers that are not in the audit log exactly once."""
    with victim.owner() as owner:
        rows = owner.execute(
            "select request_id, count(*) from knowledge.audit where request_id = any (%s) group by 1", [answered]
        ).fetchall()
    return len(answered) - len([count for _, count in rows if count == 1])


def report(measures: Measures, name: str, load: Load, recoveries: list[float], missing: int) -> None:
    """The figures of one drill."""
    counts = load.counts()
    limit = float(LIMITS["search_timeout_ms"]) / 1000 + SLACK_S
    took = [seconds for _, seconds, _ in load.ends]
    refused = [seconds * 1000 for _, seconds, what in load.ends if what == "UnavailableError"]
    measures.add(f"{name}_searches", len(took), "searches")
    measures.add(f"{name}_hits", counts["hits"], "searches")
    measures.add(f"{name}_degraded", counts["degraded"], "searches")
    measures.add(f"{name}_unavailable", counts["UnavailableError"], "searches", 0 if name == "standby" else None)
    others = sum(n for what, n in counts.items() if what not in {"hits", "degraded", "UnavailableError"})
    measures.add(f"{name}_other_errors", others, "searches", 0)
    measures.add(f"{name}_beyond_the_limit", sum(seconds > limit for seconds in took), "searches", 0)
    measures.add(f"{name}_longest_s", max(took), "s", limit)
    if refused:
        measures.add(f"{name}_refused_p50_ms", statistics.median(refused), "ms", 20)
    measures.add(f"{name}_back_after_s_max", max(recoveries), "s", 10)
    measures.add(f"{name}_answers_without_audit_row", missing, "answers", 0)


if __name__ == "__main__":
    sys.exit(main())
