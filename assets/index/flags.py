"""Which passages the screener's findings mark."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any


def flags_of(findings: Iterable[Mapping[str, Any]], char_start: int, char_end: int) -> tuple[str, ...]:
    """Kinds of the findings that touch a passage, sorted; what a document hides marks all its passages.

    Args:
        findings: of the document, as `silver/documents` keeps them: kind, start and end (null where hidden).
        char_start, char_end: the passage's range in the document's text.
    """
    touching = {
        finding["kind"]
        for finding in findings
        if finding["start"] is None or (finding["start"] < char_end and finding["end"] > char_start)
    }
    return tuple(sorted(touching))
