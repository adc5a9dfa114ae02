"""Contracts are held: each rule is broken by a planted row, which the report names without telling what is private."""

import logging
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assets.bronze.contract import SOURCE_FILES
from assets.contract import PARTITION, Between, Column, Contract, LengthBetween, Matches, OneOf
from assets.gold.contract import CHUNKS, EMBEDDINGS
from assets.index.contract import CANDIDATE
from assets.silver.contract import DOCUMENTS, QUARANTINE
from checks.expectations import additions
from checks.suites import Additions, Promise, suite
from checks.validate import SuiteError, validate
from tests.checks.rows import DATE, RECEIVED, SECRET, SOURCE, good, identity, path, sha, table

CONTRACTS = [SOURCE_FILES, DOCUMENTS, QUARANTINE, CHUNKS, EMBEDDINGS, CANDIDATE]
BY_NAME = pytest.mark.parametrize("contract", CONTRACTS, ids=lambda contract: contract.name)
NAN = float("nan")

# What the rules of a single column cannot say, by contract: what a row is changed to, and the rules that it breaks.
PLANTED: dict[str, list[tuple[dict[str, Any], set[str]]]] = {
    SOURCE_FILES.name: [
        ({"kind": "removed"}, {"`content` is null where `kind` is not content"}),
        ({"kind": "access"}, {"`content` is null where `kind` is not content"}),
        ({"content": None}, {"`content` is there where `kind` is content"}),
        ({"tenant": None}, {"`tenant` is there where no `policy_error` is"}),
        ({"roles": None}, {"`roles` is there where no `policy_error` is"}),
        ({"clearance": None}, {"`clearance` is there where no `policy_error` is"}),
        ({"defaults": "{" + SECRET}, {"`defaults` is a JSON object"}),
        ({"content": None, "kind": "removed"}, set()),
        ({"content": b""}, set()),
        ({"tenant": None, "roles": None, "clearance": None, "policy_error": "no_policy"}, set()),
        ({"defaults": "[]"}, {"`defaults` is a JSON object"}),
        ({"rules": "[]"}, {"`rules` is a JSON object"}),
        ({"rules": None}, set()),
        ({"sha256": sha(1) + "\n"}, {"`sha256` matches `[0-9a-f]{64}`"}),
        ({"path": "blog/" + "ä" * 4_091}, set()),
    ],
    DOCUMENTS.name: [
        ({"blocks": []}, {"`blocks` holds at least one"}),
        ({"pii": "1 value"}, {"`pii` is a JSON object"}),
        ({"title": "x" * 501}, {"`title` length from 1 to 500"}),
        ({"title": "ü" * 500}, set()),
    ],
    QUARANTINE.name: [
        ({"stage": "policy"}, {"`stage` is the one that gives this `reason`"}),
        ({"stage": "policy", "reason": "no_policy"}, set()),
    ],
    CHUNKS.name: [
        ({"char_end": 5}, {"`char_end` > `char_start`", "`text` is as long as its range of characters"}),
        ({"text": SECRET + "s"}, {"`text` is as long as its range of characters"}),
        ({"end_s": 1.4}, {"`end_s` ≥ `start_s`"}),
        ({"end_s": 1.5}, set()),
        ({"start_s": None, "end_s": None}, set()),
        ({"start_s": float("inf"), "end_s": float("inf")}, {f"`{n}` is a finite number" for n in ("start_s", "end_s")}),
    ],
    EMBEDDINGS.name: [
        ({"embedding": [0.6, NAN]}, {"`embedding` holds numbers only"}),
        ({"embedding": [0.6, None]}, {"`embedding` holds numbers only"}),
        ({"embedding": [0.6, 0.9]}, {"`embedding` has length 1"}),
        ({"embedding": [float("inf"), 0.9]}, {"`embedding` has length 1"}),
        ({"embedding": []}, {"`embedding` has length 1"}),
        ({"embedding": None}, {"`embedding` is not null", "`embedding` holds numbers only"}),
        ({"embedding": [1.0]}, set()),
    ],
    CANDIDATE.name: [
        ({"char_start": 15}, {"`char_end` > `char_start`", "`text_length` is that of its range of characters"}),
        ({"text_length": 11}, {"`text_length` is that of its range of characters"}),
        ({"start_s": 2.0, "end_s": 1.0}, {"`end_s` ≥ `start_s`"}),
        ({"version": 3}, {"`document_version` ≥ `version`"}),
        ({"acl_id": 2}, {"`acl_id` is that of the document"}),
        ({"acl_tenant": "bolt"}, {"`acl_id` is a set of the same tenant"}),
        ({"expires_at": None}, {"`expires_at` is that of the document"}),
        ({"document_expires_at": None}, {"`expires_at` is that of the document"}),
        ({"expires_at": None, "document_expires_at": None}, set()),
        ({"expires_at": RECEIVED, "document_expires_at": RECEIVED}, {"`expires_at` > `valid_from`"}),
        ({"norm": 0.99}, {"`norm` is 1"}),
    ],
}


