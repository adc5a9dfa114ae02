"""What editors should know of files that were taken in: what in them speaks to a language model, what was replaced.

In `_noted/`, beside the files: a note for each file that is flagged, in its own language, and an overview of how many
values of personal data were replaced in which file. Kinds, counts and places only, never a word of a document.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow.compute as pc

from assets.bronze.files import shown
from assets.bronze.scan import NOTED_FOLDER, REJECTED_FOLDER, Found, inbox_root, scan
from assets.silver.contract import DOCUMENTS
from assets.silver.notices import MARK, Events, Notices, note_name, refusal_notes, sync_notices
from assets.stores import Stores

OVERVIEW = "overview.txt"

MOST_LINES = 500
"""Files that one overview lists; it counts the others."""

KINDS = {
    "override": ("Aufforderung, frühere Anweisungen nicht zu beachten", "a request to disregard earlier instructions"),
    "disclosure": ("Aufforderung, Anweisungen des Modells zu verraten", "a request to reveal the model's instructions"),
    "role": ("Aufforderung, eine Rolle ohne Regeln zu spielen", "a request to play a role without rules"),
    "task": ("Aufforderung, etwas anderes zu tun als gefragt", "a request to do something else than asked"),
    "answer": ("Vorgabe, wie zu antworten ist", "an order how to answer"),
    "role_token": ("Steuerzeichen eines Chats", "markup of a chat"),
    "tool_call": ("Aufruf eines Werkzeugs", "a call of a tool"),
    "exfiltration": ("Adresse, die Daten hinausträgt", "an address that carries data away"),
    "encoded": ("verschlüsselt geschriebene Anweisung", "an instruction in code"),
    "hidden": ("Text, den Leser der Datei nicht sehen", "text that readers of the file do not see"),
}
"""The screener's kinds, in German and English."""


@dataclass
class Noted:
    """What is known of one file.

    Attributes:
        flags: findings by kind.
        places: how far into the text the visible ones of a kind stand, in percent; where it has pages, the page.
        replaced: values of personal data by type.
    """

    language: str
    flags: Counter[str] = field(default_factory=Counter)
    places: dict[str, list[tuple[str, int]]] = field(default_factory=dict)
    replaced: Counter[str] = field(default_factory=Counter)


def update_notices(stores: Stores, newest: Events, refusals: Sequence[dict[str, Any]]) -> Notices:
    """Make the notes in the inbox, of refused files and of others, those of the files as they are now.

    A folder that may not be written is named in `failed`; that is never an error.

    Args:
        newest: of `newest_events`.
        refusals: of `newest_refusals`.

    Raises:
        ConfigurationError: there is no inbox.
        InboxUnavailableError: its storage did not answer.
    """
    files = list(scan(stores.inbox))
    root = inbox_root(stores.inbox)
    done = (
        sync_notices(root, refusal_notes(refusals, files), REJECTED_FOLDER),
        sync_notices(root, noted_notes(stores, newest, files), NOTED_FOLDER),
    )
    return Notices(
        sum(one.written for one in done),
        sum(one.removed for one in done),
        sum(one.kept for one in done),
        tuple(sorted({failure for one in done for failure in one.failed})),
    )


def noted_notes(stores: Stores, newest: Events, files: Sequence[Found]) -> dict[str, dict[str, str]]:
    """The notes that there should be in `_noted` folders, by folder and name.

    Args:
        newest: of `newest_events`.
        files: what is in the inbox.
    """
    known = _known(stores, newest)
    wanted: dict[str, dict[str, str]] = {}
    replaced: dict[str, list[tuple[str, Counter[str]]]] = {}
    for found in files:
        noted = known.get(found.path)
        if noted is None:
            continue
        folder, name = os.path.split(found.file)
        if noted.flags:
            wanted.setdefault(folder, {})[note_name(name)] = flag_text(found.path, noted)
        if noted.replaced:
            replaced.setdefault(folder, []).append((shown(name), noted.replaced))
    for folder, rows in replaced.items():
        notes = wanted.setdefault(folder, {})
        overview = OVERVIEW
        while overview in notes:  # the note of a file named so
            overview = f"_{overview}"
        notes[overview] = overview_text(rows)
    return wanted


