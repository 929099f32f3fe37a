"""Only so many heavy reads at once, so that they leave readers and time to everybody else."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Reads:
    """Lets so many heavy reads of a key, and of all keys, work at once; the others wait."""

    def __init__(self, *, of_a_key: int, of_all: int) -> None:
        self._all = asyncio.Semaphore(of_all)
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
