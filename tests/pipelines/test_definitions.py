"""What Dagster loads: a snapshot of names, and what must hold of each."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest
import yaml

from pipelines.definitions import defs
from pipelines.instance import RUN_PID_TAG, dagster_home, open_instance
from pipelines.settings import PipelineSettings

REPOSITORY = Path(__file__).resolve().parents[2]


def test_assets_checks_and_jobs_are_these() -> None:
    graph = defs.resolve_asset_graph()
    assert sorted(key.to_user_string() for key in graph.get_all_asset_keys()) == [
        "bronze/source_files",
        "gold/chunks",
        "gold/embeddings",
        "index/active",
        "index/candidate",
        "index/standby",
        "silver/documents",
        "silver/quarantine",
    ]
    assert sorted(f"{key.asset_key.to_user_string()}:{key.name}" for key in graph.asset_check_keys) == [
        "bronze/source_files:contract",
        "bronze/source_files:intake_keeps_up",
        "bronze/source_files:knowledge_is_fresh",
        "gold/chunks:chunks_inside_documents",
        "gold/chunks:contract",
        "gold/embeddings:contract",
        "gold/embeddings:every_chunk_embedded",
        "index/candidate:contract",
        "index/candidate:index_equals_gold",
        "index/candidate:lexical_matches_reference",
        "index/candidate:new_rows_are_sound",
        "index/candidate:nothing_crowds_the_index",
        "silver/documents:blocks_inside_text",
        "silver/documents:contract",
        "silver/documents:data_protection_review",
        "silver/quarantine:contract",
        "silver/quarantine:every_file_accounted",
    ]
    assert {job.name for job in defs.jobs or ()} == {"knowledge", "lake", "publish", "expiry", "audit"}
    assert {sensor.name for sensor in defs.sensors or ()} == {"inbox"}
    schedules = {"nightly_publish", "nightly_expiry", "nightly_audit"}
    assert {schedule.name for schedule in defs.schedules or ()} == schedules


def test_every_check_of_data_stops_what_lies_downstream() -> None:
    graph = defs.resolve_asset_graph()
    warnings = {key.name for key in graph.asset_check_keys if not graph.get_check_spec(key).blocking}
    assert warnings == {
        "data_protection_review", "intake_keeps_up", "knowledge_is_fresh", "nothing_crowds_the_index"
    }  # fmt: skip


def test_the_lake_is_partitioned_by_date_and_source_and_backfilled_in_one_run() -> None:
    graph = defs.resolve_asset_graph()
    for key in graph.get_all_asset_keys():
        node = graph.get(key)
        if key.path[0] == "index":
            assert node.partitions_def is None
            continue
        assert isinstance(node.partitions_def, dg.MultiPartitionsDefinition)
        assert {p.name for p in node.partitions_def.partitions_defs} == {"date", "source"}
        assert node.backfill_policy == dg.BackfillPolicy.single_run()


def test_the_instance_loads_and_tells_nobody(tmp_path: Path) -> None:
    home = dagster_home(PipelineSettings.load(home=tmp_path / "home"))
    with dg.DagsterInstance.from_config(str(home)) as instance:
        assert not instance.telemetry_enabled
        assert not instance.nux_enabled
        assert instance.run_monitoring_enabled
        assert instance.run_retries_enabled


def test_somebody_elses_instance_file_is_left_alone(tmp_path: Path) -> None:
    settings = PipelineSettings.load(home=tmp_path / "home")
    own = dagster_home(settings) / "dagster.yaml"
    own.write_text("telemetry: {enabled: false}\n")
    dagster_home(settings)
    assert own.read_text() == "telemetry: {enabled: false}\n"


@pytest.mark.parametrize("name", ["workspace.yaml", "dagster.yaml"])
def test_the_files_at_the_top_are_yaml(name: str) -> None:
    assert yaml.safe_load((REPOSITORY / name).read_text())


def test_a_killed_ingestion_keeps_no_place_in_a_pool(tmp_path: Path) -> None:
    settings = PipelineSettings.load(home=tmp_path / "home")
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    with open_instance(settings) as instance:
        run = instance.create_run_for_job(defs.resolve_job_def("lake"), tags={RUN_PID_TAG: str(ended.pid)})
        instance.handle_run_event(run.run_id, dg.DagsterEvent(event_type_value="PIPELINE_START", job_name="lake"))
        storage = instance.event_log_storage
        storage.initialize_concurrency_limit_to_default("silver")
        assert storage.claim_concurrency_slot("silver", run.run_id, "silver").is_claimed
    with open_instance(settings) as instance:
        found = instance.get_run_by_id(run.run_id)
        assert found is not None
        assert found.status == dg.DagsterRunStatus.FAILURE
        assert instance.event_log_storage.claim_concurrency_slot("silver", "another", "silver").is_claimed
