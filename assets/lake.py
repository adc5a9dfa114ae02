"""The lake: Delta tables that keep to their contracts, read by column and written partition by partition.

Everything that knows delta-rs is in this room. Others hand over Arrow tables and contracts.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Literal, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from deltalake import (
    ColumnProperties,
    CommitProperties,
    DeltaTable,
    Transaction,
    WriterProperties,
    write_deltalake,
)
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError

from assets.contract import DATE, PARTITION, SOURCES, Column, Contract
from assets.delta_history import forget
from assets.errors import LakeConflictError, LakeError, LakeSchemaError, LakeUnavailableError
from retrieval.errors import ConfigurationError

T = TypeVar("T")
Partition = tuple[str, str]
"""A partition of a table: (date as `YYYY-MM-DD`, source)."""

PARTITION_COLUMNS = tuple(column.name for column in PARTITION)

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.05, 2.0
TAKE_LIMIT_BYTES = 2**31 - 1
"""Arrow's 32-bit offsets: gathering a longer column of texts or bytes into one array overflows."""

OS_ERRORS = {
    r"\(os error 28\)|No space left": "has no space left: free some or move KNOWLEDGE_LAKE",
    r"\(os error 122\)|Disk quota": "has used up its disk quota: free some space or move KNOWLEDGE_LAKE",
    r"\(os error 27\)|File too large": "may not hold a file of that size: raise the limit on file sizes",
    r"\(os error (?:1|13)\)|PermissionDenied|Permission denied": "may not be read or written by this user:"
    " correct the permissions or KNOWLEDGE_LAKE",
    r"\(os error 20\)|NotADirectory|Not a directory": "is not a folder: correct KNOWLEDGE_LAKE",
    r"\(os error 30\)|Read-only file system": "is read-only: correct the mount or KNOWLEDGE_LAKE",
    r"Could not create local directory": "cannot be created: correct KNOWLEDGE_LAKE",
}
"""What the storage said (delta-rs passes the operating system's words on), and what it means for a person."""

EMPTY_LOG = "No files in log segment"
"""How delta-rs calls a table whose folder exists and whose first commit does not."""

UNANSWERED = re.compile(r"timed? ?out|connection|dns|429|50[0-4]|temporar|os error (?:5|11|104|110|111|116)\)", re.I)


@dataclass(frozen=True, slots=True)
class Maintenance:
    """What one round of maintenance did: files merged into larger ones, files deleted."""

    merged: int
    deleted: int


