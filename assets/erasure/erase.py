"""Carries an erasure out: find, record the intent, remove step by step, prove, certify.

Each step looks at what is there and can be repeated, so an erasure that was interrupted anywhere ends in the same
state when it is asked for again. Nobody else works on lake and index meanwhile.
"""

from __future__ import annotations

import getpass
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from assets.bronze.files import nfc
from assets.erasure import index, tables
from assets.erasure.feedback import empty_comments, find_comments, rewrite_feedback
from assets.erasure.find import Findings, fill, find_document, find_subject
from assets.erasure.journal import Certificate, Check, Intent, Journal, Kind, new_intent
from assets.erasure.places import HomeFiles, Needles, Place
from assets.erasure.proof import prove
from assets.erasure.subject import LEAST_LETTERS, Subject, letters, tokens_of
from assets.index.standby import forget_documents, write_standby
from assets.locks import exclusive_lock
from assets.pseudonyms import uses
from assets.stores import Stores
from retrieval.errors import InvalidRequestError, PermanentError
from retrieval.server import SUPERUSER

LIST = "erasures"
"""The list whose key the targets and seals of certificates are hashed with."""


class UnprovenError(PermanentError):
    """Something was found after the erasure; it stays recorded as under way."""


@dataclass(frozen=True)
class Target:
    """What is asked for: the path of a document, or a text that names a subject; exactly one of the two."""

    document: str | None = None
    subject: str | None = None

    def __post_init__(self) -> None:
        if (self.document is None) == (self.subject is None):
            raise InvalidRequestError("Name either a document (--document) or a subject (--subject)")
        if self.subject is not None and letters(self.subject) < LEAST_LETTERS:
            raise InvalidRequestError(
                f"A subject needs at least {LEAST_LETTERS} letters or digits: fewer stand everywhere"
            )


@dataclass(frozen=True)
class Item:
    """A version of a file that goes, or would go."""

    path: str
    version: int
    event: int
    received_on: str


@dataclass(frozen=True)
class Erased:
    """What an erasure did, or would do.

    Attributes:
        items: versions that go; after an interruption only those that were still there.
        passages: ids of passages that go.
        comments: comments of feedback that are emptied.
        resumed: an interrupted erasure was ended.
        unsearched: files whose bytes no reader can read, so that nobody knows whom they name.
        certificate, file: the proof and where it lies; None for a dry run and where nothing was found.
    """

    items: tuple[Item, ...]
    passages: int
    resumed: bool
    unsearched: tuple[str, ...]
    comments: int = 0
    certificate: Certificate | None = None
    file: Path | None = None


def concerned(intent: Intent) -> set[str]:
    """Ids of documents of which something goes."""
    return intent.documents | {id_ for id_, _ in intent.versions}


