"""What all commands share: exit codes, one line for each error, JSON that stands alone."""

from __future__ import annotations

import datetime as dt
import errno
import json
import sqlite3
import subprocess
import sys
import uuid
from dataclasses import dataclass
from pathlib import Path

import pytest
import sqlalchemy
import typer
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from pipelines.cli import output
from pipelines.cli.entry import application
from pipelines.cli.frame import Answer, Commands, DebugOption, JsonOption, command
from retrieval.errors import ConfigurationError, InvalidQueryError, UnavailableError
from retrieval.settings import Settings
from tests.pipelines.conftest import REPOSITORY


def _invoke(error: BaseException | None, *arguments: str) -> Result:
    """Run a command that raises, or answers 42."""
    app = typer.Typer(cls=Commands)

    @app.command("work")
    @command
    def work(as_json: JsonOption = False, debug: DebugOption = False) -> Answer:
        """Work."""
        sys.stdout.write("chatter of a library\n")
        if error is not None:
            raise error
        return Answer(
            {"answer": 42}, lambda console: console.print("The answer is [42]."), 3, ["a problem"], ["a note"]
        )

    @app.command("rest")
    def rest() -> None:
        """Two commands make a group."""

    return CliRunner().invoke(app, ["work", *arguments])


def test_an_answer_for_people() -> None:
    result = _invoke(None)
    assert result.exit_code == 3
    assert result.stdout.splitlines()[-1].rstrip() == "The answer is [42]."
    assert result.stderr == "error: a problem\na note\n"


def test_an_answer_for_programs_stands_alone_on_standard_output() -> None:
    result = _invoke(None, "--json")
    assert result.exit_code == 3
    assert json.loads(result.stdout) == {"answer": 42}
    assert "chatter" in result.stderr


@pytest.mark.parametrize(
    ("error", "code", "transient"),
    [
        (ConfigurationError("The setting is wrong:\n  correct it"), 1, False),
        (InvalidQueryError("The setting is wrong: correct it"), 2, False),
        (UnavailableError("The setting is wrong: correct it"), 75, True),
    ],
)
def test_errors_are_one_line_and_an_exit_code(error: Exception, code: int, transient: bool) -> None:
    plain, as_json = _invoke(error), _invoke(error, "--json")
    assert plain.exit_code == as_json.exit_code == code
    assert plain.stderr == "error: The setting is wrong: correct it\n"
    assert json.loads(as_json.stdout) == {
        "error": {
            "class": type(error).__name__,
            "message": "The setting is wrong: correct it",
            "transient": transient,
        }
    }


def test_unexpected_errors_quote_nothing() -> None:
    result = _invoke(ValueError("Frau Muster, IBAN DE02"))
    assert result.exit_code == 1
    assert "ValueError" in result.stderr
    assert "--debug" in result.stderr
    assert "Muster" not in result.output
    assert "Traceback" not in result.output


def test_a_full_disk_is_said_and_may_be_tried_again() -> None:
    result = _invoke(OSError(errno.ENOSPC, "No space left on device", "/srv/kb/lake/x"))
    assert result.exit_code == 75
    assert "/srv/kb/lake/x cannot be written (No space left on device): free some space" in result.stderr
    storage = _invoke(
        sqlalchemy.exc.OperationalError("insert ?", ["Muster"], sqlite3.OperationalError("disk I/O error"))
    )
    assert storage.exit_code == 75
    assert "(disk I/O error)" in storage.stderr
    assert "Muster" not in storage.output


def test_what_may_not_be_used_is_named() -> None:
    result = _invoke(PermissionError(errno.EACCES, "Permission denied", "/srv/kb/db"))
    assert result.exit_code == 1
    assert "/srv/kb/db may not be used by this user" in result.stderr


def test_debug_shows_the_traceback() -> None:
    assert "Traceback" in _invoke(ConfigurationError("wrong"), "--debug").stderr


def test_ctrl_c_is_quiet() -> None:
    result = _invoke(KeyboardInterrupt())
    assert result.exit_code == 130
    assert result.stderr == ""


