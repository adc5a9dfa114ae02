"""JSON from strangers: bounded depth, no NaN, no infinity, and keys that are given twice are counted."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

from assets.silver.refusal import RefusedError

_STRUCTURE = re.compile(r'"(?:[^"\\]|\\.)*+"?+|[\[{]+|[\]}]+', re.DOTALL)


@dataclass(slots=True)
class _Pairs:
    doubled: int = 0
    unreadable: int = 0

    def mapping(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        self.doubled += len(pairs) - len(found)
        return found

    def constant(self, _: str) -> None:
        self.unreadable += 1


@dataclass(frozen=True, slots=True)
class Parsed:
    """A value, where it ends in the text, and what was odd about it."""

    value: Any
    end: int
    notes: tuple[str, ...] = field(default=())


def parse(text: str, nesting: int, start: int = 0) -> Parsed:
    """The JSON value that begins at `start`, white space before it skipped; NaN and infinity are null.

    Raises:
        RefusedError: `malformed` with the line, `nested_too_deep`.
    """
    check_depth(text, nesting, start)
    pairs = _Pairs()
    decoder = json.JSONDecoder(object_pairs_hook=pairs.mapping, parse_constant=pairs.constant)
    start += len(text) - start - len(text[start:].lstrip())
    try:
        value, end = decoder.raw_decode(text, start)
    except json.JSONDecodeError as error:
        raise RefusedError("malformed", f"line {error.lineno}: the JSON cannot be understood") from error
    except RecursionError as error:
        raise RefusedError("nested_too_deep", "JSON") from error
    except ValueError as error:
        raise RefusedError("malformed", "a number in the JSON cannot be understood") from error
    notes = []
    if pairs.doubled:
        notes.append(f"{pairs.doubled} keys were given twice in one JSON object; the last value counts")
    if pairs.unreadable:
        notes.append(f"{pairs.unreadable} values were NaN or infinite")
    return Parsed(value, end, tuple(notes))


def whole(text: str) -> bool:
    """Whether the text is a JSON object or list from its first character to its last, or one that was cut off."""
    depth = 0
    for match in _STRUCTURE.finditer(text):
        run = match[0]
        if run[0] in "[{":
            depth += len(run)
        elif run[0] in "]}":
            depth -= len(run)
            if depth <= 0:
                return not text[match.end() :].strip()
    return True


def check_depth(text: str, nesting: int, start: int = 0) -> None:
    """Refuse what is nested deeper than allowed before anything is built from it.

    Raises:
        RefusedError: `nested_too_deep`.
    """
    depth = 0
    for match in _STRUCTURE.finditer(text, start):
        run = match[0]
        if run[0] in "[{":
            depth += len(run)
            if depth > nesting:
                raise RefusedError("nested_too_deep", f"JSON deeper than {nesting} levels")
        elif run[0] in "]}":
            depth -= len(run)
            if depth <= 0:
                return
