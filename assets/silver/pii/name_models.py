"""Larger models of names, by setting: spaCy pipelines and token classifiers of transformers, from disk or a hub."""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from retrieval.errors import ConfigurationError, ModelError

if TYPE_CHECKING:
    from spacy.language import Language

PEOPLE = frozenset({"PER", "PERSON"})
"""Labels of people in spaCy's and CoNLL's schemes."""

LONGEST = 500
"""Characters that are read at once: even one token for each fits into the 512 of BERT and its kin."""

REMEMBERED = 20_000
"""Pieces whose people are remembered: a text is read again until nothing is left to redact."""

BATCH = 32
"""Pieces that are read at once."""

UNUSED = ("tagger", "parser", "senter", "attribute_ruler", "lemmatizer", "morphologizer")
"""Parts of spaCy pipelines that recognizers of names do without."""

_LINE = re.compile(r"[^\n]+")
_UPPER = re.compile(r"[^\W\d_a-zß-öø-ÿ]")
_WORD = re.compile(r"\w+")

Range = tuple[int, int]


def name_model(said: str, setting: str) -> SpacyNames | TransformerNames:
    """The model that a setting names.

    Raises:
        ConfigurationError: the setting is neither `spacy:…` nor `transformers:…`.
        ModelError: there is no such model.
    """
    kind, _, name = said.partition(":")
    if kind not in ("spacy", "transformers") or not name.strip():
        raise ConfigurationError(
            f"{setting} is {said!r}: write `spacy:` or `transformers:` and the name or directory of a model"
        )
    return SpacyNames(name, setting) if kind == "spacy" else TransformerNames(name, setting)


class _Names(ABC):
    """Reads a text piece by piece and remembers what it found."""

    kind: str

    def __init__(self, name: str, setting: str) -> None:
        self.setting = setting
        self.folder = self._find(name)
        self.version = f"{self.kind}/{Path(name).name}@{_fingerprint(self.folder)}"
        self._known: dict[str, tuple[Range, ...]] = {}

    def ranges(self, text: str) -> list[Range]:
        """See `NameModel.ranges`."""
        pieces = [(start, text[start:end]) for start, end in _pieces(text) if _UPPER.search(text, start, end)]
        if len(self._known) > REMEMBERED:
            self._known.clear()
        new = sorted({piece for _, piece in pieces if piece not in self._known}, key=lambda piece: (len(piece), piece))
        for at in range(0, len(new), BATCH):
            batch = new[at : at + BATCH]
            for piece, found in zip(batch, self._read(batch), strict=True):
                self._known[piece] = tuple(_whole_words(piece, found))
        return [(start + first, start + last) for start, piece in pieces for first, last in self._known[piece]]

    @abstractmethod
    def _find(self, name: str) -> Path:
        """The folder with the model's files."""

    @abstractmethod
    def _read(self, pieces: Sequence[str]) -> list[list[Range]]:
        """People in each piece."""

    def _broken(self, error: Exception) -> ModelError:
        return ModelError(
            f"The model of {self.setting} in {self.folder} cannot be loaded ({type(error).__name__}): install it again,"
            " or correct the setting"
        )


class SpacyNames(_Names):
    """A spaCy pipeline with a recognizer of names, such as `de_core_news_lg`."""

    kind = "spacy"

    def _find(self, name: str) -> Path:
        import spacy  # noqa: F401  # with torch, which pipelines of transformers need: `spacy_alone` comes later

        folder = Path(name).expanduser()
        if not folder.is_dir():
            package = importlib.util.find_spec(name) if re.fullmatch(r"\w+", name) else None
            places = list(package.submodule_search_locations or ()) if package else []
            inside = [path.parent for place in places for path in sorted(Path(place).glob("*/config.cfg"))]
            if not inside:
                raise ModelError(
                    f"There is no spaCy pipeline {name!r} ({self.setting}): install its package"
                    f" (`python -m spacy download {name}`), or name its directory"
                )
            folder = inside[0]
        if not (folder / "config.cfg").is_file():
            raise ModelError(f"{folder} ({self.setting}) holds no spaCy pipeline: name the folder with its config.cfg")
        return folder.resolve()

    @functools.cached_property
    def _pipeline(self) -> Language:
        import spacy

        try:
            language = spacy.load(self.folder, exclude=list(UNUSED))
        except Exception as error:
            raise self._broken(error) from error
        labels = {label for labels in language.pipe_labels.values() for label in labels}
        if not PEOPLE & labels:
            raise ModelError(f"The spaCy pipeline of {self.setting} does not know people: name one with PER or PERSON")
        return language

    def _read(self, pieces: Sequence[str]) -> list[list[Range]]:
        return [
            [(entity.start_char, entity.end_char) for entity in document.ents if entity.label_ in PEOPLE]
            for document in self._pipeline.pipe(pieces)
        ]


