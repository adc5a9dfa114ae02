"""Tables of files and their states, as several commands show them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from pipelines.cli.output import WIDE, counted, moment, plain, table

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from pipelines.status import FileState

NAMES = {
    "on_its_way": "on its way",
    "not_taken_in": "not taken in",
    "deletion_held": "deletion held",
    "kept_out": "kept out",
}
NOTES_SHOWN = 3
"""Notes of a reader that are shown of a file; the JSON has all of them."""
STYLES = {"served": "green", "refused": "red", "unreadable": "red", "deletion_held": "yellow"}


def state_name(state: str) -> str:
    """A state in words."""
    return NAMES.get(state, state)


def access(file: FileState) -> str:
    """Who may read it, e.g. `internal: sales, service`; empty where no policy says so."""
    return f"{file.clearance}: {', '.join(file.roles)}" if file.clearance else ""


def files_table(console: Console, files: Iterable[FileState], title: str | None = None) -> Table:
    """Files with their facts: a column for each where there is room, else a line below the path."""
    return _wide(files, title) if console.width >= WIDE else _narrow(files, title)


def refused_table(files: Iterable[FileState], title: str | None = None) -> Table:
    """Refused files with the sentence for the person who dropped them."""
    from rich.text import Text

    made = table("Reason", "File", title=title)
    for file in files:
        made.add_row(Text(file.reason or "", style="red"), f"{plain(file.path)}\n{plain(file.sentence or '')}")
    return made


def notes(file: FileState) -> str:
    """What is out of the ordinary about a file."""
    said = []
    if file.pending:
        said.append(file.pending)
    if file.served_version is not None and file.served_version != file.version:
        said.append(f"version {file.served_version} is served")
    if file.expires_at is not None:
        said.append(f"{'expired' if file.state == 'expired' else 'expires'} {moment(file.expires_at)[:10]}")
    if file.duplicate_of:
        said.append(f"same bytes as {plain(file.duplicate_of)}")
    if file.near_duplicate_of:
        said.append(f"nearly the same text as {plain(file.near_duplicate_of)}")
    if file.state == "kept_out" and file.detail:
        said.append(f"its policy keeps it out of the index ({file.detail})")
    if file.flagged:
        said.append(f"flagged: it speaks to a model ({', '.join(file.flagged)})")
    said += [plain(note) for note in file.notes[:NOTES_SHOWN]]
    if len(file.notes) > NOTES_SHOWN:
        said.append(f"and {counted(len(file.notes) - NOTES_SHOWN, 'more note')}")
    return ", ".join(said)


def counts_line(counts: dict[str, int]) -> str:
    """Counts in one line, e.g. `12 served, 2 refused`."""
    return ", ".join(f"{count} {state_name(name)}" for name, count in counts.items())


def _wide(files: Iterable[FileState], title: str | None) -> Table:
    from rich.text import Text

    made = table("File", "Source", "Tenant", "Access", "Lang", ">Ver", ">Passages", "State", "Notes", title=title)
    made.columns[0].ratio = 3
    for file in files:
        made.add_row(
            plain(file.path),
            file.source,
            file.tenant or "",
            access(file),
            file.language or "",
            str(file.version or ""),
            str(file.passages or ""),
            Text(state_name(file.state), style=STYLES.get(file.state, "")),
            notes(file),
        )
    return made


def _narrow(files: Iterable[FileState], title: str | None) -> Table:
    from rich.text import Text

    made = table("State", "File", title=title)
    for file in files:
        facts = (
            file.source,
            file.tenant,
            access(file),
            file.language,
            counted(file.passages, "passage") if file.passages else None,
            f"version {file.version}" if (file.version or 1) > 1 else None,
            notes(file),
        )
        made.add_row(
            Text(state_name(file.state), style=STYLES.get(file.state, "")),
            Text.assemble(plain(file.path), "\n", (" · ".join(fact for fact in facts if fact), "dim")),
        )
    return made
