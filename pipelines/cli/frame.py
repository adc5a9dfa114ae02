"""What all commands share: common options, delivery of answers, errors as one line and an exit code."""

from __future__ import annotations

import contextlib
import errno
import functools
import inspect
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from pipelines.cli import output

if TYPE_CHECKING:
    from rich.console import Console

OK, PERMANENT, USAGE, RUN_FAILED = 0, 1, 2, 3
TRY_AGAIN = 75
"""EX_TEMPFAIL of sysexits.h."""
INTERRUPTED = 128 + 2
BROKEN_PIPE = 128 + 13
"""As shells report a process that was ended by SIGINT or SIGPIPE."""

NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO}
"""Errors of the system that say that a disk takes no more."""

NOT_SET_UP = {"3F000", "42P01", "42883"}
"""SQLSTATEs of a schema, table or function that is not there."""

FLAG = ""
"""Metavar of options that take no value: the help would show one otherwise."""

HomeOption = Annotated[
    Path | None,
    typer.Option("--home", metavar="DIR", help="Data directory. Default: KNOWLEDGE_HOME, else .knowledge."),
]
InboxOption = Annotated[
    Path | None,
    typer.Option(
        "--inbox", metavar="DIR", help="Watched folder. Default: KNOWLEDGE_INBOX, else the one noted in the home."
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", metavar=FLAG, help="Print one JSON object instead of text.")]
DebugOption = Annotated[bool, typer.Option("--debug", metavar=FLAG, help="Show the traceback of an error.")]


@dataclass(frozen=True)
class Answer:
    """What a command found out or did.

    Attributes:
        data: for `--json`, see `output.to_json`.
        show: writes the same for people.
        code: exit code.
        problems: what went wrong, for standard error beside either form.
        notes: what to know beside it, likewise.
    """

    data: object
    show: Callable[[Console], None]
    code: int = OK
    problems: Sequence[str] = ()
    notes: Sequence[str] = ()


def command(work: Callable[..., Answer]) -> Callable[..., None]:
    """Make a function that gives an answer a command.

    The function takes `as_json` and `debug` among its options. While it works for `--json`, whatever libraries print
    goes to standard error.
    """

    @functools.wraps(work)
    def run(**options: Any) -> None:
        def action() -> int:
            with contextlib.redirect_stdout(sys.stderr) if options["as_json"] else contextlib.nullcontext():
                answer = work(**options)
            deliver(answer, as_json=options["as_json"])
            return answer.code

        raise typer.Exit(_attempt(action, **options))

    run.__doc__ = _flowing(work.__doc__)
    return run


def service(work: Callable[..., int]) -> Callable[..., None]:
    """Make a function a command that goes on running, delivers by itself and returns an exit code."""

    @functools.wraps(work)
    def run(**options: Any) -> None:
        raise typer.Exit(_attempt(lambda: work(**options), **options))

    run.__doc__ = _flowing(work.__doc__)
    return run


def _flowing(help_text: str | None) -> str:
    """A docstring with one line for each paragraph: the help breaks lines as the terminal is wide."""
    paragraphs = inspect.cleandoc(help_text or "").split("\n\n")
    return "\n\n".join(paragraph.replace("\n", " ") for paragraph in paragraphs)


def deliver(answer: Answer, *, as_json: bool) -> None:
    """Write an answer, what is said about it first."""
    for problem in answer.problems:
        output.complain(problem)
    for note in answer.notes:
        output.mention(note)
    if as_json:
        sys.stdout.write(output.to_json(answer.data))
    else:
        console = output.console()
        # rich would end the process by itself where the reader of a pipe has gone
        with console.capture() as shown:
            answer.show(console)
        sys.stdout.write(shown.get())
    sys.stdout.flush()


class Command(TyperCommand):
    """A command whose help shows `--help` as the flag it is: typer would give it a value."""

    def get_help_option(self, ctx: Any) -> Any:
        """The option `--help`."""
        return _as_flag(super().get_help_option(ctx))


class Group(TyperGroup):
    """A command with commands below it, likewise."""

    def get_help_option(self, ctx: Any) -> Any:
        """The option `--help`."""
        return _as_flag(super().get_help_option(ctx))


def _as_flag(option: Any) -> Any:
    if option is not None:
        option.metavar = FLAG
    return option


class Application(typer.Typer):
    """Commands under one name."""

    def __init__(self, help_text: str, *, name: str | None = None, cls: type[Group] = Group) -> None:
        super().__init__(
            name=name,
            cls=cls,
            help=help_text,
            no_args_is_help=True,
            add_completion=False,
            pretty_exceptions_enable=False,
        )

    def command(self, name: str | None = None, **options: Any) -> Callable[..., Any]:
        """Register a command."""
        return super().command(name, cls=Command, **options)


class Commands(Group):
    """The top of the command line: wrong usage is one line too."""

    def main(self, args: Sequence[str] | None = None, *rest: Any, **more: Any) -> Any:
        """Run a command line and exit."""
        given = sys.argv[1:] if args is None else list(args)
        try:
            code = super().main(given, *rest, **more | {"standalone_mode": False})
        except typer.Abort:
            code = INTERRUPTED
        except typer.TyperException as error:
            code = _wrong_usage(error, as_json="--json" in given)
        sys.exit(code or OK)


def _attempt(action: Callable[[], int], *, as_json: bool, debug: bool, **_: object) -> int:
    try:
        return action()
    except (typer.TyperException, typer.Exit):
        raise
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        output.abandon_stdout()
        return BROKEN_PIPE
    except Exception as error:  # noqa: BLE001  # nothing may reach the terminal as a traceback unasked
        if debug:
            traceback.print_exception(error)
        return _failed(error, as_json=as_json)


def _failed(error: Exception, *, as_json: bool) -> int:
    from retrieval.errors import InvalidRequestError, KnowledgeError, TransientError

    error = known(error)
    transient = isinstance(error, TransientError)
    if isinstance(error, KnowledgeError):
        message = " ".join(str(error).split())
    else:
        # its own words may quote content
        message = f"unexpected {type(error).__name__}: run the command again with --debug to see where it comes from"
    _report(type(error).__name__, message, transient=transient, as_json=as_json)
    if isinstance(error, InvalidRequestError):
        return USAGE
    return TRY_AGAIN if transient else PERMANENT


def known(error: Exception) -> Exception:
    """The library's error for what the system, Dagster's storage or the database's driver say in the middle of work."""
    from retrieval.errors import ConfigurationError

    if isinstance(error, OSError) and error.errno in NO_ROOM:
        return _no_room(error.filename or "the data directory", os.strerror(error.errno))
    if isinstance(error, PermissionError) and error.filename:
        return ConfigurationError(
            f"{error.filename} may not be used by this user ({error.strerror}): correct its permissions, or"
            " run the command as the user to whom it belongs"
        )
    sqlalchemy = sys.modules.get("sqlalchemy")
    if sqlalchemy is not None and isinstance(error, sqlalchemy.exc.OperationalError):
        # of SQLite the words name no content: `disk I/O error`, `database or disk is full`, `database is locked`
        return _no_room("Dagster's storage in the data directory", str(error.orig))
    driver = sys.modules.get("psycopg")
    if driver is None or not isinstance(error, driver.Error):
        return error
    from retrieval.database import unreachable
    from retrieval.errors import SchemaError

    if isinstance(error, driver.errors.InsufficientPrivilege):
        return ConfigurationError(
            "The database login may not do this: set KNOWLEDGE_OWNER_DSN to a login as the schema's owner"
        )
    if error.sqlstate in NOT_SET_UP:
        return SchemaError("The database is not set up for this version: run `knowledge db init`")
    return unreachable(error) if isinstance(error, driver.OperationalError) else error


def _no_room(place: str, why: str) -> Exception:
    from retrieval.errors import UnavailableError

    return UnavailableError(
        f"{place} cannot be written ({why}): free some space there or correct its permissions, then run the command"
        " again; it does what is left"
    )


def _wrong_usage(error: typer.TyperException, *, as_json: bool) -> int:
    from retrieval.settings import plain

    subject, found, problem = error.format_message().strip().partition(": ")
    message = subject + found + plain(problem)
    if message:  # empty where help was printed instead
        context = getattr(error, "ctx", None)
        hint = f" (see `{context.command_path} --help`)" if context is not None else ""
        _report(type(error).__name__, message.rstrip(".") + hint, transient=False, as_json=as_json)
    return error.exit_code


def _report(name: str, message: str, *, transient: bool, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(output.to_json({"error": {"class": name, "message": message, "transient": transient}}))
        sys.stdout.flush()
    output.complain(message)
