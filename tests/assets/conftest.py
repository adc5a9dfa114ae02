"""What tests over all layers share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.assets.mill import Mill, copies
from tests.support import Databases, Index


@pytest.fixture
def make(
    baseline: tuple[Mill, str], databases: Databases, tmp_path: Path
) -> Iterator[Callable[[], tuple[Mill, Index]]]:
    """Makes copies of the module's baseline, each with a database of its own."""
    with copies(*baseline, databases, tmp_path) as copy:
        yield copy
