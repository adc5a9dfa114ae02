"""Entries of `readable_names` in a policy: exact names, and patterns between slashes."""

from __future__ import annotations

import re

MAX_ENTRY = 200
"""Characters of an entry of `readable_names`."""

MAX_UNBOUNDED = 3
"""Repetitions without an end in one pattern: what a pattern costs grows with this power of a name's length."""

_NESTED = re.compile(r"\)[*+{]")
_UNBOUNDED = re.compile(r"(?<!\\)[*+]|\{\d+,\}")


def pattern_of(entry: str) -> str | None:
    """The regular expression between the slashes of `/…/`; None for an exact name."""
    return entry[1:-1] if len(entry) > 2 and entry.startswith("/") and entry.endswith("/") else None


def problem_of(entry: str) -> str | None:
    """What is wrong with an entry of `readable_names`, without quoting it; None where it can be used."""
    if len(entry) > MAX_ENTRY:
        return f"holds an entry longer than {MAX_ENTRY} characters"
    pattern = pattern_of(entry.strip())
    if pattern is None:
        return None
    if _NESTED.search(pattern) or len(_UNBOUNDED.findall(pattern)) > MAX_UNBOUNDED:
        return f"holds a pattern that repeats a group, or more than {MAX_UNBOUNDED} times without end"
    try:
        compiled = re.compile(pattern)
    except re.error:
        return "holds a pattern that is no regular expression"
    return "holds a pattern that matches the empty text" if compiled.fullmatch("") else None