def of_columns(contract: Contract) -> list[tuple[dict[str, Any], str]]:
    """For each rule of a single column a change that breaks it, and the beginning of its words."""
    planted: list[tuple[dict[str, Any], str]] = []
    for column in contract.columns:
        name, rule = column.name, column.rule
        if not column.nullable:
            planted.append(({name: None}, f"`{name}` is not null"))
        if pa.types.is_floating(column.type):
            planted.append(({name: NAN}, f"`{name}` is a finite number"))
        if isinstance(rule, Matches):
            planted.append(({name: "?"}, f"`{name}` matches"))
        elif isinstance(rule, OneOf):
            planted.append(({name: "?"}, f"`{name}` is one of"))
        elif isinstance(rule, LengthBetween):
            planted.append(({name: ""}, f"`{name}` length"))
        elif isinstance(rule, Between):
            assert rule.low is not None
            planted.append(({name: int(rule.low) - 1}, f"`{name}` ≥ {rule.low:g}"))
    return planted


def key_of(contract: Contract, row: dict[str, Any]) -> dict[str, Any]:
    names = dict.fromkeys((*contract.key, *(["path"] if "path" in row else [])))
    return {name: row[name] for name in names}


@BY_NAME
@pytest.mark.parametrize("rows", [0, 50])
def test_good_tables_pass(contract: Contract, rows: int) -> None:
    report = validate(contract, table(contract, [good(contract, number) for number in range(rows)]))

    assert report.passed, report.markdown()
    assert (report.table, report.checked) == (contract.name, rows)
    assert "every rule holds" in report.sentence()


@BY_NAME
def test_each_rule_of_a_column_names_the_row_that_breaks_it(contract: Contract) -> None:
    planted = of_columns(contract)
    rows = [good(contract, number) | change for number, (change, _) in enumerate(planted)]

    report = validate(contract, table(contract, [*rows, *(good(contract, 1_000 + n) for n in range(5))]))

    named = {failure.rule: failure for failure in report.failures}
    for row, (change, words) in zip(rows, planted, strict=True):
        rule = next(rule for rule in named if rule.startswith(words))
        assert key_of(contract, row) in named[rule].rows, (rule, change)
        assert named[rule].column == next(iter(change))
    assert all(identity(1_000 + n) not in str(report) and sha(1_000 + n) not in str(report) for n in range(5))
    assert SECRET not in f"{report} {report.sentence()} {report.markdown()}"


@BY_NAME
def test_rules_between_columns_name_the_rows_that_break_them_and_no_others(contract: Contract) -> None:
    planted = PLANTED[contract.name]
    rows = [good(contract, number) | change for number, (change, _) in enumerate(planted)]

    report = validate(contract, table(contract, rows))

    for row, (change, rules) in zip(rows, planted, strict=True):
        key = key_of(contract, row)
        assert {failure.rule for failure in report.failures if key in failure.rows} == rules, change
    assert SECRET not in f"{report} {report.sentence()} {report.markdown()}"


