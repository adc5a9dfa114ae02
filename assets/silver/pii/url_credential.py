"""Finds addresses that carry a credential: `scheme://user:password@host`, or a key among their parameters."""

from __future__ import annotations

import re
from collections.abc import Iterator

from assets.silver.pii.span import Span

TYPE = "URL_WITH_CREDENTIAL"

_LONGEST = 2048

_SCHEME = re.compile(r"(?<![A-Za-z0-9+.-])[A-Za-z][A-Za-z0-9+.-]{1,29}://")
_REST = re.compile(r"[^\s<>\"'`´“”„]+")
_TRAILING = ".,;:!?)]}*_"
_USER = re.compile(r"[^/?#@\s]*:(?P<password>[^/?#\s]+)@(?=[\w\[])")
_PARAMETER = re.compile(
    r"[?&;#](?!shar|csrf|page|next|sync|continuation)(?:[\w.-]*[_.-])?(?:access_?token|auth_?token|refresh_?token|id_?token|token|api_?key|apikey|secret|client_secret"
    r"|password|passwd|passwort|pwd|signature|sig|auth|credential|session_?id|private_?key)=(?P<value>[^&#\s]{6,})",
    re.IGNORECASE,
)
_PLACEHOLDER = re.compile(
    r"[<\[{$*]|%(?![0-9A-Fa-f]{2})|\A(?:x+|\.+|y?our.*|my.*|dein.*|ihr.*|test|example|beispiel|password|passwort|passwd|pass|pwd|secret|token|key)\Z",
    re.IGNORECASE,
)


class UrlsWithCredentials:
    """The whole address is one value: what is left of it would still say where the credential opens a door."""

    cues = ("://",)

    def find(self, text: str, language: str | None) -> Iterator[Span]:
        """See `Recognizer.find`."""
        for scheme in _SCHEME.finditer(text):
            rest = _REST.match(text, scheme.end(), scheme.end() + _LONGEST)
            if rest is None:
                continue
            written = rest[0].rstrip(_TRAILING)
            if _has_credential(written):
                yield Span(scheme.start(), scheme.end() + len(written), TYPE, scheme[0].lower() + written)


def _has_credential(rest: str) -> bool:
    user = _USER.match(rest)
    if user is not None and not _PLACEHOLDER.search(user["password"]):
        return True
    return any(not _PLACEHOLDER.search(found["value"]) for found in _PARAMETER.finditer(rest))