@dataclass
class Erasure:
    """An erasure about to be carried out.

    Args:
        places: what to search beside lake, index and the home's caches.
        by: who asks for it; None: the user of the operating system.
        on_step: told the name of each step before it begins.
        progress: told about long steps.
    """

    stores: Stores
    target: Target
    places: Sequence[Place] = ()
    by: str | None = None
    on_step: Callable[[str], None] = lambda name: None
    _notes: list[str] = field(default_factory=list)

    def look(self) -> Erased:
        """What would go; nothing is changed but the key of the list, which is made on first use."""
        with exclusive_lock(self.stores.connect):
            intent, _, findings = self._found(self._pending())
            return self._outcome(intent, findings, resumed=bool(intent.attempts))

    def run(self) -> Erased:
        """Erase.

        Raises:
            BusyError: a run is under way and goes on for longer than was waited.
            UnprovenError: the proof found something.
        """
        with exclusive_lock(self.stores.connect):
            self.on_step("look")
            pending = self._pending()
            intent, subject, findings = self._found(pending)
            outcome = self._outcome(intent, findings, resumed=pending is not None)
            if not (intent.rows or intent.documents or intent.chunks or intent.versions or intent.feedback):
                return outcome
            intent.attempts += 1
            journal = self._journal()
            journal.save(intent)
            needles = Needles.of(intent, subject)
            for name, step in self._steps(intent, subject, needles):
                self.on_step(name)
                step()
                journal.save(intent)
            self.on_step("prove")
            places = [*self.places, HomeFiles(self.stores.settings.home)]
            checks = prove(self.stores, intent, subject, needles, places)
            left = [check for check in checks if check.found]
            if left:
                raise UnprovenError(
                    f"The erasure {intent.number} is not complete: something is left in"
                    f" {', '.join(f'{check.name} ({check.found})' for check in left)}; run the same command again, and"
                    " look there if it fails again"
                )
            self.on_step("certify")
            certificate = self._certified(intent, findings, checks)
            return replace(outcome, certificate=certificate, file=journal.finish(certificate))

    def _steps(self, intent: Intent, subject: Subject | None, needles: Needles) -> list[tuple[str, Callable[[], None]]]:
        stores = self.stores

        def rows() -> None:
            with stores.connect() as connection:
                index.erase_rows(connection, intent)

        def comments() -> None:
            if subject is not None:
                with stores.connect() as connection:
                    count = empty_comments(connection, subject, stores.seal_key, now=stores.clock())
                    intent.count("comments of feedback", count)

        def files() -> None:
            with stores.connect() as connection:
                rewrite_feedback(connection, intent.feedback)
                if not index.rewrite_tables(connection, intent):
                    self._notes.append(
                        "The planner's statistics keep samples of old rows until autovacuum: the login may not rewrite"
                        " them."
                    )
            server = stores.database.server
            if server is not None:
                index.clear_log(server.dsn(SUPERUSER, "postgres"))

        def standby() -> None:
            folder = stores.settings.standby
            if folder is not None and folder.is_dir():
                gone = forget_documents(folder, stores.standby_key, concerned(intent))
                intent.count("snapshots of the standby", len(gone))
                with stores.connect() as connection:
                    write_standby(connection, folder, stores.standby_key, now=stores.clock())

        def beside() -> None:
            for place in (*self.places, HomeFiles(stores.settings.home)):
                intent.count(place.name, place.erase(needles))

        return [
            ("list", lambda: tables.list_bytes(stores, intent)),
            ("bronze", lambda: tables.rewrite_bronze(stores, intent)),
            ("keys", lambda: tables.destroy_keys(stores, intent)),
            ("silver", lambda: tables.rewrite_silver(stores, intent)),
            ("gold", lambda: tables.rewrite_gold(stores, intent)),
            ("history", lambda: tables.forget_history(stores, intent)),
            ("index", rows),
            ("feedback", comments),
            ("database", files),
            ("standby", standby),
            ("places", beside),
        ]

    def _found(self, pending: Intent | None) -> tuple[Intent, Subject | None, Findings]:
        stores, now = self.stores, self.stores.clock()
        if self.target.document is not None:
            subject, findings = None, find_document(stores, self.target.document)
        else:
            assert self.target.subject is not None
            subject = Subject(self.target.subject, tokens_of(self.target.subject, self._keys(), stores.extra))
            findings = find_subject(stores, subject, lambda done, total: stores.progress("reading", done, total))
        kind: Kind = "document" if subject is None else "subject"
        fresh = new_intent(kind, self._hashed(), by=self.by or getpass.getuser(), now=now)
        if pending is not None:
            fresh.rows |= pending.rows
            fresh.paths |= pending.paths
        elif self.target.document is not None:
            fresh.paths.add(nfc(self.target.document))
        fill(stores, fresh, findings, subject)
        if subject is not None:
            with stores.connect() as connection:
                found = find_comments(connection, subject)
            findings.comments = len(found)
            fresh.feedback |= {partition for partition, _ in found}
        if pending is None:
            return fresh, subject, findings
        pending.merge(fresh)
        return pending, subject, findings

    def _keys(self) -> list[bytes]:
        """Keys of the pseudonyms of every tenant: the newest, and every older one that still is.

        Raises:
            ConfigurationError: something kept was made under a key that is missing, so nobody could be found there.
        """
        pseudonyms = self.stores.pseudonyms
        with self.stores.connect() as connection:
            pseudonyms.demand(uses(self.stores, connection).keys)
            names = {row[0] for row in connection.execute("select name from knowledge.tenant")}
        from assets.bronze.contract import SOURCE_FILES

        names |= set(self.stores.lake.read(SOURCE_FILES, ["tenant"])["tenant"].to_pylist()) - {None}
        return [pseudonyms.of_tenant(name, key) for key in pseudonyms.keys for name in sorted(names)]

    def _hashed(self) -> str:
        stores = self.stores
        stores.vault.make_list_key(LIST, place=(stores.today, "document"), now=stores.clock())
        wanted = f"document\0{nfc(self.target.document)}" if self.target.document else f"subject\0{self.target.subject}"
        return stores.vault.digester(LIST)(wanted.encode())

    def _journal(self) -> Journal:
        return Journal(self.stores.settings.home / "erasures")

    def _pending(self) -> Intent | None:
        target = self._hashed()
        return next((intent for intent in self._journal().pending() if intent.target == target), None)

    def _outcome(self, intent: Intent, findings: Findings, *, resumed: bool) -> Erased:
        items = {
            Item(row["path"], row["version"], row["event"], row["date"])
            for row in findings.rows.values()
            if row["kind"] == "content"
        }
        ordered = tuple(sorted(items, key=lambda item: (item.path, item.event)))
        unsearched = tuple(sorted(findings.unsearched))
        return Erased(ordered, len(intent.chunks), resumed, unsearched, findings.comments)

    def _certified(self, intent: Intent, findings: Findings, checks: Sequence[Check]) -> Certificate:
        certificate = Certificate(
            number=intent.number,
            kind=intent.kind,
            target=intent.target,
            by=intent.by,
            begun_at=intent.begun_at,
            finished_at=self.stores.clock().isoformat(),
            attempts=intent.attempts,
            removed=dict(sorted(intent.removed.items())),
            checks=tuple(checks),
            remains=tuple(self._remains(findings)),
        )
        return replace(certificate, seal=self.stores.vault.digester(LIST)(certificate.body()))

    def _remains(self, findings: Findings) -> list[str]:
        stores = self.stores
        said = [
            "Backups, snapshots of file systems and disks' freed blocks are not reached.",
            "Files of the inbox are not touched; what was erased of them is refused when they are looked at.",
            "The audit log keeps ids of passages that answers were made of; they tell nothing of their text.",
            *self._notes,
        ]
        if stores.database.server is None:
            said.append("Write-ahead log, archives and replicas of the database server end with its own retention.")
        if "://" in stores.lake.uri:
            said.append("Older versions of objects are the object store's: switch versioning off or let them expire.")
        with stores.connect() as connection:
            held = uses(stores, connection)
        for key in sorted(held.keys & stores.pseudonyms.lost):
            said.append(
                f"Pseudonyms of the lost key {key} could not be searched for: {held.documents.get(key, 0)} versions and"
                f" {held.releases.get(key, 0)} kept releases hold some."
            )
        if findings.unsearched:
            said.append(f"{len(findings.unsearched)} files cannot be read by any reader; nobody knows whom they name.")
        return said
