"""CPU of client and server together, and percentiles of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np


def backend_ms(pid: int) -> float:
    """CPU a server process has used so far, milliseconds."""
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e6
    except OSError:  # a kernel without scheduler statistics: ticks of 10 ms
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) * 10.0


class Meter:
    """Milliseconds of CPU that calls cost in this process and in some backends of the server.

    Args:
        pids: process ids of the backends; asked anew before each call, since a pool may replace a connection.
    """

    def __init__(self, pids: Callable[[], Iterable[int]]) -> None:
        self._pids = pids

    def measure(self, calls: Sequence[Callable[[], Any]]) -> Figures:
        """Run each call once and note what it cost."""
        client, server, wall = [], [], []
        pids = list(self._pids())
        for call in calls:
            before = sum(map(backend_ms, pids))
            began, own = time.perf_counter(), time.process_time()
            call()
            client.append((time.process_time() - own) * 1000)
            wall.append((time.perf_counter() - began) * 1000)
            server.append(sum(map(backend_ms, pids)) - before)
        return Figures(np.array(client), np.array(server), np.array(wall))


class Figures:
    """What some calls cost, each in milliseconds."""

    def __init__(self, client: Any, server: Any, wall: Any) -> None:
        self.client, self.server, self.wall = client, server, wall

    @property
    def cpu(self) -> Any:
        """Client and server together."""
        return self.client + self.server

    def __str__(self) -> str:
        return (
            f"CPU p50 {p(self.cpu, 50):.2f} p95 {p(self.cpu, 95):.2f} ms"
            f" (client {p(self.client, 50):.2f}, server {p(self.server, 50):.2f}; wall {p(self.wall, 50):.2f})"
        )


def joined(parts: Sequence[Figures]) -> Figures:
    """Figures of several measurements as one."""
    return Figures(*(np.concatenate([getattr(part, name) for part in parts]) for name in ("client", "server", "wall")))


def p(values: Any, percent: float) -> float:
    """A percentile."""
    return float(np.percentile(values, percent))
