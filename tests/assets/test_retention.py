"""Retention: what nobody needs goes after its time, what somebody needs stays, and who should look is told in time."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest

from assets.bronze.contract import KEYS, SOURCE_FILES
from assets.bronze.files import document_id
from assets.gold.contract import CHUNKS, EMBEDDINGS
from assets.index.releases import purge
from assets.retention.due import Due, find_due
from assets.retention.sweep import sweep
from assets.retention.times import Retention
from assets.silver.contract import DOCUMENTS, QUARANTINE
from checks.referential import every_file_accounted
from retrieval.embedding import Encoder
from tests.assets.mill import NOW, POLICY, Mill
from tests.support import Databases

OLD = "# Alt\n\nDer Zitronenfalter fliegt im Frühjahr.\n"
NEW = "# Neu\n\nDie Wärmepumpe läuft im Winter.\n"


@pytest.fixture
def mill(databases: Databases, models_dir: Path, encoder: Encoder, tmp_path: Path) -> Iterator[Mill]:
    assert encoder.fingerprint.id
    with databases.index() as index:
        yield Mill(tmp_path, models_dir, index.owner_dsn)


def paths(mill: Mill, contract: object) -> list[tuple[str, int]]:
    rows = mill.stores().lake.read(contract, ["path", "event"]).to_pylist()  # type: ignore[arg-type]
    return sorted((row["path"], row["event"]) for row in rows)


def bytes_of(mill: Mill) -> dict[tuple[str, int], bytes]:
    stores = mill.stores()
    rows = stores.vault.open(stores.lake.read(SOURCE_FILES).to_pylist())
    return {(row["path"], row["event"]): row["content"] for row in rows if row["kind"] == "content"}


def night(mill: Mill, days: int, *, keep: int = 0, **times: int) -> dict[str, int]:
    """The night so many days later."""
    mill.now += timedelta(days=days)
    stores = mill.stores()
    with stores.connect() as connection:
        purge(connection, keep=keep, now=mill.now)
    return sweep(stores, Retention(**times))


@pytest.fixture
def changed(mill: Mill) -> Mill:
    """A file that changed, one that is gone, one that was refused and mended, one that stays; three releases."""
    mill.put("blog/a.md", OLD)
    mill.put("blog/weg.md", OLD.replace("Alt", "Weg"))
    mill.put("blog/bleibt.md", OLD.replace("Alt", "Bleibt"))
    mill.put("podcast/b.md", " ")
    mill.run()
    mill.now += timedelta(hours=1)
    mill.put("blog/a.md", NEW)
    mill.put("podcast/b.md", NEW.replace("Neu", "Nun"))
    (mill.inbox / "blog/weg.md").unlink()
    mill.run()
    return mill


def test_what_a_kept_release_shows_stays(changed: Mill) -> None:
    before = bytes_of(changed), paths(changed, DOCUMENTS)

    night(changed, 400, keep=5, bronze=1000, quarantine=1000)
    night(changed, 1, keep=5)

    refused = ("podcast/b.md", 1)
    assert bytes_of(changed) | {refused: before[0][refused]} == before[0], "nothing but the mended refusal is unneeded"
    assert paths(changed, DOCUMENTS) == before[1]


def test_what_no_kept_release_needs_goes_with_its_key(changed: Mill) -> None:
    removed = night(changed, 1)

    assert paths(changed, DOCUMENTS) == [("blog/a.md", 2), ("blog/bleibt.md", 1), ("podcast/b.md", 2)]
    assert paths(changed, QUARANTINE) == [("podcast/b.md", 1)], "refusals have a time of their own"
    assert {key: bool(content) for key, content in bytes_of(changed).items()} == {
        ("blog/a.md", 1): False, ("blog/a.md", 2): True, ("blog/weg.md", 1): False,
        ("blog/bleibt.md", 1): True, ("podcast/b.md", 1): False, ("podcast/b.md", 2): True,
    }  # fmt: skip
    stores = changed.stores()
    held = {row["document_id"] for row in stores.lake.read(KEYS).to_pylist()}
    assert document_id("blog/weg.md") not in held
    assert document_id("blog/a.md") in held
    assert stores.lake.read(CHUNKS).num_rows == stores.lake.read(EMBEDDINGS).num_rows == 3
    assert removed["silver/documents"] == 2
    assert removed["bronze/keys"] == 1


def test_a_sweep_leaves_nothing_to_do_and_nothing_to_complain_about(changed: Mill) -> None:
    release = changed.run()
    night(changed, 1)
    stores = changed.stores()

    assert stores.ledger().unfinished().empty
    assert changed.run() == release, "the index is in line with the lake"
    assert night(changed, 0)["bytes in bronze/source_files"] == 0
    for place in stores.lake.partitions(SOURCE_FILES):
        log = stores.lake.read(SOURCE_FILES, partitions=[place])
        report = every_file_accounted(
            log.filter(log["purged_at"].is_null()),
            stores.lake.read(DOCUMENTS, partitions=[place]),
            stores.lake.read(QUARANTINE, partitions=[place]),
        )
        assert report.passed, report.sentence()


def test_each_layer_has_its_time(changed: Mill) -> None:
    night(changed, 1, bronze=3, text=9, quarantine=20)
    assert bytes_of(changed)["blog/a.md", 1]

    night(changed, 4, bronze=3, text=9, quarantine=20)
    assert not bytes_of(changed)["blog/a.md", 1]
    assert ("blog/a.md", 1) in paths(changed, DOCUMENTS), "its text may stay longer"
    changed.run()
    assert ("blog/a.md", 1) in paths(changed, DOCUMENTS), "a run does not miss the bytes"

    night(changed, 8, bronze=3, text=9, quarantine=20)
    assert ("blog/a.md", 1) not in paths(changed, DOCUMENTS)
    assert paths(changed, QUARANTINE) == [("podcast/b.md", 1)]

    night(changed, 12, bronze=3, text=9, quarantine=20)
    assert paths(changed, QUARANTINE) == []


def test_bytes_of_what_expired_stay_while_the_file_does(mill: Mill) -> None:
    mill.put("blog/a.md", OLD, policy=POLICY + "ttl: 10d\n")
    mill.run()

    night(mill, 30)

    assert bytes_of(mill)["blog/a.md", 1], "a longer time to live may bring it back"
    (mill.inbox / "blog/a.md").unlink()
    mill.run()
    night(mill, 1)
    assert not bytes_of(mill)["blog/a.md", 1]


@pytest.mark.parametrize(
    ("rule", "days", "due"),
    [
        ("refresh: 30d", 10, None),
        ("refresh: 30d", 16, Due("blog/a.md", "refresh", date(2026, 3, 31))),
        ("refresh: 30d", 60, Due("blog/a.md", "refresh", date(2026, 3, 31))),
        ("refresh: 2026-06-01", 60, None),
        ("refresh: 2026-06-01", 80, Due("blog/a.md", "refresh", date(2026, 6, 1))),
        ("refresh: never", 4000, None),
        ("ttl: 30d", 10, None),
        ("ttl: 30d", 20, Due("blog/a.md", "expiry", date(2026, 3, 31))),
    ],
)
def test_what_is_due_is_told_before_it_is_wrong(mill: Mill, rule: str, days: int, due: Due | None) -> None:
    mill.put("blog/a.md", OLD, policy=f"{POLICY}{rule}\n")
    mill.run()

    found = find_due(mill.stores().ledger(), now=NOW + timedelta(days=days), ahead=timedelta(days=14))

    assert found == ([due] if due else [])


def test_a_changed_file_and_a_changed_rule_begin_anew(mill: Mill) -> None:
    mill.put("blog/a.md", OLD, policy=f"{POLICY}refresh: 10d\n")
    mill.run()
    later = timedelta(days=20)
    assert find_due(mill.stores().ledger(), now=NOW + later, ahead=timedelta())
    mill.now = NOW + later
    mill.put("blog/a.md", NEW, policy=f"{POLICY}refresh: 10d\n")
    mill.run()
    assert not find_due(mill.stores().ledger(), now=mill.now, ahead=timedelta())
    mill.put("blog/a.md", NEW, policy=f"{POLICY}refresh: 2026-01-01\n")
    assert mill.run() is not None
    rows = mill.stores().lake.read(SOURCE_FILES, ["kind", "refresh"]).to_pylist()
    assert rows[-1] == {"kind": "access", "refresh": "2026-01-01"}, "nothing is read anew for it"
    assert find_due(mill.stores().ledger(), now=mill.now, ahead=timedelta())
