"""One way to write text: what every reader's characters and white space are turned into, and the builder that
lays blocks over the result without ever losing an offset.
"""

from __future__ import annotations

import re
import unicodedata

from assets.silver.document import Block, BlockKind, Document, Hidden

BLOCK_SEPARATOR = "\n\n"

_NEWLINES = re.compile("\r\n|[\r\x0b\x0c\x85\u2028\u2029]")
_NEWLINE_CHARACTERS = "\r\x0b\x0c\x85\u2028\u2029"
_ASCII_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f]")
_ANSI_ESCAPE = re.compile("\x1b\\[[0-9;?]*[ -/]*[@-~]")

_LIGATURES = {
    "\ufb00": "ff",
    "\ufb01": "fi",
    "\ufb02": "fl",
    "\ufb03": "ffi",
    "\ufb04": "ffl",
    "\ufb05": "st",
    "\ufb06": "st",
    "\u0132": "IJ",
    "\u0133": "ij",
    "\u01c7": "LJ",
    "\u01c8": "Lj",
    "\u01c9": "lj",
}
_SPACES = (0xA0, 0x1680, *range(0x2000, 0x200B), 0x202F, 0x205F, 0x3000)
_HYPHENS = (0x2010, 0x2011)
_TAGS = range(0xE0000, 0xE0080)
_INVISIBLE = (
    0xAD,  # soft hyphen
    0x61C,
    0x180E,
    0x200B,
    0x200E,
    0x200F,
    *range(0x202A, 0x202F),  # bidi embeddings and overrides
    *range(0x2060, 0x2070),  # word joiner, invisible operators, bidi isolates
    0xFEFF,
    *range(0xFFF9, 0xFFFC),
    0xFFFE,
    0xFFFF,
    *_TAGS,  # text that no person sees
)
_CONTROLS = (*range(0x00, 0x09), *range(0x0E, 0x20), *range(0x7F, 0x85), *range(0x86, 0xA0))
_SURROGATES = range(0xD800, 0xE000)
_FULL_WIDTH_ASCII = range(0xFF01, 0xFF5F)
_STYLED_LETTERS = range(0x1D400, 0x1D800)


def _replacements() -> dict[str, str]:
    table = dict(_LIGATURES)
    table |= {chr(code): " " for code in (*_SPACES, *_CONTROLS)}
    table |= {chr(code): "-" for code in _HYPHENS}
    table |= {chr(code): "" for code in _INVISIBLE}
    # A lone surrogate cannot be written as UTF-8, so it must not get any further than here.
    table |= {chr(code): "\ufffd" for code in _SURROGATES}
    # "Bold" letters of social media and full-width digits are the same letters to whoever searches.
    for code in (*_FULL_WIDTH_ASCII, *_STYLED_LETTERS):
        plain = unicodedata.normalize("NFKC", chr(code))
        if plain != chr(code):
            table[chr(code)] = plain
    return table


def _character_class(characters: str) -> str:
    """A class of ranges: re matches those far faster than the same characters one by one."""
    codes = sorted(map(ord, characters))
    ranges: list[list[int]] = []
    for code in codes:
        if ranges and code == ranges[-1][1] + 1:
            ranges[-1][1] = code
        else:
            ranges.append([code, code])
    return "[" + "".join(f"\\U{low:08x}-\\U{high:08x}" for low, high in ranges) + "]"


_REPLACEMENTS = _replacements()
_REPLACED = re.compile(_character_class("".join(c for c in _REPLACEMENTS if c <= "\uffff")))
_BEYOND = re.compile("[\U00010000-\U0010ffff]")
_REPLACED_BEYOND = re.compile(_character_class("".join(c for c in _REPLACEMENTS if c > "\uffff")))
"""Apart, because re looks up characters of the first 65,536 in a table and compares all others one by one."""
_HIDDEN = re.compile(_character_class("".join(chr(code) for code in _INVISIBLE if code not in _TAGS)))
_TAG_CHARACTERS = re.compile(_character_class("".join(map(chr, _TAGS))))

_SELECTORS = re.compile("[\ufe00-\ufe0f\U000e0100-\U000e01ef]{8,}")
_BITS = re.compile(
    "|".join(
        f"[{pair}]{{64,}}"
        for pair in ("\u200b-\u200c", "\u200c-\u200d", "\u200b\u200d", "\u200e-\u200f", "\u2061-\u2064")
    )
)

# Joiners shape Indic and Arabic words and hold emoji together; between other characters they only hide words.
_JOINING = "[\u0590-\u1fff\u2190-\U0010ffff]"
_STRAY_JOINER = re.compile(f"(?<!{_JOINING})[\u200c\u200d]|[\u200c\u200d](?!{_JOINING})")

_TRAILING_BLANKS = re.compile(r"[ \t]+(?=\n|$)")
_EMPTY_LINES = re.compile(r"\n{3,}")
_BLANKS_WITHIN = re.compile(r"(?<=\S)[ \t]{2,}(?=\S)")


