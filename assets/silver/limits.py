"""How much one file may ask of a reader: checked before memory is spent."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, replace

_UNITS = ((10**9, "GB"), (10**6, "MB"), (10**3, "kB"))


def sized(count: int) -> str:
    """A number of bytes as people say it, to three digits: `100 MB`, `2.5 kB`, `100 bytes`."""
    for size, unit in _UNITS:
        if count >= size:
            return f"{float(f'{count / size:.3g}'):g} {unit}"
    return f"{count} bytes"


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds for one file; a file beyond one of them is refused.

    Attributes:
        file_bytes: size of the file.
        unpacked_bytes: size of everything that is unpacked from it, nested archives included.
        unpacked_ratio: unpacked over packed size.
        entries: members of an archive, parts of a message, entries of a feed.
        pages: pages, slides or sheets.
        cues: cues of a transcript.
        cells: filled cells of a workbook.
        nesting: depth of nested elements, archives or messages.
        seconds: time one file may compute in its worker; one that waits is given a few times as much.
        memory_bytes: address space a worker may use for a file that is read alone, and about what all workers
            together may use while they read at the same time.
        ocr: whether the text of scans is recognised, where tesseract is installed.
    """

    file_bytes: int = 100_000_000
    unpacked_bytes: int = 300_000_000
    unpacked_ratio: float = 200.0
    entries: int = 10_000
    pages: int = 5_000
    cues: int = 200_000
    cells: int = 1_000_000
    nesting: int = 200
    seconds: float = 60.0
    memory_bytes: int = 1_000_000_000
    ocr: bool = False

    def within(self) -> Limits:
        """Bounds for a document inside of another one: nested a quarter as deep, so that there is an end to it."""
        return replace(self, nesting=self.nesting // 4)

    @property
    def version(self) -> str:
        """Names these bounds: what was refused for one is read again when they change."""
        return f"limits/{hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:8]}"


DEFAULT_LIMITS = Limits()
