"""What a table of the lake promises: its columns, their types and the rules its rows keep.

A contract is written once, beside the code that fills the table. It gives the Arrow schema (what Delta stores),
the expectations that `checks/` runs, and the columns that must never show up in a log, a statistic or a report.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import pyarrow as pa
import pyarrow.compute as pc


@dataclass(frozen=True)
class Matches:
    """Every value matches the regular expression from start to end."""

    pattern: str


@dataclass(frozen=True)
class OneOf:
    """Every value is one of these."""

    values: tuple[str, ...]


@dataclass(frozen=True)
class Between:
    """Every value lies between the two bounds, both included; None leaves a side open."""

    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class LengthBetween:
    """Every text is at least `low` and at most `high` characters long; None leaves a side open."""

    low: int | None = None
    high: int | None = None


Rule = Matches | OneOf | Between | LengthBetween


@dataclass(frozen=True)
class Column:
    """One column.

    Attributes:
        private: holds content or personal data. Delta keeps no statistics of it (minimum and maximum in the
            transaction log would outlive an erasure) and reports never quote its values.
        filled: what stands there in rows written before the contract gained the column: an expression over
            older columns of the same row. Such rows are read as if they had it.
    """

    name: str
    type: pa.DataType
    doc: str
    nullable: bool = False
    rule: Rule | None = None
    private: bool = False
    filled: pc.Expression | None = None


@dataclass(frozen=True)
class Contract:
    """A table: `layer/name`, its columns in order, and the columns that together identify a row."""

    name: str
    doc: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]

    @cached_property
    def schema(self) -> pa.Schema:
        """Arrow schema in column order."""
        return pa.schema([pa.field(c.name, c.type, nullable=c.nullable) for c in self.columns])

    @cached_property
    def public_columns(self) -> tuple[str, ...]:
        """Names of the columns that reports and statistics may show."""
        return tuple(c.name for c in self.columns if not c.private)

    def column(self, name: str) -> Column:
        """The column of that name; KeyError when there is none."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)


SHA256 = Matches(r"[0-9a-f]{64}")
UUID = Matches(r"[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
DATE = Matches(r"\d{4}-\d{2}-\d{2}")
SOURCES = ("blog", "podcast", "document")

PARTITION = (
    Column("date", pa.string(), "Day (UTC) on which this state of the file was received; partition.", rule=DATE),
    Column("source", pa.string(), "Source folder; partition.", rule=OneOf(SOURCES)),
)
"""The partition columns that every table of the lake begins with."""
