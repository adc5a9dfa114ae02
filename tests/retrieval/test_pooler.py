"""PgBouncer between retriever and server: a session for each client works, anything else is refused with a sentence."""

from __future__ import annotations

import asyncio
import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

import psycopg
import pytest
from pydantic import SecretStr

from benchmarks.failing import Load, Victim
from retrieval import AsyncRetriever, ConfigurationError, Retriever, Settings, UnavailableError
from retrieval.schema.migrate import READER
from retrieval.server import SUPERUSER
from tests.retrieval.failure import victim
from tests.support import GoldDocument, WordsEncoder, asker, everyone

ADA = asker()
PROGRAM = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin")
REFUSED = pytest.raises(ConfigurationError, match=r"gives every transaction another session .*pool_mode = session")

Pooler = Callable[..., AbstractContextManager[str]]

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="PgBouncer is not installed")


@pytest.fixture(scope="module")
def served() -> Iterator[Victim]:
    hidden = GoldDocument("b", everyone("acme", "board"), ["board fox"])
    with victim([GoldDocument("fox", everyone(), ["a fox"]), hidden]) as one:
        hba = one.server.data / "pg_hba.conf"
        hba.write_text("local all all trust\n")  # PgBouncer refuses to run as root, and then is not the server's user
        with psycopg.connect(one.server.dsn(SUPERUSER), autocommit=True) as admin:
            admin.execute("select pg_reload_conf()")
        yield one


@pytest.fixture
def pooler(served: Victim) -> Pooler:
    @contextmanager
    def running(mode: str, user: str = READER, **values: object) -> Iterator[str]:
        assert PROGRAM is not None
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        given = {"pool_mode": mode, "default_pool_size": 20, "server_reset_query": "DISCARD ALL"} | values
        behind = psycopg.conninfo.conninfo_to_dict(served.server.dsn(user))
        lines = [
            "[databases]",
            f"knowledge = host={behind['host']} dbname={behind['dbname']} user={user}",
            "[pgbouncer]",
            f"listen_addr = 127.0.0.1\nlisten_port = {port}\nauth_type = any\nunix_socket_dir =",
            *(f"{name} = {value}" for name, value in given.items()),
        ]
        with tempfile.TemporaryDirectory(prefix="pooler-") as folder:
            Path(folder).chmod(0o755)
            file = Path(folder) / "pgbouncer.ini"
            file.write_text("\n".join(lines) + "\n")
            as_user = [] if os.geteuid() else ["-u", pwd.getpwuid(served.server.data.stat().st_uid).pw_name]
            process = subprocess.Popen([PROGRAM, "-q", *as_user, str(file)], stderr=sys.stderr)
            try:
                dsn = f"host=127.0.0.1 port={port} dbname=knowledge user={user}"
                for _ in range(200):
                    try:
                        psycopg.connect(dsn, connect_timeout=2).close()
                        break
                    except psycopg.OperationalError:
                        time.sleep(0.02)
                yield dsn
            finally:
                process.terminate()
                process.wait(10)

    return running


def settings(served: Victim, dsn: str) -> Settings:
    given: dict[str, object] = {"dsn": SecretStr(dsn), "pool_size": 4}
    return served.settings(statement_timeout_ms=1000, search_timeout_ms=5000).model_copy(update=given)


@pytest.mark.parametrize("user", [READER, SUPERUSER])
def test_one_session_for_each_client_works(served: Victim, pooler: Pooler, user: str) -> None:
    async def twin(dsn: str) -> list[str]:
        async with await AsyncRetriever.connect(settings=settings(served, dsn), encoder=WordsEncoder()) as retriever:
            found = await asyncio.gather(*(retriever.search("fox", principal=ADA) for _ in range(20)))
            return [hit.text for result in found for hit in result]

    with pooler("session", user) as dsn:
        with Retriever.connect(settings=settings(served, dsn), encoder=WordsEncoder()) as retriever:
            with Load(lambda: retriever.search("fox", principal=ADA)).running() as load:
                load.wait_for("hits", 100)
            assert set(load.counts()) == {"hits"}
            result = retriever.search("fox", principal=ADA)
            assert [hit.text for hit in result] == ["a fox"]
            retriever.feedback(result.request_id, "answered", principal=ADA)
        assert asyncio.run(twin(dsn)) == ["a fox"] * 20


