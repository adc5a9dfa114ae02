"""Finds e-mail addresses, also those written with `(at)` and `[dot]`."""

from __future__ import annotations

import re
from collections.abc import Iterator

from assets.silver.pii.span import Span

TYPE = "EMAIL"

_MAX_LOCAL = 64
_MAX_DOMAIN = 255
"""Lengths of the two parts of an address (RFC 5321, 4.5.3.1)."""

_SIGN = re.compile(r"@|(?<=[\w]) @ (?=\w)|[ ]?[(\[{<][ ]?(?:at|ät|AT|ÄT)[ ]?[)\]}>][ ]?")
_MAIL = re.compile(r"(?i)(?:mail|kontakt|contact|schreib\w*|write)[^\n]{0,12}[:\s]\S+\Z")
_SEPARATED = re.compile(r"[^\W\d_][._-][^\W\d_]")
"""With blanks around the sign, a name in two parts alone: `lunch @ example.org` is a place."""

_LOCAL = re.compile(r"[\w.!#$%&'*+/=?^`{|}~-]+\Z")
_LEADING_PUNCTUATION = "!#$%&'*/=?^`{|}~.-"
_LABEL = r"[^\W_](?:[\w-]{0,61}[^\W_])?"
_DOT = r"(?:\.|[ ]?[(\[{][ ]?(?:dot|punkt|DOT|PUNKT)[ ]?[)\]}][ ]?)"
_DOMAIN = re.compile(rf"{_LABEL}(?:{_DOT}{_LABEL})*{_DOT}(?:[^\W\d_]{{2,24}}|xn--[a-z0-9-]+)(?![\w-])")
_FILE = re.compile(r"\.(?:png|jpe?g|gif|webp|svg|bmp|ico|css|js|json|html?|pdf|txt|xml|ya?ml)\Z", re.IGNORECASE)
"""`logo@2x.png` is a picture: these endings of files are no domains."""

_SPELLED_DOT = re.compile(r"[ ]?[(\[{][ ]?(?:dot|punkt)[ ]?[)\]}][ ]?", re.IGNORECASE)


class EmailAddresses:
    """Addresses of any script; `git@host:path` is an address of a server and none of a person."""

    cues = ("@", "at)", "at]", "at}", "at )", "at ]", "ät)", "ät]", "at>")

    def find(self, text: str, language: str | None) -> Iterator[Span]:
        """See `Recognizer.find`."""
        # From each sign outwards: a pattern over the whole text takes quadratic time in long words.
        for sign in _SIGN.finditer(text):
            local = _LOCAL.search(text[max(0, sign.start() - _MAX_LOCAL) : sign.start()])
            domain = _DOMAIN.match(text, sign.end(), sign.end() + _MAX_DOMAIN)
            name = local[0].lstrip(_LEADING_PUNCTUATION) if local else ""
            if not name or domain is None:
                continue
            if sign[0] == " @ " and not (
                _SEPARATED.search(name) or _MAIL.search(text, max(0, sign.start() - _MAX_LOCAL), sign.start())
            ):
                continue
            if _FILE.search(domain[0]):
                continue
            if name == "git" and text[domain.end() : domain.end() + 1] == ":":
                continue
            value = f"{name}@{_SPELLED_DOT.sub('.', domain[0])}".casefold()
            yield Span(sign.start() - len(name), domain.end(), TYPE, value)
