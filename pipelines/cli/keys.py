"""`knowledge keys`: master keys of bronze and keys of pseudonyms, what needs them, and how they are rotated."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipelines.cli.frame import (
    FLAG,
    Answer,
    Application,
    DebugOption,
    HomeOption,
    InboxOption,
    JsonOption,
    command,
)
from pipelines.cli.homes import existing_home
from pipelines.cli.output import counted, plain, table

if TYPE_CHECKING:
    from rich.console import Console

    from assets.keyring import KeyRing
    from pipelines.settings import PipelineSettings

group = Application("List, rotate and drop keys of bronze and of pseudonyms.")


class Kind(StrEnum):
    """Which ring of keys."""

    BRONZE = "bronze"
    PSEUDONYMS = "pseudonyms"


KindArgument = Annotated[Kind, typer.Argument(metavar="KIND", help="Master keys of bronze, or keys of pseudonyms.")]


@group.command("list")
@command
def list_all(home: HomeOption = None, as_json: JsonOption = False, debug: DebugOption = False) -> Answer:
    """List keys by id, oldest first, and how much was made with each."""
    from pipelines.stores import build_stores

    stores = build_stores(existing_home(home))
    masters, pseudonyms = stores.vault.masters, stores.pseudonyms
    wrapped = stores.vault.made_under()
    with stores.connect() as connection:
        from assets.pseudonyms import uses

        used = uses(stores, connection)
    rows = [{"kind": Kind.BRONZE, **_state(masters, key), "data_keys": wrapped.get(key, 0)} for key in
            dict.fromkeys([*masters.keys, *sorted(wrapped)])]  # fmt: skip
    rows += [
        {
            "kind": Kind.PSEUDONYMS,
            **_state(pseudonyms, key),
            "documents": used.documents.get(key, 0),
            "releases": used.releases.get(key, 0),
        }
        for key in dict.fromkeys([*pseudonyms.keys, *sorted(pseudonyms.lost | used.keys)])
    ]

    def show(console: Console) -> None:
        shown = table("Kind", "Key", "State", "Made with it")
        for row in rows:
            shown.add_row(str(row["kind"]), str(row["id"]), str(row["state"]), _made(row))
        console.print(shown)
        if used.untold:
            console.print(f"More may need an older key: {used.untold}.")

    data = {"keys": rows, "origin": masters.origin, "pseudonyms_origin": pseudonyms.origin, "untold": used.untold}
    return Answer(data, show)


@group.command()
@command
def rotate(
    kind: KindArgument = Kind.BRONZE, home: HomeOption = None, as_json: JsonOption = False, debug: DebugOption = False
) -> Answer:
    """Add a new key and use it from now on.

    Bronze: all data keys are wrapped under it, content is not rewritten, and keys that wrap nothing any more are
    dropped. Pseudonyms: the next `knowledge ingest` redacts everything again, and its release contains new pseudonyms
    only. The settings KNOWLEDGE_BRONZE_KEYS and KNOWLEDGE_PSEUDONYM_KEYS are not changed: append a new key to them
    yourself.
    """
    settings = existing_home(home)
    return _rotate_bronze(settings) if kind is Kind.BRONZE else _rotate_pseudonyms(settings)


@group.command()
@command
def drop(home: HomeOption = None, as_json: JsonOption = False, debug: DebugOption = False) -> Answer:
    """Drop older keys of pseudonyms that nothing kept was made with.

    Keys in KNOWLEDGE_PSEUDONYM_KEYS are not changed; the command prints which may be removed.
    """
    from assets.locks import exclusive_lock
    from assets.pseudonyms import uses
    from pipelines.stores import build_stores

    settings = existing_home(home)
    stores = build_stores(settings)
    with exclusive_lock(stores.connect), stores.connect() as connection:
        used = uses(stores, connection)
        ring = stores.pseudonyms
        known = {*ring.keys, *ring.lost} - {ring.current}
        idle = sorted(known - used.keys) if used.untold is None else []
        own_file = settings.pseudonym_keys is None
        if own_file and idle:
            ring.drop(settings.keys_dir / "pseudonym.keys", idle)

    def show(console: Console) -> None:
        if used.untold and known:
            console.print(f"Nothing is dropped: {used.untold}.")
        elif not idle:
            console.print("Every key is needed." if not known else "What is kept still needs every older key.")
        else:
            names = ", ".join(idle)
            console.print(
                f"Dropped: {names}."
                if own_file
                else f"Take out of KNOWLEDGE_PSEUDONYM_KEYS what is not needed: {names}."
            )

    return Answer({"idle": idle, "dropped": idle if own_file else [], "untold": used.untold}, show)


@group.command()
@command
def abandon(
    masters: Annotated[
        list[str], typer.Argument(metavar="ID...", help="The missing master keys of bronze, as `list` names them.")
    ],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", metavar=FLAG, help="Tell what would be lost, and change nothing.")
    ] = False,
    home: HomeOption = None,
    inbox: InboxOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> Answer:
    """Go on without a master key of bronze that is gone for good.

    Files that lie in the inbox as they were taken in are sealed again under the newest key. Other bytes are given up:
    older versions, and files that have left or changed. Ids, versions, texts, passages, vectors and what is served
    stay, and nothing is embedded again.
    """
    from assets.bronze.anew import begin_anew
    from assets.locks import exclusive_lock
    from pipelines.stores import build_stores

    stores = build_stores(existing_home(home, inbox))
    with exclusive_lock(stores.connect):
        done = begin_anew(stores, masters, dry_run=dry_run)
    paths = sorted(set(done.lost))

    def show(console: Console) -> None:
        verb = "would be" if dry_run else "are"
        console.print(
            f"{counted(done.sealed, 'file')} {verb} sealed again from the inbox. The bytes of"
            f" {counted(len(done.lost), 'version')} {verb} lost; their texts are kept as before."
        )
        for path in paths[:50]:
            console.print(f"  {plain(path)}")
        if len(paths) > 50:
            console.print(f"  and {len(paths) - 50} more")
        if done.erased:
            console.print(
                f"Erased bytes: {done.relisted} of {done.erased} contents lie in the inbox and stay refused; the others"
                " can no longer be recognised, so keep them out of the inbox."
            )

    data = {
        "masters": done.masters,
        "dry_run": dry_run,
        "data_keys": done.keys,
        "sealed": done.sealed,
        "lost": done.lost,
        "erased": done.erased,
        "relisted": done.relisted,
    }
    return Answer(data, show)


def _rotate_bronze(settings: PipelineSettings) -> Answer:
    from assets.bronze.contract import KEYS
    from assets.locks import exclusive_lock
    from pipelines.stores import build_stores

    path = settings.keys_dir / "bronze.keys"
    own_file = settings.bronze_keys is None
    first = build_stores(settings)
    with exclusive_lock(first.connect):
        if own_file:
            first.vault.masters.add(path)
        stores = build_stores(settings)
        wrapped = stores.vault.rewrap()
        stores.lake.forget(KEYS)
        masters = stores.vault.masters
        needed = stores.vault.made_under()
        idle = [key for key in masters.keys if key not in needed and key != masters.current]
        if own_file:
            masters.drop(path, idle)
    data = {"kind": Kind.BRONZE, "current": masters.current, "wrapped": wrapped, "dropped": idle if own_file else []}
    sentence = f"{counted(wrapped, 'data key')} wrapped under master key {masters.current}."
    return Answer(data, lambda console: console.print(sentence))


def _rotate_pseudonyms(settings: PipelineSettings) -> Answer:
    from assets.locks import exclusive_lock
    from assets.pseudonyms import demand_keys
    from pipelines.stores import build_stores
    from retrieval.errors import ConfigurationError

    if settings.pseudonym_keys is not None:
        raise ConfigurationError(
            "The keys of pseudonyms stand in KNOWLEDGE_PSEUDONYM_KEYS: add a new one at its end, separated by a comma"
            " (`openssl rand -base64 32`), and run `knowledge ingest`"
        )
    stores = build_stores(settings)
    with exclusive_lock(stores.connect):
        demand_keys(stores)
        current = stores.pseudonyms.add(settings.keys_dir / "pseudonym.keys")
    sentence = (
        f"New pseudonyms are made under key {current}. `knowledge ingest` redacts everything anew; older keys stay"
        " until `knowledge keys drop` finds that nothing kept was made with them."
    )
    return Answer({"kind": Kind.PSEUDONYMS, "current": current}, lambda console: console.print(sentence))


def _state(ring: KeyRing, key: str) -> dict[str, Any]:
    if key in ring.keys:
        state = "current" if key == ring.current else "kept"
    else:
        state = "lost" if key in ring.lost else "MISSING"
    return {"id": key, "state": state, "current": key == ring.current, "here": key in ring.keys}


def _made(row: dict[str, Any]) -> str:
    if row["kind"] == Kind.BRONZE:
        return counted(row["data_keys"], "data key")
    return f"{counted(row['documents'], 'document')}, {counted(row['releases'], 'release')}"
