"""A file's bytes become exactly the rows that silver promises."""

from __future__ import annotations

import datetime as dt
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from assets.bronze.files import part_id
from assets.silver.contract import DOCUMENTS, QUARANTINE
from assets.silver.document import Block, Document
from assets.silver.process import MAX_TITLE, finish, process
from assets.silver.readers.pdf import READER
from assets.silver.redact import Redacted
from assets.silver.refusal import REASONS, RefusedError
from assets.silver.rows import document_row, quarantine_row
from tests.assets.test_silver_normalise import assert_sound

KEY = b"a key for tests only"
PLAIN = Document("Text.", (Block("paragraph", 0, 5),), "text/1")
CORPUS = Path(__file__).resolve().parents[2].parent / "shared" / "corpus"

BRONZE: dict[str, Any] = {
    "date": "2026-03-01",
    "source": "blog",
    "document_id": "c0ffee00-0000-5000-8000-000000000001",
    "version": 1,
    "event": 2,
    "path": "blog/nordwind/altbau.md",
    "sha256": "0" * 64,
    "tenant": "nordwind",
    "received_at": dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC),
    "content": b"...",
}


def processed(content: bytes, path: str, **defaults: object) -> Redacted:
    (redacted,) = process(content, path=path, defaults=defaults, key=KEY)
    return redacted


def document(content: str, path: str = "blog/nordwind/2024-03-01-waerme_im-altbau.md", **defaults: object) -> Document:
    return processed(content.encode(), path=path, **defaults).document


def test_the_sidecar_wins_over_the_file_and_the_file_over_its_folder() -> None:
    found = document(
        "---\ntitle: Datei\nauthor: Aylin Demir\n---\nText",
        title="Ordner",
        authors=["Redaktion"],
        tags=["Ordner"],
        language="en",
        sidecar={"title": "Beiblatt", "published": "2025-05-05"},
    )
    assert found.title == "Beiblatt"
    assert found.authors == ("Aylin Demir",)
    assert found.tags == ("Ordner",)
    assert found.language == "en"
    assert found.published == "2025-05-05"


def test_parts_of_a_file_have_names_of_their_own() -> None:
    parts = [None, "a", "a", "a (2)", None, "x" * 5000, "x" * 5001]
    documents = [replace(PLAIN, part=part) for part in parts]

    made = [redacted.document.part for redacted in finish(documents, path="blog/a.xml", defaults={}, key=KEY)]

    assert made[:5] == [None, "a", "a (2)", "a (2) (2)", "part (2)"]
    assert len(set(made)) == len(parts)
    assert all(len(part or "") <= 1024 for part in made)


def test_a_part_without_text_is_left_out_and_a_file_of_nothing_else_refused() -> None:
    empty = replace(PLAIN, text=" ", blocks=(), part="b")

    assert len(finish([PLAIN, empty], path="blog/a.xml", defaults={}, key=KEY)) == 1
    with pytest.raises(RefusedError, match="no text"):
        finish([empty], path="blog/a.xml", defaults={}, key=KEY)


def test_rows_of_parts_belong_to_their_file() -> None:
    parts = finish([PLAIN, replace(PLAIN, part="b")], path="blog/a.xml", defaults={}, key=KEY)

    rows = [document_row(BRONZE, part, "recognizers/0") for part in parts]

    assert [row["file_id"] for row in rows] == [BRONZE["document_id"]] * 2
    assert rows[0]["document_id"] == BRONZE["document_id"] != rows[1]["document_id"]
    assert rows[1]["document_id"] == part_id(BRONZE["document_id"], "b")
    pa.Table.from_pylist(rows, DOCUMENTS.schema).validate(full=True)


def test_a_title_is_derived_where_none_is_given() -> None:
    assert document("# Der *erste* Kopf\n\nText").title == "Der erste Kopf"
    assert document("Text ohne Kopf").title == "Waerme im altbau"
    assert document("Text", path="blog/x/-rf.md").title == "Rf"
    assert document("Text", path="blog/x/---.md").title == "---"


def test_a_long_title_is_cut_between_words() -> None:
    title = document(f"---\ntitle: {'Wort ' * 300}\n---\nText").title or ""
    assert len(title) <= MAX_TITLE
    assert title.endswith("Wort…")


def test_the_language_is_detected_where_none_is_given() -> None:
    assert document("Die Wärmepumpe heizt zwölf Wohnungen im alten Haus.").language == "de"
    assert document("The heat pump warms twelve flats in the old house.").language == "en"


@pytest.mark.parametrize("content", ["", "   \n\n", "---\ntitle: nur Kopf\n---\n", "<!-- nichts -->", "\u200b\u200b"])
def test_files_without_text_are_refused(content: str) -> None:
    with pytest.raises(RefusedError) as refused:
        document(content)
    assert refused.value.code == "empty"


