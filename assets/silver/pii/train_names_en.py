"""Trains the judge of English names and writes its model; the lists are those that `train_names_de` writes.

    python -m assets.silver.pii.train_names_en --public DIR

Data: see `assets.silver.pii.train_data_public` and `data/SOURCES.md`. Needs the extra `training`. Seeded: the same data
give the same bytes.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from assets.silver.pii.names_en import FILE, hints_of, parts_of
from assets.silver.pii.train_data_public import english
from assets.silver.pii.train_names_de import Recipe, train
from assets.silver.pii.train_templates_en import FORMS, NEGATIVE, PROSE, TITLED


def main() -> None:
    """Read the arguments, train, write."""
    parser = argparse.ArgumentParser(description="Train the judge of English names.")
    parser.add_argument("--public", type=Path, required=True, help="folder with the files of train_data_public")
    sets = english(parser.parse_args().public)
    FILE.write_bytes(train([sentence for found in sets.values() for sentence in found], ENGLISH).pack())


def _hints(stretches: Sequence[Sequence[str]]) -> list[str]:
    """What spaCy says of stretches, whose words are written with blanks between them."""
    found = []
    texts = [" ".join(words) for words in stretches]
    for words, parts in zip(stretches, parts_of(texts), strict=True):
        places, at = [], 0
        for word in words:
            places.append((at, at + len(word)))
            at += len(word) + 1
        found.append(hints_of(places, parts))
    return found


ENGLISH = Recipe((PROSE, TITLED, FORMS, NEGATIVE), copies=1, bias=0.0, hints=_hints)


if __name__ == "__main__":
    main()
