"""A master key that is gone: what that costs is said, and bronze begins anew without reading or embedding again."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from assets.bronze.anew import begin_anew, missing_masters
from assets.bronze.contract import CONTENT, KEYS, SOURCE_FILES
from assets.bronze.erased import erased_bytes, list_erased
from assets.bronze.ingest import plan_sources
from assets.bronze.masterkeys import MasterKeys
from assets.erasure.erase import Erasure, Target
from assets.errors import InboxUnavailableError
from assets.gold.contract import CHUNKS, EMBEDDINGS
from assets.lake import Lake
from assets.locks import exclusive_lock
from assets.silver.contract import DOCUMENTS, QUARANTINE
from assets.stores import Stores
from retrieval.embedding import Encoder
from retrieval.errors import ConfigurationError
from tests.assets.mill import Mill, new_mill
from tests.support import Databases, Index

MADE = (DOCUMENTS, QUARANTINE, CHUNKS, EMBEDDINGS)
TEXT = "# {0}\n\nDie {0} läuft seit gestern wieder, und der Speicher ist voll geladen.\n"
ERASED = TEXT.format("Akte")
PERSON = "Quirin Feuerfalter"


@pytest.fixture(scope="module")
def baseline(
    databases: Databases, models_dir: Path, encoder: Encoder, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Mill, str]:
    """Files of every kind, whose master key is gone: changed twice, unchanged, left, refused, erased."""
    assert encoder.fingerprint.id
    mill, name = new_mill(tmp_path_factory.mktemp("anew"), models_dir, databases)
    mill.put("blog/zwei.md", TEXT.format("Pumpe"))
    mill.put("blog/eins.md", TEXT.format("Anlage") + f"\nEs grüßt Herr {PERSON}.\n")
    mill.put("blog/spaeter.md", TEXT.format("Heizung"))
    mill.put("blog/weg.md", TEXT.format("Leitung"))
    mill.put("document/bild.md", b"\x89PNG\r\n\x1a\n" + bytes(50))
    mill.put("document/akte.md", ERASED)
    mill.run()
    mill.put("blog/zwei.md", TEXT.format("Pumpe") + "\nNoch ein Satz.\n")
    (mill.inbox / "blog/weg.md").unlink()
    mill.run()
    Erasure(mill.stores(), Target(document="document/akte.md"), by="somebody").run()
    stores = mill.stores()
    gone = {hashlib.sha256(b"erased, and no longer in the inbox").hexdigest()}
    list_erased(stores.lake, stores.vault, gone, erasure="1", place=(stores.today, "blog"), now=mill.now)
    mill.run()
    mill.put("blog/spaeter.md", TEXT.format("Heizung") + "\nGeändert, als der Schlüssel schon fehlte.\n")
    (mill.home / "keys" / "bronze.keys").unlink()
    return mill, name


def tables(stores: Stores) -> dict[str, Any]:
    return {table.name: stores.lake.read(table) for table in MADE}


def state(stores: Stores) -> dict[str, Any]:
    """What bronze can open, and what is refused as erased, apart from random keys."""
    rows = stores.vault.open(stores.lake.read(SOURCE_FILES).to_pylist())
    is_erased = erased_bytes(stores.lake, lambda: stores.vault)
    return {
        "bytes": [(row["path"], row["event"], row["content"], row["emptied_at"]) for row in rows],
        "erased": is_erased(hashlib.sha256(ERASED.encode()).hexdigest()),
        "keys": sorted(stores.vault.made_under()) == [stores.vault.masters.current],
    }


def test_nothing_goes_on_and_the_way_out_is_named(make: Callable[[], tuple[Mill, Index]]) -> None:
    mill, _ = make()
    (missing,) = missing_masters(mill.stores().vault)
    mill.put("blog/neu.md", TEXT.format("Klappe"))
    with pytest.raises(ConfigurationError, match=f"knowledge keys abandon {missing} --dry-run"):
        mill.run()
    for wrong in ((), ("00000000",), (missing, "00000000")):
        with pytest.raises(ConfigurationError, match=f": {missing}. Name exactly these"):
            begin_anew(mill.stores(), wrong)


def test_bronze_begins_anew_and_nothing_else_changes(make: Callable[[], tuple[Mill, Index]]) -> None:
    mill, index = make()
    stores = mill.stores()
    missing = missing_masters(stores.vault)
    before, log = tables(stores), stores.lake.read(SOURCE_FILES)

    planned = begin_anew(stores, missing, dry_run=True)
    assert stores.lake.read(SOURCE_FILES).equals(log)
    with exclusive_lock(stores.connect):
        done = begin_anew(stores, missing)

    assert done == planned
    assert sorted(done.lost) == ["blog/spaeter.md", "blog/weg.md", "blog/zwei.md"]
    assert done.sealed == 3
    assert (done.erased, done.relisted) == (2, 1)
    stores = mill.stores()
    assert missing_masters(stores.vault) == ()
    assert tables(stores) == before
    kept = [name for name in SOURCE_FILES.schema.names if name not in ("content", "emptied_at")]
    assert stores.lake.read(SOURCE_FILES).select(kept).equals(log.select(kept))
    opened = {
        (r["path"], r["version"]): r["content"] for r in stores.vault.open(stores.lake.read(SOURCE_FILES).to_pylist())
    }
    assert opened["blog/zwei.md", 1] == b""
    assert b"Noch ein Satz" in opened["blog/zwei.md", 2]
    assert stores.ledger().unfinished().empty
    changes = [change.path for plan in plan_sources(stores).values() for change in plan.changes]
    assert changes == ["blog/spaeter.md"], "what changed since is a version like any other"

    vectors = stores.lake.read(EMBEDDINGS).num_rows
    mill.run()
    stores = mill.stores()
    assert stores.lake.read(EMBEDDINGS).num_rows <= vectors + 2
    latest = {row["path"]: row for row in stores.lake.read(SOURCE_FILES).to_pylist() if row["kind"] == CONTENT}
    assert latest["document/akte.md"]["policy_error"] == "erased"
    assert latest["blog/spaeter.md"]["version"] == 2

    path = mill.home / "keys" / "bronze.keys"
    MasterKeys.add(path)
    assert mill.stores().vault.rewrap() == stores.lake.read(KEYS).num_rows
    erased = Erasure(mill.stores(), Target(subject=PERSON), by="somebody").run()
    assert [item.path for item in erased.items] == ["blog/eins.md"]
    assert erased.certificate is not None
    assert index.owner.execute("select count(*) from knowledge.release").fetchone() is not None


def test_interrupted_anywhere_it_ends_the_same(
    baseline: tuple[Mill, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mill, _ = baseline
    whole = mill.copy(tmp_path / "whole", mill.owner_dsn)
    begin_anew(whole.stores(), missing_masters(whole.stores().vault))
    expected = state(whole.stores())
    steps = -1
    while True:
        steps += 2  # each second one: two make no difference that one does not
        again = mill.copy(tmp_path / str(steps), mill.owner_dsn)
        stores = again.stores()
        missing = missing_masters(stores.vault)
        with monkeypatch.context() as patch:
            left = [steps]

            def counted(real: Callable[..., Any], left: list[int] = left) -> Callable[..., Any]:
                def call(*arguments: Any, **named: Any) -> Any:
                    left[0] -= 1
                    if not left[0]:
                        raise RuntimeError("killed")
                    return real(*arguments, **named)

                return call

            for name in ("replace", "append", "forget"):
                patch.setattr(Lake, name, counted(getattr(Lake, name)))
            try:
                begin_anew(stores, missing)
            except RuntimeError:
                pass
            else:
                break
        rest = missing_masters(again.stores().vault)
        if rest:
            begin_anew(again.stores(), rest)
        assert state(again.stores()) == expected, f"interrupted at step {steps}"
    assert steps > 6


def test_a_file_that_cannot_be_read_is_no_file_to_give_up(
    make: Callable[[], tuple[Mill, Index]], monkeypatch: pytest.MonkeyPatch
) -> None:
    mill, _ = make()
    stores = mill.stores()
    log = stores.lake.read(SOURCE_FILES)

    def refuse(*_: Any) -> Any:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("assets.bronze.anew.opened", refuse)
    with pytest.raises(InboxUnavailableError, match="its bytes would be given up"):
        begin_anew(stores, missing_masters(stores.vault))
    assert stores.lake.read(SOURCE_FILES).equals(log)
