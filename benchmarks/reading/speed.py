"""How fast each format is read, and whose code takes the time: a sample of the stack for each millisecond of CPU."""

from __future__ import annotations

import dis
import signal
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from types import FrameType

from assets.silver.readers.registry import read
from assets.silver.refusal import RefusedError

INTERVAL_S = 0.001
_OURS, _LIBRARY = "/assets/", "/site-packages/"
_CALLS = frozenset(dis.opmap[name] for name in ("CALL", "CALL_FUNCTION_EX", "PRECALL") if name in dis.opmap)


@dataclass
class Speed:
    """Time and amount of one format.

    Attributes:
        samples: milliseconds by owner: `ours` (bytecode of the project), `library` (of an installed package) and
            `native` (functions in C that the project calls itself: lxml, pdfium, regular expressions, JSON).
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


def speeds(files: Iterable[tuple[bytes, str]]) -> dict[str, Speed]:
    """Speed by format; files that are refused are left out.

    Each file is read once to load what it needs, and once under the clock.
    """
    found: dict[str, Speed] = defaultdict(Speed)
    for content, path in files:
        try:
            documents = read(content, path)
        except RefusedError:
            continue
        name = documents[0].reader.partition("/")[0] if documents else "none"
        speed = found[name]
        samples: Counter[str] = Counter()
        with_sampling(samples, partial(read, content, path), speed)
        speed.files += 1
        speed.bytes += len(content)
        speed.pages += max((block.page or 0 for document in documents for block in document.blocks), default=0)
        speed.samples += samples
    return dict(found)


def with_sampling(samples: Counter[str], work: Callable[[], object], speed: Speed) -> None:
    """Run `work` and count whose frame is innermost at each tick of the profiling clock."""

    def tick(_: int, frame: FrameType | None) -> None:
        samples[_owner(frame)] += 1

    before = signal.signal(signal.SIGPROF, tick)
    signal.setitimer(signal.ITIMER_PROF, INTERVAL_S, INTERVAL_S)
    began = time.process_time()
    try:
        work()
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
    speed.cpu_s += time.process_time() - began


def _owner(frame: FrameType | None) -> str:
    """Whose code it is; the standard library works for whoever calls it.

    Signals are handled behind calls and at the ends of loops. One that is handled behind a call came, but for a few
    nanoseconds, while a function in C was at work: one in Python handles its signals itself.
    """
    if frame is not None and frame.f_code.co_code[frame.f_lasti] in _CALLS and not _in_library(frame):
        return "native"
    while frame is not None:
        file = frame.f_code.co_filename
        if _LIBRARY in file:
            return "library"
        if _OURS in file and "/benchmarks/" not in file:
            return "ours"
        frame = frame.f_back
    return "ours"


def _in_library(frame: FrameType | None) -> bool:
    while frame is not None:
        if _LIBRARY in frame.f_code.co_filename:
            return True
        if _OURS in frame.f_code.co_filename:
            return False
        frame = frame.f_back
    return False


if sys.platform == "win32":
    raise ImportError("the profiling clock is one of POSIX")
