"""What is kept between requests: the last few, of bounded size."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

Value = TypeVar("Value")


class Kept(Generic[Value]):
    """The values that were used last: at most `most` of them, of at most `most_bytes` together but for the newest."""

    def __init__(self, most: int, most_bytes: int):
        self._most, self._most_bytes = most, most_bytes
        self._values: OrderedDict[Hashable, tuple[Value, int]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable) -> Value | None:
        """The value, which then is the one used last; None where it is not kept."""
        with self._lock:
            if key not in self._values:
                return None
            self._values.move_to_end(key)
            return self._values[key][0]

    def put(self, key: Hashable, value: Value, weight: int) -> Value:
        """Keep a value of about `weight` bytes; returns it."""
        with self._lock:
            self._values[key] = value, weight
            self._values.move_to_end(key)
            while len(self._values) > 1 and (len(self._values) > self._most or self._weight() > self._most_bytes):
                self._values.popitem(last=False)
        return value

    def __len__(self) -> int:
        return len(self._values)

    def _weight(self) -> int:
        return sum(weight for _, weight in self._values.values())
