"""`knowledge db`: the database, embedded or one's own."""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from pipelines.cli.frame import OK, Answer, Application, DebugOption, HomeOption, JsonOption, command, deliver, service
from pipelines.cli.homes import pipeline_settings
from pipelines.cli.output import table
from retrieval.errors import ConfigurationError

if TYPE_CHECKING:
    from pipelines.settings import PipelineSettings
    from retrieval.database import Database

group = Application("Set up, start, stop and inspect the database.")

Role = Literal["reader", "owner"]


@group.command()
@command
def init(
    admin_dsn: Annotated[
        str | None,
        typer.Option(
            "--admin-dsn",
            envvar="KNOWLEDGE_ADMIN_DSN",
            show_envvar=True,
            metavar="DSN",
            help="Administrator's connection to a server of your own. Default: set up the embedded one.",
        ),
    ] = None,
    database: Annotated[
        str, typer.Option("--database", metavar="NAME", help="Database to create on a server of your own.")
    ] = "knowledge",
    home: HomeOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> Answer:
    """Create roles, database, extension and schema where they are missing."""
    settings = pipeline_settings(home)
    if admin_dsn is None:
        return _migrated(settings)
    version = _init_server(admin_dsn, database)
    sentence = (
        f"Database {database} is set up, schema {version}. Give the roles knowledge_owner and knowledge_reader"
        " passwords, then set KNOWLEDGE_OWNER_DSN for the pipeline and KNOWLEDGE_DSN for the runtime."
    )
    data = {"server": "own", "database": database, "schema": version}
    return Answer(data, lambda console: console.print(sentence))


@group.command()
@command
def migrate(home: HomeOption = None, as_json: JsonOption = False, debug: DebugOption = False) -> Answer:
    """Upgrade the schema to the version of this program."""
    return _migrated(pipeline_settings(home))


@group.command()
@command
def status(home: HomeOption = None, as_json: JsonOption = False, debug: DebugOption = False) -> Answer:
    """Show where the database is, whether it runs, and what it contains; start nothing."""
    settings = pipeline_settings(home)
    facts: dict[str, object] = {"server": _kind(settings)}
    if _embedded(settings):
        from retrieval.server import EmbeddedServer

        server = EmbeddedServer(settings.home)
        facts |= {"data": str(server.data), "running": server.running()}
    if facts.get("running", True):
        facts |= _facts(settings)
    rows = table("Database", "")
    for name, value in facts.items():
        rows.add_row(name.replace("_", " "), _words(value))
    return Answer(facts, lambda console: console.print(rows))


@group.command()
@service
def start(home: HomeOption = None, as_json: JsonOption = False, debug: DebugOption = False) -> int:
    """Keep the embedded database running until Ctrl-C, for other programs."""
    settings = pipeline_settings(home)
    _require_embedded(settings)
    stop = threading.Event()
    previous = {number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        database = _owner(settings)
        assert database.server is not None
        dsn = database.server.dsn("knowledge_reader")
        data = {"server": "embedded", "running": True, "dsn": dsn, "owner_dsn": database.dsn}
        sentence = f"The database runs until Ctrl-C. KNOWLEDGE_DSN for other programs of this user:\n{dsn}"
        deliver(Answer(data, lambda console: console.print(sentence, soft_wrap=True)), as_json=as_json)
        stop.wait()
        database.server.release()
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
    return OK


@group.command()
@command
def stop(home: HomeOption = None, as_json: JsonOption = False, debug: DebugOption = False) -> Answer:
    """Stop the embedded database, even if it is in use."""
    settings = pipeline_settings(home)
    _require_embedded(settings)
    from retrieval.server import EmbeddedServer

    stopped = EmbeddedServer(settings.home).stop()
    sentence = "The database is stopped." if stopped else "The database was not running."
    return Answer({"server": "embedded", "stopped": stopped}, lambda console: console.print(sentence))


@group.command()
@command
def dsn(
    role: Annotated[Role, typer.Option("--role", help="The runtime's role, or the owner of the schema.")] = "reader",
    home: HomeOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> Answer:
    """Print the connection string, which may contain a password; start nothing."""
    found = _dsn(pipeline_settings(home), role)
    return Answer({"role": role, "dsn": found}, lambda console: console.print(found, soft_wrap=True))


def _dsn(settings: PipelineSettings, role: Role) -> str:
    from retrieval.schema.migrate import OWNER, READER
    from retrieval.server import EmbeddedServer

    own = settings.owner_dsn or settings.dsn if role == "owner" else settings.dsn
    if own is not None:
        return own.get_secret_value()
    return EmbeddedServer(settings.home).dsn(OWNER if role == "owner" else READER)


def _init_server(admin_dsn: str, database: str) -> str | None:
    import psycopg
    from psycopg.conninfo import make_conninfo

    from retrieval.database import understood, unreachable
    from retrieval.schema import migrate as schema

    understood(admin_dsn, "--admin-dsn")
    try:
        schema.bootstrap(admin_dsn, database)
        # The administrator becomes the owner: everything it creates from here on belongs to that role.
        as_owner = make_conninfo(admin_dsn, dbname=database, options=f"-c role={schema.OWNER}")
        schema.migrate(as_owner)
        with psycopg.connect(as_owner) as connection:
            return schema.schema_version(connection)
    except psycopg.OperationalError as error:
        raise unreachable(error) from None
    except psycopg.Error as error:
        raise ConfigurationError(
            f"The server refused to set up database {database} (SQLSTATE {error.sqlstate or 'unknown'}): the"
            " administrator must be allowed to create roles, databases and the extension vector"
        ) from None


def _migrated(settings: PipelineSettings) -> Answer:
    from retrieval.schema.migrate import schema_version

    with _owner(settings).connect(settings) as connection:
        version = schema_version(connection)
    sentence = f"The {_kind(settings)} database is set up, schema {version}."
    return Answer({"server": _kind(settings), "schema": version}, lambda console: console.print(sentence))


def _owner(settings: PipelineSettings) -> Database:
    from retrieval.database import Database

    return Database.for_writing(settings, settings.owner_dsn.get_secret_value() if settings.owner_dsn else None)


def _facts(settings: PipelineSettings) -> dict[str, object]:
    """What a running server says of itself."""
    import psycopg

    from retrieval.schema.migrate import schema_version

    with psycopg.connect(_dsn(settings, "owner"), connect_timeout=settings.connect_timeout_s) as connection:
        row = connection.execute(
            "select current_setting('server_version'), pg_database_size(current_database()),"
            " (select extversion from pg_extension where extname = 'vector'), current_user"
        ).fetchone()
        assert row is not None
        version = schema_version(connection)
        facts = {"postgres": row[0], "pgvector": row[2], "login": row[3], "bytes": row[1], "schema": version}
        if version is None:
            return facts
        counts = connection.execute(
            "select (select count(*) from knowledge.release), (select release from knowledge.serving),"
            " (select count(*) from knowledge.tenant)"
        ).fetchone()
        assert counts is not None
        return facts | {"releases": counts[0], "active_release": counts[1], "tenants": counts[2]}


def _embedded(settings: PipelineSettings) -> bool:
    return settings.dsn is None and settings.owner_dsn is None


def _kind(settings: PipelineSettings) -> str:
    return "embedded" if _embedded(settings) else "own"


def _require_embedded(settings: PipelineSettings) -> None:
    if not _embedded(settings):
        raise ConfigurationError(
            "KNOWLEDGE_DSN or KNOWLEDGE_OWNER_DSN names a server of your own: start and stop it there"
        )


def _words(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "none" if value is None else str(value)
