"""An inbox and everything that is made of it, without Dagster: for tests that need all layers and no runs."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from assets.bronze.contract import SOURCE_FILES
from assets.bronze.ingest import ingest_source
from assets.contract import SOURCES
from assets.gold.contract import CHUNKS, EMBEDDINGS
from assets.gold.refine import chunk_partition, embed_texts
from assets.index.desired import read_desired, read_passages
from assets.index.publish import publish
from assets.index.releases import promote
from assets.lake import Lake
from assets.silver.contract import DOCUMENTS, QUARANTINE
from assets.silver.noted import update_notices
from assets.silver.notices import Notices, newest_events, newest_refusals
from assets.silver.refine import Refined, refine_partition
from assets.stores import Stores
from retrieval.settings import Settings
from tests.support import Databases, Index

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
POLICY = "tenant: acme\nroles: [everyone]\nclearance: public\n"


@dataclass
class Mill:
    """A home, an inbox and a database of their own.

    Attributes:
        owner_dsn: database to publish to; None: the home's own server.
    """

    root: Path
    models: Path
    owner_dsn: str | None = None
    now: datetime = NOW

    def __post_init__(self) -> None:
        for source in SOURCES:
            (self.inbox / source).mkdir(parents=True, exist_ok=True)
        (self.home).mkdir(exist_ok=True)
        if not (self.home / "models").exists():
            (self.home / "models").symlink_to(self.models, target_is_directory=True)

    @property
    def home(self) -> Path:
        return self.root / "home"

    @property
    def inbox(self) -> Path:
        return self.root / "inbox"

    def put(self, file: str, content: str | bytes, policy: str = POLICY) -> Path:
        """Write a file into the inbox, and a policy into its folder."""
        path = self.inbox / file
        path.parent.mkdir(parents=True, exist_ok=True)
        (path.parent / "_policy.yaml").write_text(policy)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def stores(self) -> Stores:
        """Stores as a new process opens them."""
        standby = self.root / "standby"
        return Stores(
            settings=Settings.load(home=self.home, standby=standby if standby.is_dir() else None),
            inbox=self.inbox,
            lake=Lake(self.home / "lake"),
            clock=lambda: self.now,
            owner_dsn=self.owner_dsn,
            removal_share=1.0,
        )

    def run(self) -> int | None:
        """Take everything in, make everything of it, publish and promote; the number of the newest release."""
        stores = self.stores()
        for source in SOURCES:
            ingest_source(stores, source)
        for date, source in sorted(stores.lake.partitions(SOURCE_FILES)):
            make_silver(stores, date, source)
            stores.lake.replace(CHUNKS, date, source, chunk_partition(stores, date, source)[0])
            stores.lake.replace(EMBEDDINGS, date, source, embed_texts(stores, date, source)[0])
        ledger = stores.ledger()
        encoder = stores.encoder
        with stores.connect() as connection:
            published = publish(
                connection,
                read_desired(stores.lake, ledger, now=self.now),
                lambda wanted: read_passages(
                    stores.lake, ledger, wanted, fingerprint=encoder.fingerprint.id, dimension=encoder.dimension
                ),
                fingerprint=encoder.fingerprint.id,
                dimension=encoder.dimension,
                now=self.now,
            )
            if published.release is not None:
                promote(connection, published.release, now=self.now)
        return published.release

    def copy(self, root: Path, owner_dsn: str | None) -> Mill:
        """The same home and inbox elsewhere, with another database."""
        shutil.copytree(self.root, root, symlinks=True)
        return Mill(root, self.models, owner_dsn, self.now)


def make_silver(stores: Stores, date: str, source: str) -> Refined:
    """Silver of one partition, put into the lake."""
    refined = refine_partition(stores, date, source)
    stores.lake.replace(DOCUMENTS, date, source, refined.documents)
    stores.lake.replace(QUARANTINE, date, source, refined.quarantine)
    return refined


def settle(stores: Stores) -> tuple[Refined, Notices]:
    """Take in the documents that are there, make silver of them, and bring the notes in the inbox up to date."""
    ingest_source(stores, "document")
    refined = make_silver(stores, stores.today, "document")
    newest = newest_events(stores)
    return refined, update_notices(stores, newest, newest_refusals(stores, newest))


def new_mill(folder: Path, models: Path, databases: Databases) -> tuple[Mill, str]:
    """A home with a database of its own, and the database's name."""
    name = databases._create(Databases.TEMPLATE)
    return Mill(folder / "a", models, databases.server.dsn("knowledge_owner", name)), name


@contextmanager
def copies(mill: Mill, database: str, databases: Databases, folder: Path) -> Iterator[Callable[[], tuple[Mill, Index]]]:
    """Copies a home and its database as often as is asked for; the databases are dropped at the end.

    Args:
        database: name of the home's database.
        folder: where the copied homes go.
    """
    made: list[Index] = []

    def copy() -> tuple[Mill, Index]:
        name = databases._create(database)
        index = Index(databases, name)
        made.append(index)
        return mill.copy(folder / name, index.owner_dsn), index

    yield copy
    for index in made:
        index.close()
        with databases.admin() as connection:
            connection.execute(f"drop database {index.name} with (force)".encode())
