"""What looks for personal data beside the recognizers of this package: Presidio's, and what settings name.

Each part says what it is in a version string, which becomes part of the redactor's: another model redacts anew.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from assets.silver.pii.span import Recognizer
from retrieval.errors import ConfigurationError

Range = tuple[int, int]


class NameModel(Protocol):
    """Finds names of people in texts of one language.

    Attributes:
        version: what it is, weights included.
    """

    @property
    def version(self) -> str:
        """See above."""
        ...

    def ranges(self, text: str) -> list[Range]:
        """Where people are named, in order and without overlap; titles may be part of it.

        Raises:
            ModelError: it cannot be loaded.
        """
        ...


@dataclass(frozen=True)
class Extra:
    """What runs beside ours.

    Attributes:
        recognizers: run beside ours; they find everything but names.
        names: by language, in place of the packaged models; rules and lists go on looking beside them.
    """

    recognizers: Sequence[Recognizer] = ()
    names: Mapping[str, NameModel] = field(default_factory=dict)
    version: str = ""


NONE = Extra()


def load_extra(
    *, presidio: bool = True, recognizers: Path | None = None, names_de: str | None = None, names_en: str | None = None
) -> Extra:
    """What these settings ask for. Models are found, and read when they are first used.

    Args:
        presidio: whether recognizers of Presidio run beside ours.
        recognizers: a file of more of them.
        names_de, names_en: `spacy:` or `transformers:` and a name or directory.

    Raises:
        ModelError: something that was asked for is not there. Nothing is ever taken in its place.
        ConfigurationError: a setting cannot be read, or contradicts another one.
    """
    versions: list[str] = []
    looking: list[Recognizer] = []
    if recognizers is not None and not presidio:
        raise ConfigurationError(
            "KNOWLEDGE_RECOGNIZERS is set and KNOWLEDGE_PRESIDIO is false: it is Presidio that runs them; unset one"
        )
    if presidio:
        from assets.silver.pii.presidio import Presidio

        found = Presidio(recognizers)
        versions.append(found.version)
        looking.append(found)
    names: dict[str, NameModel] = {}
    for language, model in (("de", names_de), ("en", names_en)):
        if model is not None:
            from assets.silver.pii.name_models import name_model

            names[language] = name_model(model, f"KNOWLEDGE_NAMES_{language.upper()}")
            versions.append(f"{language}={names[language].version}")
    return Extra(tuple(looking), names, " ".join(versions))
