"""Marker values of every type of personal data, planted in every format, are found nowhere behind bronze.

Lake, database, caches, logs at debug level and Dagster's own storage are searched, decoded and raw. What grows is
the two tables: MARKERS by types, FORMATS by formats.
"""

from __future__ import annotations

import email.message
import io
import itertools
import json
import logging
import shutil
from collections.abc import Callable, Iterator, Mapping

import psycopg
import pyarrow.dataset as ds
import pytest

from assets.bronze.contract import SOURCE_FILES
from assets.lake import Lake
from assets.silver.contract import DOCUMENTS, QUARANTINE
from pipelines.jobs import QUIET
from retrieval.server import SUPERUSER, EmbeddedServer
from tests.assets.silver_office import make_docx, make_odf, paragraph
from tests.assets.silver_pdf import make_pdf
from tests.assets.transcripts import podcasting20, sbv, srt, ttml, vtt
from tests.pipelines.conftest import Place

MARKERS: Mapping[str, tuple[str, str]] = {
    "PERSON": ("Annegret Feldhusen", "Die Ansprechpartnerin heißt Frau Annegret Feldhusen."),
    "EMAIL": ("zitronenfalter.marker@example.org", "Schreiben Sie an zitronenfalter.marker@example.org."),
    "PHONE": ("030 23125417", "Telefon: 030 23125417."),
    "IBAN": ("DE02 1203 0000 0000 2020 51", "Die IBAN lautet DE02 1203 0000 0000 2020 51."),
    "CREDIT_CARD": ("4111 1111 1111 1111", "Die Kreditkarte hat die Nummer 4111 1111 1111 1111."),
    "DE_TAX_ID": ("86095742719", "Die Steuer-ID ist 86095742719."),
    "DE_TAX_NUMBER": ("181/815/08155", "Die Steuernummer lautet 181/815/08155."),
    "DE_VAT_ID": ("DE136695976", "Die USt-IdNr. ist DE136695976."),
    "DE_SOCIAL_SECURITY": ("15070649C103", "Die Sozialversicherungsnummer ist 15070649C103."),
    "DE_HEALTH_INSURANCE": ("A123456780", "Die Krankenversichertennummer ist A123456780."),
    "DE_ID_CARD": ("L01X00T471", "Der Personalausweis hat die Nummer L01X00T471."),
    "DE_PASSPORT": ("C01X00T478", "Der Reisepass hat die Nummer C01X00T478."),
    "DE_DRIVING_LICENCE": ("B072RRE2I55", "Der Führerschein hat die Nummer B072RRE2I55."),
    "DE_NUMBER_PLATE": ("B-ZF 4711", "Das Fahrzeug hat das Kennzeichen B-ZF 4711."),
    "ADDRESS": ("Falterweg 17", "Die Anschrift ist Falterweg 17, 10969 Berlin."),
    "DATE_OF_BIRTH": ("17.03.1978", "Sie ist geboren am 17.03.1978."),
    "IP": ("203.0.113.77", "Der Zugriff kam von der IP-Adresse 203.0.113.77."),
    "URL_WITH_CREDENTIAL": (
        "falter:geheim4711", "Das Portal ist https://falter:geheim4711@portal.example.org/akte."
    ),
    "SECRET": ("AKIAZ3FALTER7QK4MPLE", "Der Schlüssel ist aws_access_key_id = AKIAZ3FALTER7QK4MPLE"),
}  # fmt: skip
"""Type → a value that stands nowhere else, and a sentence in which people write such a value."""

SENTENCES = [sentence for _, sentence in MARKERS.values()]
SPOKEN = [(number * 10.0, number * 10.0 + 9.0, "Moderation", sentence) for number, sentence in enumerate(SENTENCES)]


def _markdown() -> bytes:
    head = "---\ntitle: Über {0}\ntags: ['{1}']\nkontakt: '{2}'\n---\n"
    values = [value for value, _ in MARKERS.values()]
    return (head.format(values[1], values[3], values[2]) + "# Akte\n\n" + "\n\n".join(SENTENCES) + "\n").encode()


def _html() -> bytes:
    body = "".join(f"<p>{sentence}</p>" for sentence in SENTENCES)
    return f"<!DOCTYPE html><html><head><title>Akte</title></head><body><main>{body}</main></body></html>".encode()


def _email() -> bytes:
    message = email.message.EmailMessage()
    message["From"] = f"Redaktion <{MARKERS['EMAIL'][0]}>"
    message["To"] = MARKERS["EMAIL"][0]
    message["Subject"] = "Akte"
    message.set_content("\n\n".join(SENTENCES))
    return message.as_bytes()


def _xlsx() -> bytes:
    import openpyxl

    book = openpyxl.Workbook()
    assert book.active is not None
    for sentence in SENTENCES:
        book.active.append(["Angabe", sentence])
    stream = io.BytesIO()
    book.save(stream)
    return stream.getvalue()


def _pptx() -> bytes:
    import pptx

    deck = pptx.Presentation()
    for sentence in SENTENCES:
        slide = deck.slides.add_slide(deck.slide_layouts[1])
        slide.shapes.title.text = "Akte"
        slide.placeholders[1].text = sentence
    stream = io.BytesIO()
    deck.save(stream)
    return stream.getvalue()


