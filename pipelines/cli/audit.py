"""`knowledge audit`: seals the log of requests, and says whether somebody changed it afterwards."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.cli.frame import PERMANENT, Answer, Application, DebugOption, HomeOption, JsonOption, command
from pipelines.cli.homes import existing_home
from pipelines.cli.output import counted

if TYPE_CHECKING:
    from rich.console import Console

group = Application("Seal the audit log, and verify its seals.")


@group.command()
@command
def seal(home: HomeOption = None, as_json: JsonOption = False, debug: DebugOption = False) -> Answer:
    """Seal past days, prepare the next months, drop months older than KNOWLEDGE_AUDIT_KEEP_DAYS."""
    from assets.audit.seals import keep_audit, no_later_than_database
    from pipelines.stores import build_stores

    stores = build_stores(existing_home(home))
    with stores.connect() as connection:
        now = no_later_than_database(connection, stores.clock())
        done = keep_audit(connection, stores.seal_key, now=now, keep_days=stores.audit_keep_days)

    def show(console: Console) -> None:
        sealed, dropped = done["sealed"], done["dropped"]
        span = f": {sealed[0]} to {sealed[-1]}" if sealed else ""
        console.print(f"{counted(len(sealed), 'day')} sealed{span}.")
        if dropped:
            console.print(f"Past {stores.audit_keep_days} days and dropped: {', '.join(dropped)}.")

    return Answer(done, show)


@group.command()
@command
def verify(
    head: Annotated[
        str | None, typer.Option("--head", metavar="SEAL", help="A last seal that was noted earlier, elsewhere.")
    ] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> Answer:
    """Compare the log with its seals; where they differ, name the days and exit with code 1."""
    from assets.audit.seals import verify as compare
    from pipelines.stores import build_stores

    stores = build_stores(existing_home(home))
    with stores.connect() as connection:
        verdict = compare(connection, stores.seal_key, head=head, now=stores.clock())

    def show(console: Console) -> None:
        if verdict.sealed_to is None:
            console.print("Nothing is sealed yet: `knowledge audit seal` seals the days that are over.")
            return
        dropped = f", the rows of {counted(verdict.dropped, 'day')} are past their time" if verdict.dropped else ""
        console.print(f"{counted(verdict.days, 'day')} compared, sealed up to {verdict.sealed_to}{dropped}.")
        if verdict.amended:
            console.print(f"Erasures emptied comments of {counted(verdict.amended, 'day')} and sealed them once more.")
        if not verdict.problems:
            console.print("Every row is as it was sealed.")
        console.print(f"Last seal: {verdict.head}")

    problems = [
        problem.what if problem.day == date.min else f"{problem.day}: {problem.what}" for problem in verdict.problems
    ]
    return Answer(verdict, show, code=PERMANENT if problems else 0, problems=problems)
