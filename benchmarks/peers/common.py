"""What all peers share: the data handed over in a folder, and the CPU of their questions.

Imports numpy alone, and nothing of this project: it runs in the environments of the peers.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

CANDIDATES, K = 50, 10


@dataclass(frozen=True)
class Data:
    """What is to be searched, and what is asked.

    Attributes:
        texts, languages, tenants, acls: of each passage; an access set is a number.
        vectors: float32 (passages, dimension).
        allowed: access sets that the principal may see, of one tenant.
        questions, queries: texts and their vectors.
    """

    texts: list[str]
    languages: list[str]
    tenants: list[int]
    acls: list[int]
    vectors: Any
    tenant: int
    allowed: list[int]
    questions: list[str]
    queries: Any
    dsn: str
    folder: Path

    @classmethod
    def load(cls) -> Data:
        """From the folder named on the command line."""
        folder = Path(sys.argv[1])
        facts = json.loads((folder / "facts.json").read_text(encoding="utf-8"))
        return cls(
            vectors=np.load(folder / "vectors.npy"), queries=np.load(folder / "queries.npy"), folder=folder, **facts
        )

    def visible(self, row: int) -> bool:
        """Whether the principal may see a passage."""
        return self.tenants[row] == self.tenant and self.acls[row] in set(self.allowed)


def backend_ms(pid: int | None) -> float:
    """CPU of a server process so far."""
    if pid is None:
        return 0.0
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e6


def run(data: Data, ask: Callable[[str, Any], list[int]], pid: int | None = None) -> None:
    """Ask every question, check that nothing comes that may not be seen, and print the figures as JSON."""
    for number in range(10):
        ask(data.questions[number], data.queries[number])
    cpu, wall, leaks, answered = [], [], 0, 0
    allowed = set(data.allowed)
    for question, query in zip(data.questions, data.queries, strict=True):
        server, own, began = backend_ms(pid), time.process_time(), time.perf_counter()
        found = ask(question, query)
        wall.append((time.perf_counter() - began) * 1000)
        cpu.append((time.process_time() - own) * 1000 + backend_ms(pid) - server)
        leaks += sum(data.tenants[row] != data.tenant or data.acls[row] not in allowed for row in found)
        answered += len(found) >= K
    figures = {
        "p50": float(np.percentile(cpu, 50)),
        "p95": float(np.percentile(cpu, 95)),
        "wall_p50": float(np.percentile(wall, 50)),
        "leaks": leaks,
        "answered": answered / len(cpu),
    }
    print(json.dumps(figures))
