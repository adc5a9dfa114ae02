"""Any other sentence-transformers model: it stays where it is, with its tokenizer and identity noted once."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from retrieval.embedding import tokens
from retrieval.embedding.backends import SENTENCE_TRANSFORMERS, load_sentence_transformer, without_progress_bars
from retrieval.embedding.checkpoint import TOKENIZER
from retrieval.embedding.fingerprint import Fingerprint, digest, slug
from retrieval.embedding.store import (
    LAYOUT,
    TEXT_SHARE,
    ModelDirectory,
    Progress,
    building,
    locked,
    ready,
    sha256,
    verify,
    write_manifest,
)
from retrieval.errors import ModelError

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

USUAL_WINDOW = 512
"""Window in tokens of a model that states none."""

LARGEST_WINDOW = 32_768
"""Tokenizers without a limit state a huge number; above this it means nothing."""

DOCUMENT_PROMPTS = ("document", "passage", "corpus")
"""Names under which encode_document of sentence-transformers looks for its prompt, in that order."""

OTHER_FORMATS = ("onnx/*", "openvino/*", "*.onnx", "*.h5", "*.msgpack", "*.ot", "*.tflite", "*.gguf")
"""Files on the hub that hold the weights once more."""


@dataclass(frozen=True)
class Origin:
    """Where a model is from: a local directory, or a name and revision on the hub."""

    name: str
    directory: Path | None = None
    revision: str | None = None

    @property
    def key(self) -> str:
        """What tells this origin from others on this machine."""
        return str(self.directory or f"{self.name}@{self.revision or ''}")


def parse_origin(model: str) -> Origin:
    """Read the setting: an existing directory, `organisation/name` or `organisation/name@revision`.

    Raises:
        ModelError: it reads like a path, and there is no such directory.
    """
    path = Path(model).expanduser()
    if path.is_dir():
        return Origin(path.resolve().name, directory=path.resolve())
    if not model.strip() or model.startswith((".", "/", "~")) or model.count("/") > 1:
        raise ModelError(f"There is no model directory {model!r}: correct KNOWLEDGE_MODEL")
    name, _, revision = model.partition("@")
    return Origin(name, revision=revision or None)


def prepare_custom(models_dir: Path, model: str, progress: Progress) -> ModelDirectory:
    """Note a model's identity, its tokenizer and the hashes of its files; returns at once when that is done.

    A model of the hub keeps the commit it had then. A local directory with other files than before is a new model,
    with a fingerprint of its own.

    Raises:
        ModelError: the model cannot be had or loaded, or files from the hub were changed.
        ConfigurationError: the folder cannot be written to.
    """
    origin = parse_origin(model)
    path = _place(models_dir, origin)
    directory = _known(path, origin)
    if directory is None:
        with locked(path):
            directory = _known(path, origin) or _note(path, origin, progress)
    return directory


def prepared_custom(models_dir: Path, model: str) -> ModelDirectory | None:
    """The model, checked, where `prepare_custom` would return at once; else None.

    Raises:
        ModelError: there is no such model, or files from the hub were changed.
        ConfigurationError: its files may not be read.
    """
    origin = parse_origin(model)
    return _known(_place(models_dir, origin), origin)


def _place(models_dir: Path, origin: Origin) -> Path:
    return models_dir / f"{slug(origin.name)}-{digest([origin.key, LAYOUT])}"


def _known(path: Path, origin: Origin) -> ModelDirectory | None:
    if origin.directory is None:
        return ready(path)
    try:
        known = ready(path)
    except ModelError:
        return None
    if known is None or set(known.files) != {TOKENIZER, *map(str, _model_files(origin.directory))}:
        return None
    return known


def _note(path: Path, origin: Origin, progress: Progress) -> ModelDirectory:
    progress("finding the model", 0.0)
    weights = origin.directory or _download(origin)
    progress("hashing", 0.5)
    files = {str(file): sha256(file) for file in _model_files(weights)}
    progress("loading the model", 0.7)
    model = load_sentence_transformer(weights)
    # the folder of a snapshot is named by its commit
    revision = weights.name if origin.directory is None else _content_hash(files, weights)
    fingerprint = _fingerprint(model, origin.name, revision)
    with building(path) as folder:
        text_tokens = _write_tokenizer(model, folder / TOKENIZER, fingerprint)
        directory = ModelDirectory(
            path=path,
            weights=weights,
            backend=SENTENCE_TRANSFORMERS,
            fingerprint=fingerprint,
            text_tokens=text_tokens,
            files={**files, TOKENIZER: sha256(folder / TOKENIZER)},
            source={"model": origin.name, "revision": revision},
        )
        write_manifest(directory, folder)
    verify(directory)
    progress("ready", 1.0)
    return directory


def _download(origin: Origin) -> Path:
    """Snapshot of a model from the hub, or from its cache when the hub cannot be reached.

    Raises:
        ModelError: it is in neither.
    """
    import huggingface_hub
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        with without_progress_bars():
            snapshot = huggingface_hub.snapshot_download(
                origin.name, revision=origin.revision, ignore_patterns=list(OTHER_FORMATS)
            )
    except (HFValidationError, HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise ModelError(
            f"The model {origin.name} is neither on the model hub nor in its cache: correct KNOWLEDGE_MODEL, "
            "allow the connection, or name a local directory"
        ) from error
    return Path(snapshot)


def _model_files(weights: Path) -> list[Path]:
    """Files that decide what a model computes: all but hidden ones and read-mes."""
    return sorted(
        file
        for file in weights.rglob("*")
        if file.is_file()
        and file.suffix.lower() != ".md"
        and not any(part.startswith(".") for part in file.relative_to(weights).parts)
    )


def _content_hash(files: dict[str, str], weights: Path) -> str:
    """SHA-256 over names and hashes of all files, wherever the directory lies."""
    content = {Path(file).relative_to(weights).as_posix(): value for file, value in files.items()}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _fingerprint(model: SentenceTransformer, name: str, revision: str) -> Fingerprint:
    window, dimension = model.max_seq_length, model.get_embedding_dimension()
    if dimension is None:
        raise ModelError(f"The model {name} does not say how long its vectors are: choose another KNOWLEDGE_MODEL")
    prompts = model.prompts
    document = next((prompts[key] for key in DOCUMENT_PROMPTS if key in prompts), "")
    return Fingerprint(
        model=name,
        revision=revision,
        recipe="",
        query_prompt=prompts.get("query") or "",
        document_prompt=document or "",
        max_tokens=window if window and window <= LARGEST_WINDOW else USUAL_WINDOW,
        dimension=dimension,
        normalised=True,
    )


def _write_tokenizer(model: SentenceTransformer, file: Path, fingerprint: Fingerprint) -> int:
    """Keep the tokenizer without truncation and padding; the result is how many tokens a text may have."""
    backend = getattr(model.tokenizer, "backend_tokenizer", None)
    if backend is None:
        raise ModelError(
            f"The model {fingerprint.model} has no tokenizer.json, so that its tokens cannot be counted: "
            "choose another KNOWLEDGE_MODEL"
        )
    tokens.save(backend, file)
    tokenizer = tokens.load(file)
    tokens.save(tokenizer, file)
    prompts = [fingerprint.query_prompt, fingerprint.document_prompt]
    overhead = max(len(ids) for ids in tokens.ids(tokenizer, prompts, special=True))
    room = min(int(fingerprint.max_tokens * TEXT_SHARE), fingerprint.max_tokens - overhead)
    if room < 1:
        raise ModelError(f"The model {fingerprint.model} has prompts longer than its window: correct its prompts")
    return room
