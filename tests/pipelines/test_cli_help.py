"""Every command and option explains itself, and what is started often starts fast."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import typer.main
from typer.testing import CliRunner

from pipelines.cli.entry import application
from tests.pipelines.conftest import REPOSITORY, Place

HEAVY = ("dagster", "great_expectations", "deltalake", "pandas", "pyarrow", "torch", "sentence_transformers")
COMMANDS = {
    "demo", "dev", "ingest", "search", "status", "doctor", "erase", "review",
    "release list", "release promote", "release rollback", "release purge",
    "keys abandon", "keys drop", "keys list", "keys rotate",
    "db init", "db migrate", "db status", "db start", "db stop", "audit seal", "audit verify", "db dsn",
}  # fmt: skip


def _commands(command: Any = None, name: str = "") -> Iterator[tuple[str, Any]]:
    command = command or typer.main.get_command(application())
    children = getattr(command, "commands", {})
    if not children:
        yield name, command
    for child_name, child in children.items():
        yield from _commands(child, f"{name} {child_name}".strip())


def test_these_are_the_commands() -> None:
    assert {name for name, _ in _commands()} == COMMANDS


@pytest.mark.parametrize(("name", "command"), [pytest.param(n, c, id=n) for n, c in _commands()])
def test_commands_and_options_have_help(name: str, command: Any) -> None:
    assert command.help
    for parameter in command.params:
        assert parameter.help, f"{name}: {parameter.name}"
    options = {option for parameter in command.params for option in parameter.opts}
    assert {"--home", "--json", "--debug"} <= options


@pytest.mark.parametrize("width", ["80", "120"])
@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_help_fits_the_terminal(name: str, width: str) -> None:
    result = CliRunner().invoke(application(), [*name.split(), "--help"], env={"COLUMNS": width})
    assert result.exit_code == 0
    assert max(map(len, result.stdout.splitlines())) <= int(width)
    assert "\x1b" not in result.stdout
    assert "<bool>" not in result.stdout, "flags take no value"


def _imported(code: str, place: Place | None = None) -> set[str]:
    """Which heavy modules a process has imported after some code."""
    code += f"\nimport json, sys; print(json.dumps([m for m in {HEAVY!r} if m in sys.modules]))"
    environment = place.environment() if place else {"PYTHONPATH": str(REPOSITORY), "PATH": ""}
    result = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    return set(json.loads(result.stdout.splitlines()[-1]))


def _run(*arguments: str) -> str:
    return (
        "import sys\nfrom pipelines.cli.entry import main\n"
        f"sys.argv = {['knowledge', *arguments]!r}\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code, end.code"
    )


def test_help_imports_nothing_heavy() -> None:
    assert _imported(_run("--help")) == set()


def test_search_uses_the_library_alone(ingested: Place) -> None:
    assert _imported(_run("search", "Pufferspeicher", "--tenant", "nordwind"), ingested) == set()


def test_without_the_extra_one_line_says_what_to_install() -> None:
    code = (
        "import importlib.util as u, sys\n"
        "find = u.find_spec\n"
        "u.find_spec = lambda name, *rest: None if name == 'dagster' else find(name, *rest)\n"
        "from pipelines.cli.entry import main\nmain()"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": str(REPOSITORY)}, capture_output=True, text=True, check=False
    )
    assert result.returncode == 1
    assert result.stdout == ""
    assert result.stderr.splitlines() == [
        "error: the command needs more packages: pip install 'avatar-knowledge[pipeline]'"
    ]
