"""Settings as the command line gives them, and the home that remembers its inbox."""

from __future__ import annotations

import json
import os
import tempfile
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from retrieval.errors import ConfigurationError
from retrieval.settings import PREFIX, SETTINGS_FILE, Settings

if TYPE_CHECKING:
    from pipelines.settings import PipelineSettings

HOME_VARIABLE = f"{PREFIX}HOME"
INBOX_VARIABLE = f"{PREFIX}INBOX"


def pipeline_settings(home: Path | None, inbox: Path | None = None) -> PipelineSettings:
    """All settings, with what the command line says in their place.

    Raises:
        ConfigurationError: a setting is wrong.
    """
    from pipelines.settings import PipelineSettings

    return PipelineSettings.load(home=home, inbox=inbox)


def existing_home(home: Path | None, inbox: Path | None = None) -> PipelineSettings:
    """All settings, for commands that have nothing to do where nothing was ever ingested.

    Raises:
        ConfigurationError: a setting is wrong, or the home is empty.
    """
    settings = pipeline_settings(home, inbox)
    require_home(settings)
    return settings


def require_home(settings: Settings) -> None:
    """Refuse a home in which nothing was ever ingested, before a database and a model are made in it.

    Raises:
        ConfigurationError: it holds no database, and no setting names another one or a standby.
    """
    from retrieval.server import EmbeddedServer

    elsewhere = settings.dsn or settings.standby or getattr(settings, "owner_dsn", None)
    if not elsewhere and not EmbeddedServer(settings.home).data.exists():
        raise ConfigurationError(
            f"There is nothing in {settings.home} yet: run `knowledge ingest` first, or name the right home with"
            f" --home or {HOME_VARIABLE}"
        )


@contextmanager
def exported(settings: PipelineSettings) -> Iterator[None]:
    """Home and inbox in the environment, where Dagster's definitions and child processes look for them."""
    before = {name: os.environ.get(name) for name in (HOME_VARIABLE, INBOX_VARIABLE)}
    os.environ.update(environment(settings))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def environment(settings: PipelineSettings) -> dict[str, str]:
    """The variables that make another process use the same home and inbox."""
    return {HOME_VARIABLE: str(settings.home), INBOX_VARIABLE: str(settings.inbox)}


def record_inbox(settings: PipelineSettings) -> bool:
    """Note the inbox in the home's settings, so that later commands find it.

    Nothing that stands there is changed, and nothing is written where an inbox is recorded.

    Returns:
        Whether it was written.

    Raises:
        ConfigurationError: the file cannot be written.
    """
    file = Path(os.path.realpath(settings.home / SETTINGS_FILE))
    try:
        text = file.read_text(encoding="utf-8") if file.exists() else ""
        if "inbox" in tomllib.loads(text):
            return False
        # in front of everything: behind a table's header it would be that table's
        text = f"inbox = {_toml_text(str(settings.inbox))}\n{text}"
        if tomllib.loads(text)["inbox"] != str(settings.inbox):
            return False
        _replace(file, text)
    except UnicodeEncodeError:
        return False  # a name that is no text: TOML cannot hold it
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not valid TOML"
        raise ConfigurationError(f"{file} cannot be written ({reason}): check it, or set {INBOX_VARIABLE}") from None
    return True


def _toml_text(text: str) -> str:
    """A basic string of TOML: JSON's, with the one control character escaped that JSON leaves as it is."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007F")


def _replace(file: Path, text: str) -> None:
    """Write a file in one step, with the permissions it had."""
    mode = file.stat().st_mode & 0o777 if file.exists() else 0o600
    descriptor, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(text)
        Path(name).chmod(mode)
        Path(name).replace(file)
    except BaseException:
        with suppress(FileNotFoundError):
            Path(name).unlink()
        raise
