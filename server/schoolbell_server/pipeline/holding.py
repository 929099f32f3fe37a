"""Keep what is due while a circuit is open: HELD, without an attempt, until it closes.

Each delivery is written once. It stays due, so that it leaves as soon as its route claims again,
and it expires like any other that waits.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from schoolbell_server.domain.delivery import hold
from schoolbell_server.domain.kinds import Platform
from schoolbell_server.pipeline.standing import moved_to, standing_of
from schoolbell_server.status import journal
from schoolbell_storage.claims import Waiting, lock_pending, waiting
from schoolbell_storage.deliveries import DeliveryRow, store_deliveries
from schoolbell_storage.engine import Storage

_SLACK = dt.timedelta(minutes=1)
_EVER = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


class Holding:
    """Holds the deliveries of one (app_id, platform)."""

    def __init__(self, storage: Storage, route: tuple[str, Platform], step: int) -> None:
        """Write at most `step` deliveries in one transaction."""
        self._storage = storage
        self._route = route
        self._step = step
        self._since = _EVER

    async def hold_due(self, now: dt.datetime) -> bool:
        """Hold what is due; return whether there may be more.

        What was held already is not looked through again: a long outage has a long queue.
        """
        async with self._storage.read() as connection:
            places = await waiting(connection, self._route)
        held = await self._write(now, places) if places else 0
        if held == self._step:
            return True
        self._since = now - _SLACK
        return False

    def end(self) -> None:
        """Note that something may leave again."""
        self._since = _EVER

    async def _write(self, now: dt.datetime, places: Sequence[Waiting]) -> int:
        rows: list[DeliveryRow] = []
        span = (self._since, now)
        async with self._storage.write() as connection:
            for place in places:
                most = self._step - len(rows)
                rows += await lock_pending(connection, self._route, place, span, most)
            held = [moved_to(row, hold(standing_of(row), row.due_time), now) for row in rows]
            await store_deliveries(connection, held)
            await journal.record(connection, now, held)
        return len(held)
