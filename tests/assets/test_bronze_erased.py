"""Bytes that were erased are refused wherever they turn up, and nothing that is kept tells what they were."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from pathlib import Path

import pytest

from assets.bronze.cache import HashCache
from assets.bronze.changes import NO_BYTES_SHA256
from assets.bronze.contract import ERASED
from assets.bronze.erased import erased_bytes, list_erased
from assets.bronze.intake import plan_intake
from assets.bronze.masterkeys import MasterKeys
from assets.bronze.observe import observe
from assets.bronze.scan import scan
from assets.bronze.vault import Vault
from assets.lake import Lake

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
PLACE = ("2026-03-01", "blog")
TEXT = "Zitronenfalter"
SHA256 = hashlib.sha256(TEXT.encode()).hexdigest()


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path / "lake")


@pytest.fixture
def vault(tmp_path: Path, lake: Lake) -> Vault:
    return Vault(lake, MasterKeys.load(None, tmp_path / "keys" / "bronze.keys"))


def test_the_list_knows_what_was_put_on_it_once(lake: Lake, vault: Vault) -> None:
    assert not erased_bytes(lake, lambda: pytest.fail("without a list no key is needed"))(SHA256)

    assert list_erased(lake, vault, [SHA256], erasure="e1", place=PLACE, now=NOW) == 1
    assert list_erased(lake, vault, [SHA256, "0" * 64], erasure="e2", place=PLACE, now=NOW) == 1

    is_erased = erased_bytes(lake, lambda: vault)
    assert is_erased(SHA256)
    assert not is_erased("1" * 64)
    assert SHA256 not in str(lake.read(ERASED).to_pylist())


def test_erased_bytes_are_refused_at_any_path_and_nothing_remembers_their_hash(
    tmp_path: Path, lake: Lake, vault: Vault
) -> None:
    inbox = tmp_path / "inbox"
    for name in ("blog/a.txt", "blog/copy/b.txt", "podcast/c.txt"):
        (inbox / name).parent.mkdir(parents=True, exist_ok=True)
        (inbox / name).write_text(TEXT)
    (inbox / "blog/other.txt").write_text(f"{TEXT} and more")
    list_erased(lake, vault, [SHA256], erasure="e1", place=PLACE, now=NOW)
    later = int(datetime(2100, 1, 1, tzinfo=UTC).timestamp() * 1e9)

    def look(cache: HashCache, is_erased: bool = True) -> list[tuple[str, str | None, str]]:
        check = erased_bytes(lake, lambda: vault) if is_erased else lambda sha256: False
        observation = observe(inbox, scan(inbox), cache=cache, now_ns=later, is_erased=check)
        cache.save()
        changes = plan_intake(observation, {}).changes
        assert not [change for change in changes if change.access.error == "erased" and change.loaded]
        return [(change.path, change.access.error, change.sha256) for change in changes]

    cache = HashCache(tmp_path / "cache.json")
    look(cache, is_erased=False)
    assert SHA256 in (tmp_path / "cache.json").read_text()
    for again in (cache, HashCache(tmp_path / "cache.json")):
        found = look(again)
        assert [(path, sha) for path, error, sha in found if error == "erased"] == [
            ("blog/a.txt", NO_BYTES_SHA256),
            ("blog/copy/b.txt", NO_BYTES_SHA256),
            ("podcast/c.txt", NO_BYTES_SHA256),
        ]
        assert [path for path, error, _ in found if error == "no_policy"] == ["blog/other.txt"]
        assert SHA256 not in (tmp_path / "cache.json").read_text()
