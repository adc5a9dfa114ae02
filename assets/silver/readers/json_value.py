"""JSON from strangers: as deep as the parser may recurse, without NaN and infinity; keys given twice are counted."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

from assets.silver.refusal import RefusedError

_FRONT_MATTER_ENDS = re.compile(r"^\}[ \t]*\n\s*[^\s,\]}]", re.MULTILINE)
"""A brace alone on its line and other text behind it: JSON as front matter, though it cannot be understood."""


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


def parse(text: str) -> Parsed:
    """The JSON value with which the text begins, white space aside; NaN and infinity are null.

    Raises:
        RefusedError: `malformed` with the line, `nested_too_deep`.
    """
    pairs = _Pairs()
    decoder = json.JSONDecoder(object_pairs_hook=pairs.mapping, parse_constant=pairs.constant)
    try:
        value, end = decoder.raw_decode(text, len(text) - len(text.lstrip()))
    except json.JSONDecodeError as error:
        raise RefusedError("malformed", f"line {error.lineno}: the JSON cannot be understood") from error
    except RecursionError as error:
        raise RefusedError("nested_too_deep", "JSON of more levels than any transcript has") from error
    except ValueError as error:
        raise RefusedError("malformed", "a number in the JSON cannot be understood") from error
    notes = []
    if pairs.doubled:
        notes.append(f"{pairs.doubled} keys were given twice in one JSON object; the last value counts")
    if pairs.unreadable:
        notes.append(f"{pairs.unreadable} values were NaN or infinite")
    return Parsed(value, end, tuple(notes))


def parse_lines(text: str) -> Parsed | None:
    """A list of the values of a text that has one on each line (JSON Lines); None where a line is none."""
    values: list[Any] = []
    notes: list[str] = []
    for line in text.split("\n"):
        if line.strip():
            try:
                parsed = parse(line)
            except RefusedError:
                return None
            if not isinstance(parsed.value, dict) or line[parsed.end :].strip():
                return None
            values.append(parsed.value)
            notes += parsed.notes
    return Parsed(values, len(text), tuple(dict.fromkeys(notes)))


def whole(text: str) -> bool:
    """Whether the text is a JSON object or list from its first character to its last, or one that is broken."""
    try:
        _, end = json.JSONDecoder().raw_decode(text)
    except (ValueError, RecursionError):
        return _FRONT_MATTER_ENDS.search(text) is None
    return not text[end:].strip()
