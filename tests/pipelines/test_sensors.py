"""The sensor: waits for stability, asks once, asks again with a growing pause, gives up loudly."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster import AssetCheckKey, DagsterInstance, DagsterRunStatus
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus

from assets.lake import Lake
from assets.stores import Stores
from checks.asset_checks import KEEPS_UP
from pipelines.definitions import defs
from pipelines.sensors import GROUP_TAG, WORK_TAG, inbox
from pipelines.settings import PipelineSettings
from retrieval.embedding import Encoder

SETTLED = timedelta(seconds=5)
"""Longer than a file must lie unchanged."""


@dataclass
class Watch:
    """A sensor over an inbox, its cursor, and the time it believes in."""

    stores: Stores
    instance: DagsterInstance
    now: datetime
    cursor: str | None = None
    runs: list[str] = field(default_factory=list)

    def tick(self) -> tuple[list[dg.RunRequest], str]:
        """Requests and the reason for having none."""
        self.stores.clock = lambda: self.now
        context = dg.build_sensor_context(
            instance=self.instance, cursor=self.cursor, resources={"stores": self.stores}, sensor_name="inbox"
        )
        result = inbox(context)
        assert isinstance(result, dg.SensorResult)
        self.cursor = result.cursor
        reason = result.skip_reason
        return list(result.run_requests or ()), reason.skip_message or "" if reason else ""

    def run(self, request: dg.RunRequest, status: DagsterRunStatus) -> None:
        """Let a requested run come to that status."""
        run = self.instance.create_run_for_job(
            defs.resolve_job_def("knowledge"), tags={**request.tags, "dagster/partition": str(request.partition_key)}
        )
        self.runs.append(run.run_id)
        if status == DagsterRunStatus.FAILURE:
            self.instance.report_run_failed(run)
        elif status == DagsterRunStatus.STARTED:
            self.instance.handle_run_event(
                run.run_id,
                dg.DagsterEvent(event_type_value="PIPELINE_START", job_name="knowledge"),
            )


@pytest.fixture
def watch(tmp_path: Path, models_dir: Path, encoder: Encoder) -> Iterator[Watch]:
    """An inbox with a policy and nothing else."""
    assert encoder.fingerprint.id
    home = tmp_path / "home"
    home.mkdir()
    (home / "models").symlink_to(models_dir, target_is_directory=True)
    folder = tmp_path / "inbox" / "blog"
    folder.mkdir(parents=True)
    (folder / "_policy.yaml").write_text("tenant: acme\nroles: [everyone]\nclearance: public\n")
    settings = PipelineSettings.load(home=home, inbox=tmp_path / "inbox")
    with dg.instance_for_test() as instance:
        stores = Stores(settings, settings.inbox, Lake(settings.lake_uri), lambda: datetime.now(UTC))
        # long after the files were written, so that settling plays no part
        yield Watch(stores, instance, datetime.now(UTC) + SETTLED)


def drop(watch: Watch, name: str, text: str = "Some words.") -> None:
    """Write a file into the inbox."""
    (watch.stores.inbox / "blog" / name).write_text(text)


def failed_checks(watch: Watch) -> int:
    """How often the check that speaks for the sensor has failed."""
    key = AssetCheckKey(dg.AssetKey(["bronze", "source_files"]), KEEPS_UP)
    records = watch.instance.event_log_storage.get_asset_check_execution_history(key, limit=50)
    return sum(record.status == AssetCheckExecutionRecordStatus.FAILED for record in records)


def test_nothing_new_is_said(watch: Watch) -> None:
    assert watch.tick() == ([], "nothing new")


def test_files_of_a_source_and_day_are_one_run_once_two_looks_agree(watch: Watch) -> None:
    for number in range(5):
        drop(watch, f"{number}.md")
    requests, reason = watch.tick()
    assert not requests
    assert "waits until files are stable" in reason
    drop(watch, "5.md")
    requests, reason = watch.tick()
    assert not requests, "the work changed since the last look"
    requests, _ = watch.tick()
    day = watch.now.strftime("%Y-%m-%d")
    assert [request.partition_key for request in requests] == [f"{day}|blog"]
    assert requests[0].tags[GROUP_TAG] == f"{day}|blog"


def test_a_file_that_was_just_written_is_not_looked_at(watch: Watch) -> None:
    watch.now = datetime.now(UTC)
    drop(watch, "a.md")
    watch.now = datetime.now(UTC)
    _, reason = watch.tick()
    assert "still being written" in reason


def test_a_run_under_way_is_waited_for(watch: Watch) -> None:
    drop(watch, "a.md")
    watch.tick()
    (request,), _ = watch.tick()
    watch.run(request, DagsterRunStatus.STARTED)
    requests, reason = watch.tick()
    assert not requests
    assert "a run is under way" in reason


def test_failures_are_tried_again_with_a_growing_pause_and_given_up_loudly(watch: Watch) -> None:
    drop(watch, "a.md")
    watch.tick()
    (request,), _ = watch.tick()
    keys = [request.run_key]
    pauses = []
    for _ in range(4):
        watch.run(request, DagsterRunStatus.FAILURE)
        watch.now = datetime.now(UTC) + SETTLED
        requests, reason = watch.tick()
        assert not requests
        assert "next attempt in" in reason
        pauses.append(int(reason.split("next attempt in ")[1].split(" s")[0]))
        watch.now += timedelta(seconds=pauses[-1] + 2)
        (request,), _ = watch.tick()
        keys.append(request.run_key)
    assert len(set(keys)) == 5, "each attempt is a run of its own"
    assert [round((pause + SETTLED.seconds) / 30) for pause in pauses] == [1, 2, 4, 8]

    watch.run(request, DagsterRunStatus.FAILURE)
    watch.now += timedelta(minutes=10)  # not into the next day, which would be another group
    requests, reason = watch.tick()
    assert not requests
    assert "given up after 5 runs" in reason
    assert failed_checks(watch) == 1
    watch.tick()
    assert failed_checks(watch) == 1, "said once"

    # another file is other work
    drop(watch, "b.md")
    watch.tick()
    requests, _ = watch.tick()
    assert len(requests) == 1
    assert requests[0].tags[WORK_TAG] != request.tags[WORK_TAG]


def test_the_cursor_holds_no_state_but_the_last_look(watch: Watch) -> None:
    drop(watch, "a.md")
    watch.tick()
    held: dict[str, Any] = json.loads(watch.cursor or "{}")
    assert list(held) == [f"{watch.now:%Y-%m-%d}|blog"]
    watch.cursor = None
    requests, _ = watch.tick()
    assert not requests
    requests, _ = watch.tick()
    assert len(requests) == 1
