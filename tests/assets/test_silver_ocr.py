"""Scans are refused with a hint, or read where a setting asks for it and tesseract is there."""

from __future__ import annotations

import io

import pytest

from assets.silver.limits import Limits
from assets.silver.readers import ocr, read
from assets.silver.refusal import RefusedError
from tests.assets.silver_pdf import Run, place

TEXT = "Die Anlage wurde im Frühjahr geplant."
installed = pytest.mark.skipif("deu" not in ocr.languages(), reason="tesseract with German is not installed")


def scan() -> bytes:
    """A PDF that shows text as a picture."""
    from pypdfium2 import PdfDocument

    document = PdfDocument(place([[Run(TEXT, 60, 700, 16)]]))
    picture = document[0].render(scale=200 / 72, grayscale=True).to_pil()
    document.close()
    buffer = io.BytesIO()
    picture.save(buffer, "PDF", resolution=200)
    return buffer.getvalue()


def refusal(content: bytes, limits: Limits) -> RefusedError:
    with pytest.raises(RefusedError) as refused:
        read(content, "scan.pdf", limits)
    return refused.value


def test_scans_are_refused_unless_a_setting_asks_for_recognition() -> None:
    assert refusal(scan(), Limits()).code == "no_text_layer"


def test_scans_are_refused_where_nothing_can_recognise_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ocr, "languages", tuple)
    assert refusal(scan(), Limits(ocr=True)).code == "no_text_layer"


@installed
def test_scans_are_read_and_say_so() -> None:
    (document,) = read(scan(), "scan.pdf", Limits(ocr=True))
    assert document.text == TEXT
    assert document.blocks[0].page == 1
    assert document.notes == ("text of 1 scanned pages was recognised by tesseract (OCR)",)


@installed
def test_recognition_ends_in_time() -> None:
    refused = refusal(scan(), Limits(ocr=True, seconds=0.001))
    assert (refused.code, refused.detail) == ("too_slow", "text recognition got through 0 of 1 pages")
