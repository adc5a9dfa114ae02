"""What became of an answer: an outcome, and a comment without what people should not have written into it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from typing import Literal, get_args
from uuid import UUID

from psycopg import sql

from retrieval.errors import InvalidPrincipalError, InvalidRequestError
from retrieval.principal import Principal, well_formed

Outcome = Literal["answered", "not_answered", "wrong"]
OUTCOMES: tuple[str, ...] = get_args(Outcome)

COMMENT_MAX = 2_000
"""Longest comment, in characters."""

Redactor = Callable[[str], str]
"""Takes personal data out of a comment."""

GIVE = sql.SQL("select knowledge.give_feedback(%(request_id)s, %(principal)s, %(outcome)s, %(comment)s)")

# Each pattern is bounded, so that no comment takes longer than in proportion to its length.
_PATTERNS = (
    (re.compile(r"\b[a-z][a-z0-9+.-]{1,20}://\S+", re.IGNORECASE), "<link>"),
    (re.compile(r"[^\s@<>()\[\],;:\"]{1,64}@[^\s@<>()\[\],;:\"]{1,255}"), "<e-mail>"),
    (re.compile(r"(?<!\w)@\w{2,64}"), "<name>"),
    (re.compile(r"\b[a-z]{2}\d{2}(?:[ -]?[a-z0-9]{2,4}){3,8}\b", re.IGNORECASE), "<account>"),
    # phone numbers, cards, identity numbers, dates of birth: five digits or more, however they are set apart
    (re.compile(r"[+(]?\d(?:[\s./()–-]{0,3}\d){4,}"), "<number>"),
)


def redact(comment: str) -> str:
    """The default redactor: replaces links, e-mail addresses, handles, IBANs and every run of five digits or more.

    It knows no names and no addresses of streets. A process that has a better redactor passes it to
    `Retriever.connect(redactor=…)`.
    """
    text = unicodedata.normalize("NFKC", comment)
    text = "".join(c for c in text if unicodedata.category(c) != "Cf")  # invisible ones would set digits apart
    for pattern, placeholder in _PATTERNS:
        text = pattern.sub(placeholder, text)
    return text


def checked(
    request_id: object, outcome: object, comment: object, principal: object, redactor: Redactor
) -> dict[str, object]:
    """Parameters of `GIVE` but for the principal's pseudonym.

    Raises:
        InvalidPrincipalError: there is no principal.
        InvalidRequestError: the id, the outcome or the comment is wrong.
    """
    if not isinstance(principal, Principal):
        raise InvalidPrincipalError("feedback needs principal=Principal(user=…, tenant=…): say who gives it")
    try:
        request = request_id if isinstance(request_id, UUID) else UUID(str(request_id))
    except ValueError:
        raise InvalidRequestError("request_id is not a UUID: pass SearchResult.request_id") from None
    if outcome not in OUTCOMES:
        raise InvalidRequestError(f"outcome must be one of {', '.join(OUTCOMES)}")
    if comment is not None:
        if not isinstance(comment, str) or not well_formed(comment) or "\x00" in comment:
            raise InvalidRequestError("comment is not well-formed text")
        if len(comment) > COMMENT_MAX:
            raise InvalidRequestError(f"comment is longer than {COMMENT_MAX} characters: shorten it")
        comment = redactor(comment)
    return {"request_id": request, "outcome": outcome, "comment": comment}