FORMATS: Mapping[str, Callable[[], bytes]] = {
    "blog/markdown.md": _markdown,
    "blog/text.txt": lambda: "\n\n".join(SENTENCES).encode(),
    "blog/cp1252.txt": lambda: "\n\n".join(SENTENCES).encode("cp1252"),
    "blog/seite.html": _html,
    "podcast/folge.vtt": lambda: vtt(SPOKEN).encode(),
    "podcast/folge.srt": lambda: srt(SPOKEN).encode(),
    "podcast/folge.sbv": lambda: sbv(SPOKEN).encode(),
    "podcast/folge.ttml": lambda: ttml(SPOKEN).encode(),
    "podcast/folge.json": lambda: podcasting20(SPOKEN).encode(),
    "document/akte.docx": lambda: make_docx("".join(paragraph(sentence) for sentence in SENTENCES)),
    "document/akte.odt": lambda: make_odf("".join(f"<text:p>{sentence}</text:p>" for sentence in SENTENCES)),
    "document/akte.xlsx": _xlsx,
    "document/akte.pptx": _pptx,
    "document/akte.eml": _email,
    "document/akte.pdf": lambda: make_pdf([SENTENCES]),
    "document/gesperrt.pdf": lambda: make_pdf([SENTENCES], password="geheim"),
    "document/kaputt.docx": lambda: b"PK\x03\x04" + "\n".join(SENTENCES).encode(),
}  # fmt: skip

NEEDLES = {type_: value.encode() for type_, (value, _) in MARKERS.items()} | {
    "IBAN as one word": b"DE02120300000000202051",
    "CREDIT_CARD as one word": b"4111111111111111",
    "PHONE abroad": b"+493023125417",
    "EMAIL as index terms": b"zitronenfalter",
}


def holding(places: Iterator[tuple[str, bytes]]) -> list[str]:
    """Where which marker stands."""
    return [f"{place}: {name}" for place, content in places for name, needle in NEEDLES.items() if needle in content]


def lake(place: Place) -> Iterator[tuple[str, bytes]]:
    for path in sorted((place.home / "lake").rglob("*")):
        if path.is_file():
            yield str(path), path.read_bytes()
            if path.suffix == ".parquet":
                yield f"{path} decoded", repr(ds.dataset(path).to_table().to_pylist()).encode()


def database(place: Place) -> Iterator[tuple[str, bytes]]:
    server = EmbeddedServer.attach(place.home)
    with psycopg.connect(server.dsn(SUPERUSER), autocommit=True) as connection:
        connection.execute("checkpoint")
        tables = connection.execute(
            "select c.oid::regclass::text from pg_class c join pg_namespace n on n.oid = c.relnamespace"
            " where c.relkind in ('r', 'm') and n.nspname !~ '^pg_toast'"
        ).fetchall()
        for (table,) in tables:
            rows = connection.execute(f"select t::text from {table} t".encode()).fetchall()
            yield table, "\n".join(row[0] or "" for row in rows).encode()
    for folder in ("base", "pg_wal"):
        for path in sorted((server.data / folder).rglob("*")):
            if path.is_file():
                yield str(path), path.read_bytes()


def beside(place: Place) -> Iterator[tuple[str, bytes]]:
    """Caches, Dagster's storage, logs, notes beside refused files."""
    passed_over = {place.home / name for name in ("lake", "models", "db")}
    for path in sorted(place.home.rglob("*")):
        if path.is_file() and passed_over.isdisjoint(path.parents):
            yield str(path), path.read_bytes()
    yield "server.log", (place.home / "db" / "server.log").read_bytes()
    for path in sorted(place.inbox.rglob("_rejected/*")):
        yield str(path), path.read_bytes()


@pytest.mark.slow
def test_no_marker_is_found_behind_bronze(
    fresh: Place, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.rmtree(fresh.inbox)
    for name, make in FORMATS.items():
        path = fresh.inbox / name
        path.parent.mkdir(parents=True, exist_ok=True)
        (path.parent / "_policy.yaml").write_text("tenant: acme\nroles: [everyone]\nclearance: public\n")
        path.write_bytes(make())
    assert len(holding((name, make()) for name, make in FORMATS.items())) >= len(MARKERS), "markers are there"
    caplog.set_level(logging.DEBUG)
    monkeypatch.setitem(QUIET["loggers"]["console"]["config"], "log_level", "DEBUG")

    report = fresh.run("ingest", "--debug", "--json")

    assert report.exit_code == 0, report.output
    stored = Lake(fresh.home / "lake")
    read = stored.read(DOCUMENTS).to_pylist()
    refused = {row["path"]: row["reason"] for row in stored.read(QUARANTINE).to_pylist()}
    assert refused == {"document/gesperrt.pdf": "encrypted", "document/kaputt.docx": "malformed"}
    assert {row["path"] for row in read} | refused.keys() == set(FORMATS)
    for row in read:
        missing = MARKERS.keys() - json.loads(row["pii"]).keys()
        assert not missing, f"{row['path']} was to hold {missing}"
    logs = "\n".join(record.getMessage() + str(record.exc_text or "") for record in caplog.records)
    assert "STEP_SUCCESS" in report.output, "the run was logged at debug level"

    printed = [("log", logs.encode()), ("output", report.output.encode())]
    found = holding(itertools.chain(printed, beside(fresh), lake(fresh), database(fresh)))

    assert found == []
    assert stored.read(SOURCE_FILES).num_rows == len(FORMATS), "bronze holds them all, sealed"
