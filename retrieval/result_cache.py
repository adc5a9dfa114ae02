"""The result cache: which passages answered a question, for whoever sees exactly the same, and for a short time.

An answer is kept under everything it depends on: release, access sets in sight, edition of the index, filters, shape
and question. It can only be found by somebody whose own search would give the same. What is kept are numbers of
passages and their scores, never a text: a hit reads its texts anew, as its own principal, in the statement that writes
its audit row, and where one of them may not be seen any more the answer is searched for anew.
"""

from __future__ import annotations

import hashlib
import json
import threading
import time
import unicodedata
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import sql

from retrieval import statements
from retrieval.search import Search, Space, Statement, entered

STATE: Statement = sql.SQL("select current_setting('knowledge.acl'), knowledge.edition()::text"), {}
"""Access sets in sight of who has entered, and the edition of the index; to be sent right behind `ENTER`.

Read before anything else: what is read later may be newer than the edition it is kept under, never older.
"""

ALONE = (2**31 - 1, -1)
"""Range of a hit that is joined with nothing: whatever its place in the document is, it goes from there to there."""


@dataclass(frozen=True, slots=True)
class CachedAnswer:
    """An answer without its texts.

    Attributes:
        values: columns of the hits, best first, as `statements.kept` wants them.
        until: when the first of all passages in sight expires, and with it the answer; None: none does.
    """

    values: Mapping[str, Sequence[object]]
    until: datetime | None

    @classmethod
    def of(cls, rows: Sequence[Sequence[Any]], sent: Mapping[str, Any], until: datetime | None) -> CachedAnswer:
        """From the rows of a last statement and the parameters it was sent with."""
        ranges = list(zip(sent["firsts"], sent["lasts"], strict=True)) if "firsts" in sent else [ALONE] * len(rows)
        staged = [row[statements.STAGED :] or (None, (row[statements.CHUNK_ID],)) for row in rows]
        return cls(
            {
                "chunks": [row[0] for row in rows],
                "scores": [row[2] for row in rows],
                "lexical_ranks": [row[3] for row in rows],
                "vector_ranks": [row[4] for row in rows],
                "similarities": [row[5] for row in rows],
                "reranked": [score for score, _ in staged],
                "firsts": [first for first, _ in ranges],
                "lasts": [last for _, last in ranges],
                "sizes": [len(parts) for _, parts in staged],
            },
            until,
        )


@dataclass(frozen=True, slots=True)
class CacheLookup:
    """A search that has entered its transaction.

    Attributes:
        key: what its answer is kept under; kept: that answer, where there is one.
    """

    key: bytes
    space: Space
    release: int
    kept: CachedAnswer | None


class ResultCache:
    """Answers of one retriever, for threads and tasks.

    Args:
        size: most answers; the one asked for longest ago goes first.
        seconds: longest time that one is kept.
        clock: seconds from any fixed point.
    """

    def __init__(self, size: int, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._size = size
        self._seconds = seconds
        self._clock = clock
        self._answers: OrderedDict[bytes, tuple[float, CachedAnswer]] = OrderedDict()
        self._guard = threading.Lock()

    def __len__(self) -> int:
        return len(self._answers)

    def lookup(self, search: Search, entry: Sequence[Any] | None, state: Sequence[Any] | None) -> CacheLookup:
        """Look a search up by what `ENTER` and `STATE` answered.

        Raises:
            PermanentError: the principal may not enter.
        """
        release, space = entered(entry, search.release)
        assert entry is not None  # `entered` refuses it
        assert state is not None
        search.partition = entry[-1]
        key = _key(search, release, *state)
        kept = self._get(key)
        if kept is not None:
            search.remember(release)
        return CacheLookup(key, space, release, kept)

    def replay(self, search: Search, asked: CacheLookup) -> Statement:
        """The last statement of a search whose answer is kept. It returns no row and logs nothing where that answer is
        no longer valid."""
        assert asked.kept is not None
        known = {"until": asked.kept.until, "flagged": search.filters.flagged, "model": asked.space.fingerprint}
        statement = statements.kept(asked.space.id, search.partition)
        return statement, {**asked.kept.values, **known, **search.audited()}

    def keep(
        self, search: Search, asked: CacheLookup, rows: Sequence[Sequence[Any]], sent: Mapping[str, Any], until: Any
    ) -> None:
        """Keep an answer that nothing was wrong with.

        Args:
            until: the answer to `statements.until`.
        """
        if search.degraded or not rows or len(rows) != len(sent.get("firsts", rows)):
            return
        kept = CachedAnswer.of(rows, sent, until[0][0])
        with self._guard:
            self._answers[asked.key] = (self._clock() + self._seconds, kept)
            self._answers.move_to_end(asked.key)
            while len(self._answers) > self._size:
                self._answers.popitem(last=False)

    def drop(self, search: Search, asked: CacheLookup) -> None:
        """Forget an answer that does not hold any more; the search begins anew."""
        search.timings.clear()
        with self._guard:
            self._answers.pop(asked.key, None)

    def _get(self, key: bytes) -> CachedAnswer | None:
        with self._guard:
            end, kept = self._answers.get(key, (0.0, None))
            if kept is None:
                return None
            if self._clock() >= end:
                del self._answers[key]
                return None
            self._answers.move_to_end(key)
            return kept


def normalised(query: str) -> str:
    """The question as the cache knows it, and as it is then searched for: canonically composed, single spaces.

    Nothing that could mean something else: upper and lower case are two questions.
    """
    return " ".join(unicodedata.normalize("NFC", query).split())


def _key(search: Search, release: int, visible: str, edition: str) -> bytes:
    """Hash of everything that an answer depends on; the settings of the retriever are those of its cache."""
    shape = None if search.shape is None else search.shape.parameters()
    parts = (
        search.principal.tenant, visible, release, edition, search.query, search.k, search.filters.parameters(), shape
    )  # fmt: skip
    return hashlib.sha256(json.dumps(parts, default=str, sort_keys=True).encode()).digest()
