"""What instructions to a model look like: rules as data (`rules.toml`), and where in a text each of them applies.

Each rule is one way to attack. A sentence of a manual or a novel must not match it, so a rule asks for the verb, the
reach (`all`, `previous`, `your`) and the thing together, and for prose-like verbs that they command somebody.
German and English are covered, their neighbours' languages for the plainest attack alone.
"""

from __future__ import annotations

import functools
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from typing import Any, Literal, get_args

Kind = Literal[
    "override", "disclosure", "role", "task", "answer", "role_token", "tool_call", "exfiltration", "encoded", "hidden"
]
KINDS: tuple[str, ...] = get_args(Kind)
"""override: take back what the model was told; disclosure: tell what it was told; role: become somebody without
rules; task: do something else instead; answer: shape the answer to somebody else's wish; role_token: markup of a
chat; tool_call: markup of a tool's call; exfiltration: carry data to an address; encoded: an attack in Base64, hex or
spaced letters; hidden: an attack, or much text, that people do not see."""

REACH = 300
"""Characters before and behind a trigger in which a rule is tried, unless it says otherwise: few attacks that a rule
describes are longer."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One way to attack.

    Attributes:
        name: stable name for reports.
        triggers: lower-case texts one of which stands in every match; the pattern is tried around them only, because
            sixty patterns over every character would cost more than redaction does.
        reach: characters on both sides of a trigger that the pattern is tried on.
    """

    name: str
    kind: Kind
    triggers: tuple[str, ...]
    reach: int
    pattern: re.Pattern[str]


@functools.cache
def rules() -> tuple[Rule, ...]:
    """All rules for text that can be read as it stands."""
    data = tomllib.loads(resources.files(__package__).joinpath("rules.toml").read_text(encoding="utf-8"))
    return tuple(_rule(entry, data["parts"]) for entry in data["rules"])


def matches(text: str) -> Iterator[tuple[Rule, int, int]]:
    """(rule, start, end) of every match, by rule and place."""
    places = _places(lowered(text))
    for rule in rules():
        starts = [start for trigger in rule.triggers for start in places[trigger]]
        end = 0
        for low, high in _windows(sorted(starts), rule.reach):
            for match in rule.pattern.finditer(text, low, high):
                if match.start() >= end:
                    end = match.end()
                    yield rule, match.start(), end


def _rule(entry: dict[str, Any], parts: dict[str, str]) -> Rule:
    pattern = entry["pattern"]
    for name, part in parts.items():
        pattern = pattern.replace(f"@@{name}@@", part)
    flags = re.VERBOSE if entry.get("case") else re.VERBOSE | re.IGNORECASE
    return Rule(
        entry["name"], entry["kind"], tuple(entry["triggers"]), entry.get("reach", REACH), re.compile(pattern, flags)
    )


def lowered(text: str) -> str:
    """The text in lower case, character for character."""
    lower = text.lower()
    return lower if len(lower) == len(text) else "".join(c.lower() if len(c.lower()) == 1 else c for c in text)


@functools.cache
def _by_word() -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Triggers by the longest run of characters without white space in them."""
    found: dict[str, list[str]] = {}
    for trigger in sorted({trigger for rule in rules() for trigger in rule.triggers}):
        found.setdefault(max(trigger.split(), key=len), []).append(trigger)
    return tuple((word, tuple(triggers)) for word, triggers in found.items())


def _places(lower: str) -> dict[str, list[int]]:
    """Where each trigger stands in a text in lower case.

    The distinct words of a text are a fraction of it, and most triggers are in none of them.
    """
    words = "\n".join(set(lower.split()))
    places: dict[str, list[int]] = {}
    for word, triggers in _by_word():
        occurs = word in words
        for trigger in triggers:
            places[trigger] = _occurrences(lower, trigger) if occurs else []
    return places


def _occurrences(text: str, trigger: str) -> list[int]:
    found = []
    at = text.find(trigger)
    while at >= 0:
        found.append(at)
        at = text.find(trigger, at + len(trigger))
    return found


def _windows(starts: list[int], reach: int) -> Iterator[tuple[int, int]]:
    """Stretches around the triggers, overlapping ones as one."""
    low = high = -1
    for start in starts:
        if high >= 0 and start - reach > high:
            yield low, high
            low = start - reach
        elif high < 0:
            low = max(0, start - reach)
        high = start + reach
    if high >= 0:
        yield low, high


COMPACT = re.compile(
    r"(?:ignore|disregard|forget)(?:all|any|the|your|my|of)*(?:previous|prior|above|preceding|earlier)?"
    r"(?:instructions?|prompts?|orders|rules|commands)|forget(?:about)?everything"
    r"|(?:reveal|show|print|repeat)(?:me)?(?:your|the)(?:system)?(?:prompt|instructions)|saythatyou|youarenow"
    r"|vergissalle|ignorierealle|dubistjetzt|(?:ignoriere|vergiss)(?:n?sie)?(?:alle|deine|die)*"
    r"(?:vorherigen|bisherigen|obigen)?(?:anweisungen|instruktionen|befehle)",
    re.IGNORECASE,
)
"""The plainest attacks without blanks, for text whose letters are spaced out."""
