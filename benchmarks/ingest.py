"""Where the time of an ingestion goes, measured with the commands that users run.

Real posts and transcripts are copied into an inbox; then `knowledge ingest` runs over it in an empty home, over the
unchanged inbox, and after one edit; at last a file is dropped while sensor and daemon run.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.home import new_home
from benchmarks.report import CORPUS, Measures, note, parse

POLICY = "tenant: bench\nroles: [everyone]\nclearance: public\n"
SETS = {"blog": ("blogs/de_codefor_md", "blogs/en_rust_md"), "podcast": ("podcasts/en_talkpython_vtt",)}
QUICK_FILES = 20
EDITS = 3
DAEMON_DROPS = 3


@dataclass(frozen=True)
class Timed:
    """One command: its JSON answer, seconds on the wall, seconds of CPU with its children."""

    answer: dict[str, Any]
    wall_s: float
    cpu_s: float


def main() -> int:
    """Run everything and report."""
    arguments = parse(__doc__ or "", CORPUS)
    measures = Measures()
    with tempfile.TemporaryDirectory(prefix="kb-") as folder:
        root = Path(folder)
        inbox = stage(arguments.data, root / "inbox", QUICK_FILES if arguments.quick else None)
        environment = os.environ | {
            "KNOWLEDGE_HOME": str(root / "home"),
            "KNOWLEDGE_INBOX": str(inbox),
        }
        new_home(root / "home")
        run([sys.executable, "-c", PREPARE], environment)
        first = knowledge(["ingest"], environment)
        measures.add("files", float(first.answer["received"].get("content", 0)), "files")
        measures.add("first_run_s", first.wall_s, "s")
        measures.add("first_run_cpu_s", first.cpu_s, "s")
        note(f"first run: {first.wall_s:.0f} s, {first.cpu_s:.0f} s CPU")
        embedding = run([sys.executable, "-c", EMBED], environment)
        measures.notes = {"first": first.answer, "embedding": embedding.answer}
        measures.add("texts_embedded", float(embedding.answer["texts"]), "texts")
        measures.add("bare_embedding_s", embedding.wall_s, "s")
        measures.add("bare_embedding_cpu_s", embedding.cpu_s, "s")
        measures.add("run_over_embedding", first.wall_s / embedding.wall_s, "ratio", 1.25)
        measures.add("run_over_embedding_cpu", first.cpu_s / embedding.cpu_s, "ratio")
        note(f"embedding alone: {embedding.wall_s:.0f} s, {embedding.cpu_s:.0f} s CPU")
        unchanged = statistics.median(knowledge(["ingest"], environment).wall_s for _ in range(3))
        measures.add("unchanged_s", unchanged, "s")
        measures.add("unchanged_over_first", unchanged / first.wall_s, "ratio", 0.05)
        note(f"nothing changed: {unchanged:.1f} s")
        edits = [_edit(inbox, environment, number) for number in range(EDITS)]
        measures.add("drop_to_answer_s", statistics.median(edits), "s", 10)
        note(f"one edit: {', '.join(f'{seconds:.1f}' for seconds in edits)} s")
        with daemon(environment) as _:
            drops = [_drop(inbox, environment, number) for number in range(DAEMON_DROPS)]
        measures.add("drop_to_answer_daemon_s", statistics.median(drops), "s", 30)
    return measures.finish(arguments)


def stage(corpus: Path, inbox: Path, limit: int | None) -> Path:
    """Copy the sets into an inbox with one policy; any folder of files does when the sets are not there."""
    sets = {source: [corpus / name for name in names if (corpus / name).is_dir()] for source, names in SETS.items()}
    if not any(sets.values()):
        sets = {"document": [corpus]}
    for source, folders in sets.items():
        for folder in folders:
            target = inbox / source / folder.name
            target.mkdir(parents=True)
            (target / "_policy.yaml").write_text(POLICY)
            files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != "SOURCES.md")
            for path in files[:limit]:
                shutil.copy(path, target / "-".join(path.relative_to(folder).parts))
    return inbox


PREPARE = """
from retrieval.settings import Settings
from retrieval.embedding import prepare
settings = Settings.load()
prepare(settings.models_dir, settings.model)
print('{}')
"""

EMBED = """
import json
from assets.gold.contract import CHUNKS
from assets.lake import Lake
from assets.silver.pii.span import neutral
from retrieval.embedding import load_encoder
from retrieval.settings import Settings
settings = Settings.load()
# as the pipeline embeds them: pseudonyms without their digits
texts = dict.fromkeys(map(neutral, Lake(settings.home / "lake").read(CHUNKS, ["text"])["text"].to_pylist()))
load_encoder(settings.models_dir, settings.model).encode_documents(list(texts))
print(json.dumps({"texts": len(texts)}))
"""

ANSWERED = """
import sys, time
from retrieval import Principal, Retriever
retriever = Retriever.connect()
asker = Principal(user="bench", tenant="bench")
deadline = time.monotonic() + 120
while time.monotonic() < deadline:
    # the sentence is a small part of a passage about something else: among the first ten is answerable
    result = retriever.search(sys.argv[1], principal=asker, k=10)
    if any(sys.argv[1] in hit.text for hit in result):
        print('{"answered": true}')
        sys.exit(0)
    time.sleep(0.1)
