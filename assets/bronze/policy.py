"""Who may read a file: `_policy.yaml` of the folders above it, its own front matter and its sidecar, merged key by
key so that the nearest wins. Access fails closed: what is missing or unclear rejects the file.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path, PurePosixPath
from typing import Any, Literal

import yaml

from assets.bronze.files import POLICY_FILE, POLICY_LOOKALIKES, SIDECAR_ENDING, SIDECAR_LOOKALIKES, nfc, opened, shown
from assets.errors import InboxUnavailableError
from assets.silver.decode import decode
from assets.silver.normalise import clean_characters
from assets.silver.pii.readable_entry import problem_of
from assets.silver.readers.front_matter import parse_yaml, split
from assets.silver.refusal import RefusedError
from assets.silver.screening import policy as screening
from retrieval.principal import CLEARANCES, ROLE, TENANT

MAX_POLICY_BYTES = 64 * 1024
HEAD_BYTES = 1024 * 1024
"""As much of a file as the longest front matter that the reader accepts can take in any encoding."""

ACCESS_KEYS = ("tenant", "roles", "clearance", "ttl", "refresh")
REQUIRED_KEYS = ("tenant", "roles", "clearance")
READING_KEYS = ("readable_names", "screening", "allowed_sources", "keep_out_of_index")
"""Keys that decide how a file is read and used; they become the bronze column `rules`, and a change reads anew."""
POLICY_KEYS = (*ACCESS_KEYS, *READING_KEYS, "metadata")
"""Keys of a `_policy.yaml`. What protects from a file is said by its folders alone: front matter and sidecars know
`ACCESS_KEYS` only."""
SIDECAR_TEXTS = ("title", "published", "language", "url")
SIDECAR_LISTS = ("authors", "tags")
SIDECAR = "sidecar"
"""Key of the defaults under which a sidecar's metadata stands, because it outranks the file's own."""

FRONT_MATTER_TYPES = frozenset({"text/markdown", "text/plain", "application/octet-stream"})
"""Media types by name that may turn out to be Markdown when they are read."""

TTL = re.compile(r"(?P<count>[1-9][0-9]{0,4})(?P<unit>[dwy]?)")
DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
DAYS = {"": 1, "d": 1, "w": 7, "y": 365}
LONGEST_TTL_DAYS = 36_500
NEVER = "never"

_KEY_NAME = re.compile(r"[A-Za-z0-9_-]{1,40}")
_FRONT_MATTER_START = re.compile(rb"[\s\x00\xef\xbb\xbf\xfe\xff]*(?:-\x00*-|\+\x00*\+|\{)")

Rules = Mapping[str, Any]
"""Checked rules of one place; keys of `POLICY_KEYS`, `ttl` in days or None for never."""


@dataclass(frozen=True, slots=True)
class Policy:
    """The rules in force for one file.

    Attributes:
        roles: sorted, without repetition.
        ttl_days: days until the document expires; None: never.
        defaults: metadata that folders set, and under `sidecar` what the file's sidecar says; JSON values.
        rules: values of `READING_KEYS` that are set; JSON values.
        refresh: when somebody should look whether it still holds: days as `180d`, or a day; None: never.
    """

    tenant: str
    roles: tuple[str, ...]
    clearance: str
    ttl_days: int | None = None
    defaults: Mapping[str, object] = field(default_factory=dict)
    rules: Mapping[str, object] = field(default_factory=dict)
    refresh: str | None = None

    @property
    def defaults_json(self) -> str:
        """The defaults as JSON with sorted keys."""
        return _json(self.defaults)

    @property
    def rules_json(self) -> str:
        """The rules as JSON with sorted keys."""
        return _json(self.rules)


@dataclass(frozen=True, slots=True)
class PolicyProblem:
    """Why no rules are in force.

    Attributes:
        code: a reason of `assets.silver.refusal`.
        detail: the file and the key; never a value.
    """

    code: Literal["no_policy", "bad_policy"]
    detail: str


@dataclass(frozen=True, slots=True)
class OwnAccess:
    """What the `access` mapping of a file's front matter says: rules, or what is wrong with them."""

    rules: Rules = field(default_factory=dict)
    problem: str | None = None


class _UnusableError(Exception):
    """Something in a policy is wrong; the message names the key, or each of them."""


@dataclass(frozen=True, slots=True)
class _Place:
    """A folder: its file names by their NFC form, its own rules or their problem, and when these changed."""

    names: Mapping[str, str] = field(default_factory=dict)
    rules: Rules = field(default_factory=dict)
    problem: str | None = None
    changed_ns: int = 0


