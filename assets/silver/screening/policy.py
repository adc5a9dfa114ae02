"""What a folder's policy may say about documents that attack: how they are treated, where they may come from, and
what never gets into the index. A nearer folder can only make it stricter, and a file says nothing about itself.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from urllib.parse import urlsplit

from retrieval.principal import CLEARANCES

FLAG, QUARANTINE = MODES = ("flag", "quarantine")
"""Treatments of a document with findings, from the mildest: kept and marked, or refused."""

PII, FLAGGED = "pii", "flagged"
KEPT_OUT = (*CLEARANCES, PII, FLAGGED)
"""What `keep_out_of_index` may name: clearances, documents that held personal data, documents with findings."""

_ENTRY = re.compile(r"[^\x00-\x1f\x7f]{1,500}")


def problem_of_mode(value: object) -> str | None:
    """What is wrong with `screening`; None where it can be used."""
    return None if value in MODES else f"must be one of {', '.join(MODES)}"


def problem_of_sources(value: object) -> str | None:
    """What is wrong with `allowed_sources`; None where it can be used."""
    usable = isinstance(value, list) and value and all(isinstance(v, str) and _ENTRY.fullmatch(v) for v in value)
    return None if usable else "must be a list of folders like blog/acme or web hosts like acme.example"


def problem_of_kept_out(value: object) -> str | None:
    """What is wrong with `keep_out_of_index`; None where it can be used."""
    usable = isinstance(value, list) and value and all(isinstance(v, str) and v in KEPT_OUT for v in value)
    return None if usable else f"must be a list of some of {', '.join(KEPT_OUT)}"


def stricter(first: str, second: str) -> str:
    """The stricter of two treatments."""
    return max(first, second, key=MODES.index)


def is_allowed(path: str, url: str | None, rules: Mapping[str, object]) -> bool:
    """Whether every list of `allowed_sources` names a folder the file lies in, or the host its original is on.

    Args:
        path: relative to the inbox, `/` as separator.
        url: address of the published original, by the metadata.
    """
    lists = rules.get("allowed_sources", ())
    assert isinstance(lists, Sequence)
    return all(any(_matches(entry, path, url) for entry in entries) for entries in lists)


def keeps_out(rules: Mapping[str, object], *, clearance: str, has_pii: bool, has_findings: bool) -> str | None:
    """Which entry of `keep_out_of_index` keeps a document out of the index; None where it may get in."""
    named = rules.get("keep_out_of_index", ())
    assert isinstance(named, Collection)
    traits = [clearance, *([PII] if has_pii else []), *([FLAGGED] if has_findings else [])]
    return next((trait for trait in traits if trait in named), None)


def _matches(entry: str, path: str, url: str | None) -> bool:
    folder = entry.strip("/")
    if path.startswith(f"{folder}/"):
        return True
    try:
        host = (urlsplit(url).hostname or "") if url else ""
    except ValueError:
        return False
    return bool(host) and (host == entry.casefold() or host.endswith(f".{entry.casefold()}"))
