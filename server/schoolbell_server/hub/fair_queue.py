"""Messages that wait in a hub, shared out by district, attendance first.

The next message is one of attendance, as long as its district has few of them in work; else one of
the district that has the least in work, of the lane that goes first. So a district that floods one
lane, or all of them, takes what others leave.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from schoolbell_server.domain.lanes import Lane

URGENT_AT_ONCE = 2
"""Messages of a district's attendance in work at once that go before everything else."""

Item = TypeVar("Item")


@dataclass(slots=True)
class _District(Generic[Item]):
    lanes: tuple[deque[Item], ...] = field(default_factory=lambda: tuple(deque() for _ in Lane))
    working: int = 0
    urgent: int = 0
    """Of `working`, attendance."""

    @property
    def first_lane(self) -> int | None:
        """Return the lane of the next message; None where none waits."""
        return next((lane for lane, waiting in enumerate(self.lanes) if waiting), None)


class FairQueue(Generic[Item]):
    """Bounded by what the broker hands out: each district's prefetch."""

    def __init__(self) -> None:
        self._districts: dict[str, _District[Item]] = {}
        self._urgent: OrderedDict[str, None] = OrderedDict()
        self._by_working: dict[int, OrderedDict[str, None]] = {}
        """Districts with messages that wait, by how many are in work, each in turn."""
        self._arrived = asyncio.Condition()

    async def put(self, district: str, lane: int, item: Item, *, first: bool = False) -> None:
        """Add a message of a district, before its others of the lane or after them."""
        found = self._districts.setdefault(district, _District())
        (found.lanes[lane].appendleft if first else found.lanes[lane].append)(item)
        async with self._arrived:
            self._place(district, found)
            self._arrived.notify()

    async def take(self) -> tuple[str, int, Item]:
        """Wait for a message; return its district, its lane and itself. `done` ends its work."""
        async with self._arrived:
            while (name := self._next()) is None:
                await self._arrived.wait()
            found = self._districts[name]
            lane = found.first_lane
            if lane is None:
                raise RuntimeError("a district without messages was next")
            item = found.lanes[lane].popleft()
            self._remove(name, found)
            found.working += 1
            found.urgent += lane == 0
            self._place(name, found)
            return name, lane, item

    async def done(self, district: str, lane: int) -> None:
        """Say that a message is out of work."""
        found = self._districts[district]
        async with self._arrived:
            self._remove(district, found)
            found.working -= 1
            found.urgent -= lane == 0
            self._place(district, found)
            if not found.working and found.first_lane is None:
                del self._districts[district]
            self._arrived.notify()

    def _next(self) -> str | None:
        if self._urgent:
            return next(iter(self._urgent))
        lowest = min(self._by_working, default=None)
        return None if lowest is None else next(iter(self._by_working[lowest]))

    def _place(self, name: str, found: _District[Item]) -> None:
        """Put a district in its turn, at the end where it was in none."""
        if found.first_lane is None:
            return
        self._by_working.setdefault(found.working, OrderedDict()).setdefault(name)
        if found.lanes[0] and found.urgent < URGENT_AT_ONCE:
            self._urgent.setdefault(name)

    def _remove(self, name: str, found: _District[Item]) -> None:
        self._urgent.pop(name, None)
        turn = self._by_working.get(found.working)
        if turn is not None:
            turn.pop(name, None)
            if not turn:
                del self._by_working[found.working]
