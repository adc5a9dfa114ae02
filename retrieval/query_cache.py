"""The query cache: a thread-safe LRU cache, keyed by a hash of the query, so that no text is kept."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from typing import Generic, TypeVar

Value = TypeVar("Value")


class QueryCache(Generic[Value]):
    """Values of the texts that were asked for most recently.

    Args:
        size: most values kept; 0 keeps none.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._values: OrderedDict[bytes, Value] = OrderedDict()
        self._guard = threading.Lock()

    def get(self, text: str) -> Value | None:
        """The value kept for exactly this text, or None."""
        if not self._size:
            return None
        key = _key(text)
        with self._guard:
            value = self._values.get(key)
            if value is not None:
                self._values.move_to_end(key)
            return value

    def put(self, text: str, value: Value) -> None:
        """Keep a value, in place of the one asked for longest ago where there are too many."""
        if not self._size:
            return
        key = _key(text)
        with self._guard:
            self._values[key] = value
            self._values.move_to_end(key)
            while len(self._values) > self._size:
                self._values.popitem(last=False)

    def __len__(self) -> int:
        return len(self._values)


def _key(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
