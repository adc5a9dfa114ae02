"""A server of its own with a small index, to be stopped, frozen, restarted and slowed down."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from assets.index.publish import publish
from assets.index.releases import promote
from benchmarks.failing import Victim
from retrieval import Settings
from retrieval.database import Database
from retrieval.server import EmbeddedServer
from tests.support import NOW, Gold, GoldDocument


@contextmanager
def victim(documents: Sequence[GoldDocument]) -> Iterator[Victim]:
    """A server with these documents in its index."""
    with tempfile.TemporaryDirectory(prefix="knowledge-") as folder:
        home = Path(folder) / "home"
        settings = Settings.load(home=home)
        database = Database.for_writing(settings)
        assert database.server is not None
        gold = Gold(documents)
        with database.connect(settings, autocommit=True) as connection:
            publish(connection, gold.desired, gold.load, fingerprint="words-16", dimension=16, now=NOW)
            promote(connection, 1, now=NOW)
        try:
            yield Victim(home, database.server)
        finally:
            database.server.release()
            EmbeddedServer(home).stop()