class Policies:
    """The policies of an inbox as they are now; each file is read once. Make a new one for each look.

    Args:
        inbox: the watched folder, absolute and without links.

    Raises (all methods):
        InboxUnavailableError: the storage did not answer.
    """

    def __init__(self, inbox: Path) -> None:
        self._inbox = inbox
        self._places: dict[str, _Place] = {}
        self._sidecars: dict[str, _Place] = {}

    def resolve(self, file: str, own: OwnAccess | None = None) -> Policy | PolicyProblem:
        """The rules for a file.

        A broken policy file rejects every file below it, even where a nearer one says everything.

        Args:
            file: path relative to the inbox as the file system spells it, `/` between its parts.
            own: what the file itself says.
        """
        sidecar = self._sidecar(file)
        own = own or OwnAccess()
        places = [self._place(folder) for folder in _folders(file)]
        for problem in (*(place.problem for place in places), own.problem, sidecar.problem):
            if problem is not None:
                return PolicyProblem("bad_policy", problem)
        access = sidecar.rules.get("access", {})
        return _merged(shown(file), [*(place.rules for place in places), own.rules, access], sidecar.rules)

    def changed_ns(self, file: str) -> int:
        """When something that decides about the file last changed, in nanoseconds since 1970; 0 if nothing does."""
        return max([self._sidecar(file).changed_ns, *(self._place(folder).changed_ns for folder in _folders(file))])

    def _place(self, folder: str) -> _Place:
        if folder not in self._places:
            self._places[folder] = self._read_place(folder)
        return self._places[folder]

    def _read_place(self, folder: str) -> _Place:
        names = self._names(folder)
        candidates = sorted(name for name in names if name.casefold() in POLICY_LOOKALIKES)
        if not candidates:
            return _Place(names)
        wrong = next((name for name in candidates if name != POLICY_FILE), None)
        if wrong is not None:
            return _Place(names, problem=f"{shown(_joined(folder, wrong))}: the name must be {POLICY_FILE}")
        read = self._read(_joined(folder, POLICY_FILE), _policy_rules)
        return _Place(names, read.rules, read.problem, read.changed_ns)

    def _sidecar(self, file: str) -> _Place:
        if file not in self._sidecars:
            self._sidecars[file] = self._read_sidecar(file)
        return self._sidecars[file]

    def _read_sidecar(self, file: str) -> _Place:
        folder, _, name = file.rpartition("/")
        names = self._place(folder).names
        right = nfc(name) + SIDECAR_ENDING
        for lookalike in (nfc(name) + ending for ending in SIDECAR_LOOKALIKES):
            if lookalike in names:
                return _Place(problem=f"{shown(_joined(folder, lookalike))}: the name must be {shown(right)}")
        return self._read(_joined(folder, names[right]), _sidecar_rules) if right in names else _Place()

    def _names(self, folder: str) -> Mapping[str, str]:
        try:
            return {nfc(entry.name): entry.name for entry in sorted((self._inbox / folder).iterdir(), reverse=True)}
        except (FileNotFoundError, NotADirectoryError):
            return {}
        except OSError as error:
            raise _unavailable(folder or ".", error) from error

    def _read(self, file: str, check: Callable[[Mapping[str, Any]], Rules]) -> _Place:
        try:
            with opened(self._inbox, file) as stream:
                status = os.fstat(stream.fileno())
                content = stream.read(MAX_POLICY_BYTES + 1)
        except FileNotFoundError as error:
            if not os.path.lexists(self._inbox / file):
                raise InboxUnavailableError(f"{shown(file)} vanished while it was read; it is tried again") from error
            return _Place(problem=f"{shown(file)}: is no file of the inbox")
        except PermissionError:
            return _Place(problem=f"{shown(file)}: may not be read by the pipeline")
        except OSError as error:
            raise _unavailable(file, error) from error
        changed_ns = max(status.st_mtime_ns, status.st_ctime_ns)
        try:
            return _Place(rules=check(_mapping(content)), changed_ns=changed_ns)
        except _UnusableError as error:
            return _Place(problem=f"{shown(file)}: {error}", changed_ns=changed_ns)


def own_access(head: bytes, path: str, *, whole: bool) -> OwnAccess:
    """The `access` mapping in the front matter of a Markdown file.

    Front matter is found by the functions that will read the file. Where they refuse it, the file becomes no
    document, so nothing it may have said about access is lost.

    Args:
        head: the file's first `HEAD_BYTES` bytes.
        whole: whether that is the whole file.
    """
    if not _FRONT_MATTER_START.match(head):
        return OwnAccess()
    try:
        front_matter, _ = split(clean_characters(decode(head if whole else head[: head.rfind(b"\n") + 1]).text))
    except RefusedError:
        # cut off, it could be read differently from the whole
        return OwnAccess() if whole else OwnAccess(problem=f"{path}: the front matter cannot be understood")
    try:
        _check_spelling(front_matter)
        return OwnAccess(_access_rules(front_matter["access"]) if "access" in front_matter else {})
    except _UnusableError as error:
        return OwnAccess(problem=f"{path}: {error}")


