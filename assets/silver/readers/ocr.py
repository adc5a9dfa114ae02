"""Recognises the text of scanned pages with Debian's tesseract, where it is installed and a setting asks for it.

Tesseract runs as a process of its own that gets a picture on its standard input and writes nothing to disk.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from functools import cache
from statistics import median
from typing import TYPE_CHECKING

from assets.silver.limits import Limits
from assets.silver.readers.page_layout import Line
from assets.silver.refusal import RefusedError

if TYPE_CHECKING:
    from pypdfium2 import PdfDocument

_LANGUAGES = ("deu", "eng")
_DPI = 300
"""What tesseract's models were trained for."""
_POINTS = 72 / _DPI
_MOST_PIXELS = 30_000_000
_PAGE_SECONDS = 60.0
_BUDGET = 2.5
"""Times the limit of a reader's seconds that recognition may wait for; a worker is given three times as much."""
_LEAST_CONFIDENCE = 40.0
"""Percent; below it tesseract has read stains and pictures as letters."""
_ONE_SIZE = (0.7, 1.4)
"""Heights of lines, over the usual one, that are taken for the same size: a line without descenders is lower."""


@cache
def languages() -> tuple[str, ...]:
    """Languages that tesseract can read here, of German and English; empty where it is not installed."""
    program = shutil.which("tesseract")
    if program is None:
        return ()
    try:
        listed = subprocess.run(
            [program, "--list-langs"], capture_output=True, timeout=20, check=False, env=_environment()
        )
    except (OSError, subprocess.TimeoutExpired):
        return ()
    words = listed.stdout.decode("utf-8", "replace").split()
    return tuple(language for language in _LANGUAGES if language in words)


def recognise(document: PdfDocument, numbers: Sequence[int], limits: Limits) -> Iterator[tuple[int, list[Line]]]:
    """Number and lines of each page, as far as anything was recognised on it.

    Args:
        numbers: pages from 1.

    Raises:
        RefusedError: `too_slow` when the pages are too many for the time a file may take.
    """
    end = time.monotonic() + _BUDGET * limits.seconds
    for done, number in enumerate(numbers):
        left = end - time.monotonic()
        try:
            table = _run(_picture(document, number), min(left, _PAGE_SECONDS)) if left > 0 else None
        except subprocess.TimeoutExpired:
            table = None
        if table is None:
            raise RefusedError("too_slow", f"text recognition got through {done} of {len(numbers)} pages")
        yield number, _lines(table, number)


def _picture(document: PdfDocument, number: int) -> bytes:
    """A page in grey, as a portable graymap."""
    page = document[number - 1]
    try:
        width, height = page.get_size()
        scale = min(_DPI / 72, (_MOST_PIXELS / max(1.0, width * height)) ** 0.5)
        bitmap = page.render(scale=scale, grayscale=True)
        try:
            pixels = bitmap.to_numpy()
            head = f"P5 {pixels.shape[1]} {pixels.shape[0]} 255\n".encode()
            body: bytes = pixels.tobytes()
            return head + body
        finally:
            bitmap.close()
    finally:
        page.close()


def _run(picture: bytes, seconds: float) -> str:
    """Tesseract's table of words; empty where it fails over a picture."""
    program = shutil.which("tesseract") or "tesseract"
    command = [program, "stdin", "stdout", "-l", "+".join(languages()), "--dpi", str(_DPI), "--psm", "3", "tsv"]
    done = subprocess.run(
        command, input=picture, capture_output=True, timeout=max(0.1, seconds), check=False, env=_environment()
    )
    return done.stdout.decode("utf-8", "replace") if done.returncode == 0 else ""


def _lines(table: str, page: int) -> list[Line]:
    """Lines from tesseract's table, with their place in points; an empty one between its paragraphs."""
    words: dict[tuple[int, int, int], list[tuple[int, int, int, int, str]]] = {}
    bottom = 0
    for entry in table.split("\n")[1:]:
        fields = entry.split("\t")
        if len(fields) < 12:
            continue
        left, top, width, height = map(int, fields[6:10])
        bottom = max(bottom, top + height)
        text = fields[11].strip()
        if fields[0] == "5" and text and float(fields[10]) >= _LEAST_CONFIDENCE:
            block, paragraph, row = map(int, fields[2:5])
            words.setdefault((block, paragraph, row), []).append((left, top, width, height, text))
    lines = [_line(found, page, bottom) for _, found in sorted(words.items())]
    if lines:
        usual = median(line.size for line in lines)
        for line in lines:
            if _ONE_SIZE[0] * usual <= line.size <= _ONE_SIZE[1] * usual:
                line.size = usual
    return lines


def _line(words: Sequence[tuple[int, int, int, int, str]], page: int, bottom: int) -> Line:
    top = min(word[1] for word in words)
    low = max(word[1] + word[3] for word in words)
    return Line(
        " ".join(word[4] for word in words),
        page,
        size=round((low - top) * _POINTS, 1),
        left=words[0][0] * _POINTS,
        right=max(word[0] + word[2] for word in words) * _POINTS,
        base=(bottom - low) * _POINTS,
    )


def _environment() -> dict[str, str]:
    """One thread: files are read side by side already."""
    return {"PATH": os.environ.get("PATH", os.defpath), "OMP_THREAD_LIMIT": "1", "LC_ALL": "C.UTF-8"}
