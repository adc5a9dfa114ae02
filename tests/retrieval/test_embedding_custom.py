"""Any other sentence-transformers model by configuration: its own prompts, its own identity, clear refusals."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from retrieval.embedding import load_encoder, prepare
from retrieval.errors import InvalidRequestError, ModelError

WORDS = "[PAD] [UNK] [CLS] [SEP] find : the a red green house garden opens at nine eight".split()


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small model as users have them: weights of its own, prompts, a tokenizer that truncates and pads."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("models")
    tokenizer = Tokenizer(models.WordLevel({word: number for number, word in enumerate(WORDS)}, "[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer.enable_truncation(16)
    tokenizer.enable_padding(length=16)
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        model_max_length=32,
    ).save_pretrained(folder / "bert")
    torch.manual_seed(7)
    config = BertConfig(
        vocab_size=len(WORDS),
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=32,
    )
    BertModel(config).save_pretrained(folder / "bert")
    whole = SentenceTransformer(
        modules=[Transformer(str(folder / "bert"), max_seq_length=32), Pooling(32, "mean")],
        prompts={"query": "find : ", "document": ""},
    )
    whole.save(str(folder / "tiny"))
    return folder / "tiny"


@pytest.mark.slow
def test_a_local_model_is_used_as_its_authors_meant(model: Path, tmp_path: Path) -> None:
    from sentence_transformers import SentenceTransformer

    encoder = load_encoder(tmp_path, str(model))
    texts = ["the red house", "a green garden opens at nine", "house"] * 4
    reference = SentenceTransformer(str(model), device="cpu")
    expected = reference.encode_document(texts, normalize_embeddings=True)
    np.testing.assert_allclose(encoder.encode_documents(texts), expected, atol=1e-6)
    np.testing.assert_allclose(
        encoder.encode_query("red house"), reference.encode_query("red house", normalize_embeddings=True), atol=1e-6
    )
    assert encoder.fingerprint.query_prompt == "find : "
    assert (encoder.dimension, encoder.fingerprint.max_tokens, encoder.max_tokens) == (32, 32, 28)
    assert encoder.backend == "sentence-transformers"


@pytest.mark.slow
def test_truncation_of_the_tokenizer_does_not_spoil_counts(model: Path, tmp_path: Path) -> None:
    encoder = load_encoder(tmp_path, str(model))
    assert encoder.count_tokens(["red", "house " * 100]) == [1, 100]
    with pytest.raises(InvalidRequestError, match="Text 0 has 29 tokens and the model reads 28"):
        encoder.encode_documents(["house " * 29])


@pytest.mark.slow
def test_identity_depends_on_content_not_on_place(model: Path, tmp_path: Path) -> None:
    other = tmp_path / "elsewhere" / model.name
    other.parent.mkdir()
    for file in model.rglob("*"):
        if file.is_file():
            copy = other / file.relative_to(model)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(file.read_bytes())
    first = prepare(tmp_path / "a", str(model))
    second = prepare(tmp_path / "a", str(other))
    assert first.path != second.path
    assert first.fingerprint == second.fingerprint

    steps: list[str] = []
    assert prepare(tmp_path / "a", str(other), lambda step, share: steps.append(step)) == second
    assert steps == []

    config = other / "config_sentence_transformers.json"
    config.write_text(config.read_text().replace("find : ", "the : "))
    changed = prepare(tmp_path / "a", str(other))
    assert changed.fingerprint.query_prompt == "the : "
    assert changed.fingerprint.id != first.fingerprint.id


@pytest.mark.slow
def test_a_directory_that_is_no_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelError, match="cannot be loaded as a sentence-transformers model"):
        load_encoder(tmp_path / "models", str(tmp_path / "empty"))


@pytest.mark.parametrize("model", ["/no/such/model", "./missing", "~/missing", "a/b/c", " "])
def test_a_path_that_is_missing_is_refused(model: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"There is no model directory .*: correct KNOWLEDGE_MODEL"):
        prepare(tmp_path, model)


@pytest.mark.slow
@pytest.mark.parametrize("model", ["organisation/model", "organisation/model@v1"])
def test_a_hub_that_cannot_be_reached_is_one_sentence(
    model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(ModelError, match="neither on the model hub nor in its cache"):
        prepare(tmp_path, model)
    assert [path for path in tmp_path.iterdir() if path.is_dir()] == []
