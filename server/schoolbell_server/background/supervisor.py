"""Keep background work going: a fault in one piece of it ends neither the others nor the server."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Protocol

from prometheus_client import Counter

from schoolbell_server.background.stopping import Stop
from schoolbell_server.observability.log import get_logger

FIRST_PAUSE = 1.0
"""Seconds before work begins anew after a fault; doubled at every fault that follows soon."""
LONGEST_PAUSE = 60.0

_logger = get_logger(__name__)


class CountsFaults(Protocol):
    """Metrics with a counter of faults, by the name of the work."""

    background_faults: Counter


class Supervisor:
    """Starts a server's background work, each piece as a task that outlives its faults."""

    def __init__(
        self,
        tasks: asyncio.TaskGroup,
        stop: Stop,
        metrics: CountsFaults,
        first_pause: float = FIRST_PAUSE,
    ) -> None:
        """Start work in a group; `stop` ends the pause after a fault, and with it the work."""
        self._tasks = tasks
        self._stop = stop
        self._metrics = metrics
        self._first_pause = first_pause

    def start(
        self, name: str, work: Callable[[], Awaitable[None]], stop: Stop | None = None
    ) -> asyncio.Task[None]:
        """Start a piece of work that runs until it returns; `stop` is its own where it has one.

        `name` is one of few: a metric has it.
        """
        return self._tasks.create_task(self._keep(name, work, stop or self._stop), name=name)

    async def _keep(self, name: str, work: Callable[[], Awaitable[None]], stop: Stop) -> None:
        pause = self._first_pause
        while True:
            began = time.monotonic()
            try:
                await work()
            except Exception as error:
                _logger.error(
                    "background work broke and begins anew",
                    extra={"task": name, "seconds": pause},
                    exc_info=error,
                )
                self._metrics.background_faults.labels(name).inc()
            else:
                return
            if time.monotonic() - began > LONGEST_PAUSE:
                pause = self._first_pause
            if not await stop.pause(pause):
                return
            pause = min(pause * 2, LONGEST_PAUSE)
