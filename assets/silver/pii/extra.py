"""What looks for personal data beside the recognizers of this package: named by settings, off by default.

Each part says what it is in a version string, which becomes part of the redactor's: another model redacts anew.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from assets.silver.pii.span import Recognizer

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
    """What the settings add.

    Attributes:
        recognizers: run beside ours; they find everything but names.
        names: by language, in place of the packaged models; rules and lists go on looking beside them.
    """

    recognizers: Sequence[Recognizer] = ()
    names: Mapping[str, NameModel] = field(default_factory=dict)
    version: str = ""


NONE = Extra()


def load_extra(*, presidio: bool, names_de: str | None, names_en: str | None) -> Extra:
    """What these settings ask for. Models are found, and read when they are first used.

    Args:
        names_de, names_en: `spacy:` or `transformers:` and a name or directory.

    Raises:
        ModelError: something that was asked for is not there. Nothing is ever taken in its place.
        ConfigurationError: a setting cannot be read.
    """
    versions: list[str] = []
    recognizers: list[Recognizer] = []
    if presidio:
        from assets.silver.pii.presidio import Presidio

        found = Presidio()
        versions.append(found.version)
        recognizers.append(found)
    names: dict[str, NameModel] = {}
    for language, model in (("de", names_de), ("en", names_en)):
        if model is not None:
            from assets.silver.pii.name_models import name_model

            names[language] = name_model(model, f"KNOWLEDGE_NAMES_{language.upper()}")
            versions.append(f"{language}={names[language].version}")
    return Extra(tuple(recognizers), names, " ".join(versions))
