"""spaCy and nothing else that is installed.

Its arithmetic imports torch wherever there is one, and each pipeline imports every package that offers parts for
pipelines, used or not (Presidio does): 350 MB and four seconds of CPU for a recognizer of names that needs neither.
"""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from assets.imports import hidden

if TYPE_CHECKING:
    from spacy.language import Language

_UNUSED = ("cupy", "torch")


def load_alone(folder: Path, exclude: Sequence[str]) -> Language:
    """The pipeline in a folder, of spaCy's own parts and on numpy alone.

    Where spaCy has been imported before, it keeps what it has: one that needs torch must be imported before this is
    called (`name_models` does).
    """
    with hidden(*_UNUSED):
        spacy = importlib.import_module("spacy")
        with _own_parts(importlib.import_module("spacy.util").registry):
            language: Language = spacy.load(folder, exclude=list(exclude))
    return language


@contextlib.contextmanager
def _own_parts(registry: object) -> Iterator[None]:
    """Parts that other packages offer are not looked for; a spaCy that keeps them elsewhere looks for them."""
    offered = getattr(registry, "_entry_point_factories", None)
    if getattr(offered, "entry_points", None) is not True:
        yield
        return
    offered.entry_points = False  # type: ignore[union-attr]
    try:
        yield
    finally:
        offered.entry_points = True  # type: ignore[union-attr]
