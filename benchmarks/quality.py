"""How good the ranking is: nDCG@10 and recall@5 of BM25, of vectors and of both together, through the real pipeline.

Each set of `--data` becomes a tenant of its own, each document a file in its folder of an inbox; `knowledge ingest`
takes them to a release, and every question is asked as that tenant's user. Documents that are cut into passages are
ranked by their best passage. Of sets that are the same in two languages the questions are asked of each other's
documents, too. `--quick` takes a sample of each set. `--home` keeps the home, so that the next run embeds nothing.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import statistics
import sys
import tempfile
import unicodedata
from argparse import ArgumentParser
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TextIO

from benchmarks.beir import RetrievalSet, discover, ndcg, read_set, recall, same_in_another_language, sample
from benchmarks.home import new_home
from benchmarks.ingest import knowledge
from benchmarks.legs import LegReader
from benchmarks.report import CORPUS, Measures, note, parse
from retrieval import Principal, Retriever, Settings

QUICK_QUERIES, QUICK_DOCUMENTS = 200, 250
HITS = 100
"""Passages asked for, as many as of each leg alone: enough that ten different documents are among them."""

TOLD_EVERY = 200
"""Questions between two lines that say how far it is."""

# The sets ask for people by name; a name that is redacted could not be found by it.
POLICY = """\
tenant: {tenant}
roles: [everyone]
clearance: public
readable_names: ["/.+/"]
"""

NAME_MAX = 40
"""Longest name of a set."""

FOLDER_FILES = 1_000
"""Most files of one folder."""

GOALS = {
    "xquad_en": 0.985,
    "xquad_de": 0.979,
    "xquad_de_on_xquad_en": 0.908,
    "cranfield_en": 0.40,
}
"""nDCG@10 of hybrid search on the sets in the corpus, whole."""

TOLERANCE = 0.005
"""How much worse than its better leg the hybrid ranking may be on any set."""


@dataclass(frozen=True)
class Task:
    """Questions of one set, asked of the documents of the same or another one."""

    name: str
    questions: RetrievalSet
    documents: RetrievalSet


def main() -> int:
    """Ingest, ask, report."""
    arguments = parse(__doc__ or "", CORPUS / "retrieval", _more_arguments)
    sets = distinct_names([read_set(folder) for folder in discover(arguments.data)])
    if not sets:
        raise SystemExit(f"{arguments.data} holds no set: a folder with corpus.jsonl, queries.jsonl and qrels/test.tsv")
    for one in sets:
        if not one.queries:
            raise SystemExit(f"{one.name} has no question with a judgement about a document of the set")
    if arguments.quick:
        sets = [sample(one, QUICK_QUERIES, QUICK_DOCUMENTS) for one in sets]
    measures = Measures()
    with ExitStack() as stack:
        root = arguments.home or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="kq-")))
        dump = stack.enter_context(arguments.dump.open("w")) if arguments.dump else None
        environment = os.environ | {"KNOWLEDGE_HOME": str(root / "home"), "KNOWLEDGE_INBOX": str(root / "inbox")}
        new_home(root / "home")
        stage(sets, root / "inbox")
        note(f"{sum(len(one.documents) for one in sets)} documents of {len(sets)} sets are ingested")
        done = knowledge(["ingest", "--confirm-deletions"], environment)
        measures.notes["ingest"] = {name: done.answer[name] for name in ("received", "embedded", "reused")}
        measures.notes["refused"] = {file["path"]: file["sentence"] for file in done.answer["refused"]}
        note(f"embedded {done.answer['embedded']} passages in {done.wall_s:.0f} s")
        differences = []
        retriever = stack.enter_context(Retriever.connect(settings=Settings.load(home=root / "home")))
        for task in tasks(sets):
            scores = evaluate(task, retriever, dump)
            report(task, scores, measures, whole=not arguments.quick)
            differences.append(scores["hybrid", "ndcg10"] - max(scores["bm25", "ndcg10"], scores["vector", "ndcg10"]))
            measures.add(f"{task.name}_hybrid_minus_best_leg_ndcg10", differences[-1], "nDCG")
        # of a sample one answer more or less is already more than the tolerance
        goal = None if arguments.quick else -TOLERANCE
        measures.add("hybrid_minus_best_leg_ndcg10", min(differences), "nDCG", goal, "high")
    return measures.finish(arguments)


def distinct_names(sets: Sequence[RetrievalSet]) -> list[RetrievalSet]:
    """The sets by names that can be those of measures, folders and tenants, no two alike whatever their case."""
    named: dict[str, RetrievalSet] = {}
    for one in sets:
        letters = unicodedata.normalize("NFKD", one.name).encode("ascii", "ignore").decode()
        plain = re.sub(r"[^A-Za-z0-9_-]+", "_", letters).strip("_-")[:NAME_MAX] or "set"
        name, number = plain, 1
        while name.casefold() in named:
            number += 1
            name = f"{plain}_{number}"
        named[name.casefold()] = replace(one, name=name)
    return list(named.values())


def tasks(sets: Sequence[RetrievalSet]) -> Iterable[Task]:
    """Each set by itself, then the questions of one asked of its twin in another language."""
    yield from (Task(one.name, one, one) for one in sets)
    for questions in sets:
        for documents in sets:
            if questions is not documents and same_in_another_language(questions, documents):
                yield Task(f"{questions.name}_on_{documents.name}", questions, documents)


def stage(sets: Sequence[RetrievalSet], inbox: Path) -> None:
    """Write the documents as text files, the title as first line unless the text begins with it, and in a sidecar."""
    if inbox.exists():
        shutil.rmtree(inbox)
    for one in sets:
        top = inbox / "document" / one.name
        top.mkdir(parents=True)
        (top / "_policy.yaml").write_text(POLICY.format(tenant=tenant(one)))
        for number, document in enumerate(one.documents):
            file = top / _file_name(number)
            file.parent.mkdir(exist_ok=True)
            titled = document.title and not document.text.casefold().startswith(document.title.casefold())
            text = f"{document.title}\n\n{document.text}" if titled else document.text
            # a document without any text is refused, as it should be, and then never found
            file.write_text(text + "\n", encoding="utf-8")
            if document.title:
                sidecar = file.with_name(f"{file.name}.yaml")
                sidecar.write_text(json.dumps({"title": document.title}) + "\n", encoding="utf-8")


def tenant(one: RetrievalSet) -> str:
    """A tenant's name for a set."""
    return f"set-{one.name.lower()}"


