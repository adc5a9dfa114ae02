"""The candidate release in a real database: what publishing writes passes, damage done by SQL is found and named."""

from datetime import timedelta

import pytest
from psycopg import sql

from assets.index.contract import CANDIDATE
from assets.index.desired import Access
from assets.index.publish import differences
from checks.candidate import candidate_rows, lexical_sample
from checks.referential import index_equals_gold, lexical_matches_reference
from checks.report import Report
from checks.validate import validate
from tests.support import NOW, Gold, GoldDocument, Index

PUBLIC = Access("acme", ("everyone",), "public")
MANAGEMENT = Access("acme", ("management",), "confidential")
OTHER = Access("bolt", ("everyone",), "internal")
SPACE = 1


def documents() -> list[GoldDocument]:
    return [
        GoldDocument("one", PUBLIC, ["the quick brown fox", "jumps over lazy dogs", "the quick brown fox"]),
        GoldDocument("two", MANAGEMENT, ["the fox asks for a raise"], expires_at=NOW.replace(year=2999)),
        GoldDocument("three", OTHER, ["der Fuchs von Bolt", "schnelle braune Füchse"], language="de"),
    ]


def contract(index: Index) -> Report:
    return validate(CANDIDATE, candidate_rows(index.owner, SPACE))


def damage(index: Index, statement: str) -> None:
    schema = sql.Identifier(index.schemas()[0])
    index.owner.execute(sql.SQL(statement).format(s=schema))


def test_an_index_without_a_passage_has_no_rows(index: Index) -> None:
    index.publish([])

    rows = candidate_rows(index.owner, SPACE)

    assert rows.schema == CANDIDATE.schema
    assert rows.num_rows == 0
    assert contract(index).passed
    assert lexical_sample(index.owner, SPACE) == ()


def test_rows_are_those_of_the_newest_release(index: Index) -> None:
    index.serve(documents())
    changed = documents()[:2]
    changed[0].texts[1] = "jumps over busy dogs"
    index.publish(changed)

    rows = candidate_rows(index.owner, SPACE)

    assert rows.schema == CANDIDATE.schema
    assert rows.column("tenant").to_pylist() == ["acme"] * 4
    assert sorted(rows.column("added_in").to_pylist()) == [1, 1, 1, 2]
    assert set(rows.column("path").to_pylist()) == {"blog/one.md", "blog/two.md"}
    assert rows.column("clearance").to_pylist().count("confidential") == 1
    assert rows.column("valid_from").to_pylist() == [NOW] * 4
    assert rows.column("text_length").to_pylist().count(len("jumps over busy dogs")) == 1


def test_what_publishing_writes_passes(index: Index) -> None:
    index.publish(documents())

    assert contract(index).passed, contract(index).markdown()
    assert contract(index).checked == 6
    samples = lexical_sample(index.owner, SPACE)
    assert sorted((sample.tenant, len(sample.passages)) for sample in samples) == [
        ("acme", 1),
        ("acme", 3),
        ("bolt", 2),
    ]
    assert lexical_matches_reference(*samples).passed


