"""The commands over the sample content: real inbox, lake, database and model."""

from __future__ import annotations

import json
import shutil
import signal
import socket
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest

from assets.contract import SOURCES
from assets.erasure.journal import Journal, new_intent
from assets.silver.pii.keys import PseudonymKeys
from pipelines.cli import search
from retrieval.schema.migrate import MIGRATIONS, OWNER, READER
from retrieval.server import EmbeddedServer
from tests.pipelines.conftest import Place

PUMP = "Wie groß muss der Pufferspeicher je Kilowatt Heizlast sein?"
NOBODY = {"KNOWLEDGE_DSN": "host=127.0.0.1 port=1 dbname=x user=y password=secret"}


@pytest.fixture
def elsewhere(ingested: Place, tmp_path: Path) -> Place:
    """The ingested home with a copy of its inbox, to change files in; only commands that write nothing may use it."""
    shutil.copytree(ingested.inbox, tmp_path / "inbox")
    return Place(ingested.home, tmp_path / "inbox")


# ------------------------------------------------------------------------- ingest


def test_ingesting_again_changes_nothing_and_says_so(ingested: Place) -> None:
    result = ingested.run("ingest")
    assert result.exit_code == 0
    assert "Nothing changed: release 1 stays, nothing embedded." in result.stdout
    report = ingested.json("ingest")
    assert (report["unchanged"], report["embedded"], report["release"]["written"]) == (True, 0, False)
    assert {row["reason"] for row in report["refused"]} == {"no_policy", "no_text_layer"}
    assert all(row["sentence"] for row in report["refused"])


@pytest.mark.parametrize(
    "partition", ["2026-03-01", "2026-03-01|video", "2026-02-30|blog", "2025-12-31|blog", "2999-01-01|blog"]
)
def test_a_partition_that_is_none_is_wrong_usage(ingested: Place, partition: str) -> None:
    error = ingested.json("ingest", "--partition", partition, code=2)["error"]
    assert error["class"] == "InvalidRequestError"
    assert "--partition" in error["message"]


def test_without_an_inbox_nothing_is_begun(fresh: Place) -> None:
    result = fresh.run("ingest", "--inbox", str(fresh.home / "none"))
    assert result.exit_code == 1
    assert result.stderr.startswith("error: The inbox")
    assert not (fresh.home / "db").exists()
    assert not (fresh.home / "settings.toml").exists()


@pytest.mark.parametrize(("keys", "sentence"), [("abc", "no master key"), ("A" * 43 + "=", "is missing from")])
def test_wrong_keys_of_bronze_are_said_once_before_a_run_begins(ingested: Place, keys: str, sentence: str) -> None:
    partition = f"{datetime.now(UTC):%Y-%m-%d}/blog"
    result = ingested.run("ingest", "--partition", partition, env={"KNOWLEDGE_BRONZE_KEYS": keys})
    assert result.exit_code == 1
    assert sentence in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_an_unreachable_database_may_be_tried_again(fresh: Place) -> None:
    result = fresh.run("ingest", env=NOBODY)
    assert result.exit_code == 75
    assert len(result.stderr.splitlines()) == 1
    assert "secret" not in result.output


