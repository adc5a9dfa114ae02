"""Kills erasures with `kill -9` at random points, runs them again, and compares the end with an undisturbed one.

A person is added to a copy of the inbox, in a text that stays pseudonymised and in one that is refused, and is erased
from copies of one ingested home. Files of a home are searched for the person's address as they are; what tables hold is
proven by the certificate of the erasure itself.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.drill_home import kill_after, snapshot
from benchmarks.home import new_home
from benchmarks.ingest import knowledge
from benchmarks.report import Measures

PERSON = "quirin.feuerfalter@example.org"
TEXT = f"# Zitronenfalter\n\nWer einen sieht, schreibt an {PERSON}, am besten noch am selben Tag.\n"
POLICY = "tenant: drill\nroles: [everyone]\nclearance: public\n"
COMMAND = ["erase", "--subject", PERSON, "--by", "drill"]
SEARCHED = ("lake", "db", "cache", "dagster", "audit")


def drill_erasures(measures: Measures, data: Path, root: Path, kills: int, draw: random.Random) -> None:
    """Ingest once, erase in copies of that home, and add what was found to the measures."""
    inbox, whole = root / "inbox", root / "whole"
    shutil.copytree(data, inbox)
    for folder, policy in (("drill", POLICY), ("drill/refused", "tenant: [\n")):
        (inbox / "document" / folder).mkdir(parents=True)
        (inbox / "document" / folder / "_policy.yaml").write_text(policy)
        (inbox / "document" / folder / "falter.md").write_text(TEXT)
    environment = os.environ | {"KNOWLEDGE_INBOX": str(inbox), "KNOWLEDGE_HOME": str(whole)}
    new_home(whole)
    knowledge(["ingest"], environment)

    def copy(name: str) -> Path:
        home = root / name
        subprocess.run(["cp", "-a", str(whole), str(home)], check=True)
        environment["KNOWLEDGE_HOME"] = str(home)
        return home

    calm = copy("calm-erasure")
    undisturbed = knowledge(COMMAND, environment).wall_s
    expected = snapshot(calm)
    struck = differing = unproven = left = 0
    for number in range(kills):
        home = copy(f"e{number}")
        struck += kill_after(draw.uniform(0.05, 1.0) * undisturbed, environment, COMMAND)
        after = knowledge(COMMAND, environment)
        differing += snapshot(home) != expected
        unproven += any(home.glob("erasures/pending-*")) or not any(home.glob("erasures/certificate-*"))
        left += bool(holding(home))
        print(f"erasure {number + 1}: ended in {after.wall_s:.1f} s", file=sys.stderr)
        shutil.rmtree(home)
    measures.add("erasure_kills", struck, "runs")
    measures.add("erasure_undisturbed_s", undisturbed, "s")
    measures.add("erasure_differing_after_kill", differing, "homes", 0)
    measures.add("erasure_without_certificate", unproven, "homes", 0)
    measures.add("erasure_traces_left", left, "homes", 0)


def holding(home: Path) -> list[Path]:
    """Files of a home that hold the person's address."""
    files = (path for name in SEARCHED for path in (home / name).rglob("*") if path.is_file())
    return [path for path in files if PERSON.encode() in path.read_bytes()]
