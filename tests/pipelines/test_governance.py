"""What people are asked to look at: new sources of personal data, documents that crowd the index."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from assets.governance.datasheet import SHEET, access_sets
from assets.governance.reviews import acknowledge, open_reviews
from assets.index.golden import read_golden
from assets.index.poisoning import copied_share, crowds
from assets.lake import Lake
from assets.silver.contract import DOCUMENTS
from pipelines.definitions import defs
from retrieval.errors import ConfigurationError
from tests.checks.rows import good, table

REPOSITORY = Path(__file__).resolve().parents[2]
NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)


def put(lake: Lake, rows: list[dict[str, object]]) -> None:
    lake.replace(DOCUMENTS, "2026-03-01", "blog", table(DOCUMENTS, rows))


def document(number: int, folder: str, pii: str) -> dict[str, object]:
    return good(DOCUMENTS, number) | {"path": f"{folder}/{number}.md", "pii": pii}


def test_a_type_never_seen_in_a_folder_asks_for_a_review_until_it_is_acknowledged(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    put(
        lake,
        [document(1, "blog/a/x", '{"EMAIL": 2}'), document(2, "blog/a", '{"EMAIL": 1}'), document(3, "blog", "{}")],
    )
    (waiting,) = open_reviews(lake)
    assert (waiting.folder, waiting.type, waiting.documents) == ("blog/a", "EMAIL", 2)

    acknowledge(lake, "blog/a", [], reviewer="Ada", today="2026-03-02", now=NOW)
    assert open_reviews(lake) == []

    put(lake, [document(1, "blog/a/x", '{"EMAIL": 2, "PHONE": 1}'), document(4, "blog/b", '{"EMAIL": 1}')])
    assert [(o.folder, o.type) for o in open_reviews(lake)] == [("blog/a", "PHONE"), ("blog/b", "EMAIL")]
    acknowledge(lake, "blog/b", ["EMAIL"], reviewer="Ada", today="2026-03-02", now=NOW + timedelta(hours=1))
    assert [(o.folder, o.type) for o in open_reviews(lake)] == [("blog/a", "PHONE")]


@pytest.mark.parametrize(("folder", "types"), [("blog/c", []), ("blog/a", ["IBAN"])])
def test_only_what_is_open_can_be_acknowledged(tmp_path: Path, folder: str, types: list[str]) -> None:
    lake = Lake(str(tmp_path))
    put(lake, [document(1, "blog/a", '{"EMAIL": 2}')])
    with pytest.raises(ConfigurationError, match="knowledge review"):
        acknowledge(lake, folder, types, reviewer="Ada", today="2026-03-02", now=NOW)
    assert len(open_reviews(lake)) == 1


WORDS = "the harbour master counts barges at dawn when fog lies low over copper roofs and gulls wake slowly".split()


def passage(number: int, changed: int) -> str:
    return " ".join(f"{word}{number}" if at >= len(WORDS) - changed else word for at, word in enumerate(WORDS))


@pytest.mark.parametrize(("changed", "count", "share"), [(1, 6, 1.0), (18, 6, 0.0), (1, 4, 0.0)])
def test_near_copies_within_a_document_are_counted(changed: int, count: int, share: float) -> None:
    assert copied_share([passage(n, changed) for n in range(count)]) == share


def test_what_a_passage_says_again_and_again_weighs_as_often() -> None:
    said = "Die Anlage im Westen liefert im Winter genau achtzig Kilowatt an das Netz der Stadt."
    own = [" ".join(f"{word}{number}" for word in ("eins", "zwei", "drei", "vier", "fünf")) for number in range(6)]
    assert copied_share([f"{one}. {said}" for one in own]) == 0.0, "once beside words of its own, it is a quotation"
    assert copied_share([" ".join([f"{one}.", *[said] * 6]) for one in own]) == 1.0


def test_a_document_near_everything_is_found_and_a_large_one_is_not() -> None:
    nearest = [["bait", f"d{n}"] for n in range(10)] + [["d1", "large"], ["d2", "large"]]
    shares = {"bait": 0.001, "large": 0.9, "d1": 0.01}
    assert [(c.document_id, c.questions, c.asked) for c in crowds(nearest, shares)] == [("bait", 10, 12)]
    assert crowds(nearest[:4], shares) == []


def test_golden_questions_lie_beside_the_inbox_or_where_a_setting_says(tmp_path: Path) -> None:
    inbox = tmp_path / "inbox"
    assert read_golden(None, inbox) == []
    (tmp_path / "questions.toml").write_text('[[question]]\ntext = "Wie?"\ntenant = "acme"\nlanguage = "de"\n')
    assert [(q.text, q.tenant) for q in read_golden(None, inbox)] == [("Wie?", "acme")]
    broken = tmp_path / "broken.toml"
    broken.write_text('[[question]]\ntext = "Wie?"\n')
    for file in (broken, tmp_path / "none.toml"):
        with pytest.raises(ConfigurationError, match="KNOWLEDGE_GOLDEN"):
            read_golden(file, inbox)


def test_the_data_sheet_names_every_asset_and_is_what_the_assets_say() -> None:
    graph = defs.resolve_asset_graph()
    assert {key.to_user_string() for key in graph.get_all_asset_keys()} == set(SHEET)
    written = (REPOSITORY / "docs" / "datasheet.md").read_text(encoding="utf-8")
    for asset, facts in SHEET.items():
        assert f"| `{asset}` | {' | '.join(facts.values())} |" in written


def test_access_sets_are_counted() -> None:
    row = {"tenant": "acme", "roles": ["everyone", "hr"], "clearance": "internal"}
    nobody = {"tenant": None, "roles": None, "clearance": None}
    assert access_sets([row, row, nobody]) == {"acme: internal, everyone hr": 2}
