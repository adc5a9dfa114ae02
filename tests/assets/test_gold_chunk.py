"""Passages: within limits, true to the text and its structure, and undisturbed by edits elsewhere."""

import random
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.gold.chunk import CHUNKER, Chunk, chunk, chunk_id, chunk_rows, chunker_version
from assets.gold.contract import CHUNKS
from assets.gold.embed import embedded_text_hash
from assets.gold.sentences import lines, sentences
from assets.silver.contract import DOCUMENTS
from assets.silver.document import BLOCK_KINDS, Block

DOCUMENT = "040d1870-bc3a-51a4-9fc2-6d3d63f1d80c"
CORPUS = Path(__file__).resolve().parents[2].parent / "shared" / "corpus"
Part = tuple[str, str, int | None]


def count_words(texts: Sequence[str]) -> list[int]:
    return [len(text.split()) for text in texts]


def count_quarters(texts: Sequence[str]) -> list[int]:
    return [len(text) // 4 + 1 for text in texts]


def document(parts: Sequence[Part]) -> tuple[str, list[Block]]:
    """Text and blocks of (kind, text, heading level)."""
    blocks, at = [], 0
    for kind, text, level in parts:
        blocks.append(Block(kind, at, at + len(text), level=level))  # type: ignore[arg-type]
        at += len(text) + 2
    return "\n\n".join(text for _, text, _ in parts), blocks


def words(count: int, seed: int = 0) -> str:
    """Sentences of eight words, the same for the same seed."""
    chosen = random.Random(seed)
    spoken = [f"wort{chosen.randrange(10_000)}" for _ in range(count)]
    sentence = [" ".join(spoken[at : at + 8]).capitalize() + "." for at in range(0, count, 8)]
    return " ".join(sentence)


def paragraphs(*counts: int) -> list[Part]:
    return [("paragraph", words(count, seed), None) for seed, count in enumerate(counts)]


def cut(parts: Sequence[Part], **limits: int) -> list[Chunk]:
    text, blocks = document(parts)
    return chunk(text, blocks, document_id=DOCUMENT, count_tokens=count_words, **limits)


def turns(*spoken: tuple[float, float, str | None, int]) -> tuple[str, list[Block]]:
    """Blocks of a recording: (start, end, speaker, words)."""
    text, blocks = document([("turn", words(count, seed), None) for seed, (_, _, _, count) in enumerate(spoken)])
    timed = [
        Block("turn", block.start, block.end, speaker=speaker, start_s=start, end_s=end)
        for block, (start, end, speaker, _) in zip(blocks, spoken, strict=True)
    ]
    return text, timed


def test_nothing_becomes_nothing() -> None:
    assert chunk("", [], document_id=DOCUMENT, count_tokens=count_words) == []
    assert chunk(" \n ", [Block("paragraph", 0, 3)], document_id=DOCUMENT, count_tokens=count_words) == []


def test_a_small_document_is_one_chunk() -> None:
    text, blocks = document([("heading", "Titel", 1), *paragraphs(20, 30)])

    (only,) = chunk(text, blocks, document_id=DOCUMENT, count_tokens=count_words)

    assert only == Chunk(chunk_id(DOCUMENT, text, 0), 0, text, 51, 0, len(text), heading="Titel")


def test_text_without_blocks_is_one_paragraph() -> None:
    (only,) = chunk("  Nur so.\n", [], document_id=DOCUMENT, count_tokens=count_words)

    assert (only.text, only.char_start, only.char_end) == ("Nur so.", 2, 9)


def test_blocks_are_packed_and_each_chunk_is_large_enough_where_it_can_be() -> None:
    sizes = [found.tokens for found in cut(paragraphs(*[40] * 100))]

    assert max(sizes) <= 384
    assert min(sizes) >= 96
    assert 190 <= sum(sizes) / len(sizes) <= 384


def test_a_section_of_enough_tokens_ends_at_the_next_heading() -> None:
    chunks = cut([("heading", "A", 2), *paragraphs(96), ("heading", "B", 2), *paragraphs(20)])

    assert [found.heading for found in chunks] == ["A", "B"]
    assert chunks[1].text.startswith("B\n\n")


def test_small_sections_are_joined() -> None:
    chunks = cut([("heading", "A", 2), *paragraphs(50), ("heading", "B", 2), *paragraphs(50)])

    assert [found.heading for found in chunks] == ["A"]


def test_a_heading_stays_with_what_follows_even_if_that_is_large() -> None:
    chunks = cut([*paragraphs(300), ("heading", "Wärme und Kälte", 2), *paragraphs(384)])

    assert [found.text.endswith("Kälte") for found in chunks] == [False] * len(chunks)
    assert sum(found.text.startswith("Wärme und Kälte\n\n") for found in chunks) == 1


def test_headings_in_a_row_stay_together() -> None:
    chunks = cut(
        [
            *paragraphs(200),
            ("heading", "A", 1),
            ("heading", "B", 2),
            *paragraphs(200),
            ("heading", "C", 1),
            *paragraphs(99),
        ]
    )

    assert [found.heading for found in chunks] == [None, "A > B", "C"]


def test_headings_that_nothing_follows_are_not_lost() -> None:
    text, blocks = document([*paragraphs(20), ("heading", "Ende", 1)])

    assert chunk(text, blocks, document_id=DOCUMENT, count_tokens=count_words)[0].text == text
    assert [found.text for found in cut([("heading", "Nur", 1), ("heading", "Titel", 2)])] == ["Nur\n\nTitel"]


def test_the_path_of_headings_forgets_what_is_closed() -> None:
    chunks = cut(
        [
            ("heading", "Eins", 1),
            *paragraphs(100),
            ("heading", "Eins  \n eins", 2),
            *paragraphs(100),
            ("heading", "Zwei", 1),
            *paragraphs(400),
        ]
    )

    assert list(dict.fromkeys(found.heading for found in chunks)) == ["Eins", "Eins > Eins eins", "Zwei"]


def test_a_large_block_is_cut_between_sentences() -> None:
    chunks = cut(paragraphs(2000))

    assert all(found.text.endswith(".") for found in chunks)
    assert all(found.tokens <= 384 for found in chunks)
    assert min(found.tokens for found in chunks) >= 96


def test_tables_lists_and_code_are_cut_between_lines() -> None:
    rows = [f"Zeile {number} | {words(6, number)}" for number in range(200)]
    for kind in ("table", "list", "code"):
        for found in cut([(kind, "\n".join(rows), None)]):
            assert set(found.text.split("\n")) <= set(rows)


def test_a_sentence_longer_than_the_limit_is_cut_between_words() -> None:
    sentence = " ".join(f"wort{number}" for number in range(1000))
    chunks = cut([("paragraph", sentence, None)])

    assert [word for found in chunks for word in found.text.split()] == sentence.split()
    assert max(found.tokens for found in chunks) <= 384


def test_a_word_longer_than_the_limit_is_cut_within() -> None:
    text = "ä" * 5000
    chunks = chunk(text, [], document_id=DOCUMENT, count_tokens=count_quarters)

    assert "".join(found.text for found in chunks) == text
    assert max(found.tokens for found in chunks) <= 384


def test_passages_of_a_recording_far_apart_are_never_mixed() -> None:
    text, blocks = turns((0, 20, "A", 30), (25, 40, "A", 30), (101, 120, "A", 30))

    chunks = chunk(text, blocks, document_id=DOCUMENT, count_tokens=count_words)

    assert [(found.start_s, found.end_s) for found in chunks] == [(0, 40), (101, 120)]


def test_a_chunk_of_a_recording_is_about_two_minutes_at_most() -> None:
    text, blocks = turns(*((20 * n, 20 * n + 18, "AB"[n % 2], 20) for n in range(60)))

    chunks = chunk(text, blocks, document_id=DOCUMENT, count_tokens=count_words)

    assert all((found.end_s or 0) - (found.start_s or 0) <= 120 for found in chunks)
    assert sum(len(found.text.split()) for found in chunks) == 1200


def test_a_long_turn_is_cut_and_its_times_are_shared_out() -> None:
    text, blocks = turns((100, 1000, "Ada", 1800))

    chunks = chunk(text, blocks, document_id=DOCUMENT, count_tokens=count_words)

    assert {found.speaker for found in chunks} == {"Ada"}
    assert all(0 < (found.end_s or 0) - (found.start_s or 0) <= 121 for found in chunks)
    assert (chunks[0].start_s, chunks[-1].end_s) == (100, 1000)
    for found in chunks:
        assert found.start_s == pytest.approx(100 + 900 * found.char_start / len(text))


def test_a_speaker_is_named_where_there_is_one_voice() -> None:
    spoken = [("A", "A"), ("A", "B"), ("A", None), (None, None)]
    found = [
        chunk(*turns((0, 9, one, 20), (10, 19, two, 20)), document_id=DOCUMENT, count_tokens=count_words)[0].speaker
        for one, two in spoken
    ]

    assert found == ["A", None, None, None]


def test_the_page_is_the_one_a_chunk_begins_on() -> None:
    text, blocks = document(paragraphs(300, 300, 300))
    paged = [Block(b.kind, b.start, b.end, page=number + 4) for number, b in enumerate(blocks)]

    assert [found.page for found in chunk(text, paged, document_id=DOCUMENT, count_tokens=count_words)] == [4, 5, 6]


def test_ids_depend_on_document_text_and_occurrence_alone() -> None:
    repeated = [("heading", "Gleich", 1), ("paragraph", words(120, 1), None)]
    chunks = cut([*repeated, *repeated, *repeated])

    assert [found.text for found in chunks] == [chunks[0].text] * 3
    assert len({found.chunk_id for found in chunks}) == 3
    assert [found.chunk_id for found in chunks] == [chunk_id(DOCUMENT, chunks[0].text, number) for number in range(3)]
    assert chunk_id("a", "b", 1) == "18948164fa1d1dc235ae4c1f5dea83b9a822f251dedaaa46a79916ef04665cc9"


@given(st.lists(st.tuples(st.text(max_size=3), st.text(max_size=3), st.integers(0, 20)), min_size=2, unique=True))
def test_ids_of_different_things_differ(things: list[tuple[str, str, int]]) -> None:
    assert len({chunk_id(*thing) for thing in things}) == len(things)


@pytest.mark.parametrize(("high", "low"), [(384, 0), (384, 200), (0, 0), (10, -1)])
def test_limits_that_contradict_each_other_are_refused(high: int, low: int) -> None:
    with pytest.raises(ValueError, match="min_tokens"):
        cut(paragraphs(5), max_tokens=high, min_tokens=low)


def test_the_version_names_the_limits() -> None:
    assert chunker_version() == f"{CHUNKER}:384"
    assert chunker_version(240, 60) == f"{CHUNKER}:240:60"


# --- properties ---------------------------------------------------------------------------------------------

SPOKEN = st.integers(0, 400).flatmap(lambda count: st.integers(0, 5).map(lambda seed: words(count, seed)))
ODD = st.text(st.sampled_from("aB ä.\n!?„“|-1z"), max_size=200)
PARTS = st.lists(
    st.tuples(st.sampled_from(BLOCK_KINDS), SPOKEN | ODD, st.integers(1, 6)).map(
        lambda part: (part[0], part[1], part[2] if part[0] == "heading" else None)
    ),
    max_size=12,
)


@settings(max_examples=150, deadline=None)
@given(PARTS, st.sampled_from([count_words, count_quarters]), st.sampled_from([(384, 96), (40, 10), (8, 4)]))
def test_any_document_is_cut_within_the_limits_and_loses_nothing(
    parts: list[Part], count: object, limits: tuple[int, int]
) -> None:
    text, blocks = document(parts)
    chunks = chunk(text, blocks, document_id=DOCUMENT, count_tokens=count, max_tokens=limits[0], min_tokens=limits[1])  # type: ignore[arg-type]

    for found in chunks:
        assert found.text == text[found.char_start : found.char_end] == found.text.strip() != ""
        assert found.tokens == max(1, count([found.text])[0]) <= limits[0]  # type: ignore[operator]
    assert "".join("".join(found.text.split()) for found in chunks) == "".join(text.split())
    assert [found.ordinal for found in chunks] == list(range(len(chunks)))
    assert all(one.char_end <= two.char_start for one, two in pairwise(chunks))
    assert len({found.chunk_id for found in chunks}) == len(chunks)


SECTIONED = st.lists(
    st.tuples(st.just("heading"), st.integers(1, 8).map(words), st.integers(1, 6))
    | st.tuples(st.sampled_from(["paragraph", "list"]), SPOKEN, st.none()),
    max_size=12,
)


@settings(max_examples=150, deadline=None)
@given(SECTIONED)
def test_no_chunk_passes_a_heading_once_it_is_large_enough_or_ends_in_one(parts: list[Part]) -> None:
    text, blocks = document(parts)
    shown = [block for block in blocks if block.start < block.end]
    opening = [
        block
        for place, block in enumerate(shown)
        if block.kind == "heading" and any(later.kind != "heading" for later in shown[place:])
    ]
    begin_section = {block.start for block in opening} - {
        after.start for before, after in pairwise(shown) if before.kind == "heading"
    }
    for found in chunk(text, blocks, document_id=DOCUMENT, count_tokens=count_words):
        passed = [start for start in begin_section if found.char_start < start < found.char_end]
        assert all(count_words([text[found.char_start : start]])[0] < 96 for start in passed)
        assert found.char_end not in {block.end for block in opening}


def _styles(chosen: random.Random, style: str) -> list[Part]:
    def paragraph(low: int, high: int) -> Part:
        return "paragraph", words(chosen.randint(low, high), chosen.randrange(10**9)), None

    def heading(level: int) -> Part:
        return "heading", words(chosen.randint(2, 6), chosen.randrange(10**9)), level

    if style == "prose":
        return [paragraph(30, 150) for _ in range(100)]
    if style == "notes":
        return [paragraph(5, 40) for _ in range(150)]
    if style == "questions":
        return [part for _ in range(60) for part in (heading(2), paragraph(20, 70))]
    return [heading(chosen.randint(1, 3)) if chosen.random() < 0.15 else paragraph(20, 150) for _ in range(100)]


def _edited(chosen: random.Random, part: Part) -> Part:
    """A word more, half as much, or altogether new and up to twice as long."""
    kind, text, level = part
    spoken = text.split()
    edit = chosen.randrange(3)
    if edit == 0:
        spoken.insert(chosen.randrange(len(spoken) + 1), "neu")
    elif edit == 1:
        spoken = spoken[: max(1, len(spoken) // 2)]
    else:
        spoken = words(chosen.randint(len(spoken), 2 * len(spoken)), chosen.randrange(10**9)).split()
    return kind, " ".join(spoken), level


@pytest.mark.parametrize("style", ["prose", "notes", "sections", "questions"])
def test_editing_one_block_changes_the_chunks_around_it_and_no_others(style: str) -> None:
    chosen = random.Random(f"edits of {style}")
    changed: Counter[int] = Counter()
    for _ in range(8):
        parts = _styles(chosen, style)
        before = {found.chunk_id for found in cut(parts)}
        assert len(before) > 10
        for _ in range(20):
            place = chosen.randrange(len(parts))
            edited = cut([*parts[:place], _edited(chosen, parts[place]), *parts[place + 1 :]])
            changed[len({found.chunk_id for found in edited} - before)] += 1

    edits = changed.total()
    assert sum(count for number, count in changed.items() if number <= 3) >= 0.97 * edits
    assert max(changed) <= 5
    assert sum(number * count for number, count in changed.items()) <= 1.5 * edits


def test_inserting_a_block_at_the_top_leaves_the_rest_alone() -> None:
    parts = _styles(random.Random(3), "prose")
    before = {found.chunk_id for found in cut(parts)}

    after = cut([("paragraph", words(60, 99), None), *parts])

    assert len({found.chunk_id for found in after} - before) <= 2


def test_a_document_of_one_line_repeated_is_cut_in_reasonable_time() -> None:
    chunks = cut([("paragraph", "immer dasselbe Wort hier.", None)] * 20_000)

    assert sum(found.tokens for found in chunks) == 80_000


# --- sentences ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "Das ist gut.| So bleibt es!| Oder?| „Ja.“| Nein …| Weiter.",
        "Er wohnt z. B. In der Au-Straße Nr. 5 bei Dr. Müller, d. h. Nebenan.| Punkt.",
        "Am 3. März und am 24. Dezember 2024.| Danach nicht.",
        "Mr. Smith met J. R. Tolkien, e.g. Here, etc. All good.| Done.",
        "kein großer Anfang. danach klein.| 2024 war es so.",
        "Version 1.2 und www.example.org/a.B bleiben ganz.",
        "",
    ],
)
def test_sentences_end_where_a_reader_would_say_so(text: str) -> None:
    plain = text.replace("|", "")

    assert [plain[start:end] for start, end in sentences(plain)] == [part.strip() for part in text.split("|") if part]


@given(st.text(st.sampled_from("aB .!?\n„“3z"), max_size=80))
def test_sentences_and_lines_hold_every_character_that_is_no_space(text: str) -> None:
    for spans in (sentences(text), lines(text)):
        assert "".join("".join(text[start:end].split()) for start, end in spans) == "".join(text.split())
        assert all(text[start:end] == text[start:end].strip() != "" for start, end in spans)


# --- rows ---------------------------------------------------------------------------------------------------


def silver_row(name: str, parts: Sequence[Part]) -> dict[str, object]:
    text, blocks = document(parts)
    return {
        "date": "2026-03-01",
        "source": "blog",
        "document_id": name,
        "file_id": name,
        "version": 2,
        "event": 3,
        "language": "de",
        "digest": "d" * 64,
        "text": text,
        "blocks": [{slot: getattr(block, slot) for slot in Block.__slots__} for block in blocks],
        "received_at": datetime(2026, 3, 1, tzinfo=UTC),
    }


def test_rows_keep_to_the_contract_and_to_their_order() -> None:
    columns = ["date", "source", "document_id", "file_id", "version", "event", "language", "digest", "text", "blocks"]
    schema = pa.schema([DOCUMENTS.schema.field(name) for name in columns])
    rows = [{k: v for k, v in silver_row(n, paragraphs(500, 20)).items() if k in columns} for n in ("b", "a")]

    tables = [
        chunk_rows(pa.Table.from_pylist(order, schema=schema), count_tokens=count_words, document_prompt="passage: ")
        for order in (rows, rows[::-1])
    ]

    assert tables[0].equals(tables[1])
    assert tables[0].schema == CHUNKS.schema
    first = tables[0].to_pylist()[0]
    assert (first["document_id"], first["version"], first["event"], first["language"]) == ("a", 2, 3, "de")
    assert first["chunker"] == "blocks/2:384"
    assert first["text_sha256"] == embedded_text_hash("passage: ", first["text"])
    assert chunk_rows(tables[0].slice(0, 0), count_tokens=count_words, document_prompt="").num_rows == 0


@pytest.mark.corpus
@pytest.mark.skipif(not CORPUS.is_dir(), reason="the shared corpus is not here")
def test_real_posts_are_cut_into_passages_of_good_size() -> None:
    from assets.silver.readers.registry import read
    from assets.silver.refusal import RefusedError

    sizes: list[int] = []
    for path in sorted((CORPUS / "blogs").rglob("*.md"))[:150]:
        try:
            (post,) = read(path.read_bytes(), path.name)
        except RefusedError:
            continue
        for found in chunk(post.text, post.blocks, document_id=DOCUMENT, count_tokens=count_quarters):
            assert found.text == post.text[found.char_start : found.char_end]
            sizes.append(found.tokens)

    assert max(sizes) <= 384
    assert 150 <= sorted(sizes)[len(sizes) // 2] <= 300
