"""Whatever a reader does, it refuses one file and ends nothing else."""

from __future__ import annotations

import os
import platform
import random
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.errors import ReadersUnavailableError
from assets.silver import wire
from assets.silver.document import BLOCK_KINDS, Block, Document, Hidden
from assets.silver.limits import Limits, sized
from assets.silver.readers import read
from assets.silver.refusal import RefusedError
from assets.silver.sandbox import Sandbox
from benchmarks.fuzz import BROKEN, FOUND, mutations
from benchmarks.fuzz import LIMITS as LIMITS_OF_FUZZING
from benchmarks.fuzz_samples import samples

LIMITS = Limits(seconds=0.5, memory_bytes=1_000_000_000, unpacked_bytes=1_000_000)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    made = Sandbox(LIMITS, module="tests.assets.hostile_reader", workers=2)
    yield made
    made.close()


def said(sandbox: Sandbox, content: str) -> str:
    (document,) = sandbox.read(content.encode(), "a.txt")
    return document.text


@pytest.mark.parametrize(
    ("count", "said"),
    [(100, "100 bytes"), (2_500, "2.5 kB"), (999_999, "1000 kB"), (100_000_000, "100 MB"), (1_234_567_890, "1.23 GB")],
)
def test_sizes_are_said_as_people_say_them(count: int, said: str) -> None:
    assert sized(count) == said


@pytest.mark.parametrize(
    ("content", "code", "detail"),
    [
        ("crash", "reader_crashed", "SIGSEGV"),
        ("exit", "reader_crashed", "exit 3"),
        ("raise", "reader_crashed", "KeyError"),
        ("recurse", "nested_too_deep", None),
        ("hang", "too_slow", "more than 0.5 s of computing"),
        ("eat 2000000000", "too_much_memory", "1 GB of memory were not enough"),
        ("refuse encrypted", "encrypted", "line 3"),
        ("refuse no_such_reason", "reader_crashed", "KeyError"),
        ("shout 9000000", "unpacks_too_large", "its text is larger than what may be unpacked"),
    ],
)
def test_what_a_parser_does_at_its_worst_refuses_the_file(
    sandbox: Sandbox, content: str, code: str, detail: str | None
) -> None:
    with pytest.raises(RefusedError) as refused:
        sandbox.read(content.encode(), "a.txt")

    assert (refused.value.code, refused.value.detail) == (code, detail)
    assert refused.value.reader == "hostile/1"
    assert said(sandbox, "next") == "next"


def test_a_reader_that_waits_for_ever_is_ended() -> None:
    sandbox = Sandbox(replace(LIMITS, seconds=0.1), module="tests.assets.hostile_reader")
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(wire, "_WALL_MARGIN_S", 0.5)
            with pytest.raises(RefusedError) as refused:
                sandbox.read(b"wait", "a.txt")
        assert refused.value.code == "too_slow"
    finally:
        sandbox.close()


def test_a_file_that_needs_much_memory_is_read_alone(sandbox: Sandbox) -> None:
    assert said(sandbox, "eat 600000000") == "600000000"


def test_a_worker_that_a_file_left_full_reads_no_other(sandbox: Sandbox) -> None:
    before = said(sandbox, "pid")
    assert said(sandbox, "pid") == before

    said(sandbox, "keep 380000000")

    assert said(sandbox, "try 90000000") == "there is room"
    assert said(sandbox, "pid") != before


def test_there_are_as_many_workers_as_the_memory_holds() -> None:
    numbers = [
        Sandbox(replace(LIMITS, memory_bytes=size), workers=4).workers for size in (10**8, 5 * 10**8, 10**9, 2 * 10**9)
    ]

    assert numbers == [1, 1, 2, 4]


def test_libraries_start_no_threads_of_their_own(sandbox: Sandbox) -> None:
    assert said(sandbox, "threads numpy") == "1"


def test_a_file_is_not_blamed_for_what_another_left_behind() -> None:
    sandbox = Sandbox(LIMITS, module="tests.assets.hostile_reader", workers=1)
    try:
        said(sandbox, "mark x")
        assert said(sandbox, "crash-after x") == "crash-after x"
    finally:
        sandbox.close()


@pytest.mark.skipif(platform.machine() not in ("x86_64", "aarch64"), reason="no filter for this machine")
def test_a_worker_reaches_nobody_and_neither_does_what_it_starts(sandbox: Sandbox) -> None:
    for family in ("AF_INET", "AF_UNIX"):
        with pytest.raises(RefusedError) as refused:
            sandbox.read(f"connect {family}".encode(), "a.txt")
        assert (refused.value.code, refused.value.detail) == ("reader_crashed", "PermissionError")
    assert said(sandbox, f"run {sys.executable} -c print(6*7)").strip() == "42"
    program = "print(__import__('socket').socket())"
    assert said(sandbox, f"run {sys.executable} -c {program}") == ""


