"""The sensor over the inbox: asks for one run per source and day, again after failures, and gives up loudly."""

import datetime as dt
import json
from time import sleep

import dagster as dg
from dagster import AssetCheckEvaluation, DagsterRunStatus, RunsFilter

from assets.bronze.contract import SOURCE_FILES
from assets.bronze.ingest import plan_sources
from assets.partitions import partition_key
from assets.stores import Stores
from checks.asset_checks import KEEPS_UP, asset_key
from pipelines.jobs import knowledge
from pipelines.settings import PipelineSettings
from pipelines.work import Group, Work, find_work

GROUP_TAG = "knowledge/group"
WORK_TAG = "knowledge/work"
SETTINGS = PipelineSettings.load()
UNDER_WAY = [
    DagsterRunStatus.QUEUED,
    DagsterRunStatus.NOT_STARTED,
    DagsterRunStatus.STARTING,
    DagsterRunStatus.STARTED,
    DagsterRunStatus.CANCELING,
]


LOOKS = 3
"""Most looks at the inbox in one tick: a file that was just written is unsettled at the first, new at the second, and
the same at the third."""

LONGEST_PAUSE_S = 5.0
"""Longest pause between two looks of one tick; where files are to lie longer, the next tick looks again."""


@dg.sensor(
    job=knowledge,
    # Dagster looks every 5 s which sensors are due; one that is due a moment later would wait for the next time
    minimum_interval_seconds=max(1, SETTINGS.sensor_interval_s - 1),
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Compares the inbox with bronze, and bronze with gold. A file is taken when it has not changed"
    " between two looks. The cursor only remembers the last look; everything else is read from tables and runs.",
)
def inbox(context: dg.SensorEvaluationContext, stores: dg.ResourceParam[Stores]) -> dg.SensorResult | dg.SkipReason:
    """Requests for the groups of work that are stable, not under way, and not too often failed."""
    settings = PipelineSettings.load()
    seen: dict[str, str] = json.loads(context.cursor) if context.cursor else {}
    busy = _under_way(context)
    work = _look(stores, settings)
    for _ in range(LOOKS - 1 if settings.settle_s <= LONGEST_PAUSE_S else 0):
        if not work.unsettled and not any(_is_new(group, seen) for group in work.groups if _key(group) not in busy):
            break
        sleep(settings.settle_s)
        seen = _prints(work)
        work = _look(stores, settings)
    requests, notes = [], []
    now = stores.clock()
    for group in work.groups:
        key = _key(group)
        if key in busy:
            notes.append(f"{key}: a run is under way")
            continue
        if _is_new(group, seen):
            notes.append(f"{key}: waits until files are stable")
            continue
        attempt = _next_attempt(context, group, settings, now)
        if isinstance(attempt, str):
            notes.append(f"{key}: {attempt}")
            continue
        requests.append(
            dg.RunRequest(
                run_key=f"{key}:{group.fingerprint}:{attempt}",
                partition_key=key,
                tags={GROUP_TAG: key, WORK_TAG: group.fingerprint},
            )
        )
    for source, paths in work.withheld.items():
        notes.append(f"{source}: {len(paths)} deletions held, `knowledge ingest --confirm-deletions` carries them out")
    if work.unsettled:
        notes.append(f"{len(work.unsettled)} files are still being written")
    cursor = json.dumps(_prints(work), sort_keys=True)
    if not requests:
        return dg.SensorResult(skip_reason="; ".join(notes) or "nothing new", cursor=cursor)
    return dg.SensorResult(run_requests=requests, cursor=cursor)


def _look(stores: Stores, settings: PipelineSettings) -> Work:
    return find_work(stores, plan_sources(stores, settle_s=settings.settle_s))


def _key(group: Group) -> str:
    return partition_key(group.partition)


def _prints(work: Work) -> dict[str, str]:
    return {_key(group): group.fingerprint for group in work.groups}


def _is_new(group: Group, seen: dict[str, str]) -> bool:
    return seen.get(_key(group)) != group.fingerprint


def _under_way(context: dg.SensorEvaluationContext) -> set[str]:
    """Groups that a run has in hand; what it leaves at any moment is not new work."""
    return {run.tags.get(GROUP_TAG, "") for run in context.instance.get_runs(RunsFilter(statuses=UNDER_WAY))}


def _next_attempt(
    context: dg.SensorEvaluationContext, group: Group, settings: PipelineSettings, now: dt.datetime
) -> int | str:
    """Number of the next attempt at this work, or why there is none now. Runs are the only memory of attempts."""
    key = _key(group)
    # A run that succeeded and left the work undone counts like a failed one: it would only be run for ever.
    ended = context.instance.get_run_records(
        RunsFilter(tags={GROUP_TAG: key, WORK_TAG: group.fingerprint}), limit=settings.retry_limit + 1
    )
    if not ended:
        return 0
    if len(ended) >= settings.retry_limit:
        _give_up(context, key, len(ended), ended[0].dagster_run.run_id)
        return f"given up after {len(ended)} runs; change the file or run `knowledge ingest`"
    last = max(record.end_time or record.create_timestamp.timestamp() for record in ended)
    left = last + settings.retry_pause_s * 2 ** (len(ended) - 1) - now.timestamp()
    if left > 0:
        return f"{len(ended)} runs did not finish it, next attempt in {left:.0f} s"
    return len(ended)


def _give_up(context: dg.SensorEvaluationContext, key: str, runs: int, run_id: str) -> None:
    """Show it where a data engineer looks: a failed check on the table, once, and the log of the sensor."""
    cursor = f"{key}:{run_id}"
    if context.instance.daemon_cursor_storage.get_cursor_values({cursor}):
        return
    context.log.error(f"{key} was given up after {runs} runs, the last is {run_id}")
    context.instance.report_runless_asset_event(
        AssetCheckEvaluation(
            asset_key=asset_key(SOURCE_FILES),
            check_name=KEEPS_UP,
            passed=False,
            severity=dg.AssetCheckSeverity.ERROR,
            metadata={"group": key, "runs": runs, "last_run": run_id},
        )
    )
    context.instance.daemon_cursor_storage.set_cursor_values({cursor: "given up"})
