"""Recognises a person, or anything else that is asked for by its text, however it is spelled or pseudonymised."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from assets.silver.document import Document
from assets.silver.pii.extra import NONE, Extra
from assets.silver.pii.span import PSEUDONYM
from assets.silver.redact import redact

LEAST_LETTERS = 4
"""Shorter texts stand in half of all documents."""

PHRASES = (
    "{}",
    "Herr {} sagt das.", "Frau {} sagt das.", "Mein Name ist {}.", "Mr {} said so.", "Ms {} said so.", "I am {}.",
    "E-Mail: {}", "Telefon: {}", "Phone: {}", "IBAN: {}", "Kreditkarte: {}", "Credit card: {}", "Steuer-ID: {}",
    "Steuernummer: {}", "USt-IdNr.: {}", "Sozialversicherungsnummer: {}", "Krankenversichertennummer: {}",
    "Personalausweis Nr. {}", "Reisepass Nr. {}", "Führerschein Nr. {}", "Kennzeichen: {}", "Anschrift: {}",
    "Address: {}", "geboren am {}", "date of birth: {}", "IP-Adresse: {}",
)  # fmt: skip
"""What a value may stand in, so that recognizers that need context see it as they would in a document."""

_UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "æ": "ae", "ø": "oe", "å": "a", "ł": "l"})
_BETWEEN = re.compile(r"[^0-9a-z]+")


def plain_words(text: str) -> str:
    """The text in lower case and ASCII, umlauts written out, one blank between words and nothing else."""
    folded = unicodedata.normalize("NFKC", text).casefold().translate(_UMLAUTS)
    bare = "".join(c for c in unicodedata.normalize("NFD", folded) if not unicodedata.combining(c))
    return _BETWEEN.sub(" ", bare).strip()


@dataclass(frozen=True)
class Subject:
    """What is looked for.

    Attributes:
        text: as it was given.
        tokens: pseudonyms it may have become, under every key of every tenant.
    """

    text: str
    tokens: frozenset[str] = frozenset()

    def holds(self, text: str) -> bool:
        """Whether a text names it, by itself or by a pseudonym."""
        if self.tokens and not self.tokens.isdisjoint(PSEUDONYM.findall(text)):
            return True
        return self._pattern.search(plain_words(text)) is not None

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        words = plain_words(self.text).split()
        orders = [words]
        if len(words) > 1 and not any(c.isdigit() for c in "".join(words)) and "@" not in self.text:
            orders += [
                words[-1:] + words[:-1],
                words[1:] + words[:1],
            ]  # "Muster, Eva Maria" as well as "Eva Maria Muster"
        written = "|".join(dict.fromkeys(map(_spelled, orders)))
        return re.compile(rf"(?<![0-9a-z])(?:{written})(?![0-9a-z])")


def letters(text: str) -> int:
    """How many letters and digits a text has."""
    return len(plain_words(text).replace(" ", ""))


def tokens_of(text: str, keys: Iterable[bytes], extra: Extra = NONE) -> frozenset[str]:
    """Pseudonyms that the redactor of today gives the text in some context, under any of the keys."""
    found: set[str] = set()
    telling = [(phrase, language) for phrase in PHRASES for language in ("de", "en")]
    for key in keys:
        tokens = {pair: _token(text, *pair, key, extra) for pair in telling}
        telling = [pair for pair in telling if tokens[pair] is not None]  # the key decides the digits alone
        found.update(filter(None, tokens.values()))
    return frozenset(found)


def _token(text: str, phrase: str, language: str, key: bytes, extra: Extra) -> str | None:
    """What a text becomes in a phrase; None where it is not replaced as a whole."""
    document = Document(phrase.format(text), (), "none/0", language=language)
    written = redact(document, key, extra=extra).document.text
    tokens = PSEUDONYM.findall(written)
    return tokens[0] if len(tokens) == 1 and phrase.format(tokens[0]) == written else None


def _spelled(words: list[str]) -> str:
    """A pattern over plain words: umlauts with and without their e, numbers with blanks anywhere, genitives."""
    text = " ".join(words)
    if any(c.isdigit() for c in text):
        characters = text.replace(" ", "")
        return " ?".join(map(re.escape, characters))
    return re.sub("([aou])e?", r"\1e?", text) + "(?:s|es)?"