def clean_characters(text: str) -> str:
    """Text in NFC without invisible and control characters, with `\\n` for every kind of line break.

    Ligatures, full-width and styled letters become plain ones, special spaces and control characters become a
    space. White space is otherwise left as it is. Doing it twice changes nothing.
    """
    # each of these is looked for before a pattern goes through the text: that is many times faster
    if any(map(text.__contains__, _NEWLINE_CHARACTERS)):
        text = _NEWLINES.sub("\n", text)
    if text.isascii() and not _ASCII_CONTROL.search(text):
        return text
    if "\x1b" in text:
        text = _ANSI_ESCAPE.sub(" ", text)
    text = _REPLACED.sub(_replacement, text)
    if _BEYOND.search(text):
        text = _SELECTORS.sub("", _REPLACED_BEYOND.sub(_replacement, text))
    if "\u200c" in text or "\u200d" in text:
        text = _STRAY_JOINER.sub("", text)
    return unicodedata.normalize("NFC", text)


def line_ends(text: str) -> str:
    """The text with `\\n` for the line breaks of every system; those of Unicode stay, which JSON may hold in texts."""
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def hidden_text(text: str) -> tuple[Hidden, ...]:
    """What is written in characters that nobody sees and a model reads.

    Tags, each of which stands for ASCII; long rows of variation selectors, each of which stands for a byte; and long
    rows of two characters without width, each of which stands for a bit.
    """
    if text.isascii():
        return ()
    said = "".join(chr(ord(character) - _TAGS[0]) for character in _TAG_CHARACTERS.findall(text))
    said = "".join(character for character in said if character.isprintable())
    rows = (*map(_from_selectors, _SELECTORS.findall(text)), *map(_from_bits, _BITS.findall(text)))
    return tuple(Hidden("invisible_characters", words) for words in (said, *rows) if words.strip())


def _from_selectors(row: str) -> str:
    codes = [ord(selector) for selector in row]
    return _words(bytes(code - 0xFE00 if code <= 0xFE0F else code - 0xE0100 + 16 for code in codes))


def _from_bits(row: str) -> str:
    """What the row reads, whichever of its two characters stands for one; nothing where it is no text."""
    zero, one = min(row), max(row)
    for digits in (row.translate({ord(zero): "0", ord(one): "1"}), row.translate({ord(zero): "1", ord(one): "0"})):
        words = _words(bytes(int(digits[at : at + 8], 2) for at in range(0, len(digits) // 8 * 8, 8)))
        if words and len(set(row)) == 2:
            return words
    return ""


def _words(content: bytes) -> str:
    """The bytes as text, if they are one in UTF-8 without control characters."""
    text = content.decode("utf-8", "replace").strip("\0")
    return text if all(c.isprintable() or c == "\n" for c in text) and "\ufffd" not in text else ""


def count_hidden(text: str) -> int:
    """How many characters of the text no reader would see (zero-width, bidi controls, tags, soft hyphens)."""
    if text.isascii():
        return 0
    return len(_HIDDEN.findall(text)) + len(_TAG_CHARACTERS.findall(text)) + sum(map(len, _SELECTORS.findall(text)))


def _replacement(match: re.Match[str]) -> str:
    return _REPLACEMENTS[match[0]]


def normalise(text: str) -> str:
    """Clean characters, no trailing blanks, at most one empty line, no line breaks at the ends.

    Indentation stays, so that code keeps its shape. Doing it twice changes nothing.
    """
    text = clean_characters(text)
    if " \n" in text or "\t" in text or text.endswith(" "):
        text = _TRAILING_BLANKS.sub("", text)
    if "\n\n\n" in text:
        text = _EMPTY_LINES.sub("\n\n", text)
    return text.strip("\n")


def one_line(text: str) -> str:
    """Clean characters, every run of white space one space: for titles, names and other metadata."""
    return " ".join(clean_characters(text).split())


class DocumentBuilder:
    """Appends blocks to a text and keeps their character ranges.

    Text is normalised as it is added, blocks without text are left out, and `"\\n\\n"` stands between two blocks.
    """

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._blocks: list[Block] = []
        self._length = 0

    def add(
        self,
        kind: BlockKind,
        text: str,
        *,
        level: int | None = None,
        page: int | None = None,
        speaker: str | None = None,
        start_s: float | None = None,
        end_s: float | None = None,
    ) -> None:
        """Append a block; the arguments are the attributes of `Block`."""
        text = one_line(text) if kind == "heading" else normalise(text)
        if kind not in ("code", "heading"):
            if "  " in text or "\t" in text:
                text = _BLANKS_WITHIN.sub(" ", text)
            text = text.strip()
        if not text.strip():
            return
        start = self._length + (len(BLOCK_SEPARATOR) if self._parts else 0)
        self._parts.append(text)
        self._length = start + len(text)
        speaker = one_line(speaker) or None if speaker else None
        self._blocks.append(Block(kind, start, self._length, level, page, speaker, start_s, end_s))

    def build(self, reader: str, *, notes: tuple[str, ...] = (), hidden: tuple[Hidden, ...] = ()) -> Document:
        """The document so far, without metadata."""
        text = BLOCK_SEPARATOR.join(self._parts)
        if hidden:
            kinds = ", ".join(dict.fromkeys(entry.kind for entry in hidden))
            notes = (*notes, f"text that people do not see was left out ({kinds})")
        return Document(text=text, blocks=tuple(self._blocks), reader=reader, notes=notes, hidden=hidden)
