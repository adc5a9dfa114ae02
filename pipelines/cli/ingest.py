"""`knowledge ingest`: the same assets as under Dagster's daemon, run here and now."""

from __future__ import annotations

import contextlib
import re
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.cli.files import refused_table
from pipelines.cli.frame import FLAG, OK, RUN_FAILED, Answer, DebugOption, HomeOption, InboxOption, JsonOption, command
from pipelines.cli.homes import exported, pipeline_settings, record_inbox
from pipelines.cli.output import counted, plain, table
from pipelines.cli.progress import bars, prepare_model
from retrieval.errors import InvalidRequestError

if TYPE_CHECKING:
    from datetime import date

    from rich.console import Console

    from assets.lake import Partition
    from pipelines.ingest import IngestReport
    from pipelines.settings import PipelineSettings
    from pipelines.status import FileState

PARTITION = re.compile(r"(\d{4}-\d{2}-\d{2})[|/]([a-z]+)")
LISTED = 20
"""Paths of one kind that are listed; the JSON has all of them."""


@dataclass(frozen=True)
class Ingested:
    """What an ingestion did, and where every file is now."""

    report: IngestReport
    files: Sequence[FileState]

    @property
    def refused(self) -> Sequence[FileState]:
        """Files in quarantine."""
        return [file for file in self.files if file.state == "refused"]

    @property
    def code(self) -> int:
        """Exit code: refused files are no failure, a run that did not end is one."""
        return OK if self.report.success else RUN_FAILED

    @property
    def problems(self) -> list[str]:
        """What stopped a run."""
        return [
            f"{run.group}: {problem}"
            for run in self.report.runs
            if not run.success
            for problem in (run.problems or ("the run did not end; `knowledge dev` shows its log",))
        ]


