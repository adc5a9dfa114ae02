"""Golden questions: what the avatar is surely asked, kept beside the inbox and asked of each release."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

from retrieval.errors import ConfigurationError

FILE = "questions.toml"
MOST = 500
"""Questions that are read: more would make publishing slow and tell nothing new."""


@dataclass(frozen=True, slots=True)
class GoldenQuestion:
    """A question and whose knowledge answers it."""

    text: str
    tenant: str


def read_golden(file: Path | None, inbox: Path) -> list[GoldenQuestion]:
    """The golden questions, in the order of the file.

    Args:
        file: TOML with `[[question]]` tables that have `text` and `tenant`; None: `questions.toml` beside the inbox,
            where there is one.

    Raises:
        ConfigurationError: the file that was named is missing, or cannot be understood.
    """
    path = file or inbox.parent / FILE
    if file is None and not path.is_file():
        return []
    try:
        entries = tomllib.loads(path.read_text(encoding="utf-8")).get("question", [])
        return [GoldenQuestion(str(entry["text"]), str(entry["tenant"])) for entry in entries][:MOST]
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, KeyError, TypeError) as error:
        raise ConfigurationError(
            f"The golden questions in {path} cannot be read ({type(error).__name__}): each [[question]] needs text and"
            " tenant; correct the file, or KNOWLEDGE_GOLDEN"
        ) from error
