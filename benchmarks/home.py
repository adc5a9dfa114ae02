"""Homes that benchmarks work in."""

from __future__ import annotations

import os
from pathlib import Path


def new_home(home: Path) -> None:
    """Make a home that shares the prepared models, which are made once for a machine and belong to no figure.

    A home that is there already, for a benchmark that goes on in it, stays as it is.
    """
    shared = os.environ.get("KNOWLEDGE_TEST_MODELS")
    home.mkdir(parents=True, exist_ok=True)
    if shared and Path(shared).is_dir() and not (home / "models").exists():
        (home / "models").symlink_to(Path(shared).resolve())
