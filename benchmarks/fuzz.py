"""Mutates samples of every format for a bounded time and keeps what breaks a reader: `make fuzz`.

`python -m benchmarks.fuzz [--seconds N] [--seed N] [--data DIR] [--keep DIR]`. The same seed mutates the same samples in the
same way. A finding is a file that crashes its reader, or takes it more time or memory than it may have; what the
project once found lies in `tests/fuzzed` and is read by the tests.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import random
import sys
import time
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from assets.silver.limits import Limits
from assets.silver.refusal import RefusedError
from assets.silver.sandbox import Sandbox
from benchmarks.fuzz_samples import samples as small_samples

REPOSITORY = Path(__file__).resolve().parent.parent
FOUND = REPOSITORY / "tests" / "fuzzed"
"""Regression fixtures: what a reader broke over once."""

SAMPLES = (REPOSITORY / "examples" / "inbox", FOUND)
LARGEST = 200_000
"""Bytes of a sample; larger ones leave time for fewer mutations."""

LIMITS = Limits(seconds=10.0, memory_bytes=600_000_000, unpacked_bytes=50_000_000)
BROKEN = frozenset(("reader_crashed", "too_slow", "too_much_memory"))

PIECES = (
    b"", b"\0", b"\xff" * 8, b"-1", b"99999999999999999999", b"0" * 40, b"NaN", b"\xef\xbb\xbf", b"\r", b"\n\n", b"<", b">",
    b"]]>", b"<!--", b"-->", b"&#0;", b"&amp;" * 20, b"{" * 60, b"[" * 400, b"<div>" * 300, b"00:00:00.000 --> ", b"25:61:61,999",
    b"---\n", b"+++\n", b"endobj", b"stream\n", b"/Length 0", b"/Kids [1 0 R]", b"PK\x03\x04", b"\\bin999 ", b"\\u-1?",
    b"Content-Type: multipart/mixed; boundary=a\n", "\u202e\ud7ff\U000e0041\u0000".encode(), b"%s%n",
)  # fmt: skip
"""What parsers stumble over."""


def main() -> int:
    """Fuzz; exit code 1 where something was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="how long")
    parser.add_argument("--seed", type=int, default=1, help="which mutations")
    parser.add_argument("--data", type=Path, action="append", default=[], help="more samples; may be repeated")
    parser.add_argument("--keep", type=Path, default=Path(".tmp/fuzz"), help="folder for what is found")
    arguments = parser.parse_args()
    samples = [*small_samples(), *samples_in(*SAMPLES, *arguments.data)]
    sandbox = Sandbox(LIMITS)
    found: Counter[str] = Counter()
    read = 0
    end = time.monotonic() + arguments.seconds
    for content, name in mutations(samples, random.Random(arguments.seed)):
        if time.monotonic() > end:
            break
        read += 1
        try:
            sandbox.read(content, name)
        except RefusedError as refused:
            if refused.code in BROKEN:
                what = f"{refused.code} {refused.reader} {refused.detail}"
                found[what] += 1
                if found[what] == 1:
                    keep(arguments.keep, content, name)
    sandbox.close()
    print(f"{read} mutated files of {len(samples)} samples, {len(found)} kinds of findings")
    for what, count in found.most_common():
        print(f"  {count} x {what}")
    return 1 if found else 0


def samples_in(*folders: Path) -> Iterator[tuple[bytes, str]]:
    """Content and name of the files of the folders, in order of their paths."""
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and 0 < path.stat().st_size <= LARGEST:
                yield path.read_bytes(), path.name


def mutations(samples: list[tuple[bytes, str]], dice: random.Random) -> Iterator[tuple[bytes, str]]:
    """Endless mutated samples; each format has the same share."""
    by_ending: dict[str, list[tuple[bytes, str]]] = {}
    for content, name in samples:
        by_ending.setdefault(Path(name).suffix.casefold(), []).append((content, name))
    endings = sorted(by_ending)
    while endings:
        content, name = dice.choice(by_ending[dice.choice(endings)])
        others = by_ending[Path(name).suffix.casefold()]
        if zipfile.is_zipfile(io.BytesIO(content)) and dice.random() < 0.8:
            content = _inside(content, dice)
        else:
            for _ in range(dice.choice((1, 1, 2, 4, 16))):
                content = mutated(content, dice, others)
        if dice.random() < 0.05:
            name = f"a{dice.choice(endings)}"
        yield content[: 4 * LARGEST], name


def mutated(content: bytes, dice: random.Random, others: list[tuple[bytes, str]]) -> bytes:
    """One step: bits flipped, a stretch dropped, doubled or replaced, the end cut off, another file spliced in."""
    if not content:
        return dice.choice(PIECES)
    at = dice.randrange(len(content))
    end = min(len(content), at + dice.choice((1, 2, 8, 64, 512)))
    kind = dice.randrange(7)
    if kind == 0:
        return content[:at] + bytes(byte ^ (1 << dice.randrange(8)) for byte in content[at:end]) + content[end:]
    if kind == 1:
        return content[:at] + content[end:]
    if kind == 2:
        return content[:end] + content[at:end] * dice.choice((1, 3, 50)) + content[end:]
    if kind == 3:
        return content[:at] + dice.choice(PIECES) + content[at:]
    if kind == 4:
        return content[:at] + dice.choice(PIECES) + content[end:]
    if kind == 5:
        return content[:at]
    other = dice.choice(others)[0] or b" "
    return content[:at] + other[dice.randrange(len(other)) :]


def _inside(content: bytes, dice: random.Random) -> bytes:
    """An archive with one member mutated, as sound an archive as before: its checksums would hide the reader."""
    buffer = io.BytesIO()
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as new:
            chosen = dice.choice(sorted(old.namelist()) or [""])
            for item in old.infolist():
                if item.file_size > LARGEST:
                    continue
                member = old.read(item)
                new.writestr(
                    item.filename, mutated(member, dice, [(member, "")]) if item.filename == chosen else member
                )
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, ValueError, OSError, EOFError):
        return mutated(content, dice, [(content, "")])
    return buffer.getvalue()


def keep(folder: Path, content: bytes, name: str) -> None:
    """Write a finding, named by its content."""
    folder.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256(content).hexdigest()[:12]
    (folder / f"{digest}{Path(name).suffix}").write_bytes(content)


if __name__ == "__main__":
    sys.exit(main())