@pytest.mark.slow
def test_from_the_first_ingest_to_a_rollback_and_back(fresh: Place) -> None:
    """A small inbox, edited between ingestions, with nothing but its home to remember it by."""
    for source in ("blog", "document"):
        shutil.rmtree(fresh.inbox / source)
    talk = fresh.inbox / "podcast" / "nordwind" / "waermewende-folge-07.vtt"

    def knowledge(*arguments: str, code: int = 0) -> dict[str, Any]:
        result = fresh.run(*arguments, "--json", env={"KNOWLEDGE_INBOX": None})
        assert result.exit_code == code, result.output
        found = json.loads(result.stdout)
        assert isinstance(found, dict)
        return found

    def edited(old: str, new: str) -> dict[str, Any]:
        talk.write_text(talk.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
        return knowledge("ingest")

    first = knowledge("ingest", "--inbox", str(fresh.inbox))
    assert first["received"]["content"] == 3
    assert first["embedded"] == first["changes"]["passages_added"] > 0
    assert knowledge("status")["states"] == {"served": 3}

    second = edited("2.800 Euro", "3.100 Euro")
    assert second["release"] == {"newest": 2, "written": True, "active": 2, "held": False}
    assert 0 < second["embedded"] < first["embedded"]

    assert knowledge("release", "rollback")["active"] == 1
    assert knowledge("status")["states"] == {"served": 2, "on_its_way": 1}
    third = edited("3.100 Euro", "3.200 Euro")
    assert third["release"] == {"newest": 3, "written": True, "active": 1, "held": True}
    assert knowledge("ingest")["unchanged"]
    assert knowledge("release", "promote", "3")["held"] is False
    assert knowledge("status")["states"] == {"served": 3}

    for path in fresh.inbox.glob("podcast/nordwind/**/*.vtt*"):
        path.unlink()
    held = knowledge("ingest")
    assert (held["unchanged"], len(held["withheld"]["podcast"])) == (True, 2)
    confirmed = knowledge("ingest", "--confirm-deletions")
    assert (confirmed["received"]["removed"], confirmed["embedded"]) == (2, 0)
    assert knowledge("status")["states"] == {"removed": 2, "served": 1}


# ------------------------------------------------------------------------- status


def test_status_shows_every_file(ingested: Place) -> None:
    found = ingested.json("status")
    assert found["states"] == {"served": 22, "refused": 2}
    assert found["reasons"] == {"no_policy": 1, "no_text_layer": 1}
    files = {file["path"]: file for file in found["files"]}
    salaries = files["document/nordwind/hr/gehaltsbaender-und-rufbereitschaft-2026.md"]
    assert (salaries["roles"], salaries["clearance"], salaries["language"]) == (["hr"], "confidential", "de")
    assert salaries["passages"] > 0


def test_status_and_the_list_of_releases_hold_no_text(ingested: Place) -> None:
    """They are for those who run the pipeline, and told of in tickets and chats."""
    shown = "".join(
        ingested.run(*command).output for command in (("status",), ("status", "--json"), ("release", "list"))
    )
    hr = ("--role", "hr", "--clearance", "restricted", "-k", "50")
    for question in (PUMP, "Gehaltsbänder und Rufbereitschaft"):
        for hit in ingested.json("search", question, "--tenant", "nordwind", *hr)["hits"]:
            lines = [line.strip() for line in hit["text"].splitlines() if len(line.split()) > 8]
            assert not any(line in shown for line in lines)


def test_status_sees_what_is_not_taken_in_and_writes_nothing(elsewhere: Place) -> None:
    blog = elsewhere.inbox / "blog" / "nordwind"
    original = blog / "2026-03-18-leise-im-hinterhof.md"
    (blog / "copy.md").write_bytes(original.read_bytes())
    changed = blog / "2026-06-24-propan-als-kaeltemittel.md"
    changed.write_text(changed.read_text(encoding="utf-8") + "\nNoch ein Absatz.\n", encoding="utf-8")
    for name in ("learning-out-loud-12.vtt", "learning-out-loud-12.vtt.yaml"):
        (elsewhere.inbox / "podcast" / "lindqvist" / name).unlink()
    for _ in range(2):
        found = elsewhere.json("status", "--state", "not-taken-in")["files"]
        states = {file["path"].rsplit("/")[-1]: file for file in found}
        assert set(states) == {"copy.md", changed.name, "learning-out-loud-12.vtt"}
        assert states["copy.md"]["duplicate_of"].endswith(original.name)
        assert states[changed.name]["served_version"] == 1
        assert states["learning-out-loud-12.vtt"]["pending"] == "deleted"


def test_status_of_a_vanished_source(elsewhere: Place) -> None:
    shutil.rmtree(elsewhere.inbox / "podcast")
    assert elsewhere.json("status", "--source", "podcast")["states"] == {"deletion_held": 3}


@pytest.mark.parametrize("option", [("--source", "video"), ("--state", "lost")])
def test_status_knows_its_words(ingested: Place, option: tuple[str, str]) -> None:
    result = ingested.run("status", *option)
    assert result.exit_code == 2
    assert "one of" in result.stderr


@pytest.mark.parametrize("width", [80, 120, 200])
@pytest.mark.parametrize("command", [("status",), ("demo",), ("release", "list"), ("doctor",)])
def test_tables_fit_and_carry_no_codes(ingested: Place, command: tuple[str, ...], width: int) -> None:
    result = ingested.run(*command, env={"COLUMNS": str(width)})
    assert result.exit_code == 0
    assert max(map(len, result.stdout.splitlines())) <= width
    assert "\x1b" not in result.stdout


# ------------------------------------------------------------------ search and demo


def test_search_cites(ingested: Place) -> None:
    result = ingested.run("search", PUMP, "--tenant", "nordwind", "-k", "1", "--timings")
    assert result.exit_code == 0
    for part in ("20 Litern", "planungshandbuch-waermepumpen.pdf", "page 2", "1 passage from release 1", "embed"):
        assert part in result.stdout


def test_search_as_json(ingested: Place) -> None:
    found = ingested.json("search", PUMP, "--tenant", "nordwind", "-k", "2", "--source", "document")
    assert (found["release"], found["degraded"], len(found["hits"])) == (1, False, 2)
    assert "page 2" in found["hits"][0]["citation"]["text"]


def test_search_knows_the_sources_of_the_lake() -> None:
    assert search.SOURCES == SOURCES


def test_search_shapes_its_hits(ingested: Place) -> None:
    plain = ingested.json("search", PUMP, "--tenant", "nordwind", "-k", "8")["hits"]
    found = ingested.json(
        "search", PUMP, "--tenant", "nordwind", "-k", "8", "--per-document", "1", "--neighbours", "1", "--unique"
    )["hits"]
    documents = [hit["document_id"] for hit in found]
    assert len(documents) == len(set(documents)) > 1
    assert len({hit["document_id"] for hit in plain}) < len(plain)
    assert found[0]["chunk_id"] == plain[0]["chunk_id"]
    assert any(len(hit["parts"]) > 1 for hit in found)
    assert ingested.json("search", PUMP, "--tenant", "nordwind", "--neighbours", "6", code=2)["error"]


def test_search_shows_what_the_principal_may_see(ingested: Place) -> None:
    question = ("search", "Was kostet eine Aquilo 30?", "--tenant", "nordwind")
    path = "document/nordwind/management/preisplan-2027.md"
    hidden = ingested.run(*question)
    seen = ingested.run(*question, "--role", "management", "--clearance", "confidential")
    assert path not in hidden.stdout
    assert path in seen.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "name"),
    [
        (("", "--tenant", "nordwind"), 2, "InvalidQueryError"),
        (("x" * 100_000, "--tenant", "nordwind"), 2, "InvalidQueryError"),
        (("x", "--tenant", "nordwind", "-k", "0"), 2, "InvalidQueryError"),
        (("x", "--tenant", "nordwind", "-k", "10000"), 2, "InvalidQueryError"),
        (("x", "--tenant", "nordwind", "--since", "gestern"), 2, "InvalidRequestError"),
        (("x", "--tenant", "nordwind", "--clearance", "top"), 2, "InvalidRequestError"),
        (("x", "--tenant", ""), 2, "InvalidRequestError"),
        (("x", "--tenant", "nordwind", "--source", "blogs"), 2, "InvalidRequestError"),
        (("x", "--tenant", "nordwind", "--language", "deutsch"), 2, "InvalidRequestError"),
        (("x", "--tenant", "unknown"), 1, "UnknownTenantError"),
        (("x", "--tenant", "nordwind", "--release", "99"), 1, "NoReleaseError"),
    ],
)
def test_search_refuses(ingested: Place, arguments: tuple[str, ...], code: int, name: str) -> None:
    error = ingested.json("search", *arguments, code=code)["error"]
    assert (error["class"], error["transient"]) == (name, False)
    assert "x" * 100 not in error["message"]


