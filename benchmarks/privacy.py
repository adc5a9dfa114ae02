"""How much personal data redaction finds, and how much else it marks.

    python -m benchmarks.privacy [--data DIR] [--quick] [--json FILE]

`--data` holds `*.jsonl` with `{id, lang, text, spans: [{start, end, label, text}]}`; labels are mapped by
`benchmarks.pii.labels`, unknown ones are reported. German numbers, telephones, addresses, dates of birth and secrets
are generated, beside figures that only look like them. One pass of the shipped recognizers is measured
(`assets.silver.redact.spans_of`), and for speed and for names that stay readable the whole of `redact`.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from assets.silver.document import Block, Document
from assets.silver.redact import NUMBERED, redact, spans_of
from benchmarks.pii.blind.offices import office_rows
from benchmarks.pii.blind.write import rows
from benchmarks.pii.generated import CLASSES, PUBLIC, SAID_OF, negatives, positives, secrets
from benchmarks.pii.score import SHIPPED, Example, Scores, score
from benchmarks.report import CORPUS, Measures, parse

KEY = b"a key for benchmarks only"
SEED = 7
DOCUMENT_BYTES = 5_000
PROSE = {"de": ("blogs/de_*/*.md", "podcasts/de_*/*.txt"), "en": ("blogs/en_*/*.md", "podcasts/en_*/*.txt")}
"""Texts that hold no secret, for false positives and speed; from the corpus beside `--data` where it is there."""


def main() -> int:
    """Measure, print, write; 1 where a goal is missed."""
    arguments = parse(__doc__ or "", CORPUS / "pii")
    measures = Measures()
    sets = {file: list(examples(file)) for file in sorted(arguments.data.glob("*.jsonl"))}
    if arguments.quick:
        sets = {file: found[:: max(1, len(found) // 150)] for file, found in sets.items()}
    _labelled(measures, sets)
    _generated(measures, 20 if arguments.quick else 200)
    _blind(measures, arguments.quick)
    _readable(measures)
    _secrets(measures, arguments)
    _speed(measures, arguments)
    return measures.finish(arguments)


def examples(file: Path) -> Iterator[Example]:
    """The texts of a file with their labels.

    Raises:
        SystemExit: a line is not of the form above; the message names it.
    """
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            spans = tuple((int(s["start"]), int(s["end"]), str(s["label"])) for s in row.get("spans", ()))
            yield Example(str(row.get("id", number)), str(row.get("lang", "en"))[:2].lower(), row["text"], spans)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise SystemExit(
                f"{file.name}, line {number}: not {{id, lang, text, spans}} ({type(error).__name__})"
            ) from error


def _labelled(measures: Measures, sets: dict[Path, list[Example]]) -> None:
    everything = Scores()
    for file, found in sets.items():
        one = score(found)
        score(found, everything)
        measures.notes[file.name] = {
            kind: {"recall": s.recall, "precision": s.precision, "values": s.wanted}
            for kind, s in sorted(one.by_type.items())
        }
        for half in (0, 1):
            people = {k: s for k, s in score(found[half::2]).by_type.items() if k.startswith("PERSON") and s.wanted}
            for kind, s in people.items():
                measures.notes[f"{file.name} {kind} half {half}"] = {"recall": s.recall, "precision": s.precision}
    measures.notes["unknown labels"] = dict(everything.unknown)
    for label, count in sorted(everything.unknown.items()):
        print(f"label {label} is not in the table of benchmarks.pii.labels: {count} spans left out", file=sys.stderr)
    for kind, s in sorted(everything.by_type.items()):
        if not s.wanted:
            continue
        person = kind.startswith("PERSON")
        name = kind.lower() if person else f"{kind.lower()}_labelled"
        measures.add(f"{name}_recall", s.recall, "share", 0.75 if person else None, "high")
        measures.add(f"{name}_precision", s.precision, "share", 0.70 if person else None, "high")


def _generated(measures: Measures, count: int) -> None:
    scores = score([*positives(SEED, count), *negatives(SEED, 2 * count)])
    for kind, s in sorted(scores.by_type.items()):
        if not s.wanted:
            continue
        if kind in CLASSES["checked"]:
            goals = (0.99, 0.99)
        elif kind in ("ADDRESS", "DATE_OF_BIRTH"):
            goals = (0.95, 0.9)
        else:
            goals = (0.95, 0.95)
        measures.add(f"{kind.lower()}_recall", s.recall, "share", goals[0], "high")
        measures.add(f"{kind.lower()}_precision", s.precision, "share", goals[1], "high")
    measures.notes["mistakes in generated sets"] = [m for m in scores.mistakes if "PERSON" not in m][:60]


def _blind(measures: Measures, quick: bool) -> None:
    """Texts by templates, and mails and chats, that were written before any recognizer was read; without goals."""
    for name, found in (
        ("blind", [Example(*row) for row in rows(SEED)][:: 20 if quick else 1]),
        ("office", [Example(*row) for row in office_rows(SEED)]),
    ):
        s = score(found)
        for kind, one in sorted(s.by_type.items()):
            if one.wanted:
                measures.add(f"{name}_{kind.lower()}_recall", one.recall, "share")
                measures.add(f"{name}_{kind.lower()}_precision", one.precision, "share")
        measures.notes[f"mistakes in the {name} set"] = [
            m for m in s.mistakes if name == "office" or "PERSON" not in m
        ][:60]


def _readable(measures: Measures) -> None:
    """Names that a policy lists, or that are the author's, in sentences that name them."""
    kept = total = 0
    for name in PUBLIC:
        for sentence in SAID_OF:
            text = sentence.format(name)
            language = "en" if sentence.startswith(("We", "Dear")) else "de"
            for listed, authors in (((name,), ()), ((), (name,)), ((f"/.*{name.split()[-1]}/",), ())):
                document = Document(
                    text, (Block("paragraph", 0, len(text)),), "benchmark/1", language=language, authors=authors
                )
                total += 1
                kept += name in redact(document, KEY, listed, extra=SHIPPED).document.text
    measures.add("allow_list_readable_share", kept / total, "share", 1.0, "high")


