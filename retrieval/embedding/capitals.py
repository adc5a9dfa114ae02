"""Texts in capitals, as old collections, telegrams and angry customers write them, are embedded in small letters.

A model has hardly met whole sentences in capitals: its tokenizer breaks their words into odd pieces. Questions and
passages follow the same rule, so that a question in small letters finds a passage in capitals, and the reverse.
"""

from __future__ import annotations

WORDS_MIN = 3
"""Words from which a text in capitals is shouted rather than a name, a code or an acronym."""


def without_shouting(text: str) -> str:
    """The text as a model reads it: in small letters where most of its words are in capitals, else as it is."""
    words = text.split()
    shouted = len(words) >= WORDS_MIN and 2 * sum(map(str.isupper, words)) > len(words)
    return text.lower() if shouted else text