def test_sessions_that_are_handed_on_as_they_are_are_refused(served: Victim, pooler: Pooler) -> None:
    not_reset = pytest.raises(ConfigurationError, match=r"without clearing them.*server_reset_query = DISCARD ALL")
    with pooler("session", default_pool_size=2, server_reset_query="") as dsn:
        one = settings(served, dsn).model_copy(update={"pool_size": 1})
        with Retriever.connect(settings=one, encoder=WordsEncoder()) as retriever:
            assert len(retriever.search("fox", principal=ADA)) == 1
        with Retriever.connect(settings=one, encoder=WordsEncoder()) as retriever, not_reset:
            retriever.search("fox", principal=ADA)


def test_a_pooler_with_a_single_session_to_give_works(served: Victim, pooler: Pooler) -> None:
    with pooler("session", default_pool_size=1) as dsn:
        one = settings(served, dsn).model_copy(update={"pool_size": 1})
        with Retriever.connect(settings=one, encoder=WordsEncoder()) as retriever:
            assert len(retriever.search("fox", principal=ADA)) == 1


@pytest.mark.parametrize("mode", ["transaction", "statement"])
def test_another_session_for_each_transaction_is_refused(served: Victim, pooler: Pooler, mode: str) -> None:
    async def twin(dsn: str) -> None:
        await AsyncRetriever.connect(settings=settings(served, dsn))

    with pooler(mode, SUPERUSER) as dsn:
        with REFUSED:
            Retriever.connect(settings=settings(served, dsn))
        with REFUSED:
            asyncio.run(twin(dsn))
        with psycopg.connect(dsn, autocommit=True) as other:
            changed = "select current_user, current_setting('plan_cache_mode'), current_setting('enable_sort')"
            assert other.execute(changed).fetchall() == [(SUPERUSER, "auto", "on")], "the sessions of others are theirs"


def test_it_is_noticed_later_where_the_database_was_gone_at_the_start(
    served: Victim, pooler: Pooler, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def gone(_: Retriever) -> None:
        raise UnavailableError("gone")

    with monkeypatch.context() as patch, pooler("transaction", SUPERUSER) as dsn:
        patch.setattr(Retriever, "_first_contact", gone)
        with Retriever.connect(settings=settings(served, dsn), standby=tmp_path, encoder=WordsEncoder()) as retriever:
            with Load(lambda: retriever.search("fox", principal=ADA), threads=1).running() as load:
                load.wait_for("ConfigurationError", 3)
            assert set(load.counts()) == {"UnavailableError", "ConfigurationError"}, "nothing was ever shown"
            with REFUSED:
                retriever.search("fox", principal=ADA)


def test_what_another_session_answers_reaches_nobody(
    served: Victim, pooler: Pooler, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where it is not noticed when a connection is opened, it is when it happens: there nobody has given up the login's
    rights, and policies do not hold for a superuser."""
    monkeypatch.setattr(Retriever, "_check_pooler", lambda *_: None)
    shown: set[str] = set()

    with (
        pooler("transaction", SUPERUSER, server_round_robin=1) as dsn,
        Retriever.connect(settings=settings(served, dsn), encoder=WordsEncoder()) as retriever,
    ):
        with Load(lambda: retriever.search("fox", principal=ADA)).running() as load:
            load.wait_for("ConfigurationError", 50)
        for _ in range(50):
            with suppress(ConfigurationError):
                shown.update(hit.text for hit in retriever.search("fox", principal=ADA))
    assert shown <= {"a fox"}