def _json(values: Mapping[str, object]) -> str:
    return json.dumps(values, ensure_ascii=False, sort_keys=True, allow_nan=False)


def _merged(path: str, places: Collection[Rules], sidecar: Rules) -> Policy | PolicyProblem:
    merged: dict[str, Any] = {}
    metadata: dict[str, object] = {}
    for rules in places:
        joined = {key: join(merged[key], rules[key]) for key, join in _JOINED.items() if key in merged and key in rules}
        merged |= {**rules, **joined}
        metadata |= rules.get("metadata", {})
    missing = [key for key in REQUIRED_KEYS if key not in merged]
    if missing:
        return PolicyProblem("no_policy", f"{path}: {', '.join(missing)} given nowhere")
    described = {key: value for key, value in sidecar.items() if key != "access"}
    return Policy(
        tenant=merged["tenant"],
        roles=merged["roles"],
        clearance=merged["clearance"],
        ttl_days=merged.get("ttl"),
        refresh=merged.get("refresh"),
        defaults=metadata | ({SIDECAR: described} if described else {}),
        rules={key: merged[key] for key in READING_KEYS if key in merged},
    )


def _mapping(content: bytes) -> Mapping[str, Any]:
    """The YAML mapping in a policy file or sidecar; empty files are unusable, as half-written ones may be."""
    if len(content) > MAX_POLICY_BYTES:
        raise _UnusableError(f"is larger than {MAX_POLICY_BYTES // 1024} KiB")
    try:
        text = clean_characters(decode(content).text)
        mapping = parse_yaml(text)
    except RefusedError as error:
        raise _UnusableError(error.detail or "cannot be understood") from error
    if not mapping:
        raise _UnusableError("is empty")
    _check_repetition(text)
    return mapping


def _check_repetition(text: str) -> None:
    """YAML lets the last of two equal keys win, and nobody can tell which of two accesses was meant."""
    pending = [yaml.compose(text, yaml.CSafeLoader)]
    while pending:
        node = pending.pop()
        if isinstance(node, yaml.MappingNode):
            names = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
            repeated = sorted({name for name in names if names.count(name) > 1})
            if repeated:
                raise _UnusableError(f"{_key(repeated[0])} is given twice")
            pending += [value for _, value in node.value]
        elif isinstance(node, yaml.SequenceNode):
            pending += node.value


def _policy_rules(mapping: Mapping[str, Any]) -> Rules:
    return _checked(mapping, POLICY_KEYS, lambda key, value: _CHECKS[key](value))


def _sidecar_rules(mapping: Mapping[str, Any]) -> Rules:
    return _checked(mapping, (*SIDECAR_TEXTS, *SIDECAR_LISTS, "access"), _sidecar_value)


def _sidecar_value(key: str, value: object) -> object:
    if key == "access":
        return _access_rules(value)
    if key in SIDECAR_LISTS:
        return [_text(item, key) for item in (value if isinstance(value, list) else [value])]
    return _text(value, key)


def _access_rules(mapping: object) -> Rules:
    if not isinstance(mapping, Mapping) or not mapping:
        raise _UnusableError(f"access must hold {', '.join(ACCESS_KEYS[:-1])} or {ACCESS_KEYS[-1]}")
    return _checked(mapping, ACCESS_KEYS, lambda key, value: _CHECKS[key](value))


def _checked(mapping: Mapping[Any, Any], known: Collection[str], check: Callable[[str, object], object]) -> Rules:
    """The mapping with each value checked; whoever wrote it learns of all that is wrong in it at once."""
    rules: dict[str, Any] = {}
    problems: list[str] = []
    unknown = [_key(key) for key in mapping if key not in known]
    if unknown:
        problems.append(f"unknown key{'s' * (len(unknown) > 1)} {', '.join(unknown)} (known: {', '.join(known)})")
    for key, value in mapping.items():
        if key in known:
            try:
                rules[key] = check(key, value)
            except _UnusableError as error:
                problems.append(str(error))
    if problems:
        raise _UnusableError("; ".join(problems))
    return rules


def _check_spelling(front_matter: Mapping[Any, Any]) -> None:
    """Refuses an `Access` that a person takes for `access`, and that would otherwise pass unseen."""
    for key in front_matter:
        if isinstance(key, str) and key != "access" and key.strip().casefold() == "access":
            raise _UnusableError("access must be written in lower case")


def _key(key: object) -> str:
    """A key for a message; what does not look like one may be content that went astray."""
    return key if isinstance(key, str) and _KEY_NAME.fullmatch(key) else "that is no name"


def _tenant(value: object) -> str:
    if not isinstance(value, str) or not TENANT.fullmatch(value):
        raise _UnusableError("tenant must be one name of lower-case letters, digits, - and _")
    return value