class TransformerNames(_Names):
    """A token classifier of transformers, by directory or by name on the hub, `name@revision` for one state of it."""

    kind = "transformers"

    def _find(self, name: str) -> Path:
        folder = Path(name).expanduser()
        if not folder.is_dir():
            if name.startswith((".", "/", "~")) or name.count("/") > 1:
                raise ModelError(f"There is no model directory {name!r}: correct {self.setting}")
            folder = self._fetched(name)
        if not (folder / "config.json").is_file():
            raise ModelError(f"{folder} ({self.setting}) holds no model of transformers: name one with a config.json")
        return folder.resolve()

    def _fetched(self, name: str) -> Path:
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

        hub_name, _, revision = name.partition("@")
        wanted = ["*.json", "*.txt", "*.model", "*.safetensors"]
        for local in (True, False):
            try:
                return Path(
                    snapshot_download(
                        hub_name, revision=revision or None, allow_patterns=wanted, local_files_only=local
                    )
                )
            except (HFValidationError, HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
                last = error
        raise ModelError(
            f"The model {name!r} of {self.setting} is neither on the model hub nor in its cache: correct the setting,"
            " allow the connection, or name a local directory"
        ) from last

    @functools.cached_property
    def _pipeline(self) -> Any:
        try:
            from transformers import AutoModelForTokenClassification, AutoTokenizer, pipeline
            from transformers.utils import logging

            logging.disable_progress_bar()  # type: ignore[no-untyped-call]

            tokenizer = AutoTokenizer.from_pretrained(self.folder)
            model = AutoModelForTokenClassification.from_pretrained(self.folder, use_safetensors=True)
            labels = {str(label).rpartition("-")[2] for label in model.config.id2label.values()}
        except Exception as error:
            raise self._broken(error) from error
        if not PEOPLE & labels:
            raise ModelError(f"The model of {self.setting} does not know people: name one with labels PER or PERSON")
        return pipeline(
            "token-classification", model=model, tokenizer=tokenizer, aggregation_strategy="simple", device="cpu"
        )

    def _read(self, pieces: Sequence[str]) -> list[list[Range]]:
        return [
            [(int(one["start"]), int(one["end"])) for one in found if one["entity_group"] in PEOPLE]
            for found in self._pipeline(list(pieces), batch_size=BATCH)
        ]


def _pieces(text: str) -> Iterator[Range]:
    """Lines, those that are too long cut at a blank."""
    for line in _LINE.finditer(text):
        at = line.start()
        while line.end() - at > LONGEST:
            cut = text.rfind(" ", at + LONGEST // 2, at + LONGEST)
            yield at, cut if cut > 0 else at + LONGEST
            at = cut + 1 if cut > 0 else at + LONGEST
        if at < line.end():
            yield at, line.end()


def _whole_words(piece: str, found: Sequence[Range]) -> Iterator[Range]:
    """The ranges grown to whole words, those that touch or stand beside each other joined."""
    words = [word.span() for word in _WORD.finditer(piece)]
    grown: list[Range] = []
    for start, end in sorted(found):
        inside = [word for word in words if word[0] < end and word[1] > start]
        if not inside:
            continue
        first, last = min(start, inside[0][0]), max(end, inside[-1][1])
        while first < last and piece[first].isspace():
            first += 1
        if grown and first <= grown[-1][1]:
            grown[-1] = grown[-1][0], max(last, grown[-1][1])
        else:
            grown.append((first, last))
    yield from grown


@functools.lru_cache
def _fingerprint(folder: Path) -> str:
    """Twelve hex digits over all files of a model: other weights are another model, whatever their name."""
    told = hashlib.blake2b(digest_size=6)
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.name.startswith("."):
            told.update(f"{path.relative_to(folder).as_posix()}\0{path.stat().st_size}\0".encode())
            with path.open("rb") as stream:
                while part := stream.read(2**20):
                    told.update(part)
    return told.hexdigest()
