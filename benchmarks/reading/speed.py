"""How fast each format is read, and whose code takes the time: a sample of the stack for each millisecond of CPU."""

from __future__ import annotations

import dis
import os
import signal
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from assets.silver.readers.registry import read
from assets.silver.refusal import RefusedError

INTERVAL_S = 0.001
LEAST_S = 2.0
"""CPU seconds for which the files of a format are read again and again, so that there are enough samples."""

_OURS, _INSTALLED, _STANDARD = "/assets/", "/site-packages/", f"{Path(os.__file__).parent}{os.sep}"
_HELPERS = frozenset(
    "_collections_abc abc collections contextlib copy dataclasses enum functools genericpath operator pathlib posixpath"
    " types typing".split()
)
"""Modules of the standard library that are ways to write one's own code; what they do counts as ours. The others
(email, zipfile, json, csv, ElementTree …) are the libraries that read a format."""
_CALLS = frozenset(dis.opmap[name] for name in ("CALL", "CALL_FUNCTION_EX", "PRECALL") if name in dis.opmap)


@dataclass
class Speed:
    """Time and amount of one format.

    Attributes:
        samples: milliseconds by owner: `ours` (bytecode of the project), `library` (code in Python of a library) and
            `native` (functions in C that the project calls itself: lxml, pdfium, zlib, regular expressions, JSON, and
            methods of str).
    """

    files: int = 0
    bytes: int = 0
    pages: int = 0
    cpu_s: float = 0.0
    samples: Counter[str] = field(default_factory=Counter)

    @property
    def own_share(self) -> float:
        """Share of the sampled time that was spent in code of the project."""
        return self.samples["ours"] / max(1, self.samples.total())

    @property
    def own_frames_share(self) -> float:
        """The same with the functions in C that this code calls itself: nobody's measure of a library, but a bound."""
        return (self.samples["ours"] + self.samples["native"]) / max(1, self.samples.total())


def speeds(files: Iterable[tuple[bytes, str]]) -> dict[str, Speed]:
    """Speed by format; files that are refused are left out.

    Each file is read once to load what it needs; then all files of a format are read under one running clock. A clock
    that began anew with each file would never meet the first millisecond of any.
    """
    by_format: dict[str, list[tuple[bytes, str]]] = defaultdict(list)
    found: dict[str, Speed] = defaultdict(Speed)
    for content, path in files:
        try:
            documents = read(content, path)
        except RefusedError:
            continue
        name = documents[0].reader.partition("/")[0] if documents else "none"
        by_format[name].append((content, path))
        speed = found[name]
        speed.files += 1
        speed.bytes += len(content)
        speed.pages += max((block.page or 0 for document in documents for block in document.blocks), default=0)
    for name, speed in found.items():
        _measure(speed, by_format[name])
    return dict(found)


def _measure(speed: Speed, files: Sequence[tuple[bytes, str]]) -> None:
    rounds = 0
    with _sampling(speed.samples):
        began = time.process_time()
        while not rounds or time.process_time() - began < LEAST_S:
            rounds += 1
            for content, path in files:
                read(content, path)
        speed.cpu_s = (time.process_time() - began) / rounds


@contextmanager
def _sampling(samples: Counter[str]) -> Iterator[None]:
    """Counts whose frame is innermost at each tick of the profiling clock."""

    def tick(_: int, frame: FrameType | None) -> None:
        samples[_owner(frame)] += 1

    before = signal.signal(signal.SIGPROF, tick)
    signal.setitimer(signal.ITIMER_PROF, INTERVAL_S, INTERVAL_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def _owner(frame: FrameType | None) -> str:
    """Whose code it is.

    Signals are handled behind calls, at the beginnings of functions and at the ends of loops. One that is handled
    behind a call came while a function in C was at work (one in Python handles its signals itself), or in the few
    instructions before it.
    """
    while frame is not None:
        code = frame.f_code
        if _OURS in code.co_filename:
            return "native" if code.co_code[frame.f_lasti] in _CALLS else "ours"
        if _is_library(code.co_filename):
            return "library"
        frame = frame.f_back
    return "ours"


def _is_library(file: str) -> bool:
    """Whether a file is of a library; code without a file was made by a helper, such as a dataclass's methods."""
    if _INSTALLED in file:
        return True
    return (
        file.startswith(_STANDARD)
        and file.removeprefix(_STANDARD).partition(os.sep)[0].partition(".")[0] not in _HELPERS
    )


if sys.platform == "win32":
    raise ImportError("the profiling clock is one of POSIX")
