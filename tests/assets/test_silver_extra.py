"""Recognizers that settings add: larger models of names from disk, Presidio's, and what happens without them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import spacy

from assets.silver.document import Document
from assets.silver.pii import names_en
from assets.silver.pii.extra import Extra, load_extra
from assets.silver.pii.name_models import LONGEST, SpacyNames, TransformerNames, name_model
from assets.silver.redact import redact
from assets.stores import Stores
from retrieval.errors import ConfigurationError, ModelError, PermanentError
from tests.assets.mill import Mill

WORDS = ("gestern", "kam", "frau", "zorblatt", "quixel", "nach", "dem", "regen", ".", "die", "pumpe", "läuft")
NAMES = ("zorblatt", "quixel")
TEXT = "gestern kam Zorblatt Quixel nach dem regen."


def redacted(text: str, extra: Extra, language: str = "de") -> str:
    return redact(Document(text, (), "none/0", language=language), b"k" * 32, extra=extra).document.text


def save_transformer(folder: Path, *, label: str = "PER", names: tuple[str, ...] = NAMES) -> Path:
    """A token classifier without layers: the embedding of a word says whether it is part of a name."""
    import torch
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import BertConfig, BertForTokenClassification, PreTrainedTokenizerFast

    vocabulary = {word: number for number, word in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", *WORDS])}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]"
    ).save_pretrained(folder)
    config = BertConfig(
        vocab_size=len(vocabulary), hidden_size=4, num_hidden_layers=0, num_attention_heads=1, intermediate_size=4,
        id2label={0: "O", 1: f"I-{label}"}, label2id={"O": 0, f"I-{label}": 1},
    )  # fmt: skip
    model = BertForTokenClassification(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
        model.bert.embeddings.LayerNorm.weight.fill_(1.0)
        model.bert.embeddings.word_embeddings.weight[:, 0] = 1.0
        for word in names:
            model.bert.embeddings.word_embeddings.weight[vocabulary[word]] = torch.tensor([0.0, 1.0, 0.0, 0.0])
        model.classifier.weight[0, 0] = model.classifier.weight[1, 1] = 5.0
    model.save_pretrained(folder)
    return folder


def save_spacy(folder: Path, label: str = "PER") -> Path:
    pipeline = spacy.blank("de")
    ruler = pipeline.add_pipe("entity_ruler")
    ruler.add_patterns([{"label": label, "pattern": [{"LOWER": "zorblatt"}, {"LOWER": "quixel"}]}])  # type: ignore[attr-defined]
    pipeline.to_disk(folder)
    return folder


@pytest.fixture(scope="module")
def transformer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_transformer(tmp_path_factory.mktemp("models") / "names")


def test_our_models_do_not_know_these_names() -> None:
    assert redacted(TEXT, Extra()) == TEXT


def test_a_token_classifier_of_transformers_finds_names(transformer: Path) -> None:
    extra = load_extra(names_de=f"transformers:{transformer}", names_en=None)

    text = redacted(TEXT, extra)

    assert text.startswith("gestern kam <PERSON_")
    assert text.endswith("> nach dem regen.")
    assert redacted(text, extra) == text
    model = TransformerNames(str(transformer), "KNOWLEDGE_NAMES_DE")
    long = ("die pumpe läuft " * LONGEST) + "Zorblatt Quixel"
    assert [long[start:end] for start, end in model.ranges(long)] == ["Zorblatt Quixel"], "long lines are read whole"


def test_a_pipeline_of_spacy_finds_names(tmp_path: Path) -> None:
    extra = load_extra(names_de=f"spacy:{save_spacy(tmp_path / 'de')}", names_en=None)

    assert redacted(TEXT, extra).startswith("gestern kam <PERSON_")


def test_the_packaged_english_pipeline_can_be_named_by_its_folder() -> None:
    model = SpacyNames(str(names_en._folder()), "KNOWLEDGE_NAMES_EN")
    text = "Yesterday Sarah Connor met John Smith in Boston."

    assert [text[start:end] for start, end in model.ranges(text)] == ["Sarah Connor", "John Smith"]


def test_other_weights_are_another_redactor(transformer: Path, tmp_path: Path) -> None:
    other = save_transformer(tmp_path / "names", names=("zorblatt",))
    versions = {load_extra(names_de=f"transformers:{folder}", names_en=None).version for folder in (transformer, other)}

    assert len(versions) == 2
    assert all("de=transformers/names@" in version for version in versions)


def test_the_redactor_tells_what_looked(transformer: Path, tmp_path: Path, models_dir: Path) -> None:
    plain = Mill(tmp_path, models_dir).stores()
    larger = Stores(plain.settings, plain.inbox, plain.lake, plain.clock, names_de=f"transformers:{transformer}")

    assert plain.versions.redactor != larger.versions.redactor
    assert " de=transformers/names@" in larger.versions.redactor
    assert larger.versions.redactor.endswith(f" key/{plain.pseudonyms.current}")


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ("spacy:de_core_news_lg", "There is no spaCy pipeline 'de_core_news_lg' .*python -m spacy download"),
        ("spacy:/nowhere/at/all", "There is no spaCy pipeline '/nowhere/at/all'"),
        ("transformers:/nowhere/at/all", "There is no model directory '/nowhere/at/all'"),
    ],
)
def test_a_model_that_is_not_there_is_told_and_nothing_taken_in_its_place(setting: str, sentence: str) -> None:
    with pytest.raises(PermanentError, match=sentence):
        load_extra(names_de=setting, names_en=None)


@pytest.mark.parametrize("setting", ["de_core_news_lg", "spacy:", "flair:ner"])
def test_a_setting_must_say_what_kind_of_model_it_names(setting: str) -> None:
    with pytest.raises(ConfigurationError, match="write `spacy:` or `transformers:`"):
        name_model(setting, "KNOWLEDGE_NAMES_DE")


def test_models_that_are_broken_or_know_no_people_are_refused(transformer: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged"
    damaged.mkdir()
    for path in transformer.iterdir():
        (damaged / path.name).write_bytes(path.read_bytes())
    (damaged / "model.safetensors").write_bytes(b"none")
    for folder, sentence in (
        (damaged, "cannot be loaded"),
        (save_transformer(tmp_path / "places", label="LOC"), "does not know people"),
    ):
        with pytest.raises(ModelError, match=sentence):
            name_model(f"transformers:{folder}", "KNOWLEDGE_NAMES_DE").ranges(TEXT.title())
    with pytest.raises(ModelError, match="does not know people"):
        name_model(f"spacy:{save_spacy(tmp_path / 'spacy', 'LOC')}", "KNOWLEDGE_NAMES_DE").ranges(TEXT)


def test_the_packaged_names_need_neither_torch_nor_what_offers_parts_to_spacy() -> None:
    program = (
        "import sys; from assets.silver.pii import names_en; names_en._pipeline(); "
        "found = {'torch', 'presidio_analyzer'} & sys.modules.keys(); import importlib.util; "
        "sys.exit(', '.join(found) or importlib.util.find_spec('torch') is None)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=Path(__file__).resolve().parents[2])
