"""Presidio's recognizers beside ours, by setting; the extra `presidio` installs them.

They are none of the default: importing them costs seconds of CPU, and for German numbers ours replace them
(`docs/security.md`). Names are left to the models of names.
"""

from __future__ import annotations

import functools
import importlib.metadata
import re
from collections.abc import Iterator
from typing import Any

from assets.silver.pii.span import Span
from retrieval.errors import ModelError

PACKAGE = "presidio-analyzer"

TYPES = {
    "CREDIT_CARD": "CREDIT_CARD",
    "CRYPTO": "CRYPTO",
    "IBAN_CODE": "IBAN",
    "IP_ADDRESS": "IP",
    "PHONE_NUMBER": "PHONE",
    "UK_NHS": "UK_NHS",
    "US_BANK_NUMBER": "US_BANK_NUMBER",
    "US_DRIVER_LICENSE": "US_DRIVER_LICENSE",
    "US_ITIN": "US_ITIN",
    "US_PASSPORT": "US_PASSPORT",
    "US_SSN": "US_SSN",
}
"""Presidio's types and ours. Not asked for: dates, places, organisations, addresses of pages, UUIDs and MAC addresses,
which are no personal data by themselves; people, whom models of names find; and e-mail addresses, because Presidio asks
the network for a list of domains to check them by."""

LEAST_SCORE = 0.5
"""Below stand patterns of bare digits without a word beside them that says what they are, which Presidio gives up to
0.4 (its numbers of US banks and phones); a word beside lifts them by 0.35."""

LANGUAGES = ("de", "en")

_BETWEEN = re.compile(r"[\s\-./()]+")


class Presidio:
    """Everything of `TYPES` that Presidio finds."""

    cues = ()

    def __init__(self) -> None:
        try:
            self.version = f"presidio/{importlib.metadata.version(PACKAGE)}"
        except importlib.metadata.PackageNotFoundError:
            raise ModelError(
                f"KNOWLEDGE_PRESIDIO is set and {PACKAGE} is not installed: run"
                " `pip install 'avatar-knowledge[pipeline,presidio]'`, or unset it"
            ) from None

    def find(self, text: str, language: str | None) -> Iterator[Span]:
        """See `Recognizer.find`."""
        known = language if language in LANGUAGES else "en"
        results = _analyzer().analyze(text, language=known, entities=_asked(known), score_threshold=LEAST_SCORE)
        for found in results:
            value = _BETWEEN.sub("", text[found.start : found.end]).casefold()
            yield Span(found.start, found.end, TYPES[found.entity_type], value, checked=found.score >= 1)


@functools.cache
def _asked(language: str) -> list[str]:
    return sorted(set(_analyzer().get_supported_entities(language)) & TYPES.keys())


@functools.cache
def _analyzer() -> Any:
    """Presidio's analyzer over words and nothing else, so that it sees the context of what it finds.

    Raises:
        ModelError: the package is broken.
    """
    try:
        import spacy
        from presidio_analyzer import AnalyzerEngine, RecognizerRegistry
        from presidio_analyzer.nlp_engine import NlpArtifacts, NlpEngine

        class Words(NlpEngine):  # type: ignore[misc]
            """Tokens with themselves in lower case as lemmas."""

            def __init__(self) -> None:
                self.blank = {language: spacy.blank(language) for language in LANGUAGES}
                for blank in self.blank.values():
                    blank.max_length = 2**31

            def load(self) -> None: ...

            def is_loaded(self) -> bool:
                return True

            def process_text(self, text: str, language: str) -> Any:
                document = self.blank[language].make_doc(text)
                lemmas = [token.lower_ for token in document]
                return NlpArtifacts([], document, [token.idx for token in document], lemmas, self, language)

            def process_batch(
                self, texts: Any, language: str, batch_size: int = 1, n_process: int = 1, **_: Any
            ) -> Iterator[tuple[str, Any]]:
                for text in texts:
                    yield text, self.process_text(text, language)

            def is_stopword(self, word: str, language: str) -> bool:
                return bool(self.blank[language].vocab[word].is_stop)

            def is_punct(self, word: str, language: str) -> bool:
                return bool(self.blank[language].vocab[word].is_punct)

            def get_supported_entities(self) -> list[str]:
                return []

            def get_supported_languages(self) -> list[str]:
                return list(LANGUAGES)

        words = Words()
        registry = RecognizerRegistry(supported_languages=list(LANGUAGES))
        registry.load_predefined_recognizers(languages=list(LANGUAGES), nlp_engine=words)
        return AnalyzerEngine(registry=registry, nlp_engine=words, supported_languages=list(LANGUAGES))
    except ImportError as error:
        raise ModelError(f"{PACKAGE} cannot be imported ({type(error).__name__}): install it again") from error