def test_search_without_a_database(ingested: Place) -> None:
    result = ingested.run("search", PUMP, "--tenant", "nordwind", "--json", env=NOBODY)
    assert result.exit_code == 75
    assert '"transient": true' in result.stdout
    assert "secret" not in result.output
    assert "Pufferspeicher" not in result.output


@pytest.mark.parametrize(
    "command",
    [("search", PUMP, "--tenant", "nordwind"), ("release", "list"), ("audit", "verify"), ("keys", "list"), ("review",)],
)
def test_a_wrong_home_is_named_and_left_empty(fresh: Place, tmp_path: Path, command: tuple[str, ...]) -> None:
    result = fresh.run(*command, "--home", str(tmp_path / "wrong"))
    assert result.exit_code == 1
    assert f"There is nothing in {tmp_path / 'wrong'} yet" in result.stderr
    assert not (tmp_path / "wrong").exists()


def test_demo_twice_embeds_nothing(ingested: Place) -> None:
    result = ingested.run("demo")
    assert result.exit_code == 0
    for part in ("Refused", "no_text_layer", "00:", "page 2", "Nothing changed: release 1 stays", "website-besucher"):
        assert part in result.stdout


def test_demo_as_json(ingested: Place) -> None:
    found = ingested.json("demo")
    assert (len(found["files"]), len(found["questions"]), found["ingest"]["embedded"]) == (24, 3, 0)
    by_user = {row["principal"]["user"]: row["result"]["hits"] for row in found["access"]}
    paths = {user: {hit["citation"]["path"] for hit in hits} for user, hits in by_user.items()}
    secret = "document/nordwind/management/preisplan-2027.md"
    assert secret in paths["geschaeftsleitung"]
    assert secret not in paths["website-besucher"]


