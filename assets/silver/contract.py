"""`silver/documents` and `silver/quarantine`: every received file ends in exactly one of them.

Most files are one document. A feed or a message holds several: each is a row with an id of its own, and so is each
attachment that cannot be read.
"""

import pyarrow as pa
import pyarrow.compute as pc

from assets.contract import DATE, PARTITION, SHA256, UUID, Between, Column, Contract, LengthBetween, Matches, OneOf
from assets.silver.document import BLOCK_KINDS
from assets.silver.refusal import REASONS, STAGES
from assets.silver.screening.rules import KINDS

IDENTITY = (
    *PARTITION,
    Column("document_id", pa.string(), "UUIDv5 of the path relative to the inbox.", rule=UUID),
    Column("version", pa.int32(), "Version of the bytes.", rule=Between(1)),
    Column("event", pa.int32(), "The bronze row this was made from.", rule=Between(1)),
    Column("path", pa.string(), "Path relative to the inbox.", rule=LengthBetween(1, 4096)),
    Column("sha256", pa.string(), "SHA-256 of the bytes as received.", rule=SHA256),
)

FILE_ID = Column(
    "file_id",
    pa.string(),
    "The file it is from: `document_id` in bronze. The document's own id, but for parts of a file.",
    rule=UUID,
    filled=pc.field("document_id"),
)

FINDING = pa.struct(
    [
        pa.field("kind", pa.string(), nullable=False),
        pa.field("rule", pa.string(), nullable=False),
        pa.field("start", pa.int32()),
        pa.field("end", pa.int32()),
    ]
)

BLOCK = pa.struct(
    [
        pa.field("kind", pa.string(), nullable=False),
        pa.field("start", pa.int32(), nullable=False),
        pa.field("end", pa.int32(), nullable=False),
        pa.field("level", pa.int32()),
        pa.field("page", pa.int32()),
        pa.field("speaker", pa.string()),
        pa.field("start_s", pa.float64()),
        pa.field("end_s", pa.float64()),
    ]
)

DOCUMENTS = Contract(
    name="silver/documents",
    doc=f"Parsed, normalised and redacted text with its structure. Block kinds: {', '.join(BLOCK_KINDS)}.",
    key=("document_id", "event"),
    columns=(
        *IDENTITY,
        FILE_ID,
        Column(
            "part",
            pa.string(),
            "Which part of the file it is (an entry of a feed, an attachment); null where the file is the document.",
            nullable=True,
            rule=LengthBetween(1, 1024),
            private=True,
        ),
        Column("tenant", pa.string(), "Owner, by policy.", rule=Matches(r"[a-z0-9][a-z0-9_-]{0,62}")),
        Column("title", pa.string(), "Title, redacted.", rule=LengthBetween(1, 500), private=True),
        Column("language", pa.string(), "ISO 639-1 code.", rule=Matches(r"[a-z]{2}")),
        Column("authors", pa.list_(pa.string()), "Authors or speakers named in the metadata.", private=True),
        Column("tags", pa.list_(pa.string()), "Tags, in the order given, without repetition."),
        Column("published", pa.string(), "Day of publication, as the content says.", nullable=True, rule=DATE),
        Column("url", pa.string(), "Address of the published original.", nullable=True, private=True),
        Column("text", pa.string(), "Text, redacted.", rule=LengthBetween(1), private=True),
        Column("blocks", pa.list_(BLOCK), "Structure over `text`: character ranges, in order, without overlap."),
        Column("pii", pa.string(), "JSON object: how many values of each type were redacted."),
        Column("notes", pa.list_(pa.string()), "What the reader noticed and mended."),
        Column(
            "findings",
            pa.list_(FINDING),
            f"What speaks to a model: kind ({', '.join(KINDS)}), rule, character range; no range where it is hidden.",
            nullable=True,
        ),
        Column(
            "digest",
            pa.string(),
            "SHA-256 over text, structure and language: passages cut from another state are cut anew.",
            filled=pc.scalar(""),
        ),
        Column(
            "sketch",
            pa.binary(),
            "MinHash signature of the text, to find near-duplicates; null for a text of a few words.",
            nullable=True,
            private=True,
        ),
        Column("reader", pa.string(), "Reader and version, e.g. `markdown/1`."),
        Column("redactor", pa.string(), "Redactor version, e.g. `patterns/1`."),
        Column("screener", pa.string(), "Screener version, e.g. `rules/1`.", filled=pc.scalar("none")),
        Column("received_at", pa.timestamp("us", tz="UTC"), "When the pipeline took the file in."),
    ),
)

QUARANTINE = Contract(
    name="silver/quarantine",
    doc="Files, and attachments of files, that could not or must not be read, each with its reason.",
    key=("document_id", "event"),
    columns=(
        *IDENTITY,
        FILE_ID,
        Column(
            "part",
            pa.string(),
            "Which part of a file it is, where the rest was read (an attachment); null where the file is refused.",
            nullable=True,
            rule=LengthBetween(1, 1024),
            private=True,
        ),
        Column("stage", pa.string(), "Where it was refused.", rule=OneOf(STAGES)),
        Column("reason", pa.string(), "Reason code.", rule=OneOf(tuple(REASONS))),
        Column("sentence_de", pa.string(), "What happened and what to do, in German.", rule=LengthBetween(1)),
        Column("sentence_en", pa.string(), "The same in English.", rule=LengthBetween(1)),
        Column("detail", pa.string(), "What exactly was found; never content of the file.", nullable=True),
        Column("reader", pa.string(), "Reader and version that refused it.", nullable=True),
        Column("redactor", pa.string(), "Redactor version in force.", nullable=True),
        Column("screener", pa.string(), "Version of the screener that refused it.", nullable=True),
        Column(
            "first_seen",
            pa.timestamp("us", tz="UTC"),
            "When the pipeline first took in these bytes at this path.",
            filled=pc.field("received_at"),
        ),
        Column(
            "last_seen",
            pa.timestamp("us", tz="UTC"),
            "When it last did: later than `first_seen` where they came back, or what decides reading changed.",
            filled=pc.field("received_at"),
        ),
        Column("received_at", pa.timestamp("us", tz="UTC"), "When the pipeline took the file in."),
    ),
)
