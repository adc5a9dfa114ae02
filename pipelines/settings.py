"""All settings of the pipeline, on top of the library's: environment, then `settings.toml` in the home."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Self

from pydantic import Field, SecretStr, field_validator

from assets.silver.limits import Limits
from retrieval.errors import ConfigurationError
from retrieval.settings import PREFIX, Settings


def _is_seen_in(inbox: Path, folder: Path) -> bool:
    """Whether a look at the inbox would come by a folder; hidden ones are passed over."""
    inner, outer = os.path.realpath(folder.expanduser()), os.path.realpath(inbox)
    if os.path.commonpath([inner, outer]) != outer:
        return False
    return not any(part.startswith(".") for part in Path(inner).relative_to(outer).parts)


class PipelineSettings(Settings):
    """What ingestion needs to know."""

    inbox: Path = Field(Path("inbox"), description="The watched folder, with blog/, podcast/ and document/.")
    lake: str | None = Field(None, description="Folder or URI of the lake; unset: `lake` in the home.")
    owner_dsn: SecretStr | None = Field(
        None, description="Postgres to publish to, as the schema's owner; unset: KNOWLEDGE_DSN or the embedded one."
    )
    bronze_keys: SecretStr | None = Field(
        None, description="Master keys of bronze, base64, newest last; unset: the file `keys/bronze.keys` of the home."
    )
    pseudonym_keys: SecretStr | None = Field(
        None, description="Keys of pseudonyms, base64, newest last; unset: `keys/pseudonym.keys` of the home."
    )
    presidio: bool = Field(True, description="Run Presidio's recognizers beside ours.")
    recognizers: Path | None = Field(
        None, description="File of more recognizers, in the format of Presidio's registry; unset: none."
    )
    names_de: str | None = Field(
        None,
        min_length=1,
        description="Model of German names, `spacy:` or `transformers:` with name or folder; unset: the packaged one.",
    )
    names_en: str | None = Field(None, min_length=1, description="The same of English names.")
    settle_s: float = Field(
        2.0, ge=0, le=3600, description="Seconds a file must lie unchanged, and again until it is taken in."
    )
    sensor_interval_s: int = Field(5, ge=1, description="Seconds between two looks at the inbox.")
    retry_pause_s: float = Field(30.0, ge=0, description="Pause after a first failed run; doubles with each one.")
    retry_limit: int = Field(5, ge=1, description="Failed runs after which the sensor gives a group up.")
    file_max_bytes: int = Field(100_000_000, ge=1, description="Largest file that is read, in bytes.")
    unpacked_max_bytes: int = Field(300_000_000, ge=1, description="Most bytes that are unpacked from one file.")
    unpacked_max_ratio: float = Field(200.0, ge=1, description="Most bytes unpacked from one packed.")
    entries_max: int = Field(10_000, ge=1, description="Most members, message parts, feed entries.")
    pages_max: int = Field(5_000, ge=1, description="Most pages, slides or sheets of a file.")
    cues_max: int = Field(200_000, ge=1, description="Most cues of a transcript.")
    cells_max: int = Field(1_000_000, ge=1, description="Most filled cells of a workbook.")
    nesting_max: int = Field(200, ge=1, description="Deepest nesting of elements, archives or messages in a file.")
    read_seconds: float = Field(60.0, ge=0.1, description="Longest computing of a reader over one file, in seconds.")
    read_memory_bytes: int = Field(
        1_000_000_000, ge=300_000_000, description="Memory for reading one file alone, or several at once, in bytes."
    )
    readers: int | None = Field(
        None, ge=1, le=64, description="Processes that read files at once; unset: one for each core, at most four."
    )
    ocr: bool = Field(False, description="Recognise the text of scans with tesseract, where it is installed.")
    removal_share: float = Field(
        0.2, ge=0, le=1, description="Share of a source's files that may vanish at once; more are held."
    )
    retention_bronze_days: int = Field(
        0, ge=0, description="Days that bytes of a file are kept once nothing needs them; never longer than its text."
    )
    retention_text_days: int = Field(
        0, ge=0, description="Days that texts and passages of a version are kept once nothing needs them."
    )
    retention_quarantine_days: int = Field(
        30, ge=0, description="Days that a refusal is kept once its file is gone or changed."
    )
    retention_history_days: int = Field(7, ge=1, description="Days that older versions of the lake's tables are kept.")
    runs_keep_days: int = Field(180, ge=1, description="Days that ended runs are kept in Dagster's storage.")
    due_ahead_days: int = Field(
        14, ge=0, description="Days before its refresh or expiry from which a file is due to be looked at."
    )
    audit_keep_days: int = Field(
        400, ge=1, description="Days that rows of the audit log are kept; whole months are dropped."
    )
    keep_releases: int = Field(5, ge=1, description="Releases kept behind the active one, to roll back to.")

    golden: Path | None = Field(
        None, description="Questions whose answers are known (TOML); unset: questions.toml beside the inbox, if any."
    )

    @field_validator("inbox")
    @classmethod
    def _absolute_inbox(cls, value: Path) -> Path:
        return value.expanduser().absolute()

    @field_validator("recognizers")
    @classmethod
    def _absolute_recognizers(cls, value: Path | None) -> Path | None:
        return None if value is None else value.expanduser().absolute()

    @classmethod
    def load(cls, **arguments: Any) -> Self:
        """Read and check all settings, as `Settings.load` does.

        Raises:
            ConfigurationError: also where data of the pipeline would be taken for content of the inbox.
        """
        settings = super().load(**arguments)
        lake = Path(settings.lake) if settings.lake and "://" not in settings.lake else None
        for name, folder in (("home", settings.home), ("lake", lake), ("standby", settings.standby)):
            if folder is not None and _is_seen_in(settings.inbox, folder):
                raise ConfigurationError(
                    f"{folder} ({PREFIX}{name.upper()}) lies in the inbox {settings.inbox}, where it would be taken for"
                    f" content: set {PREFIX}{name.upper()} or {PREFIX}INBOX to another folder"
                )
        return settings

    @property
    def limits(self) -> Limits:
        """What one file may ask of a reader."""
        return Limits(
            file_bytes=self.file_max_bytes,
            unpacked_bytes=self.unpacked_max_bytes,
            unpacked_ratio=self.unpacked_max_ratio,
            entries=self.entries_max,
            pages=self.pages_max,
            cues=self.cues_max,
            cells=self.cells_max,
            nesting=self.nesting_max,
            seconds=self.read_seconds,
            memory_bytes=self.read_memory_bytes,
            ocr=self.ocr,
        )

    @property
    def lake_uri(self) -> str:
        """Where the lake is."""
        return self.lake or str(self.home / "lake")
