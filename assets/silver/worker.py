"""The process in which files are read: `python -m assets.silver.worker FD MODULE`, started by `assets.silver.sandbox`.

It holds no secret, can write no file, and may be killed at any moment. It imports readers and nothing else of the
pipeline.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import io
import resource
import signal
import socket
import sys
import tempfile
from collections.abc import Iterator

from assets.silver import wire
from assets.silver.seccomp import deny_calls

_OPEN_FILES = 64


def main() -> None:
    """Serve tasks until the other side is gone."""
    connection = socket.socket(fileno=int(sys.argv[1]))
    _confine()
    readers = importlib.import_module(sys.argv[2])
    from assets.silver.refusal import RefusedError

    wire.send(connection, wire.HELLO, str(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss).encode())
    most = 2**40
    while True:
        try:
            _, header = wire.receive(connection, most)
            path, limits, memory_bytes = wire.unpack_task(header)
            _, content = wire.receive(connection, most)
        except EOFError:
            return
        broken = False
        try:
            with _bounded(memory_bytes, limits.seconds):
                documents = readers.read(
                    content, path, limits, chosen=lambda reader: wire.send(connection, wire.CHOSEN, reader.encode())
                )
                kind, answer = wire.DOCUMENTS, wire.pack_documents(documents)
                documents = ()
        except RefusedError as refused:
            kind, answer = wire.REFUSED, wire.pack_refusal(refused.code, refused.detail, refused.reader)
        except MemoryError:
            kind, answer, broken = wire.NO_MEMORY, b"", True
        except RecursionError:
            kind, answer = wire.REFUSED, wire.pack_refusal("nested_too_deep", None, None)
        except Exception as error:  # noqa: BLE001  # whatever a parser raises over a hostile file refuses that file
            kind, answer, broken = wire.BROKE, type(error).__name__.encode(), True
        del content
        wire.send(connection, kind, answer)
        if broken:
            return  # what the file left behind must not meet the next one
        del answer
        gc.collect(0)


def _confine() -> None:
    """Gives up what reading needs not: connections, writing files, core dumps, new privileges."""
    deny_calls()
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(_OPEN_FILES, hard), min(_OPEN_FILES, hard)))
    # libraries that unpack into a temporary file get memory instead, which is bounded, too
    setattr(tempfile, "TemporaryFile", _in_memory)  # noqa: B010  # its type is a set of overloads


def _in_memory(mode: str = "w+b", *_: object, **__: object) -> io.BytesIO | io.TextIOWrapper:
    buffer = io.BytesIO()
    return buffer if "b" in mode else io.TextIOWrapper(buffer, encoding="utf-8")


@contextlib.contextmanager
def _bounded(memory_bytes: int, seconds: float) -> Iterator[None]:
    """Bounds of address space and time; the kernel ends the process that uses more time."""
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    most = memory_bytes if hard == resource.RLIM_INFINITY else min(memory_bytes, hard)
    resource.setrlimit(resource.RLIMIT_AS, (most, hard))
    # the signal's default action ends the process even where it is inside a parser written in C
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    # should nobody be there any more to notice that it waits forever
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, wire.wall_clock(seconds))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
        resource.setrlimit(resource.RLIMIT_AS, (hard, hard))


if __name__ == "__main__":
    main()
