"""`bronze/source_files`: everything the inbox ever held, as an append-only log of what changed."""

from typing import Final

import pyarrow as pa

from assets.contract import PARTITION, SHA256, UUID, Between, Column, Contract, LengthBetween, Matches, OneOf
from retrieval.principal import CLEARANCES

CONTENT: Final = "content"
ACCESS: Final = "access"
REMOVED: Final = "removed"
KINDS = (CONTENT, ACCESS, REMOVED)

SOURCE_FILES = Contract(
    name="bronze/source_files",
    doc="One row for each thing that happened to a file of the inbox. The latest row of a document is its state.",
    key=("document_id", "event"),
    columns=(
        *PARTITION,
        Column("document_id", pa.string(), "UUIDv5 of the path relative to the inbox.", rule=UUID),
        Column("event", pa.int32(), "1, 2, 3 … for each document: the order of its rows.", rule=Between(1)),
        Column(
            "kind",
            pa.string(),
            "`content`: bytes (or what decides how they are read) are new; `access`: only roles, clearance or"
            " time to live changed; `removed`: the file is gone.",
            rule=OneOf(KINDS),
        ),
        Column("version", pa.int32(), "1, 2, 3 … for each change of the bytes.", rule=Between(1)),
        Column("path", pa.string(), "Path relative to the inbox, `/` as separator, NFC.", rule=LengthBetween(1, 4096)),
        Column("sha256", pa.string(), "SHA-256 of the bytes; that of no bytes for files not loaded.", rule=SHA256),
        Column("size", pa.int64(), "Size of the file in bytes, loaded or not.", rule=Between(0)),
        Column(
            "content",
            pa.binary(),
            "The bytes, sealed with the document's data key; null unless kind is `content`. Empty where policy_error"
            " says that the file was not opened or not loaded: `link_outside`, `bad_name`, `unknown_format`,"
            " `too_large`, `erased`, and where they are purged.",
            nullable=True,
            private=True,
        ),
        Column("media_type", pa.string(), "Media type by file name, e.g. `text/markdown`."),
        Column("tenant", pa.string(), "Owner; null where no policy covers the file.", nullable=True),
        Column("roles", pa.list_(pa.string()), "Roles that may read it, sorted; null likewise.", nullable=True),
        Column("clearance", pa.string(), "Least clearance.", nullable=True, rule=OneOf(CLEARANCES)),
        Column("ttl_days", pa.int32(), "Days until it expires; null: never.", nullable=True, rule=Between(1)),
        Column(
            "refresh",
            pa.string(),
            "When somebody should look whether it still holds: days as `180d`, or a day; null: never.",
            nullable=True,
            rule=Matches(r"[1-9]\d*d|\d{4}-\d{2}-\d{2}"),
        ),
        Column(
            "defaults",
            pa.string(),
            "JSON object with sorted keys: metadata the policy sets for whole folders (language, tags, authors …), and"
            " under `sidecar` what the file's own sidecar says.",
            private=True,
        ),
        Column(
            "rules",
            pa.string(),
            "JSON object with sorted keys: what the policy says about reading (`readable_names` …). Null in rows older"
            " than this column: nothing.",
            nullable=True,
            private=True,
        ),
        Column(
            "policy_error",
            pa.string(),
            "Reason (a key of silver's REASONS) for which the file is refused before it is read: `no_policy`,"
            " `bad_policy`, `outside_source`, `link_outside`, `bad_name`, `unknown_format` (no regular file),"
            " `too_large`, `erased`. Null: read it.",
            nullable=True,
        ),
        Column("policy_detail", pa.string(), "What is wrong, and in which file; never content.", nullable=True),
        Column("received_at", pa.timestamp("us", tz="UTC"), "When the pipeline took it in."),
        Column(
            "emptied_at",
            pa.timestamp("us", tz="UTC"),
            "When retention took the bytes away; null: they are there.",
            nullable=True,
        ),
        Column(
            "purged_at",
            pa.timestamp("us", tz="UTC"),
            "When retention took away what was made of them; null: it is there, or may be made.",
            nullable=True,
        ),
    ),
)

KEYS = Contract(
    name="bronze/keys",
    doc="Data keys of documents, each wrapped under a master key. Without its row the bytes of a document are noise.",
    key=("document_id", "number"),
    columns=(
        *PARTITION,
        Column("document_id", pa.string(), "The document, or a list of keyed hashes.", rule=UUID),
        Column("number", pa.int32(), "1, 2, 3 … for each document.", rule=Between(1)),
        Column("master", pa.string(), "Id of the master key it is wrapped under.", rule=Matches(r"[0-9a-f]{8}")),
        Column("wrapped", pa.binary(), "Nonce and AES-256-GCM of the data key.", private=True),
        Column("created_at", pa.timestamp("us", tz="UTC"), "When it was made."),
    ),
)

ERASED = Contract(
    name="bronze/erased",
    doc="Bytes that were erased and must not come back, by a keyed hash that tells nothing of them.",
    key=("digest",),
    columns=(
        *PARTITION,
        Column("digest", pa.string(), "HMAC of the SHA-256 of the bytes.", rule=SHA256, private=True),
        Column("erasure", pa.string(), "Number of the erasure, as its certificate has it."),
        Column("erased_at", pa.timestamp("us", tz="UTC"), "When it was put on the list."),
    ),
)
