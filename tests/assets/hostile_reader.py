"""Does in a worker what a parser does at its worst: the file's content says what."""

from __future__ import annotations

import ctypes
import importlib
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from assets.silver.document import Block, Document
from assets.silver.limits import Limits
from assets.silver.refusal import RefusedError

STATE: list[str] = []
KEPT: list[bytearray] = []
"""What earlier files left behind in this worker."""


def read(
    content: bytes, path: str, limits: Limits, *, chosen: Callable[[str], None] | None = None
) -> tuple[Document, ...]:
    """Obeys the content: `crash`, `hang`, `wait`, `eat N`, `keep N`, `threads MODULE`, `environment` …"""
    if chosen is not None:
        chosen("hostile/1")
    what, _, argument = content.decode().partition(" ")
    said = content.decode()
    if what == "crash":
        ctypes.string_at(0)
    elif what == "crash-after" and argument in STATE:
        os.kill(os.getpid(), signal.SIGSEGV)
    elif what == "mark":
        STATE.append(argument)
    elif what == "exit":
        os._exit(3)
    elif what == "raise":
        raise KeyError("a secret of the file")
    elif what == "recurse":
        _recurse(0)
    elif what == "hang":
        while True:
            pass
    elif what == "wait":
        time.sleep(1000)
    elif what == "eat":
        said = str(len(bytearray(int(argument))))
    elif what == "keep":
        KEPT.append(bytearray(int(argument)))
    elif what == "try":
        said = _try(int(argument))
    elif what == "threads":
        importlib.import_module(argument)
        said = str(len(list(Path("/proc/self/task").iterdir())))
    elif what == "write":
        Path(argument).write_text("escaped", encoding="utf-8")
    elif what == "connect":
        with socket.socket(getattr(socket, argument)) as connection:
            connection.connect(("127.0.0.1", 9) if argument == "AF_INET" else "/tmp/x")
    elif what == "run":
        said = subprocess.run(argument.split(), capture_output=True, check=False, text=True).stdout
    elif what == "environment":
        said = " ".join(sorted(os.environ))
    elif what == "limits":
        said = f"{resource.getrlimit(resource.RLIMIT_FSIZE)} {resource.getrlimit(resource.RLIMIT_CORE)}"
    elif what == "pid":
        said = str(os.getpid())
    elif what == "modules":
        said = " ".join(sorted(sys.modules))
    elif what == "refuse":
        raise RefusedError(argument, "line 3", reader="hostile/1")
    elif what == "shout":
        said = "x" * int(argument)
    return (Document(said, (Block("paragraph", 0, len(said)),), "hostile/1"),)


def _try(size: int) -> str:
    """Does without what it finds no room for, as the look-up of a codec does, and says nothing of it."""
    try:
        bytearray(size)
    except MemoryError:
        return "there is none"
    return "there is room"


def _recurse(depth: int) -> int:
    return _recurse(depth + 1) + 1
