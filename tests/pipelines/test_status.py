"""States of files, worked out from tables written by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import pytest

from assets.bronze.changes import NO_BYTES_SHA256, Access, Change, Held, Intake
from assets.bronze.files import document_id
from assets.ledger import Ledger
from assets.silver.sketch import sketch
from pipelines.cli.files import notes
from pipelines.status import STATES, Cut, FileState, Remarks, count_by, file_states, remarks_of

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
PATH = "blog/a.md"
ACCESS = Access("nordwind", ("everyone",), "public")


def _row(path: str = PATH, event: int = 1, kind: str = "content", **values: Any) -> dict[str, Any]:
    """A row of bronze's log."""
    return {
        "date": "2026-03-01",
        "source": path.split("/")[0],
        "document_id": document_id(path),
        "event": event,
        "kind": kind,
        "version": event,
        "path": path,
        "sha256": f"{path}{event}",
        "tenant": "nordwind",
        "roles": ["everyone"],
        "clearance": "public",
        "ttl_days": None,
        "refresh": None,
        "purged_at": None,
        "defaults": "{}",
        "rules": "{}",
        "policy_error": None,
        "received_at": pd.Timestamp(NOW - timedelta(days=10 - event)),
    } | values


def _ledger(rows: Sequence[dict[str, Any]], states: Mapping[tuple[str, int], str]) -> Ledger:
    log = pd.DataFrame(rows, columns=list(_row()))
    events = log.loc[log.kind == "content", ["date", "source", "document_id", "event", "version", "path"]].copy()
    events["state"] = [
        states.get((path, event), "ready") for path, event in zip(events.path, events.event, strict=True)
    ]
    events["stale"] = False
    return Ledger(log, events)


def _states(
    rows: Sequence[dict[str, Any]] = (),
    *,
    progress: Mapping[tuple[str, int], str] | None = None,
    plan: Intake | None = None,
    quarantine: Sequence[dict[str, Any]] = (),
    cuts: Mapping[tuple[str, int], Cut] | None = None,
    released: Mapping[str, int] | None = None,
) -> dict[str, FileState]:
    """States by path; `cuts` and `released` are keyed by path."""
    found = file_states(
        _ledger(rows, progress or {}),
        {"blog": plan or Intake(())},
        quarantine,
        {(document_id(path), event): cut for (path, event), cut in (cuts or {}).items()},
        {document_id(path): version for path, version in (released or {}).items()},
        now=NOW,
    )
    assert [state.path for state in found] == sorted(state.path for state in found)
    return {state.path: state for state in found}


def _change(path: str, kind: str, event: int = 1, **values: Any) -> Change:
    facts = {
        "kind": kind, "document_id": document_id(path), "path": path, "source": "blog", "event": event,
        "version": event, "sha256": f"{path}{event}", "size": 1, "media_type": "text/markdown", "access": ACCESS,
    }  # fmt: skip
    return Change(**(facts | values))


def test_nothing_known_nothing_shown() -> None:
    assert _states() == {}


def test_a_served_file_has_its_facts() -> None:
    state = _states([_row()], cuts={(PATH, 1): Cut(4, "de")}, released={PATH: 1})[PATH]
    assert (state.state, state.source, state.version, state.served_version) == ("served", "blog", 1, 1)
    assert (state.tenant, state.roles, state.clearance) == ("nordwind", ("everyone",), "public")
    assert (state.passages, state.language, state.expires_at, state.sentence) == (4, "de", None, None)
    assert state.received_at == NOW - timedelta(days=9)


@pytest.mark.parametrize("progress", ["received", "parsed", "chunked", "ready"])
def test_what_the_release_lacks_is_on_its_way(progress: str) -> None:
    assert _states([_row()], progress={(PATH, 1): progress})[PATH].state == "on_its_way"


