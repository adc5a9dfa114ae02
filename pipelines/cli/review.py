"""`knowledge review`: data-protection reviews that new sources of personal data ask for."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.cli.frame import Answer, DebugOption, HomeOption, JsonOption, command
from pipelines.cli.homes import existing_home
from pipelines.cli.output import counted, plain, table

if TYPE_CHECKING:
    from rich.console import Console


@command
def review(
    acknowledge: Annotated[
        str | None,
        typer.Option("--acknowledge", metavar="FOLDER", help="Record that this folder was reviewed."),
    ] = None,
    kind: Annotated[
        list[str] | None,
        typer.Option("--type", metavar="TYPE", help="Only this type of personal data; may be repeated."),
    ] = None,
    by: Annotated[str | None, typer.Option("--by", metavar="NAME", help="Who did the review.")] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> Answer:
    """Show folders where a type of personal data is new, or record that one was reviewed."""
    from assets.governance.reviews import acknowledge as note
    from assets.governance.reviews import open_reviews
    from pipelines.stores import build_stores
    from retrieval.errors import InvalidRequestError

    stores = build_stores(existing_home(home))
    if acknowledge is not None:
        if not by or not by.strip():
            raise InvalidRequestError("A review is acknowledged by somebody: name them with --by")
        done = note(stores.lake, acknowledge, kind or [], reviewer=by.strip(), today=stores.today, now=stores.clock())
    else:
        done = []
    waiting = open_reviews(stores.lake)

    def show(console: Console) -> None:
        if done:
            console.print(f"{counted(len(done), 'review')} acknowledged.")
        if not waiting:
            console.print("No data-protection review is open.")
            return
        rows = table("Folder", "Type", ">Documents", "Since")
        for origin in waiting:
            rows.add_row(plain(origin.folder), origin.type, str(origin.documents), f"{origin.since:%Y-%m-%d}")
        console.print(rows)
        console.print("`knowledge review --acknowledge FOLDER --by NAME` notes that a folder's review was done.")

    return Answer({"acknowledged": [asdict(o) for o in done], "open": [asdict(o) for o in waiting]}, show)
