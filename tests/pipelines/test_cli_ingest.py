"""What the command says of an ingestion, by the report of one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pipelines.cli import output
from pipelines.cli.frame import OK, RUN_FAILED
from pipelines.cli.ingest import Ingested, ingest_row, release_sentence, show_ingest
from pipelines.ingest import IngestReport, RunOutcome
from pipelines.status import FileState

REPORT = IngestReport(
    unchanged=False,
    received={"content": 2, "access": 0, "removed": 1},
    embedded=7,
    reused=3,
    release=4,
    created=True,
    active=4,
    held=False,
    changes={"passages_added": 7},
    runs=(RunOutcome("2026-03-01|blog", "run-1", True), RunOutcome("publish", "run-2", True)),
    unsettled=(),
    unreadable=(),
    withheld={},
    seconds={"look": 0.25, "publish": 1.5, "total": 2.0},
)
REFUSED = FileState(
    "blog/a.md", "blog", "refused", language="de", reason="empty", sentence_de="Kein Text.", sentence_en="No text."
)


def _shown(done: Ingested, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("COLUMNS", "120")
    console = output.console()
    with console.capture() as captured:
        show_ingest(console, done)
    return captured.get()


def test_a_run_that_came_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    done = Ingested(REPORT, [REFUSED])
    assert (done.code, done.problems) == (OK, [])
    text = _shown(done, monkeypatch)
    for part in (
        "2 new or changed, 1 removed files",
        "7 embedded, 3 vectors reused",
        "release 4 is written and served",
    ):
        assert part in text
    assert "Kein Text." in text
    assert ingest_row(done)["refused"] == [
        {"path": "blog/a.md", "reason": "empty", "sentence": "Kein Text.", "language": "de"}
    ]


def test_a_run_that_failed_gives_its_sentences() -> None:
    failed = RunOutcome("2026-03-01|blog", "run-1", False, ("check gold/chunks contract: 1 row is wrong",))
    silent = RunOutcome("publish", "run-2", False)
    done = Ingested(replace(REPORT, runs=(failed, silent)), [])
    assert done.code == RUN_FAILED
    assert done.problems[0] == "2026-03-01|blog: check gold/chunks contract: 1 row is wrong"
    assert done.problems[1].startswith("publish: the run did not end")


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({}, "release 4 is written and served"),
        ({"created": False}, "release 4 stays: nothing that readers see has changed"),
        ({"release": None, "active": None, "created": False}, "nothing is published yet"),
        ({"active": 3}, "release 4 is written and not served: release 3 is"),
        ({"active": None}, "release 4 is written and not served: no release is"),
        (
            {"active": 3, "held": True},
            "release 4 waits behind 3 since a rollback; `knowledge release promote 4` serves it",
        ),
    ],
)
def test_what_became_of_the_release(changes: dict[str, object], sentence: str) -> None:
    assert release_sentence(replace(REPORT, **changes)) == sentence  # type: ignore[arg-type]


def test_what_was_left_is_listed_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    paths = tuple(f"podcast/{number:02d}.vtt" for number in range(25))
    report = replace(
        REPORT,
        unchanged=True,
        unsettled=("blog/new.md",),
        unreadable=("blog/locked.md", "blog/too"),
        withheld={"podcast": paths},
    )
    text = _shown(Ingested(report, []), monkeypatch)
    for part in ("1 file changed while", "2 files may not be read", "25 deletions in podcast", "--confirm-deletions"):
        assert part in text
    assert "podcast/19.vtt" in text
    assert "podcast/20.vtt" not in text
    assert "… and 5 more" in text
    assert "Nothing changed: release 4 stays, nothing embedded. (2.0 s)" in text
