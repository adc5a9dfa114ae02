"""Text to index terms, the same for passages and queries: folding, splitting, stop words, stemming.

A passage is stemmed in its own language. A query is stemmed in every language, because nobody says which
language the answer is in.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence

ANALYZER = "fold-split-stem/3"
"""Version of everything below; postings made with another one are never mixed with these."""

LANGUAGES = {"de": "german", "en": "english"}
"""Languages with a stemmer of their own; text in any other one is stemmed as English."""

TERM_MAX = 64
"""Longest term in characters: beyond it is no word but noise, e.g. an encoded payload."""

_PSEUDONYM = r"<[a-z][a-z_]*_[0-9a-f]{10}>"
"""A redacted value, case-folded. It is one word whatever its digits are: they depend on an installation's key, and how
long a passage is must not."""

_WORD = re.compile(_PSEUDONYM + r"|[^\W_]+(?:(?:[-._/]|(?<=\d),(?=\d))[^\W_]+)*")
_PART = re.compile(r"[^\W_]+")
_DIGIT = re.compile(r"\d")
_MIXED = re.compile(r"(\d+)([^\W\d_]+)|([^\W\d_]+)(\d+)")
_POSSESSIVE = re.compile(r"(?<=\w)['\u2019]s\b")

FUNCTION_WORDS = {
    "de": frozenset(
        "aber als am an auch auf aus bei bin bis bist da damit dann das dass daß dem den der des die dies diese"
        " diesem diesen dieser dieses doch dort du durch ein eine einem einen einer eines er es für hat hatte"
        " hatten habe haben hier ich ihr ihre ihrem ihren ihrer ihres im in ins ist ja kann können man mein meine"
        " mit nach nicht noch nun nur ob oder ohne schon sehr sein seine sich sie sind so über um und uns unser"
        " unsere unter vom von vor war waren was weil welche welchem welchen welcher welches wenn wer werden wie"
        " wir wird wo wurde wurden zu zum zur".split()
    ),
    "en": frozenset(
        "a about after all also an and any are as at be because been before being but by can could did do does for"
        " from had has have he her here hers him his how i if in into is it its itself me more most my no nor not"
        " of on only or other our ours out over own same she should so some such than that the their theirs them"
        " then there these they this those through to too under until up very was we were what when where which"
        " while who whom why will with would you your yours".split()
    ),
}
"""Function words by language: they are not indexed, and they tell which language a question is in."""

STOP_WORDS = frozenset().union(*FUNCTION_WORDS.values())


@functools.cache
def _stemmer(language: str) -> Callable[[str], str]:
    import Stemmer

    stem = Stemmer.Stemmer(LANGUAGES.get(language, "english")).stemWord

    @functools.lru_cache(maxsize=200_000)
    def folded(word: str) -> str:
        return _strip_marks(stem(word))

    return folded


def _strip_marks(word: str) -> str:
    if word.isascii():
        return word
    return "".join(c for c in unicodedata.normalize("NFD", word) if not unicodedata.combining(c))


def words(text: str) -> Iterator[str]:
    """Case-folded words in order, stop words left out.

    Words joined by `-`, `.`, `_` or `/`, and numbers joined by `,`, give their parts, and where a digit is among
    them the joined form too (`WP-300X` gives `wp`, `300x` and `wp300x`, `4,200` gives `4`, `200` and `4200`). A
    number and letters in one word are there for themselves as well (`5kW` gives `5kw`, `5` and `kw`). So product
    codes, numbers and quantities are found however they are spelt. A pseudonym is one word.
    """
    folded = _POSSESSIVE.sub("", unicodedata.normalize("NFKC", text).casefold())
    for match in _WORD.finditer(folded):
        word = match.group()
        if word.isalpha():  # most words: one part, letters alone
            if word not in STOP_WORDS and len(word) <= TERM_MAX:
                yield word
            continue
        if word.startswith("<"):
            yield word
            continue
        parts = _PART.findall(word)
        for part in parts:
            if part in STOP_WORDS or len(part) > TERM_MAX:
                continue
            yield part
            if mixed := _MIXED.fullmatch(part):
                yield from (run for run in mixed.groups() if run)
        if len(parts) > 1 and _DIGIT.search(word):
            joined = "".join(parts)
            if len(joined) <= TERM_MAX:
                yield joined


def passage_terms(text: str, language: str, context: str = "") -> list[str]:
    """Terms of a passage in order, stemmed in its language (ISO 639-1).

    Args:
        context: title of the document and headings above the passage. Those of its terms that the passage lacks
            follow once each: a passage is found by what its document is about, and repeating what it says itself
            makes it no longer.
    """
    stem = _stemmer(language)
    terms = [stem(word) for word in words(text)]
    if context:
        held = set(terms)
        terms += [term for term in dict.fromkeys(map(stem, words(context))) if term not in held]
    return terms


def context(title: str, heading: str | None) -> str:
    """What a passage is indexed under besides its own words."""
    return f"{title}\n{heading}" if heading else title


def question_language(text: str) -> str | None:
    """Language of a question by the function words that only one language has; None where they do not decide."""
    found = set(_PART.findall(unicodedata.normalize("NFKC", text).casefold()))
    german, english = (
        len(found & FUNCTION_WORDS[one] - FUNCTION_WORDS[two]) for one, two in ("de en".split(), "en de".split())
    )
    return None if german == english else "de" if german > english else "en"


def query_terms(text: str) -> list[tuple[str, ...]]:
    """For each distinct word of a query its terms, one for each language that stems it differently."""
    stemmers: Sequence[Callable[[str], str]] = [_stemmer(language) for language in LANGUAGES]
    return [tuple(sorted({stem(word) for stem in stemmers})) for word in dict.fromkeys(words(text))]
