"""What is read of a folder of files, how right, how fast, and what the worst of them can do.

Every file of the folder goes through bronze and silver of a temporary home, as in a run. Folders `blogs`, `podcasts`,
`documents` and `hostile` are taken as the corpus has them; any other folder is read as documents.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from assets.bronze.files import is_sidecar, nfc, shown
from assets.bronze.scan import TEMPORARY
from assets.contract import SOURCES
from assets.lake import Lake
from assets.silver.contract import DOCUMENTS
from assets.silver.refusal import RefusedError
from assets.silver.sandbox import Sandbox
from benchmarks.home import new_home
from benchmarks.reading import likeness, reference
from benchmarks.reading.memory import Watched, watch
from benchmarks.reading.speed import Speed, speeds
from benchmarks.report import CORPUS, Measures, parse

POLICY = "tenant: bench\nroles: [everyone]\nclearance: public\n"
FOLDERS = {"blogs": "blog", "podcasts": "podcast", "documents": "document", "hostile": "document"}
SOURCES_FILE = "SOURCES.md"
QUICK_FILES = 12
RECODED = 40
BROKE_A_WORKER = ("reader_crashed", "too_slow")
GIB = 2**30
FAILED: dict[str, Any] = {"files": {}, "errors": ["the run"], "broken": []}
"""The answer of a run that ended without one."""


def main() -> int:
    """Run everything and report."""
    arguments = parse(__doc__ or "", CORPUS)
    measures = Measures()
    with tempfile.TemporaryDirectory(prefix="kb-") as folder:
        root = Path(folder)
        ordinary, hostile = stage(arguments, root)
        answers = []
        for name, inbox in (("ordinary", ordinary), ("hostile", hostile)):
            if inbox is None:
                continue
            home = root / f"home-{name}"
            new_home(home)
            done = take(home, inbox)
            answers.append((inbox, home, done))
            if inbox is hostile or hostile is None:
                measures.add("peak_memory_gib", done.peak_bytes / GIB, "GiB", 1.5)
        _outcomes(measures, answers)
        rows = [row for _, home, _ in answers for row in documents_of(home)]
        _shares(measures, answers, rows)
        _encodings(measures, rows)
        _cues(measures, rows)
        _speeds(measures, ordinary or hostile, arguments)
    return measures.finish(arguments)


def stage(arguments: argparse.Namespace, root: Path) -> tuple[Path | None, Path | None]:
    """Inboxes with copies of the files: the hostile folder has one of its own, to watch its memory alone."""
    data: Path = arguments.data
    known = [data / name for name in FOLDERS if (data / name).is_dir()]
    inboxes: dict[str, Path] = {}
    for source_folder in known or [data]:
        kind = "hostile" if source_folder.name == "hostile" else "ordinary"
        source = FOLDERS.get(source_folder.name, "document") if known else "document"
        inbox = inboxes.setdefault(kind, root / kind)
        for source_ in SOURCES:
            (inbox / source_).mkdir(parents=True, exist_ok=True)
            (inbox / source_ / "_policy.yaml").write_text(POLICY)
        for path in _chosen(source_folder, QUICK_FILES if arguments.quick and kind != "hostile" else None):
            target = inbox / source / source_folder.name / path.relative_to(source_folder)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
    return inboxes.get("ordinary"), inboxes.get("hostile")


def _chosen(folder: Path, limit: int | None) -> Iterator[Path]:
    """Files of the folder; with a limit, so many of each folder below it and each ending."""
    taken: Counter[tuple[Path, str]] = Counter()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink() and path.name not in (SOURCES_FILE, "_policy.yaml"):
            key = (path.parent, path.suffix)
            taken[key] += 1
            if limit is None or taken[key] <= limit:
                yield path


def take(home: Path, inbox: Path) -> Watched:
    """One run over an inbox."""
    command = [sys.executable, "-m", "benchmarks.reading.intake", str(home), str(inbox)]
    return watch(command, dict(os.environ))


def documents_of(home: Path) -> list[dict[str, Any]]:
    """Rows of `silver/documents` of a home."""
    columns = ["path", "part", "reader", "text", "blocks"]
    rows: list[dict[str, Any]] = Lake(home / "lake").read(DOCUMENTS, columns).to_pylist()
    return rows


def dropped(inbox: Path) -> dict[str, Path]:
    """Files that people dropped, by the path the pipeline gives them."""
    found = {}
    for path in sorted(inbox.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(inbox).parts)
        siblings = {nfc(sibling.name) for sibling in path.parent.iterdir()} if path.is_file() else set()
        passed = TEMPORARY.fullmatch(path.name) or path.name == "_policy.yaml" or is_sidecar(path.name, siblings)
        if path.is_file() and not hidden and not passed:
            found[shown(str(path.relative_to(inbox)))] = path
    return found


def _outcomes(measures: Measures, answers: list[tuple[Path, Path, Watched]]) -> None:
    files = read = lost = crashed = 0
    reasons: Counter[str] = Counter()
    for inbox, _, done in answers:
        there = dropped(inbox)
        files += len(there)
        answer: dict[str, Any] = dict(FAILED) if done.code else json.loads(done.output)
        crashed += len(answer["errors"]) + len(answer["broken"])
        lost += len(there.keys() - answer["files"].keys())
        for state in answer["files"].values():
            read += state["state"] == "read"
            if state["state"] == "refused":
                reasons[state["reason"]] += 1
    measures.add("files", files, "files")
    measures.add("read", read, "files")
    measures.add("refused", reasons.total(), "files")
    measures.add("crashed", crashed, "files", 0)
    measures.add("lost", lost, "files", 0)
    measures.add("broke_a_worker", sum(reasons[code] for code in BROKE_A_WORKER), "files")
    measures.notes["reasons"] = dict(reasons.most_common())


def _shares(measures: Measures, answers: list[tuple[Path, Path, Watched]], rows: list[dict[str, Any]]) -> None:
    """Files that the references read, and how many of them, and of their words, silver has."""
    texts: dict[str, str] = {}
    for row in rows:
        texts[row["path"]] = texts.get(row["path"], "") + "\n" + row["text"]
    readable, missed = Counter[str](), []
    words: list[float] = []
    sandbox = Sandbox(module="benchmarks.reading.reference")
    files = [
        (name, path)
        for inbox, _, _ in answers
        for name, path in dropped(inbox).items()
        if path.suffix.casefold() in reference.READ and "hostile" not in Path(name).parts
    ]
    outcomes = sandbox.read_all(
        ((path.read_bytes(), name) for name, path in files),
        count=len(files),
        size=sum(path.stat().st_size for _, path in files),
    )
    for (name, _), outcome in zip(files, outcomes, strict=True):
        if isinstance(outcome, RefusedError):
            continue
        readable["all"] += 1
        if name not in texts:
            missed.append(name)
        elif Path(name).suffix.casefold() in (*reference.PDF, *reference.WORD, *reference.HTML):
            words.append(_kept(outcome[0].text, texts[name]))
    sandbox.close()
    measures.notes["not_read"] = missed
    if readable["all"]:
        measures.add("readable", readable["all"], "files")
        measures.add("read_share", 1 - len(missed) / readable["all"], "share", 0.99, "high")
    if words:
        measures.add("reference_words_median", statistics.median(words), "share")


def _kept(expected: str, found: str) -> float:
    """Share of the distinct words of a reference's text that are in ours."""
    wanted = {word for word in expected.casefold().split() if word.isalpha()}
    return len(wanted & set(found.casefold().split())) / len(wanted) if wanted else 1.0


