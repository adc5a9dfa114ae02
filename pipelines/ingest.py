"""`ingest`: runs the same assets as the daemon, in this process, over everything there is to do."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from assets.bronze.ingest import plan_sources
from assets.index.desired import read_desired
from assets.index.publish import differences
from assets.index.releases import list_releases, serving
from assets.lake import Partition
from assets.locks import shared_lock
from assets.stores import Progress, Stores, no_progress
from checks import worker
from pipelines.settings import PipelineSettings
from pipelines.stores import build_stores, utc_now
from pipelines.work import Work, find_work
from retrieval.analysis import ANALYZER
from retrieval.errors import KnowledgeError

if TYPE_CHECKING:
    from dagster import DagsterInstance, ExecuteInProcessResult


@dataclass(frozen=True)
class RunOutcome:
    """One Dagster run: its group or `publish`, and what stopped it in plain sentences."""

    group: str
    run_id: str
    success: bool
    problems: tuple[str, ...] = ()
    metadata: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class IngestReport:
    """What an ingestion did.

    Attributes:
        unchanged: there was nothing to do, and nothing was done.
        received: bronze rows written, by kind.
        embedded, reused: texts that were embedded, and those whose vectors were there already.
        release: number of the newest release; `created`: whether this ingestion wrote it.
        active: number of the release that is served; `held`: promotion waits since a rollback.
        seconds: wall time by step.
    """

    unchanged: bool
    received: Mapping[str, int]
    embedded: int
    reused: int
    release: int | None
    created: bool
    active: int | None
    held: bool
    changes: Mapping[str, int]
    runs: tuple[RunOutcome, ...]
    unsettled: tuple[str, ...]
    unreadable: tuple[str, ...]
    withheld: Mapping[str, tuple[str, ...]]
    seconds: Mapping[str, float]

    @property
    def success(self) -> bool:
        """Whether every run came to its end."""
        return all(run.success for run in self.runs)


def ingest(
    settings: PipelineSettings,
    *,
    clock: Callable[[], datetime] = utc_now,
    progress: Progress = no_progress,
    confirm_deletions: bool = False,
    partitions: Iterable[Partition] = (),
) -> IngestReport:
    """Take the inbox through all layers into the active release.

    Args:
        clock: the time; read once at the start, so that a run over midnight belongs to one day.
        progress: told about long steps.
        confirm_deletions: believe that everything that vanished was meant to.
        partitions: more (date, source) partitions, to be made anew whether or not they need it.

    Raises:
        KnowledgeError: a setting is wrong or something is out of reach. What goes wrong inside a run is in the
            report instead.
        KeyboardInterrupt: Ctrl-C, at whatever point; the next ingestion does what is left.
    """
    began = time.perf_counter()
    now = clock()
    stores = build_stores(settings, clock=lambda: now, progress=progress)
    seconds: dict[str, float] = {}
    plans = plan_sources(stores, confirm_deletions=confirm_deletions)
    if partitions or any(plan.changes for plan in plans.values()):
        worker.start()  # on its own core, while this process imports Dagster and reads
        stores.warm_up()
    stores.database  # noqa: B018  # set up now: without a database nothing below can end well
    work = find_work(stores, plans)
    seconds["look"] = time.perf_counter() - began
    asked_for = set(partitions)
    todo = sorted({group.partition for group in work.groups} | asked_for)
    if not todo and _in_line(stores):
        return _report(stores, work, (), seconds, began)
    stores.vault.demand_masters()  # said once here, instead of by every run
    from pipelines.definitions import defs
    from pipelines.instance import RUN_PID_TAG, open_instance

    seconds["imports"] = time.perf_counter() - began - seconds["look"]
    outcomes: list[RunOutcome] = []
    with shared_lock(stores.connect), open_instance(settings) as instance:
        tags = {RUN_PID_TAG: str(os.getpid())}
        for date, source in todo:
            step = time.perf_counter()
            rebuild = {"config": {"rebuild": (date, source) in asked_for}}
            config = {
                "ops": {
                    "bronze__source_files": {"config": {"confirm_deletions": confirm_deletions}},
                    "silver": rebuild,
                    "gold__chunks": rebuild,
                }
            }
            outcomes.append(_run(defs, instance, "lake", stores, f"{date}|{source}", tags, config))
            seconds[f"{date}|{source}"] = time.perf_counter() - step
        step = time.perf_counter()
        outcomes.append(_run(defs, instance, "publish", stores, None, tags, {}))
        seconds["publish"] = time.perf_counter() - step
    return _report(stores, work, tuple(outcomes), seconds, began)


def _in_line(stores: Stores) -> bool:
    """Whether the index holds exactly what gold says, for today's model, and the newest release is served."""
    with stores.connect() as connection:
        row = connection.execute(
            "select s.id, r.number from knowledge.release r join knowledge.space s on s.id = r.space"
            " where s.fingerprint = %s and s.analyzer = %s"
            " and r.number = (select max(number) from knowledge.release)",
            [stores.versions.fingerprint, ANALYZER],
        ).fetchone()
        desired = read_desired(stores.lake, stores.ledger(), now=stores.clock())
        if row is None:
            return not desired.documents and not list_releases(connection)
        served = serving(connection)
        if served.release != row[1] and not served.held:
            return False
        return not differences(connection, desired, space=row[0], now=stores.clock())


