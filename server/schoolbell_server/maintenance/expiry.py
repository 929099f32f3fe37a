"""End deliveries whose time is over while they wait: they are never sent late."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

from schoolbell_server.domain.transitions import expire
from schoolbell_server.status import journal
from schoolbell_storage.claims import lock_expired
from schoolbell_storage.deliveries import store_deliveries
from schoolbell_storage.engine import Storage

INTERVAL = 1.0  # seconds
_STEP = 500


class Expiry:
    """Looks for what has run out of time."""

    def __init__(self, storage: Storage, clock: Callable[[], dt.datetime]) -> None:
        self._storage = storage
        self._clock = clock

    async def round(self) -> None:
        """Expire all that is due."""
        while await self.step() == _STEP:
            pass

    async def step(self) -> int:
        """Expire what is due, a bounded number at once; return how many."""
        now = self._clock()
        async with self._storage.write() as connection:
            rows = await lock_expired(connection, now, _STEP)
            ended = [expire(row, now) for row in rows]
            await store_deliveries(connection, ended)
            await journal.record(connection, now, ended)
        return len(ended)
