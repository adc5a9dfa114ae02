"""From a file's bytes to what silver keeps of it: read, completed with its metadata, redacted, screened."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import PurePosixPath

from assets.silver.document import Document
from assets.silver.language import detect
from assets.silver.limits import DEFAULT_LIMITS, Limits
from assets.silver.metadata import metadata_from
from assets.silver.normalise import one_line
from assets.silver.pii.extra import NONE, Extra
from assets.silver.readers import read
from assets.silver.redact import Redacted, redact, redact_name
from assets.silver.refusal import RefusedError
from assets.silver.screening import Finding, screen
from assets.silver.screening.policy import QUARANTINE, is_allowed

SIDECAR = "sidecar"
"""Key in `defaults` under which the values of the file's own sidecar stand."""

MAX_PART = 1000
"""Characters of a part's name."""

MAX_TITLE = 500
"""Characters of a title (`silver/documents`)."""

_DAY_IN_NAME = re.compile(r"^\d{4}-\d{2}-\d{2}[-_ ]+")
_BETWEEN_WORDS = re.compile(r"[-_\s]+")


def process(
    content: bytes,
    *,
    path: str,
    defaults: Mapping[str, object],
    key: bytes,
    rules: Mapping[str, object] | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> tuple[Redacted, ...]:
    """The documents a file holds, without personal data, and how many values of each type were taken out.

    Metadata comes from the sidecar first, then from the file itself, then from the folder's defaults. The
    language is detected where none of them names it; a title is taken from the first heading or made from the
    file's name.

    Args:
        content: the bytes.
        path: relative to the inbox, `/` as separator.
        defaults: metadata of the folder, with the keys front matter uses (title, authors, tags, language,
            published, url …), and under `sidecar` a mapping of the same kind.
        key: secret of the tenant for pseudonyms.
        rules: what the policy says about reading: `readable_names`, `screening`, `allowed_sources`.
        limits: what the file may ask for.

    Raises:
        RefusedError: the file cannot or must not become a document.
        ConfigurationError: the key is empty.
    """
    return finish(read(content, path, limits), path=path, defaults=defaults, key=key, rules=rules)


def finish(
    documents: Sequence[Document],
    *,
    path: str,
    defaults: Mapping[str, object],
    key: bytes,
    rules: Mapping[str, object] | None = None,
    extra: Extra = NONE,
) -> tuple[Redacted, ...]:
    """What `process` makes of the documents that a reader found in a file; parts without text are left out.

    Args:
        extra: what settings add to the recognizers.

    Raises:
        RefusedError: none of them has text, or they must not be kept.
        ConfigurationError: the key is empty.
        ModelError: one of `extra` does not load.
    """
    full = [document for document in documents if document.text.strip()]
    if not full:
        raise RefusedError("empty", reader=documents[0].reader if documents else None)
    return tuple(_finished(document, path, defaults, key, rules or {}, extra) for document in _told_apart(full))


def _told_apart(documents: Sequence[Document]) -> Iterator[Document]:
    """The same documents with parts of bounded names, those of one name numbered from the second on."""
    taken: set[str | None] = set()
    for document in documents:
        name = short_part(document.part) if document.part else None
        part, number = name, 1
        while part in taken:
            number += 1
            part = f"{name or 'part'} ({number})"
        taken.add(part)
        yield replace(document, part=part)


def short_part(name: str) -> str:
    """A part's name, cut where it is longer than one may be, and still different from all others."""
    if len(name) <= MAX_PART:
        return name
    return f"{name[: MAX_PART - 70]} {hashlib.sha256(name.encode(errors='replace')).hexdigest()}"


def _finished(
    document: Document,
    path: str,
    defaults: Mapping[str, object],
    key: bytes,
    rules: Mapping[str, object],
    extra: Extra,
) -> Redacted:
    document = _completed(document, defaults)
    document = replace(
        document,
        title=document.title or _derived_title(document, path),
        language=detect(document.text, document.language),
    )
    if not is_allowed(path, document.url, rules):
        raise RefusedError("source_not_allowed", reader=document.reader)
    redacted = redact(document, key, readable_names(rules), extra=extra)
    findings = screen(redacted.document)
    if findings and rules.get("screening") == QUARANTINE:
        raise RefusedError("attack", _summary(findings), reader=document.reader)
    part = redact_name(document.part, key, extra)[:MAX_PART] if document.part is not None else None
    return replace(redacted, document=_with_short_title(redacted.document), findings=findings, part=part)


def _summary(findings: Sequence[Finding]) -> str:
    """Kinds and places of findings, without a word of the text."""
    counts = Counter(f"{finding.kind} ({finding.rule})" for finding in findings)
    places = [finding.start for finding in findings if finding.start is not None]
    where = f", first at character {min(places)}" if places else ", in what readers do not see"
    return ", ".join(f"{count} x {name}" for name, count in sorted(counts.items()))[:400] + where


def readable_names(rules: Mapping[str, object]) -> Sequence[str]:
    """Names that the policy leaves readable."""
    names = rules.get("readable_names", ())
    return [str(name) for name in names] if isinstance(names, list | tuple) else ()


def _completed(document: Document, defaults: Mapping[str, object]) -> Document:
    folder = {name: value for name, value in defaults.items() if name != SIDECAR}
    sidecar = defaults.get(SIDECAR)
    document = metadata_from(folder).under(document)
    return metadata_from(sidecar).over(document) if isinstance(sidecar, Mapping) else document


def _derived_title(document: Document, path: str) -> str:
    for block in document.blocks:
        if block.kind == "heading":
            return document.text[block.start : block.end]
    stem = PurePosixPath(path).stem
    words = _BETWEEN_WORDS.sub(" ", one_line(_DAY_IN_NAME.sub("", stem))).strip()
    return words[:1].upper() + words[1:] if words else stem


def _with_short_title(document: Document) -> Document:
    title = document.title or ""
    if len(title) <= MAX_TITLE:
        return document
    cut = title[: MAX_TITLE - 1]
    return replace(document, title=f"{cut.rsplit(' ', 1)[0]}…")
