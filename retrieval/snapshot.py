"""The file of a standby: what one tenant's active release holds, compressed and encrypted in frames.

    magic, length of header, header (JSON, authenticated, not encrypted)
    length of frame, frame                      as often as there are frames

Each file has a key of its own, derived (HKDF-SHA256) from the home's standby key, a random salt and the tenant; so a
file under another tenant's name opens for nobody. Frames are AES-256-GCM, numbered in their nonces, the last one
marked: none can be left out, doubled, moved, or cut off, and none can be brought in from another file.
"""

from __future__ import annotations

import json
import os
import secrets
import struct
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from retrieval.errors import UnavailableError
from retrieval.principal import TENANT

MAGIC = b"knowledge-standby/1\n"
SUFFIX = ".standby"
SALT_BYTES = 32
FRAME_MAX = 256 * 1024 * 1024
HEADER_MAX = 64 * 1024
_LENGTH = struct.Struct(">I")


class DamagedError(UnavailableError):
    """A standby file that cannot be trusted or read."""


@dataclass(frozen=True, slots=True)
class Header:
    """What is known of a file before it is decrypted.

    Attributes:
        written_at: ISO 8601, UTC.
        state: hash of the release and of who may see what until when, to see whether the file is still true.
        salt: hex.
    """

    tenant: str
    release: int
    written_at: str
    analyzer: str
    fingerprint: str
    state: str
    salt: str

    @property
    def written(self) -> datetime:
        """When it was written."""
        return datetime.fromisoformat(self.written_at)


def path_of(folder: Path, tenant: str) -> Path:
    """The file of a tenant."""
    if not TENANT.fullmatch(tenant):
        raise DamagedError("The standby has no file for a tenant of that name")
    return folder / f"{tenant}{SUFFIX}"


def write(path: Path, header: Header, frames: Iterable[bytes], key: bytes) -> None:
    """Write a file in one step: it is there whole, or as it was.

    Raises:
        OSError: the folder cannot be written.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            said = json.dumps(asdict(header), sort_keys=True).encode()
            file.write(MAGIC + _LENGTH.pack(len(said)) + said)
            cipher = _cipher(key, header)
            for number, (frame, last) in enumerate(_with_last(frames)):
                sealed = cipher.encrypt(_nonce(number, last=last), zlib.compress(frame, 6), said)
                file.write(_LENGTH.pack(len(sealed)) + sealed)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)


def read_header(path: Path) -> Header:
    """The header alone, not authenticated yet.

    Raises:
        DamagedError: it is none.
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        return _header(file)[0]


def read(path: Path, key: bytes) -> tuple[Header, Iterator[bytes]]:
    """Header and frames; each frame is authenticated before it is given.

    Raises:
        DamagedError: the file was changed, cut off, renamed, or made with another key.
        OSError: it cannot be read.
    """
    file = path.open("rb")
    try:
        header, said = _header(file)
    except BaseException:
        file.close()
        raise
    if path_of(path.parent, header.tenant) != path:
        file.close()
        raise DamagedError(f"The standby file {path} is of another tenant")
    return header, _frames(file, path, header, said, key)


def _frames(file: Any, path: Path, header: Header, said: bytes, key: bytes) -> Iterator[bytes]:
    from cryptography.exceptions import InvalidTag

    cipher = _cipher(key, header)
    with file:
        number, sealed = 0, _next(file, path)
        while sealed is not None:
            following = _next(file, path)
            try:
                frame = cipher.decrypt(_nonce(number, last=following is None), sealed, said)
            except InvalidTag:
                raise DamagedError(
                    f"The standby file {path} was changed, or made with another key: it is written anew by"
                    " `knowledge ingest`"
                ) from None
            yield zlib.decompress(frame)
            number, sealed = number + 1, following
    if not number:
        raise DamagedError(f"The standby file {path} is empty")


def _header(file: Any) -> tuple[Header, bytes]:
    start = file.read(len(MAGIC) + _LENGTH.size)
    length = _LENGTH.unpack(start[-_LENGTH.size :])[0] if start.startswith(MAGIC) and len(start) > len(MAGIC) + 3 else 0
    said = file.read(length) if 0 < length <= HEADER_MAX else b""
    try:
        header = Header(**json.loads(said))
        assert header.written.tzinfo is not None
        bytes.fromhex(header.salt)
    except (ValueError, TypeError, AttributeError, AssertionError):
        raise DamagedError(f"{file.name} is not a standby file of this version") from None
    return header, said


def _next(file: Any, path: Path) -> bytes | None:
    length = file.read(_LENGTH.size)
    if not length:
        return None
    size = _LENGTH.unpack(length)[0] if len(length) == _LENGTH.size else FRAME_MAX + 1
    sealed: bytes = file.read(size) if size <= FRAME_MAX else b""
    if len(sealed) != size:
        raise DamagedError(f"The standby file {path} is cut off: it is written anew by `knowledge ingest`")
    return sealed


def _cipher(key: bytes, header: Header) -> Any:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    info = MAGIC + header.tenant.encode()
    return AESGCM(HKDF(SHA256(), 32, bytes.fromhex(header.salt), info).derive(key))


def _nonce(number: int, *, last: bool) -> bytes:
    return struct.pack(">QI", number, last)


def _with_last(frames: Iterable[bytes]) -> Iterator[tuple[bytes, bool]]:
    held: bytes | None = None
    for frame in frames:
        if held is not None:
            yield held, False
        held = frame
    yield held or b"", True
