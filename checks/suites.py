"""Turns a contract into Great Expectations expectations, and a table into the frame that they look at.

Great Expectations never gets a private value: of private columns it sees how long each value is, which is all that
a rule may ask of them, so that no message, log or statistic of it can repeat one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from assets.contract import Between, Column, Contract, LengthBetween, Matches, OneOf

if TYPE_CHECKING:
    import pandas as pd
    from great_expectations.expectations import Expectation


@dataclass(frozen=True, slots=True)
class Measure:
    """A column of the frame that is computed from others because no expectation can.

    Attributes:
        columns: what it is computed from.
        compute: gives one value for each row.
    """

    name: str
    columns: tuple[str, ...]
    compute: Callable[[pa.Table], pa.Array | pa.ChunkedArray]


@dataclass(frozen=True, slots=True)
class Where:
    """Rows that an expectation is about: those with (or without) a value in a column; None stands for null."""

    column: str
    value: str | None
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Promise:
    """An expectation as plain data, so that suites can be read without importing Great Expectations.

    Attributes:
        rule: the same in words, see `checks.report.Failure.rule`.
        expectation: name of the class in `great_expectations.expectations`.
        columns: columns of the frame it looks at; empty where it is about all of them.
        arguments: what the class is made with.
    """

    rule: str
    expectation: str
    columns: tuple[str, ...]
    arguments: Mapping[str, Any]
    where: Where | None = None

    def build(self, number: int) -> Expectation:
        """The expectation itself; it carries `number`, because results come in another order."""
        import great_expectations.expectations as gxe

        arguments = dict(self.arguments)
        if self.where is not None:
            arguments["row_condition"] = _condition(self.where)
        return getattr(gxe, self.expectation)(**arguments, meta={"number": number})


@dataclass(frozen=True, slots=True)
class Suite:
    """Everything that is promised of a table.

    Attributes:
        measures: columns that the frame has beside those of the contract.
        promises: in the order of the contract, those of the whole table first.
    """

    measures: tuple[Measure, ...]
    promises: tuple[Promise, ...]


@dataclass(frozen=True, slots=True)
class Additions:
    """What is promised of a table that its contract cannot say."""

    measures: tuple[Measure, ...] = ()
    promises: tuple[Promise, ...] = ()


def suite(contract: Contract, additions: Additions, usable: Collection[str] | None = None) -> Suite:
    """The promises of a contract, and those beyond it.

    Args:
        usable: columns that are there with the right type; whatever needs others is left out. None: all.

    Raises:
        TypeError: a private column has a rule about anything but length.
    """
    there = set(contract.schema.names if usable is None else usable)
    every = (*_finite_measures(contract), *additions.measures)
    measures = tuple(measure for measure in every if there.issuperset(measure.columns))
    there |= {measure.name for measure in measures}
    promises = [unique(contract.key)]
    for column in contract.columns:
        promises += _of_column(contract, column)
    promises += additions.promises
    names = [*contract.schema.names, *(measure.name for measure in measures)]
    return Suite(measures, (_columns_match(names), *(p for p in promises if there.issuperset(p.columns))))


def frame(contract: Contract, table: pa.Table, measures: Sequence[Measure]) -> pd.DataFrame:
    """The table as Great Expectations gets to see it, one row for each of its rows, indexed from 0.

    Private columns, lists and bytes are shown as the length of each value; what has no length, as 1.
    """
    columns = [_visible(contract, field.name, table.column(i)) for i, field in enumerate(table.schema)]
    columns += [measure.compute(table) for measure in measures]
    names = [*table.schema.names, *(measure.name for measure in measures)]
    visible: pd.DataFrame = pa.Table.from_arrays(columns, names=names).to_pandas()
    return visible


def is_shown_as_length(column: Column) -> bool:
    """Whether the frame holds the lengths of a column's values instead of the values."""
    return column.private or pa.types.is_nested(column.type) or pa.types.is_binary(column.type)


def _visible(contract: Contract, name: str, values: pa.ChunkedArray) -> pa.ChunkedArray:
    known = name in contract.schema.names and values.type == contract.column(name).type
    # A column that is not as promised is reported by name, and could hold anything.
    return values if known and not is_shown_as_length(contract.column(name)) else _lengths(values)


