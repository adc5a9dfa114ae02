"""Fewer hits of one document, neighbours joined, repetitions left out: as pure choice, and as a reader gets it."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval import AsyncRetriever, InvalidQueryError, Retriever, Shape
from retrieval.shape import Candidate, Span, select
from tests.support import GoldDocument, Index, WordsEncoder, asker, everyone

ADA = asker()
STORY = [
    "the pump stands in the cellar",
    "the pump needs oil in spring",
    "birds sing above the roof",
    "the pump was sold in autumn",
    "nobody knows where it is now",
]
LIBRARY = [
    GoldDocument("story", everyone(), STORY),
    GoldDocument("copy", everyone(), ["The pump needs oil in spring!", "a copy of nothing else"]),
    GoldDocument("other", everyone(), ["an old pump of another make"]),
    GoldDocument("secret", everyone("acme", "board"), ["the pump is to be replaced", "the pump costs a fortune"]),
]


def candidates(*places: tuple[int, int]) -> list[Candidate]:
    """Candidates of (document, ordinal), best first, each with a text of its own."""
    return [Candidate(100 * d + o, d, o, f"text number {d} {o} of its own {d * o}") for d, o in places]


def spans(found: list[Span]) -> list[tuple[int, int, int]]:
    return [(span.document, span.first, span.last) for span in found]


def test_nothing_asked_for_is_the_order_itself() -> None:
    some = candidates((1, 4), (2, 0), (1, 5), (1, 4 + 9))
    assert [span.chunk for span in select(some, 3, Shape())] == [c.chunk for c in some[:3]]


def test_at_most_n_of_one_document() -> None:
    some = candidates((1, 0), (1, 5), (2, 0), (1, 9), (3, 0))
    assert spans(select(some, 9, Shape(per_document=1))) == [(1, 0, 0), (2, 0, 0), (3, 0, 0)]
    assert spans(select(some, 9, Shape(per_document=2))) == [(1, 0, 0), (1, 5, 5), (2, 0, 0), (3, 0, 0)]
    assert len(select(some, 2, Shape(per_document=2))) == 2


def test_neighbours_are_joined_and_hits_that_meet_become_one() -> None:
    some = candidates((1, 4), (2, 0), (1, 7), (1, 12))
    assert spans(select(some, 9, Shape(neighbours=1))) == [(1, 3, 8), (2, 0, 1), (1, 11, 13)]
    assert spans(select(candidates((1, 4), (1, 12), (1, 8)), 9, Shape(neighbours=2))) == [(1, 2, 14)]
    # what is joined is no hit of its own, so it does not count against the document
    assert spans(select(some, 9, Shape(neighbours=1, per_document=1))) == [(1, 3, 8), (2, 0, 1)]


def test_repetitions_are_left_out() -> None:
    long = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen"
    some = [
        Candidate(1, 1, 0, long),
        Candidate(2, 2, 0, long.upper() + "!"),
        Candidate(3, 3, 0, long + " seventeen"),
        Candidate(4, 4, 0, "eins zwei drei"),
        Candidate(5, 5, 0, "."),
        Candidate(6, 6, 0, "."),
    ]
    assert [span.chunk for span in select(some, 9, Shape(unique=True))] == [1, 4, 5]
    assert len(select(some, 9, Shape())) == 6


@given(
    st.lists(st.tuples(st.integers(1, 3), st.integers(0, 12)), unique=True, max_size=20),
    st.integers(1, 8),
    st.one_of(st.none(), st.integers(1, 3)),
    st.integers(0, 3),
)
def test_hits_never_overlap(places: list[tuple[int, int]], k: int, most: int | None, reach: int) -> None:
    some = candidates(*places)
    found = select(some, k, Shape(per_document=most, neighbours=reach))
    assert len(found) <= k
    shown = [(span.document, place) for span in found for place in range(span.first, span.last + 1)]
    assert len(shown) == len(set(shown))
    if most is not None:
        assert all(sum(span.document == d for span in found) <= most for d in (1, 2, 3))
    if some:
        assert found[0].chunk == some[0].chunk
    assert found == select(some, k, Shape(per_document=most, neighbours=reach))


@pytest.mark.parametrize("values", [{"per_document": 0}, {"per_document": True}, {"neighbours": 6}, {"unique": 1}])
def test_what_is_out_of_bounds_is_refused(values: dict[str, object]) -> None:
    with pytest.raises(InvalidQueryError, match=f"Shape.{next(iter(values))}"):
        Shape(**values)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def served(shared_index: Index) -> Index:
    shared_index.serve(LIBRARY)
    return shared_index


@pytest.fixture(scope="module")
def retriever(served: Index) -> Retriever:
    return served.retriever()


def test_an_empty_shape_changes_nothing(retriever: Retriever) -> None:
    plain = retriever.search("the pump in spring", principal=ADA, k=5).hits
    assert retriever.search("the pump in spring", principal=ADA, k=5, shape=Shape()).hits == plain


def test_a_reader_gets_longer_passages_that_say_where_they_begin(retriever: Retriever, served: Index) -> None:
    result = retriever.search("the pump needs oil in spring", principal=ADA, k=2, shape=Shape(neighbours=1))
    story = next(hit for hit in result if hit.citation.title == "story")
    assert story.text == "\n\n".join(STORY[:3]) or story.text == "\n\n".join(STORY)
    assert len(story.parts) == story.text.count("\n\n") + 1
    assert story.chunk_id in story.parts
    row = served.owner.execute(
        "select hits, filters from knowledge.audit where request_id = %s", [result.request_id]
    ).fetchone()
    assert row == ([hit.chunk_id for hit in result], {"shape": {"neighbours": 1}})


def test_one_of_each_document_and_no_repetitions(retriever: Retriever) -> None:
    shape = Shape(per_document=1, unique=True)
    titles = [hit.citation.title for hit in retriever.search("the pump needs oil", principal=ADA, k=9, shape=shape)]
    assert len(titles) == len(set(titles))
    unique = retriever.search("the pump needs oil in spring", principal=ADA, k=9, shape=Shape(unique=True))
    assert sum("needs oil" in hit.text for hit in unique) == 1


def test_neighbours_are_read_as_the_reader(index: Index) -> None:
    """A passage that expires is not joined once it may not be seen, and other people's passages never are."""
    index.serve(LIBRARY)
    retriever = index.retriever()
    board = asker("acme", "board")
    shape = Shape(neighbours=5)
    for person, allowed in ((ADA, False), (board, True)):
        texts = [hit.text for hit in retriever.search("the pump costs a fortune", principal=person, k=9, shape=shape)]
        assert any("replaced" in text for text in texts) == allowed
    index.serve([GoldDocument("story", everyone(), [*STORY[:1], *STORY[2:]], event=2), *LIBRARY[1:]])
    (story,) = (
        hit
        for hit in retriever.search("birds above the roof", principal=ADA, k=9, shape=shape)
        if hit.citation.title == "story"
    )
    assert story.text == "\n\n".join([*STORY[:1], *STORY[2:]])
    assert story.version == 2


def test_the_async_twin_shapes_alike(served: Index, retriever: Retriever) -> None:
    shape = Shape(per_document=1, neighbours=1, unique=True)

    async def ask() -> tuple[object, ...]:
        async with await AsyncRetriever.connect(settings=served.settings, encoder=WordsEncoder()) as twin:
            return (await twin.search("the pump in the cellar", principal=ADA, shape=shape)).hits

    assert asyncio.run(ask()) == retriever.search("the pump in the cellar", principal=ADA, shape=shape).hits


def test_a_shape_of_another_kind_is_refused(retriever: Retriever) -> None:
    with pytest.raises(InvalidQueryError, match="Shape object"):
        retriever.search("pump", principal=ADA, shape={"neighbours": 1})  # type: ignore[arg-type]
