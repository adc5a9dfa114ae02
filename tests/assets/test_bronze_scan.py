"""The walk through the inbox: complete, in order, and never out of it."""

import os
import unicodedata
from pathlib import Path

import pytest

from assets.bronze.files import document_id, media_type
from assets.bronze.scan import Found, scan
from retrieval.errors import ConfigurationError


def put(inbox: Path, *files: str) -> None:
    for file in files:
        path = inbox / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(file)


def paths(inbox: Path) -> list[str]:
    return [found.path for found in scan(inbox)]


def only(inbox: Path) -> Found:
    (found,) = scan(inbox)
    return found


def test_files_are_listed_in_order_with_what_the_file_system_knows(tmp_path: Path) -> None:
    put(tmp_path, "podcast/z.vtt", "blog/b.md", "blog/a/c.md", "document/d.pdf")

    found = scan(tmp_path)

    assert [(item.path, item.source) for item in found] == [
        ("blog/a/c.md", "blog"),
        ("blog/b.md", "blog"),
        ("document/d.pdf", "document"),
        ("podcast/z.vtt", "podcast"),
    ]
    status = (tmp_path / "blog/b.md").stat()
    assert (found[1].size, found[1].mtime_ns, found[1].ctime_ns, found[1].inode) == (
        status.st_size,
        status.st_mtime_ns,
        status.st_ctime_ns,
        status.st_ino,
    )
    assert all(item.problem is None for item in found)


@pytest.mark.parametrize(
    "name",
    [
        ".hidden",
        ".git/config",
        "~$brief.docx",
        ".~lock.brief.odt#",
        "a.tmp",
        "a.PART",
        "a.crdownload",
        "a.md.swp",
        "a.md~",
        "~WRL0001.tmp",
        "Thumbs.db",
        "desktop.ini",
        "_policy.yaml",
        "_policy.yml",
        "_rejected/why.txt",
        "sub/_rejected/deep/why.txt",
    ],
)
def test_what_people_did_not_drop_is_passed_over(tmp_path: Path, name: str) -> None:
    put(tmp_path, "blog/real.md", f"blog/{name}")

    assert paths(tmp_path) == ["blog/real.md"]


def test_sidecars_are_passed_over_where_their_file_is_there(tmp_path: Path) -> None:
    put(tmp_path, "blog/a.md", "blog/a.md.yaml", "blog/b.md", "blog/b.md.yml", "blog/lonely.md.yaml", "blog/c.yaml")

    assert paths(tmp_path) == ["blog/a.md", "blog/b.md", "blog/c.yaml", "blog/lonely.md.yaml"]


def test_a_sidecar_belongs_to_its_file_in_either_unicode_spelling(tmp_path: Path) -> None:
    put(tmp_path, unicodedata.normalize("NFD", "blog/Wärme.md"), "blog/Wärme.md.yaml")

    assert paths(tmp_path) == ["blog/Wärme.md"]


@pytest.mark.parametrize("file", ["notes.md", "wiki/notes.md", "Blog/notes.md", "blog.md"])
def test_files_in_no_source_folder_are_listed_with_the_reason(tmp_path: Path, file: str) -> None:
    put(tmp_path, file)

    found = only(tmp_path)

    assert (found.path, found.source, found.problem) == (file, "document", "outside_source")
    assert found.detail == ("the folder must be named blog" if file.startswith("Blog/") else None)


def test_names_come_in_one_unicode_spelling(tmp_path: Path) -> None:
    put(tmp_path, unicodedata.normalize("NFD", "blog/Über Wärme.md"))

    found = only(tmp_path)

    assert found.path == unicodedata.normalize("NFC", "blog/Über Wärme.md")
    assert (tmp_path / found.file).exists()


def test_of_two_spellings_of_one_name_one_is_refused_and_none_is_lost(tmp_path: Path) -> None:
    put(tmp_path, *(unicodedata.normalize(form, "blog/Wärme.md") for form in ("NFC", "NFD")))
    if len(list((tmp_path / "blog").iterdir())) == 1:
        pytest.skip("this file system knows one spelling only")

    found = scan(tmp_path)

    assert [(item.path, item.problem) for item in found if item.problem is None] == [("blog/Wärme.md", None)]
    assert [item.problem for item in found if item.path.isascii()] == ["bad_name"]
    assert len({document_id(item.path) for item in found}) == 2


