"""Dagster bindings of the index: the candidate release, and the one that is served."""

import dagster as dg

from assets.audit.partitions import ensure_partitions
from assets.governance.datasheet import OWNERS, sheet
from assets.index.desired import read_desired, read_passages
from assets.index.publish import publish
from assets.index.releases import list_releases, promote
from assets.index.standby import write_standby
from assets.stores import Stores

STANDBY = dg.AssetKey(["index", "standby"])
CANDIDATE = dg.AssetKey(["index", "candidate"])
ACTIVE = dg.AssetKey(["index", "active"])


@dg.asset(
    key=CANDIDATE,
    metadata=sheet("index/candidate"),
    owners=list(OWNERS),
    deps=[dg.AssetKey(["gold", "chunks"]), dg.AssetKey(["gold", "embeddings"])],
    group_name="index",
    kinds={"postgres"},
    pool="index",
    description="The next release: Postgres brought in line with gold, not yet served. Nothing is written where"
    " nothing changed.",
)
def candidate(context: dg.AssetExecutionContext, stores: dg.ResourceParam[Stores]) -> dg.MaterializeResult[None]:
    """Publish gold as a candidate release."""
    ledger = stores.ledger()
    encoder = stores.encoder
    now = stores.clock()
    with stores.connect() as connection:
        published = publish(
            connection,
            read_desired(stores.lake, ledger, now=now),
            lambda wanted: read_passages(
                stores.lake, ledger, wanted, fingerprint=encoder.fingerprint.id, dimension=encoder.dimension
            ),
            fingerprint=encoder.fingerprint.id,
            dimension=encoder.dimension,
            now=now,
        )
    context.log.info(
        f"release {published.release} {'written' if published.created else 'is in line with gold already'}"
    )
    if published.waiting:
        context.log.warning(
            f"no release yet: {published.waiting} documents are still to be redacted under the newest pseudonym key,"
            " and nobody may have two pseudonyms in one release; other runs, or `knowledge ingest`, do it"
        )
    return dg.MaterializeResult(
        metadata={
            "release": published.release if published.release is not None else dg.MetadataValue.null(),
            "written": published.created,
            "documents_on_their_way": published.pending,
            "documents_to_redact_anew": published.waiting,
            **published.changes,
        }
    )


@dg.asset(
    key=ACTIVE,
    metadata=sheet("index/active"),
    owners=list(OWNERS),
    deps=[CANDIDATE],
    group_name="index",
    kinds={"postgres"},
    pool="index",
    description="The release that is served. A candidate that passed its checks becomes active; after a rollback"
    " it waits until somebody promotes it.",
)
def active(context: dg.AssetExecutionContext, stores: dg.ResourceParam[Stores]) -> dg.MaterializeResult[None]:
    """Promote the candidate."""
    with stores.connect() as connection:
        ensure_partitions(connection, now=stores.clock())
        releases = list_releases(connection)
        if not releases:
            context.log.info("nothing is published yet")
            return dg.MaterializeResult(metadata={"release": dg.MetadataValue.null()})
        serving = promote(connection, releases[0].number, now=stores.clock())
    if serving.held:
        context.log.warning(
            f"release {releases[0].number} waits: promotion is held since a rollback to {serving.release};"
            f" `knowledge release promote {releases[0].number}` ends that"
        )
    return dg.MaterializeResult(
        metadata={
            "release": serving.release or 0,
            "held_since_rollback": serving.held,
            "documents": releases[0].documents,
            "passages": releases[0].chunks,
        }
    )


@dg.asset(
    key=STANDBY,
    metadata=sheet("index/standby"),
    owners=list(OWNERS),
    deps=[ACTIVE],
    group_name="index",
    kinds={"file"},
    pool="index",
    description="Encrypted snapshots of the active release, one for each tenant, from which readers answer while the"
    " database is gone. Off unless KNOWLEDGE_STANDBY names a folder.",
)
def standby(context: dg.AssetExecutionContext, stores: dg.ResourceParam[Stores]) -> dg.MaterializeResult[None]:
    """Write the files of tenants whose release or access has changed."""
    folder = stores.settings.standby
    if folder is None:
        return dg.MaterializeResult(metadata={"configured": False})
    with stores.connect() as connection:
        done = write_standby(connection, folder, stores.standby_key, now=stores.clock())
    context.log.info(f"standby: {len(done.written)} written, {len(done.unchanged)} as they were")
    return dg.MaterializeResult(
        metadata={
            "configured": True,
            "release": done.release or 0,
            "written": len(done.written),
            "unchanged": len(done.unchanged),
            "removed": len(done.removed),
        }
    )
