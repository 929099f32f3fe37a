"""Withdrawals go before everything else, and still take little of the time that others need.

One message of them is worked on at a time in a hub, by districts in turn, and a district rests
after each for several times as long as it took. So it has a fifth of the time at most, however many
it sends.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

_REST = 4
"""A district rests for so many times as long as its message took."""
_LONGEST_REST = 1.0  # seconds


class WithdrawalTurns:
    """The turns of one hub."""

    def __init__(self) -> None:
        self._turn = asyncio.Lock()  # whoever waits longest is next
        self._own: dict[str, asyncio.Lock] = {}
        """Lets one message of a district wait for its turn."""
        self._rested: dict[str, float] = {}
        """When a district has rested, by the monotonic clock."""

    @asynccontextmanager
    async def of(self, district: str) -> AsyncIterator[None]:
        """Wait for a district's turn, which lasts as long as the block."""
        async with self._own.setdefault(district, asyncio.Lock()):
            await asyncio.sleep(self._rested.get(district, 0.0) - time.monotonic())
            async with self._turn:
                began = time.monotonic()
                try:
                    yield
                finally:
                    end = time.monotonic()
                    rest = min(_REST * (end - began), _LONGEST_REST)
                    self._rested[district] = end + rest
