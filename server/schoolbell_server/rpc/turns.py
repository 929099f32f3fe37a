"""Only so much of one sort of work at once, so that it leaves memory and time to everybody else."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext


class Turns:
    """Lets so many pieces of work of a key, and of all keys, go on at once; the others wait."""

    def __init__(self, *, of_a_key: int, of_all: int | None = None) -> None:
        """Without `of_all` there is no bound for all keys."""
        self._all = nullcontext() if of_all is None else asyncio.Semaphore(of_all)
        self._keys: defaultdict[str, asyncio.Semaphore] = defaultdict(
            lambda: asyncio.Semaphore(of_a_key)
        )
        self._users: Counter[str] = Counter()

    @asynccontextmanager
    async def turn(self, key_id: str) -> AsyncIterator[None]:
        """Wait for a turn of a key, and hold it while the block runs."""
        self._users[key_id] += 1
        try:
            async with self._keys[key_id], self._all:
                yield
        finally:
            self._users[key_id] -= 1
            if not self._users[key_id]:
                del self._users[key_id], self._keys[key_id]
