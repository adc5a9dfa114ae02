"""No archive, however it lies, makes a reader unpack more than the limits allow."""

from __future__ import annotations

import dataclasses
import io
import struct
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.silver.limits import DEFAULT_LIMITS
from assets.silver.readers import read
from assets.silver.readers.archive import Archive
from assets.silver.refusal import RefusedError
from tests.assets.silver_office import archive, make_docx, make_odf, paragraph
from tests.assets.test_silver_office import RTF, message
from tests.assets.test_silver_readers import outcome

SMALL = dataclasses.replace(DEFAULT_LIMITS, unpacked_bytes=50_000_000)
TEXT = paragraph("Ein Absatz.")


def refusal(content: bytes, path: str) -> RefusedError:
    with pytest.raises(RefusedError) as refused:
        read(content, path, SMALL)
    return refused.value


def lying(content: bytes) -> bytes:
    """The archive with headers that claim every member to be ten bytes long."""
    changed = bytearray(content)
    for signature, offset in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        at = changed.find(signature)
        while at >= 0:
            struct.pack_into("<I", changed, at + offset, 10)
            at = changed.find(signature, at + 4)
    return bytes(changed)


def with_flag(content: bytes, flag: int) -> bytes:
    changed = bytearray(content)
    at = changed.find(b"PK\x01\x02")
    while at >= 0:
        changed[at + 8] |= flag
        at = changed.find(b"PK\x01\x02", at + 4)
    return bytes(changed)


BLANKS = make_docx(TEXT + " " * 60_000_000)
MANY = archive({"[Content_Types].xml": "", "word/document.xml": ""} | {f"{n}": "" for n in range(10_001)})
NESTED = make_docx("<w:sdt><w:sdtContent>" * 200 + TEXT + "</w:sdtContent></w:sdt>" * 200)
LAUGHS = '<!DOCTYPE x [<!ENTITY a "ha">' + "".join(
    f'<!ENTITY {chr(98 + n)} "{f"&{chr(97 + n)};" * 10}">' for n in range(10)
)
COMPOUND = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600)


@pytest.mark.parametrize(
    ("content", "path", "code"),
    [
        (BLANKS, "a.docx", "unpacks_too_large"),
        (lying(BLANKS), "a.docx", "malformed"),
        (MANY, "a.docx", "too_many_entries"),
        (NESTED, "a.docx", "nested_too_deep"),
        (make_docx(paragraph("&k;"), prologue=f"{LAUGHS}]>"), "a.docx", "malformed"),
        (with_flag(make_docx(TEXT), 1), "a.docx", "encrypted"),
        (make_docx(TEXT)[:-30], "a.docx", "malformed"),
        (archive({"a.txt": "x"}), "a.docx", "malformed"),
        (archive({"a.txt": "x"}), "a.zip", "archive"),
        (archive({"../../a.txt": "x"}), "a.md", "archive"),
        (archive({"Index/Document.iwa": "x", "preview.jpg": "x"}), "a.pages", "unknown_format"),
        (archive({"mimetype": "application/epub+zip", "META-INF/container.xml": "x"}), "a.epub", "unknown_format"),
        (COMPOUND, "a.doc", "legacy_office"),
        (COMPOUND + "EncryptedPackage".encode("utf-16-le"), "a.docx", "encrypted"),
        (b"\xdb\xa5-\x00" + bytes(100), "a.doc", "legacy_office"),
        (b"{\\rtf1 " + b"{" * 200_000, "a.rtf", "nested_too_deep"),
        (make_odf("<text:p/>", kind="text").replace(b"content.xml", b"c0ntent.xml"), "a.odt", "malformed"),
    ],
)
def test_hostile_and_foreign_archives_are_refused(content: bytes, path: str, code: str) -> None:
    assert refusal(content, path).code == code


def test_a_detail_says_what_to_save_an_old_file_as() -> None:
    content = COMPOUND + "PowerPoint Document".encode("utf-16-le")
    assert refusal(content, "a.ppt").detail == "a presentation; save it as .pptx"


def test_what_is_unpacked_is_counted_over_all_members() -> None:
    half = b" " * 20_000_000
    opened = Archive(archive({"a": half, "b": half}), dataclasses.replace(SMALL, unpacked_ratio=1e9))
    assert len(opened.read("A")) == len(half)
    opened.read("b")
    with pytest.raises(RefusedError):
        opened.read("a")


def test_a_member_is_found_by_the_spelling_other_programs_use() -> None:
    opened = Archive(archive({"Word\\Document.xml": "<a/>"}), SMALL)
    assert opened.xml("word/document.xml").tag == "a"


def test_messages_within_messages_end() -> None:
    inner = message()
    inner.set_content("Innen.")
    for _ in range(12):
        outer = message()
        outer.set_content("Außen.")
        outer.add_attachment(inner)
        inner = outer
    documents = read(inner.as_bytes(), "a.eml")
    assert 2 < len(documents) < 8


def workbook() -> bytes:
    from openpyxl import Workbook

    made = Workbook()
    made.active.append(["Größe", 1.5])
    buffer = io.BytesIO()
    made.save(buffer)
    return buffer.getvalue()


SAMPLES = {
    "a.docx": make_docx(TEXT),
    "a.odt": make_odf("<text:p>Ein Absatz.</text:p>"),
    "a.xlsx": workbook(),
    "a.rtf": RTF.encode("cp1252"),
    "a.eml": message().as_bytes() + b"\nText.",
}


CODES = (
    *(None, "malformed", "encrypted", "unpacks_too_large", "too_many_entries", "nested_too_deep", "empty"),
    *("archive", "legacy_office", "unknown_format", "unknown_encoding"),
)


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(sorted(SAMPLES)), st.data())
def test_no_mutation_takes_a_reader_down(path: str, data: st.DataObject) -> None:
    content = bytearray(SAMPLES[path])
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    assert outcome(bytes(content), path) in CODES


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(["a.docx", "a.odt"]), st.data())
def test_no_mutation_of_the_xml_takes_a_reader_down(path: str, data: st.DataObject) -> None:
    with zipfile.ZipFile(io.BytesIO(SAMPLES[path])) as opened:
        members = {name: bytearray(opened.read(name)) for name in opened.namelist()}
    for _ in range(data.draw(st.integers(1, 4))):
        member = members[data.draw(st.sampled_from(sorted(members)))]
        member[data.draw(st.integers(0, len(member) - 1))] = data.draw(st.integers(0, 255))
    assert outcome(archive({name: bytes(content) for name, content in members.items()}), path) in CODES
