"""How the process that reads files and the one that asks for it talk: frames over a socket, values as JSON.

JSON and not pickle: what comes out of a reader that a hostile file has taken over is data and never code.
"""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Sequence
from dataclasses import asdict, fields
from typing import Any

from assets.silver.document import Block, Document, Hidden, RefusedPart
from assets.silver.limits import Limits
from assets.silver.refusal import REASONS

TASK, CONTENT = b"T", b"C"
"""To the worker: path and limits; the bytes of the file."""

HELLO, CHOSEN, DOCUMENTS, REFUSED, NO_MEMORY, BROKE = b"H", b"R", b"D", b"X", b"M", b"E"
"""From the worker: it is there; reader it has chosen; documents; code and detail of a refusal; memory was not enough;
name of the error that a reader did not expect."""

HEADER = struct.Struct(">cQ")

_BLOCK = tuple(field.name for field in fields(Block))
_DOCUMENT = tuple(field.name for field in fields(Document) if field.name not in ("blocks", "hidden", "refused"))
_TUPLES = frozenset(("authors", "tags", "notes"))


_WALL_FACTOR, _WALL_MARGIN_S = 3.0, 10.0


def wall_clock(seconds: float) -> float:
    """Seconds to wait for a file that may compute for so many: a busy machine is slow, and one that waits forever
    computes nothing."""
    return _WALL_FACTOR * seconds + _WALL_MARGIN_S


class TooLongError(Exception):
    """A frame is longer than the receiver takes."""


def send(connection: socket.socket, kind: bytes, payload: bytes) -> None:
    """One frame."""
    connection.sendall(HEADER.pack(kind, len(payload)))
    connection.sendall(payload)


def receive(connection: socket.socket, most: int) -> tuple[bytes, bytes]:
    """One frame: kind and payload.

    Raises:
        EOFError: the other side is gone.
        TooLongError: the payload is longer than `most` bytes.
    """
    kind, length = HEADER.unpack(_exactly(connection, HEADER.size))
    if length > most:
        raise TooLongError(f"{length} bytes")
    return kind, bytes(_exactly(connection, length))


def _exactly(connection: socket.socket, length: int) -> bytearray:
    received = bytearray(length)
    view = memoryview(received)
    at = 0
    while at < length:
        count = connection.recv_into(view[at : at + 2**20])
        if not count:
            raise EOFError
        at += count
    return received


def pack_task(path: str, limits: Limits, memory_bytes: int) -> bytes:
    """Path and limits of a file; `memory_bytes` is what the worker may use for it."""
    return _dumps({"path": path, "limits": asdict(limits), "memory_bytes": memory_bytes})


def unpack_task(payload: bytes) -> tuple[str, Limits, int]:
    """The three arguments of `pack_task`."""
    task = json.loads(payload)
    return task["path"], Limits(**task["limits"]), task["memory_bytes"]


def pack_documents(documents: Sequence[Document]) -> bytes:
    """Documents as they are."""
    return _dumps(
        [
            {
                **{name: getattr(document, name) for name in _DOCUMENT},
                "extra": dict(document.extra),
                "blocks": [[getattr(block, name) for name in _BLOCK] for block in document.blocks],
                "hidden": [[hidden.kind, hidden.text] for hidden in document.hidden],
                "refused": [[part.part, part.code, part.detail, part.reader] for part in document.refused],
            }
            for document in documents
        ]
    )


def unpack_documents(payload: bytes) -> tuple[Document, ...]:
    """What `pack_documents` packed.

    Raises:
        ValueError, KeyError, TypeError: it is no such thing.
    """
    return tuple(_document(values) for values in json.loads(payload))


def pack_refusal(code: str, detail: str | None, reader: str | None) -> bytes:
    """Arguments of `RefusedError`."""
    return _dumps([code, detail, reader])


def unpack_refusal(payload: bytes) -> tuple[str, str | None, str | None]:
    """What `pack_refusal` packed."""
    code, detail, reader = json.loads(payload)
    return code, detail, reader


def _document(values: dict[str, Any]) -> Document:
    for name in _TUPLES:
        values[name] = tuple(values[name])
    blocks = tuple(Block(*block) for block in values.pop("blocks"))
    hidden = tuple(Hidden(*pair) for pair in values.pop("hidden"))
    refused = tuple(RefusedPart(*part) for part in values.pop("refused"))
    if any(part.code not in REASONS for part in refused):
        raise ValueError("a refusal without a reason")
    return Document(blocks=blocks, hidden=hidden, refused=refused, **values)


def _dumps(value: object) -> bytes:
    # default=str: `extra` may hold what YAML and TOML know and JSON does not, such as dates
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str).encode("utf-8", "backslashreplace")
