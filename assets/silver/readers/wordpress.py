"""What WordPress does to a text of its export when it shows it: paragraphs at empty lines, and shortcodes."""

from __future__ import annotations

import re

_EMPTY_LINE = re.compile(r"\n[ \t\r]*\n\s*")
_KEPT = re.compile(r"(<(/?)(?:pre|script|style|textarea)\b[^<>]*>)", re.I)
"""Ends of elements within which a line break is none of a paragraph."""
_BLOCK = re.compile(
    r"\s*(?><!--.*?-->\s*)*+</?(?:address|article|aside|blockquote|d[dlt]|details|div|fieldset|fig(?:caption|ure)"
    r"|footer|form|h[1-6]|header|hr|li|main|nav|ol|p|pre|section|summary|table|t(?:body|d|foot|h|head|r)|ul)\b",
    re.S | re.I,
)
_PARAGRAPHS = re.compile(r"<!-- wp:|<p[\s>]", re.I)
"""What tells that a text has paragraphs of its own: the block editor's marks, or elements."""

_SHORTCODE = re.compile(
    r"\[(?P<end>/)?(?P<name>[A-Za-z][\w-]{1,40})"
    r"(?P<rest>(?:[ \t]+[\w-]+(?:=(?:\"[^\"\[\]]*\"|'[^'\[\]]*'|[^\s\[\]\"']+))?)*)\s*/?\]"
)
_PLAIN = frozenset("audio caption code contact-form embed gallery more playlist toc video wp_caption youtube".split())
"""Shortcodes that may stand without attributes."""
_SOURCE = frozenset(("embed", "youtube"))
"""Shortcodes around an address."""


def rendered(markup: str) -> str:
    """HTML of a post as the export has it: what classic editor left to WordPress is done, and its shortcodes gone.

    What stands between an opening and a closing shortcode is text (a caption, say) and stays, addresses aside.
    """
    if "[" in markup:
        markup = _without_shortcodes(markup)
    if _PARAGRAPHS.search(markup) or "\n" not in markup.strip():
        return markup
    parts = iter(_KEPT.split(markup.replace("\r\n", "\n")))
    made = [_in_paragraphs(next(parts))]
    for tag, end, behind in zip(parts, parts, parts, strict=True):
        made += (tag, _in_paragraphs(behind) if end else behind)
    return "".join(made)


def _in_paragraphs(markup: str) -> str:
    return "\n".join(
        part if _BLOCK.match(part) else "<p>" + part.strip().replace("\n", "<br>\n") + "</p>"
        for part in _EMPTY_LINE.split(markup)
        if part.strip()
    )


def _without_shortcodes(markup: str) -> str:
    closed = {match["name"].lower() for match in _SHORTCODE.finditer(markup) if match["end"]}

    def replaced(match: re.Match[str]) -> str:
        name = match["name"].lower()
        known = name in closed or name in _PLAIN or "=" in match["rest"]
        return "" if known else match[0]

    for name in _SOURCE & closed:
        markup = re.sub(rf"\[{name}\b[^\[\]]*\]\s*https?://[^\s\[]*\s*\[/{name}\]", "", markup, flags=re.I)
    return _SHORTCODE.sub(replaced, markup)
