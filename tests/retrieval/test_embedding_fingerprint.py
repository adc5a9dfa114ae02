"""Fingerprints: stable, and different wherever vectors may differ."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.embedding import Fingerprint
from retrieval.embedding.fingerprint import slug
from retrieval.embedding.preparation import E5

OTHERS = {
    "model": "e5-small",
    "revision": "1571fc98" + "0" * 56,
    "recipe": "pack-float32/2",
    "query_prompt": "",
    "document_prompt": "query: ",
    "max_tokens": 256,
    "dimension": 768,
    "normalised": False,
}


def test_the_default_model_keeps_its_name() -> None:
    """A change here makes every stored vector worthless, so it must be meant."""
    assert E5.id == "e5-small-q4@1571fc98:d6ebd83a7757"
    assert str(E5) == E5.id


def test_every_part_is_covered() -> None:
    assert set(OTHERS) == {field.name for field in fields(Fingerprint)}


@pytest.mark.parametrize("part", OTHERS)
def test_every_part_counts(part: str) -> None:
    assert replace(E5, **{part: OTHERS[part]}).id != E5.id


def test_models_of_one_dimension_differ() -> None:
    minilm = replace(E5, model="all-MiniLM-L6-v2", query_prompt="", document_prompt="")
    assert minilm.dimension == E5.dimension
    assert minilm.id != E5.id


@given(st.text(), st.text())
def test_prompts_are_told_apart_by_place(query: str, document: str) -> None:
    one = replace(E5, query_prompt=query, document_prompt=document)
    other = replace(E5, query_prompt=document, document_prompt=query)
    assert (one.id == other.id) == (query == document)


@given(st.text())
def test_a_slug_is_safe_as_a_file_name(name: str) -> None:
    assert slug(name) == slug(slug(name))
    assert slug(name).isascii()
    assert not set(slug(name)) & set("/\\: \0@")
    assert slug(name) not in {"", ".", ".."}


def test_a_slug_is_the_last_part() -> None:
    assert slug("intfloat/multilingual-e5-small") == "multilingual-e5-small"