def test_a_new_version_on_its_way_leaves_the_old_one_served() -> None:
    state = _states(
        [_row(), _row(event=2)],
        progress={(PATH, 2): "parsed"},
        cuts={(PATH, 1): Cut(4, "de")},
        released={PATH: 1},
    )[PATH]
    assert (state.state, state.version, state.served_version, state.passages) == ("on_its_way", 2, 1, 4)


def _refusal(path: str = PATH, event: int = 1) -> dict[str, Any]:
    return {
        "file_id": document_id(path), "part": None, "event": event, "reason": "empty", "sentence_de": "Kein Text.",
        "sentence_en": "No text.", "detail": None,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("defaults", "sentence"),
    [
        ("{}", "No text."),
        ('{"language": "en"}', "No text."),
        ('{"language": "de"}', "Kein Text."),
        ('{"language": "en", "sidecar": {"language": "de-AT"}}', "Kein Text."),
    ],
)
def test_refusals_speak_the_language_of_the_file(defaults: str, sentence: str) -> None:
    state = _states([_row(defaults=defaults)], progress={(PATH, 1): "refused"}, quarantine=[_refusal()])[PATH]
    assert (state.state, state.reason, state.sentence, state.passages) == ("refused", "empty", sentence, 0)


def test_a_refusal_says_what_exactly_was_found() -> None:
    rows = [_refusal() | {"detail": "page 2"}]
    assert _states([_row()], progress={(PATH, 1): "refused"}, quarantine=rows)[PATH].sentence == "No text. (page 2)"


def test_what_was_noticed_in_the_parts_of_a_file_is_told_once() -> None:
    rows = [
        {"file_id": "f", "event": 2, "part": part, "notes": notes, "findings": findings}
        for part, notes, findings in (
            ("b", ["read as cp1252", "2 pictures were left out"], None),
            (None, ["read as cp1252"], [{"kind": "override"}, {"kind": "override"}]),
        )
    ]
    noticed = remarks_of(rows)[("f", 2)]
    assert noticed == Remarks(("read as cp1252", "2 pictures were left out"), ("override",))
    shown = notes(replace(FileState(PATH, "blog", "served"), notes=noticed.notes * 2, flagged=noticed.flagged))
    assert shown == (
        "flagged: it speaks to a model (override), read as cp1252, 2 pictures were left out, read as cp1252,"
        " and 1 more note"
    )


def test_an_attachment_that_cannot_be_read_has_a_line_of_its_own() -> None:
    rows = [_refusal() | {"part": "scan.pdf", "reason": "no_text_layer", "detail": "2 pages without text"}]
    states = _states([_row()], progress={(PATH, 1): "ready"}, quarantine=rows)
    part = states[f"{PATH} » scan.pdf"]
    assert (states[PATH].state, states[PATH].reason) == ("on_its_way", None)
    assert (part.state, part.reason, part.passages) == ("refused", "no_text_layer", 0)


def test_an_older_refusal_says_nothing_about_today() -> None:
    state = _states([_row(), _row(event=2)], progress={(PATH, 1): "refused"}, quarantine=[_refusal()])[PATH]
    assert (state.state, state.reason) == ("on_its_way", None)


@pytest.mark.parametrize(("days", "state"), [(9, "expired"), (10, "served")])
def test_time_to_live_counts_from_the_day_of_receipt(days: int, state: str) -> None:
    found = _states([_row(ttl_days=days)], released={PATH: 1})[PATH]
    assert (found.state, found.expires_at) == (state, NOW + timedelta(days=days - 9))


def test_access_comes_from_the_newest_row() -> None:
    rows = [_row(ttl_days=1), _row(event=2, kind="access", version=1, roles=["hr"], clearance="internal")]
    state = _states(rows, released={PATH: 1})[PATH]
    assert (state.state, state.roles, state.clearance, state.expires_at) == ("served", ("hr",), "internal", None)


def test_removed_files_stay_listed() -> None:
    state = _states([_row(), _row(event=2, kind="removed", version=1)])[PATH]
    assert (state.state, state.served_version, state.passages) == ("removed", None, 0)


