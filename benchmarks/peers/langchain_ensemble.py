"""LangChain: PGVector and BM25Retriever under an EnsembleRetriever."""

from __future__ import annotations

from typing import Any

import psycopg
from common import CANDIDATES, Data, K, backend_ms, run
from langchain_classic.retrievers import EnsembleRetriever
from langchain_community.retrievers import BM25Retriever
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_postgres import PGVector
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import create_engine, text

BATCH = 2_000


class Made(Embeddings):
    """Gives each question the vector that was made for it."""

    def __init__(self, data: Data) -> None:
        self._vectors = {q: v.tolist() for q, v in zip(data.questions, data.queries, strict=True)}

    def embed_query(self, text: str) -> list[float]:
        """Its vector."""
        return self._vectors[text]

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Never asked: vectors are handed over with the texts."""
        raise NotImplementedError


def main() -> None:
    """Load, index, ask."""
    data = Data.load()
    options = conninfo_to_dict(data.dsn)
    engine = create_engine(
        "postgresql+psycopg://", creator=lambda: psycopg.connect(**options), pool_size=1, max_overflow=0
    )
    store = PGVector(
        embeddings=Made(data), connection=engine, collection_name="passages", embedding_length=data.vectors.shape[1],
        use_jsonb=True, pre_delete_collection=True,
    )  # fmt: skip
    load(store, data)
    with engine.begin() as connection:
        connection.execute(text("set maintenance_work_mem = '1GB'"))
        connection.execute(text("create index on langchain_pg_embedding using hnsw (embedding vector_cosine_ops)"))
        connection.execute(text("create index on langchain_pg_embedding using gin (cmetadata jsonb_path_ops)"))
        connection.execute(text("analyze langchain_pg_embedding"))
    where = {"$and": [{"tenant": {"$eq": data.tenant}}, {"acl": {"$in": data.allowed}}]}
    vectors = store.as_retriever(search_kwargs={"k": CANDIDATES, "filter": where})
    visible = [document(data, row) for row in range(len(data.texts)) if data.visible(row)]
    words = BM25Retriever.from_documents(visible, k=CANDIDATES)
    both = EnsembleRetriever(retrievers=[words, vectors], weights=[0.5, 0.5], id_key="id")
    with engine.connect() as connection:
        pid = connection.connection.driver_connection.info.backend_pid

    def ask(question: str, query: Any) -> list[int]:
        return [one.metadata["id"] for one in both.invoke(question)[:K]]

    assert backend_ms(pid) > 0
    run(data, ask, pid)


def load(store: PGVector, data: Data) -> None:
    """All passages of all tenants."""
    for begin in range(0, len(data.texts), BATCH):
        rows = range(begin, min(begin + BATCH, len(data.texts)))
        store.add_embeddings(
            texts=[data.texts[row].replace("\x00", "") for row in rows],
            embeddings=[data.vectors[row].tolist() for row in rows],
            metadatas=[document(data, row).metadata for row in rows],
            ids=[str(row) for row in rows],
        )


def document(data: Data, row: int) -> Document:
    """A passage as LangChain has it."""
    facts = {"id": row, "tenant": data.tenants[row], "acl": data.acls[row]}
    return Document(page_content=data.texts[row], metadata=facts)


if __name__ == "__main__":
    main()