@pytest.mark.parametrize(
    ("statement", "rule"),
    [
        ("update {s}.chunk set acl_id = 2 where text like 'jumps%'", "`acl_id` is that of the document"),
        ("update {s}.chunk set acl_id = 99 where text like 'jumps%'", "`clearance` is not null"),
        (
            "update {s}.chunk set acl_id = (select a.id from knowledge.acl a join knowledge.tenant t on t.id = a.tenant"
            " where t.name = 'bolt') where text like 'jumps%'",
            "`acl_id` is a set of the same tenant",
        ),
        ("update {s}.chunk set expires_at = null where text like '%raise'", "`expires_at` is that of the document"),
        ("update {s}.chunk set expires_at = now() where text like 'jumps%'", "`expires_at` is that of the document"),
        ("delete from {s}.document where path = 'blog/three.md'", "`document_id` is not null"),
        ("update {s}.chunk set char_end = 1 where text like 'jumps%'", "`char_end` > `char_start`"),
        ("update {s}.chunk set text = text || '!' where text like 'jumps%'", "`text_length` is that of its range"),
        ("update {s}.chunk set text_sha256 = 'x' where text like 'jumps%'", "`text_sha256` matches"),
        ("update {s}.chunk set embedding = embedding + embedding where text like 'jumps%'", "`norm` is 1"),
        ("update {s}.document set source = 'wiki' where path = 'blog/three.md'", "`source` is one of"),
        ("update {s}.chunk set version = 7 where text like 'jumps%'", "`document_version` ≥ `version`"),
        (
            "insert into {s}.chunk select r.* from {s}.chunk c cross join lateral"
            " jsonb_populate_record(null::{s}.chunk, to_jsonb(c) || jsonb_build_object('chunk', 99)) r"
            " where c.text like 'jumps%'",
            "`tenant`, `document_id`, `chunk_id` occur once together",
        ),
    ],
)
def test_damage_is_found_and_the_passage_named_without_its_text(index: Index, statement: str, rule: str) -> None:
    index.publish(documents())
    before = candidate_rows(index.owner, SPACE)

    damage(index, statement)
    report = contract(index)

    failure = next(failure for failure in report.failures if failure.rule.startswith(rule))
    assert {row["chunk_id"] for row in failure.rows} <= set(before.column("chunk_id").to_pylist())
    assert failure.count <= 2
    told = f"{report} {report.markdown()}"
    assert not any(word in told for word in ("jumps", "raise", "Fuchs"))


def test_lexical_scores_hold_over_releases_removals_moves_and_merges(index: Index) -> None:
    history = documents()
    index.serve(history)
    masked = 0
    for step in range(8):
        history[0].texts[step % 3] = f"the fox number {step} is quick"
        history[1].access = PUBLIC if step % 2 else MANAGEMENT
        history.append(GoldDocument(f"more {step}", OTHER, [f"Fuchs {step}"] * (step + 1), language="de"))
        if step == 5:
            del history[2]
        index.publish(history)

        samples = lexical_sample(index.owner, SPACE)

        report = lexical_matches_reference(*samples)
        assert report.passed, report.markdown()
        masked += sum(len(sample.masked) for sample in samples)
    assert masked  # or the history would not have tried what it is for


def test_expired_passages_are_no_part_of_the_sample(index: Index) -> None:
    old = GoldDocument("old", PUBLIC, ["the fox of yesterday"], expires_at=NOW + timedelta(seconds=1))
    index.publish([*documents(), old])  # the clock of the database is past that

    samples = lexical_sample(index.owner, SPACE)

    assert sum(len(sample.passages) for sample in samples) == 6
    assert lexical_matches_reference(*samples).passed


def test_damaged_postings_are_found(index: Index) -> None:
    index.publish(documents())
    damage(index, "update {s}.posting set post = set_byte(post, 4, get_byte(post, 4) + 1) where term = 'fox'")

    report = lexical_matches_reference(*lexical_sample(index.owner, SPACE))

    assert not report.passed
    assert {row["tenant"] for failure in report.failures for row in failure.rows} == {"acme"}


def test_the_sample_is_bounded_and_takes_the_newest_access_sets_first(index: Index) -> None:
    index.serve(documents())
    index.publish([*documents(), GoldDocument("new", OTHER, ["ein neuer Fuchs"], language="de")])

    assert [sample.tenant for sample in lexical_sample(index.owner, SPACE, most=3)] == ["bolt"]
    assert [len(sample.passages) for sample in lexical_sample(index.owner, SPACE, most=4)] == [3, 1]
    assert lexical_sample(index.owner, SPACE, most=0) == ()


def test_an_index_that_equals_gold_passes_and_a_lost_row_is_listed(index: Index) -> None:
    index.publish(documents())
    desired = Gold(documents()).desired

    assert index_equals_gold(differences(index.owner, desired, space=SPACE, now=NOW)).passed

    damage(index, "delete from {s}.chunk where text like 'jumps%'")
    (failure,) = index_equals_gold(differences(index.owner, desired, space=SPACE, now=NOW)).failures
    assert failure.count == 1
    assert failure.rows[0]["document_id"] == documents()[0].document_id
