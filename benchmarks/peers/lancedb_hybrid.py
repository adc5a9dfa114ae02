"""LanceDB: hybrid search with a prefilter on tenant and access set."""

from __future__ import annotations

import shutil
from typing import Any

import lancedb
import numpy as np
import pyarrow as pa
from common import CANDIDATES, Data, K, run
from lancedb.rerankers import RRFReranker


def main() -> None:
    """Load, index, ask."""
    data = Data.load()
    folder = data.folder / "lance"
    shutil.rmtree(folder, ignore_errors=True)
    table = load(lancedb.connect(folder), data)
    where = f"tenant = {data.tenant} AND acl IN ({', '.join(map(str, data.allowed))})"
    reranker = RRFReranker()

    def ask(question: str, query: Any) -> list[int]:
        words = "".join(c if c.isalnum() or c == " " else " " for c in question)
        search = table.search(query_type="hybrid").vector(query).text(words).where(where, prefilter=True)
        rows = search.rerank(reranker).limit(CANDIDATES).select(["id", "text"]).to_arrow()
        return list(rows["id"].to_pylist()[:K])

    run(data, ask)


def load(database: Any, data: Data) -> Any:
    """The table with its three kinds of indexes."""
    vectors = pa.FixedSizeListArray.from_arrays(
        pa.array(data.vectors.astype(np.float32).ravel()), data.vectors.shape[1]
    )
    rows = pa.table(
        {
            "id": pa.array(range(len(data.texts)), pa.int64()),
            "tenant": pa.array(data.tenants, pa.int32()),
            "acl": pa.array(data.acls, pa.int32()),
            "text": pa.array(data.texts),
            "vector": vectors,
        }
    )
    table = database.create_table("passages", rows)
    table.create_index(metric="cosine", vector_column_name="vector", index_type="IVF_HNSW_SQ")
    table.create_fts_index("text")
    table.create_scalar_index("tenant")
    table.create_scalar_index("acl", index_type="BITMAP")
    return table


if __name__ == "__main__":
    main()
