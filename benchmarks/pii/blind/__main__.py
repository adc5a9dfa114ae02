"""Write the blind set: `python -m benchmarks.pii.blind --out DIR [--seed 1] [--half 0|1|2]`."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from benchmarks.pii.blind.write import rows

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--half", type=int, choices=(0, 1, 2))
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    with (arguments.out / "blind.jsonl").open("w", encoding="utf-8") as file:
        for row in rows(arguments.seed, arguments.half):
            spans = [{"start": a, "end": b, "label": label, "text": row.text[a:b]} for a, b, label in row.spans]
            line = {"id": row.id, "lang": row.language, "text": row.text, "spans": spans}
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
