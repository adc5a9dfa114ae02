"""`knowledge search`: asks the retrieval library, as an avatar would."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, cast

import typer

from pipelines.cli.frame import FLAG, Answer, DebugOption, HomeOption, JsonOption, command
from pipelines.cli.homes import require_home
from pipelines.cli.output import counted, moment
from pipelines.cli.passages import passages_table, result_row

if TYPE_CHECKING:
    from rich.console import Console

    from retrieval import Clearance, SearchResult


ARGUMENT = re.compile(r"\b(?:Principal|Filters|Shape)\.(\w+)")
OPTIONS = {"roles": "role", "tags": "tag"}
"""Options that have other names than the library's arguments."""

SOURCES = ("blog", "podcast", "document")
"""As `assets.contract` has them, which this command does not load."""


@command
def search(
    query: Annotated[str, typer.Argument(metavar="QUERY", help="The question, in German or English.")],
    tenant: Annotated[str, typer.Option("--tenant", metavar="NAME", help="Whose knowledge to search.")],
    user: Annotated[str, typer.Option("--user", metavar="NAME", help="Who asks; logged as a keyed hash.")] = "cli",
    role: Annotated[
        list[str] | None, typer.Option("--role", metavar="NAME", help="A role of the caller; may be repeated.")
    ] = None,
    clearance: Annotated[
        str,
        typer.Option(
            "--clearance", metavar="LEVEL", help="Highest clearance: public, internal, confidential, restricted."
        ),
    ] = "public",
    k: Annotated[int, typer.Option("-k", "--k", metavar="N", help="Number of passages at most.")] = 8,
    source: Annotated[
        list[str] | None, typer.Option("--source", metavar="NAME", help="Only this source; may be repeated.")
    ] = None,
    language: Annotated[
        list[str] | None, typer.Option("--language", metavar="CODE", help="Only this language; may be repeated.")
    ] = None,
    tag: Annotated[
        list[str] | None, typer.Option("--tag", metavar="TAG", help="Only with this tag; may be repeated.")
    ] = None,
    since: Annotated[
        str | None, typer.Option("--since", metavar="DATE", help="Only published on this day (YYYY-MM-DD) or later.")
    ] = None,
    unflagged: Annotated[
        bool, typer.Option("--unflagged", metavar=FLAG, help="Leave out passages flagged as instructions to a model.")
    ] = False,
    per_document: Annotated[
        int | None, typer.Option("--per-document", metavar="N", help="Passages of one document at most.")
    ] = None,
    neighbours: Annotated[
        int, typer.Option("--neighbours", metavar="N", help="Join so many passages before and after each hit, 0 to 5.")
    ] = 0,
    unique: Annotated[
        bool,
        typer.Option("--unique", metavar=FLAG, help="Leave out passages that nearly repeat a better one."),
    ] = False,
    release: Annotated[
        int | None, typer.Option("--release", metavar="N", help="A kept release to read instead of the active one.")
    ] = None,
    timings: Annotated[
        bool, typer.Option("--timings", metavar=FLAG, help="Show the milliseconds of each step.")
    ] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> Answer:
    """Search the active release for passages that a principal may see."""
    from retrieval import Filters, Principal, Retriever, Settings, Shape
    from retrieval.errors import KnowledgeError
    from retrieval.result import REASONS

    _check_filters(source, language)
    with _named_as_options():
        principal = Principal(user=user, tenant=tenant, roles=role or (), clearance=cast("Clearance", clearance))
        filters = Filters(source=source, language=language, tags=tag, since=since, flagged=False if unflagged else None)
        asked = Shape(per_document=per_document, neighbours=neighbours, unique=unique)
    shape = asked if asked.parameters() else None
    problems: list[str] = []
    settings = Settings.load(home=home)
    require_home(settings)
    with Retriever.connect(settings=settings) as retriever:
        try:
            retriever.load_model()  # before its clock runs: where the model is slow to load, words alone would answer
        except KnowledgeError as error:  # the search goes on without its model
            problems = [" ".join(str(error).split())]
        result = retriever.search(query, principal=principal, k=k, filters=filters, release=release, shape=shape)

    notes = [f"The answer is degraded: {REASONS.get(reason, reason)}." for reason in result.reasons]
    if result.as_of is not None:
        notes.append(f"It is from release {result.release} as of {moment(result.as_of)}.")
    return Answer(
        result_row(result),
        lambda console: _show(console, result, query, timings=timings),
        problems=problems,
        notes=notes,
    )


@contextlib.contextmanager
def _named_as_options() -> Iterator[None]:
    """The library's errors name its arguments; here people know them as options."""
    from retrieval.errors import InvalidRequestError

    try:
        yield
    except InvalidRequestError as error:
        message = ARGUMENT.sub(lambda found: "--" + OPTIONS.get(found[1], found[1].replace("_", "-")), str(error))
        raise InvalidRequestError(message) from None


def _check_filters(source: Sequence[str] | None, language: Sequence[str] | None) -> None:
    """Refuse names that no document can have: the library would find nothing and say no more."""
    from retrieval.errors import InvalidRequestError

    for name in source or ():
        if name not in SOURCES:
            raise InvalidRequestError(f"--source {name} is unknown: use one of {', '.join(SOURCES)}")
    for code in language or ():
        if len(code) != 2:
            raise InvalidRequestError(f"--language {code} is not a two-letter code like de or en")


def _show(console: Console, result: SearchResult, query: str, *, timings: bool) -> None:
    if result.hits:
        console.print(passages_table(result, query))
    else:
        console.print("No passage that this principal may see answers that.")
    found = f"{counted(len(result), 'passage')} from release {result.release}"
    console.print(f"{found} in {result.timings['total']:.0f} ms")
    if timings:
        console.print(", ".join(f"{name} {value:.1f} ms" for name, value in result.timings.items()))
