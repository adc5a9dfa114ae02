"""The encoder of a pack as an ONNX graph: token ids in, one normalised vector for each text out.

The graph is written operator by operator with the fused ones of onnxruntime (attention, skip connection with layer
norm, bias with GELU), so it needs no optimiser at load time and its bytes depend on the weights alone. It takes no
attention mask: texts of one batch have the same length, and one at a time is as fast as padded batches on a CPU
and gives each text the same vector whatever its neighbours are.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrieval.embedding.checkpoint import WEIGHTS
from retrieval.embedding.pack import Floats, Pack

GRAPH = "model.onnx"
INPUT = "input_ids"
OUTPUT = "sentence_embedding"

OPSET = 18
IR_VERSION = 9
FUSED = "com.microsoft"


class GraphBuilder:
    """Collects nodes and weights of a graph for one pack."""

    def __init__(self, pack: Pack) -> None:
        self._pack = pack
        self._nodes: list[Any] = []
        self._weights: list[Any] = []

    def _node(self, operator: str, inputs: list[str], output: str, *, domain: str = "", **attributes: Any) -> str:
        from onnx import helper

        self._nodes.append(helper.make_node(operator, inputs, [output], name=output, domain=domain, **attributes))
        return output

    def _weight(self, name: str, values: NDArray[Any]) -> str:
        from onnx import numpy_helper

        self._weights.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def _vector(self, name: str, length: int) -> str:
        return self._weight(name, self._pack.read(name, length))

    def _matrix(self, name: str, rows: int, columns: int) -> str:
        """A matrix of `rows` outputs, stored transposed as MatMul wants it."""
        return self._weight(name, self._pack.read(name, rows, columns).T)

    def _word_embeddings(self, begin: int) -> str:
        """The word embeddings stay in the safetensors file beside the graph: 384 MB that are mapped, not copied."""
        from onnx import TensorProto

        shape = (self._pack.shape.vocabulary, self._pack.shape.hidden)
        tensor = TensorProto(
            name="emb.word", data_type=TensorProto.FLOAT, dims=shape, data_location=TensorProto.EXTERNAL
        )
        length = shape[0] * shape[1] * np.dtype(np.float32).itemsize
        for key, value in (("location", WEIGHTS), ("offset", str(begin)), ("length", str(length))):
            tensor.external_data.add(key=key, value=value)
        self._weights.append(tensor)
        return "emb.word"

    def _embedding(self, begin: int) -> str:
        """Word, position and type embeddings, summed and normalised."""
        shape = self._pack.shape
        # every token is of type 0, so its embedding is added to all positions once and for all
        types = self._pack.read("emb.type", shape.types, shape.hidden)
        positions = self._pack.read("emb.pos", shape.positions, shape.hidden) + types[0]
        self._node("Gather", [self._word_embeddings(begin), INPUT], "words")
        self._node("Shape", [INPUT], "length", start=1, end=2)
        self._node(
            "Slice",
            [self._weight("emb.pos", positions), self._weight("zero", np.array([0], np.int64)), "length"],
            "positions",
        )
        self._node("Add", ["words", "positions"], "embedded")
        return self._node(
            "LayerNormalization",
            ["embedded", self._vector("emb.ln.w", shape.hidden), self._vector("emb.ln.b", shape.hidden)],
            "embedding",
            axis=-1,
            epsilon=shape.epsilon,
        )

    def _attention(self, layer: str, state: str) -> str:
        hidden = self._pack.shape.hidden
        weights: list[Floats] = [self._pack.read(f"{layer}.{part}.w", hidden, hidden).T for part in "qkv"]
        biases: list[Floats] = [self._pack.read(f"{layer}.{part}.b", hidden) for part in "qkv"]
        context = self._node(
            "Attention",
            [
                state,
                self._weight(f"{layer}.qkv.w", np.concatenate(weights, axis=1)),
                self._weight(f"{layer}.qkv.b", np.concatenate(biases)),
            ],
            f"{layer}.context",
            domain=FUSED,
            num_heads=self._pack.shape.heads,
        )
        projected = self._node("MatMul", [context, self._matrix(f"{layer}.ao.w", hidden, hidden)], f"{layer}.attention")
        return self._add_and_normalise(f"{layer}.aln", state, projected, f"{layer}.ao.b")

    def _feed_forward(self, layer: str, state: str) -> str:
        hidden, wide = self._pack.shape.hidden, self._pack.shape.feed_forward
        raised = self._node("MatMul", [state, self._matrix(f"{layer}.fi.w", wide, hidden)], f"{layer}.raised")
        active = self._node("BiasGelu", [raised, self._vector(f"{layer}.fi.b", wide)], f"{layer}.active", domain=FUSED)
        lowered = self._node("MatMul", [active, self._matrix(f"{layer}.fo.w", hidden, wide)], f"{layer}.lowered")
        return self._add_and_normalise(f"{layer}.oln", state, lowered, f"{layer}.fo.b")

    def _add_and_normalise(self, norm: str, state: str, change: str, bias: str) -> str:
        hidden = self._pack.shape.hidden
        parts = [self._vector(name, hidden) for name in (f"{norm}.w", f"{norm}.b", bias)]
        return self._node(
            "SkipLayerNormalization",
            [state, change, *parts],
            f"{norm}.state",
            domain=FUSED,
            epsilon=self._pack.shape.epsilon,
        )

    def build(self, begin: int) -> bytes:
        """The whole graph, serialised; `begin` is where the word embeddings begin in the safetensors file."""
        from onnx import TensorProto, helper

        state = self._embedding(begin)
        for number in range(self._pack.shape.layers):
            state = self._feed_forward(f"l{number}", self._attention(f"l{number}", state))
        # the mean over tokens is their sum up to a factor that normalising takes away
        self._node("ReduceSum", [state, self._weight("tokens", np.array([1], np.int64))], "sum", keepdims=0)
        self._node("LpNormalization", ["sum"], OUTPUT, axis=-1, p=2)
        graph = helper.make_graph(
            self._nodes,
            "sentence-encoder",
            [helper.make_tensor_value_info(INPUT, TensorProto.INT64, ["texts", "tokens_per_text"])],
            [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["texts", self._pack.shape.hidden])],
            self._weights,
        )
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(FUSED, 1)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)
        return bytes(model.SerializeToString(deterministic=True))


def write_graph(pack: Pack, folder: Path, word_embeddings: int) -> None:
    """Write the graph beside the safetensors file, in which the word embeddings begin at that byte."""
    (folder / GRAPH).write_bytes(GraphBuilder(pack).build(word_embeddings))
