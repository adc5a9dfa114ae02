"""Fixtures for all tests: the default embedding model, prepared at most once per machine, and databases."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from retrieval import server as embedded
from retrieval.embedding import Encoder, load_encoder
from retrieval.server import EmbeddedServer
from tests.support import Databases, Index

REPOSITORY = Path(__file__).resolve().parents[1]


LONGEST_ID = 60
"""Characters or bytes of a parameter that still tell in a test's name what it is about."""


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Files made for a test are no names: archives hold the time, and the workers would disagree about their tests."""
    if isinstance(val, str | bytes) and len(val) > LONGEST_ID:
        return argname
    return None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Which tests one worker takes together, and that the slow ones come first, so that none is left for the end.

    A file stays together for its fixtures, whoever needs the ingested samples is where they are, and a slow test that
    only needs an empty home can go anywhere.
    """
    for item in items:
        fixtures = set(getattr(item, "fixturenames", ()))
        group = str(item.path.relative_to(REPOSITORY).with_suffix(""))
        if "ingested" in fixtures:
            group = "ingested"
        elif item.get_closest_marker("slow") and fixtures & {"make_place", "fresh"}:
            group = f"{group}::{item.name}"
        item.add_marker(pytest.mark.xdist_group(group))
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(scope="session", autouse=True)
def no_power_cuts() -> Iterator[None]:
    """What is tested survives a killed server, not a power cut: those that this process starts wait for no disk."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(embedded, "CONFIGURATION", f"{embedded.CONFIGURATION}fsync = off\n")
        yield


@pytest.fixture(scope="session")
def models_dir() -> Path:
    """Folder of prepared models: KNOWLEDGE_TEST_MODELS, or one inside the repository that git ignores."""
    return Path(os.environ.get("KNOWLEDGE_TEST_MODELS") or REPOSITORY / ".tmp" / "models")


@pytest.fixture(scope="session")
def encoder(models_dir: Path) -> Encoder:
    """The default encoder. The first use on a machine prepares the model, which takes about 15 s."""
    return load_encoder(models_dir)


@pytest.fixture(scope="session")
def databases() -> Iterator[Databases]:
    """An embedded server for this run, in a folder whose path is short enough for its socket."""
    with tempfile.TemporaryDirectory(prefix="knowledge-") as folder:
        server = EmbeddedServer.attach(Path(folder) / "home")
        try:
            yield Databases(server, Path(folder) / "home")
        finally:
            server.release()


@pytest.fixture
def index(databases: Databases) -> Iterator[Index]:
    """An empty index, set up and without a release."""
    with databases.index() as index:
        yield index


@pytest.fixture(scope="module")
def shared_index(databases: Databases) -> Iterator[Index]:
    """An index for all tests of a module that change nothing of what the others see."""
    with databases.index() as index:
        yield index
