"""Which knowledge somebody should look at before it is wrong: its day of refresh has come, or it is about to expire."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Literal

from assets.ledger import Ledger


@dataclass(frozen=True)
class Due:
    """A file of the inbox that somebody should look at.

    Attributes:
        reason: `refresh` where the day that was set for it has come, `expiry` where its time to live is about to end.
        on: the day concerned.
    """

    path: str
    reason: Literal["refresh", "expiry"]
    on: date


def refresh_on(refresh: object, received_at: datetime) -> date | None:
    """The day of refresh: the one that is given, or so many days after the content was received."""
    if not isinstance(refresh, str):
        return None  # a data frame has NaN for what is missing
    if refresh.endswith("d"):
        return (received_at + timedelta(days=int(refresh[:-1]))).date()
    return date.fromisoformat(refresh)


def expires_on(ttl_days: Any, received_at: datetime) -> date | None:
    """The day on which the time to live ends."""
    if ttl_days is None or ttl_days != ttl_days:
        return None
    return (received_at + timedelta(days=int(ttl_days))).date()


def find_due(ledger: Ledger, *, now: datetime, ahead: timedelta) -> list[Due]:
    """Files in force that are due, by day and path.

    Args:
        ahead: how long before its day a file is due.
    """
    horizon = (now + ahead).date()
    log: list[dict[Any, Any]] = ledger.log.to_dict("records")
    received = {(row["document_id"], int(row["event"])): row["received_at"].to_pydatetime() for row in log}
    rules = {row["document_id"]: row for row in ledger.latest.reset_index().to_dict("records")}
    found: list[Due] = []
    for document_id, event in ledger.current.event.items():
        rule = rules[str(document_id)]
        since = received[str(document_id), int(event)]
        refresh, expiry = refresh_on(rule["refresh"], since), expires_on(rule["ttl_days"], since)
        if refresh is not None and refresh <= horizon:
            found.append(Due(rule["path"], "refresh", refresh))
        if expiry is not None and now.date() <= expiry <= horizon:
            found.append(Due(rule["path"], "expiry", expiry))
    return sorted(found, key=lambda item: (item.on, item.path, item.reason))
