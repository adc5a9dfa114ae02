"""Where the console script `knowledge` begins: puts the commands together and runs them."""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib.util
import io
import os
import signal
import sys
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    import typer

NEEDED = ("typer", "rich", "yaml", "pandas", "pyarrow", "deltalake", "great_expectations", "dagster")
"""Packages of the extra `pipeline` whose absence means that it is not installed."""


STOPPED = (128 + signal.SIGINT, 128 + signal.SIGTERM)
"""Exit codes of a command that was stopped by a signal."""


def application() -> typer.Typer:
    """All commands."""
    from pipelines.cli import audit, database, demo, dev, doctor, erase, ingest, keys, release, review, search, status
    from pipelines.cli.frame import Application, Commands

    app = Application(
        "From a dropped file to a cited answer: ingest an inbox, search it, look after its releases.",
        name="knowledge",
        cls=Commands,
    )
    app.command("demo")(demo.demo)
    app.command("dev")(dev.dev)
    app.command("ingest")(ingest.ingest)
    app.command("search")(search.search)
    app.command("status")(status.status)
    app.command("doctor")(doctor.doctor)
    app.command("erase")(erase.erase)
    app.command("review")(review.review)
    app.add_typer(release.group, name="release")
    app.add_typer(audit.group, name="audit")
    app.add_typer(keys.group, name="keys")
    app.add_typer(database.group, name="db")
    return app


def main() -> None:
    """Run the command line of this process."""
    if any(importlib.util.find_spec(name) is None for name in NEEDED):
        sys.stderr.write("error: the command needs more packages: pip install 'avatar-knowledge[pipeline]'\n")
        sys.exit(1)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal without umlauts is no reason to fail
    signal.signal(signal.SIGTERM, _terminated)
    # Most of what a command allocates are modules that stay: look for garbage less often, and not at all on leaving.
    gc.set_threshold(100_000, 50, 100)
    code: str | int | None = 0
    try:
        application()(prog_name="knowledge")
    except KeyboardInterrupt:
        code = STOPPED[0]
    except SystemExit as end:
        code = end.code
    finally:
        # From here on only what must be stopped is stopped; another Ctrl-C would leave it running.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        gc.freeze()
    if isinstance(code, int) and code in STOPPED:
        _leave_at_once(code)
    sys.exit(code)


def _leave_at_once(code: int) -> NoReturn:
    """Stop what must be stopped and go, with threads still at work.

    Python would take itself down under them, and what is in native code then aborts the process.
    """
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


def _terminated(number: int, _: FrameType | None) -> None:
    """End in order, so that the embedded database is not left running."""
    sys.exit(128 + number)


if __name__ == "__main__":
    main()
