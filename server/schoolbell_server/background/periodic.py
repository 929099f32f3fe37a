"""The two loops of a server's own work: again and again at an interval, and until it is stored."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from schoolbell_server.background.stopping import Stop
from schoolbell_server.observability.log import get_logger
from schoolbell_storage.errors import StorageError

FAULT_PAUSE = 1.0
"""Seconds after which what storage did not take is tried again."""

_logger = get_logger(__name__)

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class Periodic:
    """Work that is done at an interval until the server stops.

    What ends in one of `faults` is logged and done again at the next turn. Another fault is left to
    who supervises it, who begins it anew.
    """

    task: str
    """Names it in the log."""
    work: Callable[[], Awaitable[object]]
    interval: float
    """Seconds from the end of one turn to the next."""
    failure: str
    """What the log says where it ends in one of `faults`."""
    faults: tuple[type[Exception], ...] = (StorageError,)
    at_once: bool = False
    """The first turn does not wait for an interval."""
    at_end: bool = False
    """It has one more turn after the stop."""

    async def run(self, stop: Stop) -> None:
        """Work until stopped."""
        if self.at_once:
            await self.turn()
        while await stop.pause(self.interval):
            await self.turn()
        if self.at_end:
            await self.turn()

    async def turn(self) -> None:
        """Work once."""
        try:
            await self.work()
        except self.faults as error:
            _logger.warning(self.failure, extra={"task": self.task, "cause": str(error)})


async def until_stored(
    work: Callable[[], Awaitable[Result]],
    failure: str,
    *,
    count: int,
    faults: type[Exception] = StorageError,
) -> Result:
    """Do work about so many deliveries until storage takes it; return its result.

    `failure` is what the log says each time that it does not, be it for one of these `faults`.
    """
    while True:
        try:
            return await work()
        except faults as error:
            # The text of what is not of storage may quote what is stored.
            cause = str(error) if isinstance(error, StorageError) else type(error).__name__
            _logger.warning(failure, extra={"cause": cause, "count": count})
            await asyncio.sleep(FAULT_PAUSE)