def _run(
    defs: Any,
    instance: DagsterInstance,
    job: str,
    stores: Stores,
    partition_key: str | None,
    tags: Mapping[str, str],
    config: Mapping[str, Any],
) -> RunOutcome:
    from pipelines.jobs import QUIET

    result: ExecuteInProcessResult = defs.resolve_job_def(job).execute_in_process(
        instance=instance,
        partition_key=partition_key,
        resources={"stores": stores},
        run_config={**QUIET, **config},
        tags=dict(tags),
        raise_on_error=False,
    )
    if _interrupted(result):
        raise KeyboardInterrupt
    return RunOutcome(
        group=partition_key or job,
        run_id=result.run_id,
        success=result.success,
        problems=tuple(_problems(result)),
        metadata={
            event.asset_key.to_user_string(): {
                name: value.value for name, value in event.step_materialization_data.materialization.metadata.items()
            }
            for event in result.get_asset_materialization_events()
            if event.asset_key is not None
        },
    )


def _interrupted(result: ExecuteInProcessResult) -> bool:
    """Whether a step ended by Ctrl-C, which Dagster takes for a failure of that step alone."""
    for event in result.filter_events(lambda event: event.is_step_failure):
        error = event.step_failure_data.error
        while error is not None:
            if error.cls_name == "DagsterExecutionInterruptedError":
                return True
            error = error.cause
    return False


def _problems(result: ExecuteInProcessResult) -> Iterable[str]:
    """Why a run stopped: sentences of failed checks first, then of failed steps."""
    evaluations = [evaluation for evaluation in result.get_asset_check_evaluations() if not evaluation.passed]
    for evaluation in evaluations:
        sentence = evaluation.metadata.get("sentence")
        name = f"{evaluation.asset_key.to_user_string()} {evaluation.check_name}"
        yield f"check {name}: {sentence.value if sentence else 'failed'}"
    for event in result.filter_events(lambda event: event.is_step_failure):
        error = event.step_failure_data.error
        cause = error.cause if error and error.cause else error
        if cause is not None and cause.cls_name != "DagsterAssetCheckFailedError":
            yield f"step {event.step_key}: {_without_content(cause.cls_name or 'Error', cause.message)}"


def _without_content(name: str, message: str) -> str:
    """Our own errors speak for themselves; what others say may quote a document, so only their name is told."""
    ours = {KnowledgeError}
    while grown := {child for parent in ours for child in parent.__subclasses__()} - ours:
        ours |= grown
    if name in {error.__name__ for error in ours}:
        return re.sub(rf"^[\w.]*{name}: ", "", message.strip().splitlines()[0])
    return f"unexpected {name}; the run in the Dagster UI has the details"


def _report(
    stores: Stores, work: Work, outcomes: tuple[RunOutcome, ...], seconds: dict[str, float], began: float
) -> IngestReport:
    received: dict[str, int] = {}
    embedded = reused = 0
    created = False
    changes: dict[str, int] = {}
    for outcome in outcomes:
        for asset, metadata in outcome.metadata.items():
            if asset == "bronze/source_files":
                for kind in ("content", "access", "removed"):
                    received[kind] = received.get(kind, 0) + metadata.get(f"{kind}_rows", 0)
            elif asset == "gold/embeddings":
                embedded += metadata["embedded"]
                reused += metadata["reused"]
            elif asset == "index/candidate":
                created = metadata["written"]
                changes = {k: v for k, v in metadata.items() if isinstance(v, int) and k not in ("release", "written")}
    with stores.connect() as connection:
        releases = list_releases(connection)
        served = serving(connection)
    seconds["total"] = time.perf_counter() - began
    return IngestReport(
        unchanged=not outcomes,
        received=received,
        embedded=embedded,
        reused=reused,
        release=releases[0].number if releases else None,
        created=created,
        active=served.release,
        held=served.held,
        changes=changes,
        runs=outcomes,
        unsettled=work.unsettled,
        unreadable=work.unreadable,
        withheld=work.withheld,
        seconds=seconds,
    )
