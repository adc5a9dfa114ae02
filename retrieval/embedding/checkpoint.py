"""Writes the weights of a pack as a sentence-transformers directory, the same bytes each time."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from retrieval.embedding.pack import Floats, Pack

WEIGHTS = "model.safetensors"
TOKENIZER = "tokenizer.json"
WORD_EMBEDDINGS = "embeddings.word_embeddings.weight"

MODULES = "sentence_transformers"
FLOAT_BYTES = 4


@dataclass(frozen=True)
class Parameter:
    """A parameter of transformers' BertModel: its name there, its name in the pack (None: zeros), its shape."""

    name: str
    source: str | None
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        """Size in bytes as float32."""
        count = FLOAT_BYTES
        for length in self.shape:
            count *= length
        return count


def parameters(pack: Pack) -> list[Parameter]:
    """All parameters, in the order they are written."""
    shape = pack.shape
    hidden, wide = shape.hidden, shape.feed_forward
    listed = [
        Parameter(WORD_EMBEDDINGS, "emb.word", (shape.vocabulary, hidden)),
        Parameter("embeddings.position_embeddings.weight", "emb.pos", (shape.positions, hidden)),
        Parameter("embeddings.token_type_embeddings.weight", "emb.type", (shape.types, hidden)),
        Parameter("embeddings.LayerNorm.weight", "emb.ln.w", (hidden,)),
        Parameter("embeddings.LayerNorm.bias", "emb.ln.b", (hidden,)),
    ]
    blocks: list[tuple[str, str, tuple[int, ...]]] = [
        ("attention.self.query", "q", (hidden, hidden)),
        ("attention.self.key", "k", (hidden, hidden)),
        ("attention.self.value", "v", (hidden, hidden)),
        ("attention.output.dense", "ao", (hidden, hidden)),
        ("attention.output.LayerNorm", "aln", (hidden,)),
        ("intermediate.dense", "fi", (wide, hidden)),
        ("output.dense", "fo", (hidden, wide)),
        ("output.LayerNorm", "oln", (hidden,)),
    ]
    for layer in range(shape.layers):
        for name, source, size in blocks:
            prefix, origin = f"encoder.layer.{layer}.{name}", f"l{layer}.{source}"
            listed.append(Parameter(f"{prefix}.weight", f"{origin}.w", size))
            listed.append(Parameter(f"{prefix}.bias", f"{origin}.b", size[:1]))
    # mean pooling does not use BERT's pooler; without it transformers would fill it at random and warn
    listed.append(Parameter("pooler.dense.weight", None, (hidden, hidden)))
    listed.append(Parameter("pooler.dense.bias", None, (hidden,)))
    return listed


def header(listed: list[Parameter]) -> tuple[bytes, dict[str, int]]:
    """Header of a safetensors file (length, JSON padded to 8 bytes) and where each parameter begins in the file."""
    entries: dict[str, object] = {"__metadata__": {"format": "pt"}}
    position, begins = 0, {}
    for parameter in listed:
        begins[parameter.name] = position
        end = position + parameter.size
        entries[parameter.name] = {
            "dtype": "F32",
            "shape": list(parameter.shape),
            "data_offsets": [position, end],
        }
        position = end
    text = json.dumps(entries, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    start = 8 + len(text)
    return struct.pack("<Q", len(text)) + text, {name: start + begin for name, begin in begins.items()}


def write_weights(pack: Pack, folder: Path, progress: Callable[[float], None]) -> int:
    """Write the weights; the result is where the word embeddings begin in the file, in bytes."""
    listed = parameters(pack)
    head, begins = header(listed)
    total, written = sum(parameter.size for parameter in listed), 0
    with (folder / WEIGHTS).open("wb") as file:
        file.write(head)
        for parameter in listed:
            file.write(_values(pack, parameter).astype("<f4", copy=False).data)
            written += parameter.size
            progress(written / total)
    return begins[WORD_EMBEDDINGS]


def _values(pack: Pack, parameter: Parameter) -> Floats:
    if parameter.source is None:
        return np.zeros(parameter.shape, np.float32)
    return pack.read(parameter.source, *parameter.shape)


def write_configuration(pack: Pack, folder: Path, *, prompts: dict[str, str], max_tokens: int) -> None:
    """Write the JSON files that make sentence-transformers mean-pool, normalise and prepend the prompts."""
    for name, content in _configuration(pack, prompts, max_tokens):
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def _configuration(pack: Pack, prompts: dict[str, str], max_tokens: int) -> Iterator[tuple[str, object]]:
    shape, words = pack.shape, pack.vocabulary
    yield (
        "config.json",
        {
            "architectures": ["BertModel"],
            "attention_probs_dropout_prob": 0.1,
            "dtype": "float32",
            "hidden_act": "gelu",
            "hidden_dropout_prob": 0.1,
            "hidden_size": shape.hidden,
            "intermediate_size": shape.feed_forward,
            "layer_norm_eps": round(shape.epsilon, 15),
            "max_position_embeddings": shape.positions,
            "model_type": "bert",
            "num_attention_heads": shape.heads,
            "num_hidden_layers": shape.layers,
            "pad_token_id": words.padding,
            "type_vocab_size": shape.types,
            "vocab_size": shape.vocabulary,
        },
    )
    begin, end = words.pieces[words.begin], words.pieces[words.end]
    yield (
        "tokenizer_config.json",
        {
            "bos_token": begin,
            "cls_token": begin,
            "eos_token": end,
            "mask_token": "<mask>",
            "model_max_length": max_tokens,
            "pad_token": words.pieces[words.padding],
            "sep_token": end,
            "tokenizer_class": "PreTrainedTokenizerFast",
            "unk_token": words.pieces[words.unknown],
        },
    )
    yield (
        "modules.json",
        [
            {"idx": 0, "name": "0", "path": "", "type": f"{MODULES}.base.modules.transformer.Transformer"},
            {
                "idx": 1,
                "name": "1",
                "path": "1_Pooling",
                "type": f"{MODULES}.sentence_transformer.modules.pooling.Pooling",
            },
            {
                "idx": 2,
                "name": "2",
                "path": "2_Normalize",
                "type": f"{MODULES}.base.modules.normalize.Normalize",
            },
        ],
    )
    yield (
        "sentence_bert_config.json",
        {
            "modality_config": {"text": {"method": "forward", "method_output_name": "last_hidden_state"}},
            "module_output_name": "token_embeddings",
            "transformer_task": "feature-extraction",
        },
    )
    yield (
        "1_Pooling/config.json",
        {"embedding_dimension": shape.hidden, "include_prompt": True, "pooling_mode": "mean"},
    )
    yield (
        "2_Normalize/config.json",
        {"module_input_name": "sentence_embedding", "module_output_name": "sentence_embedding"},
    )
    yield (
        "config_sentence_transformers.json",
        {
            "default_prompt_name": None,
            "model_type": "SentenceTransformer",
            "prompts": prompts,
            "similarity_fn_name": "cosine",
        },
    )
