"""Retire devices that were not seen for too long: their tokens are worth nothing any more."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable

from schoolbell_server.background.stopping import Stop
from schoolbell_server.dispatch.cancelling import RETIRED, cancel_unsent
from schoolbell_server.domain.kinds import RetirementReason
from schoolbell_server.observability.log import get_logger
from schoolbell_server.observability.metrics import Metrics
from schoolbell_server.status import journal
from schoolbell_storage.devices import lock_unheard, retired, store_device
from schoolbell_storage.districts import bump_facts
from schoolbell_storage.engine import Storage

INTERVAL = 3600.0  # seconds
_STEP = 500

_logger = get_logger(__name__)


class Ageing:
    """Looks for devices that have gone silent."""

    def __init__(
        self,
        storage: Storage,
        stale_after: dt.timedelta,
        metrics: Metrics,
        clock: Callable[[], dt.datetime],
    ) -> None:
        self._storage = storage
        self._stale_after = stale_after
        self._metrics = metrics
        self._clock = clock

    async def round(self, stop: Stop) -> None:
        """Retire all that are silent."""
        while not stop.asked and await self.step() == _STEP:
            pass

    async def step(self) -> int:
        """Retire silent devices, a bounded number at once; return how many.

        What they were still to be sent is cancelled in the same transaction.
        """
        now = self._clock()
        async with self._storage.write() as connection:
            silent = await lock_unheard(connection, now - self._stale_after, _STEP)
            for row in silent:
                await store_device(connection, retired(row, RetirementReason.STALE, now))
            stops = {row.device_id: RETIRED for row in silent}
            cancelled = await cancel_unsent(connection, stops, now)
            districts = Counter(row.district_id for row in silent)
            for district_id in sorted(districts):
                await bump_facts(connection, district_id)
            await journal.record(connection, now, cancelled)
        self._metrics.devices_aged.inc(len(silent))
        for district_id, count in districts.items():
            _logger.info(
                "silent devices retired", extra={"district_id": district_id, "devices": count}
            )
        return len(silent)