def test_demo_needs_its_questions(elsewhere: Place) -> None:
    result = elsewhere.run("demo")
    assert result.exit_code == 1
    assert "questions.toml" in result.stderr
    (elsewhere.inbox.parent / "questions.toml").write_text("[[question]]\ntext = 'x'\ndemo = true\n")
    assert "'tenant' is missing" in elsewhere.run("demo").stderr


# --------------------------------------------------------------- releases, doctor, db


def test_releases(ingested: Place) -> None:
    found = ingested.json("release", "list")
    assert (found["active"], found["held"], [row["state"] for row in found["releases"]]) == (1, False, ["active"])
    assert ingested.json("release", "promote", "1")["active"] == 1
    assert ingested.json("release", "promote", "7", code=1)["error"]["class"] == "NoReleaseError"
    assert ingested.json("release", "rollback", code=1)["error"]["class"] == "NoReleaseError"
    assert ingested.json("release", "purge", "--keep", "3")["deleted"]["releases"] == 0


def test_only_the_owner_keeps_releases(ingested: Place) -> None:
    reader = {"KNOWLEDGE_DSN": EmbeddedServer.attach(ingested.home).dsn(READER)}
    result = ingested.run("release", "list", env=reader)
    assert result.exit_code == 1
    assert "KNOWLEDGE_OWNER_DSN" in result.stderr
    assert ingested.run("search", PUMP, "--tenant", "nordwind", env=reader).exit_code == 0


def test_doctor_finds_nothing_wrong(ingested: Place) -> None:
    found = ingested.json("doctor")
    assert {check["check"]: check["state"] for check in found["checks"] if check["state"] != "ok"} == {}


def test_doctor_of_a_fresh_home_warns(fresh: Place) -> None:
    states = {check["check"]: check["state"] for check in fresh.json("doctor")["checks"]}
    assert states["model"] == "ok"
    assert {states[name] for name in ("database", "release", "lake", "dagster")} == {"warn"}
    assert not (fresh.home / "db").exists()


def test_doctor_names_what_is_wrong(fresh: Place) -> None:
    (fresh.home / "models").unlink()
    broken = fresh.home / "models" / "e5-small-q4-000000000000"
    broken.mkdir(parents=True)
    found = fresh.run("doctor", "--inbox", str(fresh.home / "none"), "--json", env=NOBODY)
    assert found.exit_code == 1
    assert "secret" not in found.output
    result = fresh.json("doctor", "--inbox", str(fresh.home / "none"), code=1)
    states = {check["check"]: check["state"] for check in result["checks"]}
    assert (states["inbox"], states["model"]) == ("fail", "warn")
    (fresh.home / "settings.toml").write_text("inbxo = 1\n")
    assert fresh.json("doctor", code=1)["checks"][-1] == {
        "check": "settings",
        "state": "fail",
        "sentence": "Unknown setting 'inbxo': did you mean 'inbox'?",
    }


def test_doctor_sees_what_was_left_undone(ingested: Place) -> None:
    journal, keys = Journal(ingested.home / "erasures"), ingested.home / "keys" / "pseudonym.keys"
    intent = new_intent("subject", "ab" * 32, by="ada", now=datetime(2026, 3, 1, tzinfo=UTC))
    journal.save(intent)
    whole = keys.read_text()
    masters = ingested.home / "keys" / "bronze.keys"
    wrapping = masters.read_text()
    PseudonymKeys.add(keys)
    server = EmbeddedServer.attach(ingested.home)
    request = (
        "insert into knowledge.audit (at, request_id, tenant, principal, release, model, k, filters, hits, scores,"
        " timings, degraded) values (now() - interval '4 days', gen_random_uuid(), 0, 'p', 1, 'm', 1, '{}', '{}',"
        " '{}', '{}', false)"
    )
    with psycopg.connect(server.dsn(OWNER), autocommit=True) as connection:
        connection.execute(request)
        try:
            checks = {check["check"]: check for check in ingested.json("doctor", code=1)["checks"]}
            keys.write_text(whole.replace(whole.splitlines()[0], "A" * 43 + "="))
            keys.chmod(0o640)
            masters.write_text("A" * 43 + "=")
            others = {check["check"]: check for check in ingested.json("doctor", code=1)["checks"]}
        finally:
            connection.execute("delete from knowledge.audit where principal = 'p'")
            (ingested.home / "erasures" / f"pending-{intent.number}.json").unlink()
            keys.write_text(whole)
            keys.chmod(0o600)
            masters.write_text(wrapping)

    assert checks["erasures"]["state"] == "fail"
    assert "asked for by ada" in checks["erasures"]["sentence"]
    assert checks["audit seals"]["state"] == "warn"
    assert "days of the audit log not sealed" in checks["audit seals"]["sentence"]
    assert checks["pseudonym keys"]["state"] == "warn"
    assert "have pseudonyms of an older key: run `knowledge ingest`" in checks["pseudonym keys"]["sentence"]
    assert others["pseudonym keys"]["state"] == "fail"
    assert "run `chmod 600" in others["pseudonym keys"]["sentence"]
    assert (checks["bronze keys"]["state"], others["bronze keys"]["state"]) == ("ok", "fail")


