"""spaCy and nothing else that is installed.

Its arithmetic imports torch wherever there is one, and each pipeline imports every package that offers parts for
pipelines, used or not (Presidio does): 350 MB and four seconds of CPU for a recognizer of names that needs neither.
"""

from __future__ import annotations

import contextlib
import importlib
import sys
import threading
from collections.abc import Iterator, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from spacy.language import Language

_UNUSED = frozenset(("cupy", "torch"))


def load_alone(folder: Path, exclude: Sequence[str]) -> Language:
    """The pipeline in a folder, of spaCy's own parts and on numpy alone.

    Where spaCy has been imported before, it keeps what it has: one that needs torch must be imported before this is
    called (`name_models` does).
    """
    with _hidden(_UNUSED):
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


@contextlib.contextmanager
def _hidden(names: frozenset[str]) -> Iterator[None]:
    """For this thread, modules of these names look as if they were not installed, unless they have been imported."""
    finder = _NotInstalled(names, threading.get_ident())
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


class _NotInstalled(MetaPathFinder):
    def __init__(self, names: frozenset[str], thread: int) -> None:
        self._names = names
        self._thread = thread

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name in self._names and threading.get_ident() == self._thread:
            raise ModuleNotFoundError(f"{name} is not used here", name=name)
        return None
