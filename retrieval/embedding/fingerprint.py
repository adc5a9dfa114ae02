"""Identity of an embedding model: vectors with equal fingerprints may be compared, all others must not."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """Everything that decides what vector a text gets.

    Attributes:
        model: name of the model, e.g. `e5-small-q4` or `intfloat/multilingual-e5-small`.
        revision: SHA-256 of the weights, or the commit of the model hub.
        recipe: version of the steps that turn the files into vectors, where they are this package's own.
        query_prompt: text put before each query.
        document_prompt: text put before each document.
        max_tokens: tokens the model reads at once, prompt and special tokens included.
        dimension: length of a vector.
        normalised: whether vectors have length one.
    """

    model: str
    revision: str
    recipe: str
    query_prompt: str
    document_prompt: str
    max_tokens: int
    dimension: int
    normalised: bool

    @property
    def id(self) -> str:
        """Short stable name, e.g. `e5-small-q4@1571fc98:0123456789ab`: 12 digits of a SHA-256 over all parts."""
        return f"{slug(self.model)}@{self.revision[:8]}:{digest(asdict(self))}"

    def __str__(self) -> str:
        return self.id


def digest(value: object) -> str:
    """The first 12 hexadecimal digits of the SHA-256 of a value's canonical JSON."""
    canonical = json.dumps(value, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:12]


def slug(model: str) -> str:
    """The last part of a model's name, with characters that file names and URLs can carry."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", model.rstrip("/").rpartition("/")[2]).strip("-.") or "model"
