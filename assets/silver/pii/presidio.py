"""Presidio's recognizers, run beside ours: those of `data/recognizers.yaml`, and those of a file that a setting names.

Presidio reads the files, makes the recognizers and judges the words around what they find. Not used is its engine: it
compares each finding with each other one, so that a long list of numbers takes hours, and cuts the text into words
even where nothing was found.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import logging
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from pydantic import ValidationError

from assets.imports import hidden
from assets.silver.pii.span import Span
from retrieval.errors import ConfigurationError, ModelError

if TYPE_CHECKING:
    from presidio_analyzer import EntityRecognizer

PACKAGE = "presidio-analyzer"
SETTING = "KNOWLEDGE_RECOGNIZERS"
BASE = Path(__file__).parent / "data" / "recognizers.yaml"

TYPES = {
    "DE_FUEHRERSCHEIN": "DE_DRIVING_LICENCE",
    "DE_KFZ": "DE_NUMBER_PLATE",
    "EMAIL_ADDRESS": "EMAIL",
    "IBAN_CODE": "IBAN",
    "IP_ADDRESS": "IP",
    "PHONE_NUMBER": "PHONE",
}
"""Presidio's names of kinds that we know under another one; others keep theirs."""

WRITTEN = frozenset({"EMAIL", "IP", "PERSON"})
"""Kinds whose values are what they are with their dots and blanks."""

LEAST_SCORE = 0.5
"""Where a recognizer sets no threshold. Below stand patterns of bare digits without a word beside them that says what
they are, which Presidio gives up to 0.4; a word beside lifts them by 0.35."""

LANGUAGES = ("de", "en")
"""Texts in other languages are read as English ones."""

PIECE, OVERLAP = 5_000, 300
"""Characters that are read at once, and that two pieces share: each recognizer compares all that it finds in one."""

BESIDE = 200
"""Characters around a finding in which the words beside it are looked for; Presidio looks at five of them."""

_TYPE = re.compile(r"[A-Z][A-Z_]*")
_BETWEEN = re.compile(r"[\s\-./()]+")
_CUE = re.compile(r"\d(?:[ .\-]{0,2}\d){4}|[13bB][0-9A-Za-z]{25}")
"""What is in everything that the recognizers of `BASE` find: five digits, or the letters and digits of a wallet."""

_BLOTTED = re.compile(r"[^\0]+")
_NAME_MODELS = re.compile(r"\.(?:nlp_engine_recognizers|ner|third_party)\.")
"""Modules of Presidio whose recognizers need models or services."""


class Presidio:
    """Everything that the recognizers of Presidio's files find.

    Args:
        file: a file in the format of Presidio's registry, whose recognizers are added; None: none are.

    Raises:
        ConfigurationError: there is no such file, or it is not of that format at all.
        ModelError: the package is not installed.
    """

    cues = ()

    def __init__(self, file: Path | None = None) -> None:
        self._files = (BASE,) if file is None else (BASE, file)
        try:
            version = importlib.metadata.version(PACKAGE)
        except importlib.metadata.PackageNotFoundError:
            raise ModelError(
                f"{PACKAGE} is not installed: run `pip install 'avatar-knowledge[pipeline]'`, or set"
                " KNOWLEDGE_PRESIDIO=false"
            ) from None
        told = hashlib.sha256(repr([_listed(path) for path in self._files]).encode()).hexdigest()[:8]
        self.version = f"presidio/{version}@{told}"

    def find(self, text: str, language: str | None) -> Iterator[Span]:
        """See `Recognizer.find`.

        Raises:
            ModelError: a recognizer cannot be made, or one took too long for a text, which must not pass unread.
        """
        known = language if language in LANGUAGES else "en"
        for path in self._files:
            for at, end in _stretches(text) if path == BASE else ((0, len(text)),):
                for recognizer in _recognizers(path)[known]:
                    yield from _found(recognizer, text, at, end, known)


def _found(recognizer: EntityRecognizer, text: str, first: int, last: int, language: str) -> Iterator[Span]:
    """What one recognizer finds in `text[first:last]`."""
    for at, piece in _pieces(text, first, last):
        for found in recognizer.analyze(piece, recognizer.supported_entities, None) or ():
            if (at > first and not found.start) or (at + len(piece) < last and found.end == len(piece)):
                continue  # what a piece cuts stands whole in the next or the one before
            if _score(recognizer, found, piece, language) >= _needed(recognizer, found.entity_type):
                yield from _spans(found, at, piece)


