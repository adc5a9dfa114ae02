"""What a data sheet says of each asset: where its data is from, what it is for, how long it is kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from assets.contract import Contract

SHEET: Mapping[str, Mapping[str, str]] = {
    "bronze/source_files": {
        "origin": "files that the content team dropped into the inbox, as they were",
        "purpose": "to rebuild everything else when readers and recognizers improve",
        "personal_data": "unredacted; encrypted with a data key for each document, read by the pipeline alone",
        "retention": "until a document has left the inbox and no kept release needs it (retention of bronze)",
    },
    "silver/documents": {
        "origin": "bronze/source_files",
        "purpose": "the text that passages are cut from",
        "personal_data": "redacted; `pii` has types and counts; what the recognizers miss remains",
        "retention": "as long as its file is in the inbox or a kept release shows it",
    },
    "silver/quarantine": {
        "origin": "bronze/source_files",
        "purpose": "to tell the content team why a file was refused",
        "personal_data": "none but paths: no content of a refused file",
        "retention": "as long as the refused file is in the inbox, then by the retention of quarantine",
    },
    "gold/chunks": {
        "origin": "silver/documents",
        "purpose": "the passages that the avatar may quote",
        "personal_data": "redacted",
        "retention": "as silver/documents",
    },
    "gold/embeddings": {
        "origin": "gold/chunks",
        "purpose": "how similar passages are to questions",
        "personal_data": "none readable: vectors of redacted texts",
        "retention": "as silver/documents",
    },
    "index/candidate": {
        "origin": "gold/chunks and gold/embeddings",
        "purpose": "the next release, being checked",
        "personal_data": "redacted",
        "retention": "until promoted or replaced",
    },
    "index/active": {
        "origin": "index/candidate",
        "purpose": "what is served, under row-level security",
        "personal_data": "redacted",
        "retention": "as many releases as KNOWLEDGE_KEEP_RELEASES says; documents until they expire",
    },
    "index/standby": {
        "origin": "index/active",
        "purpose": "answers while the database is gone",
        "personal_data": "redacted; encrypted, one file for each tenant",
        "retention": "until the next promotion",
    },
}
"""By asset; shown as metadata of the assets, and in docs/datasheet.md."""


def sheet(asset: str) -> dict[str, str]:
    """Metadata for the definition of an asset."""
    return dict(SHEET[asset])


OWNERS = ("team:data-engineering",)
"""Who looks after the assets."""
CONTENT_OWNERS = (*OWNERS, "team:content")
"""Who looks after what the content team can mend itself."""


def table_sheet(contract: Contract) -> dict[str, Any]:
    """The sheet of a table of the lake, with its columns as Dagster's catalog shows them."""
    import dagster as dg

    columns = [
        dg.TableColumn(
            column.name,
            str(column.type),
            column.doc,
            dg.TableColumnConstraints(nullable=column.nullable, other=["private"] if column.private else []),
        )
        for column in contract.columns
    ]
    return sheet(contract.name) | {"dagster/column_schema": dg.TableSchema(columns)}


def access_sets(rows: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """How many files each access set covers, as `tenant: clearance, roles`.

    Args:
        rows: with tenant, roles and clearance; null where no policy covers the file.
    """
    named = (row for row in rows if row["tenant"] is not None)
    counts = Counter(f"{row['tenant']}: {row['clearance']}, {' '.join(row['roles'])}" for row in named)
    return dict(sorted(counts.items()))
