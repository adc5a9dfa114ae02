"""Our readers of text beside the libraries one would take instead: encodings, main content of pages, subtitles.

`python -m benchmarks.text_readers` compares with what is installed; readability-lxml and resiliparse join in where
they can be imported. Texts are windows of real posts that no rule was made on: every second file, by its hash.
"""

from __future__ import annotations

import hashlib
import importlib.util
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from assets.silver.decode import decode
from assets.silver.normalise import clean_characters
from assets.silver.readers import html_page, html_tree, read
from assets.silver.readers.front_matter import without
from assets.silver.refusal import RefusedError
from benchmarks.report import CORPUS, Measures, parse

ENCODINGS = ("utf-8", "utf-16", "utf-32", "utf-16-le", "cp1252", "latin-1", "iso8859-15", "mac_roman", "cp437", "cp850")
LENGTHS = (80, 400, 3000)
WINDOWS = 2
"""Windows of each length from each post."""


def main() -> int:
    """Run and print; the exit code tells whether every goal is met."""
    arguments = parse(__doc__.split("\n")[0], CORPUS)
    measures = Measures()
    _encodings(measures, arguments.data, quick=arguments.quick)
    _pages(measures, arguments.data, quick=arguments.quick)
    _subtitles(measures)
    return measures.finish(arguments)


def _held_out(paths: list[Path]) -> list[Path]:
    return [path for path in sorted(paths) if hashlib.sha256(path.name.encode()).digest()[0] % 2]


