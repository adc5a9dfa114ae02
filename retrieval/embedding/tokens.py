"""The tokenizer of multilingual-e5-small, and counting with the tokenizer of any model."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from retrieval.embedding.pack import Pack
from retrieval.errors import InvalidRequestError, ModelError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

METASPACE = "▁"
MASK = "<mask>"
SURROGATE = re.compile("[\ud800-\udfff]")


def build(pack: Pack) -> Tokenizer:
    """The Unigram tokenizer of a pack.

    The normaliser map of the pack is NFKC plus control characters that vanish and marks that become a space, so it
    is written as these three steps. What follows from that: decomposed letters are composed first, as in the
    original model; of 1,112,064 code points only U+FF5E and U+1F23B come out differently than by the map.
    Neighbouring characters outside the vocabulary share one unknown token.
    """
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

    words = pack.vocabulary
    begin, end = words.pieces[words.begin], words.pieces[words.end]
    tokenizer = Tokenizer(models.Unigram(list(zip(words.pieces, words.scores, strict=True)), words.unknown, False))
    tokenizer.normalizer = normalizers.Sequence(
        [
            normalizers.Replace(Regex(_one_of(pack.normaliser, "")), ""),
            normalizers.Replace(Regex(_one_of(pack.normaliser, " ")), " "),
            normalizers.NFKC(),
            normalizers.Replace(Regex(" {2,}"), " "),
        ]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement=METASPACE, prepend_scheme="always")
    tokenizer.decoder = decoders.Metaspace(replacement=METASPACE, prepend_scheme="always")
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{begin} $A {end}",
        pair=f"{begin} $A {end} {end} $B {end}",
        special_tokens=[(begin, words.begin), (end, words.end)],
    )
    special = (begin, words.pieces[words.padding], end, words.pieces[words.unknown])
    tokenizer.add_special_tokens([*special, AddedToken(MASK, lstrip=True, special=True)])
    return tokenizer


def save(tokenizer: Tokenizer, path: Path) -> None:
    """Write a tokenizer file. The library's own `save` hides why a disk refused."""
    path.write_text(tokenizer.to_str(pretty=False), encoding="utf-8")


def _one_of(normaliser: dict[str, str], target: str) -> str:
    """Character class of everything the map turns into `target`."""
    return "[" + "".join(f"\\x{{{ord(c):04X}}}" for c in sorted(normaliser) if normaliser[c] == target) + "]"


def load(path: Path) -> Tokenizer:
    """Read a tokenizer file, with truncation and padding off: some carry both, and then every count is wrong.

    Raises:
        ModelError: the file cannot be read as a tokenizer.
    """
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises nothing more precise
        raise ModelError(
            f"The tokenizer {path} cannot be read: delete {path.parent}, it will be prepared again"
        ) from error
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def ids(tokenizer: Tokenizer, texts: Sequence[str], *, special: bool) -> list[list[int]]:
    """Token ids of each text, never truncated; `special` adds the tokens at begin and end.

    Raises:
        InvalidRequestError: something is no text, or holds half of a surrogate pair.
    """
    if isinstance(texts, str):
        raise InvalidRequestError("One text was given where a list of texts is expected")
    for number, text in enumerate(texts):
        if not isinstance(text, str):
            raise InvalidRequestError(f"Item {number} is {type(text).__name__}, not text")
        if SURROGATE.search(text):
            raise InvalidRequestError(f"Text {number} holds half of a surrogate pair: decode it as UTF-8 first")
    return [encoding.ids for encoding in tokenizer.encode_batch_fast(list(texts), add_special_tokens=special)]


def head(tokenizer: Tokenizer, text: str, limit: int) -> str:
    """The longest beginning of a text that has at most `limit` tokens."""
    encoding = tokenizer.encode(text, add_special_tokens=False)
    return text if len(encoding.ids) <= limit else text[: encoding.offsets[limit - 1][1]]
