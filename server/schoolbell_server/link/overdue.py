"""End what a hub was passed on, has not answered, and may not send any more."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

from schoolbell_server.domain.transitions import expire
from schoolbell_server.status import journal
from schoolbell_storage.claims import lock_overdue
from schoolbell_storage.deliveries import store_deliveries
from schoolbell_storage.engine import Storage

INTERVAL = 15.0  # seconds
GRACE = dt.timedelta(minutes=1)
"""After its expiry, for an answer that is on its way. A hub checks expiry by its own clock."""
_STEP = 500


class Overdue:
    """Looks for attempts without an outcome; one that comes later is written all the same."""

    def __init__(self, storage: Storage, clock: Callable[[], dt.datetime]) -> None:
        self._storage = storage
        self._clock = clock

    async def round(self) -> None:
        """End all that is overdue."""
        while await self._step() == _STEP:
            pass

    async def _step(self) -> int:
        now = self._clock()
        async with self._storage.write() as connection:
            rows = await lock_overdue(connection, now - GRACE, _STEP)
            ended = [expire(row, now) for row in rows]
            await store_deliveries(connection, ended)
            await journal.record(connection, now, ended)
        return len(ended)
