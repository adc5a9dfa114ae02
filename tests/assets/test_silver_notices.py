"""Notes beside refused files come, change and go with them, and never leave the inbox."""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from assets.bronze.scan import Found, scan
from assets.silver import refusal
from assets.silver.notices import MARK, note_name, note_text, sync_notices
from assets.silver.refusal import REASONS
from assets.silver.refusal_german import detail_in_german

NOTE = f"{MARK}: blog/a.md\n\nWarum.\n"


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    folder = tmp_path / "inbox"
    (folder / "blog" / "x").mkdir(parents=True)
    (folder / "blog" / "a.md").write_text("Text")
    return folder


def notes(inbox: Path) -> dict[str, str]:
    return {str(path.relative_to(inbox)): path.read_text() for path in inbox.rglob("_rejected/*")}


def test_notes_come_change_and_go(inbox: Path) -> None:
    done = sync_notices(inbox, {"blog": {"a.md.txt": NOTE}, "blog/x": {"b.md.txt": NOTE}, "": {"c.md.txt": NOTE}})
    assert (done.written, done.removed, done.kept, done.failed) == (3, 0, 0, ())
    assert set(notes(inbox)) == {"blog/_rejected/a.md.txt", "blog/x/_rejected/b.md.txt", "_rejected/c.md.txt"}

    stamp = (inbox / "blog/_rejected/a.md.txt").stat()
    done = sync_notices(inbox, {"blog": {"a.md.txt": NOTE}, "blog/x": {"b.md.txt": NOTE + "!"}})
    assert (done.written, done.removed, done.kept) == (1, 1, 1)
    assert (inbox / "blog/_rejected/a.md.txt").stat() == stamp
    assert notes(inbox)["blog/x/_rejected/b.md.txt"] == NOTE + "!"
    assert not (inbox / "_rejected").exists()

    done = sync_notices(inbox, {})
    assert (done.written, done.removed, done.kept) == (0, 2, 0)
    assert sorted(str(path.relative_to(inbox)) for path in inbox.rglob("*")) == ["blog", "blog/a.md", "blog/x"]


def test_files_of_people_stay_and_are_not_overwritten(inbox: Path) -> None:
    mine = inbox / "blog" / "_rejected"
    mine.mkdir()
    (mine / "a.md.txt").write_text("mine")
    (mine / "old.docx").write_text("mine, too")

    done = sync_notices(inbox, {"blog": {"a.md.txt": NOTE}})

    assert done.failed == ("blog: _rejected/a.md.txt is a file of somebody else",)
    assert notes(inbox) == {"blog/_rejected/a.md.txt": "mine", "blog/_rejected/old.docx": "mine, too"}
    sync_notices(inbox, {})
    assert len(notes(inbox)) == 2


def test_links_lead_nowhere(inbox: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept.txt").write_text(NOTE)
    (inbox / "blog" / "_rejected").symlink_to(outside, target_is_directory=True)
    (inbox / "blog" / "y").symlink_to(outside, target_is_directory=True)
    (inbox / "blog" / "x" / "_rejected").mkdir()
    (inbox / "blog" / "x" / "_rejected" / "b.md.txt").symlink_to(outside / "kept.txt")

    done = sync_notices(inbox, {folder: {"b.md.txt": NOTE} for folder in ("blog", "blog/x", "blog/y", "../outside")})

    assert sorted(name.partition(":")[0] for name in done.failed) == ["../outside", "blog", "blog/x", "blog/y"]
    assert [path.name for path in outside.iterdir()] == ["kept.txt"]
    assert (outside / "kept.txt").read_text() == NOTE


def test_a_folder_that_may_not_be_written_is_named_and_no_error(inbox: Path) -> None:
    if os.geteuid() == 0:
        # root may write anywhere, so a file stands in the way of the folder instead
        (inbox / "blog" / "_rejected").write_text("")
    else:
        (inbox / "blog").chmod(0o555)
    done = sync_notices(inbox, {"blog": {"a.md.txt": NOTE}, "blog/x": {"b.md.txt": NOTE}})
    (inbox / "blog").chmod(0o755)

    assert len(done.failed) == 1
    assert done.failed[0].startswith("blog: ")
    assert done.written == 1


def test_a_note_tells_both_languages_where_and_why(inbox: Path) -> None:
    reason = REASONS["no_text_layer"]
    row = {
        "part": None,
        "reason": "no_text_layer",
        "sentence_de": reason.de,
        "sentence_en": reason.en,
        "detail": "3 pages without text",
        "first_seen": datetime(2026, 3, 1, 9, 30, tzinfo=UTC),
    }

    text = note_text(Found("document/scan.pdf", "document/scan.pdf", "document"), [row])

    assert text.startswith("avatar-knowledge: document/scan.pdf\n")
    assert f"{reason.de}\nEinzelheit: 3 Seiten ohne Text\n" in text
    assert f"{reason.en}\nDetail: 3 pages without text\n" in text
    assert "2026-03-01 09:30 UTC" in text


def test_names_of_notes_fit_the_file_system_and_notes_are_never_taken_in(inbox: Path) -> None:
    long = "ä" * 125 + ".md"
    odd = "a\nb.md"
    names = {name: note_name(name) for name in (long, "ä" * 124 + "x.md", odd, "a.md")}
    assert len(set(names.values())) == 4
    assert names["a.md"] == "a.md.txt"

    sync_notices(inbox, {"blog": dict.fromkeys(names.values(), f"{MARK}: x\n")})

    assert len(notes(inbox)) == 4
    assert [found.path for found in scan(inbox)] == ["blog/a.md"]


def test_every_detail_of_a_refusal_can_be_said_in_german() -> None:
    """Each sentence in the code, with `7` for what it is filled with; names and numbers alone stay as they are."""
    english = sorted(
        text for text in _details() if detail_in_german(text) == text and re.search(r"[a-z]{2} [a-z]", text)
    )
    assert english == []


def _details() -> Iterator[str]:
    for path in sorted(Path(refusal.__file__).parents[1].rglob("*.py")):
        source = path.read_text()
        for call in ast.walk(ast.parse(source)) if re.search(r"detail=|RefusedError\(|UnusableError\(", source) else ():
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Name):
                place = {"RefusedError": 1, "PolicyProblem": 1, "_Failed": 1, "_UnusableError": 0}.get(call.func.id, 9)
                told = [*call.args[place : place + 1], *(word.value for word in call.keywords if word.arg == "detail")]
                yield from (text for node in told for text in _said(node))


def _said(node: ast.expr) -> list[str]:
    if isinstance(node, ast.Constant):
        return [str(node.value)]
    if isinstance(node, ast.JoinedStr):
        return ["".join(str(part.value) if isinstance(part, ast.Constant) else "7" for part in node.values)]
    return [*_said(node.body), *_said(node.orelse)] if isinstance(node, ast.IfExp) else []


def test_a_detail_within_a_detail_is_german_too() -> None:
    assert detail_in_german("blog/_policy.yaml: line 3: the YAML cannot be understood") == (
        "blog/_policy.yaml: Zeile 3: das YAML ist nicht verständlich"
    )
    assert detail_in_german("the content is a PNG image") == "der Inhalt ist ein PNG-Bild"
    assert detail_in_german("exit 3") == "exit 3"
    assert detail_in_german("blog/_policy.yml: the name must be _policy.yaml") == (
        "blog/_policy.yml: Der Name muss _policy.yaml sein"
    )
    assert detail_in_german("a.md: roles given nowhere") == "a.md: Nirgends angegeben: roles"
    assert detail_in_german("line 3: exit 3") == "Zeile 3: exit 3"