def _encodings(measures: Measures, rows: list[dict[str, Any]]) -> None:
    """Texts that stand in several encodings, in the folder and written anew for this."""
    texts = {row["path"]: row["text"] for row in rows if row["part"] is None}
    right = wrong = refused = garbled = other = 0
    faults = []
    for family in likeness.encoded_families([row["path"] for row in rows]).values():
        truth = texts.get(family.get("utf-8-sig", family.get("utf-8", "")))
        if truth is None:
            continue
        for encoding, path in family.items():
            other += not likeness.same_text(texts[path], truth)
            if likeness.same_umlauts(texts[path], truth):
                right += 1
            else:
                garbled += 1
                faults.append(f"{path} ({encoding})")
    sandbox = Sandbox()
    for truth, content, encoding, must in _recoded(texts):
        try:
            (document, *_) = sandbox.read(content, "a.txt")
        except RefusedError:
            refused += not must
            wrong += must
            if must:
                faults.append(f"refused {encoding}")
            continue
        other += not likeness.same_text(document.text, truth)
        if likeness.same_umlauts(document.text, truth):
            right += 1
        else:
            garbled += 1
            faults.append(f"garbled {encoding}")
    sandbox.close()
    total = right + wrong + garbled
    measures.notes["encoding_faults"] = faults[:50]
    if total:
        measures.add("encoding_right_share", right / total, "share", 1.0, "high")
        measures.add("encoding_garbled", garbled, "files", 0)
        measures.add("encoding_refused_rightly", refused, "files")
        measures.add("encoding_other_signs_lost", other, "files")


