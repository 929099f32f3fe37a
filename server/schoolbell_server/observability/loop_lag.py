"""How late the event loop is, and when it last stood still.

A process that is stopped, swapped out or starved of the processor finds every timer due at once
when it goes on, also those of answers that arrived meanwhile and that nobody has read yet.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

from schoolbell_server.observability.log import get_logger

BEAT = 0.25  # seconds between two looks
STALL = 1.0
"""Seconds by which a look has to be late to count as a stall."""
GRACE = 3.0
"""Seconds after a stall in which what arrived during it is read before anything times out."""

_logger = get_logger(__name__)


class Limit:
    """Cancels every task that still waits when the time is over: one timer for a whole batch."""

    def __init__(self, lag: LoopLag, seconds: float) -> None:
        """Must be made inside the event loop."""
        self._lag = lag
        self._cancelled: set[asyncio.Task[object]] = set()
        self.waiting: set[asyncio.Task[object]] = set()
        """Whoever is to be cancelled adds itself, and leaves when it has what it waits for."""
        self._timer = asyncio.get_running_loop().call_later(max(seconds, 0.0), self._expire)

    def struck(self, task: asyncio.Task[object]) -> bool:
        """Return whether a task that finds itself cancelled was so by this limit: once."""
        if task not in self._cancelled:
            return False
        self._cancelled.discard(task)
        task.uncancel()
        return True

    def close(self) -> None:
        """Cancel nobody any more."""
        self._timer.cancel()

    def _expire(self) -> None:
        """After a stall, let in first what has arrived meanwhile: once."""
        grace = self._lag.grace()
        if grace > 0:
            self._timer = asyncio.get_running_loop().call_later(grace, self._strike)
        else:
            self._strike()

    def _strike(self) -> None:
        self._cancelled = set(self.waiting)
        for task in self._cancelled:
            task.cancel()


class LoopLag:
    """Measures how late timers run; nothing counts as a stall while nobody has it `measured`."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` returns seconds; it must go on while the process is stopped."""
        self._clock = clock
        self._due: float | None = None
        """When the next look is to be; None while nobody runs it."""
        self._timer: asyncio.TimerHandle | None = None
        self._noted = False
        """The stall in which that look is late is known."""
        self._stall_end = float("-inf")

    @contextmanager
    def measured(self, observe: Callable[[float], None]) -> Iterator[None]:
        """Look while the block runs; hand every look's lag over, in seconds."""
        self._schedule(observe)
        try:
            yield
        finally:
            if self._timer is not None:
                self._timer.cancel()
            self._due = self._timer = None

    def grace(self) -> float:
        """Return for how many seconds yet nothing should time out: 0 but after a stall."""
        self._look()
        return max(0.0, self._stall_end + GRACE - self._clock())

    @asynccontextmanager
    async def timeout(self, seconds: float) -> AsyncIterator[None]:
        """Cancel the block after so many seconds, which then raises TimeoutError.

        Where the loop has just stood still, answers that have arrived are let in first: once, and
        for at most `GRACE`.
        """
        async with asyncio.timeout(None) as limit:
            loop = asyncio.get_running_loop()

            def expire() -> None:
                limit.reschedule(loop.time() + self.grace())

            timer = loop.call_later(max(seconds, 0.0), expire)
            try:
                yield
            finally:
                timer.cancel()

    def limit(self, seconds: float) -> Limit:
        """Return one limit for many tasks; close it when they have ended."""
        return Limit(self, seconds)

    def _schedule(self, observe: Callable[[float], None]) -> None:
        """Look after a beat, and so on.

        A callback and not a task: it runs among the timers, before those that were due later.
        """

        def beat() -> None:
            observe(self._look())
            self._schedule(observe)

        self._due, self._noted = self._clock() + BEAT, False
        self._timer = asyncio.get_running_loop().call_later(BEAT, beat)

    def _look(self) -> float:
        """Return how late the next look is, in seconds, and take note of a stall."""
        if self._due is None:
            return 0.0
        now = self._clock()
        lag = max(0.0, now - self._due)
        if lag >= STALL and not self._noted:
            self._noted, self._stall_end = True, now
            _logger.warning("event loop stood still", extra={"seconds": round(lag, 3)})
        return lag
