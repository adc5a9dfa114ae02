"""The workers of a test run: what shares a fixture runs in one of them."""

from __future__ import annotations

import os

import pytest


@pytest.mark.skipif("PYTEST_XDIST_WORKER" not in os.environ, reason="there is one process")
def test_groups_reach_the_scheduler(request: pytest.FixtureRequest) -> None:
    """Where pytest and xdist disagree about the names of tests, each worker makes every fixture for itself."""
    assert request.node.nodeid.endswith("@tests/test_sharing")
