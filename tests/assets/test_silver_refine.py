"""Attachments that cannot be read have rows and notes of their own, and their message is read all the same."""

from __future__ import annotations

from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

import pytest

from assets.bronze.contract import SOURCE_FILES
from assets.bronze.files import part_id
from assets.ledger import PARSED
from assets.silver.contract import DOCUMENTS, QUARANTINE
from assets.stores import Stores
from checks.referential import every_file_accounted
from tests.assets.mill import POLICY, Mill, settle

PATH = "document/mail.eml"


@pytest.fixture
def stores(tmp_path: Path, models_dir: Path) -> Iterator[Stores]:
    mill = Mill(tmp_path, models_dir)
    (mill.inbox / "_policy.yaml").write_text(POLICY)
    stores = mill.stores()
    yield stores
    stores.sandbox.close()


def refine(stores: Stores) -> int:
    return settle(stores)[0].processed


def drop(stores: Stores, *attachments: tuple[str, bytes]) -> None:
    message = EmailMessage()
    message["Subject"], message["From"] = "Wartung", "Maja Lindqvist <maja@example.org>"
    message.set_content("Guten Tag,\n\nanbei zwei Dateien zur Wartung der Anlage.")
    for name, content in attachments:
        message.add_attachment(content, maintype="application", subtype="octet-stream", filename=name)
    (stores.inbox / PATH).write_bytes(message.as_bytes())


def test_an_unreadable_attachment_is_refused_alone(stores: Stores) -> None:
    drop(stores, ("plan.md", b"# Plan\n\nJeden Montag."), ("bild.md", b"\x89PNG\r\n\x1a\n" + bytes(50)))
    note = stores.inbox / "document" / "_rejected" / "mail.eml.txt"

    assert refine(stores) == 1

    documents = stores.lake.read(DOCUMENTS).to_pylist()
    (row,) = stores.lake.read(QUARANTINE).to_pylist()
    assert [document["part"] for document in documents] == [None, "plan.md"]
    assert (row["path"], row["part"], row["reason"], row["detail"]) == (
        PATH,
        "bild.md",
        "unknown_format",
        "the content is a PNG image",
    )
    assert row["document_id"] == part_id(row["file_id"], "bild.md")
    assert set(stores.ledger().newest.state) == {PARSED}
    assert "Dieser Anhang wurde nicht übernommen: bild.md\n" in note.read_text()
    assert "Einzelheit: der Inhalt ist ein PNG-Bild" in note.read_text()
    log = stores.lake.read(SOURCE_FILES)
    assert every_file_accounted(log, stores.lake.read(DOCUMENTS), stores.lake.read(QUARANTINE)).passed
    assert refine(stores) == 0

    drop(stores, ("plan.md", b"# Plan\n\nJeden Montag."), ("bild.md", b"# Bild\n\nEine Zeichnung."))
    assert refine(stores) == 1
    assert not note.exists()
    assert not stores.ledger().newest.stale.any()


def test_old_code_of_a_refusal_makes_the_whole_message_due(stores: Stores) -> None:
    drop(stores, ("bild.md", b"\x89PNG\r\n\x1a\n" + bytes(50)))
    refine(stores)
    rows = stores.lake.read(QUARANTINE).to_pylist()
    old = stores.lake.read(QUARANTINE).from_pylist([rows[0] | {"reader": "registry/0"}], QUARANTINE.schema)
    stores.lake.replace(QUARANTINE, stores.today, "document", old)

    assert stores.ledger().newest.stale.all()
    assert refine(stores) == 1
    assert stores.lake.read(QUARANTINE).to_pylist() == rows
