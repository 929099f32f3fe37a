"""A sequence that keeps its newest entries and lets readers follow it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from itertools import islice
from typing import Generic, TypeVar

T = TypeVar("T")


class BoundedLog(Generic[T]):
    """Entries count from 1; the oldest are forgotten, the count is not."""

    def __init__(self, size: int) -> None:
        self._entries: deque[T] = deque(maxlen=size)
        self._count = 0
        self._readers: set[asyncio.Event] = set()

    @property
    def count(self) -> int:
        """Entries ever appended: the index of the newest."""
        return self._count

    def append(self, entry: T) -> int:
        """Append an entry and return its index."""
        self._count += 1
        self._entries.append(entry)
        for reader in self._readers:
            reader.set()
        return self._count

    def since(self, index: int = 0, limit: int | None = None) -> list[T]:
        """Return the entries kept after an index, oldest first."""
        forgotten = self._count - len(self._entries)
        start = max(0, index - forgotten)
        stop = None if limit is None else start + limit
        return list(islice(self._entries, start, stop))

    def clear(self) -> None:
        """Forget the entries and the count."""
        self._entries.clear()
        self._count = 0

    async def follow(self, index: int = 0) -> AsyncIterator[list[T]]:
        """Yield the entries after an index, then new ones as they come, in batches.

        A reader slower than the log loses the oldest entries, never the order.
        """
        news = asyncio.Event()
        self._readers.add(news)
        try:
            while True:
                news.clear()
                index = min(index, self._count)  # the log may have been cleared
                entries, index = self.since(index), self._count
                if entries:
                    yield entries
                if index == self._count:
                    await news.wait()
        finally:
            self._readers.discard(news)
