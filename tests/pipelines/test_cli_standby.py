"""A home with a standby: written by a release command, answering when the database cannot be reached."""

from __future__ import annotations

import json
from pathlib import Path

from tests.pipelines.conftest import Place


def test_the_standby_follows_the_release_and_answers(ingested: Place, tmp_path: Path) -> None:
    folder = tmp_path / "standby"
    active = ingested.json("release", "list")["active"]
    question = ("search", "Pufferspeicher Liter", "--tenant", "nordwind", "--json")
    live = ingested.run(*question)
    assert ingested.run("release", "promote", str(active), env={"KNOWLEDGE_STANDBY": str(folder)}).exit_code == 0
    assert "nordwind.standby" in {path.name for path in folder.iterdir()}
    gone = {"KNOWLEDGE_STANDBY": str(folder), "KNOWLEDGE_DSN": "host=/nowhere dbname=x"}
    found = ingested.run(*question, env=gone)
    assert found.exit_code == 0, found.output
    assert "as of 2" in found.stderr
    assert '"standby"' in found.stdout
    assert live.exit_code == 0
    shown = [{hit["chunk_id"] for hit in json.loads(output.stdout)["hits"]} for output in (live, found)]
    assert shown[0] & shown[1]
    (ingested.home / "audit" / "pending.jsonl").unlink()
