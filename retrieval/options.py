"""What a retriever can be given beside its settings."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING, TypedDict

from retrieval.feedback import Redactor
from retrieval.standby import Now

if TYPE_CHECKING:
    from retrieval.embedding import Encoder


class Options(TypedDict, total=False):
    """Keyword arguments of `connect`.

    Attributes:
        encoder: embeds queries; default: the model of the settings, loaded at first use.
        redactor: takes personal data out of comments; default: `feedback.redact`.
        new_id: makes request ids.
        clock: seconds from any fixed point, for the timings of results.
        now: seconds from any fixed point, for limits and breakers.
        wall: the time of day, for the age of a standby's snapshots.
    """

    encoder: Encoder | None
    redactor: Redactor
    new_id: Callable[[], uuid.UUID]
    clock: Callable[[], float]
    now: Callable[[], float]
    wall: Now
