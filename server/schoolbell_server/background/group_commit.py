"""Group commit without a linger: take what queued up while the last commit ran.

Who waits beside others has turns with them (`fair_queue`), and where several callers come groups
are small, so that nobody waits long for the one that is under way. What somebody waits for by a
call of its own takes turns with what comes in bulk.

An item that makes the commit fail for a reason of its own spoils nobody else's: the group is
then committed again one by one, and only the culprit's caller sees the fault.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from schoolbell_server.background.fair_queue import FairQueue, Share
from schoolbell_server.observability.log import get_logger
from schoolbell_storage.errors import Conflict, StorageError

_TRIES = 5
_CROWDED = 1.0
"""Seconds for which groups stay small after items of different callers came one after the other."""

_logger = get_logger(__name__)

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(slots=True)
class _Waiting(Generic[Item, Result]):
    item: Item
    weight: int
    """Of the item, for the group's most."""
    answer: asyncio.Future[Result]
    since: float
    """By the monotonic clock."""


class GroupCommit(Generic[Item, Result]):
    """Collects items and commits them together, one group at a time, in order."""

    def __init__(
        self,
        commit: Callable[[Sequence[Item]], Awaitable[Sequence[Result]]],
        most: int,
        few: int | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Commit at most `most` units of weight at once (one heavier item goes alone).

        No more than `few`, where given, while items of several callers come. `clock` returns
        seconds.
        """
        self._commit = commit
        self._most = most
        self._few = most if few is None else few
        self._clock = clock
        self._urgent: FairQueue[_Waiting[Item, Result]] = FairQueue()
        self._single: FairQueue[_Waiting[Item, Result]] = FairQueue()
        self._bulk: FairQueue[_Waiting[Item, Result]] = FairQueue()
        self._bulk_next = False
        self._last_share: Share | None = None
        self._mixed = float("-inf")
        """When an item last came of another caller than the one before it."""
        self._committing: list[_Waiting[Item, Result]] = []
        self._queued = 0
        self._arrived = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    async def submit(self, item: Item, weight: int = 1) -> Result:
        """Wait until the item's group is committed and return its result.

        The item is committed even where its caller goes away meanwhile.
        """
        return await asyncio.shield(self.enqueue(item, weight))

    def enqueue(
        self,
        item: Item,
        weight: int = 1,
        *,
        urgent: bool = False,
        single: bool = False,
        share: Share = ("", ""),
    ) -> asyncio.Future[Result]:
        """Queue an item now, an urgent one before all that are not; the future is its result.

        A single one, of a call of its own, does not wait behind what came before in bulk.
        """
        answer: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        waiting = _Waiting(item, weight, answer, self._clock())
        queue = self._urgent if urgent else self._single if single else self._bulk
        queue.put(waiting, weight, share)
        if share != self._last_share:
            self._mixed = float("-inf") if self._last_share is None else waiting.since
            self._last_share = share
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
        queues = (self._urgent, self._single, self._bulk)
        firsts = [*self._committing, *(first for queue in queues for first in queue.firsts())]
        return self._clock() - min(one.since for one in firsts) if firsts else 0.0

    async def run(self) -> None:
        """Commit groups until cancelled; cancel it once it is `drained`."""
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            await self.work()

    async def work(self) -> None:
        """Commit groups until nothing waits; nobody else may do so meanwhile."""
        while self._urgent or self._single or self._bulk:
            self._committing = self._take()
            await self._commit_group(self._committing)
            self._committing = []
        self._idle.set()

    async def drained(self) -> None:
        """Wait until everything that was submitted is committed."""
        await self._idle.wait()

    def _take(self) -> list[_Waiting[Item, Result]]:
        crowded = self._clock() - self._mixed < _CROWDED
        group = self._next_queue().take(self._few if crowded else self._most)
        self._queued -= sum(one.weight for one in group)
        return group

    def _next_queue(self) -> FairQueue[_Waiting[Item, Result]]:
        """Return whose turn it is. What is urgent goes alone: others take their time."""
        if self._urgent:
            return self._urgent
        if self._single and not (self._bulk and self._bulk_next):
            self._bulk_next = True
            return self._single
        self._bulk_next = False
        return self._bulk

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
