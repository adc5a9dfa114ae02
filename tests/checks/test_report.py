"""Reports read well, name rows in an order of their own, and cannot be broken by what values look like."""

import itertools

import pyarrow as pa
import pytest

from checks.report import Failure, Findings, Report, scope_of, shown


def test_all_is_well_in_one_sentence() -> None:
    report = Report("gold/chunks", "2026-03-01|blog", 1)

    assert report.passed
    assert report.sentence() == "gold/chunks 2026-03-01|blog: 1 row checked, every rule holds"
    assert report.markdown() == report.sentence()


def test_a_failure_with_several_rows_shows_the_first_and_counts_the_rules() -> None:
    rows = ({"chunk_id": "a"}, {"chunk_id": "b"})
    failures = (Failure("`tokens` ≥ 1", "tokens", 2, rows), Failure("all is well", None, 1, rows[:1]))
    report = Report("gold/chunks", None, 9, failures)

    assert not report.passed
    assert report.sentence() == ("gold/chunks: 2 of 9 rows break `tokens` ≥ 1 (first: chunk_id=a); 1 more rule broken")
    assert Report("t", None, 1, failures[1:]).sentence() == (
        "t: 1 of 1 row breaks the rule that all is well (chunk_id=a)"
    )


def test_the_table_has_a_line_for_each_rule_whatever_the_values_hold() -> None:
    nasty = Failure("`kind` matches `a|b`", "kind", 3, ({"path": "a|b\n<script>`x`"},), ("kind=| *c*",))

    lines = Report("t", None, 3, (nasty,)).markdown().split("\n")

    assert len(lines) == 3
    assert lines[2] == (
        r"| `kind` matches `a\|b` | kind | 3 |"
        r" path=a\|b\\n\<script\>\`x\`: found kind=\| \*c\*<br>and 2 more |"
    )


def test_values_are_cut_and_stay_on_one_line() -> None:
    assert shown("a\tb\u202e") == "a\\tb\\u202e"
    assert len(shown("x" * 1_000)) == 100
    assert shown("x" * 100) == "x" * 100
    assert "\n" not in shown("\n" * 1_000)
    assert len(shown("\n" * 1_000)) == 100


@pytest.mark.parametrize("order", list(itertools.permutations([2, 10, 1, None])))
def test_the_order_of_finding_does_not_matter(order: tuple[int | None, ...]) -> None:
    findings = Findings("t", checked=4)
    for number in order:
        findings.add("b" if number == 10 else "a", {"id": "x", "number": number})

    first, second = findings.report().failures

    assert [row["number"] for row in first.rows] == [None, 1, 2]
    assert [row["number"] for row in second.rows] == [10]


def test_twenty_rows_are_named() -> None:
    findings = Findings("t", checked=30)
    for number in range(30):
        findings.add("a", {"number": number})

    (failure,) = findings.report().failures

    assert (failure.count, len(failure.rows)) == (30, 20)


def test_the_scope_is_the_one_partition_there_is() -> None:
    def rows(*sources: str) -> pa.Table:
        return pa.table({"date": ["2026-03-01"] * len(sources), "source": pa.array(sources, pa.string())})

    assert scope_of(rows("blog", "blog")) == "2026-03-01|blog"
    assert scope_of(rows("blog", "podcast")) is None
    assert scope_of(rows()) is None
    assert scope_of(pa.table({"id": [1]})) is None
