"""Work for whoever asks again and again: one piece in progress for each, and of those that wait only the newest."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Result = TypeVar("Result")


class Superseded(Exception):
    """Something newer was asked for; this is not done any more."""


class Busy(Exception):
    """Too many have work in progress already."""


class Newest:
    """Runs work in threads, off the event loop, for at most so many at once."""

    def __init__(self, threads: int = 2, most: int = 64):
        self._most = most
        self._pool = ThreadPoolExecutor(threads, "followemoji-editor")
        self._waiting: dict[str, asyncio.Future[bool] | None] = {}  # of who has work in progress

    async def run(self, who: str, work: Callable[[], Result]) -> Result:
        """What `work` returns or raises. Raises Superseded where the same `who` asked for something else meanwhile,
        Busy where too many others wait."""
        if who in self._waiting:
            older, turn = self._waiting[who], asyncio.get_running_loop().create_future()
            self._waiting[who] = turn
            if older is not None and not older.done():
                older.set_result(False)
            try:
                if not await turn:
                    raise Superseded
            except asyncio.CancelledError:  # who hangs up in its turn lets the next one in
                if turn.done() and not turn.cancelled() and turn.result():
                    self._next(who)
                raise
        elif len(self._waiting) >= self._most:
            raise Busy
        else:
            self._waiting[who] = None
        try:
            return await asyncio.shield(asyncio.get_running_loop().run_in_executor(self._pool, work))
        finally:
            self._next(who)

    def _next(self, who: str) -> None:
        following = self._waiting[who]
        if following is None or following.done():
            del self._waiting[who]
        else:
            self._waiting[who] = None
            following.set_result(True)