class Lake:
    """Delta tables below one root, `<uri>/<layer>/<table>`.

    Args:
        uri: local folder, or the URI of an object store as delta-rs understands it (`s3://…`, `az://…`).
        storage_options: credentials and settings of the object store.
        sleep: waits that many seconds between two attempts to commit.
        attempts: how often a commit is tried before `LakeConflictError`.

    Raises (all methods that touch storage):
        ConfigurationError: the root is no folder, may not be written, or its disk is full.
        LakeConflictError: other writers were faster, `attempts` times.
        LakeUnavailableError: the storage did not answer.
        LakeSchemaError: rows or the stored table do not fit the contract.
        LakeError: the table is damaged.
    """

    def __init__(
        self,
        uri: str | Path,
        storage_options: dict[str, str] | None = None,
        *,
        sleep: Callable[[float], None] = time.sleep,
        attempts: int = 8,
    ) -> None:
        self.uri = str(uri).rstrip("/")
        self._storage_options = storage_options
        self._sleep = sleep
        self._attempts = attempts

    def table_uri(self, contract: Contract) -> str:
        """Where the table lies."""
        return f"{self.uri}/{contract.name}"

    def partitions(self, contract: Contract) -> set[Partition]:
        """The partitions that hold files, from the transaction log alone."""
        with self._errors(contract):
            table = self._open(contract)
            if table is None:
                return set()
            return {(entry["date"], entry["source"]) for entry in table.partitions()}

    def version(self, contract: Contract) -> int:
        """Number of the table's last commit, -1 where there is no table."""
        with self._errors(contract):
            table = self._open(contract)
            return -1 if table is None else int(table.version())

    def state(self, contract: Contract) -> tuple[str, int] | None:
        """What changes with every commit, and with another table in the same place; None where there is no table."""
        with self._errors(contract):
            table = self._open(contract)
            return None if table is None else (str(table.metadata().id), int(table.version()))

    def read(
        self,
        contract: Contract,
        columns: Sequence[str] | None = None,
        *,
        partitions: Collection[Partition] | None = None,
        where: pc.Expression | None = None,
    ) -> pa.Table:
        """Rows in the order of date, source and key; an empty table where nothing was ever written.

        Args:
            columns: names to read, in the order wanted; None reads all. Only these and the key are read.
            partitions: only these; None reads all. Files of others are not opened.
            where: a condition on columns; files that cannot match by their statistics are not opened.

        Returns:
            A table with exactly the contract's types.
        """
        names = list(columns) if columns is not None else contract.schema.names
        schema = pa.schema([contract.schema.field(name) for name in names])
        if partitions is not None and not partitions:
            return schema.empty_table()
        with self._errors(contract):
            table = self._open(contract)
            if table is None:
                return schema.empty_table()
            return _select(_rows(table, contract, names, _condition(partitions, where)), schema)

    def replace(self, contract: Contract, date: str, source: str, table: pa.Table) -> bool:
        """Makes `table` the whole content of one partition.

        The same content again commits nothing, whatever the order of its rows.

        Returns:
            Whether anything changed.
        """
        rows = _checked(contract, table)
        _check_partition(contract, rows, date, source)
        with self._errors(contract):
            return self._committed(contract, lambda: self._replace_once(contract, date, source, rows))

    def append(self, contract: Contract, table: pa.Table) -> int:
        """Adds rows.

        Appends to one table take turns, and a key that is there already is refused, so two writers that saw
        the same state cannot both write what follows from it.

        Returns:
            How many rows were added.

        Raises:
            LakeConflictError: a row with the key of one of these is there already; read the state again.
        """
        rows = _checked(contract, table)
        if not rows.num_rows:
            return 0
        with self._errors(contract):
            return self._committed(contract, lambda: self._append_once(contract, rows))

    def maintain(self, contract: Contract, *, retention: timedelta) -> Maintenance:
        """Merges small files, writes a checkpoint, deletes files that nothing since `retention` ago needs.

        A retention shorter than the longest write or read still running takes files away under it.
        """
        with self._errors(contract):
            return self._committed(contract, lambda: self._maintain_once(contract, retention))

    def forget(self, contract: Contract) -> int:
        """Deletes the table's past: every file that is not in its newest version, whoever left it there, and the log
        before it.

        Only for whoever is alone: a file that somebody else is about to commit would be deleted too.

        Returns:
            How many data files were deleted.
        """
        with self._errors(contract):
            root = Path(self.table_uri(contract)) if "://" not in self.uri else None
            return self._committed(contract, lambda: forget(lambda: self._open(contract), root))

    def _replace_once(self, contract: Contract, date: str, source: str, rows: pa.Table) -> bool:
        table = self._open(contract)
        if table is None:
            if not rows.num_rows:
                return False
            table = self._create(contract)
        stored = _rows(table, contract, contract.schema.names, _condition([(date, source)], None))
        if stored.num_rows == rows.num_rows and _select(stored, contract.schema).equals(rows):
            return False
        write_deltalake(
            table,
            rows,
            mode="overwrite",
            predicate=f"date = '{date}' AND source = '{source}'",
            schema_mode=_evolution(table, contract),
            writer_properties=_writer_properties(contract),
        )
        return True

    def _append_once(self, contract: Contract, rows: pa.Table) -> int:
        table = self._open(contract) or self._create(contract)
        _check_absent(table, contract, rows)
        turn = Transaction(f"append {contract.name}", table.version() + 1)
        write_deltalake(
            table,
            rows,
            mode="append",
            schema_mode=_evolution(table, contract),
            writer_properties=_writer_properties(contract),
            # two commits under one application id conflict, even where Delta would let both append
            commit_properties=CommitProperties(app_transactions=[turn]),
        )
        return int(rows.num_rows)

    def _maintain_once(self, contract: Contract, retention: timedelta) -> Maintenance:
        table = self._open(contract)
        if table is None:
            return Maintenance(0, 0)
        merged = table.optimize.compact(writer_properties=_writer_properties(contract))
        table.create_checkpoint()
        deleted = table.vacuum(
            retention_hours=int(retention.total_seconds() // 3600),
            dry_run=False,
            enforce_retention_duration=False,
        )
        return Maintenance(int(merged["numFilesRemoved"]), len(deleted))

    def _open(self, contract: Contract) -> DeltaTable | None:
        uri = self.table_uri(contract)
        try:
            return DeltaTable(uri, storage_options=self._storage_options)
        except TableNotFoundError:
            # delta-rs says this as well of a path it may not enter, which must not look like an empty lake
            if "://" not in uri:
                _require_reachable(Path(uri))
            return None
        except (OSError, DeltaError) as error:
            # another process is creating the table, or was killed while it did
            if EMPTY_LOG in str(error):
                return None
            raise

    def _create(self, contract: Contract) -> DeltaTable:
        if "://" not in self.uri:
            # one that somebody made keeps its permissions: they may share it with a group
            Path(self.uri).mkdir(mode=0o700, parents=True, exist_ok=True)
        return DeltaTable.create(
            self.table_uri(contract),
            contract.schema,
            mode="ignore",
            partition_by=list(PARTITION_COLUMNS),
            description=contract.doc,
            configuration={"delta.dataSkippingStatsColumns": ",".join(_statistics_columns(contract))},
            storage_options=self._storage_options,
        )

    def _committed(self, contract: Contract, operation: Callable[[], T]) -> T:
        """Runs `operation`, which looks at the table afresh each time, until its commit goes through."""
        pause = FIRST_PAUSE_S
        for attempt in range(self._attempts):
            try:
                return operation()
            except CommitFailedError:
                if attempt + 1 < self._attempts:
                    self._sleep(pause)
                    pause = min(2 * pause, LONGEST_PAUSE_S)
        raise LakeConflictError(
            f"{contract.name}: other writers committed first {self._attempts} times in a row; try again later"
        )

    @contextmanager
    def _errors(self, contract: Contract) -> Iterator[None]:
        """Turns the errors of storage and delta-rs into ours."""
        try:
            yield
        except FileNotFoundError as error:
            raise LakeUnavailableError(
                f"{contract.name}: files were deleted while they were read; try again"
            ) from error
        except (OSError, DeltaError, pa.ArrowException) as error:
            # without the cause: delta-rs prints rows that it refuses, and those may be private
            raise _translated(str(error), contract.name, self.uri) from None


def _translated(said: str, table: str, uri: str) -> Exception:
    for pattern, meaning in OS_ERRORS.items():
        if re.search(pattern, said):
            return ConfigurationError(f"The lake at {uri} {meaning}")
    first_line = said.partition("\n")[0][:200]
    if UNANSWERED.search(said):
        return LakeUnavailableError(f"{table}: the storage of the lake did not answer ({first_line}); try again later")
    return LakeError(f"{table}: the table cannot be used ({first_line}); restore it or remove it and run again")


def _require_reachable(path: Path) -> None:
    """Passes where the path exists or could be created; OSError where a part of it is closed or no folder."""
    with suppress(FileNotFoundError):
        path.stat()


def _condition(partitions: Collection[Partition] | None, where: pc.Expression | None) -> pc.Expression | None:
    if partitions is None:
        return where
    dates: dict[str, list[str]] = {}
    for date, source in sorted(partitions):
        dates.setdefault(source, []).append(date)
    chosen = pc.scalar(False)
    for source, days in dates.items():
        chosen = chosen | ((pc.field("source") == source) & pc.field("date").isin(days))
    return chosen if where is None else chosen & where


def _rows(table: DeltaTable, contract: Contract, names: Sequence[str], condition: pc.Expression | None) -> pa.Table:
    """The named columns and those that order rows, in that order."""
    order = _order(contract)
    wanted = list(dict.fromkeys([*names, *order]))
    dataset = table.to_pyarrow_dataset()
    for field in contract.schema:
        if field.name not in dataset.schema.names:
            if not field.nullable and contract.column(field.name).filled is None:
                raise LakeSchemaError(
                    f"{contract.name}: the stored table has no column {field.name}; remove the table and build it again"
                )
            dataset = dataset.replace_schema(dataset.schema.append(field.with_nullable(True)))
    columns = {name: _filled(contract.column(name)) for name in wanted}
    return _sorted(dataset.to_table(columns=columns, filter=condition), order)


def _filled(column: Column) -> pc.Expression:
    """The column, and in rows that are older than it what stands for it."""
    stored = pc.field(column.name)
    return stored if column.filled is None else pc.coalesce(stored, column.filled)


def _select(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """Exactly the schema's columns and types; a nullable column that the table lacks is all null."""
    columns = [
        table.column(field.name) if field.name in table.schema.names else pa.nulls(table.num_rows, field.type)
        for field in schema
    ]
    found = pa.schema([field.with_type(column.type) for field, column in zip(schema, columns, strict=True)])
    return pa.Table.from_arrays(columns, schema=found).cast(schema)


def _order(contract: Contract) -> list[str]:
    return list(dict.fromkeys([*PARTITION_COLUMNS, *contract.key]))


def _sorted(table: pa.Table, order: Sequence[str]) -> pa.Table:
    indices = pc.sort_indices(table, sort_keys=[(name, "ascending") for name in order])
    if np.array_equal(indices.to_numpy(), np.arange(table.num_rows)):
        return table
    columns = [_gathered(column, indices) for column in table.columns]
    return pa.Table.from_arrays(columns, schema=table.schema)


def _gathered(column: pa.ChunkedArray, indices: pa.Array) -> pa.ChunkedArray:
    if column.nbytes < TAKE_LIMIT_BYTES:
        return column.take(indices)
    slices = [chunk for index in indices.to_pylist() for chunk in column.slice(index, 1).chunks]
    return pa.chunked_array(slices, column.type)


def _checked(contract: Contract, table: pa.Table) -> pa.Table:
    """The table in the contract's order of columns and rows.

    Raises:
        LakeSchemaError: a column is missing, surplus or of another type, a value is missing, a key repeats.
    """
    names = contract.schema.names
    missing = [name for name in names if name not in table.schema.names]
    surplus = [name for name in table.schema.names if name not in names]
    if missing or surplus:
        raise LakeSchemaError(
            f"{contract.name}: columns do not fit the contract (missing: {_listed(missing)}; surplus:"
            f" {_listed(surplus)}); correct the code that makes the rows"
        )
    for field in contract.schema:
        _check_column(contract, field, table)
    rows = _sorted(_select(table, contract.schema), _order(contract))
    _check_unique(contract, rows)
    return rows


def _check_column(contract: Contract, field: pa.Field, table: pa.Table) -> None:
    column = table.column(field.name)
    if not _compatible(column.type, field.type):
        raise LakeSchemaError(
            f"{contract.name}: column {field.name} is {column.type} instead of {field.type};"
            " correct the code that makes the rows"
        )
    if not field.nullable and column.null_count:
        raise LakeSchemaError(
            f"{contract.name}: column {field.name} lacks {column.null_count} of {len(column)} values;"
            " correct the code that makes the rows"
        )


def _compatible(found: pa.DataType, wanted: pa.DataType) -> bool:
    """Whether the two hold the same values, in whatever layout."""
    if found == wanted:
        return True
    if _is_list(found) and _is_list(wanted):
        return _compatible(found.value_type, wanted.value_type)
    if pa.types.is_struct(found) and pa.types.is_struct(wanted):
        ours, theirs = list(found), list(wanted)
        return [f.name for f in ours] == [f.name for f in theirs] and all(
            _compatible(mine.type, other.type) for mine, other in zip(ours, theirs, strict=True)
        )
    return any(is_kind(found) and is_kind(wanted) for is_kind in (_is_text, _is_bytes))


def _is_list(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _is_bytes(kind: pa.DataType) -> bool:
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind))


def _check_unique(contract: Contract, rows: pa.Table) -> None:
    distinct = rows.select(list(contract.key)).group_by(list(contract.key), use_threads=False).aggregate([])
    if distinct.num_rows != rows.num_rows:
        raise LakeSchemaError(
            f"{contract.name}: {rows.num_rows - distinct.num_rows} rows repeat a key"
            f" ({_listed(contract.key)}); correct the code that makes the rows"
        )


def _check_partition(contract: Contract, rows: pa.Table, date: str, source: str) -> None:
    if not re.fullmatch(DATE.pattern, date) or source not in SOURCES:
        raise LakeSchemaError(
            f"{contract.name}: ({date!r}, {source!r}) is not a partition: use YYYY-MM-DD and a source"
        )
    for name, value in zip(PARTITION_COLUMNS, (date, source), strict=True):
        if not pc.all(pc.equal(rows.column(name), value), min_count=0).as_py():
            raise LakeSchemaError(
                f"{contract.name}: rows outside partition {date}|{source} (column {name});"
                " write each partition by itself"
            )


def _check_absent(table: DeltaTable, contract: Contract, rows: pa.Table) -> None:
    first = contract.key[0]
    values = pc.unique(rows.column(first))
    stored = _rows(table, contract, contract.key, pc.field(first).isin(values))
    keys = rows.select(list(contract.key))
    present = keys.join(stored.select(list(contract.key)).cast(keys.schema), list(contract.key), join_type="left semi")
    if present.num_rows:
        raise LakeConflictError(
            f"{contract.name}: {present.num_rows} of {rows.num_rows} rows were written by somebody else"
            " meanwhile; read the state again and repeat"
        )


def _evolution(table: DeltaTable, contract: Contract) -> Literal["merge"] | None:
    """Lets a table grow the columns that its contract gained."""
    stored = {field.name for field in table.schema().fields}
    return None if stored >= set(contract.schema.names) else "merge"


def _statistics_columns(contract: Contract) -> list[str]:
    """Columns whose minimum and maximum the transaction log may keep."""
    return [
        name
        for name in contract.public_columns
        if name not in PARTITION_COLUMNS and not pa.types.is_nested(contract.schema.field(name).type)
    ]


def _writer_properties(contract: Contract) -> WriterProperties:
    private = ColumnProperties(statistics_enabled="NONE", dictionary_enabled=False)
    names = [c.name for c in contract.columns if c.private and not pa.types.is_nested(c.type)]
    return WriterProperties(compression="ZSTD", compression_level=3, column_properties=dict.fromkeys(names, private))


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) or "none"
