"""Bring forward what a clock that ran ahead has put off.

A delivery waits until a time that is counted from when it was written. Where the clock is set right
afterwards, that time lies as far in the future as the clock had been ahead.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Collection

from schoolbell_server.background.stopping import Stop
from schoolbell_server.domain.delivery import UNSENT, Delivery
from schoolbell_server.domain.transitions import bring_forward
from schoolbell_server.observability.log import get_logger
from schoolbell_server.status import journal
from schoolbell_storage.claims import Route, find_future, waiting
from schoolbell_storage.deliveries import fetch_deliveries, store_deliveries
from schoolbell_storage.engine import Storage

INTERVAL = 1.0  # seconds between two looks at the clock
SLACK = dt.timedelta(minutes=1)
"""By which the clocks of several servers may differ."""
_LOOK = 600.0
"""Seconds between two looks at storage: the clock that ran ahead may have been another server's."""
_STEP = 500

_logger = get_logger(__name__)


class ClockRepair:
    """Finds deliveries that were written in what is the future now."""

    def __init__(
        self,
        storage: Storage,
        routes: Collection[Route],
        clock: Callable[[], dt.datetime],
        on_written: Callable[[], None],
    ) -> None:
        self._storage = storage
        self._routes = routes
        self._clock = clock
        self._on_written = on_written
        self._offset: dt.timedelta | None = None
        self._look_time = 0.0

    async def look(self, stop: Stop) -> None:
        """Look at storage at first, where the clock was set back, and now and then."""
        offset = self._clock() - dt.datetime.fromtimestamp(time.monotonic(), dt.UTC)
        set_back = self._offset is None or offset < self._offset - SLACK
        if set_back or time.monotonic() >= self._look_time:
            for route in self._routes:
                while not stop.asked and await self.step(route) == _STEP:
                    pass
            self._look_time = time.monotonic() + _LOOK
        self._offset = offset

    async def step(self, route: Route) -> int:
        """Bring forward what is found on a route, a bounded number at once; return how many."""
        now, found = self._clock(), list[str]()
        async with self._storage.read() as connection:
            for place in await waiting(connection, route):
                most = _STEP - len(found)
                found += await find_future(connection, route, place, now + SLACK, most)
        if not found:
            return 0
        async with self._storage.write() as connection:
            rows = await fetch_deliveries(connection, found, lock=True)
            moved = [bring_forward(row, now) for row in rows.values() if _is_ahead(row, now)]
            await store_deliveries(connection, moved)
            await journal.record(connection, now, moved)
        if moved:
            _logger.warning("deliveries of a clock ahead", extra={"deliveries": len(moved)})
            self._on_written()
        return len(found)


def _is_ahead(row: Delivery, now: dt.datetime) -> bool:
    """Return whether nobody has leased or written it since it was found."""
    return row.state in UNSENT and not row.lease_owner and row.update_time > now + SLACK
