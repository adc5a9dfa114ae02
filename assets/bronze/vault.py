"""Keeps the bytes of bronze encrypted: a data key for each document, wrapped under a master key.

A document's data keys lie in `bronze/keys`, a small table whose history is deleted with every key that is destroyed.
The bytes stay in the history of `bronze/source_files` for as long as it is kept; without the key they are noise, in
every copy. What is sealed is bound to its document, event and hash: moved to another row it does not open.

    sealed bytes:  magic (4) · format (1) · number of the data key (4) · nonce (12) · AES-256-GCM of the bytes
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import struct
import uuid
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from assets.bronze.contract import KEYS, SOURCE_FILES
from assets.bronze.files import DOCUMENT_NAMESPACE
from assets.bronze.masterkeys import NONCE_BYTES, MasterKeys
from assets.errors import LakeError
from assets.keyring import KEY_BYTES
from assets.lake import Lake, Partition

MAGIC = b"\xa7AKB"
_HEADER = struct.Struct(f"<4sBI{NONCE_BYTES}s")
_PLAIN, _ZSTD = 0, 1

DataKeys = dict[tuple[str, int], bytes]
"""Data keys by document id and number."""


class SealedError(LakeError):
    """Bytes of bronze cannot be opened: their key is gone, or they are not what was sealed."""


class Vault:
    """Seals and opens the bytes of bronze.

    Args:
        lake: where the tables are.
        masters: keys under which data keys are wrapped.
        lost: ids of master keys that are given up: what is wrapped under them counts as not there.
    """

    def __init__(self, lake: Lake, masters: MasterKeys, *, lost: frozenset[str] = frozenset()) -> None:
        self._lake = lake
        self.masters = masters
        self._lost = lost

    def seal(self, rows: pa.Table, *, now: datetime) -> pa.Table:
        """Rows of `bronze/source_files` with their bytes sealed; empty and absent ones stay as they are.

        Documents without a data key get one, which is stored before anything is sealed with it.

        Args:
            rows: of one partition, with the bytes in the clear.

        Raises:
            LakeConflictError: another writer made keys for the same documents; try again.
        """
        contents = rows.column("content").to_pylist()
        ids = sorted({id_ for id_, content in zip(rows["document_id"].to_pylist(), contents, strict=True) if content})
        if not ids:
            return rows
        known = self.data_keys(ids)
        numbers = dict(sorted(known))
        missing = [id_ for id_ in ids if id_ not in numbers]
        if missing:
            place = (rows["date"][0].as_py(), rows["source"][0].as_py())
            numbers |= dict.fromkeys(missing, 1)
            known |= self._make(dict.fromkeys(missing, 1), place, now)
        sealed = []
        for row, content in zip(_bound(rows), contents, strict=True):
            number = numbers.get(row["document_id"], 0)
            sealed.append(_sealed(content, known[row["document_id"], number], number, row) if content else content)
        return rows.set_column(
            rows.schema.get_field_index("content"), SOURCE_FILES.schema.field("content"), pa.array(sealed, pa.binary())
        )

    def open(self, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """The same rows of `bronze/source_files` with their bytes in the clear.

        Raises:
            SealedError: a key is gone, or bytes are not those that were sealed for this row.
        """
        keys = self.data_keys({row["document_id"] for row in rows if _is_sealed(row["content"])})
        return [{**row, "content": _opened(row, keys)} for row in rows]

    def data_keys(self, ids: Collection[str]) -> DataKeys:
        """The data keys of these documents."""
        if not ids:
            return {}
        table = self._lake.read(
            KEYS,
            ["document_id", "number", "master", "wrapped"],
            where=pc.field("document_id").isin(pa.array(sorted(ids), pa.string())),
        )
        return {
            (row["document_id"], row["number"]): self.masters.unwrap(
                row["master"], row["wrapped"], _context(row["document_id"], row["number"])
            )
            for row in table.to_pylist()
            if row["master"] not in self._lost
        }

    def renew(self, numbers: Mapping[str, int], *, place: Partition, now: datetime) -> None:
        """Give documents data keys of these numbers, with which from now on their bytes are sealed.

        Args:
            numbers: by document id; keys that are there already stay.
            place: partition of `bronze/keys` in which new ones are put.
        """
        known = self.data_keys(numbers)
        fresh = {id_: number for id_, number in numbers.items() if (id_, number) not in known}
        if fresh:
            self._make(fresh, place, now)

    def make_list_key(self, name: str, *, place: Partition, now: datetime) -> None:
        """Make the key of a list of keyed hashes, unless it has one.

        Args:
            place: partition of `bronze/keys` in which it is put.
        """
        if not self.data_keys([list_id(name)]):
            self._make({list_id(name): 1}, place, now)

    def digester(self, name: str) -> Callable[[bytes], str]:
        """Makes keyed hashes, 64 hex digits, for a list that must not tell what is on it.

        Raises:
            SealedError: the list's key is gone.
        """
        keys = self.data_keys([list_id(name)])
        if not keys:
            raise SealedError(f"The key of the list {name!r} is gone: restore bronze/keys from a backup")
        key = keys[list_id(name), 1]
        return lambda value: hmac.new(key, value, hashlib.sha256).hexdigest()

    def made_under(self) -> dict[str, int]:
        """How many data keys are wrapped under each master key, by its id."""
        return dict(Counter(self._lake.read(KEYS, ["master"])["master"].to_pylist()))

    def demand_masters(self) -> None:
        """Make sure that every master key is here: another file of keys is a mistake, not a rotation.

        Raises:
            ConfigurationError: one is missing.
        """
        for master in sorted(self.made_under().keys() - self.masters.keys.keys()):
            raise self.masters.missing(master)

    def rewrap(self) -> int:
        """Wrap every data key under the newest master key, without touching what is sealed; how many were not."""
        stale = self._lake.read(KEYS, where=pc.field("master") != self.masters.current)
        for place in sorted(set(zip(stale["date"].to_pylist(), stale["source"].to_pylist(), strict=True))):
            rows = self._lake.read(KEYS, partitions=[place]).to_pylist()
            for row in rows:
                context = _context(row["document_id"], row["number"])
                data_key = self.masters.unwrap(row["master"], row["wrapped"], context)
                row["master"], row["wrapped"] = self.masters.wrap(data_key, context)
            self._lake.replace(KEYS, *place, pa.Table.from_pylist(rows, KEYS.schema))
        return int(stale.num_rows)

    def destroy(self, doomed: Collection[tuple[str, int]]) -> int:
        """Take data keys, by document id and number, out of the table; how many were there.

        Their copies in its history are gone only after `Lake.forget`.
        """
        ids = pa.array(sorted({id_ for id_, _ in doomed}), pa.string())
        held = self._lake.read(KEYS, ["date", "source", *KEYS.key], where=pc.field("document_id").isin(ids)).to_pylist()
        found = [row for row in held if (row["document_id"], row["number"]) in doomed]
        for place in sorted({(row["date"], row["source"]) for row in found}):
            rows = self._lake.read(KEYS, partitions=[place])
            stays = [(row["document_id"], row["number"]) not in doomed for row in rows.select(KEYS.key).to_pylist()]
            self._lake.replace(KEYS, *place, rows.filter(pa.array(stays, pa.bool_())))
        return len(found)

    def _make(self, numbers: Mapping[str, int], place: Partition, now: datetime) -> DataKeys:
        fresh = {(id_, number): secrets.token_bytes(KEY_BYTES) for id_, number in sorted(numbers.items())}
        rows = []
        for (id_, number), data_key in fresh.items():
            master, wrapped = self.masters.wrap(data_key, _context(id_, number))
            rows.append(
                {
                    "date": place[0],
                    "source": place[1],
                    "document_id": id_,
                    "number": number,
                    "master": master,
                    "wrapped": wrapped,
                    "created_at": now,
                }
            )
        self._lake.append(KEYS, pa.Table.from_pylist(rows, KEYS.schema))
        return fresh


def key_number(content: bytes | None) -> int | None:
    """Number of the data key that bytes of bronze are sealed with; None where they are not."""
    return int(_HEADER.unpack_from(content)[2]) if content is not None and _is_sealed(content) else None


def list_id(name: str) -> str:
    """The id under which the key of a list of keyed hashes stands in `bronze/keys`."""
    return str(uuid.uuid5(DOCUMENT_NAMESPACE, f"list:{name}"))


def _is_sealed(content: bytes | None) -> bool:
    return content is not None and len(content) > _HEADER.size and content.startswith(MAGIC)


def _bound(rows: pa.Table) -> list[dict[str, Any]]:
    """What sealed bytes are bound to, for each row."""
    return list(rows.select(["document_id", "event", "sha256"]).to_pylist())


def _sealed(content: bytes, data_key: bytes, number: int, row: Mapping[str, Any]) -> bytes:
    packed = pa.Codec("zstd").compress(content, asbytes=True)
    form, body = (_ZSTD, packed) if len(packed) < len(content) else (_PLAIN, content)
    nonce = secrets.token_bytes(NONCE_BYTES)
    header = _HEADER.pack(MAGIC, form, number, nonce)
    return header + AESGCM(data_key).encrypt(nonce, body, _associated(row, header))


def _opened(row: Mapping[str, Any], keys: DataKeys) -> bytes | None:
    content: bytes | None = row["content"]
    if content is None or not _is_sealed(content):
        return content  # nothing to protect, or written before bronze was encrypted
    header = content[: _HEADER.size]
    _, form, number, nonce = _HEADER.unpack(header)
    data_key = keys.get((row["document_id"], number))
    if data_key is None:
        raise SealedError(
            f"The data key {number} of document {row['document_id']} is gone: if the document was being erased, run"
            " `knowledge erase` again, else restore bronze/keys from a backup"
        )
    try:
        body = AESGCM(data_key).decrypt(nonce, content[_HEADER.size :], _associated(row, header))
    except InvalidTag:
        raise SealedError(
            f"The bytes of document {row['document_id']}, event {row['event']}, are not those that were sealed:"
            " restore bronze/source_files from a backup"
        ) from None
    return body if form == _PLAIN else bytes(pa.Codec("zstd").decompress(body, row["size"], asbytes=True))


def _associated(row: Mapping[str, Any], header: bytes) -> bytes:
    return header + f"{row['document_id']}\0{row['event']}\0{row['sha256']}".encode()


def _context(document_id: str, number: int) -> bytes:
    return f"{document_id}\0{number}".encode()
