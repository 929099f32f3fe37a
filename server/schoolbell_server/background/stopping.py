"""Stop background loops between two turns, never in the middle of a transaction."""

from __future__ import annotations

import asyncio


class Stop:
    """Says once that a server ends; loops look at it whenever they pause."""

    def __init__(self) -> None:
        self._asked = asyncio.Event()

    def ask(self) -> None:
        """Ask every loop to end after its present turn."""
        self._asked.set()

    @property
    def asked(self) -> bool:
        """Return whether the end was asked for."""
        return self._asked.is_set()

    async def pause(self, seconds: float) -> bool:
        """Wait, and return whether to go on; a stop ends the wait."""
        if self._asked.is_set():  # also where the wait is none at all
            return False
        try:
            await asyncio.wait_for(self._asked.wait(), seconds)
        except TimeoutError:
            return True
        return False
