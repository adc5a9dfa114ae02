"""Tables are held against each other: planted differences are found and named, real output has none."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.bronze.contract import SOURCE_FILES
from assets.gold.chunk import chunk_id, chunk_rows
from assets.gold.contract import CHUNKS, EMBEDDINGS
from assets.index.plan import Changes
from assets.silver.contract import DOCUMENTS, QUARANTINE
from assets.silver.document import BLOCK_KINDS
from assets.silver.normalise import DocumentBuilder
from checks.referential import (
    LexicalSample,
    blocks_inside_text,
    chunks_inside_documents,
    every_chunk_embedded,
    every_file_accounted,
    index_equals_gold,
    lexical_matches_reference,
)
from checks.report import Report
from retrieval.bm25 import POSTING, pack
from tests.checks.rows import DATE, SOURCE, good, identity, path, sha, table

Row = dict[str, Any]


def rules(report: Report) -> list[str]:
    return [failure.rule for failure in report.failures]


# ------------------------------------------------------------ files accounted


def accounted(received: list[Row], read: list[int], refused: list[int]) -> Report:
    return every_file_accounted(
        table(SOURCE_FILES, received),
        table(DOCUMENTS, [good(DOCUMENTS, number) for number in read]),
        table(QUARANTINE, [good(QUARANTINE, number) for number in refused]),
    )


def received(*numbers: int) -> list[Row]:
    return [good(SOURCE_FILES, number) for number in numbers]


def test_files_in_exactly_one_place_pass_and_other_kinds_need_none() -> None:
    gone = good(SOURCE_FILES, 4) | {"kind": "removed", "content": None}

    report = accounted([*received(1, 2, 3), gone], [1, 3], [2])

    assert report.passed
    assert report.sentence() == f"bronze/source_files {DATE}|{SOURCE}: 3 rows checked, every rule holds"


@pytest.mark.parametrize(
    ("read", "refused", "rule", "number"),
    [
        ([1], [], "every file received is in documents or in quarantine", 2),
        ([1, 2], [2], "no file is both in documents and in quarantine", 2),
        ([1, 2, 2], [], "no document is there twice", 2),
        ([1], [2, 2], "no file is in quarantine twice", 2),
        ([1, 2, 3], [], "every row of documents comes from a content row of bronze", 3),
        ([1], [2, 3], "every row of quarantine comes from a content row of bronze", 3),
    ],
)
def test_files_lost_doubled_or_invented_are_named(read: list[int], refused: list[int], rule: str, number: int) -> None:
    report = accounted(received(1, 2), read, refused)

    assert rules(report) == [rule]
    assert report.failures[0].rows == ({"document_id": identity(number), "event": 1, "path": path(number)},)


def test_a_document_of_another_event_accounts_for_nothing() -> None:
    report = accounted([good(SOURCE_FILES, 1) | {"event": 2}], [1], [])

    assert rules(report) == [
        "every file received is in documents or in quarantine",
        "every row of documents comes from a content row of bronze",
    ]


def test_nothing_received_is_nothing_to_account_for() -> None:
    assert accounted([], [], []).passed


# ------------------------------------------------------------ blocks

TEXT = "Title\n\nFirst paragraph.\n\nSecond."
BLOCKS: list[Row] = [
    {"kind": "heading", "start": 0, "end": 5, "level": 1},
    {"kind": "paragraph", "start": 7, "end": 23, "page": 1},
    {"kind": "turn", "start": 25, "end": 32, "start_s": 0.0, "end_s": 2.5},
]


def with_blocks(blocks: list[Row], text: str = TEXT) -> Report:
    rows = [good(DOCUMENTS, 1), good(DOCUMENTS, 2) | {"text": text, "blocks": blocks}]
    return blocks_inside_text(table(DOCUMENTS, rows))


def test_blocks_in_order_pass() -> None:
    assert with_blocks(BLOCKS).passed


@pytest.mark.parametrize(
    ("number", "change", "rule"),
    [
        (2, {"end": 33}, "every block is a range inside the text"),
        (0, {"start": -1}, "every block is a range inside the text"),
        (1, {"end": 7}, "every block is a range inside the text"),
        (1, {"start": 4}, "blocks are in order and do not overlap"),
        (1, {"start": 9}, "all that is not white space lies in a block"),
        (2, {"end": 30}, "all that is not white space lies in a block"),
        (1, {"kind": "poem"}, f"the kind of a block is one of {', '.join(BLOCK_KINDS)}"),
        (0, {"level": 7}, "headings alone have a level, from 1 to 6"),
        (1, {"level": 2}, "headings alone have a level, from 1 to 6"),
        (1, {"page": 0}, "pages count from 1"),
        (2, {"end_s": -1.0}, "a block of a recording ends after it begins"),
        (2, {"end_s": float("nan")}, "a block of a recording ends after it begins"),
        (2, {"start_s": -0.5}, "a block of a recording ends after it begins"),
    ],
)
def test_a_block_out_of_place_is_named(number: int, change: Row, rule: str) -> None:
    blocks = [block | (change if place == number else {}) for place, block in enumerate(BLOCKS)]

    report = with_blocks(blocks)

    failure = next(failure for failure in report.failures if failure.rule == rule)
    document = {"document_id": identity(2), "event": 1, "path": path(2)}
    assert failure.rows[0] in (document, document | {"block": number})
    assert "paragraph." not in str(report) + report.markdown()


def test_text_behind_the_last_block_is_found() -> None:
    assert rules(with_blocks(BLOCKS[:2])) == ["all that is not white space lies in a block"]
    assert with_blocks(BLOCKS, TEXT + "\n ").passed


PARAGRAPHS = st.lists(st.text(st.characters(codec="utf-8"), max_size=30), max_size=6)


@given(PARAGRAPHS)
@settings(max_examples=60, deadline=None)
def test_what_readers_build_and_the_chunker_cuts_passes(paragraphs: list[str]) -> None:
    builder = DocumentBuilder()
    for number, paragraph in enumerate(paragraphs):
        builder.add("heading" if number == 0 else "paragraph", paragraph, level=1 if number == 0 else None)
    document = builder.build("test/1")
    blocks = [
        {"kind": block.kind, "start": block.start, "end": block.end, "level": block.level} for block in document.blocks
    ]
    if not document.text.strip():
        return
    documents = table(DOCUMENTS, [good(DOCUMENTS, 1) | {"text": document.text, "blocks": blocks}])

    chunks = chunk_rows(
        documents,
        count_tokens=lambda texts: [len(text) for text in texts],
        document_prompt="",
        max_tokens=40,
        min_tokens=10,
    )

    assert blocks_inside_text(documents).passed
    report = chunks_inside_documents(chunks, documents)
    assert report.passed, report.markdown()


# ------------------------------------------------------------ passages

STORY = "Ja. Nein. Ja. Zürich liegt am See."
PASSAGES = [(0, 3), (4, 9), (10, 13), (14, 34)]


def passages(number: int) -> list[Row]:
    found: list[Row] = []
    for ordinal, (start, end) in enumerate(PASSAGES):
        text = STORY[start:end]
        row = {
            "ordinal": ordinal,
            "text": text,
            "char_start": start,
            "char_end": end,
            "chunk_id": chunk_id(identity(number), text, sum(row["text"] == text for row in found)),
            "text_sha256": sha(ordinal),
        }
        found.append(good(CHUNKS, number) | row)
    return found


def stories(*numbers: int) -> pa.Table:
    return table(DOCUMENTS, [good(DOCUMENTS, number) | {"text": STORY} for number in numbers])


def test_passages_that_stand_where_they_say_pass_in_any_order() -> None:
    rows = [*passages(2), *passages(1)][::-1]

    report = chunks_inside_documents(table(CHUNKS, rows), stories(1, 2))

    assert report.passed, report.markdown()
    assert report.checked == 10


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"char_start": 15}, "`text` is that of the document from `char_start` to `char_end`"),
        ({"char_start": -20}, "`text` is that of the document from `char_start` to `char_end`"),
        ({"char_end": 35, "char_start": 15}, "`text` is that of the document from `char_start` to `char_end`"),
        ({"chunk_id": sha(9)}, "`chunk_id` follows from document, text and occurrence"),
        ({"ordinal": 4}, "passages are numbered from 0 without a gap"),
    ],
)
def test_a_passage_out_of_place_is_named(change: Row, rule: str) -> None:
    rows = passages(1)
    rows[3] |= change

    report = chunks_inside_documents(table(CHUNKS, rows), stories(1))

    assert rules(report) == [rule]
    assert report.failures[0].rows == (
        {"document_id": identity(1), "event": 1, "chunk_id": rows[3]["chunk_id"], "path": path(1)},
    )
    assert "Zürich" not in str(report) + report.markdown()


def test_a_text_that_is_not_in_the_document_is_found_by_text_and_id() -> None:
    rows = passages(1)
    rows[3]["text"] = "Bern liegt an der Aare"

    report = chunks_inside_documents(table(CHUNKS, rows), stories(1))

    assert [failure.count for failure in report.failures] == [1, 1]
    assert "Bern" not in str(report) + report.markdown()


def test_repeated_texts_have_ids_by_occurrence() -> None:
    rows = passages(1)
    rows[0]["chunk_id"], rows[2]["chunk_id"] = rows[2]["chunk_id"], rows[0]["chunk_id"]

    report = chunks_inside_documents(table(CHUNKS, rows), stories(1))

    assert rules(report) == ["`chunk_id` follows from document, text and occurrence"]
    assert report.failures[0].count == 2


def test_documents_without_passages_and_passages_without_documents_are_named() -> None:
    report = chunks_inside_documents(table(CHUNKS, passages(1)), stories(2))

    assert rules(report) == ["every document has a passage", "every passage belongs to a document"]
    assert report.failures[0].rows == ({"document_id": identity(2), "event": 1, "path": path(2)},)
    assert report.failures[1].count == 4


def test_passages_of_an_older_event_belong_to_no_newer_document() -> None:
    newer = table(DOCUMENTS, [good(DOCUMENTS, 1) | {"text": STORY, "event": 2}])

    assert len(rules(chunks_inside_documents(table(CHUNKS, passages(1)), newer))) == 2


# ------------------------------------------------------------ vectors


def vectors(*rows: Row) -> pa.Table:
    return table(EMBEDDINGS, [good(EMBEDDINGS, 0) | row for row in rows])


GOOD_VECTORS: list[Row] = [{"text_sha256": sha(number)} for number in range(4)]


def embedded(rows: list[Row]) -> Report:
    return every_chunk_embedded(table(CHUNKS, passages(1)), vectors(*rows), "words", 2)


def test_one_vector_for_each_text_passes_beside_those_of_other_models() -> None:
    assert embedded([*GOOD_VECTORS, {"text_sha256": sha(0), "fingerprint": "other", "embedding": [1.0]}]).passed
    assert every_chunk_embedded(table(CHUNKS, []), vectors(), "words", 2).passed


@pytest.mark.parametrize(
    ("rows", "rule", "row"),
    [
        (
            GOOD_VECTORS[:3],
            "every passage has a vector of model words",
            {"document_id": identity(1), "event": 1, "chunk_id": passages(1)[3]["chunk_id"]},
        ),
        (
            [*GOOD_VECTORS[:3], {"text_sha256": sha(3), "fingerprint": "other"}],
            "every passage has a vector of model words",
            {"document_id": identity(1), "event": 1, "chunk_id": passages(1)[3]["chunk_id"]},
        ),
        ([*GOOD_VECTORS, GOOD_VECTORS[1]], "no text has two vectors of one model", {"text_sha256": sha(1)}),
        ([*GOOD_VECTORS, {"text_sha256": sha(7)}], "every vector belongs to a passage", {"text_sha256": sha(7)}),
        (
            [*GOOD_VECTORS[:3], {"text_sha256": sha(3), "embedding": [1.0, 0.0, 0.0]}],
            "every vector has 2 dimensions",
            {"text_sha256": sha(3)},
        ),
    ],
)
def test_a_vector_missing_doubled_stray_or_too_long_is_named(rows: list[Row], rule: str, row: Row) -> None:
    report = embedded(rows)

    assert rules(report) == [rule]
    assert report.failures[0].rows == (row,)


# ------------------------------------------------------------ index and gold


def test_no_difference_passes() -> None:
    report = index_equals_gold(Changes(), checked=12)

    assert report.passed
    assert report.checked == 12


@pytest.mark.parametrize(
    ("changes", "row"),
    [
        (Changes(open_documents=[identity(1)]), {"document_id": identity(1)}),
        (Changes(close_documents=[("acme", 3)]), {"tenant": "acme", "document": 3}),
        (Changes(add=[(identity(1), sha(1))]), {"document_id": identity(1), "chunk_id": sha(1)}),
        (Changes(remove=[("acme", 17)]), {"tenant": "acme", "chunk": 17}),
        (Changes(reaccess=[identity(1)]), {"document_id": identity(1)}),
        (Changes(evict=[("acme", identity(1))]), {"tenant": "acme", "document_id": identity(1)}),
    ],
)
def test_each_kind_of_difference_is_listed(changes: Changes, row: Row) -> None:
    report = index_equals_gold(changes)

    assert [failure.rows for failure in report.failures] == [(row,)]
    assert report.checked == 1


# ------------------------------------------------------------ lexical

TERMS = st.lists(st.sampled_from(["wärm", "pump", "haus", "netz", "strom"]), max_size=12)


def sample(terms: dict[int, list[str]], **changes: Any) -> LexicalSample:
    postings, lengths = pack(sorted(terms.items()))
    return replace(
        LexicalSample(
            tenant="acme",
            acl_id=1,
            words=(("wärm",), ("pump", "pumpe"), ("haus",), ("fehlt",)),
            passages=terms,
            postings=postings,
            chunks=len(terms),
            length=sum(lengths.values()),
        ),
        **changes,
    )


@given(st.dictionaries(st.integers(1, 10_000), TERMS, max_size=30))
@settings(max_examples=60, deadline=None)
def test_what_is_packed_scores_like_rank_bm25(terms: dict[int, list[str]]) -> None:
    report = lexical_matches_reference(sample(terms))

    assert report.passed, report.markdown()


PACKED = {3: ["wärm", "pump", "wärm"], 5: ["haus"], 8: ["netz", "wärm", "haus", "haus"]}


def _frequency_off_by_one(postings: dict[str, bytes]) -> dict[str, bytes]:
    records = np.frombuffer(postings["wärm"], POSTING).copy()
    records["frequency"][1] += 1
    return postings | {"wärm": records.tobytes()}


@pytest.mark.parametrize(
    ("damage", "chunk"),
    [
        (_frequency_off_by_one, 8),
        (lambda postings: postings | {"haus": postings["haus"][:8]}, 8),
        (lambda postings: postings | {"haus": postings["haus"] + postings["pump"]}, 3),
        (lambda postings: postings | {"fehlt": postings["pump"]}, 3),
        (lambda postings: {term: post for term, post in postings.items() if term != "pump"}, 3),
    ],
)
def test_postings_that_do_not_fit_the_passages_are_found(
    damage: Callable[[dict[str, bytes]], dict[str, bytes]], chunk: int
) -> None:
    whole = sample(PACKED)
    report = lexical_matches_reference(replace(whole, postings=damage(dict(whole.postings))), whole)

    assert rules(report) == ["BM25 scores are those of rank-bm25"]
    assert chunk in {row["chunk"] for row in report.failures[0].rows}
    assert report.checked == 6
    assert not any(term in str(report) + report.markdown() for term in ("wärm", "pump", "haus", "fehlt"))


def test_wrong_counts_are_found() -> None:
    assert "the index counts the passages that are there" in rules(lexical_matches_reference(sample(PACKED, chunks=4)))
    assert rules(lexical_matches_reference(sample(PACKED, length=9))) == ["BM25 scores are those of rank-bm25"]


def test_masked_postings_do_not_count() -> None:
    with_removed = PACKED | {9: ["wärm", "netz"]}
    postings, _ = pack(sorted(with_removed.items()))

    assert lexical_matches_reference(sample(PACKED, postings=postings, masked=(9,))).passed
    assert not lexical_matches_reference(sample(PACKED, postings=postings)).passed


def test_no_sample_is_nothing_to_compare() -> None:
    assert lexical_matches_reference().passed
    assert lexical_matches_reference(sample({})).passed
