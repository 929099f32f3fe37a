"""Group commit without a linger: take what queued up while the last commit ran.

An item that makes the commit fail for a reason of its own spoils nobody else's: the group is
then committed again one by one, and only the culprit's caller sees the fault.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from schoolbell_server.observability.log import get_logger
from schoolbell_storage.errors import Conflict, StorageError

_TRIES = 5

_logger = get_logger(__name__)

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(slots=True)
class _Waiting(Generic[Item, Result]):
    item: Item
    weight: int
    answer: asyncio.Future[Result]
    since: float
    """By the monotonic clock."""


class GroupCommit(Generic[Item, Result]):
    """Collects items and commits them together, one group at a time, in order."""

    def __init__(
        self, commit: Callable[[Sequence[Item]], Awaitable[Sequence[Result]]], most: int
    ) -> None:
        """Commit at most `most` units of weight at once (one heavier item goes alone)."""
        self._commit = commit
        self._most = most
        self._urgent: deque[_Waiting[Item, Result]] = deque()
        self._waiting: deque[_Waiting[Item, Result]] = deque()
        self._committing: list[_Waiting[Item, Result]] = []
        self._queued = 0
        self._arrived = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    async def submit(self, item: Item, weight: int = 1, *, urgent: bool = False) -> Result:
        """Wait until the item's group is committed and return its result.

        The item is committed even where its caller goes away meanwhile.
        """
        return await asyncio.shield(self.enqueue(item, weight, urgent=urgent))

    def enqueue(
        self, item: Item, weight: int = 1, *, urgent: bool = False
    ) -> asyncio.Future[Result]:
        """Queue an item now, an urgent one before all that are not; the future is its result."""
        answer: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        waiting = _Waiting(item, weight, answer, time.monotonic())
        (self._urgent if urgent else self._waiting).append(waiting)
        self._queued += weight
        self._idle.clear()
        self._arrived.set()
        return answer

    @property
    def queued(self) -> int:
        """Return how much weight waits."""
        return self._queued

    @property
    def oldest(self) -> float:
        """Return for how long the oldest unanswered item has waited, in seconds; 0 if none does."""
        queues = (self._committing, self._urgent, self._waiting)
        firsts = [queue[0].since for queue in queues if queue]
        return time.monotonic() - min(firsts) if firsts else 0.0

    async def run(self) -> None:
        """Commit groups until cancelled; cancel it once it is `drained`."""
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            while self._urgent or self._waiting:
                self._committing = self._take()
                await self._commit_group(self._committing)
                self._committing = []
            self._idle.set()

    async def drained(self) -> None:
        """Wait until everything that was submitted is committed."""
        await self._idle.wait()

    def _take(self) -> list[_Waiting[Item, Result]]:
        group: list[_Waiting[Item, Result]] = []
        weight = 0
        queue = self._urgent or self._waiting  # what is urgent goes alone: others take their time
        while queue and (not group or weight + queue[0].weight <= self._most):
            weight += queue[0].weight
            group.append(queue.popleft())
        self._queued -= weight
        return group

    async def _commit_group(self, group: list[_Waiting[Item, Result]]) -> None:
        try:
            results = await self._attempt([waiting.item for waiting in group])
        except StorageError as error:
            _fail(group, error)
        except Exception as error:  # noqa: BLE001 - the boundary between callers
            await self._one_by_one(group, error)
        else:
            for waiting, result in zip(group, results, strict=True):
                if not waiting.answer.done():
                    waiting.answer.set_result(result)

    async def _attempt(self, items: list[Item]) -> Sequence[Result]:
        """Commit, and again where another transaction stood in the way."""
        for _ in range(_TRIES - 1):
            try:
                return await self._commit(items)
            except Conflict as error:
                _logger.warning("transaction tried again", extra={"cause": str(error)})
        return await self._commit(items)

    async def _one_by_one(self, group: list[_Waiting[Item, Result]], error: Exception) -> None:
        if len(group) == 1:
            _fail(group, error)
            return
        for waiting in group:
            await self._commit_group([waiting])


def _fail(group: Sequence[_Waiting[Item, Result]], error: Exception) -> None:
    for waiting in group:
        if not waiting.answer.done():
            waiting.answer.set_exception(error)
