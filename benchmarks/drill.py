"""Kills ingestions and erasures with `kill -9` at random points and compares what the next run ends in with an
undisturbed one.

Random points are drawn over the time an undisturbed run takes, so they fall into every step. `--quick` kills three
times each instead of ten.
"""

from __future__ import annotations

import os
import random
import shutil
import sys
import tempfile
from pathlib import Path

from benchmarks.drill_erasures import drill_erasures
from benchmarks.drill_home import kill_after, snapshot
from benchmarks.home import new_home
from benchmarks.ingest import knowledge
from benchmarks.report import REPOSITORY, Measures, parse

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
        drill_erasures(measures, arguments.data, root / "erasures", kills, draw)
    measures.add("kills", struck, "runs")
    measures.add("undisturbed_s", whole, "s")
    measures.add("differing_after_kill", differing, "homes", 0)
    measures.add("work_left_after_next_run", unfinished, "homes", 0)
    return measures.finish(arguments)


if __name__ == "__main__":
    sys.exit(main())
