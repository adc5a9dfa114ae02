"""Finds IP addresses, version 4 and 6; versions of software and numbers of sections look alike and stay."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

from assets.silver.pii.context import last_place, named
from assets.silver.pii.figures import found, near_figures
from assets.silver.pii.span import Span

TYPE = "IP"

_V4 = re.compile(r"\d(?<![\w.-].)(?<!\d,.)\d{0,2}\.(?:\d{1,3}\.){2}\d{1,3}(?![\w-]|\.\d)")
_MAY_BE_V6 = re.compile(r"::|:[0-9A-Fa-f]{1,4}:[0-9A-Fa-f]{1,4}:")
"""In every address of version 6; times of day have one colon less."""
_V6 = re.compile(
    r"(?<![\w:.-])(?=[0-9A-Fa-f:]*[0-9])(?:[0-9A-Fa-f]{0,4}:){2,7}(?:(?:\d{1,3}\.){3}\d{1,3}|[0-9A-Fa-f]{0,4})"
)
_BEHIND_V6 = re.compile(r"[\w:]|\.\d")

_VERSIONS = named(
    r"version|ver\b|v\b|release|build|firmware|kernel|update|patch|software|chrome|firefox|safari|opera|python|java|node"
    r"|abschnitt|kapitel|ziffer|nummer|punkt|absatz|section|chapter|clause|§|oid\b|anlage|treiber|driver|bios|lib".split(
        "|"
    )
)
_ADDRESSES = named(
    r"ip|server|host|adresse|address|netz|network|dns|gateway|router|client|ping|login|port\b".split("|")
)
_REACH = 30
_SMALL = 30
"""Parts of version numbers are seldom larger."""


class IpAddresses:
    """Addresses of single machines; the loopback, the unspecified and masks of networks are nobody's."""

    cues = (".", ":")

    def find(self, text: str, language: str | None) -> Iterator[Span]:
        """See `Recognizer.find`."""
        for match in found(_V4, text, near_figures(text)):
            if _is_v4(text, match):
                yield Span(match.start(), match.end(), TYPE, match[0])
        if not _MAY_BE_V6.search(text):
            return
        for match in _V6.finditer(text):
            address = _v6(match[0])
            if address is not None and not _BEHIND_V6.match(text, match.end()):
                yield Span(match.start(), match.end(), TYPE, address)


def _is_v4(text: str, match: re.Match[str]) -> bool:
    try:
        address = ipaddress.IPv4Address(match[0])
    except ValueError:
        return False
    if address.is_loopback or address.is_unspecified or match[0].startswith("255.255."):
        return False
    before = text[max(0, match.start() - _REACH) : match.start()]
    version = last_place(_VERSIONS, before)
    if version is None or re.search(r"[.;!?]\s|[;!?\n]|\w\.\S", before[version:].rstrip(" :=")[2:]):
        return True
    called = last_place(_ADDRESSES, before)
    if called is not None and called > version:
        return True
    return any(int(part) > _SMALL for part in match[0].split(".")[1:]) and version < len(before) - 12


def _v6(written: str) -> str | None:
    groups = [group for group in written.split(":") if group]
    if "::" not in written and len(groups) < 8 and "." not in written:
        return None
    if len(groups) < 3 and "." not in written:
        return None
    try:
        address = ipaddress.IPv6Address(written)
    except ValueError:
        return None
    return None if address.is_loopback or address.is_unspecified else str(address)
