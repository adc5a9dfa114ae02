"""The shape all benchmarks share: arguments, measures with their goals, a table for people and JSON for machines."""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

REPOSITORY = Path(__file__).resolve().parent.parent
CORPUS = REPOSITORY.parent / "shared" / "corpus"
"""Where real material lies when it is there; `--data` takes any other folder of that layout."""


@dataclass(frozen=True)
class Measure:
    """One figure and what it should be.

    Attributes:
        goal: bound; None where the figure is for information.
        better: `low` when the value may be at most the goal, `high` when at least.
    """

    value: float
    unit: str
    goal: float | None = None
    better: Literal["low", "high"] = "low"

    @property
    def holds(self) -> bool:
        """Whether the goal is met."""
        if self.goal is None:
            return True
        return self.value <= self.goal if self.better == "low" else self.value >= self.goal


@dataclass
class Measures:
    """The figures of one benchmark, by name."""

    values: dict[str, Measure] = field(default_factory=dict)
    notes: dict[str, Any] = field(default_factory=dict)

    def add(
        self, name: str, value: float, unit: str, goal: float | None = None, better: Literal["low", "high"] = "low"
    ) -> None:
        """Note a figure."""
        self.values[name] = Measure(value, unit, goal, better)

    def finish(self, arguments: argparse.Namespace) -> int:
        """Print the table, write the JSON, and give the exit code."""
        width = max(map(len, self.values), default=0)
        for name, measure in self.values.items():
            sign = "≤" if measure.better == "low" else "≥"
            goal = "" if measure.goal is None else f"{sign} {measure.goal:g}"
            verdict = "" if measure.goal is None else ("holds" if measure.holds else "MISSED")
            print(f"{name:<{width}}  {measure.value:>12.4g} {measure.unit:<12} {goal:<10} {verdict}")
        if arguments.json:
            arguments.json.write_text(json.dumps(self.as_json(), indent=2) + "\n")
        return 0 if all(measure.holds for measure in self.values.values()) else 1

    def as_json(self) -> dict[str, Any]:
        """Machine, commit, measures."""
        return {
            "machine": machine(),
            "commit": commit(),
            "notes": self.notes,
            "measures": {
                name: {"value": m.value, "unit": m.unit, "goal": m.goal, "holds": m.holds}
                for name, m in self.values.items()
            },
        }


def note(text: str) -> None:
    """A line about the progress, apart from the table."""
    print(text, file=sys.stderr, flush=True)


def parse(
    description: str, default_data: Path, more: Callable[[argparse.ArgumentParser], None] | None = None
) -> argparse.Namespace:
    """The arguments every benchmark takes, and those that `more` adds."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--data", type=Path, default=default_data, help="folder of data in the corpus's layout")
    parser.add_argument("--quick", action="store_true", help="a smaller part of the data")
    parser.add_argument("--json", type=Path, help="file to write the measures to")
    if more is not None:
        more(parser)
    arguments = parser.parse_args()
    if not arguments.data.is_dir():
        parser.error(f"there is no folder {arguments.data}: pass --data DIR")
    return arguments


def machine() -> Mapping[str, Any]:
    """What the figures were measured on."""
    model = ""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line.split(":", 1)[1].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        model = names[0] if names else ""
    return {
        "system": platform.system(),
        "processor": model or platform.processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "python": platform.python_version(),
    }


def commit() -> str:
    """The commit that runs, shortened."""
    result = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    return result.stdout.strip()