sys.exit("never answered")
"""


def run(command: list[str], environment: dict[str, str]) -> Timed:
    """Run a command that prints one JSON object."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    result = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=False)
    wall = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if result.returncode != 0:
        raise SystemExit(f"{' '.join(command[:3])} ended with {result.returncode}: {result.stdout[-500:]}")
    cpu = (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime)
    return Timed(json.loads(result.stdout), wall, cpu)


def knowledge(arguments: list[str], environment: dict[str, str]) -> Timed:
    """Run the command line with --json."""
    return run([str(Path(sys.executable).with_name("knowledge")), *arguments, "--json"], environment)


def _edit(inbox: Path, environment: dict[str, str], number: int) -> float:
    """Seconds from an edit of one file to the answer from it, by `knowledge ingest`."""
    path = sorted(p for p in (inbox).rglob("*") if p.suffix in {".md", ".txt"})[number]
    marker = f"Zwischenruf {number}: der Aushang am Tor ist quittengelb{number}."
    # no words around it that would make a name or a secret of it, which are redacted
    path.write_text(path.read_text(encoding="utf-8", errors="replace") + f"\n\n{marker}\n", encoding="utf-8")
    began = time.perf_counter()
    knowledge(["ingest"], environment)
    seconds = time.perf_counter() - began
    run([sys.executable, "-c", ANSWERED, marker], environment)
    return seconds


def _drop(inbox: Path, environment: dict[str, str], number: int) -> float:
    """Seconds from a dropped file to the answer from it, through sensor and daemon."""
    marker = f"Durchsage {number}: der Treffpunkt ist die Fliederbank{number}."
    waiting = subprocess.Popen([sys.executable, "-c", ANSWERED, marker], env=environment, stdout=subprocess.PIPE)
    folder = next(path for path in sorted((inbox).rglob("_policy.yaml"))).parent
    began = time.perf_counter()
    (folder / f"durchsage-{number}.md").write_text(f"# Durchsage\n\n{marker}\n")
    if waiting.wait() != 0:
        sys.exit("the dropped file was never answered from")
    return time.perf_counter() - began


@contextmanager
def daemon(environment: dict[str, str]) -> Iterator[None]:
    """`knowledge dev` with its sensor having ticked once."""
    command = [str(Path(sys.executable).with_name("knowledge")), "dev", "--port", "3917"]
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
        try:
            _wait_for_tick(Path(environment["KNOWLEDGE_HOME"]) / "dagster", process)
            yield
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)


def _wait_for_tick(home: Path, process: subprocess.Popen[bytes]) -> None:
    import dagster as dg

    deadline = time.monotonic() + 120
    began = time.time()
    with dg.DagsterInstance.from_config(str(home)) as instance:
        while time.monotonic() < deadline and process.poll() is None:
            for state in instance.all_instigator_state():
                ticks = instance.get_ticks(state.instigator_origin_id, state.selector_id, limit=1)
                if ticks and ticks[0].timestamp >= began and ticks[0].status.value in {"SKIPPED", "SUCCESS"}:
                    return
            time.sleep(0.5)
    sys.exit("the sensor did not tick within two minutes")


if __name__ == "__main__":
    sys.exit(main())
