"""Passages as the commands show them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from pipelines.cli.output import excerpt, plain

if TYPE_CHECKING:
    from rich.table import Table

    from retrieval import Hit, SearchResult


def passages_table(hits: Iterable[Hit], query: str, *, size: int = 300) -> Table:
    """One passage after the other: rank, score, citation, a few lines of text."""
    from rich.table import Table
    from rich.text import Text

    made = Table.grid(padding=(0, 1), expand=False)
    made.add_column(justify="right", no_wrap=True)
    made.add_column(justify="right", no_wrap=True)
    made.add_column(overflow="fold")
    for rank, hit in enumerate(hits, 1):
        body = Text.assemble(
            (plain(hit.citation.title), "bold"),
            (f", {hit.citation.place}" if hit.citation.place else ""),
            "\n",
            (plain(hit.citation.path), "dim"),
            "\n",
            *([(f"marked by the screener: {', '.join(hit.flags)}\n", "yellow")] if hit.flags else []),
            excerpt(hit.text, query, size=size),
            "\n",
        )
        made.add_row(str(rank), f"{hit.score:.2f}", body)
    return made


def hit_row(hit: Hit) -> dict[str, Any]:
    """A hit for `--json`, with the citation also as text and as link."""
    from dataclasses import asdict

    citation = asdict(hit.citation) | {"text": str(hit.citation), "link": hit.citation.link}
    return asdict(hit) | {"citation": citation}


def result_row(result: SearchResult) -> dict[str, Any]:
    """A result for `--json`."""
    return {
        "request_id": result.request_id,
        "release": result.release,
        "degraded": result.degraded,
        "reasons": result.reasons,
        "as_of": result.as_of,
        "timings": {name: round(value, 2) for name, value in result.timings.items()},
        "hits": [hit_row(hit) for hit in result],
    }
