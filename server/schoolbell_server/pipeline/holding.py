"""Keep what is due while a circuit is open: HELD, without an attempt, until it closes.

Each delivery is written once. It stays due, so that it leaves as soon as its route claims again,
and it expires like any other that waits.
"""

from __future__ import annotations

import datetime as dt

from schoolbell_server.domain.delivery import hold
from schoolbell_server.domain.kinds import Platform
from schoolbell_server.pipeline.standing import moved_to, standing_of
from schoolbell_server.status import journal
from schoolbell_storage.deliveries import store_deliveries
from schoolbell_storage.engine import Storage
from schoolbell_storage.troubled import pending_since

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
            found = await pending_since(connection, self._route, self._since, now, 1)
        held = await self._write(now) if found else 0
        if held == self._step:
            return True
        self._since = now - _SLACK
        return False

    def end(self) -> None:
        """Note that something may leave again."""
        self._since = _EVER

    async def _write(self, now: dt.datetime) -> int:
        async with self._storage.write() as connection:
            rows = await pending_since(
                connection, self._route, self._since, now, self._step, lock=True
            )
            held = [moved_to(row, hold(standing_of(row), row.due_time), now) for row in rows]
            await store_deliveries(connection, held)
            await journal.record(connection, now, held)
        return len(held)
