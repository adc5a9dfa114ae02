"""What a check found, in the shapes people and Dagster need: a sentence, a table, the rows by name.

A report names rows by their keys. It quotes a value only where the contract calls the column public.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

ROWS_SHOWN = 20
"""Rows that a failure names; more help nobody and swell the event log."""

VALUE_CHARS = 100
"""Characters of a value that are shown."""

Row = Mapping[str, str | int | None]
"""Names one row: its key columns, and its path where it has one."""

_MARKUP = re.compile(r"([\\`*\[\]<>|#])")


@dataclass(frozen=True, slots=True)
class Failure:
    """A rule that does not hold.

    Attributes:
        rule: what should hold; starts with a column in backticks, or reads on after "the rule that".
        column: the column it is about; None where it is about several, or about the table.
        count: how many rows break it.
        rows: at most `ROWS_SHOWN` of them.
        values: what was found in these rows, one text for each; empty where that may not be shown.
    """

    rule: str
    column: str | None
    count: int
    rows: tuple[Row, ...] = ()
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """The outcome of a check of one table.

    Attributes:
        table: `layer/name`.
        scope: what part of the table was checked, e.g. `2026-03-01|blog`; None: all of it, or nothing.
        checked: rows looked at.
        failures: rules that do not hold, in the order of the contract.
    """

    table: str
    scope: str | None
    checked: int
    failures: tuple[Failure, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether every rule holds."""
        return not self.failures

    def sentence(self) -> str:
        """One line: whether all is well, or else the first rule that is broken and a row that breaks it."""
        subject = self.table if self.scope is None else f"{self.table} {self.scope}"
        if self.passed:
            return f"{subject}: {_counted(self.checked, 'row')} checked, every rule holds"
        first, *others = self.failures
        verb = "breaks" if first.count == 1 else "break"
        more = f"; {_counted(len(others), 'more rule')} broken" if others else ""
        return f"{subject}: {first.count} of {_counted(self.checked, 'row')} {verb} {_named(first)}{more}"

    def markdown(self) -> str:
        """A table of the failures with the rows they name; the sentence where there are none."""
        if self.passed:
            return self.sentence()
        lines = ["| rule | column | rows | which |", "|---|---|---|---|"]
        lines += [
            f"| {_cell(failure.rule)} | {failure.column or ''} | {failure.count} | {_which(failure)} |"
            for failure in self.failures
        ]
        return "\n".join(lines)


class Findings:
    """Collects rows that break rules, whatever the order they are found in, and makes a report of them."""

    def __init__(self, table: str, *, checked: int, scope: str | None = None) -> None:
        self._table = table
        self._checked = checked
        self._scope = scope
        self._rows: dict[tuple[str, str | None], list[Row]] = {}

    def add(self, rule: str, row: Row, *, column: str | None = None) -> None:
        """A row that breaks the rule."""
        self._rows.setdefault((rule, column), []).append(row)

    def report(self) -> Report:
        """Everything added so far; rules and rows in an order of their own."""
        failures = []
        for (rule, column), rows in sorted(self._rows.items(), key=lambda item: (item[0][0], item[0][1] or "")):
            rows.sort(key=_order)
            failures.append(Failure(rule, column, len(rows), tuple(rows[:ROWS_SHOWN])))
        return Report(self._table, self._scope, self._checked, tuple(failures))


def scope_of(table: pa.Table) -> str | None:
    """The partition all rows are of, as Dagster writes its key; None where there is none or more than one."""
    if not table.num_rows or not {"date", "source"} <= set(table.schema.names):
        return None
    parts = [pc.unique(table.column(name)).to_pylist() for name in ("date", "source")]
    return "|".join(str(part[0]) for part in parts) if all(len(part) == 1 for part in parts) else None


def shown(value: object) -> str:
    """A value as a report shows it: on one line, at most `VALUE_CHARS` characters."""
    text = str(value)[: VALUE_CHARS + 1]
    text = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    return text if len(text) <= VALUE_CHARS else text[: VALUE_CHARS - 1] + "…"


def _order(row: Row) -> list[tuple[str, bool, int, str]]:
    """Sorts numbers by size and texts by letters, missing values first."""
    return [
        (name, value is not None, value if isinstance(value, int) else 0, value if isinstance(value, str) else "")
        for name, value in row.items()
    ]


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _named(failure: Failure) -> str:
    rule = failure.rule if failure.rule.startswith("`") else f"the rule that {failure.rule}"
    if not failure.rows:
        return f"{rule} ({', '.join(failure.values)})" if failure.values else rule
    first = "" if failure.count == 1 else "first: "
    return f"{rule} ({first}{', '.join(_pairs(failure.rows[0]))})"


def _pairs(row: Row) -> Iterable[str]:
    return (f"{name}={shown(value)}" for name, value in row.items())


def _which(failure: Failure) -> str:
    if not failure.rows:
        return _escaped(", ".join(failure.values))
    lines = [", ".join(_pairs(row)) for row in failure.rows]
    if failure.values:
        lines = [f"{line}: found {value}" for line, value in zip(lines, failure.values, strict=True)]
    if failure.count > len(lines):
        lines.append(f"and {failure.count - len(lines)} more")
    return "<br>".join(_escaped(line) for line in lines)


def _escaped(text: str) -> str:
    return _MARKUP.sub(r"\\\1", text)


def _cell(text: str) -> str:
    return text.replace("|", r"\|")
