"""Settings of the library: one typed place, filled from `KNOWLEDGE_…` variables or `settings.toml` in the home.

The environment wins over the file, the file over the defaults. Everything is checked when the object is built.
"""

from __future__ import annotations

import difflib
import os
import re
from pathlib import Path
from typing import Any, Self

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from retrieval.errors import ConfigurationError

PREFIX = "KNOWLEDGE_"
SETTINGS_FILE = "settings.toml"
PIPELINE_NAMES = frozenset(
    {
        "audit_keep_days", "bronze_keys", "cells_max", "cues_max", "due_ahead_days", "entries_max", "file_max_bytes",
        "golden", "inbox", "keep_releases", "lake", "names_de", "names_en", "nesting_max", "ocr", "owner_dsn",
        "pages_max", "presidio", "pseudonym_keys", "read_memory_bytes", "read_seconds", "readers", "recognizers",
        "removal_share", "retention_bronze_days", "retention_history_days", "retention_quarantine_days",
        "retention_text_days", "retry_limit", "retry_pause_s", "runs_keep_days", "sensor_interval_s", "settle_s",
        "unpacked_max_bytes", "unpacked_max_ratio",
    }
)  # fmt: skip
"""Settings of the pipeline, which stand in the same file; where only questions are asked they are passed over."""


MISSPELT = 0.8
"""Likeness (of difflib, 0 to 1) from which an unknown variable is taken for a misspelt one: one letter in five."""


_WORDS = (
    (re.compile(r"^Value error, "), ""),
    (re.compile(r", unable to (?:parse|interpret) .*"), ""),
    (re.compile(r"\bInput should be\b"), "it must be"),
    (re.compile(r"\ba valid integer\b"), "a whole number"),
    (re.compile(r"\ba valid boolean\b"), "true or false"),
    (re.compile(r"\ba valid (number|string|list)\b"), r"a \1"),
)


def plain(problem: str) -> str:
    """What pydantic says is wrong with a value, in plain words."""
    for pattern, words in _WORDS:
        problem = pattern.sub(words, problem)
    return problem


