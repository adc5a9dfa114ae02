"""The vault: bytes come back for their own row only, keys rotate without rewriting, and a destroyed key is the end."""

from __future__ import annotations

import base64
import hashlib
import stat
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from assets.bronze.contract import KEYS, SOURCE_FILES
from assets.bronze.files import document_id
from assets.bronze.masterkeys import MasterKeys
from assets.bronze.vault import SealedError, Vault, key_number
from assets.keyring import KEY_BYTES
from assets.lake import Lake
from retrieval.errors import ConfigurationError

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY = "2026-03-01"
TEXT = b"Zitronenfalter " * 40


def row(path: str, content: bytes | None, event: int = 1, kind: str = "content") -> dict[str, Any]:
    return {
        "date": DAY,
        "source": "blog",
        "document_id": document_id(path),
        "event": event,
        "kind": kind,
        "version": event,
        "path": path,
        "sha256": hashlib.sha256(content or b"").hexdigest(),
        "size": len(content or b""),
        "content": content,
        "media_type": "text/plain",
        "defaults": "{}",
        "received_at": NOW,
    }


def table(*rows: dict[str, Any]) -> pa.Table:
    return pa.Table.from_pylist(list(rows), SOURCE_FILES.schema)


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    return tmp_path / "keys" / "bronze.keys"


@pytest.fixture
def vault(tmp_path: Path, key_file: Path) -> Vault:
    return Vault(Lake(tmp_path / "lake"), MasterKeys.load(None, key_file))


def test_bytes_come_back_and_cannot_be_read_in_between(vault: Vault) -> None:
    rows = table(row("blog/a.md", TEXT), row("blog/b.md", b"x"), row("blog/c.md", b""), row("blog/d.md", None))

    sealed = vault.seal(rows, now=NOW)

    contents = sealed["content"].to_pylist()
    assert contents[2:] == [b"", None]
    assert all(b"itronen" not in content for content in contents[:2])
    assert [opened["content"] for opened in vault.open(sealed.to_pylist())] == [TEXT, b"x", b"", None]


def test_each_document_has_a_key_of_its_own_and_keeps_it(vault: Vault) -> None:
    first = vault.seal(table(row("blog/a.md", TEXT), row("blog/b.md", TEXT)), now=NOW)
    second = vault.seal(table(row("blog/a.md", b"new", event=2)), now=NOW)

    keys = vault.data_keys([document_id("blog/a.md"), document_id("blog/b.md")])

    assert len(set(keys.values())) == len(keys) == 2
    assert [key_number(content) for content in (first["content"].to_pylist() + second["content"].to_pylist())] == [
        1
    ] * 3


@pytest.mark.parametrize(
    "change",
    [
        lambda r: r | {"event": 2},
        lambda r: r | {"sha256": "0" * 64},
        lambda r: r | {"document_id": document_id("blog/b.md")},
        lambda r: r | {"content": r["content"][:-1] + bytes([r["content"][-1] ^ 1])},
        lambda r: r | {"content": r["content"][:4] + b"\x00" + r["content"][5:]},
    ],
    ids=["other event", "other hash", "other document", "changed bytes", "changed header"],
)
def test_what_was_sealed_opens_for_its_own_row_only(
    vault: Vault, change: Callable[[dict[str, Any]], dict[str, Any]]
) -> None:
    sealed = vault.seal(table(row("blog/a.md", TEXT), row("blog/b.md", TEXT)), now=NOW).to_pylist()

    with pytest.raises(SealedError, match="not those that were sealed"):
        vault.open([change(sealed[0])])


def test_a_destroyed_key_makes_every_copy_unreadable(vault: Vault, tmp_path: Path) -> None:
    sealed = vault.seal(table(row("blog/a.md", TEXT), row("blog/b.md", TEXT)), now=NOW).to_pylist()
    wrapped = vault._lake.read(KEYS)["wrapped"].to_pylist()

    assert vault.destroy({(document_id("blog/a.md"), 1), (document_id("blog/c.md"), 1)}) == 1
    vault._lake.forget(KEYS)

    with pytest.raises(SealedError, match="is gone"):
        vault.open(sealed[:1])
    assert vault.open(sealed[1:])[0]["content"] == TEXT
    held = b"".join(path.read_bytes() for path in (tmp_path / "lake").rglob("*") if path.is_file())
    assert sum(key in held for key in wrapped) == 1, "the other document's key is all that is left"


