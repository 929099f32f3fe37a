"""What one phone is told of one fact leaves in the order in which it came."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager

_Telling = tuple[str, str, str]
"""(district, address, collapse key)"""


class Order:
    """Lets messages with a telling in common wait for one another, in turn."""

    def __init__(self) -> None:
        self._last: dict[_Telling, asyncio.Event] = {}

    @asynccontextmanager
    async def alone(self, tellings: Collection[_Telling]) -> AsyncIterator[None]:
        """Wait for all that came before with one of these tellings."""
        before = {self._last[one] for one in tellings if one in self._last}
        ended = asyncio.Event()
        self._last.update(dict.fromkeys(tellings, ended))
        try:
            for other in before:
                await other.wait()
            yield
        finally:
            ended.set()
            for one in tellings:
                if self._last.get(one) is ended:
                    del self._last[one]
