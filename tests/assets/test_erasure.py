"""Erasure: nothing of it is found anywhere afterwards, by a search of its own; interrupted, it ends the same."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow.dataset as ds
import pytest

from assets.audit.seals import seal, verify
from assets.bronze.contract import KEYS, SOURCE_FILES
from assets.bronze.files import document_id
from assets.bronze.vault import SealedError
from assets.erasure.erase import Erased, Erasure, Target, UnprovenError
from assets.erasure.journal import Journal, new_intent
from assets.erasure.places import Needles
from assets.erasure.subject import Subject, tokens_of
from assets.erasure.tables import TABLES
from assets.index.publish import differences
from assets.index.standby import write_standby
from assets.lake import Lake
from assets.locks import BusyError, exclusive_lock, shared_lock
from assets.silver.contract import DOCUMENTS, QUARANTINE
from retrieval.embedding import Encoder
from retrieval.errors import InvalidRequestError
from retrieval.standby import Snapshot
from tests.assets.mill import NOW, Mill, new_mill
from tests.support import Databases, Index

MARK = "Zitronenfalter"
MAIL = "quirin.feuerfalter@example.org"
NAME = "Quirin Feuerfalter"
FIRST = f"# Akte\n\nDer {MARK} fliegt im Frühjahr über die Wiesen am Fluss.\n"
OTHER = "# Anderes\n\nDie Wärmepumpe läuft auch im Winter leise und ohne Störung.\n"
STEPS = (
    "list",
    "bronze",
    "keys",
    "silver",
    "gold",
    "history",
    "index",
    "feedback",
    "database",
    "standby",
    "places",
    "prove",
    "certify",
)
"""Names that `Erasure` tells before each step."""


@pytest.fixture(scope="module")
def baseline(
    databases: Databases, models_dir: Path, encoder: Encoder, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Mill, str]:
    """Three releases of a small inbox, and the name of their database."""
    assert encoder.fingerprint.id
    mill, name = new_mill(tmp_path_factory.mktemp("erasure"), models_dir, databases)
    mill.put("document/akte.md", FIRST)
    mill.put("document/kopie/akte.md", FIRST)
    mill.put("blog/bleibt.md", OTHER)
    mill.put("blog/leute.md", f"# Leute\n\n{NAME} ist unter {MAIL} zu erreichen, wenn es brennt.\n")
    mill.put("podcast/verweigert.md", f"Auch hier steht {MAIL}.", policy="tenant: [")
    mill.run()
    mill.put("document/akte.md", FIRST + "\nEin zweiter Absatz kam später hinzu und nennt keinen Falter.\n")
    mill.put("document/kopie/akte.md", OTHER)
    mill.put("blog/leute.md", "# Leute\n\nNiemand ist zu erreichen.\n")
    mill.run()
    (mill.inbox / "document/akte.md").unlink()
    mill.run()
    return mill, name


def erase(mill: Mill, **target: str) -> Erased:
    return Erasure(mill.stores(), Target(**target), by="somebody").run()


def everything(mill: Mill, index: Index, databases: Databases) -> Iterator[tuple[str, bytes]]:
    """Where something could be, and what is there: files as they are, tables decoded, rows of every table."""
    for path in sorted(mill.home.rglob("*")):
        if path.is_file() and not path.is_relative_to(mill.home / "models"):
            yield str(path.relative_to(mill.root)), path.read_bytes()
            if path.suffix == ".parquet":
                yield f"{path.name} decoded", repr(ds.dataset(path).to_table().to_pylist()).encode()
    for row in mill.stores().vault.open(Lake(mill.home / "lake").read(SOURCE_FILES).to_pylist()):
        yield f"bytes of {row['path']}", row["content"] or b""
    tables = index.owner.execute(
        "select n.nspname || '.' || c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace"
        " where c.relkind in ('r', 'm') and n.nspname !~ '^pg_toast' and n.nspname <> 'information_schema'"
    ).fetchall()
    with databases.admin(index.name) as admin:
        for (table,) in tables:
            rows = admin.execute(f"select t::text from {table} t".encode()).fetchall()
            yield table, "\n".join(row[0] or "" for row in rows).encode()
        oid = admin.execute("select oid from pg_database where datname = %s", [index.name]).fetchone()
        admin.execute("checkpoint")
    assert oid is not None
    for path in sorted((index.server.data / "base" / str(oid[0])).iterdir()):
        yield f"base/{path.name}", path.read_bytes()


def found(mill: Mill, index: Index, databases: Databases, *needles: str) -> list[str]:
    wanted = [needle.encode() for needle in needles]
    return [
        place for place, content in everything(mill, index, databases) if any(needle in content for needle in wanted)
    ]


def state(mill: Mill, index: Index) -> dict[str, Any]:
    """Lake and index as values that two homes share; keys by who has them, bytes as they open."""
    stores = mill.stores()
    tables: dict[str, Any] = {}
    for contract in TABLES:
        rows = stores.lake.read(contract).to_pylist()
        rows = stores.vault.open(rows) if contract is SOURCE_FILES else rows
        hidden = {"wrapped", "master", "erasure", "digest", "embedding"}
        tables[contract.name] = sorted(repr({k: v for k, v in row.items() if k not in hidden}) for row in rows)
    tables["files"] = sorted(path.name for path in (mill.home / "cache").glob("*"))
    return tables | index.contents()


def test_the_baseline_holds_what_is_erased_below(make: Callable[[], tuple[Mill, Index]], databases: Databases) -> None:
    mill, index = make()
    token = min(tokens_of(MAIL, [mill.stores().pseudonyms.of_tenant("acme")]))

    places = " ".join(found(mill, index, databases, MARK, "document/akte.md"))
    for place in ("_delta_log", "decoded", "bytes of", "space_1.chunk", "space_1.document", "base/"):
        assert place in places, f"the search would not find it in {place}"
    assert any("space_1.posting" in place for place in found(mill, index, databases, MARK.lower()[:8]))
    assert not [place for place in found(mill, index, databases, MAIL) if not place.startswith("bytes of")]
    assert any("decoded" in place for place in found(mill, index, databases, token))


def test_a_document_is_found_nowhere_afterwards(make: Callable[[], tuple[Mill, Index]], databases: Databases) -> None:
    mill, index = make()
    copies = Lake(mill.home / "lake").read(SOURCE_FILES).to_pylist()
    id_ = document_id("document/akte.md")
    cached = mill.home / "cache" / "somewhere.json"
    cached.parent.mkdir(exist_ok=True)
    cached.write_text(json.dumps({"document/akte.md": [1, 2]}))

    outcome = erase(mill, document="document/akte.md")

    assert [(item.path, item.event) for item in outcome.items] == [
        ("document/akte.md", 1), ("document/akte.md", 2), ("document/kopie/akte.md", 1)
    ]  # fmt: skip
    hashes = {row["sha256"] for row in copies if row["document_id"] == id_}
    traces = [MARK, MARK.lower(), "zweiter Absatz", "document/akte.md", id_, *hashes]
    assert found(mill, index, databases, *traces) == []
    for row in copies:
        if row["document_id"] == id_ and row["content"]:
            with pytest.raises(SealedError, match="is gone"):
                mill.stores().vault.open([row])


def test_a_person_is_found_nowhere_afterwards(make: Callable[[], tuple[Mill, Index]], databases: Databases) -> None:
    mill, index = make()
    tokens = tokens_of(MAIL, [mill.stores().pseudonyms.of_tenant("acme")])
    assert len(tokens) == 1

    outcome = erase(mill, subject=MAIL.upper())

    assert [(item.path, item.event) for item in outcome.items] == [("blog/leute.md", 1), ("podcast/verweigert.md", 1)]
    (token,) = tokens
    assert found(mill, index, databases, MAIL, NAME, token, token.strip("<>").lower()) == []
    left = {row["path"]: row["event"] for row in Lake(mill.home / "lake").read(DOCUMENTS).to_pylist()}
    assert left["blog/leute.md"] == 2, "a version that does not name the person stays"
    assert outcome.certificate is not None
    text = outcome.file.read_text() if outcome.file else ""
    assert MAIL not in text.lower()
    assert NAME not in text


def stopped(mill: Mill, step: str, **target: str) -> None:
    """Begin an erasure that fails in front of a step."""

    def stop(name: str) -> None:
        if name == step:
            raise RuntimeError(step)

    with pytest.raises(RuntimeError, match=step):
        Erasure(mill.stores(), Target(**target), by="somebody", on_step=stop).run()
    assert len(Journal(mill.home / "erasures").pending()) == 1


def test_an_erasure_that_is_interrupted_anywhere_ends_in_the_same_state(
    make: Callable[[], tuple[Mill, Index]],
) -> None:
    target = {"document": "document/akte.md"}
    calm, calm_index = make()
    erase(calm, **target)
    expected = state(calm, calm_index)

    for step in STEPS[1::2]:  # every step in the test below; a process killed anywhere in `benchmarks.drill`
        mill, index = make()
        stopped(mill, step, **target)

        assert erase(mill, **target).resumed

        assert state(mill, index) == expected, f"interrupted before {step}"
        assert Journal(mill.home / "erasures").pending() == []


def test_an_erasure_that_is_interrupted_again_and_again_ends_in_the_same_state(
    make: Callable[[], tuple[Mill, Index]],
) -> None:
    calm, calm_index = make()
    erase(calm, subject=MAIL)
    mill, index = make()

    for step in STEPS:
        stopped(mill, step, subject=MAIL)
    outcome = erase(mill, subject=MAIL)

    assert state(mill, index) == state(calm, calm_index)
    assert outcome.certificate is not None
    assert outcome.certificate.attempts == len(STEPS) + 1
    calm_files = list((calm.home / "erasures").glob("certificate-*.json"))
    assert outcome.certificate.removed == json.loads(calm_files[0].read_text())["removed"]


def test_comments_are_emptied_with_their_days_sealed_once_more_and_graphs_are_there_again(
    make: Callable[[], tuple[Mill, Index]], databases: Databases
) -> None:
    mill, index = make()
    key = mill.stores().seal_key
    comments = {1: f"Fragt {NAME.upper()}.", 2: "Alles gut.", 3: f"Fragt {NAME}."}
    for days, comment in comments.items():
        index.owner.execute(
            "insert into knowledge.feedback (at, request_id, tenant, principal, outcome, comment)"
            " values (%s, gen_random_uuid(), 1, 'p', 'wrong', %s)",
            [mill.now - timedelta(days=days), comment],
        )
    seal(index.owner, key, now=mill.now)
    index.owner.execute("update knowledge.feedback set outcome = 'answered' where comment = %s", [comments[3]])
    assert Erasure(mill.stores(), Target(subject=NAME), by="somebody").look().comments == 2

    index.owner.execute("create index chunk_1_hnsw on space_1.chunk_1 using hnsw (embedding halfvec_cosine_ops)")
    graphs = "select indexname, indexdef from pg_indexes where tablename = 'chunk_1' order by 1"
    before = index.owner.execute(graphs).fetchall()

    stopped(mill, "database", subject=NAME)
    index.owner.execute("drop index space_1.chunk_1_hnsw")  # as if it had been killed before it made it again
    outcome = erase(mill, subject=NAME)

    assert index.owner.execute(graphs).fetchall() == before
    assert outcome.certificate is not None
    assert outcome.certificate.removed["comments of feedback"] == 2
    left = index.owner.execute("select comment from knowledge.feedback order by at").fetchall()
    assert left == [(None,), ("Alles gut.",), (None,)]
    assert found(mill, index, databases, NAME, NAME.upper()) == []
    verdict = verify(index.owner, key)
    tampered = (mill.now - timedelta(days=3)).date()
    assert [problem.day for problem in verdict.problems] == [tampered], "an erasure covers nothing up"
    assert verdict.amended == 1


def test_what_was_erased_is_refused_when_it_comes_back(make: Callable[[], tuple[Mill, Index]]) -> None:
    mill, _ = make()
    erase(mill, document="document/akte.md")
    mill.put("document/anderswo/neu.md", FIRST)
    mill.put("document/akte.md", OTHER)

    mill.run()

    stores = mill.stores()
    refused = stores.lake.read(QUARANTINE).to_pylist()
    assert [(row["path"], row["reason"]) for row in refused if row["reason"] == "erased"] == [
        ("document/anderswo/neu.md", "erased")
    ]
    served = {row["path"] for row in stores.lake.read(DOCUMENTS).to_pylist()}
    assert "document/akte.md" in served, "other content may come to the same path"
    assert mill.run() == mill.run()
    with stores.connect() as connection:
        from assets.index.desired import read_desired

        assert not differences(
            connection, read_desired(stores.lake, stores.ledger(), now=mill.now), space=1, now=mill.now
        )


def test_a_newest_version_that_goes_does_not_bring_back_the_one_before(make: Callable[[], tuple[Mill, Index]]) -> None:
    mill, _ = make()
    mill.put("blog/leute.md", f"# Leute\n\nWieder da: {MAIL}.\n")
    mill.run()
    erase(mill, subject=MAIL)

    stores = mill.stores()
    assert document_id("blog/leute.md") not in stores.ledger().current.index
    assert stores.ledger().unfinished().empty
    mill.run()
    reasons = {row["path"]: row["reason"] for row in stores.lake.read(QUARANTINE).to_pylist()}
    assert reasons["blog/leute.md"] == "erased"


def test_snapshots_of_the_standby_are_written_anew(make: Callable[[], tuple[Mill, Index]]) -> None:
    mill, index = make()
    (mill.root / "standby").mkdir()
    mill.put("blog/bleibt-nicht.md", FIRST.replace("Akte", "Falter"))
    mill.run()
    stores = mill.stores()
    folder = mill.root / "standby"
    write_standby(index.owner, folder, stores.standby_key, now=mill.now)
    (path,) = folder.iterdir()

    def titles() -> list[str]:
        return sorted(str(one["title"]) for one in Snapshot.load(path, stores.standby_key).documents.values())

    assert "Falter" in titles()
    outcome = erase(mill, document="blog/bleibt-nicht.md")
    assert "Falter" not in titles()
    assert "Leute" in titles(), "what stays is there at once"
    assert outcome.certificate is not None
    assert "snapshots of the standby" in {check.name for check in outcome.certificate.checks}


def test_a_dry_run_changes_nothing(make: Callable[[], tuple[Mill, Index]]) -> None:
    mill, index = make()
    before = state(mill, index)

    outcome = Erasure(mill.stores(), Target(subject=MAIL)).look()

    assert (len(outcome.items), outcome.certificate) == (2, None)
    after = state(mill, index)
    assert {name for name in after if after[name] != before[name]} <= {KEYS.name}, "a key for the list may be made"


def test_nothing_to_erase_is_said_and_not_certified(make: Callable[[], tuple[Mill, Index]]) -> None:
    mill, _ = make()

    for outcome in (erase(mill, document="blog/nie.md"), erase(mill, subject="Niemand Nirgendwo")):
        assert (outcome.items, outcome.passages, outcome.certificate) == ((), 0, None)
    assert not (mill.home / "erasures").exists()


def test_a_proof_that_finds_something_gives_no_certificate(make: Callable[[], tuple[Mill, Index]]) -> None:
    mill, _ = make()
    (mill.home / "lake" / "notes.txt").write_text(f"{MAIL} was asked to be erased")

    with pytest.raises(UnprovenError, match="files of the lake"):
        erase(mill, subject=MAIL)

    assert len(Journal(mill.home / "erasures").pending()) == 1
    (mill.home / "lake" / "notes.txt").unlink()
    assert erase(mill, subject=MAIL).certificate is not None


def test_an_erasure_waits_for_runs_and_runs_wait_for_it(make: Callable[[], tuple[Mill, Index]]) -> None:
    mill, _ = make()
    stores = mill.stores()

    with (
        shared_lock(stores.connect),
        shared_lock(stores.connect),
        pytest.raises(BusyError, match="under way"),
        exclusive_lock(stores.connect, wait_s=0.1),
    ):
        pass
    with (
        exclusive_lock(stores.connect),
        pytest.raises(BusyError, match="under way"),
        shared_lock(stores.connect, wait_s=0.1),
    ):
        pass


def test_the_certificate_is_sealed(make: Callable[[], tuple[Mill, Index]]) -> None:
    mill, _ = make()
    outcome = erase(mill, document="document/akte.md")
    assert outcome.certificate is not None
    assert outcome.file is not None

    assert outcome.certificate.seal == mill.stores().vault.digester("erasures")(outcome.certificate.body())
    written = json.loads(outcome.file.read_text())
    assert all(check["found"] == 0 for check in written["checks"])
    assert {check["name"] for check in written["checks"]} >= {
        "rows of bronze/source_files", "data keys", "files of the lake", "space_1.chunk", "space_1.posting"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("subject", "text"),
    [
        ("Quirin Feuerfalter", "Gruß, QUIRIN  FEUERFALTER"),
        ("Quirin Feuerfalter", "Feuerfalter, Quirin"),
        ("Quirin Feuerfalter", "Quirin Feuerfalters Hut"),
        ("Quirin Feuerfalter", "**Quirin** Feuer\u00adfalter".replace("\u00ad", "")),
        ("Eva Maria Groß", "Gross, Eva Maria"),
        ("Jürgen Müller", "Juergen Mueller"),
        ("Jürgen Müller", "JU\u0308RGEN MU\u0308LLER"),
        ("Juergen Mueller", "Jürgen Müller"),
        ("Jürgen Müller", "Jurgen Muller"),
        ("kim@example.org", "mailto:Kim@Example.org"),
        ("DE89 3704 0044 0532 0130 00", "IBAN de89370400440532013000."),
        ("DE89370400440532013000", "DE89 3704 0044 0532 0130 00"),
        ("0170/1234567", "0170 123 45 67"),
    ],
)
def test_spellings_of_a_subject(subject: str, text: str) -> None:
    assert Subject(subject).holds(text)


@pytest.mark.parametrize(
    ("subject", "text"),
    [
        ("Jan Meer", "Das Januar Meer"),
        ("Jan Meer", "Jan fährt ans Mittelmeer"),
        ("1234567", "912345678"),
        ("kim@example.org", "tim@example.org"),
    ],
)
def test_what_only_looks_like_the_subject(subject: str, text: str) -> None:
    assert not Subject(subject).holds(text)


@pytest.mark.parametrize("target", [{}, {"document": "a", "subject": "bbbb"}, {"subject": " a-b "}])
def test_a_target_is_one_thing_that_can_be_told_apart(target: dict[str, str]) -> None:
    with pytest.raises(InvalidRequestError):
        Target(**target)


def test_a_path_that_names_the_subject_is_searched_for_as_it_is_written() -> None:
    intent = new_intent("subject", "0" * 64, by="somebody", now=NOW)
    intent.paths = {"blog/feuerfalter-quirin.md", "blog/Über Quirin Feuerfalter.md", "blog/andere.md"}

    needles = Needles.of(intent, Subject(NAME))

    assert b"blog/feuerfalter-quirin.md" in needles.own_bytes
    assert rb"blog/\u00dcber Quirin Feuerfalter.md" in needles.all_bytes
    assert not any(b"andere" in needle for needle in needles.all_bytes)
