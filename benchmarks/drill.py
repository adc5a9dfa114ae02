"""Kills ingestions and erasures with `kill -9` at random points and compares what the next run ends in with an
undisturbed one.

Random points are drawn over the time an undisturbed run takes, so they fall into every step. `--quick` kills three
times each instead of ten.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.ingest import knowledge
from benchmarks.report import REPOSITORY, Measures, parse
from benchmarks.snapshot import index_digests, lake_digests
from retrieval.settings import Settings

KILLS, QUICK_KILLS = 10, 3
SEED = 20260301


def main() -> int:
    """Run the drill and report."""
    arguments = parse(__doc__ or "", REPOSITORY / "examples" / "inbox")
    measures = Measures()
    draw = random.Random(SEED)
    kills = QUICK_KILLS if arguments.quick else KILLS
    differing = unfinished = struck = 0
    with tempfile.TemporaryDirectory(prefix="kd-") as folder:
        root = Path(folder)
        environment = os.environ | {"KNOWLEDGE_INBOX": str(arguments.data), "KNOWLEDGE_HOME": str(root / "calm")}
        new_home(root / "calm")
        whole = knowledge(["ingest"], environment).wall_s
        expected = snapshot(root / "calm")
        for number in range(kills):
            home = root / f"k{number}"
            new_home(home)
            environment["KNOWLEDGE_HOME"] = str(home)
            struck += kill_after(draw.uniform(0.05, 1.0) * whole, environment)
            after = knowledge(["ingest"], environment)
            unfinished += not knowledge(["ingest"], environment).answer["unchanged"]
            differing += snapshot(home) != expected
            print(f"kill {number + 1}: next run {after.wall_s:.1f} s", file=sys.stderr)
            shutil.rmtree(home)
        from benchmarks.drill_erasures import drill as erasures

        erasures(measures, arguments.data, root / "erasures", kills, draw)
    measures.add("kills", struck, "runs")
    measures.add("undisturbed_s", whole, "s")
    measures.add("differing_after_kill", differing, "homes", 0)
    measures.add("work_left_after_next_run", unfinished, "homes", 0)
    return measures.finish(arguments)


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


def new_home(home: Path) -> None:
    """Make a home that shares the prepared model."""
    home.mkdir(parents=True)
    shared = os.environ.get("KNOWLEDGE_TEST_MODELS")
    if shared and Path(shared).is_dir():
        (home / "models").symlink_to(Path(shared).resolve())


if __name__ == "__main__":
    sys.exit(main())