def flag_text(path: str, noted: Noted) -> str:
    """The note of a flagged file, in German for German files, else in English."""
    german = noted.language == "de"
    lines = [f"{MARK}: {path}", ""]
    lines.append(
        "Diese Datei wurde übernommen und gekennzeichnet: Darin steht etwas, das sich an ein Sprachmodell richtet."
        if german
        else "This file was taken in and flagged: something in it speaks to a language model."
    )
    for kind, count in sorted(noted.flags.items()):
        where = _where(noted.places.get(kind, ()), german)
        lines.append(f"- {KINDS[kind][0 if german else 1]}: {count}{f' ({where})' if where else ''}")
    lines += [
        "Ist das so gemeint, etwa als Beispiel, so ist nichts zu tun. Sonst bitte die Stellen entfernen."
        if german
        else "If it is meant to be there, as an example for instance, there is nothing to do. Else remove it.",
        "",
        "Dieser Hinweis verschwindet, sobald nichts mehr gefunden wird oder die Datei entfernt ist."
        if german
        else "This note goes away when nothing is found any more, or when the file is removed.",
        "",
    ]
    return "\n".join(lines)


def overview_text(rows: Sequence[tuple[str, Mapping[str, int]]]) -> str:
    """The overview of a folder.

    Args:
        rows: names of files, and how many values of each type were replaced in them.
    """
    lines = [
        f"{MARK}: {OVERVIEW}",
        "",
        "Personenbezogene Angaben, die beim Übernehmen ersetzt wurden, nach Art. Die Dateien selbst sind unverändert.",
        "Personal data that was replaced when files were taken in, by kind. The files themselves are as they were.",
        "",
    ]
    ordered = sorted(rows, key=lambda row: row[0])
    lines += [f"{name}: {_counted(counts)}" for name, counts in ordered[:MOST_LINES]]
    if len(ordered) > MOST_LINES:
        rest: Counter[str] = Counter()
        for _, counts in ordered[MOST_LINES:]:
            rest.update(counts)
        lines.append(f"(+ {len(ordered) - MOST_LINES}): {_counted(rest)}")
    return "\n".join([*lines, ""])


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items()))


def _where(places: Sequence[tuple[str, int]], german: bool) -> str:
    """The first places, in words."""
    words = {"page": ("Seite {}", "page {}"), "percent": ("etwa bei {} % des Textes", "at about {} % of the text")}
    first = sorted(dict.fromkeys(places), key=lambda place: place[1])[:3]
    return ", ".join(words[kind][0 if german else 1].format(number) for kind, number in first)


def _known(stores: Stores, newest: Events) -> dict[str, Noted]:
    """What is known of the newest state of each file, by path."""
    columns = ["document_id", "file_id", "event", "path", "language", "pii", "findings"]
    rows = [row for row in stores.lake.read(DOCUMENTS, columns).to_pylist() if (row["file_id"], row["event"]) in newest]
    flagged = [row["document_id"] for row in rows if row["findings"]]
    blocks = _blocks(stores, flagged) if flagged else {}
    known: dict[str, Noted] = {}
    for row in rows:
        noted = known.setdefault(row["path"], Noted(row["language"]))
        noted.replaced.update(json.loads(row["pii"]))
        for finding in row["findings"] or ():
            noted.flags[finding["kind"]] += 1
            place = _place(finding["start"], blocks.get((row["document_id"], row["event"]), ()))
            if place is not None:
                noted.places.setdefault(finding["kind"], []).append(place)
    return known


def _blocks(stores: Stores, documents: Sequence[str]) -> dict[tuple[str, int], list[dict[str, Any]]]:
    """Structure of documents by id and event."""
    rows = stores.lake.read(
        DOCUMENTS, ["document_id", "event", "blocks"], where=pc.field("document_id").isin(list(documents))
    )
    return {(row["document_id"], row["event"]): row["blocks"] for row in rows.to_pylist()}


def _place(start: int | None, blocks: Sequence[Mapping[str, Any]]) -> tuple[str, int] | None:
    """Page of a place, else how far into the text it is; None where it is hidden."""
    if start is None or not blocks:
        return None
    page = next((block["page"] for block in reversed(blocks) if block["start"] <= start), None)
    return ("page", page) if page else ("percent", round(100 * start / max(1, blocks[-1]["end"])))
