"""Front matter: the metadata block that static site generators keep at the top of a Markdown file, in YAML
(`---`), TOML (`+++`) or JSON (`{`).
"""

from __future__ import annotations

import json
import re
import tomllib
from typing import Any

import yaml

from assets.silver.refusal import RefusedError

_MAX_CHARACTERS = 256 * 1024
_MAX_DEPTH = 32

_FENCED = re.compile(r"\s*(?P<fence>---|\+\+\+)[ \t]*\n(?P<head>.*?)^(?:(?P=fence)|\.\.\.)[ \t]*(?:\n|\Z)", re.S | re.M)
_UNCLOSED = re.compile(r"\s*(?:---|\+\+\+)[ \t]*\n\s*[\w-]+[ \t]*[:=]")
_JSON = re.compile(r"\s*\{\s*[\"}]")


class _Loader(yaml.CSafeLoader):
    """Plain scalars are null, true, false, an integer, or text.

    YAML 1.1 reads `no` as false, `12:30` as a number and `1.10` as 1.1, and none of that is what an editor means.
    """


_Loader.yaml_implicit_resolvers = {}
for _tag, _pattern, _first in (
    ("tag:yaml.org,2002:null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("tag:yaml.org,2002:bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("tag:yaml.org,2002:int", r"[-+]?(?:0|[1-9][0-9]{0,17})", list("-+0123456789")),
):
    _Loader.add_implicit_resolver(_tag, re.compile(rf"(?:{_pattern})\Z"), _first)


def split(text: str) -> tuple[dict[str, Any], str]:
    """Metadata and the rest of the text; the metadata is empty where there is no front matter.

    Raises:
        RefusedError: `malformed` when front matter begins but does not end, does not parse, is no mapping of
            keys to values, or uses YAML aliases (a few bytes of which can stand for gigabytes).
    """
    if _JSON.match(text):
        return _split_json(text)
    match = _FENCED.match(text)
    if match is None:
        if _UNCLOSED.match(text):
            raise RefusedError("malformed", "the front matter is opened and never closed")
        return {}, text
    if match["fence"] == "---" and not re.search(r"^[^\s#].*:", match["head"], re.M) and match["head"].strip():
        # Prose between two thematic breaks, not metadata.
        return {}, text
    if len(match["head"]) > _MAX_CHARACTERS:
        raise RefusedError("malformed", f"the front matter is longer than {_MAX_CHARACTERS} characters")
    parse = parse_yaml if match["fence"] == "---" else _parse_toml
    return parse(match["head"], first_line=text.count("\n", 0, match.start("head")) + 1), text[match.end() :]


def without(text: str) -> str:
    """The text behind the front matter, which is not parsed; the text itself where there is none."""
    match = _FENCED.match(text)
    return text[match.end() :] if match else text


def parse_yaml(text: str, *, first_line: int = 1) -> dict[str, Any]:
    """A YAML mapping, without executing tags and without aliases; empty text is an empty mapping.

    Args:
        first_line: number of the text's first line in its file, for the message.

    Raises:
        RefusedError: `malformed`, with the line but never with what stands there.
    """
    try:
        _check_events(text, first_line)
        value = yaml.load(text, _Loader)  # noqa: S506 - derived from the safe loader
    except yaml.MarkedYAMLError as error:
        line = first_line + (error.problem_mark.line if error.problem_mark else 0)
        raise RefusedError("malformed", f"line {line}: the YAML cannot be understood") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise RefusedError("malformed", "the YAML cannot be understood") from error
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise RefusedError("malformed", f"line {first_line}: the YAML is not a list of keys and values")
    return value


def _check_events(text: str, first_line: int) -> None:
    depth = 0
    for event in yaml.parse(text, yaml.CSafeLoader):
        if isinstance(event, yaml.AliasEvent):
            line = first_line + (event.start_mark.line if event.start_mark else 0)
            raise RefusedError("malformed", f"line {line}: YAML aliases are not allowed")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _MAX_DEPTH:
            raise RefusedError("malformed", f"the YAML is nested deeper than {_MAX_DEPTH} levels")


def _parse_toml(text: str, *, first_line: int) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError, ValueError) as error:
        found = re.search(r"line (\d+)", str(error))
        line = first_line + (int(found[1]) - 1 if found else 0)
        raise RefusedError("malformed", f"line {line}: the TOML front matter cannot be understood") from error


def _split_json(text: str) -> tuple[dict[str, Any], str]:
    start = len(text) - len(text.lstrip())
    try:
        value, end = json.JSONDecoder().raw_decode(text, start)
    except json.JSONDecodeError as error:
        raise RefusedError("malformed", f"line {error.lineno}: the JSON front matter cannot be understood") from error
    except (RecursionError, ValueError) as error:
        raise RefusedError("malformed", "the JSON front matter cannot be understood") from error
    return value, text[end:]
