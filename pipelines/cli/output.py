"""How the commands write: JSON for programs, text and tables that read well in a terminal, a file or a pipe."""

from __future__ import annotations

import datetime as dt
import json
import os
import re
import sys
import unicodedata
from collections.abc import Mapping, Set
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

PIPED_WIDTH = 120
"""Columns where there is no terminal to ask and COLUMNS is not set."""
WIDE = 150
"""Columns from which tables have a column for everything."""


def console(*, stderr: bool = False) -> Console:
    """A console on the standard output of now, which prints texts as they are: no markup, no highlighting."""
    from rich.console import Console

    made = Console(stderr=stderr, markup=False, highlight=False, emoji=False)
    if not made.is_terminal and not os.environ.get("COLUMNS"):
        made.width = PIPED_WIDTH
    return made


def complain(sentence: str) -> None:
    """One line on standard error."""
    from rich.text import Text

    line = Text.assemble(("error:", "bold red"), " ", plain(sentence))
    console(stderr=True).print(line, soft_wrap=True)


def mention(sentence: str) -> None:
    """One line on standard error that is no error."""
    console(stderr=True).print(plain(sentence), soft_wrap=True)


def abandon_stdout() -> None:
    """Send what is left to nowhere: the reader of the pipe has gone, and the interpreter flushes at its end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def to_json(data: object) -> str:
    """One JSON object and a line end. Dataclasses become objects, times ISO 8601, ids and paths texts."""
    return json.dumps(data, ensure_ascii=False, indent=2, default=_plain_value) + "\n"


def _plain_value(value: object) -> object:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, dt.date | dt.datetime):
        return value.isoformat()
    if isinstance(value, Set):
        return sorted(value)
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Path | UUID):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no form in JSON")


def table(*columns: str, title: str | None = None) -> Table:
    """An empty table in the one style of all commands; a column named with a leading `>` is aligned right."""
    from rich import box
    from rich.table import Table

    made = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    for name in columns:
        made.add_column(name.removeprefix(">"), justify="right" if name.startswith(">") else "left", overflow="fold")
    return made


def plain(text: str) -> str:
    """A text without characters that could steer a terminal; line ends stay."""
    return "".join(c if c == "\n" or unicodedata.category(c) != "Cc" else " " for c in text)


def counted(count: int, one: str, many: str | None = None) -> str:
    """A number with its noun, e.g. `1 file`, `3 files`."""
    return f"{count} {one if count == 1 else many or one + 's'}"


def excerpt(text: str, query: str = "", *, size: int = 300) -> str:
    """A few lines of a passage: those with most words of the query, from the beginning where none has any.

    Args:
        size: most characters, ellipses not counted.
    """
    text = " ".join(plain(text).split())
    if len(text) <= size:
        return text
    words = {word for word in re.findall(r"\w+", query.casefold()) if len(word) > 3}
    starts = [0, *(match.end() for match in re.finditer(r"[.!?:]\s+", text) if match.end() <= len(text) - size // 2)]
    near = size * 2 // 3  # what is asked about should be followed by a little more
    begin = max(starts, key=lambda start: (_shared(text[start : start + near], words), -start))
    cut = text[begin : begin + size]
    if begin + size < len(text):
        cut = cut.rsplit(" ", 1)[0] + " …"
    return f"… {cut}" if begin else cut


def _shared(text: str, words: Set[str]) -> int:
    """How many of the words stand in the text, forms with other endings included."""
    found = text.casefold()
    return sum(word[: max(4, len(word) - 2)] in found for word in words)


def moment(time: dt.datetime | None) -> str:
    """A time to the minute, in UTC."""
    return "" if time is None else time.astimezone(dt.UTC).strftime("%Y-%m-%d %H:%M")
