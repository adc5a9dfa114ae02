"""`knowledge status`: every file with its state."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.cli.files import counts_line, files_table, refused_table
from pipelines.cli.frame import Answer, DebugOption, HomeOption, InboxOption, JsonOption, command
from pipelines.cli.homes import pipeline_settings
from pipelines.cli.output import counted
from retrieval.errors import InvalidRequestError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from pipelines.status import FileState


@command
def status(
    source: Annotated[
        list[str] | None, typer.Option("--source", metavar="NAME", help="Only this source; may be repeated.")
    ] = None,
    state: Annotated[
        list[str] | None, typer.Option("--state", metavar="STATE", help="Only files in this state; may be repeated.")
    ] = None,
    inbox: InboxOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> Answer:
    """Show every file with its state, and why it is refused.

    States: served, refused, on its way, not taken in, unsettled, unreadable, deletion held, kept out, expired, removed.
    """
    settings = pipeline_settings(home, inbox)
    from assets.contract import SOURCES
    from pipelines.status import STATES, count_by, read_states
    from pipelines.stores import build_stores, utc_now

    sources = _known("--source", source, SOURCES)
    states = _known("--state", [name.replace(" ", "_").replace("-", "_") for name in state or ()], STATES)
    found = read_states(build_stores(settings), settle_s=settings.settle_s)
    files = [file for file in found if file.source in sources and file.state in states]
    horizon = utc_now() + timedelta(days=settings.due_ahead_days)
    due = [file for file in files if file.is_due(horizon)]
    by_state, by_reason = count_by(file.state for file in files), count_by(file.reason for file in files)

    def show(console: Console) -> None:
        refused = [file for file in files if file.reason]
        others = [file for file in files if not file.reason]
        if others:
            console.print(files_table(console, others))
        if refused:
            console.print(refused_table(refused, "Refused"))
        console.print(_summary(len(files), by_state, by_reason))
        if due:
            console.print("Due for a check:")
            for file in due:
                console.print(f"  {file.path} ({_why_due(file, horizon)})")

    return Answer({"files": [_row(file) for file in files], "states": by_state, "reasons": by_reason}, show)


def _known(option: str, given: Sequence[str] | None, known: Sequence[str]) -> Sequence[str]:
    """What was given, or all; wrong names are the caller's mistake."""
    for name in given or ():
        if name not in known:
            raise InvalidRequestError(f"{option} {name} is unknown: use one of {', '.join(known)}")
    return given or known


def _why_due(file: FileState, horizon: datetime) -> str:
    days = {"refresh": file.refresh_on, "expires": file.expires_at.date() if file.expires_at else None}
    return ", ".join(f"{what} {day}" for what, day in days.items() if day and day <= horizon.date())


def _row(file: FileState) -> dict[str, object]:
    from dataclasses import asdict

    return asdict(file) | {"sentence": file.sentence}


def _summary(count: int, by_state: dict[str, int], by_reason: dict[str, int]) -> str:
    if not count:
        return "No files: nothing was dropped into the inbox yet, or nothing matches."
    reasons = f"; refused: {counts_line(by_reason)}" if by_reason else ""
    return f"{counted(count, 'file')}: {counts_line(by_state)}{reasons}"
