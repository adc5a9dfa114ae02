"""How large passages are for an embedding model, and the version string that follows from it."""

from __future__ import annotations

from typing import NamedTuple

from assets.gold import chunk


class ChunkSize(NamedTuple):
    """Bounds of a passage, in tokens of the model that embeds it."""

    max_tokens: int
    min_tokens: int

    @property
    def version(self) -> str:
        """Version string of the chunker with these bounds, as it stands on the rows of gold/chunks."""
        return chunk.chunker_version(self.max_tokens, self.min_tokens)


def chunk_size(model_tokens: int) -> ChunkSize:
    """Bounds for a model that reads `model_tokens` tokens of a text: smaller than usual where its window is small."""
    limit = min(chunk.MAX_TOKENS, model_tokens)
    return ChunkSize(limit, min(chunk.MIN_TOKENS, limit // 2))
