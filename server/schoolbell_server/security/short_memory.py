"""What was read lately, for so short a time that nobody needs to be told of a change."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

Name = TypeVar("Name", bound=Hashable)
Value = TypeVar("Value")


class ShortMemory(Generic[Name, Value]):
    """Remembers what names lead to, a bounded number of them."""

    def __init__(
        self,
        read: Callable[[Name], Awaitable[Value]],
        *,
        seconds: float,
        most: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`read` finds what is not remembered."""
        self._read = read
        self._seconds = seconds
        self._most = most
        self._clock = clock
        self._known: dict[Name, tuple[float, Value]] = {}
        self._forgotten = 0

    async def get(self, name: Name) -> Value:
        """Return what a name leads to, as it is or was a moment ago."""
        now = self._clock()
        known = self._known.get(name)
        if known is not None and known[0] > now:
            return known[1]
        forgotten = self._forgotten
        value = await self._read(name)
        if forgotten != self._forgotten:
            return value  # read before what was changed meanwhile: good for this call alone
        self._known.pop(name, None)  # what was looked up last goes last
        if len(self._known) >= self._most:
            del self._known[next(iter(self._known))]
        self._known[name] = (now + self._seconds, value)
        return value

    def forget(self) -> None:
        """Read everything again: something has changed."""
        self._known.clear()
        self._forgotten += 1
