"""The library stays light: a process that answers questions loads none of what the pipeline needs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import retrieval

HEAVY = (
    "dagster", "deltalake", "pandas", "pyarrow", "great_expectations", "torch", "transformers", "sentence_transformers",
)  # fmt: skip
PROGRAM = f"""
import json, sys, time
began = time.process_time()
import retrieval
light = sorted(sys.modules)
retrieval.Retriever
seconds = time.process_time() - began
print(json.dumps([seconds, [name for name in {HEAVY!r} if name in sys.modules], "psycopg" in light]))
"""


def test_the_import_is_cheap_and_brings_nothing_heavy() -> None:
    found = []
    for _ in range(3):
        done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
        seconds, heavy, early = json.loads(done.stdout)
        assert heavy == []
        assert not early, "the driver is loaded when a retriever is asked for"
        found.append(seconds)
    assert min(found) < 0.5, f"seconds of CPU: {found}"


def test_every_public_name_is_there() -> None:
    assert sorted(retrieval.__all__) == list(retrieval.__all__)
    for name in retrieval.__all__:
        public = getattr(retrieval, name)
        assert not isinstance(public, type) or public.__doc__
    assert (Path(retrieval.__file__).parent / "py.typed").exists(), "checkers of types look into the package"
    with pytest.raises(AttributeError, match="no attribute 'Retreiver'"):
        retrieval.Retreiver  # noqa: B018