def _roles(value: object) -> tuple[str, ...]:
    usable = isinstance(value, list) and value and all(isinstance(role, str) for role in value)
    if not usable or not all(ROLE.fullmatch(role) and role == role.strip() for role in value):  # type: ignore[attr-defined]
        raise _UnusableError("roles must be a list of at least one role name, like [everyone]")
    return tuple(sorted(set(value)))  # type: ignore[call-overload]


def _clearance(value: object) -> str:
    if not isinstance(value, str) or value not in CLEARANCES:
        raise _UnusableError(f"clearance must be one of {', '.join(CLEARANCES)}")
    return value


def _ttl(value: object) -> int | None:
    if value == NEVER:
        return None
    match = TTL.fullmatch(str(value)) if isinstance(value, int | str) and not isinstance(value, bool) else None
    days = int(match["count"]) * DAYS[match["unit"]] if match else 0
    if not 1 <= days <= LONGEST_TTL_DAYS:
        raise _UnusableError("ttl must be days, weeks or years like 30d, 12w, 1y, a number of days, or never")
    return days


def _refresh(value: object) -> str | None:
    if value == NEVER:
        return None
    if isinstance(value, date):  # YAML and TOML know days
        return value.isoformat()[:10]
    if isinstance(value, str) and DAY.fullmatch(value):
        try:
            return date.fromisoformat(value).isoformat()
        except ValueError:
            value = None
    try:
        return f"{_ttl(value)}d"
    except _UnusableError:
        raise _UnusableError(
            "refresh must be days, weeks or years like 180d, 26w, 1y, a day like 2027-01-31, or never"
        ) from None


def _readable_names(value: object) -> list[str]:
    if not isinstance(value, list) or not value or not all(isinstance(name, str) and name.strip() for name in value):
        raise _UnusableError("readable_names must be a list of names like [Aylin Demir] or patterns like [/Prof. .+/]")
    for name in value:
        problem = problem_of(name)
        if problem is not None:
            raise _UnusableError(f"readable_names {problem}")
    return sorted({name.strip() for name in value})


def _screening(value: object) -> str:
    return str(_unless(screening.problem_of_mode(value), "screening", value))


def _allowed_sources(value: object) -> list[list[str]]:
    _unless(screening.problem_of_sources(value), "allowed_sources", value)
    assert isinstance(value, list)
    return [sorted(set(value))]


def _keep_out_of_index(value: object) -> list[str]:
    _unless(screening.problem_of_kept_out(value), "keep_out_of_index", value)
    assert isinstance(value, list)
    return sorted(set(value))


def _metadata(value: object) -> dict[str, object]:
    if not isinstance(value, Mapping):
        raise _UnusableError("metadata must hold keys and values")
    for key, item in value.items():
        if not isinstance(key, str) or key in (SIDECAR, ""):
            raise _UnusableError(f"metadata has a key {_key(key)} that is not allowed")
        if not all(isinstance(part, str | int) for part in (item if isinstance(item, list) else [item])):
            raise _UnusableError(f"metadata {_key(key)} must be a text, a number, or a list of these")
    return dict(value)


def _unless(problem: str | None, key: str, value: object) -> object:
    if problem is not None:
        raise _UnusableError(f"{key} {problem}")
    return value


def _united(first: list[Any], second: list[Any]) -> list[Any]:
    return sorted([*first, *(value for value in second if value not in first)])


_JOINED: Mapping[str, Callable[[Any, Any], object]] = {
    "readable_names": _united,
    "screening": screening.stricter,
    "allowed_sources": _united,
    "keep_out_of_index": _united,
}
"""Keys of which a nearer place does not simply win, and what becomes of both values."""

_CHECKS: Mapping[str, Callable[[object], object]] = {
    "tenant": _tenant,
    "roles": _roles,
    "clearance": _clearance,
    "ttl": _ttl,
    "refresh": _refresh,
    "readable_names": _readable_names,
    "screening": _screening,
    "allowed_sources": _allowed_sources,
    "keep_out_of_index": _keep_out_of_index,
    "metadata": _metadata,
}


def _text(value: object, key: str) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int) or not str(value).strip():
        raise _UnusableError(f"{key} must be a text" + (" or a list of texts" if key in SIDECAR_LISTS else ""))
    return str(value)


def _folders(file: str) -> list[str]:
    """The folders above a file, the inbox itself (`""`) first."""
    parts = PurePosixPath(file).parts[:-1]
    return ["/".join(parts[:depth]) for depth in range(len(parts) + 1)]


def _joined(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


def _unavailable(file: str, error: OSError) -> InboxUnavailableError:
    return InboxUnavailableError(f"{shown(file)} in the inbox cannot be read ({error.strerror}); it is tried again")
