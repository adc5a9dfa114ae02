"""Releases: promotion, rollback in one row, what is held, what a purge takes and what it leaves."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from assets.index.releases import list_releases, promote, purge, rollback, serving
from retrieval import NoReleaseError, Retriever
from tests.support import NOW, GoldDocument, Index, Rows, WordsEncoder, asker, everyone, see

LATER = NOW + timedelta(hours=1)
ADA = asker()


def letter(text: str) -> list[GoldDocument]:
    """An inbox whose one changing document says this."""
    stays = GoldDocument("stays", everyone(), ["the river and the bridge"])
    return [stays, GoldDocument("letter", everyone(), ["dear reader", text], event=len(text))]


@pytest.fixture
def three(index: Index) -> Index:
    """Three releases, the third one active."""
    for text in ("first words", "second words", "third words"):
        index.serve(letter(text))
    return index


def words(retriever: Retriever, **arguments: Any) -> str:
    """What the letter says to a reader now."""
    hits = retriever.search("words", principal=ADA, **arguments)
    return next((hit.text for hit in hits if "words" in hit.text), "")


def rows_of_the_core(index: Index) -> dict[str, Rows]:
    tables = index.owner.execute(
        "select c.oid::regclass::text from pg_class c join pg_namespace n on n.oid = c.relnamespace"
        " where n.nspname = 'knowledge' and c.relkind in ('r', 'p') and not c.relispartition order by 1"
    ).fetchall()
    return {
        name: index.owner.execute(f"select x::text from {name} x order by 1".encode()).fetchall() for (name,) in tables
    }


def test_rollback_changes_one_row_and_the_next_query_answers_from_it(three: Index) -> None:
    retriever = three.retriever()
    assert words(retriever) == "third words"
    before = rows_of_the_core(three)
    contents = three.contents()
    now = rollback(three.owner, now=LATER)
    assert words(retriever) == "second words"
    assert (now.release, now.held, now.since) == (2, True, LATER)
    after = rows_of_the_core(three)
    changed = {name: (before[name], rows) for name, rows in after.items() if rows != before[name]}
    audit = changed.pop("knowledge.audit")
    assert len(audit[1]) == len(audit[0]) + 1  # the search above
    assert list(changed) == ["knowledge.serving"]
    assert [len(rows) for rows in changed["knowledge.serving"]] == [1, 1]
    assert {name: rows for name, rows in three.contents().items() if name != "serving"} == {
        name: rows for name, rows in contents.items() if name != "serving"
    }


def test_rollbacks_go_further_back_until_there_is_nothing(three: Index) -> None:
    retriever = three.retriever()
    assert rollback(three.owner, now=LATER).release == 2
    assert rollback(three.owner, now=LATER).release == 1
    assert words(retriever) == "first words"
    with pytest.raises(NoReleaseError, match="no earlier release to roll back to"):
        rollback(three.owner, now=LATER)
    assert serving(three.owner).release == 1


def test_rollback_to_a_number(three: Index) -> None:
    assert rollback(three.owner, now=LATER, to=1).release == 1
    for number in (3, 1, 99):
        with pytest.raises(NoReleaseError, match=f"no earlier release {number}"):
            rollback(three.owner, now=LATER, to=number)


def test_a_candidate_that_was_never_served_is_nothing_to_roll_back_to(index: Index) -> None:
    index.serve(letter("first words"))
    index.publish(letter("never shown words"))
    index.serve(letter("third words"))
    assert [release.state for release in list_releases(index.owner)] == ["active", "candidate", "retired"]
    assert rollback(index.owner, now=LATER).release == 1


def test_after_a_rollback_promotion_waits_for_a_person(three: Index) -> None:
    retriever = three.retriever()
    rollback(three.owner, now=LATER)
    three.publish(letter("fourth words"))
    assert promote(three.owner, 4, now=LATER).release == 2
    assert words(retriever) == "second words"
    assert [r.state for r in list_releases(three.owner)] == ["candidate", "retired", "active", "retired"]
    by_hand = promote(three.owner, 4, now=LATER, by_hand=True)
    assert (by_hand.release, by_hand.held) == (4, False)
    assert words(retriever) == "fourth words"
    assert three.serve(letter("fifth words")) == 5
    assert words(retriever) == "fifth words"


def test_promoting_what_is_served_by_hand_ends_the_hold(three: Index) -> None:
    rollback(three.owner, now=LATER)
    assert promote(three.owner, 2, now=LATER, by_hand=True).held is False


def test_promoting_twice_changes_nothing(three: Index) -> None:
    before = rows_of_the_core(three)
    promote(three.owner, 3, now=LATER)
    assert rows_of_the_core(three) == before


@pytest.mark.parametrize("number", [0, 4, -1])
def test_a_release_that_is_not_there_cannot_be_promoted(three: Index, number: int) -> None:
    with pytest.raises(NoReleaseError, match=f"Release {number} is not kept: `knowledge release list`"):
        promote(three.owner, number, now=LATER)


def test_publishing_after_a_rollback_goes_on_from_the_newest_release(three: Index) -> None:
    rollback(three.owner, now=LATER)
    again = three.publish(letter("third words"))
    assert (again.created, again.release) == (False, 3)
    assert three.publish(letter("second words")).release == 4


def test_any_kept_release_can_be_read(three: Index) -> None:
    retriever = three.retriever()
    assert [words(retriever, release=n) for n in (1, 2, 3)] == ["first words", "second words", "third words"]
    three.publish(letter("candidate words"))
    assert words(retriever, release=4) == "candidate words"
    assert words(retriever) == "third words"


def test_the_list_tells_sizes_and_states(three: Index) -> None:
    newest, *_, oldest = list_releases(three.owner)
    assert (newest.number, newest.state, newest.documents, newest.chunks) == (3, "active", 2, 3)
    assert (newest.added, newest.removed, newest.fingerprint) == (1, 1, WordsEncoder().fingerprint.id)
    assert (oldest.number, oldest.state, oldest.added, oldest.released_at) == (1, "retired", 3, NOW)


# ------------------------------------------------------------------------ purge


@pytest.mark.parametrize("keep", [0, 1, 2, 9])
def test_a_purge_leaves_kept_releases_as_they_were(three: Index, keep: int) -> None:
    three.publish(letter("candidate words"))
    retriever = three.retriever()
    kept = [n for n in (1, 2, 3, 4) if n >= 3 - keep]

    def hits() -> list[object]:
        return [retriever.search("words of the reader", principal=ADA, release=n, k=50).hits for n in kept]

    before = hits()
    purge(three.owner, keep=keep, now=NOW)
    assert hits() == before
    assert words(retriever) == "third words"
    for number in {1, 2, 3, 4} - set(kept):
        with pytest.raises(NoReleaseError, match=f"Release {number} is not kept"):
            retriever.search("words", principal=ADA, release=number)
        with pytest.raises(NoReleaseError):
            promote(three.owner, number, now=LATER, by_hand=True)


def test_nothing_of_what_was_purged_is_left(three: Index) -> None:
    deleted = purge(three.owner, keep=0, now=NOW)
    assert (deleted["releases"], deleted["chunk"], deleted["document"]) == (2, 2, 2)
    left = str({name: rows for name, rows in three.contents().items() if name.startswith("space_1")})
    assert "first" not in left
    assert "second" not in left
    assert "third" in left
    again = purge(three.owner, keep=0, now=NOW)
    assert not any(again.values())


def test_a_purge_after_a_rollback_keeps_the_releases_after_it(three: Index) -> None:
    rollback(three.owner, now=LATER)
    purge(three.owner, keep=0, now=NOW)
    retriever = three.retriever()
    assert [words(retriever, release=n) for n in (2, 3)] == ["second words", "third words"]


def test_a_purge_takes_what_has_expired_from_every_release(index: Index) -> None:
    expired = datetime.now(UTC) - timedelta(days=1)
    index.serve([replace(letter("fleeting words")[1], expires_at=expired), letter("")[0]])
    index.serve([replace(letter("fleeting words")[1], expires_at=expired)])
    purge(index.owner, keep=9, now=datetime.now(UTC))
    contents = index.contents()
    assert "fleet" not in str(contents)
    assert [row[:2] for row in contents["space_1.document"]] == [("acme", 2)]


def test_publishing_goes_on_after_a_purge(three: Index) -> None:
    purge(three.owner, keep=0, now=NOW)
    assert three.publish(letter("third words")).created is False
    three.serve(letter("first words"))
    assert words(three.retriever()) == "first words"


def test_a_model_that_no_kept_release_uses_goes_with_its_tables(index: Index) -> None:
    """And comes back as if it had never been there."""
    old, new = WordsEncoder(16), WordsEncoder(24)
    index.serve(letter("first words"), encoder=old)
    running, other = index.retriever(old), index.retriever(new)
    assert words(running) == "first words"
    index.serve(letter("second words"), encoder=new)
    purge(index.owner, keep=1, now=NOW)
    assert words(running, release=1) == "first words"
    purge(index.owner, keep=0, now=NOW)
    assert index.schemas() == ["space_2"]
    with pytest.raises(NoReleaseError):
        running.search("words", principal=ADA, release=1)
    index.serve(letter("third words"), encoder=old)
    assert words(running) == "third words"
    index.serve(letter("fourth words"), encoder=new)
    assert words(other) == "fourth words"


def test_a_purge_of_nothing(index: Index) -> None:
    assert purge(index.owner, keep=0, now=NOW) == {}


def test_a_running_retriever_finds_the_space_that_took_over(index: Index) -> None:
    """It read the active space once; that one is gone since, tables and all."""
    index.serve(letter("first words"), encoder=WordsEncoder(16))
    retriever = index.retriever(WordsEncoder(24))
    assert retriever.space is not None
    index.serve(letter("second words"), encoder=WordsEncoder(24))
    purge(index.owner, keep=0, now=NOW)
    assert words(retriever) == "second words"


def test_what_must_be_hidden_is_hidden_in_every_release_until_it_may_be_seen_again(index: Index) -> None:
    kept, secret = (
        GoldDocument("kept", everyone(), ["the fox"]),
        GoldDocument("secret", everyone(), ["the fox in its den"]),
    )
    before = index.serve([kept, secret])
    after = index.serve([kept], hidden=[secret])
    retriever = index.retriever()

    def titles(release: int) -> set[str]:
        result = retriever.search("fox den", principal=ADA, release=release)
        return {hit.citation.title for hit in result}

    assert titles(after) == {"kept"}
    assert titles(before) == {"kept"}, "an earlier release must not show it either"
    assert not see(index.reader(), ADA, "den", before).scores
    assert not index.publish([kept], hidden=[secret]).created

    again = index.serve([kept, secret])
    assert titles(again) == titles(before) == {"kept", "secret"}
