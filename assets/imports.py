"""Imports that cost less than they would: of what is not used, nothing; of what may be used, nothing until it is."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import sys
import threading
from collections.abc import Iterator, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType


@contextlib.contextmanager
def hidden(*names: str) -> Iterator[None]:
    """For this thread, modules of these names look as if they were not installed, unless they have been imported.

    For packages that the one being imported says it can do without.
    """
    finder = _NotInstalled(frozenset(names), threading.get_ident())
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


def postpone(name: str) -> None:
    """Have a submodule loaded when something in it is first asked for, not when it is imported from its package.

    Nothing happens where it has been imported, or is not installed.
    """
    package, _, attribute = name.rpartition(".")
    if name in sys.modules:
        return
    spec = importlib.util.find_spec(name)
    if spec is None or spec.loader is None:
        return
    spec.loader = loader = importlib.util.LazyLoader(spec.loader)
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    setattr(importlib.import_module(package), attribute, module)


class _NotInstalled(MetaPathFinder):
    def __init__(self, names: frozenset[str], thread: int) -> None:
        self._names = names
        self._thread = thread

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name in self._names and threading.get_ident() == self._thread:
            raise ModuleNotFoundError(f"{name} is not used here", name=name)
        return None
