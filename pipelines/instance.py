"""The Dagster instance of a home: `<home>/dagster` with the project's dagster.yaml."""

from __future__ import annotations

import os
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.settings import PipelineSettings
from retrieval.errors import ConfigurationError

if TYPE_CHECKING:
    from dagster import DagsterInstance

LOCAL_FILE = Path(__file__).resolve().parent.parent / "dagster.yaml"
RUN_PID_TAG = "knowledge/pid"

UNCAPTURED = {
    "compute_logs": {"module": "dagster._core.storage.noop_compute_log_manager", "class": "NoOpComputeLogManager"}
}
"""Output of runs in this process goes where the command's own goes. Capturing it would take four more processes for
each run, and a Ctrl-C makes those print tracebacks."""


def dagster_home(settings: PipelineSettings) -> Path:
    """The instance's folder, with an up-to-date dagster.yaml unless somebody wrote their own.

    Raises:
        ConfigurationError: it cannot be written.
    """
    home = settings.home / "dagster"
    text = _packaged()
    target = home / "dagster.yaml"
    marker = home / ".dagster.yaml.packaged"
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        ours = not target.exists() or (marker.exists() and marker.read_text() == target.read_text())
        if ours and (not target.exists() or target.read_text() != text):
            target.write_text(text)
            marker.write_text(text)
    except OSError as error:
        raise ConfigurationError(
            f"{home} cannot be written ({error.strerror}): check permissions and free space, or set KNOWLEDGE_HOME"
        ) from None
    return home


def open_instance(settings: PipelineSettings) -> DagsterInstance:
    """The instance for runs in this process, with runs of processes that are gone marked as failed.

    Raises:
        ConfigurationError: its folder cannot be written, or its dagster.yaml is wrong.
    """
    import logging

    import dagster as dg
    from dagster._core.instance.ref import InstanceRef

    home = os.environ["DAGSTER_HOME"] = str(dagster_home(settings))
    logging.getLogger("alembic").setLevel(logging.WARNING)
    try:
        instance = dg.DagsterInstance.from_ref(InstanceRef.from_dir(home, overrides=UNCAPTURED))
    except dg.DagsterInvalidConfigError as error:
        raise ConfigurationError(
            f"{settings.home / 'dagster' / 'dagster.yaml'} is not valid ({str(error).splitlines()[0]}): correct it, or"
            " delete it to get the project's own"
        ) from error
    _bury_dead_runs(instance)
    return instance


def _bury_dead_runs(instance: DagsterInstance) -> None:
    """A killed `knowledge ingest` cannot say that it failed: say it for it, or its run would seem to go on.

    It cannot give its places in the pools back either, and whoever needs one would wait for ever.
    """
    from dagster import DagsterRunStatus, RunsFilter

    under_way = [DagsterRunStatus.STARTING, DagsterRunStatus.STARTED, DagsterRunStatus.CANCELING]
    for run in instance.get_runs(RunsFilter(statuses=under_way)):
        pid = run.tags.get(RUN_PID_TAG)
        if pid and not _alive(int(pid)):
            instance.report_run_failed(run, "The process of this run is gone; the next run does what it left.")
    storage = instance.event_log_storage
    for pool in storage.get_concurrency_keys():
        places = storage.get_concurrency_info(pool)
        for run_id in sorted(places.active_run_ids | places.pending_run_ids):
            holder = instance.get_run_by_id(run_id)
            if holder is None or holder.is_finished:
                storage.free_concurrency_slots_for_run(run_id)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _packaged() -> str:
    """dagster.yaml of the checkout, or the copy in the installed package."""
    if LOCAL_FILE.exists():
        return LOCAL_FILE.read_text(encoding="utf-8")
    return resources.files("pipelines").joinpath("dagster.yaml").read_text(encoding="utf-8")
