"""`knowledge doctor`: looks at everything a question or an ingestion needs, one thing after the other."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pipelines.cli.frame import OK, PERMANENT, Answer, DebugOption, HomeOption, InboxOption, JsonOption, command, known
from pipelines.cli.homes import pipeline_settings
from pipelines.cli.output import counted, plain, table
from retrieval.errors import ConfigurationError, KnowledgeError, PermanentError

if TYPE_CHECKING:
    import psycopg
    from rich.console import Console

    from assets.stores import Stores
    from pipelines.settings import PipelineSettings
    from retrieval.database import Database
    from retrieval.embedding import ModelDirectory

State = Literal["ok", "warn", "fail"]
STYLES = {"ok": "green", "warn": "yellow", "fail": "bold red"}
PYTHON = (3, 11)
FREE_BYTES = 2 * 10**9
"""Model, database, lake and logs of a small installation take about one gigabyte."""


@dataclass(frozen=True)
class Finding:
    """What one check found, with a sentence."""

    check: str
    state: State
    sentence: str


class _WarningError(Exception):
    """Something wants to be looked at, or is not there because nothing was ingested yet; no failure."""


class _NotYetError(_WarningError):
    """Something is not there because nothing was ingested yet."""


@command
def doctor(
    inbox: InboxOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> Answer:
    """Check everything that ingestion and search need; exit with code 1 if anything fails."""
    findings = examine(home, inbox)
    failed = [finding for finding in findings if finding.state == "fail"]

    def show(console: Console) -> None:
        rows = table("Check", "State", "")
        for finding in findings:
            rows.add_row(finding.check, finding.state, plain(finding.sentence), style=STYLES.get(finding.state))
        console.print(rows)
        console.print(
            "Everything that is needed is there." if not failed else f"{counted(len(failed), 'check')} failed."
        )

    return Answer({"ok": not failed, "checks": findings}, show, PERMANENT if failed else OK)


def examine(home: Path | None, inbox: Path | None) -> list[Finding]:
    """Run all checks; one that cannot be made does not keep the others from being made."""
    findings = [_python()]
    try:
        settings = pipeline_settings(home, inbox)
    except KnowledgeError as error:
        return [*findings, Finding("settings", "fail", str(error))]
    findings.append(Finding("settings", "ok", f"home {settings.home}"))
    patient = _Patient(settings)
    findings += [_made(name, check) for name, check in patient.checks()]
    return findings


def _made(name: str, check: Callable[[], str]) -> Finding:
    try:
        return Finding(name, "ok", check())
    except _WarningError as reason:
        return Finding(name, "warn", str(reason))
    except KnowledgeError as error:
        return Finding(name, "fail", " ".join(str(error).split()))
    except Exception as error:  # noqa: BLE001  # a broken installation fails in ways nobody foresaw
        told = known(error)
        if isinstance(told, KnowledgeError):
            return Finding(name, "fail", " ".join(str(told).split()))
        return Finding(name, "fail", f"The check broke with {type(error).__name__}: reinstall, or ask its makers")


def _python() -> Finding:
    here = platform.python_version()
    if sys.version_info < PYTHON:
        return Finding("python", "fail", f"Python {here} is too old: install 3.11 or newer")
    return Finding("python", "ok", f"Python {here}")


@dataclass
class _Patient:
    """One installation, with what the checks share."""

    settings: PipelineSettings
    _connections: list[psycopg.Connection[Any]] = field(default_factory=list)

    def checks(self) -> Iterator[tuple[str, Callable[[], str]]]:
        yield "home", self.home
        yield "space", self.space
        yield "inbox", self.inbox
        yield "model", self.model
        yield "database", self.database
        yield "schema", self.schema
        yield "runtime role", self.runtime_role
        yield "release", self.release
        yield "index model", self.index_model
        yield "lake", self.lake
        yield "bronze keys", self.bronze_keys
        yield "pseudonym keys", self.pseudonym_keys
        yield "erasures", self.erasures
        yield "audit seals", self.audit_seals
        yield "standby", self.standby
        yield "dagster", self.dagster

    # ------------------------------------------------------------------ files

    def home(self) -> str:
        home = self.settings.home
        existing = next(folder for folder in (home, *home.parents) if folder.exists())
        if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
            raise ConfigurationError(f"{existing} cannot be written: correct its permissions or set KNOWLEDGE_HOME")
        if not home.exists():
            raise _NotYetError(f"{home} is not there yet: `knowledge ingest` creates it")
        return f"{home} can be written"

    def space(self) -> str:
        existing = next(folder for folder in (self.settings.home, *self.settings.home.parents) if folder.exists())
        free = shutil.disk_usage(existing).free
        if free < FREE_BYTES:
            raise ConfigurationError(
                f"{free / 1e9:.1f} GB are free in {existing}, {FREE_BYTES / 1e9:.0f} GB are needed: free some space or"
                " set KNOWLEDGE_HOME"
            )
        return f"{free / 1e9:.0f} GB free"

    def inbox(self) -> str:
        from assets.bronze.scan import inbox_root
        from assets.contract import SOURCES

        root = inbox_root(self.settings.inbox)
        if not os.access(root, os.R_OK | os.X_OK):
            raise ConfigurationError(f"{root} cannot be read: correct its permissions or set KNOWLEDGE_INBOX")
        there = [source for source in SOURCES if (root / source).is_dir()]
        if not there:
            raise _NotYetError(f"{root} has none of the folders {', '.join(SOURCES)}: create them and drop files there")
        return f"{root} with {', '.join(there)}"

    # ------------------------------------------------------------------ model

    def model(self) -> str:
        found = self._model
        return f"{found.fingerprint.id}, computed by {found.backend}"

    @cached_property
    def _model(self) -> ModelDirectory:
        from retrieval.embedding.preparation import prepared

        found = prepared(self.settings.models_dir, self.settings.model)
        if found is None:
            raise _NotYetError("The embedding model is not prepared yet: `knowledge ingest` does it, once")
        return found

    # --------------------------------------------------------------- database

    @cached_property
    def _reading(self) -> Database:
        from retrieval.database import Database
        from retrieval.server import EmbeddedServer

        if self.settings.dsn is None and not (EmbeddedServer(self.settings.home).data / "PG_VERSION").exists():
            raise _NotYetError(
                "The embedded database is not set up yet: `knowledge ingest` or `knowledge db init` does it"
            )
        return Database.for_reading(self.settings)

    def _reader(self) -> psycopg.Connection[Any]:
        return self._reading.connect(self.settings, autocommit=True)

    def database(self) -> str:
        with self._reader() as connection:
            row = connection.execute(
                "select current_setting('server_version'),"
                " (select extversion from pg_extension where extname = 'vector')"
            ).fetchone()
        assert row is not None
        where = "embedded" if self._reading.server is not None else "KNOWLEDGE_DSN"
        if row[1] is None:
            raise ConfigurationError("The database lacks the extension vector: run `knowledge db init`")
        return f"{where}: PostgreSQL {row[0]}, pgvector {row[1]}"

    @contextmanager
    def _owner(self) -> Iterator[psycopg.Connection[Any]]:
        """A connection as the owner; nothing is set up or upgraded for it."""
        import psycopg

        from retrieval.database import unreachable
        from retrieval.schema.migrate import OWNER

        server = self._reading.server
        own = self.settings.owner_dsn or self.settings.dsn
        dsn = own.get_secret_value() if own is not None else server.dsn(OWNER) if server is not None else ""
        try:
            with psycopg.connect(dsn, autocommit=True, connect_timeout=self.settings.connect_timeout_s) as connection:
                yield connection
        except psycopg.OperationalError as error:
            raise unreachable(error) from None
        except psycopg.errors.InsufficientPrivilege:
            raise _WarningError("This can be read by the owner only: set KNOWLEDGE_OWNER_DSN to check it") from None

    def schema(self) -> str:
        from retrieval.errors import SchemaError
        from retrieval.schema.migrate import MIGRATIONS, schema_version

        with self._owner() as connection:
            version = schema_version(connection)
        if version != MIGRATIONS[-1]:
            raise SchemaError(
                f"The schema is at {version or 'nothing'}, this program needs {MIGRATIONS[-1]}:"
                " run `knowledge db migrate`"
            )
        return version

    def runtime_role(self) -> str:
        """The reader owns nothing, steps around nothing, and row-level security is forced on all it may read."""
        from retrieval.connections import ROLE, ROLE_PARAMETERS
        from retrieval.core import Core
        from retrieval.errors import UnsafeRoleError
        from retrieval.schema.migrate import READER

        with self._reader() as connection:
            Core.must_change_role(connection.execute(ROLE, ROLE_PARAMETERS).fetchone())
            row = connection.execute(ROLE_FACTS, {"reader": READER}).fetchone()
            open_tables = connection.execute(OPEN_TABLES, {"reader": READER}).fetchall()
        if row is None or row[0] or row[1]:
            raise UnsafeRoleError(f"{READER} is superuser, bypasses row-level security or owns tables: revoke that")
        if open_tables:
            names = ", ".join(str(name) for (name,) in open_tables[:3])
            raise UnsafeRoleError(f"{READER} may read {names} without forced row-level security: revoke that at once")
        return f"{READER} owns nothing, and row-level security is forced on {counted(row[2], 'readable table')}"

    def _current(self) -> tuple[int, str]:
        """Number and fingerprint of the active release."""
        import psycopg

        from retrieval.connections import BECOME_READER, ROLE, ROLE_PARAMETERS, translate
        from retrieval.core import Core

        try:
            with self._reader() as connection:
                if Core.must_change_role(connection.execute(ROLE, ROLE_PARAMETERS).fetchone()):
                    connection.execute(BECOME_READER)
                row = connection.execute("select release, fingerprint from knowledge.current_release()").fetchone()
        except psycopg.Error as error:
            translate(error)
        if row is None:
            raise _NotYetError("Nothing is published yet: run `knowledge ingest`")
        return row[0], row[1]

    def release(self) -> str:
        return f"release {self._current()[0]} is served"

    def index_model(self) -> str:
        from retrieval.errors import ModelMismatchError

        _, fingerprint = self._current()
        ours = self._model.fingerprint.id
        if fingerprint != ours:
            raise ModelMismatchError(
                f"The index was built with {fingerprint}, the model here is {ours}: set KNOWLEDGE_MODEL to the index's"
                " model, or run `knowledge ingest` to build a new index"
            )
        return f"{fingerprint} is the model of the index too"

    # ------------------------------------------------------------------- lake

    def lake(self) -> str:
        from assets.bronze.contract import SOURCE_FILES
        from assets.gold.contract import CHUNKS, EMBEDDINGS
        from assets.lake import Lake
        from assets.silver.contract import DOCUMENTS, QUARANTINE

        lake = Lake(self.settings.lake_uri)
        tables = (SOURCE_FILES, DOCUMENTS, QUARANTINE, CHUNKS, EMBEDDINGS)
        partitions = {contract.name: len(lake.partitions(contract)) for contract in tables}
        if not partitions[SOURCE_FILES.name]:
            raise _NotYetError(f"{self.settings.lake_uri} is empty: nothing was ingested yet")
        if "://" not in self.settings.lake_uri and Path(self.settings.lake_uri).stat().st_mode & 0o007:
            raise ConfigurationError(
                f"{self.settings.lake_uri} can be read by every user of this machine, whatever policies say: run"
                f" `chmod o= {self.settings.lake_uri}`"
            )
        return f"{counted(len(tables), 'table')} with {counted(sum(partitions.values()), 'partition')}"

    # ---------------------------------------------------------------- keeping

    @cached_property
    def _stores(self) -> Stores:
        from pipelines.stores import build_stores

        own = self.settings.keys_dir / "pseudonym.keys"
        if self.settings.pseudonym_keys is None and not own.exists():
            raise _NotYetError("There are no keys yet: `knowledge ingest` makes them")
        return build_stores(self.settings)

    def bronze_keys(self) -> str:
        """Every master key that a data key is wrapped under is here."""
        vault = self._stores.vault
        vault.demand_masters()
        return (
            f"{vault.masters.current} is the newest of {counted(len(vault.masters.keys), 'key')}, from"
            f" {vault.masters.origin}"
        )

    def pseudonym_keys(self) -> str:
        """Every key that something kept was made under is here, and nothing waits to be redacted anew."""
        from assets.pseudonyms import uses

        ring = self._stores.pseudonyms
        with self._owner() as connection:
            used = uses(self._stores, connection)
        ring.demand(used.keys)
        if used.keys & ring.lost:
            raise _WarningError(
                f"What was made under the lost key {min(used.keys & ring.lost)} cannot be searched for a person:"
                " `knowledge release purge` takes it out of older releases"
            )
        behind = sum(documents for key, documents in used.documents.items() if key != ring.current)
        if behind or used.untold:
            raise _WarningError(
                f"{counted(behind, 'document')} have pseudonyms of an older key: run `knowledge ingest`"
                if behind
                else f"Older keys may be in use: {used.untold}"
            )
        return f"{ring.current} is the newest of {counted(len(ring.keys), 'key')}, from {ring.origin}"

    def erasures(self) -> str:
        from assets.erasure.journal import Journal

        pending = Journal(self.settings.home / "erasures").pending()
        if pending:
            first = pending[0]
            raise PermanentError(
                f"{counted(len(pending), 'erasure')} interrupted, the first ({first.number}, asked for by {first.by})"
                f" begun at {first.begun_at[:16]}: run the same `knowledge erase --{first.kind}` again to end it"
            )
        return "none is interrupted"

    def audit_seals(self) -> str:
        from datetime import timedelta

        from pipelines.stores import utc_now

        with self._owner() as connection:
            row = connection.execute(
                "select coalesce((select max(day) from knowledge.seal where kind = 'day'),"
                " (select (min(at) at time zone 'UTC')::date - 1 from knowledge.audit))"
            ).fetchone()
        sealed: date | None = row[0] if row else None
        due = (utc_now() - timedelta(hours=1)).date() - timedelta(days=1)  # a day is sealed an hour after it is over
        if sealed is None:
            return "nothing was asked yet"
        if sealed < due:
            days = (due - sealed).days
            raise _WarningError(
                f"{counted(days, 'day')} of the audit log not sealed, up to {due}: run `knowledge audit seal`, or let"
                " the schedule nightly_audit run"
            )
        return f"every day is sealed that is over, the last is {sealed}"

    def standby(self) -> str:
        """The snapshots are those of the release that is served, and young enough to answer."""
        from datetime import timedelta

        from pipelines.stores import utc_now
        from retrieval.outbox import Outbox
        from retrieval.snapshot import SUFFIX, read_header

        folder, outbox = self.settings.standby, Outbox(self.settings.outbox)
        if folder is None:
            return "off: KNOWLEDGE_STANDBY names no folder"
        if outbox.refused.exists():
            raise _WarningError(
                f"The audit log could not take rows of answers that the standby gave: see {outbox.refused}, keep what"
                " you need and remove it"
            )
        if outbox.waiting:
            raise _WarningError(
                f"{outbox.path} holds audit rows of answers that the standby gave: the next search that the database"
                " answers delivers them"
            )
        release = self._current()[0]
        files = sorted(folder.glob(f"*{SUFFIX}"))
        if not files:
            raise _WarningError(f"{folder} holds no snapshot: run `knowledge ingest`, or `knowledge release promote`")
        for path in files:
            header = read_header(path)
            if header.release != release:
                raise _WarningError(
                    f"{path.name} is of release {header.release}, served is {release}: run `knowledge ingest`, or"
                    f" `knowledge release promote {release}`"
                )
            if utc_now() - header.written > timedelta(hours=self.settings.standby_max_age_h):
                raise _WarningError(
                    f"{path.name} is of {header.written:%Y-%m-%d %H:%M} and too old to answer: let the nightly run"
                    " write it anew"
                )
        return f"{counted(len(files), 'snapshot')} of release {release}"

    def dagster(self) -> str:
        from pipelines.instance import open_instance

        if not (self.settings.home / "dagster").exists():
            raise _NotYetError("The Dagster instance is not set up yet: `knowledge ingest` or `knowledge dev` does it")
        try:
            with open_instance(self.settings) as instance:
                runs = instance.get_runs_count()
        except KnowledgeError:
            raise
        except Exception as error:
            raise PermanentError(
                f"The Dagster instance in {self.settings.home / 'dagster'} does not load ({type(error).__name__}):"
                " check its dagster.yaml, or move the folder away to begin a new history"
            ) from error
        return f"instance with {counted(runs, 'run')}"


ROLE_FACTS = """
    select bool_or(r.rolsuper or r.rolbypassrls),
           exists (select 1 from pg_class c where c.relowner = min(r.oid::int8)::oid),
           (select count(*) from pg_class c join pg_namespace n on n.oid = c.relnamespace
            where c.relkind in ('r', 'p') and n.nspname !~ '^(pg_|information_schema)'
              and has_table_privilege(%(reader)s, c.oid, 'select'))
    from pg_roles r where r.rolname = %(reader)s
"""
OPEN_TABLES = """
    select c.oid::regclass from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where c.relkind in ('r', 'p', 'm', 'v', 'f') and n.nspname !~ '^(pg_|information_schema)'
      and has_table_privilege(%(reader)s, c.oid, 'select')
      and not (c.relrowsecurity and c.relforcerowsecurity)
      and not exists (select from pg_depend d where d.objid = c.oid and d.deptype = 'e')
    order by 1
"""
