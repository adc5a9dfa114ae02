"""`knowledge demo`: ingests the sample content and asks it questions, to show what there is."""

from __future__ import annotations

import time
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.cli.files import files_table, refused_table
from pipelines.cli.frame import RUN_FAILED, Answer, DebugOption, HomeOption, InboxOption, JsonOption, command
from pipelines.cli.homes import pipeline_settings
from pipelines.cli.ingest import Ingested, ingest_row, release_sentence, run_ingest, unchanged_sentence
from pipelines.cli.output import excerpt, plain, table
from pipelines.cli.passages import passages_table, result_row
from retrieval.errors import ConfigurationError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from retrieval import Principal, Retriever, SearchResult

QUESTIONS_FILE = "questions.toml"
SHOWN = 3
"""Passages shown for a question."""


@dataclass(frozen=True)
class Question:
    """A question and the principals who ask it."""

    text: str
    principals: tuple[Principal, ...]


@dataclass(frozen=True)
class Asked:
    """A question with one result for each of its principals, and the seconds that took."""

    question: Question
    results: tuple[SearchResult, ...]
    seconds: float


@dataclass(frozen=True)
class Questions:
    """What the demo asks: some questions, and one that two principals ask with different success."""

    demo: tuple[Question, ...]
    access: Question | None = None


@command
def demo(
    inbox: InboxOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> Answer:
    """Ingest the inbox, then ask it the questions beside it (questions.toml)."""
    from assets.bronze.scan import inbox_root

    settings = pipeline_settings(home, inbox)
    inbox_root(settings.inbox)
    questions = read_questions(settings.inbox.parent / QUESTIONS_FILE)
    done = run_ingest(settings, debug=debug)
    if not done.report.success or done.report.active is None:
        problems = done.problems or ["nothing is published, so there is nothing to ask"]
        return Answer({"ingest": ingest_row(done)}, lambda console: _show_files(console, done), RUN_FAILED, problems)
    from retrieval import Retriever

    with Retriever.connect(settings=settings) as retriever:
        retriever.encoder().load()  # before the clock of the first question runs
        answers = [_ask(retriever, question) for question in questions.demo]
        access = _ask(retriever, questions.access) if questions.access else None

    def show(console: Console) -> None:
        _show_files(console, done)
        _heading(console, "Questions")
        for asked in answers:
            _show_answer(console, asked)
        if access is not None:
            _heading(console, "One question, asked by principals who may see different things")
            console.print(plain(access.question.text), style="bold")
            console.print(_side_by_side(access))
        console.print(_closing(done, [*answers, *([access] if access else [])]))

    return Answer(_row(done, answers, access), show, done.code, done.problems)


def read_questions(file: Path) -> Questions:
    """The questions of the demo.

    Args:
        file: TOML with `[[question]]` tables (text, tenant, roles, clearance; `demo = true` for those asked here) and
            an `[access]` table (text, and `[[access.principal]]` with user, tenant, roles, clearance).

    Raises:
        ConfigurationError: there is no such file, or something is missing in it.
    """
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
        demo = tuple(
            Question(entry["text"], (_principal(entry),)) for entry in content.get("question", []) if entry.get("demo")
        )
        access = content.get("access")
        asked = Question(access["text"], tuple(map(_principal, access["principal"]))) if access else None
    except FileNotFoundError:
        raise ConfigurationError(
            f"There is no {file}: the demo asks the questions beside its inbox; for an inbox of your own use"
            " `knowledge ingest` and `knowledge search`"
        ) from None
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be read ({error.strerror}): check its permissions") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        reason = f"{error} is missing" if isinstance(error, KeyError) else f"{error}"
        raise ConfigurationError(f"{file} cannot be understood ({reason}): see examples/questions.toml") from None
    if not demo:
        raise ConfigurationError(f"{file} has no question with demo = true: mark some")
    return Questions(demo, asked)


def _principal(entry: Mapping[str, Any]) -> Principal:
    from retrieval import Principal

    return Principal(
        user=entry.get("user", "demo"), tenant=entry["tenant"], roles=entry["roles"], clearance=entry["clearance"]
    )


def _ask(retriever: Retriever, question: Question) -> Asked:
    began = time.perf_counter()
    results = tuple(retriever.search(question.text, principal=principal, k=SHOWN) for principal in question.principals)
    return Asked(question, results, time.perf_counter() - began)


def _row(done: Ingested, answers: Sequence[Asked], access: Asked | None) -> dict[str, object]:
    from dataclasses import asdict

    return {
        "ingest": ingest_row(done),
        "files": [asdict(file) | {"sentence": file.sentence} for file in done.files],
        "questions": [_asked_rows(asked)[0] for asked in answers],
        "access": _asked_rows(access) if access else [],
    }


def _asked_rows(asked: Asked) -> list[dict[str, Any]]:
    from dataclasses import asdict

    return [
        {"question": asked.question.text, "principal": asdict(principal), "result": result_row(result)}
        for principal, result in zip(asked.question.principals, asked.results, strict=True)
    ]


def _heading(console: Console, text: str) -> None:
    console.print()
    console.print(text, style="bold underline")
    console.print()


def _show_files(console: Console, done: Ingested) -> None:
    present = [file for file in done.files if file.state != "removed"]
    taken = [file for file in present if file.reason is None]
    if taken:
        console.print(files_table(console, taken, "Ingested"))
    if done.refused:
        console.print(refused_table(done.refused, "Refused"))


def _show_answer(console: Console, asked: Asked) -> None:
    console.print(plain(asked.question.text), style="bold")
    console.print(_describe(asked.question.principals[0]), style="dim")
    hits = asked.results[0].hits
    console.print(passages_table(hits, asked.question.text) if hits else "No passage.\n")


def _describe(principal: Principal) -> str:
    roles = ", ".join(sorted(principal.roles))
    return f"asked by {principal.user} of {principal.tenant}, roles {roles}, clearance {principal.clearance}"


def _side_by_side(asked: Asked) -> Table:
    from rich.text import Text

    made = table(*(principal.user for principal in asked.question.principals))
    for column in made.columns:
        column.ratio = 1
    made.expand = True
    made.add_row(*(Text(_describe(p), style="dim") for p in asked.question.principals))
    made.add_row(*(_titles(result, asked.question.text) for result in asked.results))
    return made


def _titles(result: SearchResult, query: str) -> Text:
    """Title and citation of each passage, with the text of the first."""
    from rich.text import Text

    if not result.hits:
        return Text("No passage.")
    lines = Text()
    for rank, hit in enumerate(result, 1):
        lines.append(f"{rank}  {hit.score:.2f}  {plain(hit.citation.title)}\n", style="bold" if rank == 1 else "")
        lines.append(f"{plain(', '.join(p for p in (hit.citation.path, hit.citation.place) if p))}\n", style="dim")
        if rank == 1:
            lines.append(f"{excerpt(hit.text, query, size=160)}\n")
    return lines


def _closing(done: Ingested, asked: Sequence[Asked]) -> str:
    report = done.report
    searches = [result.timings["total"] for item in asked for result in item.results]
    slowest = f"{len(searches)} searches in {min(searches):.0f} to {max(searches):.0f} ms each"
    did = (
        unchanged_sentence(report)
        if report.unchanged
        else f"{report.embedded} texts embedded, {report.reused} vectors reused; {release_sentence(report)}."
    )
    return (
        f"{did} Ingestion {report.seconds['total']:.1f} s, {slowest}."
        ' Next: `knowledge search "…" --tenant nordwind`, or `knowledge dev` and drop a file into the inbox.'
    )
