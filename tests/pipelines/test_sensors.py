"""The sensor: waits for stability, asks once, asks again with a growing pause, gives up loudly."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
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
    """A sensor over an inbox, its cursor, the time it believes in, and what happens while it pauses between looks."""

    stores: Stores
    instance: DagsterInstance
    now: datetime
    cursor: str | None = None
    runs: list[str] = field(default_factory=list)
    meanwhile: list[Callable[[], None]] = field(default_factory=list)
    pauses: list[float] = field(default_factory=list)

    def pause(self, seconds: float) -> None:
        """Let the time pass that the sensor wants to pass."""
        self.pauses.append(seconds)
        self.now += timedelta(seconds=seconds)
        if self.meanwhile:
            self.meanwhile.pop(0)()

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
def watch(tmp_path: Path, models_dir: Path, encoder: Encoder, monkeypatch: pytest.MonkeyPatch) -> Iterator[Watch]:
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
        watch = Watch(stores, instance, datetime.now(UTC) + SETTLED)
        monkeypatch.setattr("pipelines.sensors.sleep", watch.pause)
        yield watch


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
    requests, _ = watch.tick()
    day = watch.now.strftime("%Y-%m-%d")
    assert [request.partition_key for request in requests] == [f"{day}|blog"]
    assert requests[0].tags[GROUP_TAG] == f"{day}|blog"
    assert watch.pauses == [PipelineSettings.load().settle_s]


def test_work_that_changes_between_all_looks_of_a_tick_waits_for_the_next_one(watch: Watch) -> None:
    drop(watch, "0.md")
    watch.meanwhile = [lambda: drop(watch, "1.md"), lambda: drop(watch, "2.md")]
    watch.now += timedelta(minutes=1)  # what is written meanwhile is old enough to be looked at, and other work
    requests, reason = watch.tick()
    assert not requests
    assert "waits until files are stable" in reason
    assert len(watch.pauses) == 2
    requests, _ = watch.tick()
    assert len(requests) == 1
    assert len(watch.pauses) == 2, "the last look of the tick before agrees with the first one"


def test_a_file_that_grows_between_two_looks_is_not_taken(watch: Watch) -> None:
    drop(watch, "a.md", "half")
    watch.now += timedelta(minutes=1)
    watch.meanwhile = [lambda: drop(watch, "a.md", "half and half"), lambda: drop(watch, "a.md", "all of it")]
    assert not watch.tick()[0]
    assert len(watch.tick()[0]) == 1


def test_a_file_that_was_just_written_is_taken_when_it_has_settled(watch: Watch) -> None:
    watch.now = datetime.now(UTC)
    drop(watch, "a.md")
    watch.now = datetime.now(UTC)
    requests, _ = watch.tick()
    assert len(requests) == 1
    assert len(watch.pauses) == 2, "unsettled, new, the same"


def test_a_file_that_is_written_all_the_time_is_not_looked_at(watch: Watch) -> None:
    def write() -> None:
        drop(watch, "a.md")
        watch.now = datetime.now(UTC)

    write()
    watch.meanwhile = [write, write]
    requests, reason = watch.tick()
    assert not requests
    assert "still being written" in reason


def test_a_long_time_to_settle_is_not_waited_for(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KNOWLEDGE_SETTLE_S", "30")
    watch.now += timedelta(minutes=1)
    drop(watch, "a.md")
    assert "waits until files are stable" in watch.tick()[1]
    assert len(watch.tick()[0]) == 1
    assert not watch.pauses


def test_a_run_under_way_is_waited_for(watch: Watch) -> None:
    drop(watch, "a.md")
    (request,), _ = watch.tick()
    watch.run(request, DagsterRunStatus.STARTED)
    drop(watch, "b.md")
    watch.pauses.clear()
    requests, reason = watch.tick()
    assert not requests
    assert "a run is under way" in reason
    assert not watch.pauses, "what a run leaves at this moment is no new work"


def test_failures_are_tried_again_with_a_growing_pause_and_given_up_loudly(watch: Watch) -> None:
    drop(watch, "a.md")
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
    requests, _ = watch.tick()
    assert len(requests) == 1
    assert requests[0].tags[WORK_TAG] != request.tags[WORK_TAG]


def test_the_cursor_holds_no_state_but_the_last_look(watch: Watch) -> None:
    drop(watch, "a.md")
    assert len(watch.tick()[0]) == 1
    held: dict[str, Any] = json.loads(watch.cursor or "{}")
    assert list(held) == [f"{watch.now:%Y-%m-%d}|blog"]
    watch.cursor, watch.meanwhile = None, [lambda: drop(watch, "b.md"), lambda: drop(watch, "c.md")]
    watch.now += timedelta(minutes=1)
    assert not watch.tick()[0], "no two looks agreed, and none is remembered from before"
