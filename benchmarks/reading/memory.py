"""Runs a command and watches the memory of it and of all its descendants."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

INTERVAL_S = 0.01
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Watched:
    """What a command printed, how it ended, and the largest sum of resident memory of its process tree, bytes."""

    output: str
    code: int
    peak_bytes: int


def watch(command: Sequence[str], environment: dict[str, str]) -> Watched:
    """Run it to its end; memory is looked at a hundred times a second, shared pages counted once a process.

    A child that has not become another program yet lives in the memory of its parent (vfork) and is not counted.
    """
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    peak = 0
    over = threading.Event()

    def look() -> None:
        nonlocal peak
        while not over.wait(INTERVAL_S):
            peak = max(peak, sum(map(_resident, _tree(process.pid))))

    watcher = threading.Thread(target=look, daemon=True)
    watcher.start()
    output, _ = process.communicate()
    over.set()
    watcher.join()
    return Watched(output, process.returncode, peak)


def _tree(pid: int) -> list[int]:
    found, waiting = [], [(pid, b"")]
    while waiting:
        at, parents_command = waiting.pop()
        try:
            command = Path(f"/proc/{at}/cmdline").read_bytes()
            if command != parents_command:
                found.append(at)
            for task in Path(f"/proc/{at}/task").iterdir():
                waiting += [(int(child), command) for child in (task / "children").read_text().split()]
        except OSError:
            continue
    return found


def _resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE
    except (OSError, IndexError):
        return 0