@BY_NAME
def test_no_promise_is_left_without_a_planted_row(contract: Contract) -> None:
    promises = suite(contract, additions(contract.name)).promises
    between_columns = {rule for _, rules in PLANTED[contract.name] for rule in rules}
    words = tuple(words for _, words in of_columns(contract))

    uncovered = [p.rule for p in promises if p.rule not in between_columns and not p.rule.startswith(words)]

    assert [rule for rule in uncovered if "occur once together" not in rule] == [promises[0].rule]


@BY_NAME
def test_a_repeated_key_is_found(contract: Contract) -> None:
    rows = [good(contract, number) for number in (1, 2, 1)]

    report = validate(contract, table(contract, rows))

    failure = next(failure for failure in report.failures if "occur once together" in failure.rule)
    assert failure.count == 2
    assert failure.rows == (key_of(contract, rows[0]),) * 2


def test_a_place_in_a_document_is_taken_once() -> None:
    rows = [good(CHUNKS, 1), good(CHUNKS, 1) | {"chunk_id": sha(2)}]

    (failure,) = validate(CHUNKS, table(CHUNKS, rows)).failures

    assert failure.rule == "`document_id`, `event`, `ordinal` occur once together"


def test_the_sentence_names_partition_rule_and_row() -> None:
    rows = [good(CHUNKS, number) for number in range(120)]
    rows[7]["tokens"] = 0

    report = validate(CHUNKS, table(CHUNKS, rows))

    assert report.sentence() == (
        f"gold/chunks {DATE}|{SOURCE}: 1 of 120 rows breaks `tokens` ≥ 1"
        f" (document_id={identity(7)}, event=1, chunk_id={sha(7)})"
    )
    assert report.failures[0].values == ("tokens=0",)
    assert "found tokens=0" in report.markdown()


def test_paths_name_rows_and_public_values_are_cut() -> None:
    row = good(DOCUMENTS, 3) | {"tenant": "A|\n" + "b" * 500}

    (failure,) = validate(DOCUMENTS, table(DOCUMENTS, [row])).failures

    assert failure.rows == ({"document_id": identity(3), "event": 1, "path": path(3)},)
    assert failure.values[0].startswith("tenant=A|\\nbbb")
    assert len(failure.values[0]) == len("tenant=") + 100


def test_twenty_rows_are_named_and_all_are_counted() -> None:
    rows = [good(CHUNKS, number) | {"tokens": 0} for number in range(30)]

    (failure,) = validate(CHUNKS, table(CHUNKS, rows)).failures

    assert (failure.count, len(failure.rows), len(failure.values)) == (30, 20, 20)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda t: t.drop_columns(["tokens"]), "missing: tokens"),
        (lambda t: t.append_column("more", pa.array([SECRET] * 2)), "surplus: more"),
        (lambda t: t.append_column("tokens", t["tokens"]), "surplus: tokens"),
        (lambda t: t.select(t.schema.names[::-1]), "in another order"),
        (lambda t: t.drop_columns(["start_s", "text"]), "missing: start_s, text"),
    ],
)
def test_columns_that_differ_are_one_failure_and_the_others_are_checked_still(damage: Any, said: str) -> None:
    rows = [good(CHUNKS, 1), good(CHUNKS, 2) | {"page": 0}]

    report = validate(CHUNKS, damage(table(CHUNKS, rows)))

    assert report.failures[0].values == (said,)
    assert said in report.sentence()
    assert [failure.rule for failure in report.failures[1:]] == ["`page` ≥ 1"]
    assert SECRET not in str(report)


@pytest.mark.parametrize("rows", [0, 2])
def test_a_column_of_another_type_is_named_with_both_types(rows: int) -> None:
    wrong = table(CHUNKS, [good(CHUNKS, number) for number in range(rows)])
    wrong = wrong.set_column(wrong.schema.names.index("text"), "text", pa.array([SECRET.encode()] * rows, pa.binary()))

    (failure,) = validate(CHUNKS, wrong).failures

    assert (failure.rule, failure.values, failure.count) == ("`text` is string", ("found binary",), rows)


def test_rows_of_several_partitions_have_no_scope_but_the_one_that_is_given() -> None:
    rows = [good(CHUNKS, 1), good(CHUNKS, 2) | {"date": "2026-03-02"}]

    assert validate(CHUNKS, table(CHUNKS, rows)).scope is None
    assert validate(CHUNKS, table(CHUNKS, rows), scope="March").sentence().startswith("gold/chunks March: ")


