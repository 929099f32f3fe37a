"""Stop background loops between two turns, never in the middle of a transaction."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

_AGAIN = 5.0  # seconds


class Stop:
    """Says once that a server ends; loops look at it whenever they pause."""

    def __init__(self) -> None:
        self._asked = asyncio.Event()
        self._woken: list[asyncio.Event] = []

    def ask(self) -> None:
        """Ask every loop to end after its present turn."""
        self._asked.set()
        for event in self._woken:
            event.set()

    def wakes(self, event: asyncio.Event) -> None:
        """Set this event too once the end is asked for: a loop waits for it."""
        self._woken.append(event)

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


async def cancel_all(tasks: Iterable[asyncio.Task[None]]) -> None:
    """Cancel tasks and wait until they have ended.

    One that goes on is cancelled again: Python 3.11's `wait_for`, which libraries use, may swallow
    a cancellation that comes as what it waits for is done.
    """
    left = set(tasks)
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=_AGAIN)
