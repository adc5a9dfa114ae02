"""Reads e-mail (.eml): the message is a document, and so is each attachment that some reader can read."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from email import errors, policy
from email.message import EmailMessage
from email.parser import BytesParser
from email.utils import parsedate_to_datetime
from pathlib import PurePosixPath

from assets.silver.decode import decode, decode_declared
from assets.silver.document import Document, Hidden, RefusedPart
from assets.silver.limits import Limits
from assets.silver.metadata import Metadata
from assets.silver.normalise import DocumentBuilder, clean_characters, line_ends, one_line
from assets.silver.readers import html_page
from assets.silver.readers.html_tree import pieces_of
from assets.silver.refusal import RefusedError

READER = "eml/8"

_SEARCHED = 16 * 1024
_HEADER = re.compile(rb"(?:From [^\n]*\n)?[A-Za-z][A-Za-z0-9-]{1,60}:[ \t\r\n]")
_MESSAGES = (".eml", ".mht", ".mhtml")
_TIGHT_HEADER = re.compile(rb"[A-Za-z][A-Za-z0-9-]{1,60}:\S")
_BEFORE = b"\xef\xbb\xbf \t\r\n"
"""What may stand before a message: a byte-order mark, and the line of blanks that Gmail begins an original with."""
_SENDER = re.compile(rb"^(?:From|Received|Return-Path):", re.IGNORECASE | re.MULTILINE)
_ENVELOPE = re.compile(rb"^(?:Date|Message-ID|MIME-Version|Subject|To):", re.IGNORECASE | re.MULTILINE)

_SIGNATURE = re.compile(r"^-- ?$", re.MULTILINE)
"""The line that separates a signature from the message (RFC 3676, 4.3)."""
_REPLY = re.compile(r"^(?:\s*(?:re|aw|fwd?|wg|antw|sv)\s*(?:\[\d+\])?:\s*)+", re.IGNORECASE)
_EMPTY_LINE = re.compile(r"\n[ \t]*\n\s*")
_ADDRESS = re.compile(r"<?[^\s<>@]+@[^\s<>@]+>?")
_UNREADABLE = frozenset({"application/pkcs7-mime", "application/x-pkcs7-mime", "multipart/encrypted"})
_MARKS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")
"""Byte-order marks, which say more than a header."""
_FOOTER = re.compile(r"\n_{30,}[ \t]*\n(?=[^_]{1,600}\Z)")
_OF_A_LIST = re.compile(
    r"\b(?:mailman|listinfo|list(?:e|en|s|serv)?)\b|-(?:list|liste)\b|unsubscribe|abbestellen", re.IGNORECASE
)
"""What programs that distribute mail put under each message, and how it shows."""
_NEXT = re.compile(rb"(?:\A|\r?\n\r?\n)From [^\r\n]{3,200}\d{4}[^\r\n]{0,10}\r?\n(?=[A-Za-z][A-Za-z0-9-]{1,60}:)")
"""Where a message begins in a mailbox (mbox, RFC 4155)."""
_QUOTED_FROM = re.compile(rb"^>(>*From )", re.MULTILINE)
_BESIDE = ("font/", "text/css", "text/javascript", "application/javascript", "application/x-javascript")
"""What belongs to the look of a page that was sent or saved whole."""
_SAVED_FROM = "Snapshot-Content-Location"
"""Header of a page that a browser saved as a message (MHTML); its value is the address."""
_SIGNED = frozenset({"application/pkcs7-signature", "application/x-pkcs7-signature", "application/pgp-signature"})

_Broken = (LookupError, ValueError, AttributeError, TypeError, AssertionError, errors.MessageError)
"""What the standard library raises over malformed headers and bodies."""


def shows(content: bytes, ending: str) -> bool:
    """Whether bytes begin with the header of a message: who sent it, and what or when."""
    head = content[:_SEARCHED].lstrip(_BEFORE)
    if not _HEADER.match(head) and not (ending in _MESSAGES and _TIGHT_HEADER.match(head)):
        return False
    block = re.split(rb"\r?\n\r?\n", head, maxsplit=1)[0]
    found = bool(_SENDER.search(block)), bool(_ENVELOPE.search(block))
    return any(found) if ending in _MESSAGES else all(found)


def read(content: bytes, limits: Limits) -> tuple[Document, ...]:
    """A message and its attachments; of a mailbox (mbox), each of its messages.

    The subject is the title, the sender's name the author; addresses and receivers are not kept. The text of the
    message is its plain part, else its HTML; a signature is left out. Attachments that no reader reads are in
    `refused` of the message.

    Raises:
        RefusedError: `encrypted`, `malformed`, `nested_too_deep`, `too_many_entries`.
    """
    content = content.lstrip(_BEFORE)
    begins = [match.end() for match in _NEXT.finditer(content)] if content.startswith(b"From ") else []
    return tuple(_read(_parsed(content), limits)) if len(begins) < 2 else _mailbox(content, begins, limits)


def _mailbox(content: bytes, begins: Sequence[int], limits: Limits) -> tuple[Document, ...]:
    """The messages of a mailbox that begin at these bytes; one that is refused leaves the others."""
    if len(begins) > limits.entries:
        raise RefusedError("too_many_entries", f"more than {limits.entries} messages")
    found: list[Document] = []
    refused_parts: list[RefusedPart] = []
    refused: RefusedError | None = None
    for start, end in zip(begins, [*begins[1:], len(content)], strict=True):
        raw = content[start:end]
        raw = _QUOTED_FROM.sub(rb"\1", raw if end == len(content) else raw[: raw.rfind(b"\nFrom ")])
        name = f"message-{hashlib.sha256(raw).hexdigest()[:16]}"
        try:
            message = _parsed(raw)
            if identity := _header(message, "Message-ID"):
                name = f"message-{hashlib.sha256(identity.encode(errors='replace')).hexdigest()[:16]}"
            documents = list(_read(message, limits))
        except RefusedError as error:
            refused = error
            refused_parts.append(RefusedPart(name, error.code, error.detail, READER))
            continue
        for document in documents:
            refused_parts += [replace(part, part=f"{name}/{part.part}") for part in document.refused]
            found.append(
                replace(document, refused=(), part=name if document.part is None else f"{name}/{document.part}")
            )
    if refused is not None and not found:
        raise refused
    return (replace(found[0], refused=tuple(refused_parts)), *found[1:])


def _parsed(content: bytes) -> EmailMessage:
    try:
        return BytesParser(EmailMessage, policy=policy.default).parsebytes(content)
    except RecursionError as error:
        raise RefusedError("nested_too_deep", "parts of the message") from error
    except _Broken as error:
        raise RefusedError("malformed", "the message cannot be understood") from error


@dataclass(slots=True)
class _Contents:
    """The parts of a message: the one that is its text, and what is attached."""

    plain: list[EmailMessage] = field(default_factory=list)
    html: list[EmailMessage] = field(default_factory=list)
    attached: list[EmailMessage] = field(default_factory=list)
    pictures: int = 0


def _read(message: EmailMessage, limits: Limits) -> Iterator[Document]:
    if limits.nesting < 1:
        raise RefusedError("nested_too_deep", "messages within messages")
    try:
        contents = _contents(message, limits)
        body = _body(message, contents)
    except RecursionError as error:
        raise RefusedError("nested_too_deep", "parts of the message") from error
    except _Broken as error:
        raise RefusedError("malformed", "the message cannot be understood") from error
    inner = limits.within()
    attachments: list[Document] = []
    refused_parts: list[RefusedPart] = []
    notes = list(body.notes)
    names: Counter[str] = Counter()
    for position, part in enumerate(contents.attached, start=1):
        name = _name(part, position)
        names[name] += 1
        place = name if names[name] == 1 else f"{name} ({names[name]})"
        try:
            found = _attachment(part, name, inner)
        except RefusedError as refused:
            refused_parts.append(RefusedPart(place, refused.code, refused.detail, refused.reader))
            continue
        refused_parts += [replace(part, part=f"{place}/{part.part}") for document in found for part in document.refused]
        attachments += [
            replace(
                document,
                refused=(),
                title=document.title or _title_of(name),
                published=document.published or body.published,
                part=place if document.part is None else f"{place}/{document.part}",
            )
            for document in found
            if document.text.strip()
        ]
    if contents.pictures:
        notes.append(f"{contents.pictures} pictures were left out")
    if not body.text.strip() and not attachments and (refused_parts or contents.pictures):
        raise RefusedError("empty", "no text, and no attachment that can be read")
    yield replace(body, notes=tuple(notes), refused=tuple(refused_parts))
    yield from attachments


def _contents(message: EmailMessage, limits: Limits) -> _Contents:
    found = _Contents()
    parts = 0
    pending: list[EmailMessage] = [message]
    while pending:
        part = pending.pop()
        parts += 1
        if parts > limits.entries:
            raise RefusedError("too_many_entries", f"more than {limits.entries} parts")
        kind = part.get_content_type()
        if kind in _UNREADABLE and "signed" not in str(part.get_param("smime-type", "")):
            raise RefusedError("encrypted", "the message is encrypted")
        attachment = part.get_content_disposition() == "attachment"
        if kind == "message/rfc822" or (not part.is_multipart() and (attachment or part.get_filename())):
            if kind.startswith("image/") and not attachment:
                found.pictures += 1
            elif kind not in _SIGNED:
                found.attached.append(part)
        elif part.is_multipart():
            pending += reversed([inner for inner in part.iter_parts() if isinstance(inner, EmailMessage)])
        elif kind == "text/plain":
            found.plain.append(part)
        elif kind == "text/html":
            found.html.append(part)
        elif kind.startswith("image/"):
            found.pictures += 1
        elif kind not in _SIGNED and not kind.startswith(("multipart/", *_BESIDE)):
            found.attached.append(part)
    return found


def _body(message: EmailMessage, contents: _Contents) -> Document:
    address = _header(message, _SAVED_FROM).strip()
    if address and contents.html:
        page = html_page.read(line_ends(_text(contents.html[0])))
        return replace(page, reader=READER, url=page.url or (address if address.startswith("http") else None))
    builder = DocumentBuilder()
    hidden: list[Hidden] = []
    plain = "\n\n".join(filter(None, (_plain(part) for part in contents.plain)))
    if plain.strip():
        for paragraph in _EMPTY_LINE.split(plain):
            builder.add("paragraph", paragraph)
    else:
        for part in contents.html:
            found = pieces_of(line_ends(_text(part)))
            hidden += found.hidden
            for piece in found.shown:
                builder.add(piece.kind, piece.text, level=piece.level)
    notes = ("the message has defects and was read as far as possible",) if message.defects else ()
    return _metadata(message).over(builder.build(READER, notes=notes, hidden=tuple(hidden)))


def _plain(part: EmailMessage) -> str:
    text = _SIGNATURE.split(clean_characters(_text(part)), maxsplit=1)[0]
    if (footer := _FOOTER.search(text)) is not None and _OF_A_LIST.search(text, footer.end()):
        text = text[: footer.start()]
    if str(part.get_param("format", "")).casefold() != "flowed":
        return text
    # A blank at the end of a line says that the line goes on (RFC 3676).
    space = "" if str(part.get_param("delsp", "")).casefold() == "yes" else " "
    return re.sub(r"(?<!^--) \n(?=[^\n>])", space, text)


def _text(part: EmailMessage) -> str:
    """Text of a part: in the character set it declares where that is true, else in the one it shows."""
    content = _bytes(part)
    text = decode_declared(content, part.get_content_charset() or "")
    return decode(content).text if text is None else text


def _bytes(part: EmailMessage) -> bytes:
    content = part.get_payload(decode=True)
    return content if isinstance(content, bytes) else b""


def _attachment(part: EmailMessage, name: str, limits: Limits) -> list[Document]:
    from assets.silver.readers.registry import read as read_file

    if part.get_content_type() == "message/rfc822":
        inner = part.get_payload()
        message = inner[0] if isinstance(inner, list) and inner else None
        if not isinstance(message, EmailMessage):
            raise RefusedError("malformed", "a forwarded message")
        return list(_read(message, limits))
    return list(read_file(_content(part), name, limits))


def _content(part: EmailMessage) -> bytes:
    """Bytes of an attachment; those of a text are UTF-8 where it declares another character set and keeps to it."""
    content = _bytes(part)
    charset = part.get_content_charset()
    if part.get_content_maintype() != "text" or not charset or content.startswith(_MARKS):
        return content
    text = decode_declared(content, charset)
    return content if text is None else text.encode("utf-8", "replace")


def _name(part: EmailMessage, position: int) -> str:
    """Name of an attachment without folders; the place it has where nobody named it."""
    name = one_line(PurePosixPath((part.get_filename() or "").replace("\\", "/")).name)
    if name:
        return name
    subtype = part.get_content_subtype()
    ending = {"rfc822": ".eml", "plain": ".txt", "html": ".html", "pdf": ".pdf"}.get(subtype, "")
    return f"attachment-{position}{ending}"


def _title_of(name: str) -> str:
    return one_line(PurePosixPath(name).stem.replace("_", " "))


def _metadata(message: EmailMessage) -> Metadata:
    return Metadata(
        title=_ADDRESS.sub("", one_line(_REPLY.sub("", _header(message, "Subject")))).strip() or None,
        authors=_authors(message),
        published=_day(_header(message, "Date")),
    )


def _header(message: EmailMessage, name: str) -> str:
    """A header as people read it; one that holds bytes beyond ASCII as it is, which no standard allows, is decoded."""
    try:
        value = str(message.get(name) or "")
        if "\ufffd" not in value:
            return value
        raw = next(str(text) for key, text in message.raw_items() if key.casefold() == name.casefold())
        return decode(raw.encode("utf-8", "surrogateescape")).text
    except (*_Broken, RefusedError):
        return ""


def _authors(message: EmailMessage) -> tuple[str, ...]:
    """Names of the senders; whoever gives no name has none, for an address is personal."""
    try:
        senders = message.get_all("From") or []
        names = [address.display_name for header in senders for address in getattr(header, "addresses", ())]
    except _Broken:
        return ()
    return tuple(dict.fromkeys(name for name in map(one_line, names) if name and "@" not in name))


def _day(date: str) -> str | None:
    try:
        return parsedate_to_datetime(date).date().isoformat()
    except (ValueError, TypeError, IndexError):
        return None