def test_master_keys_rotate_without_touching_what_is_sealed(vault: Vault, key_file: Path) -> None:
    sealed = vault.seal(table(row("blog/a.md", TEXT)), now=NOW).to_pylist()
    old = vault.masters.current
    new = MasterKeys.add(key_file)
    rotated = Vault(vault._lake, MasterKeys.load(None, key_file))

    assert rotated.open(sealed)[0]["content"] == TEXT, "old keys go on opening until everything is wrapped anew"
    assert (rotated.rewrap(), rotated.rewrap()) == (1, 0)
    MasterKeys.drop(key_file, [old])

    alone = Vault(vault._lake, MasterKeys.load(None, key_file))
    assert list(alone.masters.keys) == [new]
    alone.demand_masters()
    with pytest.raises(ConfigurationError, match=f"{new} is missing from"):
        vault.demand_masters()
    assert alone.open(sealed)[0]["content"] == TEXT
    with pytest.raises(ConfigurationError, match="is missing from"):
        vault.open(sealed)


def test_a_renewed_key_seals_what_stays_of_a_document(vault: Vault) -> None:
    id_ = document_id("blog/a.md")
    rows = table(row("blog/a.md", b"old"), row("blog/a.md", b"new", event=2))
    vault.seal(rows, now=NOW)

    vault.renew({id_: 2}, place=(DAY, "blog"), now=NOW)
    again = vault.seal(rows.slice(1), now=NOW)
    vault.destroy({(id_, 1)})

    assert vault.open(again.to_pylist())[0]["content"] == b"new"
    assert key_number(again["content"][0].as_py()) == 2


def test_keyed_hashes_stay_the_same_and_tell_nothing_without_their_key(vault: Vault, key_file: Path) -> None:
    for name in ("erased", "other"):
        vault.make_list_key(name, place=(DAY, "blog"), now=NOW)
    first = vault.digester("erased")(b"one")
    MasterKeys.add(key_file)
    rotated = Vault(vault._lake, MasterKeys.load(None, key_file))
    rotated.rewrap()
    rotated.make_list_key("erased", place=(DAY, "blog"), now=NOW)

    assert rotated.digester("erased")(b"one") == first
    assert len({first, rotated.digester("other")(b"one"), rotated.digester("erased")(b"two")}) == 3
    assert first != hashlib.sha256(b"one").hexdigest()
    with pytest.raises(SealedError, match="is gone"):
        rotated.digester("none")


def test_the_key_file_is_private_and_made_once(key_file: Path) -> None:
    first = MasterKeys.load(None, key_file)

    assert stat.S_IMODE(key_file.stat().st_mode) == 0o600
    assert MasterKeys.load(None, key_file) == first
    key_file.chmod(0o640)
    with pytest.raises(ConfigurationError, match="can be read by others"):
        MasterKeys.load(None, key_file)


@pytest.mark.parametrize("text", ["", "abc", "?" * 44, base64.b64encode(b"short").decode()])
def test_what_is_no_key_is_refused(key_file: Path, text: str) -> None:
    key_file.parent.mkdir()
    key_file.write_text(text)
    key_file.chmod(0o600)

    with pytest.raises(ConfigurationError, match="master key"):
        MasterKeys.load(None, key_file)


def test_keys_from_the_environment_win_over_the_file(key_file: Path) -> None:
    one, two = (base64.b64encode(bytes([n]) * KEY_BYTES).decode() for n in (1, 2))

    keys = MasterKeys.load(f"{one}, {two}", key_file)

    assert keys.keys[keys.current] == bytes([2]) * KEY_BYTES
    assert not key_file.exists()
