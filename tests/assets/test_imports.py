"""Packages that are hidden look as if they were not installed; modules that are postponed are loaded when used."""

import importlib
import sys
from pathlib import Path

import pytest

from assets.imports import hidden, postpone


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A package whose submodule says when it is loaded."""
    name = "package_of_a_test"
    folder = tmp_path / name
    folder.mkdir()
    (folder / "__init__.py").write_text("loaded = []\n")
    (folder / "part.py").write_text(f"import {name}\n{name}.loaded.append('part')\nvalue = 7\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    for module in (name, f"{name}.part"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    return name


def test_what_is_hidden_cannot_be_imported_until_it_is_no_more(package: str) -> None:
    with hidden(package), pytest.raises(ModuleNotFoundError):
        importlib.import_module(package)
    with hidden("another"):
        assert importlib.import_module(package).loaded == []


def test_what_is_postponed_is_loaded_when_something_in_it_is_used(package: str) -> None:
    postpone(f"{package}.part")
    namespace: dict[str, object] = {}
    exec(f"from {package} import loaded, part", namespace)
    assert namespace["loaded"] == []
    assert namespace["part"].value == 7  # type: ignore[attr-defined]
    assert namespace["loaded"] == ["part"]


def test_what_is_not_installed_cannot_be_postponed(package: str) -> None:
    postpone(f"{package}.nothing")
    with pytest.raises(ImportError):
        importlib.import_module(f"{package}.nothing")
