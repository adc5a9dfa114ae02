"""Writes the snapshots that readers answer from while the database is gone: one encrypted file for each tenant."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from psycopg import sql
from psycopg.rows import dict_row

from assets.index.segments import Connection
from retrieval import snapshot
from retrieval.bm25 import POSTING
from retrieval.schema.migrate import space_schema
from retrieval.snapshot import SALT_BYTES, SUFFIX, DamagedError, Header
from retrieval.standby import CHUNKS, DOCUMENTS, POSTINGS, Snapshot, pack_postings

REWRITE_AFTER = timedelta(hours=12)
"""Age at which a file that is still true is written anew, so that it does not grow too old to be used."""

LAYOUT = b"with ordinals"
"""Files of another layout are no longer true, and so are written anew."""

BATCH = 2_000
"""Passages in one frame."""

_IN_FORCE = "tenant = %(tenant)s and added_in <= %(release)s and removed_in > %(release)s"
_LIVE = f"{_IN_FORCE} and (expires_at is null or expires_at > %(now)s)"


@dataclass
class Written:
    """What writing did, by tenant."""

    release: int | None = None
    written: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)


def write_standby(connection: Connection, folder: Path, key: bytes, *, now: datetime) -> Written:
    """Bring the folder in line with the active release and with who may see what now.

    Args:
        connection: as owner, in autocommit.
        key: of `keys/standby.key`.

    Raises:
        OSError: the folder cannot be written.
    """
    done = Written()
    with connection.transaction():
        connection.execute("set transaction isolation level repeatable read, read only")
        serving = connection.execute(
            "select r.number, s.id, s.fingerprint, s.analyzer from knowledge.serving v"
            " join knowledge.release r on r.number = v.release join knowledge.space s on s.id = r.space"
        ).fetchone()
        tenants: list[str] = []
        if serving is not None:
            done.release, space, fingerprint, analyzer = serving
            for number, tenant in connection.execute("select id, name from knowledge.tenant order by name").fetchall():
                reader = _Tenant(connection, space, number, done.release, now)
                if not reader.holds_anything():
                    continue
                tenants.append(tenant)
                header = Header(
                    tenant=tenant,
                    release=done.release,
                    written_at=now.isoformat(),
                    analyzer=analyzer,
                    fingerprint=fingerprint,
                    state=reader.state(),
                    salt=secrets.token_hex(SALT_BYTES),
                )
                path = snapshot.path_of(folder, tenant)
                if _still_true(path, header, key, now):
                    done.unchanged.append(tenant)
                else:
                    snapshot.write(path, header, reader.frames(), key)
                    done.written.append(tenant)
    done.removed = _remove(folder, {f"{tenant}{SUFFIX}" for tenant in tenants})
    return done


def forget_documents(folder: Path, key: bytes, document_ids: Collection[str]) -> list[str]:
    """Delete every file that holds one of these documents, or cannot be read; `write_standby` writes them anew.

    For erasure: afterwards no file in the folder holds the documents.

    Returns:
        Tenants whose files are gone.
    """
    wanted, gone = set(document_ids), []
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        try:
            held = {str(one["document_id"]) for one in Snapshot.load(path, key).documents.values()}
        except (DamagedError, OSError, ValueError, KeyError):
            held = wanted
        if held & wanted:
            path.unlink()
            gone.append(path.name.removesuffix(SUFFIX))
    for half_written in folder.glob(f".*{SUFFIX}.*"):
        half_written.unlink()
    return gone


def _still_true(path: Path, header: Header, key: bytes, now: datetime) -> bool:
    """Whether a file says the same already, opens with this key, and is not about to grow too old."""
    try:
        held, frames = snapshot.read(path, key)
        next(frames)
    except (DamagedError, OSError, StopIteration):
        return False
    same = (held.state, held.release, held.analyzer, held.fingerprint)
    return (
        same == (header.state, header.release, header.analyzer, header.fingerprint)
        and timedelta(0) <= now - held.written < REWRITE_AFTER
    )


def _remove(folder: Path, kept: Collection[str]) -> list[str]:
    removed = []
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        if path.name not in kept:
            path.unlink()
            removed.append(path.name.removesuffix(SUFFIX))
    return removed


class _Tenant:
    """What one tenant's file holds, read in the transaction of the caller."""

    def __init__(self, connection: Connection, space: int, tenant: int, release: int, now: datetime) -> None:
        self._connection = connection
        self._schema = space_schema(space)
        self._values = {"tenant": tenant, "release": release, "now": now, "space": space}

    def _rows(self, statement: str) -> Iterator[dict[str, Any]]:
        text = sql.SQL(statement.replace("{s}", self._schema))
        with self._connection.cursor(name="standby", row_factory=dict_row) as cursor:
            cursor.itersize = BATCH
            cursor.execute(text, self._values)
            yield from cursor

    def holds_anything(self) -> bool:
        if self._connection.execute("select to_regclass(%s)", [f"{self._schema}.chunk"]).fetchone() == (None,):
            return False
        return next(self._rows(f"select 1 from {{s}}.chunk where {_LIVE} limit 1"), None) is not None

    def state(self) -> str:
        """Hash of all that decides who may read which passage until when."""
        whole = hashlib.sha256(LAYOUT)
        for row in self._rows(
            "select c.chunk, c.digest, c.expires_at, c.flags, d.digest as document, a.roles, a.clearance"
            f" from (select * from {{s}}.chunk where {_LIVE}) c"
            f" join (select * from {{s}}.document where {_IN_FORCE}) d using (tenant, document)"
            " join knowledge.acl a on a.id = c.acl_id order by c.chunk"
        ):
            whole.update(json.dumps(row, default=str, sort_keys=True).encode() + b"\n")
        return whole.hexdigest()

    def frames(self) -> Iterator[bytes]:
        documents = list(
            self._rows(
                "select document, document_id, version, source, path, title, language, tags, published, url,"
                f" acl_id as acl from {{s}}.document where {_LIVE} order by document"
            )
        )
        numbers = {one["document"] for one in documents}
        access = {
            row["id"]: (row["roles"], row["clearance"])
            for row in self._rows("select id, roles, clearance from knowledge.acl where tenant = %(tenant)s")
        }
        used = {one["acl"] for one in documents}
        yield DOCUMENTS + _json(
            {"access": {acl: given for acl, given in access.items() if acl in used}, "documents": documents}
        )
        chunks: list[int] = []
        batch: list[dict[str, Any]] = []
        for row in self._rows(
            "select chunk, document, ordinal, chunk_id, text, heading, page, speaker, start_s, end_s, length,"
            f" acl_id as acl, valid_from, expires_at, flags from {{s}}.chunk where {_LIVE} order by chunk"
        ):
            if row["document"] not in numbers:
                continue
            batch.append(row)
            chunks.append(row["chunk"])
            if len(batch) == BATCH:
                yield CHUNKS + _json(batch)
                batch = []
        yield CHUNKS + _json(batch)
        yield from self._postings(np.array(chunks, np.int32))

    def _postings(self, chunks: np.ndarray[Any, np.dtype[np.int32]]) -> Iterator[bytes]:
        """Postings of the segments in force, of the passages that are in the file."""
        held: int | None = None
        terms: dict[str, bytes] = {}
        for row in self._rows(
            "select p.acl_id, p.term, p.post from {s}.posting p where p.tenant = %(tenant)s and p.segment in ("
            "select g.segment from knowledge.segment g where g.space = %(space)s and g.tenant = %(tenant)s"
            " and g.added_in <= %(release)s and g.removed_in > %(release)s) order by p.acl_id, p.term, p.segment"
        ):
            if row["acl_id"] != held:
                if held is not None and terms:
                    yield POSTINGS + pack_postings(held, terms)
                held, terms = row["acl_id"], {}
            posts = np.frombuffer(row["post"], POSTING)
            posts = posts[np.isin(posts["chunk"], chunks)]
            if len(posts):
                terms[row["term"]] = terms.get(row["term"], b"") + posts.tobytes()
        if held is not None and terms:
            yield POSTINGS + pack_postings(held, terms)


def _json(value: dict[str, Any] | Sequence[Any]) -> bytes:
    return json.dumps(value, default=_text, ensure_ascii=False).encode()


def _text(value: object) -> str:
    return value.isoformat() if hasattr(value, "isoformat") else str(value)
