"""`knowledge release`: what was published, what is served, and how to go back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipelines.cli.frame import Answer, Application, DebugOption, HomeOption, JsonOption, command
from pipelines.cli.homes import existing_home
from pipelines.cli.output import counted, moment, table

if TYPE_CHECKING:
    from rich.console import Console

    from assets.index.segments import Connection
    from pipelines.settings import PipelineSettings

group = Application("List, promote, roll back and purge releases.")


@group.command("list")
@command
def list_all(home: HomeOption = None, as_json: JsonOption = False, debug: DebugOption = False) -> Answer:
    """List all releases, newest first, and what is served."""
    from assets.index.releases import list_releases, serving

    with _owner(home) as (_, connection):
        releases, served = list_releases(connection), serving(connection)

    def show(console: Console) -> None:
        if not releases:
            console.print("Nothing is published yet: run `knowledge ingest` first.")
            return
        rows = table(">Release", "State", "Written", ">Documents", ">Passages", ">Added", ">Removed", "Model")
        for release in releases:
            counts = (release.documents, release.chunks, release.added, release.removed)
            rows.add_row(
                str(release.number),
                release.state,
                moment(release.created_at),
                *map(str, counts),
                release.fingerprint,
                style="bold" if release.state == "active" else "",
            )
        console.print(rows)
        if served.held:
            console.print(
                f"New releases wait since a rollback to release {served.release};"
                f" `knowledge release promote {releases[0].number}` ends that."
            )

    return Answer({"releases": releases, "active": served.release, "held": served.held, "since": served.since}, show)


@group.command()
@command
def promote(
    number: Annotated[int, typer.Argument(metavar="N", help="Number of a kept release.")],
    home: HomeOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> Answer:
    """Serve a release from the next question on; later ones are promoted again."""
    from assets.index import releases
    from pipelines.stores import utc_now

    with _owner(home) as (settings, connection):
        before = releases.serving(connection)
        served = releases.promote(connection, number, now=utc_now(), by_hand=True)
        _write_standby(settings, connection)
    changed = (before.release, before.held) != (served.release, served.held)
    return _serving(served, f"Release {served.release} is served{'' if changed else ' already'}.", before.release)


@group.command()
@command
def rollback(
    to: Annotated[
        int | None, typer.Option("--to", metavar="N", help="Release to go back to. Default: the one before.")
    ] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> Answer:
    """Serve an earlier release from the next question on; new ones wait until one is promoted."""
    from assets.index import releases
    from pipelines.stores import utc_now

    with _owner(home) as (settings, connection):
        before = releases.serving(connection)
        served = releases.rollback(connection, now=utc_now(), to=to)
        _write_standby(settings, connection)
    return _serving(
        served,
        f"Release {served.release} is served again, {before.release} no longer. New releases are written and wait;"
        " `knowledge release promote N` serves one.",
        before.release,
    )


@group.command()
@command
def purge(
    keep: Annotated[
        int | None,
        typer.Option(
            "--keep",
            metavar="N",
            min=0,
            help="Releases to keep behind the active one. Default: KNOWLEDGE_KEEP_RELEASES.",
        ),
    ] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> Answer:
    """Delete releases that are no longer kept, and passages past their time."""
    from assets.index import releases
    from pipelines.stores import utc_now

    with _owner(home) as (settings, connection):
        kept = settings.keep_releases if keep is None else keep
        deleted = releases.purge(connection, keep=kept, now=utc_now())

    def show(console: Console) -> None:
        rows = ", ".join(f"{count} of {name}" for name, count in deleted.items() if count and name != "releases")
        purged = counted(deleted.get("releases", 0), "release")
        console.print(f"{purged} purged; rows deleted: {rows or 'none'}.")

    return Answer({"keep": kept, "deleted": deleted}, show)


@contextmanager
def _owner(home: Path | None) -> Iterator[tuple[PipelineSettings, Connection]]:
    """Settings, and a connection as the owner of the schema."""
    from retrieval.database import Database

    settings = existing_home(home)
    dsn = settings.owner_dsn.get_secret_value() if settings.owner_dsn else None
    with Database.for_writing(settings, dsn).connect(settings, autocommit=True) as connection:
        yield settings, connection


def _write_standby(settings: PipelineSettings, connection: Connection) -> None:
    """Let the standby, where there is one, follow the release that is served."""
    from assets.index.standby import write_standby
    from pipelines.stores import utc_now
    from retrieval.audit import load_key

    if settings.standby is not None:
        write_standby(connection, settings.standby, load_key(settings.keys_dir / "standby.key"), now=utc_now())


def _serving(served: Any, sentence: str, before: int | None) -> Answer:
    data = {"active": served.release, "held": served.held, "since": served.since, "before": before}
    return Answer(data, lambda console: console.print(sentence))
