"""`index/candidate`: what a candidate release promises of each passage it would serve."""

import pyarrow as pa

from assets.contract import SHA256, SOURCES, UUID, Between, Column, Contract, LengthBetween, Matches, OneOf
from retrieval.principal import CLEARANCES, TENANT

_LANGUAGE = Matches(r"[a-z]{2}")
_TENANT = Matches(TENANT.pattern)
_TIME = pa.timestamp("us", tz="UTC")

CANDIDATE = Contract(
    name="index/candidate",
    doc="Passages of the newest release in Postgres, each with its document and access set, without their texts.",
    key=("tenant", "document_id", "chunk_id"),
    columns=(
        Column("tenant", pa.string(), "Owner of the partition the passage lies in.", rule=_TENANT),
        Column("document_id", pa.string(), "Document the passage is from.", rule=UUID),
        Column("chunk_id", pa.string(), "SHA-256 over document, text and occurrence number.", rule=SHA256),
        Column("chunk", pa.int32(), "Number of the row within its tenant, as postings have it.", rule=Between(1)),
        Column("ordinal", pa.int32(), "Place in the document, from 0.", rule=Between(0)),
        Column("version", pa.int32(), "Version of the document that brought the passage.", rule=Between(1)),
        Column("document_version", pa.int32(), "Version of the document as it is shown.", rule=Between(1)),
        Column("source", pa.string(), "Source folder.", rule=OneOf(SOURCES)),
        Column("path", pa.string(), "Path relative to the inbox.", rule=LengthBetween(1, 4096)),
        Column("language", pa.string(), "ISO 639-1 code of the document.", rule=_LANGUAGE),
        Column("text_sha256", pa.string(), "SHA-256 of the text as embedded.", rule=SHA256),
        Column("text_length", pa.int32(), "Length of the text in characters.", rule=Between(1)),
        Column("terms", pa.int32(), "Length of the text in index terms, as BM25 counts it.", rule=Between(0)),
        Column("char_start", pa.int32(), "First character in the document's text.", rule=Between(0)),
        Column("char_end", pa.int32(), "Character after the last.", rule=Between(1)),
        Column("page", pa.int32(), "Page it begins on, from 1.", nullable=True, rule=Between(1)),
        Column("start_s", pa.float64(), "Begin in the recording, seconds.", nullable=True, rule=Between(0)),
        Column("end_s", pa.float64(), "End in the recording, seconds.", nullable=True, rule=Between(0)),
        Column("acl_id", pa.int32(), "Access set of the passage.", rule=Between(1)),
        Column("document_acl_id", pa.int32(), "Access set of the document.", rule=Between(1)),
        Column("acl_tenant", pa.string(), "Owner of the access set.", rule=_TENANT),
        Column("clearance", pa.string(), "Least clearance.", rule=OneOf(CLEARANCES)),
        Column("valid_from", _TIME, "When the pipeline took in what the passage is from."),
        Column("expires_at", _TIME, "From when on it is not shown.", nullable=True),
        Column("document_expires_at", _TIME, "The same of the document.", nullable=True),
        Column("added_in", pa.int32(), "Release that added it.", rule=Between(1)),
        Column("norm", pa.float64(), "Euclidean length of the vector."),
    ),
)
