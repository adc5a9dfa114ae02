"""Holds a table against its contract with Great Expectations, and says which rows break which rule."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from assets.contract import Contract
from checks.expectations import additions
from checks.report import ROWS_SHOWN, Failure, Report, Row, scope_of, shown
from checks.suites import Promise, Suite, frame, is_shown_as_length, suite
from retrieval.errors import PermanentError

if TYPE_CHECKING:
    import pandas as pd


class SuiteError(PermanentError):
    """An expectation could not be evaluated at all; the table is neither good nor bad."""


def validate(contract: Contract, table: pa.Table, *, scope: str | None = None) -> Report:
    """Check every promise of a contract, and those that `checks.expectations` adds to it.

    A column that is missing or of another type is one failure; promises about other columns are checked still.

    Args:
        table: rows of one partition, or of the whole table; may be empty.
        scope: name of that part in the report; None: the partition, where all rows are of one.

    Raises:
        SuiteError: an expectation could not be evaluated.
    """
    # without rows only the columns can be wrong, and each expectation costs about 10 ms
    usable = _usable(contract, table) if table.num_rows else set()
    promised = suite(contract, additions(contract.name), usable)
    failures = _wrong_types(contract, table)
    visible = frame(contract, table, promised.measures)
    for promise, positions in zip(promised.promises, _broken(contract, visible, promised.promises), strict=True):
        if positions is None:
            continue
        if promise.columns:
            failures.append(_failure(contract, table, promised, promise, positions))
        else:
            failures.append(_columns_differ(contract, table, promise))
    return Report(contract.name, scope or scope_of(table), table.num_rows, tuple(failures))


@functools.cache
def _batch_definition() -> Any:
    """Great Expectations' way to a frame in memory; made once, for it keeps each one that is made."""
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context = gx.get_context(mode="ephemeral")
    context.enable_analytics(False)
    context.variables.progress_bars = ProgressBarsConfig(globally=False, metric_calculations=False)
    asset = context.data_sources.add_pandas("memory").add_dataframe_asset("frame")
    return asset.add_batch_definition_whole_dataframe("all")


def _broken(contract: Contract, visible: pd.DataFrame, promises: Sequence[Promise]) -> list[list[int] | None]:
    """For each promise the rows that break it, by position; None where it holds."""
    import great_expectations as gx

    batch = _batch_definition().get_batch(batch_parameters={"dataframe": visible})
    expectations = [promise.build(number) for number, promise in enumerate(promises) if not _kept(promise, visible)]
    # complete, because the shorter formats give a sample without its rows
    outcome = batch.validate(
        gx.ExpectationSuite(name=contract.name, expectations=expectations),
        result_format={"result_format": "COMPLETE", "return_unexpected_index_query": False},
    )
    broken: list[list[int] | None] = [None] * len(promises)
    for result in outcome.results:
        number = result.expectation_config.meta["number"]
        if result.exception_info.get("raised_exception") is not False:
            # without the cause, which may quote values
            raise SuiteError(
                f"{contract.name}: {promises[number].expectation} could not be evaluated for the rule"
                f" {promises[number].rule}; correct the rule in the contract or in checks/expectations.py"
            )
        if not result.success:
            broken[number] = sorted(result.result.get("unexpected_index_list") or [])
    return broken


def _kept(promise: Promise, visible: pd.DataFrame) -> bool:
    """Whether a column that must have no nulls has none.

    A third of all promises is of this kind. The frame knows the answer at once, where an expectation takes 10 ms; one
    that is broken goes through the expectation like the others.
    """
    if promise.expectation != "ExpectColumnValuesToNotBeNull" or promise.where is not None:
        return False
    return not visible[promise.columns[0]].isna().any()


def _usable(contract: Contract, table: pa.Table) -> set[str]:
    """Columns that are there once and with the type of the contract."""
    counts = Counter(table.schema.names)
    return {
        column.name
        for column in contract.columns
        if counts[column.name] == 1 and table.schema.field(column.name).type == column.type
    }


def _wrong_types(contract: Contract, table: pa.Table) -> list[Failure]:
    return [
        Failure(f"`{column.name}` is {column.type}", column.name, table.num_rows, values=(f"found {field.type}",))
        for column in contract.columns
        for field in table.schema
        if field.name == column.name and field.type != column.type
    ]


def _columns_differ(contract: Contract, table: pa.Table, promise: Promise) -> Failure:
    found, wanted = Counter(table.schema.names), Counter(contract.schema.names)
    missing, surplus = sorted((wanted - found).elements()), sorted((found - wanted).elements())
    values = [f"missing: {shown(', '.join(missing))}"] if missing else []
    values += [f"surplus: {shown(', '.join(surplus))}"] if surplus else []
    return Failure(promise.rule, None, table.num_rows, values=tuple(values) or ("in another order",))


def _failure(
    contract: Contract, table: pa.Table, promised: Suite, promise: Promise, positions: Sequence[int]
) -> Failure:
    sources = {measure.name: measure.columns for measure in promised.measures}
    columns = list(dict.fromkeys(c for name in promise.columns for c in sources.get(name, (name,))))
    examples = positions[:ROWS_SHOWN]
    names = _naming(contract, table)
    return Failure(
        rule=promise.rule,
        column=columns[0] if len(columns) == 1 else None,
        count=len(positions),
        rows=tuple(_row(table, names, position) for position in examples),
        values=_values(table, [c for c in columns if c not in names and _may_be_quoted(contract, c)], examples),
    )


def _naming(contract: Contract, table: pa.Table) -> list[str]:
    """Columns that name a row in a report."""
    names = dict.fromkeys((*contract.key, "path"))
    return [name for name in names if name in contract.public_columns and table.schema.names.count(name) == 1]


def _may_be_quoted(contract: Contract, column: str) -> bool:
    # a list or structure is too long to read, and a part of it may be private where the whole is not
    return not is_shown_as_length(contract.column(column))


def _row(table: pa.Table, names: Sequence[str], position: int) -> Row:
    values = {name: table.column(name)[position].as_py() for name in names}
    return {n: v if v is None or isinstance(v, int) else shown(v) for n, v in values.items()}


def _values(table: pa.Table, columns: Sequence[str], positions: Sequence[int]) -> tuple[str, ...]:
    if not columns:
        return ()
    return tuple(
        ", ".join(f"{name}={shown(table.column(name)[position].as_py())}" for name in columns) for position in positions
    )
