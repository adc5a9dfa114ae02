"""A search whose order is not settled by the fused scores alone: a short list first, then the hits chosen from it.

Both are read in the transaction that has entered as the principal, so nothing is chosen, joined or returned that it may
not see. The audit row is written by the statement that returns the hits.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrieval import statements
from retrieval.search import Search, Space, Statement
from retrieval.shape import Candidate, Shape, select

LENGTH = 3
"""Length of the short list in units of k: as many passages may fall away."""


def wanted(search: Search) -> bool:
    """Whether the search takes these two steps instead of one."""
    return search.shape is not None or search.reranks


def shortlist(search: Search, space: Space, vector: object | None) -> Statement:
    """The best candidates with their texts."""
    variant, parameters = search.ranking(vector)
    length = max(search.candidates, LENGTH * search.k)
    return statements.shortlist(space.id, search.partition, variant, search.candidates), parameters | {"k": length}


def selection(
    search: Search, space: Space, rows: Sequence[Sequence[Any]], scores: NDArray[np.float64] | None
) -> Statement:
    """The hits chosen from the rows of the short list.

    Args:
        scores: of the cross-encoder for the first rows, which it puts in order; None: the fused order stands.
    """
    reranked: list[float | None] = [None] * len(rows)
    order = list(range(len(rows)))
    if scores is not None:
        reranked[: len(scores)] = scores.tolist()
        # equal scores keep the fused order, and so do the rows that were not looked at, behind all others
        order[: len(scores)] = np.argsort(-scores, kind="stable").tolist()
    by_chunk = {row[0]: place for place, row in enumerate(rows)}
    candidates = [Candidate(rows[i][0], rows[i][5], rows[i][6], rows[i][7]) for i in order]
    spans = select(candidates, search.k, search.shape or Shape())
    chosen = [by_chunk[span.chunk] for span in spans]
    columns = ("chunks", "scores", "lexical_ranks", "vector_ranks", "distances")
    return statements.selected(space.id, search.partition), {
        **{name: [rows[i][column] for i in chosen] for column, name in enumerate(columns)},
        "reranked": [reranked[i] for i in chosen],
        "firsts": [span.first for span in spans],
        "lasts": [span.last for span in spans],
        "model": space.fingerprint,
        "flagged": search.filters.flagged,
    } | search.audited()
