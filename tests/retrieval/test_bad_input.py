"""Bad input: each gives one error of the right class, in one sentence that quotes nothing, and changes nothing."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from retrieval import (
    AsyncRetriever,
    ConfigurationError,
    Filters,
    InvalidPrincipalError,
    InvalidQueryError,
    KnowledgeError,
    NoReleaseError,
    PermanentError,
    Principal,
    Retriever,
    SchemaError,
    Settings,
    TransientError,
    UnavailableError,
    UnknownTenantError,
    UnsafeRoleError,
)
from retrieval.database import Database, unreachable
from retrieval.schema.migrate import OWNER, READER
from retrieval.server import SUPERUSER
from tests.support import Databases, GoldDocument, Index, WordsEncoder, asker, everyone

ADA = asker()
MARK = "unmistakable"
"""Stands in everything that a caller might pass, and in no message."""


def assert_is_a_sentence(error: KnowledgeError) -> None:
    """One line, not too long, that says what to do and repeats nothing of what was passed."""
    text = str(error)
    assert 20 < len(text) < 400, text
    assert "\n" not in text
    assert "Traceback" not in text
    assert MARK not in text
    assert error.__suppress_context__ or error.__context__ is None, "the driver's words would show in a traceback"
    assert isinstance(error, PermanentError) != isinstance(error, TransientError)


@pytest.fixture(scope="module")
def served(shared_index: Index) -> Index:
    shared_index.serve([GoldDocument("one", everyone(), ["the quick brown fox", "jumps over the lazy dog"])])
    return shared_index


@pytest.fixture(scope="module")
def retriever(served: Index) -> Retriever:
    return served.retriever()


# ------------------------------------------------------------------ the call

RIGHT: dict[str, Any] = {"query": "fox", "principal": ADA}
REFUSED: dict[str, tuple[dict[str, Any], type[KnowledgeError], str]] = {
    "empty query": ({"query": ""}, InvalidQueryError, "The query is empty"),
    "blank query": ({"query": " \t\n"}, InvalidQueryError, "The query is empty"),
    "100,000 characters": (
        {"query": (f"{MARK} " * 8000)[:100_000]},
        InvalidQueryError,
        r"has 100000 characters, at most 8000 .*KNOWLEDGE_QUERY_MAX_CHARS",
    ),
    "no query": ({"query": None}, InvalidQueryError, "The query is empty"),
    "bytes": ({"query": MARK.encode()}, InvalidQueryError, "The query is empty"),
    "surrogate": ({"query": f"{MARK} \ud800"}, InvalidQueryError, "half a surrogate pair"),
    "k of 0": ({"k": 0}, InvalidQueryError, "k must be a whole number from 1 to 1000 .*KNOWLEDGE_K_MAX"),
    "k of 10,000": ({"k": 10_000}, InvalidQueryError, "from 1 to 1000"),
    "negative k": ({"k": -1}, InvalidQueryError, "from 1 to 1000"),
    "k of True": ({"k": True}, InvalidQueryError, "k must be a whole number"),
    "k of '3'": ({"k": "3"}, InvalidQueryError, "k must be a whole number"),
    "k of 3.0": ({"k": 3.0}, InvalidQueryError, "k must be a whole number"),
    "no k": ({"k": None}, InvalidQueryError, "k must be a whole number"),
    "no principal": ({"principal": None}, InvalidPrincipalError, "search needs principal="),
    "a name for a principal": ({"principal": MARK}, InvalidPrincipalError, "search needs principal="),
    "unknown tenant": ({"principal": asker("nobody")}, UnknownTenantError, "Nothing was ever published"),
    "a dict for filters": ({"filters": {"source": MARK}}, InvalidQueryError, "filters must be a Filters object"),
    "release that is not there": ({"release": 99}, NoReleaseError, "Release 99 is not kept: `knowledge release list`"),
    "release 0": ({"release": 0}, NoReleaseError, "Release 0 is not kept"),
    "release of -1": ({"release": -1}, InvalidQueryError, "release must be the number"),
    "release of 2**40": ({"release": 2**40}, InvalidQueryError, "release must be the number"),
    "release of '1'": ({"release": "1"}, InvalidQueryError, "release must be the number"),
    "release of True": ({"release": True}, InvalidQueryError, "release must be the number"),
}


@pytest.mark.parametrize(("arguments", "error", "message"), REFUSED.values(), ids=REFUSED)
def test_a_wrong_call_is_refused_and_leaves_no_audit_row(
    served: Index, retriever: Retriever, arguments: dict[str, Any], error: type[KnowledgeError], message: str
) -> None:
    count = "select count(*) from knowledge.audit"
    before = served.owner.execute(count).fetchone()
    with pytest.raises(error, match=message) as caught:
        retriever.search(**(RIGHT | arguments))
    assert type(caught.value) is error
    assert_is_a_sentence(caught.value)
    assert served.owner.execute(count).fetchone() == before
    assert retriever.search("fox", principal=ADA), "the retriever goes on answering"


def test_the_async_twin_refuses_alike(served: Index) -> None:
    async def ask() -> None:
        async with await AsyncRetriever.connect(settings=served.settings, encoder=WordsEncoder()) as twin:
            for arguments, error, message in REFUSED.values():
                with pytest.raises(error, match=message):
                    await twin.search(**(RIGHT | arguments))
            assert await twin.search("fox", principal=ADA)

    asyncio.run(ask())


def test_a_search_without_a_principal_is_an_error_of_ours(retriever: Retriever) -> None:
    failure(lambda: retriever.search("fox"), InvalidPrincipalError, "nobody means nothing")


@pytest.mark.parametrize(
    "arguments",
    [
        {"user": ""},
        {"user": "  "},
        {"user": None},
        {"user": f"{MARK} \ud800"},
        {"user": f"acme\0{MARK}"},
        {"tenant": ""},
        {"tenant": None},
        {"tenant": "Acme Corp"},
        {"tenant": f"{MARK}'; drop table x"},
        {"tenant": "acme\n"},
        {"tenant": "a" * 64},
        {"roles": "sales"},
        {"roles": None},
        {"roles": 3},
        {"roles": [""]},
        {"roles": [None]},
        {"roles": [f"{MARK}\x00"]},
        {"roles": [f"{MARK}\ud800"]},
        {"roles": ["x" * 201]},
        {"clearance": ""},
        {"clearance": None},
        {"clearance": 3},
        {"clearance": MARK},
        {"clearance": ["public"]},
    ],
    ids=repr,
)
def test_an_incomplete_principal_is_refused_when_it_is_made(arguments: dict[str, Any]) -> None:
    with pytest.raises(InvalidPrincipalError, match=f"^Principal.{next(iter(arguments))} ") as caught:
        Principal(**({"user": "ada", "tenant": "acme"} | arguments))
    assert_is_a_sentence(caught.value)
    assert isinstance(caught.value, ValueError)


def test_everyone_is_among_the_roles_of_all() -> None:
    assert Principal(user="ada", tenant="acme").roles == {"everyone"}
    assert Principal(user="ada", tenant="acme", roles=["sales"]).roles == {"everyone", "sales"}
    assert Principal(user="ada", tenant="acme", roles=(r for r in ["sales"])).roles == {"everyone", "sales"}


@pytest.mark.parametrize(
    "arguments",
    [
        {"source": ""},
        {"source": []},
        {"source": 3},
        {"language": [None]},
        {"language": b"de"},
        {"tags": [f"{MARK}\x00"]},
        {"tags": f"{MARK}\ud800"},
        {"since": MARK},
        {"since": "2026-02-30"},
        {"since": 20260101},
        {"since": ""},
    ],
    ids=repr,
)
def test_filters_of_the_wrong_shape_are_refused_when_they_are_made(arguments: dict[str, Any]) -> None:
    with pytest.raises(InvalidQueryError, match=f"^Filters.{next(iter(arguments))} ") as caught:
        Filters(**arguments)
    assert_is_a_sentence(caught.value)


@pytest.mark.parametrize(
    "query",
    [
        "fox\x00dog",
        "\x00",
        "!!!",
        "🦊",
        "the and of",
        "'; drop table x; --",
        "%s %(x)s {0}",
        "fox " * 2000,
        "\u202efox",
    ],
    ids=ascii,
)
def test_odd_questions_are_questions(retriever: Retriever, query: str) -> None:
    result = retriever.search(query, principal=ADA)
    assert len(result) == 2
    assert not result.degraded


def test_odd_filters_find_nothing(retriever: Retriever) -> None:
    for filters in (Filters(source="'; drop table x"), Filters(tags=["{}", "%s"]), Filters(language="x" * 10_000)):
        assert len(retriever.search("fox", principal=ADA, filters=filters)) == 0


def test_a_principal_of_ten_thousand_roles_is_served(retriever: Retriever) -> None:
    roles = [f"role {i} {{,}}\"'" for i in range(10_000)]
    assert len(retriever.search("fox", principal=asker("acme", *roles))) == 2


# --------------------------------------------------------------- the database


def failure(action: Callable[[], object], error: type[KnowledgeError], message: str) -> None:
    with pytest.raises(error, match=message) as caught:
        action()
    assert type(caught.value) is error
    assert_is_a_sentence(caught.value)


def connecting(served: Index, dsn: str, **arguments: Any) -> Callable[[], Retriever]:
    settings = served.settings.model_copy(update=arguments)
    return lambda: Retriever.connect(dsn, settings=settings, encoder=WordsEncoder())


@pytest.mark.parametrize(
    "dsn",
    ["host=/nowhere/at/all", "host=127.0.0.1 port=1", f"host='{{socket}}' dbname={MARK} user={READER}"],
    ids=["no socket", "closed port", "no such database"],
)
def test_a_database_that_cannot_be_reached(served: Index, dsn: str) -> None:
    dsn = dsn.format(socket=served.server.dsn(READER).split("'")[1])
    began = time.monotonic()
    with pytest.raises(UnavailableError, match=r"^The database cannot be reached: .*Check KNOWLEDGE_DSN"):
        connecting(served, dsn)()
    with pytest.raises(UnavailableError, match=r"^The database cannot be reached: .*Check KNOWLEDGE_DSN"):
        Database.for_writing(served.settings, dsn)

    async def twin() -> None:
        await AsyncRetriever.connect(dsn, settings=served.settings)

    with pytest.raises(UnavailableError, match=r"^The database cannot be reached"):
        asyncio.run(twin())
    assert time.monotonic() - began < 5


def test_a_host_that_accepts_and_says_nothing_is_given_up_in_time(served: Index) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        dsn = f"host=127.0.0.1 port={silent.getsockname()[1]} user=x password={MARK}"
        began = time.monotonic()
        failure(connecting(served, dsn, connect_timeout_s=2), UnavailableError, "cannot be reached: .*timeout")
        assert time.monotonic() - began < 4


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ('connection to server at "db", port 5432 failed: FATAL:  password authentication failed for user "x"', "no"),
        ('connection to server at "db" failed: fe_sendauth: no password supplied', "no"),
        ('FATAL:  no pg_hba.conf entry for host "10.0.0.1", user "x", database "y", no encryption', "no"),
        ('FATAL:  role "x" is not permitted to log in', "no"),
        ('FATAL:  role "x" does not exist', "no"),
        ('FATAL:  permission denied for database "y"', "no"),
        ('FATAL:  database "y" does not exist', "later"),
        ("FATAL:  Passwort-Authentifizierung für Benutzer »x« fehlgeschlagen", "no"),
        ("FATAL:  Rolle »x« existiert nicht", "no"),
        ("FATAL:  no such user: x", "no"),
        ("FATAL:  the database system is starting up", "later"),
        ("FATAL:  the database system is shutting down", "later"),
        ("FATAL:  sorry, too many clients already", "later"),
        ('FATAL:  too many connections for role "x"', "later"),
        ('connection to server at "db", port 5432 failed: Connection refused', "later"),
        ("connection timeout expired", "later"),
        ("", "later"),
        # one host by two addresses, of which the server listens on one
        ("x\n- host: 'localhost', port: '1': Connection refused\n- host: 'localhost': authentication failed", "no"),
        # two hosts: the first one may come back
        (
            "authentication failed\n- host: 'a': Connection refused\n\tIs it?\n- host: 'b': authentication failed",
            "later",
        ),
        ("x\n- host: 'a': no such user\n- host: 'b': password authentication failed", "no"),
    ],
)
def test_a_refused_login_is_told_from_a_server_that_is_gone(words: str, kind: str) -> None:
    error = unreachable(psycopg.OperationalError(words))
    assert type(error) is (ConfigurationError if kind == "no" else UnavailableError)
    assert (words.splitlines() or ["OperationalError"])[0] in str(error)


def test_a_login_that_the_server_does_not_know_is_a_mistake_in_the_settings(served: Index, tmp_path: Path) -> None:
    nobody = served.server.dsn("nobody_of_this_name", served.name)
    failure(connecting(served, nobody), ConfigurationError, "^The database refuses the login: .*KNOWLEDGE_DSN")
    settings = served.settings.model_copy(update={"standby": tmp_path, "home": tmp_path})
    failure(lambda: Retriever.connect(nobody, settings=settings), ConfigurationError, "refuses the login")

    async def twin() -> None:
        await AsyncRetriever.connect(nobody, settings=served.settings)

    failure(lambda: asyncio.run(twin()), ConfigurationError, "^The database refuses the login")


def test_a_login_that_is_taken_away_and_given_back(databases: Databases, served: Index) -> None:
    """Refused at once and as what it is, by threads and tasks; nothing is remembered of it when it is let in again."""

    def shut(name: str) -> None:
        with databases.admin() as admin:
            admin.execute(sql.SQL("alter role {} nologin").format(sql.Identifier(name)))
            admin.execute("select pg_terminate_backend(pid) from pg_stat_activity where usename = %s", [name])

    def opened(name: str) -> None:
        with databases.admin() as admin:
            admin.execute(sql.SQL("alter role {} login").format(sql.Identifier(name)))

    async def twin(dsn: str, name: str) -> None:
        async with await AsyncRetriever.connect(dsn, settings=served.settings, encoder=WordsEncoder()) as retriever:
            assert await retriever.search("fox", principal=ADA)
            shut(name)
            with pytest.raises(ConfigurationError, match=r"refuses the login: .*not permitted to log in"):
                await retriever.search("fox", principal=ADA)
            opened(name)
            assert await retriever.search("fox", principal=ADA)

    with login(databases, f"grant {READER} to {{}}") as name:
        dsn = served.server.dsn(name, served.name)
        with Retriever.connect(dsn, settings=served.settings, encoder=WordsEncoder()) as retriever:
            assert retriever.search("fox", principal=ADA)
            shut(name)
            began = time.monotonic()
            for _ in range(2):
                refused = "refuses the login: .*not permitted to log in"
                failure(lambda: retriever.search("fox", principal=ADA), ConfigurationError, refused)
            assert time.monotonic() - began < 2 * served.settings.connect_timeout_s
            opened(name)
            assert retriever.search("fox", principal=ADA)
        asyncio.run(twin(dsn, name))


@pytest.mark.parametrize("dsn", [f"{MARK} word", f"postgresql://ada:{MARK}@/x?{MARK}=1", f"host='{MARK}"])
def test_a_connection_string_that_is_none(served: Index, dsn: str) -> None:
    failure(connecting(served, dsn), ConfigurationError, "^KNOWLEDGE_DSN is not a Postgres connection string")
    failure(lambda: Database.for_writing(served.settings, dsn), ConfigurationError, "^KNOWLEDGE_OWNER_DSN is not")


def test_a_database_that_is_not_set_up(databases: Databases, served: Index) -> None:
    name = databases.bare()
    failure(connecting(served, databases.server.dsn(READER, name)), SchemaError, "not set up .*knowledge db init")
    owner = databases.server.dsn(OWNER, name)
    failure(lambda: Database.for_writing(served.settings, owner), ConfigurationError, "lacks the vector extension")
    with databases.admin(name) as admin:
        admin.execute("create extension vector")
    failure(connecting(served, databases.server.dsn(READER, name)), SchemaError, "not set up .*knowledge db init")
    Database.for_writing(served.settings, owner)
    empty = connecting(served, databases.server.dsn(READER, name))()
    with empty:
        failure(lambda: empty.search("fox", principal=ADA), NoReleaseError, "Nothing is published yet")


def test_a_database_of_a_newer_version_is_left_alone(index: Index) -> None:
    index.owner.execute("insert into knowledge.migration (name) values ('9999_later')")
    failure(lambda: Database.for_writing(index.settings, index.owner_dsn), SchemaError, "upgrade avatar-knowledge")


def test_nothing_published_yet(index: Index) -> None:
    retriever = index.retriever()
    failure(lambda: retriever.search("fox", principal=ADA), NoReleaseError, "Nothing is published yet")
    index.serve([GoldDocument("one", everyone(), ["the fox"])])
    assert len(retriever.search("fox", principal=ADA)) == 1


def test_a_statement_that_takes_too_long_is_given_up(index: Index) -> None:
    index.serve([GoldDocument("one", everyone(), ["the fox"])])
    settings = index.settings.model_copy(update={"statement_timeout_ms": 100})
    with Retriever.connect(settings=settings, encoder=WordsEncoder()) as retriever:
        assert retriever.search("fox", principal=ADA)
        with psycopg.connect(index.owner_dsn) as other:
            other.execute("lock table space_1.chunk in access exclusive mode")
            failure(
                lambda: retriever.search("fox", principal=ADA), UnavailableError, "took too long .*STATEMENT_TIMEOUT_MS"
            )
        assert retriever.search("fox", principal=ADA)


def test_a_closed_retriever_says_so(served: Index) -> None:
    retriever = served.retriever()
    retriever.close()
    failure(lambda: retriever.search("fox", principal=ADA), UnavailableError, "closed: open another")


# ----------------------------------------------------------------------- roles


@contextlib.contextmanager
def login(databases: Databases, *statements: str) -> Iterator[str]:
    """A role of the server for a while; `{}` in a statement stands for its name."""
    name = f"login_{uuid.uuid4().hex[:8]}"
    with databases.admin() as admin:
        try:
            for statement in ("create role {} login", *statements):
                admin.execute(sql.SQL(statement).format(sql.Identifier(name)))
            yield name
        finally:
            admin.execute(sql.SQL("drop role {}").format(sql.Identifier(name)))


@pytest.mark.parametrize(
    ("statements", "message"),
    [
        ((), f"grant {READER} to"),
        ((f"grant {READER} to {{}} with set false",), f"grant {READER} to"),
        (("alter role {} bypassrls",), "may bypass row-level security"),
        ((f"grant {OWNER} to {{}}",), "may bypass row-level security"),
    ],
    ids=["stranger", "member that may not become it", "bypasses policies", "owner"],
)
def test_a_login_that_cannot_be_the_reader_is_refused(
    databases: Databases, served: Index, statements: tuple[str, ...], message: str
) -> None:
    with login(databases, *statements) as name:
        failure(connecting(served, served.server.dsn(name, served.name)), UnsafeRoleError, message)


def test_the_owner_itself_is_refused(served: Index) -> None:
    failure(connecting(served, served.owner_dsn), UnsafeRoleError, "may bypass row-level security")


def secret_and_searcher(index: Index, dsn: str) -> Retriever:
    index.serve([GoldDocument("a", everyone(), ["fox"]), GoldDocument("b", everyone("acme", "board"), ["fox"])])
    return Retriever.connect(dsn, settings=index.settings, encoder=WordsEncoder())


def test_a_superuser_becomes_the_reader(index: Index) -> None:
    with secret_and_searcher(index, index.server.dsn(SUPERUSER, index.name)) as retriever:
        assert [hit.citation.title for hit in retriever.search("fox", principal=ADA)] == ["a"]


def test_a_member_of_the_reader_becomes_it(databases: Databases, index: Index) -> None:
    with (
        login(databases, f"grant {READER} to {{}}") as name,
        secret_and_searcher(index, index.server.dsn(name, index.name)) as retriever,
    ):
        assert [hit.citation.title for hit in retriever.search("fox", principal=ADA)] == ["a"]


# ------------------------------------------------------------- home and settings


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_text("not a folder")
    return path


def test_a_home_that_cannot_be_written(file: Path, served: Index) -> None:
    home = file / "home"
    message = r"The home directory .* cannot be written \(Not a directory\): .*KNOWLEDGE_HOME"
    key = "The key file .* cannot be used"
    failure(lambda: Retriever.connect(settings=Settings.load(home=home)), ConfigurationError, key)
    failure(lambda: Database.for_writing(Settings.load(home=home)), ConfigurationError, message)
    dsn = served.server.dsn(READER, served.name)
    settings = Settings.load(home=home, dsn=dsn)
    failure(lambda: Retriever.connect(settings=settings), ConfigurationError, key)
    assert file.read_text() == "not a folder"


@pytest.mark.parametrize(
    ("key", "mode", "message"),
    [(b"k" * 32, 0o644, "can be read by others: run `chmod 600"), (b"short", 0o600, "shorter than 32 bytes")],
)
def test_a_key_that_is_no_secret(tmp_path: Path, served: Index, key: bytes, mode: int, message: str) -> None:
    path = tmp_path / "keys" / "audit.key"
    path.parent.mkdir()
    path.write_bytes(key)
    path.chmod(mode)
    settings = Settings.load(home=tmp_path, dsn=served.server.dsn(READER, served.name))
    failure(lambda: Retriever.connect(settings=settings), ConfigurationError, message)
    assert path.read_bytes() == key


def test_a_key_is_made_once_and_kept(tmp_path: Path, served: Index) -> None:
    settings = Settings.load(home=tmp_path, dsn=served.server.dsn(READER, served.name))
    Retriever.connect(settings=settings, encoder=WordsEncoder()).close()
    path = tmp_path / "keys" / "audit.key"
    key = path.read_bytes()
    Retriever.connect(settings=settings, encoder=WordsEncoder()).close()
    assert (len(key), path.read_bytes(), path.stat().st_mode & 0o777) == (32, key, 0o600)
    assert [entry.name for entry in path.parent.iterdir()] == ["audit.key"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("k_max = 0", r"'k_max' \(KNOWLEDGE_K_MAX\)"),
        ("k_max = 'many'", r"'k_max' \(KNOWLEDGE_K_MAX\)"),
        ("k_maks = 3", "did you mean 'k_max'"),
        ("k_max = ", "settings.toml"),
        ("k_max = 1 \x00", "settings.toml"),
    ],
)
def test_settings_that_are_wrong_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str, message: str
) -> None:
    monkeypatch.delenv("KNOWLEDGE_K_MAX", raising=False)
    (tmp_path / "settings.toml").write_text(content)
    failure(lambda: Settings.load(home=tmp_path), ConfigurationError, message)


def test_the_environment_wins_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "settings.toml").write_text("k_max = 7\npool_size = 3")
    monkeypatch.setenv("KNOWLEDGE_K_MAX", "9")
    monkeypatch.setenv("KNOWLEDGE_HOME", str(tmp_path))
    settings = Settings.load()
    assert (settings.k_max, settings.pool_size, settings.home) == (9, 3, tmp_path)
    assert MARK not in repr(Settings.load(home=tmp_path, dsn=f"password={MARK}"))