def evaluate(task: Task, retriever: Retriever, dump: TextIO | None) -> dict[tuple[str, str], float]:
    """Means of each measure over all questions, by way of ranking."""
    from pgvector import HalfVector

    principal = Principal(user="benchmark", tenant=tenant(task.documents))
    legs = LegReader(retriever.settings, principal)
    by_path = {_path(task.documents, number): d.id for number, d in enumerate(task.documents.documents)}
    places = legs.places()
    names = {chunk: by_path[path] for chunk, (path, _) in places.items()}
    found: dict[tuple[str, str], list[float]] = {}
    for number, (query, whole) in enumerate(task.questions.queries.items()):
        if number % TOLD_EVERY == 0:
            note(f"{task.name}: {number} of {len(task.questions.queries)} questions")
        grades = task.questions.relevant[query]
        text = whole[: retriever.settings.query_max_chars]
        result = retriever.search(text, principal=principal, k=HITS)
        alone = legs.ask(text, HalfVector(retriever.encoder().encode_query(text)))
        rankings = {
            "bm25": _distinct(names[chunk] for chunk in alone.lexical),
            "vector": _distinct(names[chunk] for chunk in alone.vector),
            "hybrid": _distinct(by_path[hit.citation.path] for hit in result),
        }
        for way, ranking in rankings.items():
            found.setdefault((way, "ndcg10"), []).append(ndcg(ranking, grades))
            found.setdefault((way, "recall5"), []).append(recall(ranking, grades))
        if dump is not None:
            row = {"task": task.name, "query": query, "text": text, "grades": grades, **asdict(alone)}
            row["documents"] = {chunk: names[chunk] for chunk in alone.similar}
            row["languages"] = {chunk: places[chunk][1] for chunk in alone.similar}
            dump.write(json.dumps(row, ensure_ascii=False) + "\n")
    legs.close()
    return {key: statistics.fmean(values) for key, values in found.items()}


def report(task: Task, scores: Mapping[tuple[str, str], float], measures: Measures, *, whole: bool) -> None:
    """Note the figures of a task; the goals are those of the whole sets."""
    measures.add(f"{task.name}_queries", len(task.questions.queries), "queries")
    for (way, figure), value in sorted(scores.items()):
        goal = GOALS.get(task.name) if whole and (way, figure) == ("hybrid", "ndcg10") else None
        measures.add(f"{task.name}_{way}_{figure}", value, "mean", goal, "high")


def _distinct(documents: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(documents))


def _file_name(number: int) -> str:
    return f"{number // FOLDER_FILES:03d}/{number:06d}.txt"


def _path(one: RetrievalSet, number: int) -> str:
    return str(PurePosixPath("document", one.name, _file_name(number)))


def _more_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--home", type=Path, help="folder to keep inbox and home in, for the next run")
    parser.add_argument("--dump", type=Path, help="file for what both legs found, one JSON object for each question")


if __name__ == "__main__":
    sys.exit(main())
