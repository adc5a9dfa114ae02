"""From bytes to characters: the encoding of a text file is taken from what its bytes show, and a file whose
encoding cannot be told for certain is refused instead of garbled.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass

from assets.silver.refusal import RefusedError

_BYTE_ORDER_MARKS = (
    # UTF-32 first: its little-endian mark begins with that of UTF-16.
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_SINGLE_BYTE = ("cp1252", "iso8859-15", "mac_roman", "cp850", "cp437")
"""Encodings that German and English files were written in before UTF-8, most common first; Latin-1 is read as
cp1252, which has the same letters."""

_SAMPLE_BYTES = 4096
_MOST_WRONG = 0.02
_MOST_WRONG_DECLARED = 0.3
_CLEAR_LEAD = 1.5
_FEW_WRONG, _LARGE_LEAD = 0.1, 8.0
"""With so much better a fit than any other reading, a foreign name here and there speaks for none of them."""

_COMMON_LETTERS = frozenset("äöüßÄÖÜ")
_KNOWN_LETTERS = frozenset("éèêëàâáãçñîïíìôóòõûúùåøæœšžýÉÈÊÀÂÁÇÑÎÓÔÚÅØÆŒŠŽ")
_OPENING = frozenset("„“‚‘«»¿¡")
_CLOSING = frozenset("“”‘’«»")
_SIGNS = frozenset("€£§°½¼¾×±µ‰©·•–\xa0")
_APOSTROPHES = frozenset("’‘´")
_ELIDED = re.compile(r"(?:s|t|d|m|n|re|ve|ll|er|em|tis|twas)\b", re.IGNORECASE)
"""What follows an apostrophe within a word: it's, don't, geht's, we're."""
_BEGIN_WORDS = frozenset("äöüéèêàáíóúåøæœ")
_END_WORDS = frozenset("ßéèêàáíóúåø")


_UTF8_OR_BYTE = re.compile(
    # Well-formed sequences, Unicode standard table 3-7.
    rb"(?P<utf8>(?:[\x00-\x7f]+|[\xc2-\xdf][\x80-\xbf]|\xe0[\xa0-\xbf][\x80-\xbf]"
    rb"|[\xe1-\xec\xee\xef][\x80-\xbf]{2}|\xed[\x80-\x9f][\x80-\xbf]|\xf0[\x90-\xbf][\x80-\xbf]{2}"
    rb"|[\xf1-\xf3][\x80-\xbf]{3}|\xf4[\x80-\x8f][\x80-\xbf]{2})+)|(?P<stray>[\x80-\xff])"
)


@dataclass(frozen=True, slots=True)
class Decoded:
    """Text of a file, the encoding it was read with, and what had to be mended."""

    text: str
    encoding: str
    notes: tuple[str, ...] = ()


def decode(content: bytes) -> Decoded:
    """Characters of a text file.

    Byte-order marks win, then UTF-16 and UTF-32 that show by their zero bytes, then UTF-8, which hardly anything
    else looks like, then what the file declares (HTML's `meta`, the declaration of XML) if the text makes sense
    in it, then the single-byte encoding whose umlauts and punctuation make sense where they stand. UTF-8 that was
    encoded twice, and lines of cp1252 within UTF-8, are mended and noted.

    Raises:
        RefusedError: `unknown_encoding` when no encoding fits, or more than one does.
    """
    for mark, encoding in _BYTE_ORDER_MARKS:
        if content.startswith(mark):
            return Decoded(_strict(content, encoding), encoding)
    wide = _wide_encoding(content)
    if wide is not None:
        return Decoded(_strict(content, wide), wide)
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        return _as_the_file_declares(content) or _decode_legacy(content)
    repaired = _undo_double_encoding(text)
    if repaired != text:
        return Decoded(repaired, "utf-8", ("text that was encoded as UTF-8 twice was mended",))
    return Decoded(text, "utf-8")


def _strict(content: bytes, encoding: str) -> str:
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        detail = f"marked as {encoding.upper()}, but byte {error.start} does not belong to it"
        raise RefusedError("unknown_encoding", detail) from error


def _wide_encoding(content: bytes) -> str | None:
    """UTF-16 or UTF-32 without a mark: Latin text in it has a zero in every other byte, or in three of four."""
    sample = content[:_SAMPLE_BYTES]
    if len(sample) < 4 or 0 not in sample:
        return None
    zeros = [sample[offset::4].count(0) / max(1, len(sample[offset::4])) for offset in range(4)]
    shown = tuple(share > 0.6 for share in zeros)
    patterns: dict[tuple[bool, ...], str] = {
        (False, True, True, True): "utf-32-le",
        (True, True, True, False): "utf-32-be",
        (False, True, False, True): "utf-16-le",
        (True, False, True, False): "utf-16-be",
    }
    return patterns.get(shown)


_DECLARED = re.compile(
    rb"""<\?xml[^>]{0,200}\bencoding\s*=\s*["']([\w.:-]{1,40})"""
    rb"""|<meta\b[^>]{0,200}\bcharset\s*=\s*["']?\s*([\w.:-]{1,40})""",
    re.IGNORECASE,
)
_DECLARED_WITHIN = 4096
"""Bytes that are searched; browsers look at the first 1024 (HTML standard, 13.2.3.2)."""
_COMMENT = re.compile(rb"<!--.*?(?:-->|\Z)", re.DOTALL)

_AS_BROWSERS_DO = {
    "ascii": "cp1252",
    "iso8859-1": "cp1252",
    "iso8859-9": "cp1254",
    "tis-620": "cp874",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "shift_jis": "cp932",
    "euc_kr": "cp949",
}
"""Encodings that browsers read as the larger one that contains them (Encoding standard, 4.2)."""
_WESTERN = frozenset(("cp1252", "iso8859-15", "mac-roman", "cp850", "cp437", "cp858"))


def declared_encoding(content: bytes) -> str | None:
    """Python's name of the encoding that a page or an XML file says it has; None where it says none it knows."""
    start = _COMMENT.sub(b"", content[:_DECLARED_WITHIN])
    match = _DECLARED.search(start) if b"<" in start[:1024] else None
    if match is None:
        return None
    try:
        name = codecs.lookup((match[1] or match[2]).decode("ascii")).name
        "".encode(name)  # some codecs are none of characters
    except (LookupError, UnicodeError, TypeError):
        return None
    return _AS_BROWSERS_DO.get(name, name)


def decode_declared(content: bytes, charset: str) -> str | None:
    """Text in the character set that a message declares, read as browsers do; None where its bytes are not of it.

    UTF-8 that is declared as a Western set is read as what it is.
    """
    try:
        name = codecs.lookup(charset).name
    except (LookupError, ValueError):
        return None
    # nobody declares ASCII who knows what he sends
    larger = name if name == "ascii" else _AS_BROWSERS_DO.get(name, name)
    for encoding in dict.fromkeys(("utf-8", larger, name) if larger in _WESTERN else (larger, name)):
        try:
            return content.decode(encoding)
        except (LookupError, UnicodeError, ValueError):
            continue
    return None


def _as_the_file_declares(content: bytes) -> Decoded | None:
    """Text as the file itself says it is encoded, where that makes sense; it is known not to be UTF-8."""
    encoding = declared_encoding(content)
    if encoding is None or encoding.startswith("utf"):
        return None
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError:
        return None
    if encoding in _WESTERN:
        weights = _weights(text)
        if weights.count(0.0) > _MOST_WRONG_DECLARED * len(weights):
            return None
    elif _NO_TEXT.search(text):
        return None
    return Decoded(text, encoding, (f"read as {encoding}, as the file declares",))


def _decode_legacy(content: bytes) -> Decoded:
    mixed = _decode_mixed(content)
    if mixed is not None:
        return Decoded(mixed, "utf-8", ("lines in Windows-1252 among UTF-8 were mended",))
    encoding = _single_byte_encoding(content)
    if encoding is None:
        raise RefusedError("unknown_encoding", "neither UTF-8 nor clearly one of the older Western encodings")
    return Decoded(content.decode(encoding), encoding, (f"read as {encoding}",))


def _decode_mixed(content: bytes) -> str | None:
    """UTF-8 with stretches of cp1252 in it, as pasting together makes it; None if it is not that.

    Bytes that happen to be valid UTF-8 are hardly ever meant as cp1252, so they prove that the rest is UTF-8.
    """
    foreign: list[int] = []
    parts: list[str] = []
    length = proofs = 0
    for byte_run in _UTF8_OR_BYTE.finditer(content):
        run = byte_run[0]
        if byte_run.lastgroup == "stray":
            foreign.append(length)
            part = _cp1252_character(run[0])
        else:
            part = run.decode("utf-8")
            proofs += not part.isascii()
        parts.append(part)
        length += len(part)
    if not proofs:
        return None
    text = "".join(parts)
    return text if all(_weight_at(text, at) > 0 for at in foreign) else None


def _single_byte_encoding(content: bytes) -> str | None:
    """The one encoding that makes sense of the bytes above 127; None when none does, or two do."""
    readings = []
    for encoding in _SINGLE_BYTE:
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        readings.append((encoding, text, _weights(text)))
    fitting = [reading for reading in readings if reading[2].count(0.0) <= _MOST_WRONG * len(reading[2])]
    lead = _CLEAR_LEAD
    if not fitting:
        fitting, lead = readings, _LARGE_LEAD
    best = max(fitting, key=lambda reading: sum(reading[2]), default=None)
    if best is None or not best[2] or best[2].count(0.0) > _FEW_WRONG * len(best[2]):
        return None
    if all(_clearly_better(best, rival, content, lead) for rival in fitting if rival is not best):
        return best[0]
    return None


_ALIKE = {"cp1252", "iso8859-15"}
_Reading = tuple[str, str, list[float]]


def _clearly_better(best: _Reading, rival: _Reading, content: bytes, lead: float) -> bool:
    """Whether the characters in which two readings differ speak clearly for the first."""
    places = [at for at, byte in enumerate(content) if byte > 0x7F]
    differ = [n for n, at in enumerate(places) if best[1][at] != rival[1][at]]
    won = sum(best[2][n] for n in differ)
    lost = sum(rival[2][n] for n in differ)
    if {best[0], rival[0]} == _ALIKE:
        # the one is as good a guess as the other but for a few signs
        return won >= lost
    return not differ or (won > 0 and won >= lead * lost)


_NO_TEXT = re.compile("[\x80-\x9f\ue000-\uf8ff\ufffd]")
"""C1 controls and private characters: what a wrong encoding makes of letters."""

_FOREIGN = re.compile(r"[^\x00-\x7f]")


def _weights(text: str) -> list[float]:
    """A weight for each character beyond ASCII, in order."""
    return [_weight_at(text, match.start()) for match in _FOREIGN.finditer(text)]


def _weight_at(text: str, at: int) -> float:
    before, after = text[at - 1] if at else " ", text[at + 1] if at + 1 < len(text) else " "
    if text[at] in _APOSTROPHES and before.isalnum() and after.isalpha():
        short = at < 2 or not text[at - 2].isalpha()
        return 2.0 if short or _ELIDED.match(text, at + 1) else 0.5
    return _weight(text[at], before, after)


def _weight(character: str, before: str, after: str) -> float:
    """How well a character fits between its neighbours: umlauts 3, other letters and signs up to 1, misfits 0."""
    if character in _COMMON_LETTERS or character in _KNOWN_LETTERS:
        return _weight_of_letter(character, before, after)
    if character in "—…":
        return 1.5
    opens = character in _OPENING and not before.isalnum() and not after.isspace()
    closes = character in _CLOSING and not before.isspace() and not after.isalnum()
    raised = character in "²³®™" and before.isalnum() and not after.isalpha()
    sign = character in _SIGNS and not (before.isalpha() and after.isalpha())
    return 1.0 if opens or closes or raised or sign else 0.0


def _weight_of_letter(character: str, before: str, after: str) -> float:
    if not _fits_word(character, before, after):
        return 0.0
    if not before.isalpha() and character.islower() and character not in _BEGIN_WORDS:
        return 0.25
    if not after.isalpha() and character.islower() and character not in _END_WORDS:
        return 0.25
    return 3.0 if character in _COMMON_LETTERS else 1.0


def _fits_word(character: str, before: str, after: str) -> bool:
    if character in "àáÀ" and before.isspace() and after.isspace():
        return True
    if not _is_plain_letter(before) and not _is_plain_letter(after) and not (character == "ß" and before in "äöü"):
        return False
    if character == "ß":
        return before in "aeiouäöüyAEIOUÄÖÜ" and not after.isupper()
    if character in "ëï":
        return before in "aeiouAEIOU" and not after.isupper()
    if character.isupper():
        starts_word = not before.isalpha() and after.islower()
        in_capitals = not before.islower() and not after.islower()
        return starts_word or in_capitals
    return not after.isupper()


def _is_plain_letter(character: str) -> bool:
    return character.isascii() and character.isalpha()


def _cp1252_character(byte: int) -> str:
    """What careless software shows for a byte: cp1252, and Latin-1 where cp1252 has no character."""
    try:
        return bytes([byte]).decode("cp1252")
    except UnicodeDecodeError:
        return chr(byte)


_SHOWN_AS = {byte: {_cp1252_character(byte), chr(byte)} for byte in range(0x80, 0x100)}
_BYTE_OF = {shown: byte for byte, characters in _SHOWN_AS.items() for shown in sorted(characters)}


def _shown(low: int, high: int) -> str:
    return "[" + "".join(re.escape(c) for byte in range(low, high) for c in sorted(_SHOWN_AS[byte])) + "]"


# C2, C3: Latin-1 letters and signs; E2 80-84: quotation marks, dashes, the euro and trademark signs. Other lead
# bytes are left alone, because capitals before a closing quotation mark look like them.
_DOUBLE_ENCODED = re.compile(
    f"[ÂÃ]{_shown(0x80, 0xC0)}|â{_shown(0x80, 0x85)}{_shown(0x80, 0xC0)}",
)


_ANY_DOUBLE_ENCODED = re.compile(
    "|".join(
        _shown(low, high) + _shown(0x80, 0xC0) * following
        for low, high, following in ((0xC2, 0xE0, 1), (0xE0, 0xF0, 2), (0xF0, 0xF5, 3))
    )
)
_C1 = re.compile("[\x80-\x9f]")


def _undo_double_encoding(text: str) -> str:
    """The text with what was encoded twice decoded once more.

    Once there is a sign of it that nothing else looks like, or a control character that only Latin-1 puts there,
    everything that can have been encoded twice was.
    """
    if text.isascii():
        return text
    if any(sign in text for sign in "ÃÂâ") and _DOUBLE_ENCODED.search(text):
        return _ANY_DOUBLE_ENCODED.sub(_decoded_once_more, text)
    if _C1.search(text):
        return _ANY_DOUBLE_ENCODED.sub(lambda m: _decoded_once_more(m) if _C1.search(m[0]) else m[0], text)
    return text


def _decoded_once_more(match: re.Match[str]) -> str:
    try:
        return bytes(_BYTE_OF[character] for character in match[0]).decode("utf-8")
    except UnicodeDecodeError:
        return match[0]