@pytest.mark.parametrize("name", [b"blog/caf\xe9.md", b"blog/two\nlines.md", b"blog/bell\x07.md"])
def test_names_that_cannot_be_shown_are_refused_under_one_that_can(tmp_path: Path, name: bytes) -> None:
    put(tmp_path, "blog/a.md")
    try:
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)).write_text("x")
    except OSError:
        pytest.skip("this file system does not take such names")

    (found,) = [item for item in scan(tmp_path) if item.problem]

    assert found.problem == "bad_name"
    assert found.path.isascii()
    assert found.path.isprintable()


def test_links_never_lead_out_of_the_inbox(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    inbox = tmp_path / "inbox"
    put(tmp_path, "outside/secret.md", "inbox/blog/real.md", "inbox/blog/sub/deep.md")
    (inbox / "blog/file-out.md").symlink_to(outside / "secret.md")
    (inbox / "blog/folder-out").symlink_to(outside)
    (inbox / "blog/folder-in").symlink_to(inbox / "blog/sub")
    (inbox / "blog/loop").symlink_to(inbox)
    (inbox / "blog/dangling.md").symlink_to(inbox / "blog/gone.md")
    (inbox / "blog/circle.md").symlink_to(inbox / "blog/circle.md")
    (inbox / "blog/sibling.md").symlink_to("real.md")

    found = {item.path: (item.problem, item.detail) for item in scan(inbox)}

    assert found == {
        "blog/circle.md": ("link_outside", "a link that leads nowhere"),
        "blog/dangling.md": ("link_outside", "a link that leads nowhere"),
        "blog/file-out.md": ("link_outside", "a link that leaves the inbox"),
        "blog/folder-in": ("link_outside", "a link to a folder"),
        "blog/folder-out": ("link_outside", "a link that leaves the inbox"),
        "blog/loop": ("link_outside", "a link to a folder"),
        "blog/real.md": (None, None),
        "blog/sibling.md": (None, None),
        "blog/sub/deep.md": (None, None),
    }


def test_the_inbox_itself_may_be_a_link(tmp_path: Path) -> None:
    put(tmp_path, "real/blog/a.md")
    (tmp_path / "inbox").symlink_to(tmp_path / "real")

    assert paths(tmp_path / "inbox") == ["blog/a.md"]


def test_what_is_no_regular_file_is_refused_without_opening_it(tmp_path: Path) -> None:
    put(tmp_path, "blog/a.md")
    os.mkfifo(tmp_path / "blog/pipe.md")

    assert [(f.path, f.problem) for f in scan(tmp_path)] == [("blog/a.md", None), ("blog/pipe.md", "unknown_format")]


@pytest.mark.parametrize("make", [lambda path: None, lambda path: path.write_text("a file")])
def test_an_inbox_that_is_no_folder_is_a_setting_to_correct(tmp_path: Path, make: object) -> None:
    make(tmp_path / "inbox")  # type: ignore[operator]

    with pytest.raises(ConfigurationError, match="KNOWLEDGE_INBOX"):
        scan(tmp_path / "inbox")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everywhere")
def test_a_folder_without_permission_is_reported_and_not_taken_for_empty(tmp_path: Path) -> None:
    put(tmp_path, "blog/a.md", "blog/closed/b.md")
    (tmp_path / "blog/closed").chmod(0)

    assert [(f.path, f.problem) for f in scan(tmp_path)] == [("blog/a.md", None), ("blog/closed", "unreadable")]
    (tmp_path / "blog/closed").chmod(0o700)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("blog/A.MD", "text/markdown"),
        ("a.b/c.vtt", "text/vtt"),
        ("x.pdf", "application/pdf"),
        ("x", "application/octet-stream"),
        ("x.exe", "application/octet-stream"),
    ],
)
def test_media_types_go_by_the_ending(path: str, expected: str) -> None:
    assert media_type(path) == expected


def test_document_ids_never_change() -> None:
    assert document_id("blog/a.md") == "040d1870-bc3a-51a4-9fc2-6d3d63f1d80c"
