"""Keep what is due while a circuit is open: HELD, without an attempt, until it closes.

Each delivery is written once. It stays due, so that it leaves as soon as its route claims again,
and it expires like any other that waits.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from schoolbell_server.domain.delivery import Delivery
from schoolbell_server.domain.kinds import Platform
from schoolbell_server.domain.transitions import hold
from schoolbell_server.status import journal
from schoolbell_storage.claims import Waiting, lock_pending, waiting
from schoolbell_storage.deliveries import store_deliveries
from schoolbell_storage.engine import Storage
from schoolbell_storage.instances import count_workers

_SLACK = dt.timedelta(minutes=1)
_OTHERS_TURN = dt.timedelta(seconds=5)
"""For which what is due is left to other servers, whose circuits may be closed."""
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
            alone = await count_workers(connection) < 2
        until = now if alone else now - _OTHERS_TURN
        held = await self._write(now, until, places) if places else 0
        if held == self._step:
            return True
        self._since = until - _SLACK
        return False

    def end(self) -> None:
        """Note that something may leave again."""
        self._since = _EVER

    async def _write(self, now: dt.datetime, until: dt.datetime, places: Sequence[Waiting]) -> int:
        """Hold what fell due until a time; less far back where the clock was set back since."""
        rows: list[Delivery] = []
        span = (min(self._since, until - _SLACK), until)
        async with self._storage.write() as connection:
            for place in places:
                most = self._step - len(rows)
                rows += await lock_pending(connection, self._route, place, span, most)
            held = [hold(row, row.due_time, now) for row in rows]
            await store_deliveries(connection, held)
            await journal.record(connection, now, held)
        return len(held)