def _lengths(values: pa.ChunkedArray) -> pa.ChunkedArray:
    if pa.types.is_string(values.type):
        return pc.utf8_length(values)
    if pa.types.is_binary(values.type):
        return pc.binary_length(values)
    if pa.types.is_list(values.type):
        return pc.list_value_length(values)
    return pc.if_else(pc.is_valid(values), pa.scalar(1), pa.scalar(None, pa.int64()))


def _columns_match(names: Sequence[str]) -> Promise:
    return Promise(
        "the columns are those of the contract, in its order",
        "ExpectTableColumnsToMatchOrderedList",
        (),
        {"column_list": list(names)},
    )


def unique(columns: tuple[str, ...]) -> Promise:
    """No two rows have the same values in all of these columns."""
    listed = ", ".join(f"`{name}`" for name in columns)
    if len(columns) == 1:
        return Promise(f"{listed} occurs once", "ExpectColumnValuesToBeUnique", columns, {"column": columns[0]})
    arguments = {"column_list": list(columns)}
    return Promise(f"{listed} occur once together", "ExpectCompoundColumnsToBeUnique", columns, arguments)


def not_null(column: str, rule: str | None = None, where: Where | None = None) -> Promise:
    """There is a value in each row, or in each that `where` chooses."""
    columns = (column,) if where is None else (column, where.column)
    text = rule or f"`{column}` is not null"
    return Promise(text, "ExpectColumnValuesToNotBeNull", columns, {"column": column}, where)


def _of_column(contract: Contract, column: Column) -> list[Promise]:
    promises = [] if column.nullable else [not_null(column.name)]
    if pa.types.is_floating(column.type):
        promises.append(_is_finite(column.name))
    if column.rule is not None:
        promises.append(_keeps_rule(contract, column))
    return promises


def _keeps_rule(contract: Contract, column: Column) -> Promise:
    name, rule = column.name, column.rule
    if isinstance(rule, LengthBetween):
        return _has_length(column, rule)
    if is_shown_as_length(column):
        raise TypeError(f"{contract.name}: column {name} may only have a rule about its length")
    if isinstance(rule, Matches):
        # \Z and not $, which lets a line break follow
        pattern = {"column": name, "regex": rf"\A(?:{rule.pattern})\Z"}
        return Promise(f"`{name}` matches `{rule.pattern}`", "ExpectColumnValuesToMatchRegex", (name,), pattern)
    if isinstance(rule, OneOf):
        values = {"column": name, "value_set": list(rule.values)}
        text = f"`{name}` is one of {', '.join(rule.values)}"
        return Promise(text, "ExpectColumnValuesToBeInSet", (name,), values)
    assert isinstance(rule, Between)
    return between(name, rule)


def between(column: str, rule: Between, text: str | None = None) -> Promise:
    """A number lies between two bounds, both included."""
    arguments = {"column": column, "min_value": rule.low, "max_value": rule.high}
    text = text or _bounds(f"`{column}`", rule.low, rule.high)
    return Promise(text, "ExpectColumnValuesToBeBetween", (column,), arguments)


def _has_length(column: Column, rule: LengthBetween) -> Promise:
    name = column.name
    text = _bounds(f"`{name}` length", rule.low, rule.high)
    arguments = {"column": name, "min_value": rule.low, "max_value": rule.high}
    kind = "ExpectColumnValuesToBeBetween" if is_shown_as_length(column) else "ExpectColumnValueLengthsToBeBetween"
    return Promise(text, kind, (name,), arguments)


def _bounds(subject: str, low: float | None, high: float | None) -> str:
    if low is None:
        return f"{subject} ≤ {high:g}"
    return f"{subject} ≥ {low:g}" if high is None else f"{subject} from {low:g} to {high:g}"


def _finite_measures(contract: Contract) -> tuple[Measure, ...]:
    return tuple(_finite(column.name) for column in contract.columns if pa.types.is_floating(column.type))


def _finite(name: str) -> Measure:
    return Measure(f"{name}.finite", (name,), lambda table: pc.is_finite(table.column(name)))


def _is_finite(name: str) -> Promise:
    # pandas takes NaN for a missing value, which every other expectation passes over
    arguments = {"column": f"{name}.finite", "value_set": [True]}
    return Promise(f"`{name}` is a finite number", "ExpectColumnValuesToBeInSet", (f"{name}.finite",), arguments)


def _condition(where: Where) -> Any:
    from great_expectations.expectations.row_conditions import Column as Named

    column = Named(where.column)
    if where.value is None:
        return column.is_not_null() if where.negated else column.is_null()
    return column != where.value if where.negated else column == where.value