@command
def ingest(
    confirm_deletions: Annotated[
        bool,
        typer.Option(
            "--confirm-deletions",
            metavar=FLAG,
            help="Carry out deletions that are held because they were too many at once.",
        ),
    ] = False,
    partition: Annotated[
        list[str] | None,
        typer.Option("--partition", metavar="DATE/SOURCE", help="Also make this partition again; may be repeated."),
    ] = None,
    inbox: InboxOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> Answer:
    """Ingest what changed in the inbox, up to the release that is served."""
    settings = pipeline_settings(home, inbox)
    done = run_ingest(settings, confirm_deletions=confirm_deletions, partitions=partition or (), debug=debug)
    return Answer(ingest_row(done), lambda console: show_ingest(console, done), done.code, done.problems)


def run_ingest(
    settings: PipelineSettings,
    *,
    confirm_deletions: bool = False,
    partitions: Sequence[str] = (),
    debug: bool = False,
) -> Ingested:
    """Ingest with progress bars, and note the inbox in the home.

    Raises:
        InvalidRequestError: a partition is no partition.
        KnowledgeError: a setting is wrong or something is out of reach.
    """
    from assets.bronze.scan import inbox_root
    from pipelines.ingest import ingest as run
    from pipelines.status import read_states
    from pipelines.stores import build_stores, utc_now

    wanted = [_partition(text, utc_now().date()) for text in partitions]
    inbox_root(settings.inbox)
    with bars("taking in") as shown, _without_warnings(debug):
        prepare_model(settings.models_dir, settings.model, shown)
        record_inbox(settings)
        with exported(settings):
            report = run(settings, progress=shown, confirm_deletions=confirm_deletions, partitions=wanted)
    return Ingested(report, read_states(build_stores(settings)))


def ingest_row(done: Ingested) -> dict[str, object]:
    """For `--json`."""
    report = done.report
    return {
        "unchanged": report.unchanged,
        "success": report.success,
        "received": report.received,
        "embedded": report.embedded,
        "reused": report.reused,
        "release": {"newest": report.release, "written": report.created, "active": report.active, "held": report.held},
        "changes": report.changes,
        "refused": [
            {"path": file.path, "reason": file.reason, "sentence": file.sentence, "language": file.language}
            for file in done.refused
        ],
        "unsettled": report.unsettled,
        "unreadable": report.unreadable,
        "withheld": report.withheld,
        "problems": done.problems,
        "runs": [{"group": run.group, "run_id": run.run_id, "success": run.success} for run in report.runs],
        "seconds": {step: round(seconds, 3) for step, seconds in report.seconds.items()},
    }


def show_ingest(console: Console, done: Ingested) -> None:
    """For people."""
    report = done.report
    if done.refused:
        console.print(refused_table(done.refused, "Refused"))
    for title, paths, advice in _left(report):
        console.print(f"{title}: {advice}")
        for path in paths[:LISTED]:
            console.print(f"  {plain(path)}", soft_wrap=True)
        if len(paths) > LISTED:
            console.print(f"  … and {len(paths) - LISTED} more")
    if report.unchanged:
        console.print(f"{unchanged_sentence(report)} ({report.seconds['total']:.1f} s)")
        return
    rows = table("Step", "Result")
    rows.add_row("inbox", _received(report))
    rows.add_row("texts", f"{report.embedded} embedded, {report.reused} vectors reused")
    rows.add_row("release", release_sentence(report))
    rows.add_row("time", _times(report))
    console.print(rows)


def unchanged_sentence(report: IngestReport) -> str:
    """That there was nothing to do."""
    stays = f"release {report.release} stays" if report.release is not None else "nothing is published"
    return f"Nothing changed: {stays}, nothing embedded."


def release_sentence(report: IngestReport) -> str:
    """What became of the release."""
    if report.release is None:
        return "nothing is published yet"
    if report.held and report.active != report.release:
        return (
            f"release {report.release} waits behind {report.active} since a rollback;"
            f" `knowledge release promote {report.release}` serves it"
        )
    if not report.created:
        return f"release {report.release} stays: nothing that readers see has changed"
    if report.active != report.release:
        served = "no release" if report.active is None else f"release {report.active}"
        return f"release {report.release} is written and not served: {served} is"
    return f"release {report.release} is written and served"


def _received(report: IngestReport) -> str:
    kinds = {"content": "new or changed", "access": "with other access", "removed": "removed"}
    said = [f"{report.received[kind]} {words}" for kind, words in kinds.items() if report.received.get(kind)]
    return ", ".join(said) + " files" if said else "no new files"


def _times(report: IngestReport) -> str:
    steps = [f"{step} {seconds:.1f} s" for step, seconds in report.seconds.items() if step != "total"]
    return f"{report.seconds['total']:.1f} s ({', '.join(steps)})"


def _left(report: IngestReport) -> Iterator[tuple[str, Sequence[str], str]]:
    """Files that were deliberately left, each kind with what to do about it."""
    if report.unsettled:
        files = counted(len(report.unsettled), "file")
        yield "Being written", report.unsettled, f"{files} changed while they were read; run again when they are done"
    if report.unreadable:
        files = counted(len(report.unreadable), "file")
        yield "Unreadable", report.unreadable, f"{files} may not be read by this user; correct the permissions"
    for source, paths in report.withheld.items():
        files = counted(len(paths), "deletion")
        advice = f"{files} in {source} at once look like a lost folder; --confirm-deletions carries them out"
        yield "Held", paths, advice


def _partition(text: str, today: date) -> Partition:
    from datetime import date

    from assets.contract import SOURCES
    from assets.partitions import FIRST_DAY

    match = PARTITION.fullmatch(text)
    try:
        day = date.fromisoformat(match[1]) if match else None
    except ValueError:
        day = None
    if match is None or day is None or match[2] not in SOURCES:
        raise InvalidRequestError(
            f"--partition must be DATE/SOURCE, e.g. {today}/blog, with a source of {', '.join(SOURCES)}"
        )
    if not date.fromisoformat(FIRST_DAY) <= day <= today:
        raise InvalidRequestError(f"--partition: the day must lie between {FIRST_DAY} and today ({today})")
    return match[1], match[2]


@contextlib.contextmanager
def _without_warnings(debug: bool) -> Iterator[None]:
    """Keep what Dagster says about its own interfaces (`… is currently in beta`) from the terminal."""
    with warnings.catch_warnings():
        if not debug:
            warnings.simplefilter("ignore")
        yield
