"""Indexes on an embedded server of their own, built once for a folder and used again by later runs."""

from __future__ import annotations

import hashlib
import json
import pickle
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from assets.index.publish import publish
from assets.index.releases import promote
from benchmarks.retrieval.world import DIMENSION, Gold, World, changed
from retrieval import Retriever, Settings
from retrieval.analysis import ANALYZER
from retrieval.schema.migrate import OWNER, READER, bootstrap, migrate
from retrieval.server import SUPERUSER, EmbeddedServer

Connection = psycopg.Connection[tuple[Any, ...]]
CHANGED = 0.01
"""Share of the passages that a second release changes, so that there are masks and a second segment."""


class Server:
    """The embedded server of a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.embedded = EmbeddedServer.attach(self.home)

    def admin(self, database: str = "postgres") -> Connection:
        """A connection as superuser, in autocommit."""
        return psycopg.connect(self.embedded.dsn(SUPERUSER, database), autocommit=True)

    def postmaster(self) -> int:
        """Process id of the server."""
        return int((self.embedded.data / "postmaster.pid").read_text().splitlines()[0])


class Index:
    """One database with one world in it."""

    def __init__(self, server: Server, world: World, fingerprint: str, name: str | None = None) -> None:
        self.server = server
        self.world = world
        self.fingerprint = fingerprint
        key = hashlib.sha256(
            json.dumps([asdict(world.plan), fingerprint, ANALYZER, world.texts[::997]]).encode()
        ).hexdigest()
        self.name = name or f"{world.plan.name}_{key[:8]}"
        self.settings = Settings.load(
            home=server.home, dsn=server.embedded.dsn(READER, self.name), k_max=1000, pool_size=16
        )
        self.owner_dsn = server.embedded.dsn(OWNER, self.name)

    def ready(self) -> bool:
        """Build it unless it is there; whether it had to be built."""
        with self.server.admin() as admin:
            if admin.execute("select 1 from pg_database where datname = %s", [self.name]).fetchone():
                with self.owner() as owner:
                    done = owner.execute("select to_regclass('knowledge.bench_done')").fetchone()
                    if done != (None,):
                        migrate(self.owner_dsn)
                        self.world = self._second()
                        return False
                admin.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(self.name)))
        bootstrap(self.server.embedded.dsn(SUPERUSER, "postgres"), self.name)
        migrate(self.owner_dsn)
        self.publish(self.world)
        self.world = self._second()
        self.publish(self.world)
        with self.owner() as owner:
            owner.execute("vacuum analyze")
            owner.execute("create table knowledge.bench_done ()")
        return True

    def _second(self) -> World:
        return changed(self.world, int(self.world.plan.chunks * CHANGED), seed=2)

    def publish(self, world: World) -> float:
        """Publish and promote a world; seconds."""
        began = time.perf_counter()
        gold = Gold(world)
        with self.owner() as owner:
            published = publish(
                owner,
                gold.desired,
                gold.load,
                fingerprint=self.fingerprint,
                dimension=DIMENSION,
                now=datetime.now(UTC),
            )
            assert published.release is not None
            promote(owner, published.release, now=datetime.now(UTC))
        return time.perf_counter() - began

    def owner(self) -> Connection:
        """A connection as owner, in autocommit."""
        return psycopg.connect(self.owner_dsn, autocommit=True)

    @contextmanager
    def retriever(self, encoder: Any, **values: Any) -> Iterator[Retriever]:
        """A retriever for a while; `values` are settings that differ."""
        with Retriever.connect(settings=self.settings.model_copy(update=values), encoder=encoder) as retriever:
            yield retriever

    def pids(self) -> list[int]:
        """Backends of the readers of this index."""
        with self.server.admin() as admin:
            rows = admin.execute(
                "select pid from pg_stat_activity where usename = %s and datname = %s", [READER, self.name]
            )
            return [row[0] for row in rows]


def cached(folder: Path, name: str, make: Callable[[], Any]) -> Any:
    """A value that is made once for a folder."""
    path = folder / f"{name}.pickle"
    if path.exists():
        return pickle.loads(path.read_bytes())
    value = make()
    path.write_bytes(pickle.dumps(value))
    return value
