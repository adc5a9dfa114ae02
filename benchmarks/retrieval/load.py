"""A search under load: many callers at once, a publication beside it, and what the process weighs."""

from __future__ import annotations

import json
import pickle
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from benchmarks.retrieval.index import Index
from benchmarks.retrieval.meter import Figures, Meter, backend_ms, p
from benchmarks.retrieval.texts import Question
from benchmarks.retrieval.world import changed
from retrieval import KnowledgeError, Principal, Retriever

CALLERS = 16
ROUND_S = 4.0
"""Seconds that callers ask for."""


def asks(
    retriever: Retriever, principals: Sequence[Principal], questions: Sequence[Question]
) -> list[Callable[[], object]]:
    """A search for each question, of the principals in turn."""

    def ask(question: Question, principal: Principal) -> Callable[[], object]:
        return lambda: retriever.search(question.text, principal=principal)

    return [ask(question, principals[number % len(principals)]) for number, question in enumerate(questions)]


def whole(
    index: Index, retriever: Retriever, principals: Sequence[Principal], questions: Sequence[Question]
) -> Figures:
    """CPU of whole searches, one after the other, after a round to warm up."""
    for call in asks(retriever, principals, questions[:20]):
        call()
    return Meter(index.pids).measure(asks(retriever, principals, questions))


@dataclass(frozen=True)
class Throughput:
    """What some callers at once got.

    Attributes:
        per_second: answers a second.
        cpu_ms: CPU of an answer, client and server.
        cores: cores' worth of CPU that was used, of those there are.
    """

    per_second: float
    cpu_ms: float
    p50_ms: float
    p99_ms: float
    cores: float


def throughput(
    index: Index, retriever: Retriever, principals: Sequence[Principal], questions: Sequence[Question]
) -> Throughput:
    """Sixteen threads that ask one question after the other for some seconds."""
    latencies: list[float] = []
    stop = threading.Event()

    def ask(caller: int) -> None:
        number = caller
        while not stop.is_set():
            began = time.perf_counter()
            question, who = questions[number % len(questions)], principals[number % len(principals)]
            retriever.search(question.text, principal=who)
            latencies.append((time.perf_counter() - began) * 1000)
            number += CALLERS

    with ThreadPoolExecutor(CALLERS) as threads:
        for question in questions[:CALLERS]:  # connections are opened before the clock runs
            threads.submit(retriever.search, question.text, principal=principals[0])
        time.sleep(0.5)
        pids = index.pids()
        server, own, began = sum(map(backend_ms, pids)), time.process_time(), time.perf_counter()
        waiting = [threads.submit(ask, caller) for caller in range(CALLERS)]
        stop.wait(ROUND_S)
        stop.set()
        for one in waiting:
            one.result()
        seconds = time.perf_counter() - began
        cpu = (time.process_time() - own) * 1000 + sum(map(backend_ms, pids)) - server
    count = len(latencies)
    return Throughput(count / seconds, cpu / count, p(latencies, 50), p(latencies, 99), cpu / 1000 / seconds)


@dataclass(frozen=True)
class Beside:
    """Searches with and without a publication beside them."""

    idle_p95_ms: float
    busy_p95_ms: float
    failed: int
    searches: int
    publish_s: float


def publishing(
    index: Index, retriever: Retriever, principals: Sequence[Principal], questions: Sequence[Question], count: int
) -> Beside:
    """One caller asks without pause while `count` passages are changed, published and promoted.

    The publication runs in a process of its own, as it does for users.
    """

    calls = asks(retriever, principals, questions)

    def ask(until: Callable[[], bool]) -> tuple[list[float], int]:
        latencies: list[float] = []
        failed = 0
        while not until():
            began = time.perf_counter()
            try:
                calls[len(latencies) % len(calls)]()
            except KnowledgeError:
                failed += 1
            latencies.append((time.perf_counter() - began) * 1000)
        return latencies, failed

    world = changed(index.world, count, seed=int(time.time()))
    path = index.server.folder / "changed.pickle"
    path.write_bytes(pickle.dumps((index.world.plan, index.fingerprint, world)))
    _ask_for(ask, ROUND_S / 2)
    idle, failed_idle = _ask_for(ask, ROUND_S)
    command = [sys.executable, "-c", PUBLISH, str(index.server.folder), index.name, str(path)]
    with subprocess.Popen(command) as child:
        began = time.perf_counter()
        busy, failed = ask(lambda: child.poll() is not None)
        seconds = time.perf_counter() - began
    if child.returncode:
        raise SystemExit("the publication beside the searches failed")
    index.publish(index.world)  # back to what it was, for the parts and runs to come
    return Beside(p(idle, 95), p(busy, 95), failed + failed_idle, len(busy), seconds)


def _ask_for(ask: Callable[[Callable[[], bool]], tuple[list[float], int]], seconds: float) -> tuple[list[float], int]:
    deadline = time.perf_counter() + seconds
    return ask(lambda: time.perf_counter() > deadline)


PUBLISH = """
import pickle, sys
from pathlib import Path
from benchmarks.retrieval.index import Index, Server
_, fingerprint, world = pickle.loads(Path(sys.argv[3]).read_bytes())
Index(Server(Path(sys.argv[1])), world, fingerprint, name=sys.argv[2]).publish(world)
"""

RUNTIME = """
import json, os, sys, time
began = time.process_time()
from retrieval import Principal, Retriever
imported = time.process_time() - began
from pathlib import Path
from retrieval import Settings
settings = Settings.load(home=Path(sys.argv[1]), dsn=sys.argv[2])
facts = {"import_s": imported}
def resident():
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    sizes = {line.split(":")[0]: int(line.split()[1]) for line in lines[1:]}
    return sizes["Rss"] / 1024, (sizes["Private_Dirty"] + sizes["Private_Clean"]) / 1024
class Nothing:
    max_tokens, dimension = 480, 384
    class fingerprint: id = sys.argv[3]
    def load(self): pass
    def encode_query(self, text):
        raise RuntimeError("no model here")
with Retriever.connect(settings=settings, encoder=Nothing()) as retriever:
    who = Principal(user="bench", tenant=sys.argv[4], roles=json.loads(sys.argv[6]), clearance="restricted")
    for text in json.loads(sys.argv[5]):
        retriever.search(text, principal=who)
    facts["resident_mib"], facts["private_mib"] = resident()
facts["torch"] = "torch" in sys.modules
print(json.dumps(facts))
"""

IMPORT = """
import time
began = time.process_time()
import retrieval
retrieval.Retriever
print(time.process_time() - began)
"""


def runtime(index: Index, principal: Principal, questions: Sequence[Question]) -> dict[str, Any]:
    """Memory of a fresh process that has answered some questions, and CPU of importing the library."""
    arguments = [
        str(index.settings.home), index.server.embedded.dsn("knowledge_reader", index.name), index.fingerprint,
        principal.tenant, json.dumps([q.text for q in questions]), json.dumps(sorted(principal.roles)),
    ]  # fmt: skip
    result = subprocess.run([sys.executable, "-c", RUNTIME, *arguments], capture_output=True, text=True, check=False)
    if result.returncode:
        raise SystemExit(f"the runtime process ended with {result.returncode}: {result.stderr[-800:]}")
    facts: dict[str, Any] = json.loads(result.stdout)
    times = [
        float(subprocess.run([sys.executable, "-c", IMPORT], capture_output=True, text=True, check=True).stdout)
        for _ in range(5)
    ]
    return facts | {"import_s": statistics.median(times)}
