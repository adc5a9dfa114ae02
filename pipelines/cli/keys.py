"""`knowledge keys`: the master keys of bronze, and how they are rotated."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from pipelines.cli.frame import Answer, DebugOption, HomeOption, JsonOption, command
from pipelines.cli.homes import pipeline_settings
from pipelines.cli.output import counted, table

if TYPE_CHECKING:
    from rich.console import Console

    from assets.stores import Stores

group = typer.Typer(no_args_is_help=True, help="List and rotate the master keys of bronze.")


@group.command("list")
@command
def list_all(home: HomeOption = None, as_json: JsonOption = False, debug: DebugOption = False) -> Answer:
    """List the master keys by their ids, and how many data keys are wrapped under each."""
    from pipelines.stores import build_stores

    stores = build_stores(pipeline_settings(home))
    counts = _counts(stores)
    current = stores.vault.masters.current
    rows = [
        {"id": key, "current": key == current, "here": key in stores.vault.masters.keys, "data_keys": counts[key]}
        for key in counts
    ]

    def show(console: Console) -> None:
        shown = table("Master key", "State", ">Data keys")
        for row in rows:
            state = "current" if row["current"] else "kept" if row["here"] else "MISSING"
            shown.add_row(str(row["id"]), state, str(row["data_keys"]))
        console.print(shown)

    return Answer({"keys": rows, "origin": stores.vault.masters.origin}, show)


@group.command()
@command
def rotate(home: HomeOption = None, as_json: JsonOption = False, debug: DebugOption = False) -> Answer:
    """Wrap all data keys under a new master key, and drop those that wrap nothing any more.

    Keys in KNOWLEDGE_BRONZE_KEYS are not changed: add a new one at the end, rotate, then take the old ones out. No
    content is written anew.
    """
    from assets.bronze.contract import KEYS
    from assets.bronze.masterkeys import add_key, drop_keys
    from assets.turns import alone
    from pipelines.stores import build_stores

    settings = pipeline_settings(home)
    path = settings.keys_dir / "bronze.keys"
    own_file = settings.bronze_keys is None
    with alone(build_stores(settings).connect):
        if own_file:
            add_key(path)
        stores = build_stores(settings)
        wrapped = stores.vault.rewrap()
        stores.lake.forget(KEYS)
        idle = [key for key, count in _counts(stores).items() if not count and key != stores.vault.masters.current]
        if own_file:
            drop_keys(path, idle)
    data = {"current": stores.vault.masters.current, "wrapped": wrapped, "dropped": idle if own_file else []}
    sentence = f"{counted(wrapped, 'data key')} wrapped under master key {data['current']}."
    return Answer(data, lambda console: console.print(sentence))


def _counts(stores: Stores) -> dict[str, int]:
    """Data keys by the id of their master key; keys that are here come first, oldest first."""
    from assets.bronze.contract import KEYS

    counts = dict.fromkeys(stores.vault.masters.keys, 0)
    for key in stores.lake.read(KEYS, ["master"])["master"].to_pylist():
        counts[key] = counts.get(key, 0) + 1
    return counts
