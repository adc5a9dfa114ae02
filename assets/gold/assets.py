"""Dagster bindings of gold: passages and their vectors."""

import dagster as dg

from assets.gold.contract import CHUNKS, EMBEDDINGS
from assets.gold.refine import chunk_partition, embed_texts
from assets.governance.datasheet import OWNERS, table_sheet
from assets.partitions import PARTITIONS, RefineConfig, partitions_of, rebuilds
from assets.silver.contract import DOCUMENTS
from assets.stores import Stores

CHUNKS_KEY = dg.AssetKey(CHUNKS.name.split("/"))
EMBEDDINGS_KEY = dg.AssetKey(EMBEDDINGS.name.split("/"))


@dg.asset(
    key=CHUNKS_KEY,
    deps=[dg.AssetKey(DOCUMENTS.name.split("/"))],
    partitions_def=PARTITIONS,
    backfill_policy=dg.BackfillPolicy.single_run(),
    group_name="gold",
    kinds={"deltalake"},
    pool="gold_chunks",
    description=CHUNKS.doc,
    metadata=table_sheet(CHUNKS),
    owners=list(OWNERS),
)
def chunks(
    context: dg.AssetExecutionContext, config: RefineConfig, stores: dg.ResourceParam[Stores]
) -> dg.MaterializeResult[None]:
    """Cut documents into passages; documents that were cut by this version already are left as they are."""
    rows = cut = 0
    for date, source in partitions_of(context):
        table, documents = chunk_partition(stores, date, source, rebuild=rebuilds(context, config))
        stores.lake.replace(CHUNKS, date, source, table)
        rows += table.num_rows
        cut += documents
    return dg.MaterializeResult(metadata={"dagster/row_count": rows, "documents_cut_in_this_run": cut})


@dg.asset(
    key=EMBEDDINGS_KEY,
    deps=[CHUNKS_KEY],
    partitions_def=PARTITIONS,
    backfill_policy=dg.BackfillPolicy.single_run(),
    group_name="gold",
    kinds={"deltalake"},
    pool="gold_embeddings",
    description=EMBEDDINGS.doc,
    metadata=table_sheet(EMBEDDINGS),
    owners=list(OWNERS),
)
def embeddings(context: dg.AssetExecutionContext, stores: dg.ResourceParam[Stores]) -> dg.MaterializeResult[None]:
    """Embed texts that have no vector of today's model anywhere in the lake."""
    rows = embedded = reused = 0
    for date, source in partitions_of(context):
        table, report = embed_texts(stores, date, source)
        stores.lake.replace(EMBEDDINGS, date, source, table)
        rows += table.num_rows
        embedded += report.embedded
        reused += report.reused
    context.log.info(f"{embedded} texts embedded, {reused} vectors reused")
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": rows,
            "embedded": embedded,
            "reused": reused,
            "model": stores.encoder.fingerprint.id,
        }
    )