def test_doctor_sees_a_table_without_row_level_security(ingested: Place) -> None:
    server = EmbeddedServer.attach(ingested.home)
    with psycopg.connect(server.dsn(OWNER), autocommit=True) as connection:
        connection.execute("create table knowledge.careless (id int)")
        connection.execute(f"grant select on knowledge.careless to {READER}")
        try:
            checks = {check["check"]: check for check in ingested.json("doctor", code=1)["checks"]}
        finally:
            connection.execute("drop table knowledge.careless")
    assert checks["runtime role"]["state"] == "fail"
    assert "knowledge.careless" in checks["runtime role"]["sentence"]


def test_db_facts(ingested: Place) -> None:
    assert (
        ingested.json("db", "init")
        == ingested.json("db", "migrate")
        == {"server": "embedded", "schema": MIGRATIONS[-1]}
    )
    facts = ingested.json("db", "status")
    assert (facts["running"], facts["active_release"], facts["login"]) == (True, 1, OWNER)


def test_db_dsn_starts_nothing(fresh: Place) -> None:
    assert READER in fresh.run("db", "dsn").stdout
    assert OWNER in fresh.json("db", "dsn", "--role", "owner")["dsn"]
    assert fresh.json("db", "status") == {
        "server": "embedded", "data": str(fresh.home / "db" / "data"), "running": False,
    }  # fmt: skip
    assert fresh.json("db", "stop") == {"server": "embedded", "stopped": False}
    assert not (fresh.home / "db").exists()


def test_db_init_on_a_server_of_ones_own(ingested: Place) -> None:
    admin = EmbeddedServer.attach(ingested.home).dsn("postgres", "postgres")
    for _ in range(2):
        result = ingested.json("db", "init", "--admin-dsn", admin, "--database", "another")
        assert result == {"server": "own", "database": "another", "schema": MIGRATIONS[-1]}
    dsn = EmbeddedServer.attach(ingested.home).dsn(READER, "another")
    assert ingested.run("search", "x", "--tenant", "nordwind", env={"KNOWLEDGE_DSN": dsn}).exit_code == 1
    result = ingested.run("db", "stop", env={"KNOWLEDGE_DSN": dsn})
    assert result.exit_code == 1
    assert "server of your own" in result.stderr


# ---------------------------------------------------------------------- as processes


def _line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def test_db_start_runs_until_it_is_told_to_stop(fresh: Place) -> None:
    process = fresh.start("db", "start")
    try:
        assert "runs until Ctrl-C" in _line(process)
        with psycopg.connect(_line(process)) as connection:
            assert connection.execute("select 1").fetchone() == (1,)
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    assert (process.returncode, errors) == (0, "")
    assert not EmbeddedServer(fresh.home).running()


def test_a_closed_pipe_is_quiet(ingested: Place) -> None:
    process = ingested.start("status")
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    errors = process.stderr.read()
    assert (process.wait(60), errors) == (141, "")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_dev_needs_a_free_port(ingested: Place) -> None:
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        result = ingested.run("dev", "--port", str(busy.getsockname()[1]))
    assert result.exit_code == 1
    assert "--port" in result.stderr


@pytest.mark.slow
def test_dev_answers_and_stops_with_all_its_children(make_place: Callable[[], Place]) -> None:
    place = make_place()
    shutil.rmtree(place.inbox / "blog")
    port = _free_port()
    process = place.start("dev", "--port", str(port), "--json")
    try:
        assert process.stderr is not None
        lines = []
        for line in process.stderr:
            lines.append(line)
            if "The UI answers" in line:
                break
        assert lines[-1] == f"The UI answers: http://127.0.0.1:{port}\n"
        second = place.run("dev", "--port", str(_free_port()))
        assert second.exit_code == 1
        assert f"already, with its UI at http://127.0.0.1:{port}: use that one" in second.stderr
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 0, errors
    assert "Traceback" not in errors
    assert not EmbeddedServer(place.home).running()
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0
