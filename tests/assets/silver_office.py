"""Makes small Office files for the tests of their readers, from the XML itself where no library writes it."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping

_W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
_TYPES = (
    '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
    '<Default Extension="xml" ContentType="application/xml"/></Types>'
)
_RELATIONS = "http://schemas.openxmlformats.org/package/2006/relationships"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_ODF = " ".join(
    f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"'
    for name in ("office", "text", "table", "style", "drawing", "meta")
) + (
    ' xmlns:fo="urn:oasis:names:tc:opendocument:xmlns:xsl-fo-compatible:1.0"'
    ' xmlns:dc="http://purl.org/dc/elements/1.1/"'
)


def archive(members: Mapping[str, str | bytes]) -> bytes:
    """A ZIP archive."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in members.items():
            made.writestr(name, content)
    return buffer.getvalue()


def make_docx(
    body: str,
    *,
    prologue: str = "",
    pages: int | None = None,
    files: Mapping[str, str | bytes] | None = None,
    **parts: str,
) -> bytes:
    """A Word document with this content of `w:body`; `parts` are styles, numbering, footnotes, comments.

    Args:
        pages: how many pages the file says it has.
        files: further files of the package by their names, which are the ids of their relations as well.
    """
    links = "".join(f'<Relationship Id="{name}" Type="{_OFFICE}/{name}" Target="{name}.xml"/>' for name in parts)
    links += "".join(f'<Relationship Id="{name}" Type="{_OFFICE}/file" Target="{name}"/>' for name in files or ())
    members: dict[str, str | bytes] = {
        "[Content_Types].xml": _TYPES,
        "_rels/.rels": f'<Relationships xmlns="{_RELATIONS}"><Relationship Id="a" Type="{_OFFICE}/officeDocument"'
        f' Target="word/document.xml"/><Relationship Id="b" Type="{_OFFICE}/extended-properties"'
        ' Target="docProps/app.xml"/></Relationships>',
        "docProps/app.xml": f"<Properties><Pages>{pages or ''}</Pages></Properties>",
        "word/_rels/document.xml.rels": f'<Relationships xmlns="{_RELATIONS}">{links}</Relationships>',
        "word/document.xml": f'{prologue}<w:document {_W} xmlns:r="{_OFFICE}"><w:body>{body}</w:body></w:document>',
    }
    members |= {f"word/{name}": content for name, content in (files or {}).items()}
    members |= {f"word/{name}.xml": f"<w:{name} {_W}>{content}</w:{name}>" for name, content in parts.items()}
    return archive(members)


def paragraph(*runs: str, properties: str = "") -> str:
    """A paragraph; runs are texts, or XML where they begin with `<`."""
    inner = "".join(text if text.startswith("<") else run(text) for text in runs)
    return f"<w:p><w:pPr>{properties}</w:pPr>{inner}</w:p>"


def run(text: str, properties: str = "") -> str:
    """A run of text with these properties."""
    return f'<w:r><w:rPr>{properties}</w:rPr><w:t xml:space="preserve">{text}</w:t></w:r>'


def make_odf(body: str, *, styles: str = "", kind: str = "text", metadata: str = "") -> bytes:
    """An OpenDocument file with this content of `office:text` or its kin."""
    return archive(
        {
            "mimetype": f"application/vnd.oasis.opendocument.{kind}",
            "content.xml": f"<office:document-content {_ODF}>"
            f"<office:automatic-styles>{styles}</office:automatic-styles>"
            f"<office:body><office:{kind}>{body}</office:{kind}></office:body></office:document-content>",
            "meta.xml": f"<office:document-meta {_ODF}><office:meta>{metadata}</office:meta></office:document-meta>",
        }
    )
