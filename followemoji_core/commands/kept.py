"""What animations in one process have in common, made once: detectors, faces, motions, networks."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TypeVar

Thing = TypeVar("Thing")
# How many of a kind are kept, those asked for last.
_MOST = {"detector": 1, "studio": 1, "face": 64, "motion": 4}


class Kept:
    """Things by kind and by all that they were made from. Use it in a `with` block, at whose end what can be closed
    is."""

    def __init__(self) -> None:
        self._things: dict[str, dict[Hashable, object]] = {kind: {} for kind in _MOST}

    def __enter__(self) -> Kept:
        return self

    def __exit__(self, *error) -> None:
        self.close()

    def close(self) -> None:
        for kind in _MOST:
            self._make_room(kind, 0)

    def once(self, kind: str, made_from: Hashable, make: Callable[[], Thing]) -> Thing:
        """The thing of that kind made from the same before, or `make()`. Room is made before: two sets of networks may
        not fit into the memory."""
        things = self._things[kind]
        thing = things.pop(made_from, None)
        if thing is None:
            self._make_room(kind, _MOST[kind] - 1)
            thing = make()
        things[made_from] = thing
        return thing

    def _make_room(self, kind: str, most: int) -> None:
        things = self._things[kind]
        while len(things) > most:
            close = getattr(things.pop(next(iter(things))), "close", None)
            if close is not None:
                close()
