"""New sources of personal data: a folder whose documents hold a type of personal data never seen in it before asks
for a data-protection review, until somebody says that it was done.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePosixPath

import pyarrow as pa

from assets.contract import PARTITION, SOURCES, Column, Contract, LengthBetween, Matches
from assets.lake import Lake
from assets.silver.contract import DOCUMENTS
from retrieval.errors import ConfigurationError

REVIEWS = Contract(
    name="governance/reviews",
    doc="Types of personal data whose appearance in a folder was reviewed, by whom and when.",
    key=("folder", "type"),
    columns=(
        *PARTITION,
        Column("folder", pa.string(), "Folder of the inbox, e.g. `blog/nordwind`.", rule=LengthBetween(1, 4096)),
        Column("type", pa.string(), "Type of personal data, e.g. `PHONE`.", rule=Matches(r"[A-Z][A-Z_]*")),
        Column("reviewer", pa.string(), "Who acknowledged it.", rule=LengthBetween(1, 200)),
        Column("reviewed_at", pa.timestamp("us", tz="UTC"), "When."),
    ),
)

FOLDER_DEPTH = 2
"""Folders that name an origin: the source and, below it, whose content it is."""


@dataclass(frozen=True, order=True, slots=True)
class Origin:
    """A type of personal data in a folder.

    Attributes:
        documents: how many documents hold it, in whatever version.
        since: when the first of them was received.
    """

    folder: str
    type: str
    documents: int
    since: datetime


def open_reviews(lake: Lake) -> list[Origin]:
    """What nobody has acknowledged yet, by folder and type."""
    table = lake.read(REVIEWS, ["folder", "type"])
    done = set(zip(table["folder"].to_pylist(), table["type"].to_pylist(), strict=True))
    return [origin for origin in origins(lake) if (origin.folder, origin.type) not in done]


def origins(lake: Lake) -> list[Origin]:
    """Types of personal data that were redacted, by folder and type."""
    holders: dict[tuple[str, str], set[str]] = {}
    since: dict[tuple[str, str], datetime] = {}
    for row in lake.read(DOCUMENTS, ["document_id", "path", "pii", "received_at"]).to_pylist():
        folder = "/".join(PurePosixPath(row["path"]).parts[:-1][:FOLDER_DEPTH])
        for kind in json.loads(row["pii"]):
            holders.setdefault((folder, kind), set()).add(row["document_id"])
            since[folder, kind] = min(since.get((folder, kind), row["received_at"]), row["received_at"])
    return [Origin(*key, documents=len(holders[key]), since=since[key]) for key in sorted(holders)]


def acknowledge(
    lake: Lake, folder: str, types: Collection[str], *, reviewer: str, today: str, now: datetime
) -> list[Origin]:
    """Note that a review was done for types of a folder; all that are open there when none are named.

    Args:
        today: day (UTC) that the rows belong to.

    Returns:
        What was acknowledged.

    Raises:
        ConfigurationError: nothing of it is open.
    """
    wanted = [o for o in open_reviews(lake) if o.folder == folder.strip("/") and (not types or o.type in types)]
    unknown = sorted(set(types) - {origin.type for origin in wanted})
    if not wanted or unknown:
        what = ", ".join(unknown) or "anything"
        raise ConfigurationError(f"No review of {what} is open in {folder}: `knowledge review` lists those that are")
    source = wanted[0].folder.partition("/")[0]
    rows = [
        {
            "date": today,
            "source": source if source in SOURCES else "document",
            "folder": origin.folder,
            "type": origin.type,
            "reviewer": reviewer,
            "reviewed_at": now,
        }
        for origin in wanted
    ]
    lake.append(REVIEWS, pa.Table.from_pylist(rows, REVIEWS.schema))
    return wanted
