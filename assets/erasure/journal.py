"""What erasures leave on record: the intent while one is under way, and the certificate once it is proven.

Both are files of the home, mode 600. The intent holds ids and paths of what has to go, so that an interrupted erasure
is ended by the next one; it is deleted with the certificate written. The certificate holds nothing of what was erased.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from retrieval.errors import ConfigurationError

Kind = Literal["document", "subject"]


@dataclass
class Intent:
    """An erasure under way.

    Attributes:
        target: keyed hash of the path or the text; the same for every spelling of the command.
        rows: (file id, event, SHA-256) of rows of bronze.
        files: file ids concerned, with the number of the data key that what stays of them is sealed with.
        documents: document ids of silver, gold and index that belong to these files.
        chunks: ids of passages that no surviving version holds.
        versions: (document id, version) of document rows in the index.
        paths: where the files lie or lay.
        tenants: numbers of tenants in the index whose tables are rewritten.
        graphs: definitions of the graphs over their vectors, by name, which are made again afterwards.
        feedback: partitions of the feedback that are rewritten, because comments in them named the subject.
        attempts: how often it was begun.
    """

    number: str
    kind: Kind
    target: str
    by: str
    begun_at: str
    rows: set[tuple[str, int, str]] = field(default_factory=set)
    files: dict[str, int] = field(default_factory=dict)
    documents: set[str] = field(default_factory=set)
    chunks: set[str] = field(default_factory=set)
    versions: set[tuple[str, int]] = field(default_factory=set)
    paths: set[str] = field(default_factory=set)
    tenants: set[int] = field(default_factory=set)
    graphs: dict[str, str] = field(default_factory=dict)
    feedback: set[str] = field(default_factory=set)
    attempts: int = 0
    removed: dict[str, int] = field(default_factory=dict)

    def merge(self, other: Intent) -> None:
        """Take in what a later look found."""
        self.rows |= other.rows
        self.files = other.files | self.files
        self.documents |= other.documents
        self.chunks |= other.chunks
        self.versions |= other.versions
        self.paths |= other.paths
        self.tenants |= other.tenants
        self.graphs = other.graphs | self.graphs
        self.feedback |= other.feedback

    def count(self, name: str, number: int) -> None:
        """Add to what was removed."""
        self.removed[name] = self.removed.get(name, 0) + number


@dataclass(frozen=True)
class Check:
    """One search after the erasure: what was looked through, how much of it, and how much was found."""

    name: str
    looked_at: int
    found: int


@dataclass(frozen=True)
class Certificate:
    """The proof that something was erased; it does not tell what.

    Attributes:
        target: keyed hash by which `knowledge erase` recognises the same document or subject.
        removed: rows, files and keys removed, by place.
        checks: searches that found nothing.
        remains: what the checks cannot reach, in sentences.
        seal: keyed hash over everything above.
    """

    number: str
    kind: Kind
    target: str
    by: str
    begun_at: str
    finished_at: str
    attempts: int
    removed: Mapping[str, int]
    checks: Sequence[Check]
    remains: Sequence[str]
    seal: str = ""

    def body(self) -> bytes:
        """What the seal is made over."""
        return json.dumps({**asdict(self), "seal": ""}, sort_keys=True).encode()


class Journal:
    """The folder of intents and certificates.

    Raises (all methods):
        ConfigurationError: the folder cannot be read or written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def pending(self) -> list[Intent]:
        """Erasures that were begun and not ended, oldest first."""
        try:
            found = [_intent(json.loads(path.read_text())) for path in sorted(self.folder.glob("pending-*.json"))]
        except (OSError, ValueError, TypeError) as error:
            raise ConfigurationError(f"{self.folder} cannot be read: correct its permissions") from error
        return sorted(found, key=lambda intent: intent.begun_at)

    def save(self, intent: Intent) -> None:
        """Write the intent in one step, on disk before anything is removed."""
        _write(self._pending(intent.number), asdict(intent))

    def finish(self, certificate: Certificate) -> Path:
        """Write the certificate, then delete the intent."""
        path = self.folder / f"certificate-{certificate.number}.json"
        _write(path, asdict(certificate))
        self._pending(certificate.number).unlink(missing_ok=True)
        return path

    def _pending(self, number: str) -> Path:
        return self.folder / f"pending-{number}.json"


def new_intent(kind: Kind, target: str, *, by: str, now: datetime) -> Intent:
    """An intent without content, numbered by time and target."""
    return Intent(f"{now:%Y%m%dT%H%M%S}-{target[:8]}", kind, target, by, now.isoformat())


def _intent(values: dict[str, Any]) -> Intent:
    rows = {(row[0], row[1], row[2]) for row in values.pop("rows")}
    versions = {(row[0], row[1]) for row in values.pop("versions")}
    sets: dict[str, Any] = {
        name: set(values.pop(name, ())) for name in ("documents", "chunks", "paths", "tenants", "feedback")
    }
    return Intent(**values, **sets, rows=rows, versions=versions)


def _write(path: Path, values: dict[str, Any]) -> None:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
                json.dump(values, stream, default=sorted, indent=1)
                stream.flush()
                os.fsync(stream.fileno())
            Path(name).replace(path)
        finally:
            Path(name).unlink(missing_ok=True)
    except OSError as error:
        raise ConfigurationError(
            f"{path} cannot be written ({error.strerror}): free space, or correct KNOWLEDGE_HOME"
        ) from None
