"""Retrieval sets in the BEIR layout: `corpus.jsonl`, `queries.jsonl` and `qrels/test.tsv` in a folder of its own.

Sets of that layout differ in small things, all of which are read: judgements with and without a first line of names,
in three columns or in the four of trec_eval; ids that are numbers or hold blanks; titles and texts that are missing.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CORPUS_FILE, QUERIES_FILE = "corpus.jsonl", "queries.jsonl"
SPLITS = ("test", "dev", "validation", "train")
"""Names of judgement files, the one that is taken first; where there is none of them, the first by name."""

_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?")

SHARED = 0.9
"""Share of judgements two sets must have in common to be one set in two languages."""


@dataclass(frozen=True)
class Passage:
    """A document of a set."""

    id: str
    title: str
    text: str


@dataclass(frozen=True)
class RetrievalSet:
    """Documents, questions that have judgements, and the judgements.

    Attributes:
        queries: text by id.
        relevant: for each query the grade of each relevant document, above 0.
    """

    name: str
    documents: tuple[Passage, ...]
    queries: Mapping[str, str]
    relevant: Mapping[str, Mapping[str, int]]


def discover(folder: Path) -> list[Path]:
    """Folders of sets: the folder itself, or those in it, by name."""
    folder = folder.resolve()
    candidates = [folder, *sorted(path for path in folder.iterdir() if path.is_dir())]
    return [path for path in candidates if (path / CORPUS_FILE).is_file() and (path / QUERIES_FILE).is_file()]


def read_set(folder: Path) -> RetrievalSet:
    """A set from its folder; questions without a judged document of the set, and blank ones, are left out.

    Raises:
        SystemExit: there are no judgements, or a file is not of that layout.
    """
    documents = tuple(
        Passage(_id(row), _text(row, "title").strip(), _text(row, "text")) for row in _rows(folder / CORPUS_FILE)
    )
    known = {document.id for document in documents}
    relevant: dict[str, dict[str, int]] = {}
    for query, document, grade in _judgements_in(_judgement_file(folder)):
        if document in known and grade > 0:
            relevant.setdefault(query, {})[document] = grade
    asked = {_id(row): _text(row, "text") for row in _rows(folder / QUERIES_FILE)}
    queries = {query: text for query, text in asked.items() if query in relevant and text.strip()}
    return RetrievalSet(folder.name, documents, queries, {query: relevant[query] for query in queries})


def _judgement_file(folder: Path) -> Path:
    files = [folder / "qrels" / f"{split}.tsv" for split in SPLITS] + sorted((folder / "qrels").glob("*.tsv"))
    judged = next((file for file in files if file.is_file()), None)
    if judged is None:
        raise SystemExit(f"{folder} has no qrels/test.tsv: a set needs judgements")
    return judged


def _judgements_in(file: Path) -> Iterable[tuple[str, str, int]]:
    """Query, document and grade of each line: BEIR's three columns, or trec_eval's four."""
    for number, line in enumerate(file.read_text(encoding="utf-8-sig").splitlines(), start=1):
        columns = [column.strip() for column in (line.split("\t") if "\t" in line else line.split())]
        if len(columns) in (3, 4) and _NUMBER.fullmatch(columns[-1]):
            yield columns[0], columns[-2], int(float(columns[-1]))
        elif columns and number > 1:  # the first line may hold the names of the columns
            raise SystemExit(f"{file}, line {number}: there should be query, document and grade")


def _id(row: Mapping[str, Any]) -> str:
    return str(row["_id"]).strip()


def _text(row: Mapping[str, Any], name: str) -> str:
    """A field that may be missing or null, without halves of surrogate pairs, which no file can hold."""
    value = row.get(name)
    return "" if value is None else str(value).encode("utf-8", "replace").decode()


def sample(whole: RetrievalSet, queries: int, documents: int) -> RetrievalSet:
    """Some queries with all their relevant documents, filled up with others; the same at each call.

    Args:
        queries, documents: at most so many.
    """
    chosen: list[str] = []
    needed: set[str] = set()
    for query in sorted(whole.queries, key=_draw):
        if len(chosen) < queries and len(needed | whole.relevant[query].keys()) <= documents:
            chosen.append(query)
            needed |= whole.relevant[query].keys()
    others = sorted((d.id for d in whole.documents if d.id not in needed), key=_draw)
    kept = needed | set(others[: max(0, documents - len(needed))])
    return RetrievalSet(
        whole.name,
        tuple(document for document in whole.documents if document.id in kept),
        {query: whole.queries[query] for query in sorted(chosen)},
        {query: whole.relevant[query] for query in chosen},
    )


def same_in_another_language(one: RetrievalSet, other: RetrievalSet) -> bool:
    """Whether the questions of one can be asked of the documents of the other: nearly all judgements are the same."""
    ones, others = _judgements(one), _judgements(other)
    return bool(ones) and len(ones & others) >= SHARED * max(len(ones), len(others))


def ndcg(ranking: Sequence[str], grades: Mapping[str, int], depth: int = 10) -> float:
    """Normalised discounted cumulative gain with linear gains, as trec_eval and BEIR compute it."""
    gain = sum(grades.get(document, 0) / math.log2(place + 2) for place, document in enumerate(ranking[:depth]))
    ideal = sum(grade / math.log2(place + 2) for place, grade in enumerate(sorted(grades.values())[::-1][:depth]))
    return gain / ideal


def recall(ranking: Sequence[str], grades: Mapping[str, int], depth: int = 5) -> float:
    """Share of the relevant documents among the first `depth`."""
    return sum(document in grades for document in ranking[:depth]) / len(grades)


def _judgements(one: RetrievalSet) -> set[tuple[str, str]]:
    return {(query, document) for query in one.queries for document in one.relevant[query]}


def _rows(file: Path) -> Iterable[Mapping[str, Any]]:
    with file.open(encoding="utf-8-sig") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            row = json.loads(line)
            if not isinstance(row, dict) or "_id" not in row:
                raise SystemExit(f"{file}, line {number}: there should be an object with _id")
            yield row


def _draw(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()
