"""Directories of prepared models: a manifest with the hash of every file, checked before anything is loaded.

A directory appears all at once, by a rename, so what stands under its final name was complete. Hashing half a
gigabyte costs up to a second; after one full check, size, time and inode of each file are remembered, and the
hashes are only computed again where these differ.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from retrieval.embedding.checkpoint import TOKENIZER
from retrieval.embedding.fingerprint import Fingerprint
from retrieval.errors import ConfigurationError, ModelError

MANIFEST = "manifest.json"
STAMP = "verified.json"
LAYOUT = 1
"""Version of the files in a directory; another one gets another directory."""


TEXT_SHARE = 15 / 16
"""Share of a model's window that a text may fill: 480 of 512 tokens. The rest is for prompt and special tokens."""

Progress = Callable[[str, float], None]
"""Hears the step and the share of the whole that is done, 0 to 1."""


@dataclass(frozen=True)
class ModelDirectory:
    """A prepared model.

    Attributes:
        path: the directory, which holds manifest and tokenizer.
        weights: the sentence-transformers directory; the same one for the default model.
        backend: `onnxruntime` or `sentence-transformers`: what computes the vectors.
        fingerprint: identity of the model.
        text_tokens: tokens that a text may have, without prompt and special tokens.
        files: SHA-256 of each file, by path relative to `path`, or absolute for files that lie elsewhere.
        source: where the weights are from.
    """

    path: Path
    weights: Path
    backend: str
    fingerprint: Fingerprint
    text_tokens: int
    files: dict[str, str]
    source: dict[str, str]

    @property
    def tokenizer_path(self) -> Path:
        """The tokenizer as a file of the `tokenizers` library, without truncation and padding."""
        return self.path / TOKENIZER


def write_manifest(directory: ModelDirectory, folder: Path) -> None:
    """Write the manifest of a directory that is being built in `folder`."""
    inside = directory.weights == directory.path
    content = {
        "backend": directory.backend,
        "files": directory.files,
        "fingerprint": asdict(directory.fingerprint),
        "layout": LAYOUT,
        "source": directory.source,
        "text_tokens": directory.text_tokens,
        "weights": "." if inside else str(directory.weights),
    }
    text = json.dumps(content, indent=2, sort_keys=True) + "\n"
    (folder / MANIFEST).write_text(text, encoding="utf-8")


def ready(path: Path) -> ModelDirectory | None:
    """The prepared model at `path`, checked; None where none was prepared.

    Raises:
        ModelError: its files are not as prepared.
        ConfigurationError: they may not be read.
    """
    directory = read(path)
    if directory is not None:
        verify(directory)
    return directory


def read(path: Path) -> ModelDirectory | None:
    """The prepared model at `path`, not yet checked; None where there is none.

    Raises:
        ModelError: there is a manifest, but it cannot be read.
    """
    try:
        content: dict[str, Any] = json.loads((path / MANIFEST).read_bytes())
        return ModelDirectory(
            path=path,
            weights=path / content["weights"],
            backend=content["backend"],
            fingerprint=Fingerprint(**content["fingerprint"]),
            text_tokens=content["text_tokens"],
            files=content["files"],
            source=content["source"],
        )
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise ConfigurationError(f"The model {path} cannot be read: grant this user read access") from error
    except (ValueError, KeyError, TypeError) as error:
        raise damaged(path, MANIFEST) from error


def verify(directory: ModelDirectory) -> None:
    """Check every file against the manifest: by size, time and inode where remembered, else by hash.

    Raises:
        ModelError: a file is missing or not the one that was prepared.
    """
    with _reading(directory.path):
        stamp = _stamp(directory)
        if stamp == _remembered(directory.path):
            return
        for name, expected in directory.files.items():
            if sha256(directory.path / name) != expected:
                raise damaged(directory.path, name)
    _remember(directory.path, stamp)


def damaged(path: Path, name: str) -> ModelError:
    """The error for a directory whose file `name` is not what the manifest says."""
    return ModelError(
        f"The model {path} is damaged ({name} is not as prepared): delete that directory, it will be prepared again"
    )


def sha256(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _stamp(directory: ModelDirectory) -> dict[str, Any]:
    """What a check may be skipped for as long as it stays the same."""
    states = {name: (directory.path / name).stat() for name in directory.files}
    return {
        "files": {name: [state.st_size, state.st_mtime_ns, state.st_ino] for name, state in states.items()},
        "manifest": sha256(directory.path / MANIFEST),
    }


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise damaged(path, Path(str(error.filename)).name) from error
    except OSError as error:
        raise ConfigurationError(f"The model {path} cannot be read: grant this user read access") from error


def _remembered(path: Path) -> object:
    try:
        return json.loads((path / STAMP).read_bytes())
    except (OSError, ValueError):
        return None


def _remember(path: Path, stamp: dict[str, Any]) -> None:
    partial = path / f".{STAMP}.{os.getpid()}"
    # a model on a read-only disk is hashed at each start; that is slow, not wrong
    with suppress(OSError):
        partial.write_text(json.dumps(stamp, sort_keys=True) + "\n", encoding="utf-8")
        partial.replace(path / STAMP)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock of the directory `path`, so that one process prepares it and others wait.

    The operating system drops the lock with the process, however that ends.
    """
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = (path.parent / f".{path.name}.lock").open("ab")
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def building(path: Path) -> Iterator[Path]:
    """A folder to build in, which becomes `path` at the end of the block. The caller holds the lock.

    What stood at `path` is replaced; what an interrupted preparation left is removed.
    """
    partial = path.parent / f".{path.name}.partial"
    with writing(path):
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        try:
            yield partial
            _flush(partial)
            if path.exists():
                shutil.rmtree(path)
            partial.rename(path)
            _flush_folder(path.parent)
        finally:
            shutil.rmtree(partial, ignore_errors=True)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn a failure to write into one sentence.

    Raises:
        ConfigurationError: no space, no permission, or something in the way.
    """
    try:
        yield
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise ConfigurationError(
            f"The model cannot be written to {path} ({reason}): free some space or point KNOWLEDGE_HOME elsewhere"
        ) from error


def _flush(folder: Path) -> None:
    """Bring all files to disk before the rename does, so that a power cut leaves no complete-looking directory."""
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
        else:
            _flush_folder(path)
    _flush_folder(folder)


def _flush_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