def test_a_stopped_command_waits_for_no_thread_and_stops_what_it_started() -> None:
    code = (
        "import atexit, threading, time\n"
        "from pipelines.cli import entry\n"
        "def stopped(**_):\n    raise KeyboardInterrupt\n"
        "entry.application = lambda: stopped\n"
        "atexit.register(print, 'the database is stopped')\n"
        "threading.Thread(target=time.sleep, args=(600,)).start()\n"
        "entry.main()"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": str(REPOSITORY)}, capture_output=True, text=True, timeout=60,
        check=False,
    )  # fmt: skip
    assert (result.returncode, result.stdout, result.stderr) == (130, "the database is stopped\n", "")


@pytest.mark.parametrize("arguments", [("--colour",), ("surplus",)])
def test_wrong_usage_is_one_line(arguments: tuple[str, ...]) -> None:
    result = _invoke(None, *arguments)
    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 1
    assert result.stderr.startswith("error: ")
    assert json.loads(_invoke(None, *arguments, "--json").stdout)["error"]["transient"] is False


@dataclass(frozen=True)
class Thing:
    """Something to write as JSON."""

    path: Path
    roles: frozenset[str]
    at: dt.datetime


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("release promote abc", "Invalid value for 'N': it must be a whole number"),
        ("keys rotate foo", "Invalid value for 'KIND': 'foo' is not one of 'bronze', 'pseudonyms'"),
        ("dev --port 99999", "Invalid value for '--port': it must be less than or equal to 65535"),
        ("search a --tenant ACME", "--tenant is missing or malformed"),
        ("search a --tenant acme --clearance secret", "--clearance must be one of public, internal"),
        ("search a --tenant acme --since yesterday", "--since is not a date: write YYYY-MM-DD"),
        ("search a --tenant acme --per-document 0", "--per-document must be a whole number from 1 to"),
        ("db init --admin-dsn foo", "--admin-dsn is not a Postgres connection string"),
    ],
)
def test_a_wrong_value_is_named_in_plain_words(line: str, message: str, tmp_path: Path) -> None:
    environment = {"KNOWLEDGE_HOME": str(tmp_path), "KNOWLEDGE_INBOX": str(tmp_path / "inbox")}
    result = CliRunner().invoke(application(), line.split(), env=environment)
    assert result.exit_code in (1, 2)
    assert result.stderr.startswith(f"error: {message}")


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [("pool_size", "many", "it must be a whole number"), ("jwt_leeway_s", "long", "it must be a number")],
)
def test_a_wrong_setting_is_named_in_plain_words(name: str, value: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=rf"KNOWLEDGE_{name.upper()}\) is not valid: {message}$"):
        Settings.load(home=tmp_path, **{name: value})


def test_json_takes_what_commands_have() -> None:
    at = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
    number = uuid.UUID(int=7)
    written = output.to_json({"thing": Thing(Path("a/ü.md"), frozenset({"sales", "hr"}), at), "id": number})
    assert json.loads(written) == {
        "thing": {"path": "a/ü.md", "roles": ["hr", "sales"], "at": "2026-03-01T12:00:00+00:00"},
        "id": str(number),
    }
    assert "ü" in written
    with pytest.raises(TypeError):
        output.to_json({"text": object()})


@given(st.text(), st.text(), st.integers(20, 400))
def test_excerpts_are_short_and_from_the_text(text: str, query: str, size: int) -> None:
    found = output.excerpt(text, query, size=size)
    assert len(found) <= size + 4
    kept = found.removeprefix("… ").removesuffix(" …")
    assert kept in " ".join(output.plain(text).split())


def test_an_excerpt_shows_what_was_asked_for() -> None:
    text = (
        "Der Hof ist groß. " * 40 + "Der Pufferspeicher fasst 20 Liter je Kilowatt. " + "Danach kommt der Rest. " * 40
    )
    assert "Pufferspeicher fasst 20 Liter" in output.excerpt(text, "Wie groß muss der Pufferspeicher sein?")


@given(st.text())
def test_nothing_shown_steers_the_terminal(text: str) -> None:
    assert not set(output.plain(text)) & {"\x1b", "\x07", "\r", "\x9b"}
