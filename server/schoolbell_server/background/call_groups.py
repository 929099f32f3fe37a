"""What calls ask at the same time, done together, by a task of no call.

Nobody lingers: a call that comes alone is done at once, and what comes meanwhile is the next group.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextvars import Context
from typing import Generic

from schoolbell_server.background.fair_queue import Share
from schoolbell_server.background.group_commit import GroupCommit, Item, Result


class CallGroups(Generic[Item, Result]):
    """Does what calls ask in groups, while there is something to do."""

    def __init__(
        self, work: Callable[[Sequence[Item]], Awaitable[Sequence[Result]]], most: int, name: str
    ) -> None:
        """`work` answers `most` units of weight at most at once; `name` is its task's."""
        self._groups: GroupCommit[Item, Result] = GroupCommit(work, most)
        self._name = name
        self._worker: asyncio.Task[None] | None = None

    async def ask(self, item: Item, weight: int = 1, *, share: Share) -> Result:
        """Wait for the item's group and return its result; callers of other shares take turns.

        It is done even where its caller goes away meanwhile.
        """
        answer = self._groups.enqueue(item, weight, share=share)
        if self._worker is None or self._worker.done():
            # Of no call: whoever goes away takes nobody along.
            work = self._groups.work()
            self._worker = asyncio.create_task(work, name=self._name, context=Context())
        return await asyncio.shield(answer)

    async def drain(self, seconds: float) -> None:
        """Wait until what was asked is done, so many seconds at most."""
        if self._worker is not None:
            await asyncio.wait([self._worker], timeout=seconds)
