"""How long to wait before trying again: exponential, with full jitter."""

from __future__ import annotations

import asyncio
import random
import time

_FIRST = 0.1  # seconds
_MOST = 5.0  # seconds


class Backoff:
    """The pauses of one series of tries."""

    def __init__(self) -> None:
        self._bound = _FIRST

    def reset(self) -> None:
        """Begin a new series: the last try got somewhere."""
        self._bound = _FIRST

    def next(self) -> float:
        """Return the next pause in seconds."""
        pause = random.uniform(0, self._bound)
        self._bound = min(_MOST, self._bound * 2)
        return pause

    async def pause(self) -> None:
        """Wait without blocking the loop."""
        await asyncio.sleep(self.next())

    def block(self) -> None:
        """Wait in this thread."""
        time.sleep(self.next())