def _stretches(text: str) -> Iterator[tuple[int, int]]:
    """The parts of a text in which the recognizers of `BASE` can find something, with the words beside it."""
    start = end = -1
    for cue in _CUE.finditer(text):
        low, high = max(0, cue.start() - BESIDE), min(len(text), cue.end() + BESIDE)
        if low and (cut := text.find(" ", low, cue.start())) >= 0:
            low = cut + 1
        if high < len(text) and (cut := text.rfind(" ", cue.end(), high)) >= 0:
            high = cut
        if low <= end:
            end = max(end, high)
            continue
        if end >= 0:
            yield start, end
        start, end = low, high
    if end >= 0:
        yield start, end


def _spans(found: Any, at: int, piece: str) -> Iterator[Span]:
    """The value without what earlier passes replaced; where it is cut by that, its parts."""
    for part in _BLOTTED.finditer(piece, found.start, found.end):
        value = part[0].strip()
        if not value:
            continue
        start = part.start() + part[0].index(value)
        kind = TYPES.get(found.entity_type, found.entity_type)
        normal = " ".join(value.split()) if kind in WRITTEN else _BETWEEN.sub("", value)
        # the highest score is that of a value whose checksum is right
        yield Span(at + start, at + start + len(value), kind, (normal or value).casefold(), checked=found.score >= 1)


def _pieces(text: str, first: int, last: int) -> Iterator[tuple[int, str]]:
    """Pieces of `text[first:last]` and where they begin, cut at blanks where there are some."""
    at = first
    while last - at > PIECE:
        cut = text.rfind(" ", at + PIECE - OVERLAP, at + PIECE)
        end = cut if cut > 0 else at + PIECE
        yield at, text[at:end]
        begin = text.rfind(" ", end - 2 * OVERLAP, end - OVERLAP)
        at = begin if begin > 0 else end - OVERLAP
    yield at, text[at:last]


def _needed(recognizer: EntityRecognizer, kind: str) -> float:
    thresholds = recognizer.score_thresholds
    return float(thresholds.get(kind, thresholds.get("default", LEAST_SCORE)))


def _score(recognizer: EntityRecognizer, found: Any, piece: str, language: str) -> float:
    """The score of a finding, lifted where a word beside it says what it is."""
    if not recognizer.context or found.score >= _needed(recognizer, found.entity_type):
        return float(found.score)
    enhancer, words = _beside()
    start = max(0, found.start - BESIDE)
    around = piece[start : found.end + BESIDE]
    moved = type(found)(
        found.entity_type,
        found.start - start,
        found.end - start,
        found.score,
        found.analysis_explanation,
        found.recognition_metadata,
    )
    return float(
        enhancer.enhance_using_context(around, [moved], words.artifacts(around, language), [recognizer])[0].score
    )


