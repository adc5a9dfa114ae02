"""Great Expectations in a process of its own, started early and fed through pipes.

Importing it takes two seconds of CPU. Beside the run, on another core, that costs the run nothing, and whatever a
suite does to its process, the run goes on. The process ends when its pipe closes, also when the run is killed.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import gc
import os
import pickle
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assets.imports import hidden, postpone
from checks.report import Report
from retrieval.errors import PermanentError, TransientError

if TYPE_CHECKING:
    import pyarrow as pa

    from assets.contract import Contract


class WorkerLostError(TransientError):
    """The process that validates ended by itself; the next run starts another one."""


class Worker:
    """A running process that validates tables, one at a time."""

    def __init__(self) -> None:
        root = str(Path(__file__).resolve().parent.parent)
        path = os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])
        self._turn = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", "checks.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": path},
            start_new_session=True,  # a Ctrl-C is the run's affair
        )
        atexit.register(self.close)

    @property
    def alive(self) -> bool:
        """Whether the process still runs."""
        return self._process.poll() is None

    def validate(self, contract: Contract, table: pa.Table) -> Report:
        """What `checks.validate.validate` says.

        Raises:
            SuiteError: an expectation could not be evaluated.
            WorkerLostError: the process ended, for want of memory for instance.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with self._turn:
            try:
                pickle.dump((contract, table), self._process.stdin, protocol=5)
                self._process.stdin.flush()
                answer = pickle.load(self._process.stdout)  # noqa: S301  # our own process wrote it
            except (BrokenPipeError, EOFError):
                code = self._process.wait()
                raise WorkerLostError(
                    f"The process that checks {contract.name} ended with code {code}: run again, with more memory"
                ) from None
        if isinstance(answer, Report):
            return answer
        raise answer

    def close(self) -> None:
        """End the process at once; it holds nothing that would be lost."""
        atexit.unregister(self.close)
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with contextlib.suppress(BrokenPipeError):
                    stream.close()


@functools.cache
def _held() -> dict[str, Worker]:
    return {}


_guard = threading.Lock()


def start() -> Worker:
    """The worker of this process, started when there is none."""
    with _guard:
        held = _held()
        if "worker" not in held or not held["worker"].alive:
            held["worker"] = Worker()
        return held["worker"]


def validate(contract: Contract, table: pa.Table) -> Report:
    """Validate in the worker; arguments, result and errors as for `Worker.validate`."""
    return start().validate(contract, table)


def _serve() -> None:
    """Answer until the pipe closes."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints must not get among the answers
    gc.disable()  # what is imported stays: looking through it for garbage takes half a second
    # its code for databases, which it can do without, and the statistics that no promise of ours needs
    postpone("scipy.stats")
    with hidden("sqlalchemy"):
        import great_expectations  # noqa: F401  # at once: it is what this process is for

    gc.freeze()
    gc.enable()
    from checks.validate import SuiteError
    from checks.validate import validate as check

    while True:
        try:
            contract, table = pickle.load(sys.stdin.buffer)  # noqa: S301  # the run that started us wrote it
        except EOFError:
            return
        answer: Any
        try:
            answer = check(contract, table)
        except SuiteError as error:
            answer = error
        except Exception as error:  # noqa: BLE001  # told to the run by its type: the words may quote a row
            answer = PermanentError(f"{contract.name} could not be checked: unexpected {type(error).__name__}")
        pickle.dump(answer, answers, protocol=5)
        answers.flush()


if __name__ == "__main__":
    _serve()
