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

_FENCED = re.compile(
    r"\s*(?P<fence>---|\+\+\+)(?P<kind>json|toml|yaml)?[ \t]*\n(?P<head>.*?)^(?:(?P=fence)|\.\.\.)[ \t]*(?:\n|\Z)",
    re.S | re.M,
)
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
        RefusedError: `bad_front_matter` when front matter begins but does not end, does not parse, is no mapping of
            keys to values, or uses YAML aliases (a few bytes of which can stand for gigabytes).
    """
    if _JSON.match(text):
        return _split_json(text)
    match = _FENCED.match(text)
    if match is None:
        if _UNCLOSED.match(text):
            raise RefusedError("bad_front_matter", "the front matter is opened and never closed")
        return {}, text
    if match["kind"] == "json":
        return _split_json(match["head"])[0], text[match.end() :]
    if (
        match["fence"] == "---"
        and not match["kind"]
        and not re.search(r"^[^\s#].*:", match["head"], re.M)
        and match["head"].strip()
    ):
        # Prose between two thematic breaks, not metadata.
        return {}, text
    if len(match["head"]) > _MAX_CHARACTERS:
        raise RefusedError("bad_front_matter", f"the front matter is longer than {_MAX_CHARACTERS} characters")
    as_yaml = match["kind"] == "yaml" or (match["fence"] == "---" and not match["kind"])
    parse = parse_yaml if as_yaml else _parse_toml
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
        RefusedError: `bad_front_matter`, with the line but never with what stands there.
    """
    try:
        _check_events(text, first_line)
        value = yaml.load(text, _Loader)  # noqa: S506 - derived from the safe loader
    except yaml.MarkedYAMLError as error:
        mark, hint = _mistake(error, text)
        line = first_line + (mark.line if mark else 0)
        if hint is None:
            raise RefusedError("bad_front_matter", f"line {line}: the YAML cannot be understood") from error
        raise RefusedError("bad_front_matter", f"line {line}: the YAML cannot be understood: {hint}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise RefusedError("bad_front_matter", "the YAML cannot be understood") from error
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise RefusedError("bad_front_matter", f"line {first_line}: the YAML is not a list of keys and values")
    return value


def _mistake(error: yaml.MarkedYAMLError, text: str) -> tuple[yaml.Mark | None, str | None]:
    """Where people made one of the mistakes that people make, and what to do; without a hint where it is another."""
    problem, context, mark = error.problem or "", error.context or "", error.problem_mark
    if "mapping values are not allowed" in problem:
        return mark, "a text that holds a colon must stand in quotation marks"
    if "quoted scalar" in context:
        return error.context_mark, "a quotation mark is opened and never closed"
    if "flow sequence" in context or "flow mapping" in context:
        return error.context_mark, "a bracket is opened and never closed"
    if "cannot start any token" in problem and mark is not None:
        lines = text.split("\n")
        sign = lines[mark.line][mark.column : mark.column + 1] if mark.line < len(lines) else ""
        if sign == "\t":
            return mark, "lines are indented with spaces, never with tabs"
        return mark, "a text that begins with a special sign must stand in quotation marks"
    return mark, None


def _check_events(text: str, first_line: int) -> None:
    depth = 0
    for event in yaml.parse(text, yaml.CSafeLoader):
        if isinstance(event, yaml.AliasEvent):
            line = first_line + (event.start_mark.line if event.start_mark else 0)
            raise RefusedError("bad_front_matter", f"line {line}: YAML aliases are not allowed")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _MAX_DEPTH:
            raise RefusedError("bad_front_matter", f"the YAML is nested deeper than {_MAX_DEPTH} levels")


def _parse_toml(text: str, *, first_line: int) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError, ValueError) as error:
        found = re.search(r"line (\d+)", str(error))
        line = first_line + (int(found[1]) - 1 if found else 0)
        raise RefusedError("bad_front_matter", f"line {line}: the TOML front matter cannot be understood") from error


def _split_json(text: str) -> tuple[dict[str, Any], str]:
    start = len(text) - len(text.lstrip())
    try:
        value, end = json.JSONDecoder().raw_decode(text, start)
    except json.JSONDecodeError as error:
        raise RefusedError(
            "bad_front_matter", f"line {error.lineno}: the JSON front matter cannot be understood"
        ) from error
    except (RecursionError, ValueError) as error:
        raise RefusedError("bad_front_matter", "the JSON front matter cannot be understood") from error
    return value, text[end:]