def _listed(path: Path) -> Any:
    """What a file lists, without looking closely.

    Raises:
        ConfigurationError: see `Presidio`.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"{path} ({SETTING}) cannot be read ({error.strerror}): correct the setting") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        where = getattr(error, "problem_mark", None)
        raise ConfigurationError(
            f"{path} ({SETTING}) is no YAML{f', see line {where.line + 1}' if where else ''}: correct the file"
        ) from None
    recognizers = content.get("recognizers") if isinstance(content, dict) else None
    if not isinstance(recognizers, list) or not all(isinstance(one, dict | str) for one in recognizers):
        raise ConfigurationError(
            f"{path} ({SETTING}) must hold `recognizers:` with a list, as Presidio's registry reads it"
        )
    return content


@functools.cache
def _recognizers(path: Path) -> dict[str, list[EntityRecognizer]]:
    """The recognizers of a file by language.

    Raises:
        ConfigurationError, ModelError: the file, or one of its recognizers, cannot be used; the sentence names it.
    """
    _import()
    made: dict[str, list[EntityRecognizer]] = {language: [] for language in LANGUAGES}
    for recognizer in _registered(path):
        _require_usable(recognizer, path)
        made[recognizer.supported_language].append(recognizer)
    return made


def _registered(path: Path) -> list[EntityRecognizer]:
    from presidio_analyzer.recognizer_registry import RecognizerRegistryProvider
    from presidio_analyzer.recognizer_registry.recognizers_loader_utils import PredefinedRecognizerNotFoundError

    content = _listed(path)
    # a name alone is one of Presidio's own, which its loader otherwise passes over in silence
    listed = [one if isinstance(one, dict) else {"name": one, "type": "predefined"} for one in content["recognizers"]]
    for one in listed:
        _require_language(one, path)
    settings = {**content, "supported_languages": list(LANGUAGES), "recognizers": listed}
    try:
        return list(
            RecognizerRegistryProvider(registry_configuration=settings).create_recognizer_registry().recognizers
        )
    except (ValueError, TypeError, KeyError, AttributeError, PredefinedRecognizerNotFoundError) as error:
        raise ConfigurationError(
            f"{path} ({SETTING}) holds a recognizer that Presidio cannot make ({_told(error)}): correct the file"
        ) from None


def _require_language(listed: Mapping[str, Any], path: Path) -> None:
    """Raises ConfigurationError where a recognizer is for a language that Presidio would leave it out for."""
    named = [listed.get("supported_language"), *(listed.get("supported_languages") or ())]
    for language in (one.get("language") if isinstance(one, dict) else one for one in named):
        if language not in (None, *LANGUAGES):
            raise ConfigurationError(
                f"{listed.get('name')} in {path} ({SETTING}) is for {language!r}: texts are read as German or English, so"
                " write de or en"
            )


def _told(error: BaseException) -> str:
    """What is wrong in a line, of errors that say so in many."""
    cause = error.__cause__ or error
    if isinstance(cause, ValidationError):
        found = [(len(one["loc"]), ".".join(map(str, one["loc"])), one["msg"]) for one in cause.errors()]
        _, where, what = max(found)  # of all the forms that did not fit, the one that fits farthest
        return f"{where}: {what}"[:300]
    return str(cause).strip().partition("\n")[0][:300]


def _require_usable(recognizer: EntityRecognizer, path: Path) -> None:
    """Raises ConfigurationError where a recognizer cannot be run here."""
    import regex

    said = f"{recognizer.name} in {path} ({SETTING})"
    if _NAME_MODELS.search(type(recognizer).__module__):
        raise ConfigurationError(
            f"{said} needs a model or a service: name models of people by KNOWLEDGE_NAMES_DE and KNOWLEDGE_NAMES_EN"
        )
    for kind in recognizer.supported_entities:
        if not _TYPE.fullmatch(kind):
            raise ConfigurationError(f"{said} finds {kind!r}: write capital letters and _ only, as in EMPLOYEE_ID")
    for pattern in getattr(recognizer, "patterns", ()):
        try:
            regex.compile(pattern.regex)
        except regex.error as error:
            raise ConfigurationError(f"{said} has the pattern {pattern.name!r}, which is none ({error})") from None


def _import() -> None:
    """Presidio without torch and transformers, which it can do without: 0.3 s beside spaCy instead of 4.

    Nothing is fetched: addresses are checked by the list of domains that is packaged. Nothing is logged but warnings,
    because what it tells at lower levels quotes words of the text.

    Raises:
        ModelError: the package is broken.
    """
    # with the models of names that a setting may ask for, spaCy is there already, and has torch
    names = ("transformers",) if "spacy" in sys.modules else ("cupy", "torch", "transformers")
    try:
        with hidden(*names):
            import presidio_analyzer.predefined_recognizers  # noqa: F401
        import tldextract.tldextract
    except ImportError as error:
        raise ModelError(f"{PACKAGE} cannot be imported ({type(error).__name__}): install it again") from error
    tldextract.tldextract.TLD_EXTRACTOR = tldextract.TLDExtract(cache_dir=None, suffix_list_urls=())
    logger = logging.getLogger("presidio-analyzer")
    logger.setLevel(logging.WARNING)
    logger.addFilter(_never_skipped)


def _never_skipped(record: logging.LogRecord) -> bool:
    """Stops a pattern that ran out of time: Presidio would say so in a warning and leave the text unread."""
    if "timed out" in str(record.msg):
        name = record.args[0] if isinstance(record.args, tuple) and record.args else "of a recognizer"
        raise ModelError(f"The pattern {name!r} takes too long: make it simpler ({SETTING})")
    return False  # other warnings may quote what they are about


class _Words:
    """Texts as words in lower case: all that judging what stands beside a finding needs to know of a language."""

    def __init__(self) -> None:
        import spacy

        self._blank = {language: spacy.blank(language) for language in LANGUAGES}

    def artifacts(self, text: str, language: str) -> Any:
        """The words, as Presidio hands them on."""
        from presidio_analyzer.nlp_engine import NlpArtifacts

        document = self._blank[language].make_doc(text)
        lemmas = [token.lower_ for token in document]
        return NlpArtifacts([], document, [token.idx for token in document], lemmas, self, language)

    def is_stopword(self, word: str, language: str) -> bool:
        """Asked by Presidio, which passes such words over."""
        return bool(self._blank[language].vocab[word].is_stop)

    def is_punct(self, word: str, language: str) -> bool:
        """The same for marks."""
        return bool(self._blank[language].vocab[word].is_punct)


@functools.cache
def _beside() -> tuple[Any, _Words]:
    """What judges the words around a finding, and what makes words of a text."""
    from presidio_analyzer.context_aware_enhancers import LemmaContextAwareEnhancer

    return LemmaContextAwareEnhancer(), _Words()