def test_personal_data_is_gone_from_the_row() -> None:
    content = "---\ntitle: Bericht an max@example.org\n---\nTel.: 0171 2345678, IBAN DE89370400440532013000"
    row = document_row(BRONZE, processed(content.encode(), path="a.md"), "recognizers/0")
    assert json.loads(row["pii"]) == {"EMAIL": 1, "IBAN": 1, "PHONE": 1}
    for value in ("max@example.org", "2345678", "0532013000"):
        assert value not in repr(row)


def test_document_rows_fit_their_contract() -> None:
    redacted = processed(b"# Kopf\n\nText\n\n- a\n- b", path=BRONZE["path"])
    row = document_row(BRONZE, redacted, "recognizers/0")
    assert list(row) == DOCUMENTS.schema.names
    table = pa.Table.from_pylist([row], schema=DOCUMENTS.schema)
    assert table.to_pylist() == [row]
    assert [block["kind"] for block in row["blocks"]] == ["heading", "paragraph", "list"]


@pytest.mark.parametrize("code", sorted(REASONS))
def test_quarantine_rows_fit_their_contract(code: str) -> None:
    row = quarantine_row(BRONZE, RefusedError(code, "line 3"))
    assert list(row) == QUARANTINE.schema.names
    assert pa.Table.from_pylist([row], schema=QUARANTINE.schema).to_pylist() == [row]
    assert (row["reason"], row["stage"], row["detail"]) == (code, REASONS[code].stage, "line 3")


def test_a_refusal_names_the_reader_that_refused() -> None:
    with pytest.raises(RefusedError) as refused:
        process(b"%PDF-1.7\n", path="a.pdf", defaults={}, key=KEY)
    assert quarantine_row(BRONZE, refused.value)["reader"] == READER


def test_the_same_bytes_give_the_same_document() -> None:
    content = b"---\ntags: [b, a]\n---\n# Kopf\n\nmax@example.org"
    assert process(content, path="a.md", defaults={}, key=KEY) == process(content, path="a.md", defaults={}, key=KEY)


@pytest.mark.corpus
@pytest.mark.slow
@pytest.mark.skipif(not CORPUS.is_dir(), reason="the corpus of real material is not here")
@pytest.mark.parametrize(
    ("folder", "pattern", "read_at_least"),
    [
        ("blogs", "*/*.md", 365),
        ("podcasts", "*/*.vtt", 43),
        ("documents", "pdf_*/*.pdf", 160),
        ("hostile", "generated/*", 60),
        ("hostile", "generated/names/*", 6),
    ],
)
def test_real_material_is_read_or_refused(folder: str, pattern: str, read_at_least: int) -> None:
    count = 0
    for path in sorted((CORPUS / folder).glob(pattern)):
        if not path.is_file():
            continue
        try:
            found = processed(path.read_bytes(), path=path.name).document
        except RefusedError:
            continue
        assert_sound(found)
        found.text.encode("utf-8")
        count += 1
    assert count >= read_at_least


@pytest.mark.corpus
@pytest.mark.skipif(not CORPUS.is_dir(), reason="the corpus of real material is not here")
def test_every_encoding_of_the_same_post_gives_the_same_text() -> None:
    folder = CORPUS / "hostile" / "generated"
    for number in range(6):
        expected = document(folder.joinpath(f"enc_{number}_utf-8-sig.md").read_bytes().decode("utf-8-sig")).text
        for path in sorted(folder.glob(f"enc_{number}_*.md")):
            if b"?" in path.read_bytes() and "cp437" in path.name:
                continue  # written with question marks where the encoding has no dash
            assert processed(path.read_bytes(), path=path.name).document.text == expected


def test_names_of_attachments_are_kept_without_personal_data() -> None:
    mail = (
        "From: a@example.org\nSubject: Unterlagen\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=x\n\n"
        "--x\nContent-Type: text/plain\n\nAnbei die Unterlagen, bitte lesen.\n"
        '--x\nContent-Type: text/plain\nContent-Disposition: attachment; filename="Zeugnis_Petra_Kelling.txt"\n\n'
        "Ein Zeugnis mit guten Noten.\n--x--\n"
    )
    whole, attached = process(mail.encode(), path="mail.eml", defaults={}, key=KEY)

    row = document_row(BRONZE, attached, "recognizers/0")

    assert whole.part is None
    assert re.fullmatch(r"Zeugnis <PERSON_[0-9a-f]{10}>\.txt", row["part"])
    assert row["document_id"] == part_id(BRONZE["document_id"], "Zeugnis_Petra_Kelling.txt")
