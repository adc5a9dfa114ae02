"""The peers: hands them the same data and questions, each in an environment and a database of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import venv
from pathlib import Path
from typing import Any

import numpy as np
from psycopg import sql

from benchmarks.report import REPOSITORY
from benchmarks.retrieval.index import Index, Server
from benchmarks.retrieval.texts import Question
from benchmarks.retrieval.world import Floats, World
from retrieval import Principal
from retrieval.server import SUPERUSER

PEERS = {
    "lancedb": ("lancedb_hybrid.py", 5.0),
    "langchain": ("langchain_ensemble.py", 30.0),
    "pgvector": ("pgvector_tsvector.py", 3.0),
}
"""Program of each peer, and how many times less CPU than it the search here should take."""

FOLDER = REPOSITORY / "benchmarks" / "peers"
INSTALL_S = 900
RUN_S = 3600


def environment(name: str) -> Path | None:
    """Python of the peer's environment, made when missing; None where pip cannot fetch what it needs."""
    folder = REPOSITORY / ".tmp" / "peers" / name
    python, mark = folder / "bin" / "python", folder / "installed.txt"
    wanted = (FOLDER / f"requirements-{name}.txt").read_text()
    if mark.exists() and mark.read_text() == wanted:
        return python
    venv.create(folder, with_pip=True, clear=True)
    command = [str(python), "-m", "pip", "install", "--quiet", "--retries", "1", "-r"]
    try:
        subprocess.run(
            [*command, str(FOLDER / f"requirements-{name}.txt")], check=True, capture_output=True, timeout=INSTALL_S
        )
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
        return None
    mark.write_text(wanted)
    return python


def hand_over(folder: Path, world: World, principal: Principal, questions: list[Question], queries: Floats) -> None:
    """Write what the peers read: passages of all tenants, and what the principal may see."""
    folder.mkdir(parents=True, exist_ok=True)
    numbers = {access: number for number, access in enumerate(dict.fromkeys(world.access))}
    tenants = {tenant.name: number for number, tenant in enumerate(world.tenants)}
    facts = {
        "texts": world.texts,
        "languages": world.languages,
        "tenants": [tenants[access.tenant] for access in world.access],
        "acls": [numbers[access] for access in world.access],
        "tenant": tenants[principal.tenant],
        "allowed": sorted(numbers[access] for access in world.sets_of(principal) if access in numbers),
        "questions": [question.text for question in questions],
        "dsn": "",
    }
    (folder / "facts.json").write_text(json.dumps(facts))
    np.save(folder / "vectors.npy", world.vectors)
    np.save(folder / "queries.npy", queries)


def run(server: Server, name: str, folder: Path) -> dict[str, Any] | None:
    """The figures of one peer, or None where it cannot be installed."""
    python = environment(name)
    if python is None:
        return None
    database = f"peer_{name}"
    with server.admin() as admin:
        admin.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(database)))
        admin.execute(sql.SQL("create database {}").format(sql.Identifier(database)))
    with server.admin(database) as admin:
        admin.execute("create extension vector")
    facts = json.loads((folder / "facts.json").read_text())
    (folder / "facts.json").write_text(json.dumps(facts | {"dsn": server.embedded.dsn(SUPERUSER, database)}))
    result = subprocess.run(
        [str(python), str(FOLDER / PEERS[name][0]), str(folder)],
        capture_output=True,
        text=True,
        check=False,
        timeout=RUN_S,
    )
    with server.admin() as admin:
        admin.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(database)))
    if result.returncode:
        sys.exit(f"the peer {name} ended with {result.returncode}: {result.stderr[-1500:]}")
    figures: dict[str, Any] = json.loads(result.stdout.strip().splitlines()[-1])
    return figures


def folder_of(index: Index) -> Path:
    """Where the data of an index is handed over."""
    return index.server.folder / f"peers-{index.name}"
