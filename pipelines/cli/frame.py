"""What all commands share: their common options, output as JSON or text, and errors as one line and an exit code."""

from __future__ import annotations

import contextlib
import errno
import functools
import os
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer
from typer.core import TyperGroup

from pipelines.cli import output

if TYPE_CHECKING:
    from rich.console import Console

OK, PERMANENT, USAGE, RUN_FAILED = 0, 1, 2, 3
TRY_AGAIN = 75
"""EX_TEMPFAIL of sysexits.h."""
INTERRUPTED = 128 + 2
BROKEN_PIPE = 128 + 13
"""As a shell reports a process that SIGINT or SIGPIPE ended."""

HomeOption = Annotated[
    Path | None,
    typer.Option("--home", metavar="DIR", help="Data directory; default: KNOWLEDGE_HOME, else .knowledge."),
]
InboxOption = Annotated[
    Path | None,
    typer.Option("--inbox", metavar="DIR", help="Watched folder; default: KNOWLEDGE_INBOX or as recorded in the home."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]
DebugOption = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]


@dataclass(frozen=True)
class Answer:
    """What a command found out or did.

    Attributes:
        data: for `--json`, see `output.to_json`.
        show: writes the same for people.
        code: exit code.
        problems: sentences for standard error, in either form of output.
    """

    data: object
    show: Callable[[Console], None]
    code: int = OK
    problems: Sequence[str] = ()


def command(work: Callable[..., Answer | None]) -> Callable[..., None]:
    """Make a function a command: deliver its answer, turn what it raises into a line and an exit code.

    The function takes `as_json` and `debug`. While it runs with `as_json`, standard output belongs to the answer
    alone: whatever else is printed goes to standard error. Commands that go on running deliver by themselves and
    return None.
    """

    @functools.wraps(work)
    def run(*args: Any, as_json: bool, debug: bool, **kwargs: Any) -> None:
        with _errors(as_json, debug):
            answer = work(*args, as_json=as_json, debug=debug, **kwargs)
            if answer is not None:
                deliver(answer, as_json)
                raise typer.Exit(answer.code)

    return run


def deliver(answer: Answer, as_json: bool) -> None:
    """Write an answer."""
    for problem in answer.problems:
        output.complain(problem)
    if as_json:
        sys.stdout.write(output.to_json(answer.data))
    else:
        answer.show(output.console())
    sys.stdout.flush()


@contextlib.contextmanager
def own_stdout(as_json: bool) -> Iterator[None]:
    """Keep standard output free of what libraries print, where it has to be JSON."""
    with contextlib.redirect_stdout(sys.stderr) if as_json else contextlib.nullcontext():
        yield


class Commands(TyperGroup):
    """The top of the command line: wrong usage is one line too, and exit code 2."""

    def main(self, args: Sequence[str] | None = None, *rest: Any, **more: Any) -> Any:
        """Run, and exit."""
        as_json = "--json" in (sys.argv[1:] if args is None else args)
        more["standalone_mode"] = False
        if isinstance(sys.stdout, TextIO | typing_wrapper()):
            ...
        try:
            code = super().main(args, *rest, **more)
        except typer.TyperException as error:
            ...
        sys.exit(code or 0)