class Settings(BaseSettings):
    """What a process that asks questions needs to know."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="forbid", frozen=True, env_ignore_empty=True)

    home: Path = Field(Path(".knowledge"), description="Data directory: database, models, lake, keys.")
    dsn: SecretStr | None = Field(
        None, description="Postgres to read from, as the runtime's role; unset: the embedded server of the home."
    )
    model: str | None = Field(
        None, description="sentence-transformers model, a hub name or a directory; unset: the packaged one."
    )
    reranker: str | None = Field(
        None, description="CrossEncoder that orders the best passages anew, a hub name or a directory; unset: none."
    )
    rerank_budget_ms: int = Field(
        300, ge=1, le=60_000, description="Milliseconds it may take; then the fused order stands."
    )
    rerank_depth: int = Field(20, ge=1, le=200, description="Passages it looks at.")
    pool_size: int = Field(8, ge=1, le=500, description="Most connections one retriever opens.")
    connect_timeout_s: int = Field(5, ge=2, le=120, description="Seconds to wait for the database to answer.")
    statement_timeout_ms: int = Field(5000, ge=50, description="Milliseconds one statement may take.")
    search_timeout_ms: int = Field(
        10_000, ge=100, description="Milliseconds one search may take, waiting for its turn included."
    )
    concurrency: int | None = Field(
        None, ge=1, description="Most searches of one retriever at once; unset: as many as connections."
    )
    queue_length: int = Field(100, ge=0, description="Most searches that wait for their turn; more are refused.")
    rate_per_minute: float | None = Field(
        None, gt=0, description="Searches that one principal may ask for in a minute, in the long run; unset: any."
    )
    rate_burst: int = Field(10, ge=1, description="Searches that one principal may ask for at once.")
    breaker_failures: int = Field(
        5, ge=1, description="Failures in a row after which the database is left alone for a while."
    )
    breaker_pause_s: float = Field(
        1.0, gt=0, le=30, description="Seconds until it is tried again; doubles with each try that fails."
    )
    standby: Path | None = Field(
        None, description="Folder of encrypted snapshots that answer while the database is gone; unset: none."
    )
    standby_max_age_h: float = Field(48.0, gt=0, description="Hours after which a snapshot answers nothing any more.")
    jwt_issuer: str | None = Field(None, description="Issuer of tokens, exactly as in `iss`.")
    jwt_audience: str | None = Field(None, description="Audience of tokens, exactly as in `aud`.")
    jwt_key_file: Path | None = Field(None, description="Public keys of the issuer, PEM or JWKS.")
    jwt_secret: SecretStr | None = Field(None, description="Shared secret instead of a key, at least 32 bytes.")
    jwt_algorithms: list[str] | None = Field(
        None, description="Signature algorithms that are allowed, as a JSON list; unset: RS256, or HS256 for a secret."
    )
    jwt_leeway_s: float = Field(0.0, ge=0, le=300, description="Seconds by which the issuer's clock may differ.")
    jwt_max_age_s: float | None = Field(None, gt=0, description="Longest time since a token was issued, in seconds.")
    jwt_user_claim: str = Field("sub", min_length=1, description="Claim of the user; a dot leads into a nested one.")
    jwt_tenant_claim: str = Field("tenant", min_length=1, description="Claim of the tenant.")
    jwt_roles_claim: str = Field("roles", min_length=1, description="Claim of the roles, a list.")
    jwt_clearance_claim: str = Field("clearance", description="Claim of the clearance; empty: everyone is public.")
    query_max_chars: int = Field(8000, ge=1, description="Longest query that is accepted, in characters.")
    query_cache_size: int = Field(
        1000, ge=0, le=1_000_000, description="Questions whose vectors one retriever remembers; 0: none."
    )
    result_cache_size: int = Field(
        0, ge=0, le=1_000_000, description="Answers that one retriever keeps for who sees exactly the same; 0: none."
    )
    result_cache_s: float = Field(60.0, gt=0, le=3600, description="Longest time an answer is kept, in seconds.")
    k_max: int = Field(200, ge=1, le=1000, description="Most passages one search may ask for.")

    @field_validator("home")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.expanduser().absolute()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments, then environment, then the home's file."""
        arguments = dict(init_settings())
        home = Path(arguments.get("home") or os.environ.get(f"{PREFIX}HOME") or ".knowledge").expanduser()
        return init_settings, env_settings, _HomeFile(settings_cls, home / SETTINGS_FILE)

    @classmethod
    def load(cls, **arguments: Any) -> Self:
        """Read and check all settings.

        Raises:
            ConfigurationError: a value is wrong, a name in the file is unknown or a variable misspelt; the sentence
                names the setting.
        """
        cls._check_environment()
        try:
            return cls(**{name: value for name, value in arguments.items() if value is not None})
        except ValidationError as error:
            first = error.errors()[0]
            name = ".".join(str(part) for part in first["loc"]) or "settings"
            if first["type"] == "extra_forbidden":
                raise ConfigurationError(f"Unknown setting {name!r}{cls._suggestion(name)}") from None
            raise ConfigurationError(
                f"Setting {name!r} ({PREFIX}{name.upper()}) is not valid: {plain(first['msg'])}"
            ) from None
        except (OSError, ValueError) as error:
            raise ConfigurationError(f"{SETTINGS_FILE} in the home directory cannot be read: {error}") from None

    @classmethod
    def _check_environment(cls) -> None:
        """Refuse variables whose names are nearly those of settings; others may be somebody else's."""
        known = {*cls.model_fields, *PIPELINE_NAMES}
        for variable in sorted(os.environ):
            name = variable.removeprefix(PREFIX).lower()
            if not variable.startswith(PREFIX) or name in known:
                continue
            close = difflib.get_close_matches(name, known, n=1, cutoff=MISSPELT)
            if close:
                raise ConfigurationError(f"{variable} is not a setting: did you mean {PREFIX}{close[0].upper()}?")

    @classmethod
    def _suggestion(cls, name: str) -> str:
        close = difflib.get_close_matches(name, cls.model_fields, n=1)
        return f": did you mean {close[0]!r}?" if close else f"; known are {', '.join(sorted(cls.model_fields))}"

    @property
    def models_dir(self) -> Path:
        """Where prepared models lie."""
        return self.home / "models"

    @property
    def outbox(self) -> Path:
        """File of audit rows that could not be delivered yet."""
        return self.home / "audit" / "pending.jsonl"

    @property
    def keys_dir(self) -> Path:
        """Where keys of the embedded default lie."""
        return self.home / "keys"


class _HomeFile(TomlConfigSettingsSource):
    """The home's file without the settings that are the pipeline's alone."""

    def __call__(self) -> dict[str, Any]:
        others = PIPELINE_NAMES.difference(self.settings_cls.model_fields)
        return {name: value for name, value in super().__call__().items() if name not in others}
