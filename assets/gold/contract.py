"""`gold/chunks` and `gold/embeddings`: passages with deterministic ids, and one vector for each text."""

import pyarrow as pa
import pyarrow.compute as pc

from assets.contract import PARTITION, SHA256, UUID, Between, Column, Contract, LengthBetween, Matches
from assets.silver.contract import FILE_ID

CHUNKS = Contract(
    name="gold/chunks",
    doc="Passages of documents. A chunk's id depends on document, text and occurrence only, so edits stay local.",
    key=("document_id", "event", "chunk_id"),
    columns=(
        *PARTITION,
        Column("document_id", pa.string(), "Document the passage is from.", rule=UUID),
        FILE_ID,
        Column("version", pa.int32(), "Version of the document.", rule=Between(1)),
        Column("event", pa.int32(), "The bronze row it goes back to.", rule=Between(1)),
        Column(
            "document_digest",
            pa.string(),
            "`digest` of the document it was cut from.",
            filled=pc.scalar(""),
        ),
        Column("chunk_id", pa.string(), "SHA-256 over document, text and occurrence number.", rule=SHA256),
        Column("ordinal", pa.int32(), "Place in the document, from 0.", rule=Between(0)),
        Column("text", pa.string(), "The passage, redacted.", rule=LengthBetween(1), private=True),
        Column("text_sha256", pa.string(), "SHA-256 of the text as embedded.", rule=SHA256),
        Column("tokens", pa.int32(), "Length in tokens of the embedding model.", rule=Between(1)),
        Column("char_start", pa.int32(), "First character in the document's text.", rule=Between(0)),
        Column("char_end", pa.int32(), "Character after the last.", rule=Between(1)),
        Column("heading", pa.string(), "Headings above it, ` > ` between.", nullable=True, private=True),
        Column("page", pa.int32(), "Page it begins on, from 1.", nullable=True, rule=Between(1)),
        Column("speaker", pa.string(), "Who says it, when it is one voice.", nullable=True, private=True),
        Column("start_s", pa.float64(), "Begin in the recording, seconds.", nullable=True, rule=Between(0)),
        Column("end_s", pa.float64(), "End in the recording, seconds.", nullable=True, rule=Between(0)),
        Column("language", pa.string(), "ISO 639-1 code of the document.", rule=Matches(r"[a-z]{2}")),
        Column("chunker", pa.string(), "Chunker version and model limits, e.g. `blocks/2:384`."),
    ),
)

EMBEDDINGS = Contract(
    name="gold/embeddings",
    doc="One vector for each distinct text of the partition's chunks, by model fingerprint.",
    key=("date", "source", "fingerprint", "text_sha256"),
    columns=(
        *PARTITION,
        Column("fingerprint", pa.string(), "Identity of the model that made the vector."),
        Column("text_sha256", pa.string(), "SHA-256 of the text as embedded.", rule=SHA256),
        Column("embedding", pa.list_(pa.float32()), "Unit-length vector.", private=True),
    ),
)
