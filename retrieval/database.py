"""Where the database is and how to reach it: the embedded server or a DSN, as reader or as owner."""

from __future__ import annotations

import re
from dataclasses import dataclass

import psycopg

from retrieval.errors import ConfigurationError, KnowledgeError, UnavailableError
from retrieval.schema.migrate import MIGRATIONS, OWNER, READER, bootstrap, migrate, schema_version
from retrieval.server import DATABASE, SUPERUSER, EmbeddedServer
from retrieval.settings import Settings


@dataclass(frozen=True)
class Database:
    """A place to connect to.

    Attributes:
        dsn: connection string; never shown, it may hold a password.
        server: the embedded server behind it; None for a server that somebody else runs.
    """

    dsn: str
    server: EmbeddedServer | None = None

    @classmethod
    def named(cls, settings: Settings) -> Database:
        """The runtime's way in, a role that owns nothing; nobody is asked yet."""
        if settings.dsn is not None:
            return cls(understood(settings.dsn.get_secret_value()))
        server = EmbeddedServer.of(settings.home)
        return cls(server.dsn(READER), server)

    @classmethod
    def for_reading(cls, settings: Settings) -> Database:
        """The runtime's way in, started and set up where it is the embedded server."""
        database = cls.named(settings)
        database.prepare()
        return database

    def prepare(self) -> None:
        """Start and set up the embedded server; a server that somebody else runs is left alone.

        Raises:
            UnavailableError: it does not start.
            ConfigurationError: the home cannot be written, or holds data of another Postgres version.
        """
        if self.server is not None:
            self.server.ensure_running()
            _set_up(self.server)

    @classmethod
    def for_writing(cls, settings: Settings, owner_dsn: str | None = None) -> Database:
        """The pipeline's way in: the owner of the schema, which is created or upgraded first."""
        if owner_dsn is not None:
            database = cls(understood(owner_dsn, "KNOWLEDGE_OWNER_DSN"))
        elif settings.dsn is not None:
            database = cls(understood(settings.dsn.get_secret_value()))
        else:
            server = EmbeddedServer.attach(settings.home)
            _set_up(server)
            database = cls(server.dsn(OWNER), server)
        try:
            migrate(database.dsn)
        except psycopg.OperationalError as error:
            raise unreachable(error) from None
        return database

    def connect(self, settings: Settings, *, autocommit: bool = False) -> psycopg.Connection[tuple[object, ...]]:
        """One connection, opened within the time limit.

        Raises:
            UnavailableError: nobody answers.
            ConfigurationError: the login is refused.
        """
        if self.server is not None:
            self.server.ensure_running()
        try:
            return psycopg.connect(self.dsn, autocommit=autocommit, connect_timeout=settings.connect_timeout_s)
        except psycopg.OperationalError as error:
            raise unreachable(error) from None


def understood(dsn: str, setting: str = "KNOWLEDGE_DSN") -> str:
    """The connection string, checked; the driver's own words would quote parts of it.

    Raises:
        ConfigurationError: it is none.
    """
    try:
        psycopg.conninfo.conninfo_to_dict(dsn)
    except psycopg.ProgrammingError:
        raise ConfigurationError(
            f"{setting} is not a Postgres connection string: write postgresql://user@host/database"
        ) from None
    return dsn


def _set_up(server: EmbeddedServer) -> None:
    """Roles, database and schema of a fresh embedded server, or of one that an earlier version made."""
    try:
        with psycopg.connect(server.dsn(OWNER), connect_timeout=5) as connection:
            if (schema_version(connection) or "") >= MIGRATIONS[-1]:
                return
    except psycopg.OperationalError:
        bootstrap(server.dsn(SUPERUSER, "postgres"), DATABASE)
    migrate(server.dsn(OWNER))


_REFUSED = re.compile(
    # Postgres (backend/libpq/auth.c, backend/utils/init), its German messages, libpq, PgBouncer
    r"authentication failed|no password supplied|no pg_hba\.conf entry|pg_hba\.conf rejects|is not permitted to log in"
    r"|role \"[^\n]*\" does not exist|permission denied for database"
    r"|Authentifizierung für Benutzer [^\n]* fehlgeschlagen|kein pg_hba\.conf-Eintrag|pg_hba\.conf lehnt"
    r"|hat keine Berechtigung zum Einloggen|Rolle [^\n]* existiert nicht|keine Berechtigung für Datenbank"
    r"|no such user"
)
"""What a server says that lets a login in neither now nor later. The driver gives no SQLSTATE for it, its words alone;
in another language than these two, a refused login looks like a server that is gone."""
_ATTEMPT = re.compile(r"^- host: '([^']*)'(.*?)(?=^- host: |\Z)", re.MULTILINE | re.DOTALL)
"""One of several attempts, as the driver lists them: host, and what it said."""


def unreachable(error: psycopg.Error) -> KnowledgeError:
    """The error for a database that cannot be used now; the driver's words name host and cause, no secret.

    Returns:
        `ConfigurationError` where the login was refused, and trying again will not help; else `UnavailableError`.
    """
    said = str(error).strip()
    reason = said.splitlines()[0] if said else type(error).__name__
    if _refused(said):
        return ConfigurationError(
            f"The database refuses the login: {reason}. Check user, password and database in KNOWLEDGE_DSN (or"
            " KNOWLEDGE_OWNER_DSN), and who may log in there"
        )
    return UnavailableError(f"The database cannot be reached: {reason}. Check KNOWLEDGE_DSN, or try again later")


def _refused(said: str) -> bool:
    """Whether every host that was tried has refused the login, on one of its addresses at least: of two hosts, the one
    that is gone may come back and let it in."""
    refused: dict[str, bool] = {}
    for host, words in _ATTEMPT.findall(said) or [("", said)]:
        refused[host] = refused.get(host, False) or _REFUSED.search(words) is not None
    return all(refused.values())
