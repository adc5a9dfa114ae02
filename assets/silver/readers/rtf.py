"""Reads RTF: striprtf decodes it, after a pass that marks its structure and takes out what people do not see.

striprtf knows neither headings nor footnotes nor hidden text, so this pass writes characters of the private use area
in front of them, which survive striprtf and are looked for in its result.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from assets.silver.document import Document
from assets.silver.limits import Limits
from assets.silver.readers.flow import Flow, Piece
from assets.silver.readers.ooxml import nearly_white
from assets.silver.readers.properties import properties
from assets.silver.refusal import RefusedError

READER = "rtf/2"

_HEADING, _ROW, _ITEM, _NOTE, _NOTE_END = (chr(code) for code in range(0xE100, 0xE105))
_MARKS = re.compile(f"[{_HEADING}-{_NOTE_END}]")
_WRITTEN = {mark: f"\\u{ord(mark) - 0x10000}?" for mark in (_HEADING, _ROW, _ITEM, _NOTE, _NOTE_END)}

_TOKEN = re.compile(
    r"\\(?P<word>[a-zA-Z]{1,32})(?P<value>-?\d{1,10})? ?|\\(?P<sign>[^a-zA-Z])|(?P<brace>[{}])|[^\\{}]+"
)
_STYLE = re.compile(r"\{\\s(?P<id>\d+)(?P<definition>[^{};]*);\}")
_HEADING_NAME = re.compile(r"\b(?:heading|überschrift|\\'dcberschrift) ?([1-9])$", re.IGNORECASE)
_COLOURS = re.compile(r"\{\\colortbl(?P<table>[^{}]*)\}")
_CHANNEL = re.compile(r"\\(red|green|blue)(\d{1,3})")
_INFO = re.compile(r"\{\\(?P<key>title|author|keywords)(?P<text>(?:[^{}\\]|\\[^{}]|\\[{}])*)\}")
_DAY = re.compile(r"\{\\(?:revtim|creatim)\\yr(\d{4})\\mo(\d{1,2})\\dy(\d{1,2})")
_CODE_PAGE = re.compile(r"\\ansicpg\d+")
_CHARACTER_SET = re.compile(r"\s*\{\\rtf1?\s*\\(mac|pca?)\b")
_BYTE = re.compile(r"\\'([89a-fA-F][0-9a-fA-F])")
_SEARCHED = 200_000
"""Tables, styles and properties stand at the beginning of a file."""

_LEGIBLE_HALF_POINTS = 7
_SKIPPED = frozenset(
    "fonttbl colortbl stylesheet info pict object themedata datastore listtable listoverridetable"
    " header headerl headerr headerf footer footerl footerr footerf"
    " xe tc fldinst generator rsidtbl latentstyles nonshppict".split()
)


@dataclass(frozen=True, slots=True)
class _State:
    """What holds within a group.

    Attributes:
        skipped: within a destination that is not printed.
        comment: within a comment.
    """

    vanish: bool = False
    deleted: bool = False
    half_points: int = 24
    colour: int = 0
    shaded: bool = False
    skipped: bool = False
    comment: bool = False
    note: bool = False


@dataclass(slots=True)
class _Marked:
    """The RTF with its marks, and the RTF of what is hidden by kind."""

    printed: list[str] = field(default_factory=list)
    hidden: dict[str, list[str]] = field(default_factory=dict)


def read(content: bytes, limits: Limits) -> Document:
    """An RTF document.

    Raises:
        RefusedError: `malformed`, or a limit.
    """
    # RTF is ASCII; other bytes stand for themselves in the file's code page.
    rtf = _in_unicode(_as_ascii(content))
    head = rtf[:_SEARCHED]
    marked = _mark(rtf, _heading_styles(head), _white_colours(head), limits)
    prologue = "".join(["{\\rtf1\\ansi", *_CODE_PAGE.findall(head)[:1], _font_table(head)])
    flow = Flow()
    _add_lines(_decoded("".join(marked.printed)), flow)
    for kind, parts in marked.hidden.items():
        flow.hide(kind, _MARKS.sub("", _decoded(f"{prologue} {''.join(parts)}}}")))
    values: dict[str, object] = {
        match["key"]: _decoded(f"{prologue} {match['text']}}}") for match in _INFO.finditer(head)
    }
    if day := _DAY.search(head):
        values["date"] = f"{day[1]}-{day[2]:0>2}-{day[3]:0>2}"
    return properties(values).over(flow.document(READER))


def _as_ascii(content: bytes) -> str:
    text = content.decode("latin-1")
    return text if text.isascii() else re.sub(r"[\x80-\xff]", lambda match: f"\\'{ord(match[0]):02x}", text)


def _in_unicode(rtf: str) -> str:
    """Bytes of a character set that striprtf does not know, those of old Macintosh and DOS, written as characters."""
    named = _CHARACTER_SET.match(rtf[:200])
    if named is None or _CODE_PAGE.search(rtf[:_SEARCHED]):
        return rtf
    encoding = {"mac": "mac_roman", "pc": "cp437", "pca": "cp850"}[named[1]]
    return _BYTE.sub(lambda match: f"\\u{ord(bytes.fromhex(match[1]).decode(encoding))}?", rtf)


def _decoded(rtf: str) -> str:
    from striprtf.striprtf import rtf_to_text

    try:
        text = str(rtf_to_text(rtf, errors="replace"))
        # signs beyond the first 65,536 are written as two halves each
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    except (ValueError, LookupError, TypeError, OverflowError, RecursionError) as error:
        raise RefusedError("malformed", "the RTF cannot be understood") from error


def _font_table(head: str) -> str:
    from striprtf.striprtf import font_table_group

    return str(font_table_group(head))


def _heading_styles(head: str) -> dict[int, int]:
    start = head.find("{\\stylesheet")
    levels = {}
    for match in _STYLE.finditer(head, max(0, start)) if start >= 0 else ():
        name = _HEADING_NAME.search(match["definition"].strip())
        if name:
            levels[int(match["id"])] = min(int(name[1]), 6)
    return levels


def _white_colours(head: str) -> frozenset[int]:
    """Numbers of the colours that cannot be told from paper."""
    table = _COLOURS.search(head)
    white = set()
    for index, entry in enumerate(table["table"].split(";") if table else ()):
        channels = {name: int(value) for name, value in _CHANNEL.findall(entry)}
        if channels and nearly_white("".join(f"{channels.get(name, 0):02x}" for name in ("red", "green", "blue"))):
            white.add(index)
    return frozenset(white)


def _mark(rtf: str, headings: dict[int, int], white: frozenset[int], limits: Limits) -> _Marked:
    """Marks structure and takes hidden text out."""
    out = _Marked()
    state, stack = _State(), list[_State]()
    level: int | None = None
    opened = False
    skip_to = 0
    for match in _TOKEN.finditer(rtf):
        if match.start() < skip_to:
            continue
        token = match[0]
        word, value = match["word"], match["value"]
        if match["brace"] == "{":
            stack.append(state)
            if len(stack) > max(limits.nesting, 100) * 10:
                raise RefusedError("nested_too_deep", "groups of the RTF")
            out.printed.append(token)
        elif match["brace"]:
            if state.note and stack and not stack[-1].note:
                out.printed.append(_WRITTEN[_NOTE_END])
            state = stack.pop() if stack else state
            out.printed.append(token)
        elif word is None:
            hiding = None if state.skipped else _hiding(state, white)
            if match["sign"] == "*" or hiding is None:
                if level is not None and not state.skipped and not opened and token.strip():
                    out.printed.append(f"{_WRITTEN[_HEADING]}{level}")
                    opened = True
                out.printed.append(token)
            elif hiding:
                out.hidden.setdefault(hiding, []).append(token)
        elif word == "bin":
            skip_to = match.end() + int(value or 0)
        elif word == "footnote":
            # Printed where it is referred to and taken out of the line afterwards.
            state = replace(state, note=True)
            out.printed.append(_WRITTEN[_NOTE])
        else:
            state, level, opened = _word(word, value, state, headings, level, opened)
            hiding = None if state.skipped else _hiding(state, white)
            if word in ("u", "par", "line", "tab", "cell", "row") and hiding:
                out.hidden.setdefault(hiding, []).append(token)
                if word == "u":
                    continue
            if word == "row":
                out.printed.append(_WRITTEN[_ROW])
            elif word == "listtext" or word == "pntext":
                out.printed.append(f"{_WRITTEN[_ITEM]}")
            out.printed.append("" if word == "pntext" else token)
    return out


def _word(
    word: str, value: str | None, state: _State, headings: dict[int, int], level: int | None, opened: bool
) -> tuple[_State, int | None, bool]:
    """The state after a control word, the heading level of the paragraph, and whether that was marked."""
    on = value != "0"
    if word in _SKIPPED:
        return replace(state, skipped=True), level, opened
    if word == "par" or word == "sect":
        return state, level, False
    if word == "pard":
        return state, None, opened
    if word == "s":
        return state, headings.get(int(value or 0)), opened
    if word == "outlinelevel":
        return state, min(int(value or 0) + 1, 6) if int(value or 0) < 9 else None, opened
    if word == "plain":
        return _State(skipped=state.skipped, comment=state.comment, note=state.note), level, opened
    if word == "v":
        return replace(state, vanish=on), level, opened
    if word == "deleted":
        return replace(state, deleted=on), level, opened
    if word == "fs":
        return replace(state, half_points=int(value or 24)), level, opened
    if word == "cf":
        return replace(state, colour=int(value or 0)), level, opened
    if word in ("cb", "highlight", "chcbpat", "cbpat", "clcbpat"):
        return replace(state, shaded=on), level, opened
    if word == "annotation":
        return replace(state, comment=True), level, opened
    return state, level, opened


def _hiding(state: _State, white: frozenset[int]) -> str | None:
    """How text of this state is hidden; None where people see it, empty where it was deleted."""
    if state.deleted:
        return ""
    if state.comment:
        return "comment"
    if state.vanish:
        return "hidden_text"
    if state.half_points < _LEGIBLE_HALF_POINTS:
        return "tiny_text"
    return "white_text" if state.colour in white and not state.shaded else None


def _add_lines(text: str, flow: Flow) -> None:
    """Lines of striprtf's result as pieces: a paragraph each, rows of a table together."""
    rows: list[str] = []
    notes: list[str] = []

    def take_note(match: re.Match[str]) -> str:
        notes.append(_MARKS.sub("", match[1]).strip())
        return f"[{len(notes)}]{_NOTE}"

    text = re.sub(f"{_NOTE}([^{_NOTE_END}]*){_NOTE_END}", take_note, text)
    noted = 0
    for line in text.split("\n"):
        if _ROW in line:
            cells = [" ".join(_MARKS.sub("", cell).split()) for cell in line.replace(_ROW, "").split("|")]
            rows.append(" | ".join(cells[:-1] if cells and not cells[-1] else cells))
            continue
        if rows:
            flow.add(Piece("table", "\n".join(rows)))
            rows = []
        flow.add(_piece(line))
        for _ in range(line.count(_NOTE)):
            noted += 1
            flow.add(Piece("paragraph", f"[{noted}] {notes[noted - 1]}"))
    if rows:
        flow.add(Piece("table", "\n".join(rows)))


def _piece(line: str) -> Piece:
    heading = re.match(rf"[^\w]*{_HEADING}(\d)", line)
    plain = _MARKS.sub("", line)
    if heading:
        return Piece("heading", _MARKS.sub("", line[: heading.start(1) - 1] + line[heading.end() :]), int(heading[1]))
    if _ITEM in line:
        mark, _, text = plain.strip().partition("\t")
        numbered = re.fullmatch(r"\(?\w{1,4}[.)]", mark.strip())
        return Piece("list", f"{mark.strip() if numbered else '-'} {(text or mark).strip()}")
    return Piece("paragraph", plain)
