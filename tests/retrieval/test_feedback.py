"""Feedback: whose requests it may be about, what is stored of it, and what is taken out of a comment."""

from __future__ import annotations

import asyncio
import time
import uuid
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval import AsyncRetriever, InvalidPrincipalError, InvalidRequestError, Retriever
from retrieval.feedback import COMMENT_MAX, redact
from retrieval.schema.migrate import READER
from tests.support import Databases, GoldDocument, Index, WordsEncoder, asker, everyone

ADA = asker()


@pytest.fixture(scope="module")
def served(shared_index: Index) -> Index:
    shared_index.serve([GoldDocument("a", everyone(), ["the fox"]), GoldDocument("b", everyone("bolt"), ["the fox"])])
    return shared_index


@pytest.fixture(scope="module")
def retriever(served: Index) -> Retriever:
    return served.retriever()


def rows(index: Index, request_id: uuid.UUID) -> list[tuple[Any, ...]]:
    return index.owner.execute(
        "select outcome, comment, principal from knowledge.feedback where request_id = %s order by at", [request_id]
    ).fetchall()


def test_feedback_is_added_to_a_request(served: Index, retriever: Retriever) -> None:
    result = retriever.search("fox", principal=ADA)
    retriever.feedback(result.request_id, "answered", principal=ADA)
    retriever.feedback(str(result.request_id), "wrong", comment="ask bo@example.org", principal=asker(user="bob"))
    (first, second) = rows(served, result.request_id)
    assert first[:2] == ("answered", None)
    assert second[:2] == ("wrong", "ask <e-mail>")
    asked_by = served.owner.execute(
        "select principal from knowledge.audit where request_id = %s", [result.request_id]
    ).fetchone()
    assert asked_by == (first[2],)
    assert first[2] != second[2]


def test_feedback_of_tasks(served: Index, retriever: Retriever) -> None:
    result = retriever.search("fox", principal=ADA)

    async def give() -> None:
        async with await AsyncRetriever.connect(settings=served.settings, encoder=WordsEncoder()) as twin:
            await twin.feedback(result.request_id, "not_answered", principal=ADA)
            with pytest.raises(InvalidRequestError, match="No request of this tenant"):
                await twin.feedback(uuid.uuid4(), "wrong", principal=ADA)

    asyncio.run(give())
    assert [row[0] for row in rows(served, result.request_id)] == ["not_answered"]


@pytest.mark.parametrize("principal", [asker("bolt"), asker("bolt", "board", clearance="restricted")])
def test_another_tenants_request_is_no_request(served: Index, retriever: Retriever, principal: Any) -> None:
    result = retriever.search("fox", principal=ADA)
    for request_id in (result.request_id, uuid.uuid4()):
        with pytest.raises(InvalidRequestError, match="No request of this tenant has that id"):
            retriever.feedback(request_id, "wrong", principal=principal)
    assert rows(served, result.request_id) == []


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"principal": None}, InvalidPrincipalError),
        ({"principal": "ada"}, InvalidPrincipalError),
        ({"request_id": "x"}, InvalidRequestError),
        ({"request_id": None}, InvalidRequestError),
        ({"outcome": "great"}, InvalidRequestError),
        ({"outcome": None}, InvalidRequestError),
        ({"comment": 7}, InvalidRequestError),
        ({"comment": "x" * (COMMENT_MAX + 1)}, InvalidRequestError),
        ({"comment": "\x00"}, InvalidRequestError),
        ({"comment": "\ud800"}, InvalidRequestError),
    ],
)
def test_what_is_no_feedback(retriever: Retriever, arguments: dict[str, Any], error: type[Exception]) -> None:
    valid: dict[str, Any] = {"request_id": uuid.uuid4(), "outcome": "wrong", "principal": ADA}
    with pytest.raises(error):
        retriever.feedback(**valid | arguments)


def test_a_redactor_of_the_callers_own_is_used(served: Index) -> None:
    with Retriever.connect(settings=served.settings, encoder=WordsEncoder(), redactor=str.upper) as own:
        result = own.search("fox", principal=ADA)
        own.feedback(result.request_id, "wrong", comment="no", principal=ADA)
    assert rows(served, result.request_id)[0][1] == "NO"


@pytest.mark.parametrize(
    ("comment", "stored"),
    [
        ("Wrong: the limit is 20 litres, see page 7 of 2024.", "Wrong: the limit is 20 litres, see page 7 of 2024."),
        ("WP-300X and 1.5 bar", "WP-300X and 1.5 bar"),
        ("mail grace.hopper@example.org please", "mail <e-mail> please"),
        ("grace@exämple.de", "<e-mail>"),
        ("ｇｒａｃｅ＠example.org", "<e-mail>"),
        ("+49 (0)171 234-5678 ruft an", "<number> ruft an"),
        ("(030) 123 45 67", "<number>"),
        ("0171/2345678", "<number>"),
        ("DE89 3704 0044 0532 0130 00", "<account>"),
        ("de89370400440532013000", "<account>"),
        ("GB82WEST12345698765432", "<account>"),
        ("4111 1111 1111 1111", "<number>"),
        ("5500-0000-0000-0004!", "<number>!"),
        ("born 12.03.1980", "born <number>"),
        ("12\u200b34\u200b56", "<number>"),
        ("٠١٢٣٤٥", "<number>"),
        ("see https://example.org/reset?token=abc now", "see <link> now"),
        ("@grace knows", "<name> knows"),
    ],
)
def test_the_default_redactor(comment: str, stored: str) -> None:
    assert redact(comment) == stored


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(
    st.text(max_size=40), st.text(max_size=40), st.text("0123456789", min_size=5, max_size=20), st.sampled_from(" -./")
)
def test_no_long_number_survives_whatever_stands_around_it(
    before: str, after: str, digits: str, separator: str
) -> None:
    spread = separator.join(digits)
    for number in (digits, spread):
        assert number not in redact(f"{before} {number} {after}")


def test_no_comment_takes_long() -> None:
    hostile = ("a" * 500 + "@", "1 " * 1000, "de12 " * 400, "+(" * 1000, "a" * COMMENT_MAX, "http" * 500)
    began = time.process_time()
    for comment in hostile:
        redact(comment)
    assert time.process_time() - began < 0.5


def test_feedback_survives_a_restart_of_the_server(databases: Databases, served: Index) -> None:
    """Its connections are all broken then, and who gives feedback does not ask twice. It is recorded once."""

    def cut() -> None:
        with databases.admin() as admin:
            connected = "select pg_terminate_backend(pid) from pg_stat_activity where datname = %s and usename = %s"
            assert admin.execute(connected, [served.name, READER]).fetchall()

    def recorded(request_id: object) -> int:
        counted = served.owner.execute("select count(*) from knowledge.feedback where request_id = %s", [request_id])
        return int(counted.fetchall()[0][0])

    async def twin() -> None:
        async with await AsyncRetriever.connect(settings=served.settings, encoder=WordsEncoder()) as retriever:
            asked = (await retriever.search("fox", principal=ADA)).request_id
            cut()
            await retriever.feedback(asked, "answered", principal=ADA)
            assert recorded(asked) == 1

    with Retriever.connect(settings=served.settings, encoder=WordsEncoder()) as retriever:
        asked = retriever.search("fox", principal=ADA).request_id
        cut()
        retriever.feedback(asked, "answered", principal=ADA)
        assert recorded(asked) == 1
    asyncio.run(twin())