def _recoded(texts: dict[str, str]) -> Iterator[tuple[str, bytes, str, bool]]:
    """German texts that were read, in each encoding that can hold them: text, bytes, encoding, must be read."""
    chosen = [
        text
        for path, text in sorted(texts.items())
        if sum(character in likeness.UMLAUTS for character in text) >= 10 and "hostile" not in path
    ][:RECODED]
    for text in chosen:
        for encoding, must in likeness.ENCODINGS.items():
            try:
                yield text, text.encode(encoding), encoding, must
            except UnicodeEncodeError:
                continue


def _cues(measures: Measures, rows: list[dict[str, Any]]) -> None:
    by_path = {row["path"]: row for row in rows if row["part"] is None}
    found = [
        likeness.compare(name, [by_path[path] for path in paths])
        for name, paths in likeness.episodes(list(by_path)).items()
    ]
    found = [cues for cues in found if cues.shared or cues.text_equal]
    if found:
        measures.add("episodes_in_several_formats", len(found), "episodes")
        measures.add("cue_text_equal_share", sum(cues.text_equal for cues in found) / len(found), "share", 1.0, "high")
        measures.add("cue_time_max_error_s", max(cues.max_error_s for cues in found), "s", 0.1)
        measures.add("cue_passages_shared_least", min(cues.shared for cues in found), "share")
        measures.notes["unlike_episodes"] = [cues.name for cues in found if not cues.text_equal]


def _speeds(measures: Measures, inbox: Path | None, arguments: argparse.Namespace) -> None:
    """Reading alone, in this process: no sandbox, redaction, screening, embedding."""
    if inbox is None:
        return
    taken: Counter[str] = Counter()
    files = []
    for name, path in dropped(inbox).items():
        taken[path.suffix.casefold()] += 1
        if taken[path.suffix.casefold()] <= (QUICK_FILES if arguments.quick else 150):
            files.append((path.read_bytes(), name))
    total = Speed()
    for name, speed in sorted(speeds(files).items()):
        measures.add(f"{name}_mb_per_s", speed.bytes / 1e6 / max(speed.cpu_s, 1e-9), "MB/s CPU")
        if speed.pages:
            measures.add(f"{name}_pages_per_s", speed.pages / max(speed.cpu_s, 1e-9), "1/s CPU")
        measures.add(f"{name}_own_share", speed.own_share, "share")
        measures.add(f"{name}_own_frames_share", speed.own_frames_share, "share")
        # each file counts as often as any other, however often its format was read
        total.samples += Counter(
            {owner: round(1e4 * speed.cpu_s * count / speed.samples.total()) for owner, count in speed.samples.items()}
        )
        total.cpu_s += speed.cpu_s
        total.bytes += speed.bytes
    measures.add("mb_per_s", total.bytes / 1e6 / max(total.cpu_s, 1e-9), "MB/s CPU")
    measures.add("own_share", total.own_share, "share", 0.2)


if __name__ == "__main__":
    sys.exit(main())