def test_a_worker_knows_no_secret_and_writes_nothing(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KNOWLEDGE_BRONZE_KEYS", "secret")
    sandbox.close()

    assert not {name for name in said(sandbox, "environment").split() if name.startswith("KNOWLEDGE")}
    assert said(sandbox, "limits") == "(0, 0) (0, 0)"
    with pytest.raises(RefusedError):
        sandbox.read(f"write {tmp_path / 'a'}".encode(), "a.txt")
    assert not (tmp_path / "a").exists() or not (tmp_path / "a").read_bytes()


def test_outcomes_come_in_order_from_two_workers_and_after_crashes(sandbox: Sandbox) -> None:
    contents = ["crash" if n % 17 == 3 else "pid" if n % 5 == 0 else f"number {n}" for n in range(60)]

    outcomes = list(sandbox.read_all(((content.encode(), "a.txt") for content in contents), count=60, size=2_000_000))

    assert [isinstance(outcome, RefusedError) for outcome in outcomes] == [c == "crash" for c in contents]
    for content, outcome in zip(contents, outcomes, strict=True):
        if content.startswith("number") and not isinstance(outcome, RefusedError):
            assert outcome[0].text == content
    pids = {
        o[0].text for c, o in zip(contents, outcomes, strict=True) if c == "pid" and not isinstance(o, RefusedError)
    }
    assert len(pids) > 1


def test_who_stops_listening_leaves_nothing_running(sandbox: Sandbox) -> None:
    outcomes = sandbox.read_all(((f"number {n}".encode(), "a.txt") for n in range(100)), count=100, size=10)

    assert not isinstance(next(outcomes), RefusedError)
    outcomes.close()  # type: ignore[attr-defined]

    assert not [thread for thread in threading.enumerate() if thread.name.startswith("reading")]


def test_that_no_worker_starts_says_nothing_about_the_file() -> None:
    pauses: list[float] = []
    sandbox = Sandbox(LIMITS, module="tests.assets.no_such_module", sleep=pauses.append)

    with pytest.raises(ReadersUnavailableError, match="No process that reads files can be started"):
        sandbox.read(b"text", "a.txt")

    assert pauses == [0.1, 0.5, 2.0]


def test_workers_go_with_the_process_that_started_them(tmp_path: Path) -> None:
    program = (
        "import os, signal\n"
        "from assets.silver.sandbox import Sandbox\n"
        "sandbox = Sandbox(module='tests.assets.hostile_reader')\n"
        "print(sandbox.read(b'pid', 'a.txt')[0].text, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)

    pid = int(done.stdout)
    for _ in range(1000):
        try:
            state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return
        if state == "Z":
            return
        os.sched_yield()
    threading.Event().wait(2)
    assert not Path(f"/proc/{pid}").exists()


def test_a_worker_imports_readers_and_nothing_else_of_the_pipeline() -> None:
    sandbox = Sandbox()
    try:
        (document,) = sandbox.read(b"Text.", "a.txt")
        assert (document.text, document.reader.partition("/")[0]) == ("Text.", "text")
    finally:
        sandbox.close()
    program = (
        "import sys\nimport assets.silver.worker, assets.silver.readers.registry\n"
        "print([n for n in ('dagster', 'pandas', 'pyarrow', 'deltalake', 'psycopg', 'torch') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_format_is_read_in_a_worker_as_in_this_process() -> None:
    """The fuzzer found that a library wanted a temporary file, which a worker does not have."""
    made = samples()
    sandbox = Sandbox()
    try:
        outcomes = list(sandbox.read_all(made, count=len(made), size=0))
    finally:
        sandbox.close()

    assert outcomes == [read(content, name) for content, name in made]
    readers = {documents[0].reader for documents in outcomes if not isinstance(documents, RefusedError)}
    assert {name.partition("/")[0] for name in readers} > {"xlsx"}


@pytest.mark.parametrize("name", sorted(path.name for path in FOUND.glob("*")))
def test_what_the_fuzzer_found_once_breaks_nothing_any_more(name: str) -> None:
    sandbox = Sandbox(LIMITS_OF_FUZZING)
    try:
        (outcome,) = sandbox.read_all([((FOUND / name).read_bytes(), name)], count=1, size=0)
    finally:
        sandbox.close()
    assert not isinstance(outcome, RefusedError) or outcome.code not in BROKEN


def test_the_same_seed_mutates_alike() -> None:
    made = samples()
    first, second = (list(islice(mutations(made, random.Random(7)), 40)) for _ in range(2))

    assert first == second
    assert len({content for content, _ in first}) > 30


texts = st.text(st.characters(exclude_categories=()), max_size=20)


@settings(max_examples=60, deadline=None)
@given(
    text=texts,
    kind=st.sampled_from(BLOCK_KINDS),
    number=st.none() | st.integers(1, 9),
    seconds=st.none() | st.floats(0, 1e6),
    names=st.lists(texts),
)
def test_documents_come_out_of_the_wire_as_they_went_in(
    text: str, kind: str, number: int | None, seconds: float | None, names: list[str]
) -> None:
    clean = text.encode("utf-8", "replace").decode()
    document = Document(
        clean,
        (Block(kind, 0, len(clean), number, number, clean, seconds, seconds),),  # type: ignore[arg-type]
        "text/1",
        title=clean or None,
        authors=tuple(name.encode("utf-8", "replace").decode() for name in names),
        extra={"a": [1, None, True, clean]},
        part=clean or None,
        hidden=(Hidden("comment", clean),),
    )

    assert wire.unpack_documents(wire.pack_documents([document, document])) == (document, document)


def test_what_the_parent_holds_is_not_taken_for_the_workers() -> None:
    held = bytearray(600_000_000)  # more than a worker may use
    held[::4096] = b"x" * len(held[::4096])
    sandbox = Sandbox(replace(LIMITS, memory_bytes=400_000_000), module="tests.assets.hostile_reader", workers=1)
    try:
        with pytest.raises(RefusedError) as refused:
            sandbox.read(b"crash", "a.txt")
        assert (refused.value.code, refused.value.detail) == ("reader_crashed", "SIGSEGV")
    finally:
        sandbox.close()
