"""What is promised of single tables beyond the columns of their contracts: how values of a row go together."""

from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.compute as pc

from assets.bronze.contract import CONTENT, SOURCE_FILES
from assets.contract import Between
from assets.gold.contract import CHUNKS, EMBEDDINGS
from assets.gold.embed import UNIT_TOLERANCE
from assets.index.contract import CANDIDATE
from assets.silver.contract import DOCUMENTS, QUARANTINE
from assets.silver.refusal import REASONS
from checks.suites import Additions, Measure, Promise, Where, between, not_null, unique

HALF_TOLERANCE = 2 * UNIT_TOLERANCE
"""The same in Postgres: rounding to half precision changes each number, and so the length, by at most 2^-11 of
itself, which is half a thousandth."""

_SLICE_ROWS = 4_096
"""Vectors that are squared at a time, which bounds the memory at about 13 MB for 384 dimensions."""


def additions(contract_name: str) -> Additions:
    """What is promised beyond the contract of that name; nothing where none is written down."""
    return _ADDITIONS.get(contract_name, Additions())


def norms(table: pa.Table) -> pa.Array:
    """Euclidean length of each `embedding` as float64; null where it is null or holds something not a number."""
    import numpy as np

    vectors = table.column("embedding")
    found = np.zeros(table.num_rows)
    for first in range(0, table.num_rows, _SLICE_ROWS):
        part = vectors.slice(first, _SLICE_ROWS).combine_chunks()
        lengths = pc.fill_null(pc.list_value_length(part), 0).to_numpy(zero_copy_only=False)
        squares = np.square(pc.list_flatten(part).to_numpy(zero_copy_only=False), dtype=np.float64)
        ends = lengths.cumsum()
        filled = lengths > 0
        if filled.any():
            # reduceat would give the neighbour's number for an empty vector
            sums = np.add.reduceat(squares, (ends - lengths)[filled])
            found[first : first + len(lengths)][filled] = np.sqrt(sums)
    return pa.array(found, mask=np.isnan(found) | pc.is_null(vectors).to_numpy())


def _span(table: pa.Table) -> pa.Array:
    return pc.subtract(table.column("char_end"), table.column("char_start"))


_NORM = Measure("embedding.norm", ("embedding",), norms)
_SPAN = Measure("char_range.length", ("char_start", "char_end"), _span)
_UNIT = Between(1 - UNIT_TOLERANCE, 1 + UNIT_TOLERANCE)
_UNIT_IN_HALVES = Between(1 - HALF_TOLERANCE, 1 + HALF_TOLERANCE)


def _is_object(column: str) -> Measure:
    def compute(table: pa.Table) -> pa.Array:
        return pa.array([_parses_as_object(text) for text in table.column(column).to_pylist()], pa.bool_())

    return Measure(f"{column}.object", (column,), compute)


def _parses_as_object(text: str | None) -> bool | None:
    try:
        return None if text is None else isinstance(json.loads(text), dict)
    except ValueError:
        return False


def _object(column: str) -> Promise:
    # by a measure, because Great Expectations would have to see the texts
    arguments = {"column": f"{column}.object", "value_set": [True]}
    return Promise(f"`{column}` is a JSON object", "ExpectColumnValuesToBeInSet", (f"{column}.object",), arguments)


def _greater(greater: str, than: str, *, or_equal: bool = False) -> Promise:
    return Promise(
        f"`{greater}` {'≥' if or_equal else '>'} `{than}`",
        "ExpectColumnPairValuesAToBeGreaterThanB",
        (greater, than),
        {
            "column_A": greater,
            "column_B": than,
            "or_equal": or_equal,
            "ignore_row_if": "either_value_is_missing",
        },
    )


def _equal(one: str, other: str, rule: str) -> Promise:
    arguments = {"column_A": one, "column_B": other, "ignore_row_if": "both_values_are_missing"}
    return Promise(rule, "ExpectColumnPairValuesToBeEqual", (one, other), arguments)


_COVERED = Where("policy_error", None)

_BRONZE = Additions(
    measures=(_is_object("defaults"), _is_object("rules")),
    promises=(
        not_null("content", "`content` is there where `kind` is content", Where("kind", CONTENT)),
        Promise(
            "`content` is null where `kind` is not content",
            "ExpectColumnValuesToBeNull",
            ("content", "kind"),
            {"column": "content"},
            Where("kind", CONTENT, negated=True),
        ),
        *(
            not_null(column, f"`{column}` is there where no `policy_error` is", _COVERED)
            for column in ("tenant", "roles", "clearance")
        ),
        _object("defaults"),
        _object("rules"),
    ),
)

_DOCUMENTS = Additions(
    measures=(_is_object("pii"),),
    promises=(between("blocks", Between(1), "`blocks` holds at least one"), _object("pii")),
)

_QUARANTINE = Additions(
    promises=(
        Promise(
            "`stage` is the one that gives this `reason`",
            "ExpectColumnPairValuesToBeInSet",
            ("reason", "stage"),
            {
                "column_A": "reason",
                "column_B": "stage",
                "value_pairs_set": [(code, reason.stage) for code, reason in REASONS.items()],
            },
        ),
    )
)

_CHUNKS = Additions(
    measures=(_SPAN,),
    promises=(
        unique(("document_id", "event", "ordinal")),
        _greater("char_end", "char_start"),
        _equal("char_range.length", "text", "`text` is as long as its range of characters"),
        _greater("end_s", "start_s", or_equal=True),
    ),
)

_EMBEDDINGS = Additions(
    measures=(_NORM,),
    promises=(
        not_null("embedding.norm", "`embedding` holds numbers only"),
        between("embedding.norm", _UNIT, "`embedding` has length 1"),
    ),
)

_CANDIDATE = Additions(
    measures=(_SPAN,),
    promises=(
        _greater("char_end", "char_start"),
        _equal("char_range.length", "text_length", "`text_length` is that of its range of characters"),
        _greater("end_s", "start_s", or_equal=True),
        _greater("document_version", "version", or_equal=True),
        _equal("acl_id", "document_acl_id", "`acl_id` is that of the document"),
        _equal("tenant", "acl_tenant", "`acl_id` is a set of the same tenant"),
        _equal("expires_at", "document_expires_at", "`expires_at` is that of the document"),
        _greater("expires_at", "valid_from"),
        between("norm", _UNIT_IN_HALVES, "`norm` is 1"),
    ),
)

_ADDITIONS = {
    SOURCE_FILES.name: _BRONZE,
    DOCUMENTS.name: _DOCUMENTS,
    QUARANTINE.name: _QUARANTINE,
    CHUNKS.name: _CHUNKS,
    EMBEDDINGS.name: _EMBEDDINGS,
    CANDIDATE.name: _CANDIDATE,
}
