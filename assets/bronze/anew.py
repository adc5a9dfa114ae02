"""Begins bronze anew where a master key is gone for good: what lies in the inbox is sealed again, the rest is given up.

Lost are bytes, and nothing else: ids, versions, texts, passages, vectors and what is served stay, so nothing is read or
embedded again. What was erased stays recognised where it still lies in the inbox; of other erased bytes the list of
keyed hashes can no longer tell.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from assets.bronze.cache import HashCache
from assets.bronze.contract import CONTENT, ERASED, KEYS, REMOVED, SOURCE_FILES
from assets.bronze.erased import LIST, list_erased
from assets.bronze.files import opened
from assets.bronze.intake import state_of
from assets.bronze.scan import Found, inbox_root, scan
from assets.bronze.vault import Vault, key_number, list_id
from assets.contract import SOURCES
from assets.errors import InboxUnavailableError
from assets.lake import Partition
from assets.stores import Stores
from retrieval.errors import ConfigurationError

Key = tuple[str, int]
"""Document id and number of a data key."""

RELISTED = "listed-anew"
"""Stands for the number of the erasure where bytes are put on the list of erased ones again."""


@dataclass
class Anew:
    """What is, or would be, done.

    Attributes:
        masters: ids of the master keys that are given up.
        keys: data keys wrapped under them, lists included.
        sealed: contents that lie in the inbox as they were, and are sealed again.
        lost: paths of the contents that are gone for good, one for each version.
        erased: entries of the list of erased bytes that can no longer be compared; `relisted` are on it again.
    """

    masters: tuple[str, ...]
    keys: int = 0
    sealed: int = 0
    lost: list[str] = field(default_factory=list)
    erased: int = 0
    relisted: int = 0


def missing_masters(vault: Vault) -> tuple[str, ...]:
    """Ids of the master keys that data keys are wrapped under and that are not here."""
    return tuple(sorted(vault.made_under().keys() - vault.masters.keys.keys()))


def begin_anew(stores: Stores, masters: Collection[str], *, dry_run: bool = False) -> Anew:
    """Give up what is sealed under missing master keys, and seal again what the inbox still holds of it.

    Needs to be alone on the lake. Interrupted at any point, doing it again ends in the same state.

    Args:
        masters: ids of exactly the keys that are missing: a mistake in the file of keys must not cost anything.
        dry_run: only tell.

    Raises:
        ConfigurationError: these are not the missing keys, or there is no inbox.
        InboxUnavailableError: a file of the inbox cannot be read; its bytes would be given up for that.
    """
    missing = missing_masters(stores.vault)
    if set(masters) != set(missing):
        raise ConfigurationError(
            f"Missing from {stores.vault.masters.origin}: {', '.join(missing) or 'no master key'}. Name exactly these:"
            " what is sealed under them is given up"
        )
    done = Anew(missing)
    if not missing:
        return done
    vault = Vault(stores.lake, stores.vault.masters, lost=frozenset(missing))
    held = stores.lake.read(KEYS, ["document_id", "number", "master"]).to_pylist()
    doomed = {(row["document_id"], row["number"]) for row in held if row["master"] in missing}
    done.keys = len(doomed)
    files = {item.path: item for item in scan(stores.inbox)}
    _lists(stores, vault, doomed, files, done, dry_run=dry_run)
    highest: dict[str, int] = {}
    for row in held:
        highest[row["document_id"]] = max(highest.get(row["document_id"], 0), row["number"])
    numbers = {id_: highest[id_] + 1 for id_, _ in doomed}
    newest = _newest(stores)
    for place in sorted(stores.lake.partitions(SOURCE_FILES)):
        _bytes(stores, vault, place, doomed, numbers, newest, files, done, dry_run=dry_run)
    if not dry_run:
        vault.destroy(doomed)
        for table in (KEYS, ERASED):
            if stores.lake.version(table) >= 0:
                stores.lake.forget(table)
    return done


def _lists(
    stores: Stores, vault: Vault, doomed: set[Key], files: Mapping[str, Found], done: Anew, *, dry_run: bool
) -> None:
    """Begin the list of erased bytes anew with those that lie in the inbox.

    First of all: were it done last, an interruption before it would be no reason to do anything again.
    """
    lists = {key for key in doomed if key[0] == list_id(LIST)}
    listed = stores.lake.read(ERASED, ["digest"]).num_rows
    done.erased = listed if lists else 0
    hashes = set(_erased_in_inbox(stores, files)) if lists or not listed else set()
    done.relisted = len(hashes)
    if dry_run:
        return
    if lists:
        for date, source in sorted(stores.lake.partitions(ERASED)):
            stores.lake.replace(ERASED, date, source, ERASED.schema.empty_table())
        vault.destroy(lists)
        doomed -= lists  # a new key takes its place
    if hashes:
        place = (stores.today, "document")
        list_erased(stores.lake, vault, hashes, erasure=RELISTED, place=place, now=stores.clock())


def _erased_in_inbox(stores: Stores, files: Mapping[str, Found]) -> Iterator[str]:
    """SHA-256 of the bytes in the inbox that were refused as erased when they were last looked at."""
    root = inbox_root(stores.inbox)
    refused = {path for path, state in state_of(stores.lake).items() if state.access.error == "erased"}
    caches = {source: HashCache(stores.settings.home / "cache" / f"{source}.json") for source in SOURCES}
    for path in sorted(refused & files.keys()):
        item = files[path]
        if item.source is None or caches[item.source].has_changed(item):
            continue  # other bytes, which nobody erased
        content = _read(root, path, item)
        if content is not None:
            yield hashlib.sha256(content).hexdigest()


def _newest(stores: Stores) -> dict[str, int]:
    """The newest content event of each file that is in the inbox, by its id."""
    rows = stores.lake.read(SOURCE_FILES, ["document_id", "event", "kind"]).to_pylist()
    latest: dict[str, tuple[int, str]] = {}
    content: dict[str, int] = {}
    for row in rows:
        id_, event = row["document_id"], row["event"]
        latest[id_] = max(latest.get(id_, (0, "")), (event, row["kind"]))
        if row["kind"] == CONTENT:
            content[id_] = max(content.get(id_, 0), event)
    return {id_: event for id_, event in content.items() if latest[id_][1] != REMOVED}


def _bytes(
    stores: Stores,
    vault: Vault,
    place: Partition,
    doomed: set[Key],
    numbers: Mapping[str, int],
    newest: Mapping[str, int],
    files: Mapping[str, Found],
    done: Anew,
    *,
    dry_run: bool,
) -> None:
    """Of one partition, seal what can be read in the inbox, and empty the rest."""
    ids = pa.array(sorted({id_ for id_, _ in doomed}), pa.string())
    where = pc.field("document_id").isin(ids)
    if not stores.lake.read(SOURCE_FILES, ["document_id"], partitions=[place], where=where).num_rows:
        return
    rows = stores.lake.read(SOURCE_FILES, partitions=[place]).to_pylist()
    root = inbox_root(stores.inbox)
    plain: list[dict[str, Any]] = []
    for position, row in enumerate(rows):
        if (row["document_id"], key_number(row["content"])) not in doomed:
            continue
        content = None
        if newest.get(row["document_id"]) == row["event"] and row["path"] in files:
            content = _read(root, row["path"], files[row["path"]])
        if content is not None and hashlib.sha256(content).hexdigest() == row["sha256"]:
            plain.append({**row, "content": content})
            done.sealed += 1
        else:
            rows[position] = {**row, "content": b"", "emptied_at": stores.clock()}
            done.lost.append(row["path"])
    if dry_run:
        return
    if plain:
        vault.renew({row["document_id"]: numbers[row["document_id"]] for row in plain}, place=place, now=stores.clock())
        table = vault.seal(pa.Table.from_pylist(plain, SOURCE_FILES.schema), now=stores.clock())
        sealed = {(row["document_id"], row["event"]): row for row in table.to_pylist()}
        rows = [sealed.get((row["document_id"], row["event"]), row) for row in rows]
    stores.lake.replace(SOURCE_FILES, *place, pa.Table.from_pylist(rows, SOURCE_FILES.schema))


def _read(root: Any, path: str, item: Found) -> bytes | None:
    """A file's bytes; None where it has gone meanwhile or is no regular file.

    Raises:
        InboxUnavailableError: it is there and cannot be read.
    """
    if item.problem is not None and item.problem != "unreadable":
        return None
    try:
        with opened(root, item.file) as stream:
            return bytes(stream.read())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InboxUnavailableError(
            f"{path} in the inbox cannot be read ({error.strerror}); its bytes would be given up: correct that first"
        ) from error