def _windows(data: Path) -> Iterator[tuple[str, int, str]]:
    """Folder, length and text of stretches that hold at least one character beyond ASCII."""
    for path in _held_out(list((data / "blogs").glob("*/*.md"))):
        text = clean_characters(without(path.read_bytes().decode("utf-8", "replace")))
        foreign = [match.start() for match in re.finditer(r"[^\x00-\x7f]", text)]
        for length in LENGTHS:
            for part in range(WINDOWS if foreign else 0):
                at = foreign[len(foreign) * part // WINDOWS]
                start = text.rfind(" ", 0, max(1, at - length // 2)) + 1
                yield path.parent.name, length, text[start : start + length]


def _encoded(text: str) -> Iterator[tuple[str, bytes]]:
    for encoding in ENCODINGS:
        try:
            yield encoding, text.encode(encoding)
        except UnicodeEncodeError:
            continue
    doubled = text.encode().decode("latin-1").encode()
    yield "doubled", doubled
    try:
        halves = text[: len(text) // 2].encode(), text[len(text) // 2 :].encode("cp1252")
    except UnicodeEncodeError:
        return
    if not any(half.isascii() for half in halves):
        yield "mixed", b"".join(halves)


def _ours(content: bytes) -> str | None:
    try:
        return clean_characters(decode(content).text).removeprefix("\ufeff")
    except RefusedError:
        return None


def _charset_normalizer(content: bytes) -> str | None:
    from charset_normalizer import from_bytes

    best = from_bytes(content).best()
    return None if best is None else clean_characters(str(best)).removeprefix("\ufeff")


def _encodings(measures: Measures, data: Path, *, quick: bool) -> None:
    windows = list(_windows(data))[:: 20 if quick else 1]
    for name, guess, every in (("ours", _ours, 1), ("charset_normalizer", _charset_normalizer, 7)):
        outcome: Counter[tuple[str, str]] = Counter()
        size, started = 0, time.process_time()
        for _, length, text in windows[::every]:
            for encoding, content in _encoded(text):
                size += len(content)
                got = guess(content)
                verdict = "refused" if got is None else "right" if got == text else "garbled"
                outcome[encoding, verdict] += 1
                outcome[f"{length} characters", verdict] += 1
                outcome["all", verdict] += 1
        seconds = time.process_time() - started
        for group in dict.fromkeys(key for key, _ in sorted(outcome)):
            total = sum(outcome[group, verdict] for verdict in ("right", "refused", "garbled"))
            print(
                f"{name:20} {group:16} {total:6} right {outcome[group, 'right'] / total:7.2%}"
                f" refused {outcome[group, 'refused'] / total:7.2%} garbled {outcome[group, 'garbled'] / total:7.2%}"
            )
        total = sum(outcome["all", verdict] for verdict in ("right", "refused", "garbled"))
        measures.add(f"encoding_right_{name}", outcome["all", "right"] / total, "share")
        measures.add(f"encoding_garbled_{name}", outcome["all", "garbled"] / total, "share")
        measures.add(f"encoding_{name}_mb_s", size / 1e6 / seconds, "MB/s")


def _words(text: str) -> Counter[str]:
    return Counter(re.findall(r"\w+", text))


def _share(part: Counter[str], whole: Counter[str]) -> float:
    return sum((part & whole).values()) / max(1, sum(whole.values()))


def _extractors() -> dict[str, Callable[[str], str]]:
    import justext  # type: ignore[import-untyped]
    import trafilatura

    def alone(html: str) -> str:
        return trafilatura.extract(html.encode(), favor_recall=True, include_comments=False) or ""

    def just(html: str) -> str:
        stop = justext.get_stoplist("German" if re.search(r"\bund\b", html) else "English")
        return "\n".join(p.text for p in justext.justext(html.encode(), stop, encoding="utf-8") if not p.is_boilerplate)

    found: dict[str, Callable[[str], str]] = {
        "ours": lambda html: html_page.read(html).text,
        "trafilatura": alone,
        "justext": just,
    }
    if importlib.util.find_spec("readability"):
        from readability import Document  # type: ignore[import-not-found]

        def readable(html: str) -> str:
            pieces = html_tree.pieces_of(Document(html.encode()).summary()).shown
            return "\n".join(piece.text for piece in pieces)

        found["readability"] = readable
    if importlib.util.find_spec("resiliparse"):
        from resiliparse.extract.html2text import extract_plain_text  # type: ignore[import-not-found]

        found["resiliparse"] = lambda html: extract_plain_text(html, main_content=True, alt_texts=False)
    return found


def _pages(measures: Measures, data: Path, *, quick: bool) -> None:
    """Words of running text and headings that are kept, and words of navigation that are, of pages with both."""
    pages = [path.read_bytes().decode("utf-8", "replace") for path in sorted((data / "blogs").glob("*/*.html"))]
    pages = pages[:: 8 if quick else 1]
    parts = [_parts(html) for html in pages]
    for name, extract in _extractors().items():
        extract(pages[0])
        started = time.process_time()
        texts = [extract(html) for html in pages]
        seconds = time.process_time() - started
        kept = [_share(_words(text), content) for text, (content, _, _) in zip(texts, parts, strict=True)]
        heads = sum(
            sum(" ".join(head.split()) in " ".join(text.split()) for head in headings) / max(1, len(headings))
            for text, (_, headings, _) in zip(texts, parts, strict=True)
        )
        around = sum(
            sum(line in {" ".join(own.split()) for own in text.split("\n")} for line in lines)
            for text, (_, _, lines) in zip(texts, parts, strict=True)
        )
        measures.add(f"html_kept_{name}", sum(kept) / len(kept), "share")
        measures.add(f"html_headings_{name}", heads / len(pages), "share")
        measures.add(f"html_navigation_{name}", around / max(1, sum(len(lines) for *_, lines in parts)), "share")
        measures.add(f"html_{name}_ms", 1000 * seconds / len(pages), "ms a page")


def _parts(html: str) -> tuple[Counter[str], list[str], list[str]]:
    """Words of paragraphs, lists, code and tables with text; headings; lines of navigation, as the page is built."""
    pieces = html_tree.pieces_of(html).shown
    prose = [p.text for p in pieces if p.kind != "heading" and len(p.text) >= 80 and p.links < 0.5]
    heads = [p.text for p in pieces if p.kind == "heading"]
    links = [p.text for p in pieces if p.kind == "paragraph" and p.links >= 0.99 and p.text not in heads]
    return _words("\n".join(prose)), heads, links


SUBTITLES = {
    "as the standard has it": "1\n00:00:01,000 --> 00:00:02,000\nA\n\n2\n00:00:02,000 --> 00:00:03,000\nB\n",
    "without hours": "1\n00:01,000 --> 00:02,000\nA\n\n2\n00:02,000 --> 00:03,000\nB\n",
    "without numbers": "00:00:01,000 --> 00:00:02,000\nA\n\n00:00:02,000 --> 00:00:03,000\nB\n",
    "points for commas": "1\n00:00:01.000 --> 00:00:02.000\nA\n\n2\n00:00:02.000 --> 00:00:03.000\nB\n",
    "short fractions": "1\n00:00:01,0 --> 00:00:02\nA\n\n2\n0:0:2 --> 0:0:3\nB\n",
    "no blanks at the arrow": "1\n00:00:01,000-->00:00:02,000\nA\n\n2\n00:00:02,000-->00:00:03,000\nB\n",
    "no empty line between": "1\n00:00:01,000 --> 00:00:02,000\nA\n2\n00:00:02,000 --> 00:00:03,000\nB\n",
    "empty line within": "1\n00:00:01,000 --> 00:00:02,000\nA\n\nx\n\n2\n00:00:02,000 --> 00:00:03,000\nB\n",
    "letters for numbers": "x\n00:00:01,000 --> 00:00:02,000\nA\n\ny\n00:00:02,000 --> 00:00:03,000\nB\n",
}


def _subtitles(measures: Measures) -> None:
    """How many ways to write two cues are read as two cues, with the times they have."""
    import webvtt
    from webvtt.errors import MalformedFileError

    right = Counter[str]()
    for name, content in SUBTITLES.items():
        try:
            (document,) = read(content.encode(), "a.srt")
            ours = [(document.blocks[0].start_s, document.blocks[-1].end_s, "A" in document.text, "B" in document.text)]
        except RefusedError:
            ours = []
        try:
            captions = webvtt.WebVTT.from_buffer(iter(content.splitlines(keepends=True)), format="srt")
            theirs = [caption.text.split("\n")[0] for caption in captions]
        except MalformedFileError:
            theirs = []
        right["ours"] += ours == [(1.0, 3.0, True, True)]
        right["webvtt_py"] += theirs == ["A", "B"]
        print(f"{name:26} ours {bool(ours)!s:6} webvtt-py {theirs == ['A', 'B']}")
    for reader in ("ours", "webvtt_py"):
        measures.add(f"subtitles_{reader}", right[reader] / len(SUBTITLES), "share")


if __name__ == "__main__":
    sys.exit(main())
