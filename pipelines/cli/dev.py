"""`knowledge dev`: the Dagster UI with sensor, daemon and database, until Ctrl-C."""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipelines.cli.frame import (
    OK,
    PERMANENT,
    Answer,
    DebugOption,
    HomeOption,
    InboxOption,
    JsonOption,
    deliver,
    service,
)
from pipelines.cli.homes import environment, pipeline_settings, record_inbox
from pipelines.cli.output import complain, mention
from pipelines.cli.progress import bars, prepare_model
from retrieval.errors import ConfigurationError

if TYPE_CHECKING:
    from pipelines.settings import PipelineSettings

WORKSPACE = Path(__file__).resolve().parents[2] / "workspace.yaml"
"""The checkout's list of code locations; an installed package has none and names its module."""

PATIENCE_S = 20
"""Time Dagster gets to stop by itself; what is left then is ended."""

GOING_S = 3.0
"""Time the system gets to take down what was killed; until then the database counts it as a user."""

LOOK_S = 0.5
"""Between two looks whether the UI answers."""

QUIET_WARNINGS = "ignore:Parameter `backfill_policy`,ignore:Specifying a partitions_def,ignore:Function `dev_command`"
"""Dagster's remarks on the maturity of its own interfaces, which every process of it would print."""


@service
def dev(
    port: Annotated[int, typer.Option("--port", min=1, max=65535, metavar="N", help="Port of the UI.")] = 3000,
    host: Annotated[str, typer.Option("--host", metavar="NAME", help="Address the UI listens on.")] = "127.0.0.1",
    inbox: InboxOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> int:
    """Run the Dagster UI, the sensor over the inbox and the database until Ctrl-C."""
    from assets.bronze.scan import inbox_root
    from pipelines.stores import build_stores

    settings = pipeline_settings(home, inbox)
    inbox_root(settings.inbox)
    _require_free(host, port)
    with bars("preparing") as shown:
        prepare_model(settings.models_dir, settings.model, shown)
    record_inbox(settings)
    with _only_one(settings, f"http://{host}:{port}"):
        database = build_stores(settings).database
        try:
            return _run(settings, host, port, as_json=as_json)
        finally:
            if database.server is not None:
                database.server.release(GOING_S)


@contextmanager
def _only_one(settings: PipelineSettings, url: str) -> Iterator[None]:
    """Keep a second daemon from a home: both would ask for the same runs. The lock ends with this process.

    Raises:
        ConfigurationError: there is one already; the sentence names its UI.
    """
    from pipelines.instance import dagster_home

    with (dagster_home(settings) / "dev.lock").open("a+", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise ConfigurationError(
                f"`knowledge dev` runs for {settings.home} already, with its UI at {lock.read()}: use that one, or stop"
                " it first"
            ) from None
        lock.truncate(0)
        lock.write(url)
        lock.flush()
        yield


def _run(settings: PipelineSettings, host: str, port: int, *, as_json: bool) -> int:
    """Run Dagster as a child in a session of its own, so that a Ctrl-C reaches it once, from here."""
    child: subprocess.Popen[bytes] | None = None
    asked_to_stop = False

    def pass_on(number: int, _: Any) -> None:
        nonlocal asked_to_stop
        asked_to_stop = True
        if child is not None:
            child.send_signal(signal.SIGINT)

    # Before the child begins: behind `&` shells have SIGINT ignored, which a child would inherit, and never stop.
    previous = {number: signal.signal(number, pass_on) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        child = subprocess.Popen(
            _arguments(host, port),
            env=_environment(settings),
            cwd=settings.home / "dagster",  # in a checkout Dagster would warn of the dagster.yaml that it does not use
            stdin=subprocess.DEVNULL,
            stdout=sys.stderr if as_json else None,
            start_new_session=True,
        )
        url = f"http://{host}:{port}"
        _announce(settings, url, as_json=as_json)
        ready = False
        while child.poll() is None and not asked_to_stop:
            try:
                child.wait(LOOK_S)
            except subprocess.TimeoutExpired:
                if not ready and _answers(host, port):
                    ready = True
                    mention(f"The UI answers: {url}")
        code = _end(child)
    finally:
        if child is not None:
            _kill_group(child)
        for number, handler in previous.items():
            signal.signal(number, handler)
    if asked_to_stop:
        return OK
    complain(f"Dagster ended by itself with exit code {code}; its last lines above say why")
    return PERMANENT


def _end(child: subprocess.Popen[bytes]) -> int:
    """Wait for the child, which has ended or been asked to."""
    try:
        return child.wait(PATIENCE_S)
    except subprocess.TimeoutExpired:
        child.terminate()
    try:
        return child.wait(PATIENCE_S)
    except subprocess.TimeoutExpired:
        child.kill()
        return child.wait()


def _kill_group(child: subprocess.Popen[bytes]) -> None:
    """End what the child may have left of its children; they are a process group of their own."""
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def _arguments(host: str, port: int) -> list[str]:
    where = ["-w", str(WORKSPACE)] if WORKSPACE.exists() else ["-m", "pipelines.definitions"]
    return [sys.executable, "-m", "dagster", "dev", *where, "--host", host, "--port", str(port)]


def _environment(settings: PipelineSettings) -> Mapping[str, str]:
    from pipelines.instance import dagster_home

    ours = {"DAGSTER_HOME": str(dagster_home(settings)), **environment(settings)}
    before = os.environ.get("PYTHONWARNINGS")
    return {**os.environ, **ours, "PYTHONWARNINGS": f"{QUIET_WARNINGS},{before}" if before else QUIET_WARNINGS}


def _announce(settings: PipelineSettings, url: str, *, as_json: bool) -> None:
    data = {"url": url, "inbox": str(settings.inbox), "home": str(settings.home)}
    text = (
        f"UI:    {url} (loads in 20 to 40 seconds)\n"
        f"Inbox: {settings.inbox} (watched: drop, edit or delete files there)\n"
        f"Home:  {settings.home}\n"
        "Ctrl-C stops everything."
    )
    deliver(Answer(data, lambda console: console.print(text, soft_wrap=True)), as_json=as_json)


def _require_free(host: str, port: int) -> None:
    with socket.socket(_family(host)) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise ConfigurationError(
                f"{host}:{port} cannot be listened on ({error.strerror}): choose another with --port or --host"
            ) from None


def _answers(host: str, port: int) -> bool:
    with socket.socket(_family(host)) as probe:
        probe.settimeout(LOOK_S)
        return probe.connect_ex((host, port)) == 0


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET
