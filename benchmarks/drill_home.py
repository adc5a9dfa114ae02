"""Commands that a drill kills in a home, and what lake and index hold afterwards."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.snapshot import index_digests, lake_digests
from retrieval.settings import Settings


def snapshot(home: Path) -> dict[str, str]:
    """Digests of lake and index of a home."""
    return lake_digests(home / "lake") | index_digests(Settings.load(home=home))


def kill_after(seconds: float, environment: dict[str, str], arguments: Sequence[str] = ("ingest",)) -> bool:
    """Start a command and kill it with its children; whether it was still running."""
    command = [str(Path(sys.executable).with_name("knowledge")), *arguments, "--json"]
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    time.sleep(seconds)  # the point at which it is killed, not a wait for something
    running = process.poll() is None
    if running:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return running
