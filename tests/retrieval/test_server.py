"""The embedded server: shared by processes, stopped by the last one, and back after whatever kills it."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from assets.index.publish import publish
from assets.index.releases import promote
from retrieval import AsyncRetriever, ConfigurationError, Retriever, Settings
from retrieval.database import Database
from retrieval.schema.migrate import READER
from retrieval.server import DATABASE, SUPERUSER, EmbeddedServer
from tests.support import NOW, Gold, GoldDocument, WordsEncoder, asker, everyone

USER = """
import sys
from pathlib import Path
from retrieval.server import EmbeddedServer

EmbeddedServer.attach(Path(sys.argv[1]))
print("attached", flush=True)
sys.stdin.read()
"""


class User:
    """Another process that uses the server of a home until it is told to end."""

    def __init__(self, home: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", USER, str(home)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def attached(self) -> User:
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "attached\n"
        return self

    def end(self) -> None:
        """Leave as a process should."""
        self.process.communicate(timeout=60)
        assert self.process.returncode == 0

    def kill(self) -> None:
        """Leave as a process should not."""
        self.process.kill()
        self.process.communicate(timeout=60)


def kill_server(server: EmbeddedServer) -> None:
    """As the kernel does when memory runs out."""
    pid = int((server.data / "postmaster.pid").read_text().splitlines()[0])
    os.kill(pid, signal.SIGKILL)


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    """A home of its own with a small index in it, and nobody who uses it."""
    with tempfile.TemporaryDirectory(prefix="knowledge-") as folder:
        home = Path(folder) / "home"
        settings = Settings.load(home=home)
        gold = Gold([GoldDocument("one", everyone(), ["the quick brown fox"])])
        database = Database.for_writing(settings)
        assert database.server is not None
        with database.connect(settings, autocommit=True) as connection:
            publish(connection, gold.desired, gold.load, fingerprint="words-16", dimension=16, now=NOW)
            promote(connection, 1, now=NOW)
        database.server.release()
        yield home
        EmbeddedServer(home).stop()


def watcher(home: Path) -> EmbeddedServer:
    """Looks at a server without using it."""
    return EmbeddedServer(home)


def test_the_last_of_two_processes_stops_the_server(home: Path) -> None:
    server = watcher(home)
    assert not server.running()
    first, second = User(home), User(home)
    first.attached(), second.attached()
    first.end()
    assert server.running()
    second.end()
    assert not server.running()


def test_a_killed_user_leaves_nothing_stale(home: Path) -> None:
    server = watcher(home)
    first, second = User(home).attached(), User(home).attached()
    first.kill()
    assert server.running()
    second.end()
    assert not server.running()
    User(home).attached().kill()
    assert server.running(), "nobody was left to stop it"
    User(home).attached().end()
    assert not server.running(), "who came next did"


def test_a_killed_server_is_back_for_the_next_search(home: Path) -> None:
    settings = Settings.load(home=home)
    with Retriever.connect(settings=settings, encoder=WordsEncoder()) as retriever:
        before = retriever.search("fox", principal=asker())
        server = retriever._database.server
        assert server is not None
        for _ in range(2):
            kill_server(server)
            after = retriever.search("fox", principal=asker())
            assert after.hits == before.hits
        # A backend may have outlived the killed server long enough to answer: then there is none to stop.
        server.stop()
        assert retriever.search("fox", principal=asker()).hits == before.hits
    server.release()
    assert not server.running()


def test_a_server_that_cannot_end_in_order_is_ended_and_recovers(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("retrieval.server.CHECKPOINT_TIMEOUT_S", 1)
    server = EmbeddedServer.attach(home)
    with psycopg.connect(server.dsn(SUPERUSER, "postgres"), autocommit=True) as connection:
        row = connection.execute("select pid from pg_stat_activity where backend_type = 'checkpointer'").fetchone()
    assert row is not None
    run, modes = server._run, []

    def told(*arguments: str) -> subprocess.CompletedProcess[str]:
        modes.append(arguments[arguments.index("-m") + 1])
        if modes[-1] == "immediate":
            os.kill(row[0], signal.SIGCONT)  # else it is killed after five seconds, which are not worth waiting for
        return run(*arguments)

    monkeypatch.setattr(server, "_run", told)
    os.kill(row[0], signal.SIGSTOP)  # as one that waits for a disk
    server.stop()
    monkeypatch.undo()

    assert modes == ["fast", "immediate"]
    assert not server.running()
    server.ensure_running()
    assert server.running()


def test_a_lock_file_with_the_id_of_another_program_is_no_server(home: Path) -> None:
    """As after the restart of a container, where a few ids go round."""
    server = EmbeddedServer.attach(home)
    kill_server(server)
    lock = server.data / "postmaster.pid"
    lock.write_text("\n".join([str(os.getpid()), *lock.read_text().splitlines()[1:]]) + "\n")
    server.ensure_running()
    assert server.running()
    server.release()


def test_a_killed_server_is_back_for_the_next_async_search(home: Path) -> None:
    async def ask() -> EmbeddedServer:
        # A server that was killed reads its log anew first, which takes as long as a busy disk takes.
        settings = Settings.load(home=home, search_timeout_ms=60_000, connect_timeout_s=60)
        async with await AsyncRetriever.connect(settings=settings, encoder=WordsEncoder()) as retriever:
            before = await retriever.search("fox", principal=asker())
            server = retriever._database.server
            assert server is not None
            kill_server(server)
            asked = [retriever.search("fox", principal=asker()) for _ in range(4)]
            assert [result.hits for result in await asyncio.gather(*asked)] == [before.hits] * 4
            return server

    asyncio.run(ask()).release()


def test_a_server_that_somebody_else_restarts_is_found_again(home: Path) -> None:
    server = EmbeddedServer.attach(home)
    settings = Settings.load(home=home, dsn=server.dsn(READER))
    with Retriever.connect(settings=settings, encoder=WordsEncoder()) as retriever:
        before = retriever.search("fox", principal=asker())
        kill_server(server)
        server.ensure_running()
        assert retriever.search("fox", principal=asker()).hits == before.hits
    server.release()


def test_the_same_home_is_the_same_server(home: Path) -> None:
    first, second = EmbeddedServer.attach(home), EmbeddedServer.attach(home / ".." / home.name / ".")
    assert first is EmbeddedServer.attach(home)
    assert second.running()
    first.release()
    second.release()
    assert not first.running()
    assert first.stop() is False


def test_who_was_killed_counts_until_it_is_gone_and_no_longer(home: Path) -> None:
    server = EmbeddedServer.attach(home)
    other = User(home).attached()
    kill = threading.Timer(0.3, other.process.kill)
    kill.start()
    server.release(patience_s=30)
    other.kill()
    assert not server.running()


def test_data_of_another_postgres_is_left_alone(home: Path) -> None:
    version = home / "db" / "data" / "PG_VERSION"
    ours = version.read_text()
    version.write_text("17\n")
    try:
        with pytest.raises(ConfigurationError, match="was made by Postgres 17, this package brings 18"):
            EmbeddedServer.attach(home)
    finally:
        version.write_text(ours)
        EmbeddedServer(home).release()


@pytest.mark.parametrize(
    "name", ['quoted "home"', "$(touch /tmp/x)", "`home`", "back\\slash", "line\nbreak"], ids=ascii
)
def test_a_path_that_a_shell_would_run_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigurationError, match="take for a command: set KNOWLEDGE_HOME"):
        EmbeddedServer.attach(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_path_as_people_name_them() -> None:
    name = "it's one, two and größer"
    with tempfile.TemporaryDirectory(prefix="knowledge-") as folder:
        settings = Settings.load(home=Path(folder) / name)
        database = Database.for_writing(settings)
        assert database.server is not None
        with database.connect(settings) as connection:
            assert connection.execute("select 1").fetchone() == (1,)
        database.server.release()


@pytest.mark.slow
def test_a_long_path_two_processes_at_once_and_an_interrupted_creation(tmp_path: Path) -> None:
    """Longer than a socket's path may be, with spaces and an apostrophe, and a half-made data folder in it."""
    home = tmp_path / ("a long path, isn't it " * 5).strip() / "home"
    assert len(os.fsencode(home / "db" / "socket" / ".s.PGSQL.5432")) > 107
    (home / "db" / "data.new" / "base").mkdir(parents=True)
    first, second = User(home), User(home)
    first.attached(), second.attached()
    first.end()
    server = watcher(home)
    assert server.running()
    with psycopg.connect(server.dsn(SUPERUSER, "postgres")) as connection:
        assert connection.execute("select 1").fetchone() == (1,)
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(server.dsn(SUPERUSER, DATABASE), connect_timeout=2)  # made when first asked for
    second.end()
    assert not server.running()
    assert not (home / "db" / "data.new").exists()


def test_folders_of_the_database_are_closed_to_others(home: Path) -> None:
    server = EmbeddedServer.attach(home)
    assert (home / "db").stat().st_mode & 0o066 == 0
    assert (home / "db" / "data").stat().st_mode & 0o077 == 0
    assert (home / "db" / "socket").stat().st_mode & 0o077 == 0
    with psycopg.connect(server.dsn(SUPERUSER)) as connection:
        row = connection.execute("select current_setting('listen_addresses')").fetchone()
    assert row == ("",)
    server.release()
