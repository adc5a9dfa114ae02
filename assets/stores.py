"""What the assets work with: inbox, lake, database, model, keys and clock, opened when first used."""

from __future__ import annotations

import contextlib
import functools
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg

from assets.lake import Lake, Partition
from assets.ledger import Ledger, Versions
from assets.retention.times import Retention
from assets.silver.limits import DEFAULT_LIMITS, Limits
from retrieval.audit import load_key
from retrieval.database import Database
from retrieval.errors import KnowledgeError
from retrieval.settings import Settings

if TYPE_CHECKING:
    from assets.bronze.vault import Vault
    from assets.silver.pii.extra import Extra
    from assets.silver.pii.keys import PseudonymKeys
    from assets.silver.sandbox import Sandbox
    from retrieval.embedding import Encoder

Progress = Callable[[str, int, int], None]
"""Called with the name of a step, how much of it is done, and how much there is."""


def no_progress(step: str, done: int, total: int) -> None:
    """Tells nobody."""


@functools.lru_cache(maxsize=1)
def _load_encoder(models_dir: Path, model: str | None) -> Encoder:
    """The encoder of a folder of models, kept for the next ingestion of this process: it holds half a gigabyte."""
    from retrieval.embedding import load_encoder

    return load_encoder(models_dir, model)


@dataclass
class Stores:
    """Everything outside the code that a run touches.

    Attributes:
        settings: the library's settings: home, database, model.
        owner_dsn: database to write to; None: as the settings say.
        clock: the time now, with a time zone.
        limits: what one file may ask of a reader.
        readers: most processes that read files at the same time; None: one for each core, at most four.
        removal_share: share of a source's files (0 to 1) that may vanish at once.
        keep_releases: releases kept behind the active one.
        retention: days for which what nobody needs is kept in the lake.
        runs_keep_days: days for which runs are kept in Dagster's storage.
        due_ahead_days: days before its refresh or expiry from which knowledge is due to be looked at.
        audit_keep_days: days that rows of the audit log are kept.
        bronze_keys: master keys of bronze; None: the key file of the home.
        pseudonym_keys: keys of pseudonyms; None: the key file of the home.
        presidio: whether Presidio's recognizers run beside ours.
        recognizers: file of more of them.
        names_de, names_en: models of names in place of the packaged ones.
        golden: file of golden questions; None: `questions.toml` beside the inbox.
        progress: told about long steps.
        sound: (check, table, partition, commit) that passed in this process.
    """

    settings: Settings
    inbox: Path
    lake: Lake
    clock: Callable[[], datetime]
    owner_dsn: str | None = None
    limits: Limits = DEFAULT_LIMITS
    readers: int | None = None
    removal_share: float = 0.2
    keep_releases: int = 5
    retention: Retention = field(default_factory=Retention)
    runs_keep_days: int = 180
    due_ahead_days: int = 14
    audit_keep_days: int = 400
    bronze_keys: str | None = field(default=None, repr=False)
    pseudonym_keys: str | None = field(default=None, repr=False)
    presidio: bool = True
    recognizers: Path | None = None
    names_de: str | None = None
    names_en: str | None = None
    golden: Path | None = None
    progress: Progress = no_progress
    sound: set[tuple[str, str, Partition, int]] = field(default_factory=set)
    _guard: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _encoder: Encoder | None = field(default=None, repr=False)

    @property
    def today(self) -> str:
        """The day (UTC) that files taken in now belong to."""
        return self.clock().strftime("%Y-%m-%d")

    @property
    def encoder(self) -> Encoder:
        """The embedding model, one for all threads; its weights are read at the first text."""
        with self._guard:
            if self._encoder is None:
                self._encoder = _load_encoder(self.settings.models_dir.resolve(), self.settings.model)
            return self._encoder

    @functools.cached_property
    def pseudonyms(self) -> PseudonymKeys:
        """Keys of the pseudonyms that stand for personal data."""
        from assets.silver.pii.keys import PseudonymKeys

        return PseudonymKeys.load(self.pseudonym_keys, self.settings.keys_dir / "pseudonym.keys")

    @functools.cached_property
    def extra(self) -> Extra:
        """What looks for personal data beside our recognizers."""
        from assets.silver.pii.extra import load_extra

        return load_extra(
            presidio=self.presidio, recognizers=self.recognizers, names_de=self.names_de, names_en=self.names_en
        )

    @functools.cached_property
    def vault(self) -> Vault:
        """What seals and opens the bytes of bronze."""
        from assets.bronze.masterkeys import MasterKeys
        from assets.bronze.vault import Vault

        return Vault(self.lake, MasterKeys.load(self.bronze_keys, self.settings.keys_dir / "bronze.keys"))

    @functools.cached_property
    def seal_key(self) -> bytes:
        """Key of the audit log's seals; it must not lie in the database they guard."""
        return load_key(self.settings.keys_dir / "seal.key")

    @functools.cached_property
    def sandbox(self) -> Sandbox:
        """The processes that read files."""
        from assets.silver.sandbox import Sandbox

        return Sandbox(self.limits, workers=self.readers)

    @functools.cached_property
    def standby_key(self) -> bytes:
        """Key of the standby's files."""
        return load_key(self.settings.keys_dir / "standby.key")

    @functools.cached_property
    def database(self) -> Database:
        """The database as its owner, set up and upgraded."""
        return Database.for_writing(self.settings, self.owner_dsn)

    def connect(self) -> psycopg.Connection[tuple[Any, ...]]:
        """A connection as the owner, in autocommit."""
        return self.database.connect(self.settings, autocommit=True)

    @functools.cached_property
    def versions(self) -> Versions:
        """Versions of readers, redactor, chunker and model that are current."""
        from assets.gold.chunk_size import chunk_size
        from assets.silver.pii.keys import stamped
        from assets.silver.readers.registry import READERS, REGISTRY
        from assets.silver.redact import REDACTOR
        from assets.silver.screening import SCREENER

        readers = frozenset(READERS) | {REGISTRY}
        return Versions(
            readers=readers | {f"{reader} {self.limits.version}" for reader in readers},
            redactor=stamped(f"{REDACTOR} {self.extra.version}".strip(), self.pseudonyms.current),
            screener=SCREENER,
            chunker=chunk_size(self.encoder.max_tokens).version,
            fingerprint=self.encoder.fingerprint.id,
        )

    def warm_up(self) -> None:
        """Load what reading and embedding need in the background, while the run still waits for other things."""

        def load() -> None:
            from assets.silver import language

            self.sandbox.warm_up()
            language.load()
            with contextlib.suppress(KnowledgeError):  # whoever needs the model meets the same error, and tells it
                self.encoder.load()

        threading.Thread(target=load, name="warm-up", daemon=True).start()

    def ledger(self) -> Ledger:
        """How far every file has come, read now."""
        return Ledger.read(self.lake, self.versions)
