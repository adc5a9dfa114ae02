"""`knowledge erase`: forget a document or a person, everywhere, and prove it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.cli.frame import FLAG, Answer, DebugOption, HomeOption, InboxOption, JsonOption, command
from pipelines.cli.homes import existing_home
from pipelines.cli.output import counted, plain, table
from pipelines.cli.progress import bars

if TYPE_CHECKING:
    from rich.console import Console

    from assets.erasure.erase import Erased

STEPS = {
    "look": "looking for it",
    "list": "listing the bytes",
    "bronze": "bronze",
    "keys": "data keys",
    "silver": "silver",
    "gold": "gold",
    "history": "history of the lake",
    "index": "every release",
    "feedback": "comments of feedback",
    "database": "files of the database",
    "standby": "snapshots of the standby",
    "places": "caches, snapshots, Dagster",
    "prove": "searching for what is left",
    "certify": "certificate",
}


@command
def erase(
    document: Annotated[
        str | None, typer.Option("--document", metavar="PATH", help="A document, by its path relative to the inbox.")
    ] = None,
    subject: Annotated[
        str | None,
        typer.Option(
            "--subject",
            metavar="TEXT",
            help="A person, by name, address or number: every version that names them, also under a pseudonym.",
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", metavar=FLAG, help="List what would go, and change nothing.")
    ] = False,
    by: Annotated[
        str | None,
        typer.Option("--by", metavar="NAME", help="Who requests it, for the certificate. Default: this user."),
    ] = None,
    home: HomeOption = None,
    inbox: InboxOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> Answer:
    """Erase a document or a person everywhere, and certify it.

    Waits for runs under way. To complete an interrupted erasure, run the same command again.
    """
    settings = existing_home(home, inbox)
    from assets.erasure.erase import Erasure, Target
    from pipelines.erasure import DagsterStorage
    from pipelines.stores import build_stores

    target = Target(document, subject)
    with bars("erasing" if not dry_run else "looking") as shown:
        erasure = Erasure(
            build_stores(settings, progress=shown),
            target,
            places=[DagsterStorage(settings)],
            by=by,
            on_step=lambda name: shown(STEPS[name], 0, 1),
        )
        outcome = erasure.look() if dry_run else erasure.run()
    return _answer(outcome, document, dry_run=dry_run)


def _answer(outcome: Erased, document: str | None, *, dry_run: bool) -> Answer:
    nothing = not (outcome.items or outcome.passages or outcome.comments) and outcome.certificate is None
    notes = [f"cannot be searched, no reader reads it: {path}" for path in outcome.unsearched]

    def show(console: Console) -> None:
        if nothing:
            console.print(
                "Nothing that is kept holds it."
                if document is None
                else f"Nothing is kept of {plain(document)}: `knowledge status` shows the paths that there are."
            )
            return
        rows = table("File", ">Version", ">Event", "Received")
        for item in outcome.items:
            rows.add_row(item.path, str(item.version), str(item.event), item.received_on)
        console.print(rows)
        versions, passages = counted(len(outcome.items), "version"), counted(outcome.passages, "passage")
        comments = f", {counted(outcome.comments, 'comment')} of feedback emptied" if outcome.comments else ""
        if dry_run:
            console.print(f"{versions} and {passages} would be erased{comments}.")
        if outcome.certificate is not None:
            ended = " An erasure that was interrupted is ended." if outcome.resumed else ""
            checks = counted(len(outcome.certificate.checks), "check")
            console.print(f"{versions} and {passages} are erased{comments}, {checks} found nothing left.{ended}")
            console.print(f"Certificate {outcome.certificate.number}: {outcome.file}")

    data = {
        "dry_run": dry_run,
        "versions": outcome.items,
        "passages": outcome.passages,
        "comments": outcome.comments,
        "resumed": outcome.resumed,
        "unsearched": outcome.unsearched,
        "certificate": outcome.certificate,
        "file": outcome.file,
    }
    return Answer(data, show, notes=notes)
