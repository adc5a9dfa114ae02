"""Which language a document is in: what its metadata says, else what the text itself shows."""

from __future__ import annotations

import copy
import io
import re
import threading
from functools import cache
from types import SimpleNamespace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier

FALLBACK = "en"
"""For texts without a single letter to judge by."""

_ISO_639_1 = frozenset(
    "aa ab ae af ak am an ar as av ay az ba be bg bi bm bn bo br bs ca ce ch co cr cs cu cv cy da de dv dz ee el en"
    " eo es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu hy hz ia id ie ig ii ik io is it iu ja"
    " jv ka kg ki kj kk kl km kn ko kr ks ku kv kw ky la lb lg li ln lo lt lu lv mg mh mi mk ml mn mr ms mt my na nb"
    " nd ne ng nl nn no nr nv ny oc oj om or os pa pi pl ps pt qu rm rn ro ru rw sa sc sd se sg si sk sl sm sn so sq"
    " sr ss st su sv sw ta te tg th ti tk tl tn to tr ts tt tw ty ug uk ur uz ve vi vo wa wo xh yi yo za zh zu".split()
)
_NAMES = {
    "deutsch": "de",
    "german": "de",
    "deu": "de",
    "ger": "de",
    "englisch": "en",
    "english": "en",
    "eng": "en",
}

_EUROPEAN = ("bg ca cs da de el en es et fi fr ga hr hu it lt lv mt nl no pl pt ro ru sk sl sr sv tr uk").split()
_MAIN = ("de", "en")
_SHORT = 120
"""Letters below which only German and English are told apart: with less text the rarer languages win by chance."""
_SAMPLE = 20_000
"""Characters that are looked at: more of them change no decision, and the time grows with them."""

_loading = threading.Lock()

_LETTERS = re.compile(r"[^\W\d_]+")


def detect(text: str, hint: str | None) -> str:
    """ISO 639-1 code of the text's language.

    Args:
        text: the document's text.
        hint: language from the metadata, such as `de`, `de-DE` or `German`; it wins when it is a known code.
    """
    hinted = language_code(hint) if hint else None
    if hinted is not None:
        return hinted
    words = _LETTERS.findall(text[:_SAMPLE])
    if not words:
        return FALLBACK
    languages = _MAIN if sum(map(len, words)) < _SHORT else tuple(_EUROPEAN)
    code: str = _loaded(languages).classify(" ".join(words))[0]
    return code


def language_code(name: str) -> str | None:
    """ISO 639-1 code of a language tag or name (`de`, `de-DE`, `de_DE.UTF-8`, `German`); None if it is none."""
    key = name.strip().casefold()
    if key in _NAMES:
        return _NAMES[key]
    primary = re.split(r"[-_.]", key, maxsplit=1)[0]
    return primary if primary in _ISO_639_1 else _NAMES.get(primary)


def load() -> None:
    """Load the model now rather than at the first text: 0.6 s."""
    _loaded(tuple(_EUROPEAN))


def _loaded(languages: tuple[str, ...]) -> LanguageIdentifier:
    with _loading:  # the cache alone would let two threads load it twice
        return _identifier(languages)


@cache
def _identifier(languages: tuple[str, ...]) -> LanguageIdentifier:
    """One of these languages alone; what it shares with others (60 MB) is there once."""
    identifier = copy.copy(_all_languages())
    known = set(identifier.labels)
    identifier.set_languages([language for language in languages if language in known])
    return identifier


@cache
def _all_languages() -> LanguageIdentifier:
    from py3langid import modelio
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    files = modelio.tempfile
    # it unpacks its model into a temporary file, and a process that reads files may write none
    modelio.tempfile = SimpleNamespace(TemporaryFile=lambda suffix: io.BytesIO())
    try:
        return LanguageIdentifier.from_model_file(MODEL_FILE)
    finally:
        modelio.tempfile = files
