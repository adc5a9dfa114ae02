"""Fixtures for tests of the command: one home with the sample content, ingested once per session, and a runner."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event
from typer.testing import CliRunner, Result

from pipelines.cli.entry import application
from retrieval.embedding import Encoder
from retrieval.server import EmbeddedServer

REPOSITORY = Path(__file__).resolve().parents[2]
SAMPLES = REPOSITORY / "examples"


@dataclass(frozen=True)
class Place:
    """A home and an inbox for commands to work on."""

    home: Path
    inbox: Path

    def environment(self, **more: str) -> dict[str, str]:
        """This process's environment with these two settings and no other of ours."""
        clean = {name: value for name, value in os.environ.items() if not name.startswith("KNOWLEDGE_")}
        ours = {"KNOWLEDGE_HOME": str(self.home), "KNOWLEDGE_INBOX": str(self.inbox), "PYTHONPATH": str(REPOSITORY)}
        return {**clean, **ours, **more}

    def run(self, *arguments: str, env: Mapping[str, str | None] | None = None) -> Result:
        """A command in this process."""
        others: dict[str, str | None] = {name: None for name in os.environ if name.startswith("KNOWLEDGE_")}
        ours = {
            "KNOWLEDGE_HOME": str(self.home),
            "KNOWLEDGE_INBOX": str(self.inbox),
            "KNOWLEDGE_SETTLE_S": "0",  # files of a test are as new as the test
            "COLUMNS": "120",
        }
        return CliRunner().invoke(application(), arguments, env={**others, **ours, **(env or {})})

    def json(self, *arguments: str, code: int = 0) -> dict[str, Any]:
        """The object that a command prints with --json; nothing else may stand on standard output."""
        result = self.run(*arguments, "--json")
        assert result.exit_code == code, result.output
        found = json.loads(result.stdout)
        assert isinstance(found, dict)
        return found

    def start(self, *arguments: str, **options: Any) -> subprocess.Popen[str]:
        """A command as a process of its own, its output in pipes."""
        return subprocess.Popen(
            [sys.executable, "-m", "pipelines.cli.entry", *arguments],
            env=self.environment(),
            cwd=self.home.parent,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **options,
        )


@event.listens_for(Engine, "connect")
def _no_power_cuts(connection: object, _: object) -> None:
    """Dagster writes each event in a transaction of its own: as with the database, they wait for no disk here."""
    if isinstance(connection, sqlite3.Connection):
        connection.execute("pragma synchronous = off")


@pytest.fixture(scope="session")
def make_place(models_dir: Path, encoder: Encoder) -> Iterator[Callable[[], Place]]:
    """Makes homes that have a prepared model and nothing else, each beside an inbox with the sample content."""
    folders: list[Path] = []

    def make() -> Place:
        assert encoder.fingerprint.id
        folder = Path(tempfile.mkdtemp(prefix="k-"))  # short: the embedded server's socket lies below it
        folders.append(folder)
        home = folder / "home"
        home.mkdir()
        (home / "models").symlink_to(models_dir, target_is_directory=True)
        shutil.copytree(SAMPLES, folder / "examples")
        return Place(home, folder / "examples" / "inbox")

    yield make
    for folder in folders:
        server = EmbeddedServer(folder / "home")
        if server.data.exists():
            EmbeddedServer.attach(folder / "home").release()
        shutil.rmtree(folder)


@pytest.fixture
def fresh(make_place: Callable[[], Place]) -> Place:
    """A home in which nothing was ingested yet."""
    return make_place()


@pytest.fixture(scope="session")
def ingested(make_place: Callable[[], Place]) -> Place:
    """A home with the sample content in release 1; tests change nothing in it."""
    place = make_place()
    report = place.json("ingest")
    assert report["success"]
    assert report["release"] == {"newest": 1, "written": True, "active": 1, "held": False}
    return place
