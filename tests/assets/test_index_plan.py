"""Reconciliation as a property: whatever stands in the index, the planned changes lead to what should."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from assets.index.desired import Access, DesiredDocument
from assets.index.plan import ActualDocument, Changes, plan_release

Actual = dict[tuple[str, str], ActualDocument]

TENANTS = ("acme", "bolt")
IDS = ("d0", "d1", "d2")
CHUNKS = ("c0", "c1", "c2")
DIGESTS = ("x", "y")
EXPIRY = datetime(2026, 5, 1, tzinfo=UTC)

accesses = st.builds(
    Access,
    st.sampled_from(TENANTS),
    st.sampled_from([("everyone",), ("sales",)]),
    st.sampled_from(["public", "internal"]),
)
expiries = st.sampled_from([None, EXPIRY])


@st.composite
def desired_states(draw: st.DrawFn) -> dict[str, DesiredDocument]:
    return {
        document_id: DesiredDocument(
            document_id=document_id,
            event=1,
            digest=draw(st.sampled_from(DIGESTS)),
            access=draw(accesses),
            valid_from=EXPIRY,
            expires_at=draw(expiries),
            facts={},
            chunks=draw(st.dictionaries(st.sampled_from(CHUNKS), st.sampled_from(DIGESTS))),
        )
        for document_id in draw(st.sets(st.sampled_from(IDS)))
    }


@st.composite
def actual_states(draw: st.DrawFn) -> Actual:
    """Anything that could stand there: rows lost, doubled, ended, astray, one document in two tenants."""
    numbers = itertools.count(1)
    found: Actual = {}
    for tenant, document_id in draw(st.sets(st.sampled_from(list(itertools.product(TENANTS, IDS))))):
        chunks = draw(st.dictionaries(st.sampled_from(CHUNKS), st.sampled_from(DIGESTS)))
        found[tenant, document_id] = ActualDocument(
            document_id=document_id,
            number=next(numbers),
            tenant=tenant,
            digest=draw(st.sampled_from([None, *DIGESTS])),
            access=replace(draw(accesses), tenant=tenant),
            expires_at=draw(expiries),
            chunks={chunk: (next(numbers), digest) for chunk, digest in chunks.items()},
            doubled=tuple(next(numbers) for _ in range(draw(st.integers(0, 2)))) if chunks else (),
            strays=bool(chunks) and draw(st.booleans()),
        )
    return found


def apply(changes: Changes, desired: Mapping[str, DesiredDocument], actual: Actual) -> Actual:
    """What the database does with changes, in its order."""
    state = dict(actual)
    for key in changes.evict:
        del state[key]
    for document_id in changes.reaccess:
        wanted = desired[document_id]
        key = (wanted.access.tenant, document_id)
        state[key] = replace(state[key], access=wanted.access, expires_at=wanted.expires_at, strays=False)
    for key, there in list(state.items()):
        if (there.tenant, there.number) in changes.close_documents:
            assert there.digest is not None, "only an open row can end"
            state[key] = there = replace(there, digest=None)
        gone = {number for tenant, number in changes.remove if tenant == there.tenant}
        kept = {chunk: row for chunk, row in there.chunks.items() if row[0] not in gone}
        doubled = tuple(number for number in there.doubled if number not in gone)
        state[key] = replace(there, chunks=kept, doubled=doubled, strays=there.strays and bool(kept))
    for document_id in changes.open_documents:
        wanted = desired[document_id]
        key = (wanted.access.tenant, document_id)
        there = state.get(key) or ActualDocument(document_id, 1000, key[0], None, wanted.access, wanted.expires_at, {})
        assert there.digest is None, "a document has one open row"
        state[key] = replace(there, digest=wanted.digest)
    numbers = itertools.count(2000)
    for document_id, chunk in changes.add:
        key = (desired[document_id].access.tenant, document_id)
        there = state[key]
        assert chunk not in there.chunks, "a passage stands once"
        row = (next(numbers), desired[document_id].chunks[chunk])
        state[key] = replace(there, chunks={**there.chunks, chunk: row})
    return state


@given(desired_states(), actual_states())
def test_changes_lead_to_what_should_be_there_and_then_end(desired: dict[str, DesiredDocument], actual: Actual) -> None:
    changes = plan_release(desired, actual)
    reached = apply(changes, desired, actual)
    shown = {key: there for key, there in reached.items() if there.digest is not None}
    assert {key[1] for key in shown} == set(desired)
    for (tenant, document_id), there in shown.items():
        wanted = desired[document_id]
        assert (tenant, there.digest, there.access) == (wanted.access.tenant, wanted.digest, wanted.access)
        assert there.expires_at == wanted.expires_at
        assert {chunk: digest for chunk, (_, digest) in there.chunks.items()} == wanted.chunks
    assert not any(there.doubled for there in reached.values())
    assert not any(there.chunks for there in reached.values() if there.digest is None)
    assert not plan_release(desired, reached)


@given(desired_states(), actual_states())
def test_the_order_of_what_is_read_plays_no_part(desired: dict[str, DesiredDocument], actual: Actual) -> None:
    backwards = dict(reversed(actual.items()))
    assert plan_release(desired, actual) == plan_release(desired, backwards)


@given(desired_states())
def test_passages_that_stand_unchanged_keep_their_rows(desired: dict[str, DesiredDocument]) -> None:
    filled = apply(plan_release(desired, {}), desired, {})
    edited = {
        document_id: replace(document, digest="z", chunks={**document.chunks, "new": "x"})
        for document_id, document in desired.items()
    }
    changes = plan_release(edited, filled)
    assert changes.remove == []
    assert sorted(changes.add) == sorted((document_id, "new") for document_id in desired)
    assert len(changes.close_documents) == len(changes.open_documents) == len(desired)


@given(desired_states(), actual_states())
def test_rows_are_ended_or_evicted_but_not_both(desired: dict[str, DesiredDocument], actual: Actual) -> None:
    changes = plan_release(desired, actual)
    evicted = {number for key in changes.evict for number, _ in actual[key].chunks.values()}
    assert evicted.isdisjoint(number for _, number in changes.remove)
    assert len(changes.remove) == len(set(changes.remove))
    assert len(changes.add) == len(set(changes.add))


def test_a_summary_counts_for_people() -> None:
    changes = Changes(
        close_documents=[("acme", 1), ("acme", 2)], open_documents=["d0"], add=[("d0", "c")], reaccess=["d1"]
    )
    assert changes.summary() == {
        "documents_new_or_changed": 1,
        "documents_withdrawn": 1,
        "passages_added": 1,
        "passages_removed": 0,
        "access_changed": 1,
    }
    assert changes
    assert changes.contents
    assert not Changes()
    assert Changes(reaccess=["d1"])
    assert not Changes(reaccess=["d1"]).contents