def _secrets(measures: Measures, arguments: argparse.Namespace) -> None:
    s = score(secrets(SEED, 4 if arguments.quick else 40))
    measures.add("secret_recall", s.of("SECRET").recall, "share", 0.95, "high")
    measures.notes["mistakes in secrets"] = [m for m in s.mistakes if m.startswith("- SECRET")][:30]
    wrong = 0
    for language, texts in _prose(arguments).items():
        for text in texts:
            wrong += sum(span.type == "SECRET" for span in spans_of(text, language, (*NUMBERED, *SHIPPED.recognizers)))
    measures.add("secret_false_positives", wrong, "count", 0)


def _prose(arguments: argparse.Namespace) -> dict[str, list[str]]:
    root = arguments.data.parent if (arguments.data.parent / "blogs").is_dir() else CORPUS
    found: dict[str, list[str]] = {}
    for language, patterns in PROSE.items():
        files = [file for pattern in patterns for file in sorted(root.glob(pattern))]
        files = files[:: max(1, len(files) // 40)] if arguments.quick else files
        found[language] = [file.read_text(encoding="utf-8", errors="replace") for file in files]
    return found


def _speed(measures: Measures, arguments: argparse.Namespace) -> None:
    """CPU time of `redact` on pieces of real texts, warmed up, German and English in equal parts."""
    count = 20 if arguments.quick else 60
    documents = [
        (language, text[at : at + DOCUMENT_BYTES])
        for language, texts in _prose(arguments).items()
        for text, at in [
            (text, at) for text in texts for at in (0, 7 * DOCUMENT_BYTES) if len(text) > at + DOCUMENT_BYTES
        ][: 2 * count]
    ]
    warm, measured = documents[::2], documents[1::2]
    if not measured:
        return
    for language, text in warm:
        redact(Document(text, (), "benchmark/1", language=language), KEY, extra=SHIPPED)
    size = sum(len(text.encode()) for _, text in measured)
    measures.add("mb_per_second", size / 1e6 / _seconds(measured, names=True), "MB/s", 0.3, "high")
    measures.add("mb_per_second_without_names", size / 1e6 / _seconds(measured, names=False), "MB/s", 1.0, "high")


def _seconds(documents: Sequence[tuple[str, str]], *, names: bool) -> float:
    began = time.process_time()
    for language, text in documents:
        redact(Document(text, (), "benchmark/1", language=language), KEY, names=names, extra=SHIPPED)
    return time.process_time() - began


if __name__ == "__main__":
    sys.exit(main())