def test_the_order_of_times_does_not_depend_on_the_zone() -> None:
    row = good(CANDIDATE, 1) | {"expires_at": RECEIVED - timedelta(seconds=1)}

    rules = {failure.rule for failure in validate(CANDIDATE, table(CANDIDATE, [row])).failures}

    assert rules == {"`expires_at` > `valid_from`", "`expires_at` is that of the document"}


MIXED = Contract(
    name="test/mixed",
    doc="Private columns of every kind.",
    key=("id", "secret_id"),
    columns=(
        *PARTITION,
        Column("id", pa.string(), "Name.", rule=Matches("[a-z]+")),
        Column("secret_id", pa.string(), "Private key.", private=True, rule=LengthBetween(3)),
        Column("text", pa.string(), "Text.", private=True, rule=LengthBetween(3, 30)),
        Column("raw", pa.binary(), "Bytes.", private=True, rule=LengthBetween(3, 30)),
        Column("names", pa.list_(pa.string()), "Names.", private=True, rule=LengthBetween(2, 3)),
        Column("place", pa.struct([pa.field("street", pa.string())]), "Place.", private=True),
        Column("score", pa.float64(), "Number.", private=True),
        Column("rank", pa.int64(), "Rank.", rule=Between(0, 10)),
    ),
)
PRIVATE = st.text(st.sampled_from("qxz"), min_size=8, max_size=40)


@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "date": st.just(DATE),
                "source": st.sampled_from([SOURCE, "wiki"]),
                "id": st.sampled_from(["a", "b", "?", None]),
                "secret_id": PRIVATE | st.none(),
                "text": PRIVATE | st.none(),
                "raw": PRIVATE.map(str.encode) | st.none(),
                "names": st.lists(PRIVATE, max_size=4) | st.none(),
                "place": PRIVATE.map(lambda street: {"street": street}) | st.none(),
                "score": st.sampled_from([271828.182, NAN, None]),
                "rank": st.integers(-5, 15) | st.none(),
            }
        ),
        min_size=1,
        max_size=6,
    ),
    st.sampled_from([None, "text", "raw", "names"]),
)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_nothing_private_is_ever_told(
    caplog: pytest.LogCaptureFixture, rows: list[dict[str, Any]], retyped: str | None
) -> None:
    mixed = table(MIXED, rows)
    if retyped is not None:
        place = mixed.schema.names.index(retyped)
        mixed = mixed.set_column(place, retyped, pa.array([row["secret_id"] for row in rows], pa.large_string()))
    with caplog.at_level(logging.DEBUG):
        report = validate(MIXED, mixed)

    told = f"{report} {report.sentence()} {report.markdown()} {caplog.text}"
    for row in rows:
        for value in (row["secret_id"], row["text"], *(row["names"] or ()), (row["place"] or {}).get("street")):
            assert value is None or value not in told
        assert row["raw"] is None or row["raw"].decode() not in told
    assert "271828" not in told


def test_a_rule_about_the_content_of_a_private_column_is_refused() -> None:
    column = Column("text", pa.string(), "Text.", private=True, rule=Matches("[a-z]+"))
    contract = replace(MIXED, columns=(*MIXED.columns[:4], column))

    with pytest.raises(TypeError, match="test/mixed: column text may only have a rule about its length"):
        suite(contract, Additions())


def test_an_expectation_that_cannot_be_evaluated_is_an_error_and_no_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    impossible = Promise(
        "`rank` is sound", "ExpectColumnValuesToMatchRegex", ("rank",), {"column": "rank", "regex": "("}
    )
    monkeypatch.setattr("checks.validate.additions", lambda name: Additions(promises=(impossible,)))
    contract = Contract("test/one", "One.", (Column("rank", pa.int64(), "Rank."),), ("rank",))

    with pytest.raises(SuiteError, match="`rank` is sound"):
        validate(contract, pa.table({"rank": [1, 2]}))