@pytest.mark.parametrize(
    ("rows", "change", "pending"),
    [
        ([], _change(PATH, "content"), "new"),
        ([_row(), _row(event=2, kind="removed")], _change(PATH, "content", 3), "new"),
        ([_row()], _change(PATH, "content", 2), "changed"),
        ([_row()], _change(PATH, "access", 2), "access changed"),
        ([_row()], _change(PATH, "removed", 2), "deleted"),
    ],
)
def test_what_the_inbox_holds_beyond_bronze(rows: list[dict[str, Any]], change: Change, pending: str) -> None:
    state = _states(rows, plan=Intake((change,)))[PATH]
    assert (state.state, state.pending, state.version) == ("not_taken_in", pending, change.version)


def test_a_changed_file_is_refused_no_longer() -> None:
    state = _states(
        [_row()],
        progress={(PATH, 1): "refused"},
        quarantine=[_refusal()],
        plan=Intake((_change(PATH, "content", 2),)),
    )[PATH]
    assert (state.state, state.reason, state.sentence) == ("not_taken_in", None, None)


def test_held_deletions() -> None:
    state = _states([_row()], plan=Intake((), withheld=(PATH,)), released={PATH: 1})[PATH]
    assert (state.state, state.served_version) == ("deletion_held", 1)


@pytest.mark.parametrize("reason", ["unsettled", "unreadable"])
def test_held_files_known_and_unknown(reason: Any) -> None:
    found = _states([_row()], plan=Intake((), held=(Held(PATH, reason), Held("blog/new.md", reason))))
    assert {path: state.state for path, state in found.items()} == {PATH: reason, "blog/new.md": reason}


def test_a_held_folder_holds_what_is_known_in_it() -> None:
    rows = [_row("blog/in/a.md"), _row("blog/in/b.md"), _row("blog/in/b.md", 2, "removed"), _row("blog/inner.md")]
    plan = Intake((), held=(Held("blog/in", "unreadable"), Held("blog/locked", "unreadable")))
    found = _states(rows, plan=plan, released={"blog/inner.md": 1})
    assert {path: state.state for path, state in found.items()} == {
        "blog/in/a.md": "unreadable",
        "blog/in/b.md": "removed",
        "blog/inner.md": "served",
        "blog/locked": "unreadable",
    }


def test_duplicates_point_at_the_first_path() -> None:
    rows = [
        _row("blog/a.md", sha256="x"),
        _row("blog/b.md", sha256="x"),
        _row("blog/0.md", sha256="x"),
        _row("blog/0.md", 2, "removed", sha256="x"),
        _row("blog/d.md", sha256=NO_BYTES_SHA256),
        _row("blog/e.md", sha256=NO_BYTES_SHA256),
    ]
    found = _states(rows, plan=Intake((_change("blog/c.md", "content", sha256="x"),)))
    assert {path: state.duplicate_of for path, state in found.items() if state.duplicate_of} == {
        "blog/b.md": "blog/a.md",
        "blog/c.md": "blog/a.md",
    }


def test_files_of_nearly_the_same_text_are_flagged() -> None:
    words = [f"wort{number}" for number in range(300)]
    texts = {"blog/a.md": words, "blog/b.md": [*words[:200], "neu", *words[200:]], "blog/c.md": words[::-1]}
    sketches = {(document_id(path), 1): sketch(" ".join(text)) or b"" for path, text in texts.items()}
    rows = [_row(path) for path in texts]

    found = file_states(_ledger(rows, {}), {}, (), {}, {}, now=NOW, sketches=sketches)

    assert [state.near_duplicate_of for state in found] == [None, "blog/a.md", None]


def test_counts_are_sorted() -> None:
    assert list(count_by(["b", None, "a", "c", "c"]).items()) == [("c", 2), ("a", 1), ("b", 1)]
    assert len(set(STATES)) == len(STATES)
