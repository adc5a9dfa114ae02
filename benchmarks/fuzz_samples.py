"""A small sound file of each format, for the fuzzer to break."""

from __future__ import annotations

import io
import json
import zipfile
from email.message import EmailMessage

_SRT = (
    "1\n00:00:01,000 --> 00:00:04,000\nAda: Guten Tag.\n\n2\n00:00:04,000 --> 00:00:09,500\nBob: Hallo, wie geht es?\n"
)
_RSS = (
    '<?xml version="1.0" encoding="utf-8"?><rss version="2.0"><channel><title>Feed</title>'
    "<item><title>Eins</title><guid>1</guid><pubDate>Tue, 03 Mar 2026 10:00:00 GMT</pubDate>"
    "<description><![CDATA[<p>Ein <b>Absatz</b>.</p><ul><li>a</li></ul>]]></description></item>"
    "<item><title>Zwei</title><link>https://example.org/2</link><description>Text.</description></item>"
    "</channel></rss>"
)
_ATOM = (
    '<feed xmlns="http://www.w3.org/2005/Atom"><title>Feed</title><entry><id>urn:1</id><title>Eins</title>'
    '<updated>2026-03-01T10:00:00Z</updated><content type="html">&lt;p&gt;Text&lt;/p&gt;</content></entry></feed>'
)
_TTML = (
    '<tt xmlns="http://www.w3.org/ns/ttml" xml:lang="de"><body><div><p begin="00:00:01.000" end="00:00:03.500">'
    'Guten<br/>Tag.</p><p begin="4s" dur="2s"><span>Hallo.</span></p></div></body></tt>'
)
_JSON_FEED = {
    "version": "https://jsonfeed.org/version/1.1",
    "items": [
        {"id": "1", "title": "Eins", "content_html": "<p>Text</p>", "date_published": "2026-03-01", "tags": ["a"]}
    ],
}
_HTML = (
    "<!doctype html><html lang='de'><head><meta charset='utf-8'><title>Seite</title></head><body><nav>Menü</nav>"
    "<main><h1>Wärme</h1><p>Ein langer Absatz über Wärmepumpen, der sicher zum Inhalt gehört, weil er Sätze hat.</p>"
    "<table><tr><th>A</th><td>1</td></tr></table><pre>code</pre><ul><li>eins</li></ul></main></body></html>"
)
_RTF = r"{\rtf1\ansi\ansicpg1252\deff0{\fonttbl{\f0 Arial;}}\pard Ein \b fetter\b0  Absatz \'fc\u8211? Ende.\par}"
_ODF_NAMES = 'xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0" ' + (
    'xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0"'
)


def samples() -> list[tuple[bytes, str]]:
    """Content and name of each."""
    whisper = {"text": "Guten Tag.", "language": "de", "segments": [{"start": 0.0, "end": 2.5, "text": " Guten Tag."}]}
    utterances = {"utterances": [{"speaker": "A", "start": 250, "end": 2600, "text": "Guten Tag."}]}
    podcasting = {
        "version": "1.0.0",
        "segments": [{"speaker": "Ada", "startTime": 0.5, "endTime": 2.0, "body": "Guten"}],
    }
    texts = {
        "a.srt": _SRT,
        "a.vtt": "WEBVTT\n\n" + _SRT.replace(",", ".").replace("Ada: ", "<v Ada>"),
        "a.sbv": "0:00:01.000,0:00:04.000\nGuten Tag.\n\n0:00:04.000,0:00:09.000\nHallo.\n",
        "a.ttml": _TTML,
        "a.tsv": "start\tend\ttext\n0\t2500\tGuten Tag.\n2500\t4000\tHallo.\n",
        "a.csv": 'Name;Preis;Notiz\nPumpe;12,50;"leise, \nim Hof"\n\nRohr;3,20;\n',
        "a.json": json.dumps(whisper),
        "feed.json": json.dumps(_JSON_FEED),
        "b.json": json.dumps(utterances),
        "c.json": json.dumps(podcasting),
        "a.xml": _RSS,
        "b.xml": _ATOM,
        "a.html": _HTML,
        "a.rtf": _RTF,
        "a.md": "---\ntitle: Wärme\ndate: 2026-03-01\n---\n# Kopf\n\nText **fett** [Link](x).\n\n- a\n  - b\n\n| a | b |\n|-|-|\n| 1 | 2 |\n",
        "b.md": "+++\ntitle = 'Post'\n[extra]\ntags = ['a']\n+++\n**Ada:** Hallo. \\[00:01:02]\n\n**Bob:** Ja.\n",
        "a.txt": "00:00:01 Guten Tag.\n00:00:07 Hallo.\n",
    }
    made = [(text.encode(), name) for name, text in texts.items()]
    return [
        *made,
        (_message(), "a.eml"),
        (_docx(), "a.docx"),
        (_xlsx(), "a.xlsx"),
        (_pptx(), "a.pptx"),
        (_odt(), "a.odt"),
    ]


def _message() -> bytes:
    message = EmailMessage()
    message["Subject"], message["From"], message["To"] = "Angebot für März", "ada@example.org", "bob@example.org"
    message.set_content("Guten Tag,\n\nanbei der Text.\n")
    message.add_alternative("<p>Guten Tag,</p><p>anbei der Text.</p>", subtype="html")
    message.add_attachment(b"Eine Notiz.\n", maintype="text", subtype="plain", filename="notiz.txt")
    message.add_attachment(_docx(), maintype="application", subtype="octet-stream", filename="b.docx")
    for number, part in enumerate(part for part in message.walk() if part.is_multipart()):
        part.set_boundary(f"boundary-{number}")
    return message.as_bytes()


def _docx() -> bytes:
    from docx import Document

    document = Document()
    document.add_heading("Kopf", 1)
    document.add_paragraph("Ein Absatz.")
    document.add_table(2, 2).cell(0, 0).text = "Zelle"
    buffer = io.BytesIO()
    document.save(buffer)
    return buffer.getvalue()


def _xlsx() -> bytes:
    from openpyxl import Workbook  # type: ignore[import-untyped]

    book = Workbook()
    book.active.append(["Größe", "Preis"])
    book.active.append([1.5, "=A2*2"])
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


def _pptx() -> bytes:
    from pptx import Presentation

    slides = Presentation()
    slide = slides.slides.add_slide(slides.slide_layouts[1])
    slide.shapes.title.text = "Titel"
    slide.placeholders[1].text = "Punkt eins"
    buffer = io.BytesIO()
    slides.save(buffer)
    return buffer.getvalue()


def _odt() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.text")
        archive.writestr(
            "content.xml",
            f"<office:document-content {_ODF_NAMES}><office:body><office:text><text:h text:outline-level='1'>Kopf"
            "</text:h><text:p>Ein Absatz<text:s text:c='3'/>mit Lücke.</text:p></office:text></office:body>"
            "</office:document-content>",
        )
    return buffer.getvalue()
