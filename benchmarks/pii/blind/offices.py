"""Mails of a personnel department (German) and chats with a support desk (English), written out by hand, people included.

In `offices.txt` a value stands as `[[TYPE value]]`, or as `{TYPE}` where it needs check digits.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from pathlib import Path

from benchmarks.pii.blind.write import Row, makers

_VALUE = re.compile(r"\[\[([A-Z_]+) (.+?)\]\]|\{([A-Z_]+)\}", re.DOTALL)


def office_rows(seed: int) -> Iterator[Row]:
    """The texts with labelled spans; only numbers with check digits depend on the seed."""
    made = makers()
    language = ""
    for number, line in enumerate((Path(__file__).parent / "offices.txt").read_text(encoding="utf-8").splitlines()):
        if line.startswith("# "):
            language = line.split()[2]
            continue
        rng = random.Random(f"{seed} {line}")
        spans: list[tuple[int, int, str]] = []
        text, at, template = "", 0, line.replace("\\n", "\n")
        for value in _VALUE.finditer(template):
            text += template[at : value.start()]
            label, written = (value[1], value[2]) if value[1] else (value[3], made[value[3]](rng))
            spans.append((len(text), len(text) + len(written), label))
            text += written
            at = value.end()
        yield Row(f"office-{number}", language, text + template[at:], tuple(spans))
