"""A room imports from its own floor or a lower one, never upwards."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
PIPELINE_ONLY = {"dagster", "deltalake", "pandas", "pyarrow", "great_expectations"}
FORBIDDEN = {
    "retrieval": {"assets", "checks", "pipelines", "tests", "benchmarks"} | PIPELINE_ONLY,
    "assets": {"checks", "pipelines", "tests", "benchmarks"},
    "checks": {"pipelines", "tests", "benchmarks"},
    "pipelines": {"tests", "benchmarks"},
}


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """(line, top-level package) of every import of a file, those inside functions and for type checkers too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name.split(".")[0]) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno} imports relatively: write the whole name"
            yield node.lineno, (node.module or "").split(".")[0]


@pytest.mark.parametrize("floor", FORBIDDEN)
def test_no_room_imports_upwards(floor: str) -> None:
    paths = sorted((REPOSITORY / floor).rglob("*.py"))
    assert paths
    upwards = [
        f"{path.relative_to(REPOSITORY)}:{line} imports {package}"
        for path in paths
        for line, package in imports(path)
        if package in FORBIDDEN[floor]
    ]
    assert upwards == []
