"""Take back from the hub what facts that moved since do not allow any more.

What was passed on is judged again whenever its district's facts have moved, by the same gates as
before any attempt. The hub answers what it has not sent as withdrawn, and the delivery is judged
once more and cancelled; what could not be stopped has its outcome.

So is what was cancelled here while it waited, where the broker may have it without having said so.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import time
from collections.abc import Callable, Sequence

from schoolbell_server.background.stopping import Stop
from schoolbell_server.dispatch.preparer import Preparer, Stopped
from schoolbell_server.domain.delivery import UNSENT
from schoolbell_server.domain.kinds import DeliveryState
from schoolbell_server.link.district_link import DistrictLink, NotPassedOn
from schoolbell_server.link.topology import WITHDRAWALS_KEY
from schoolbell_server.link.v1 import link_pb2
from schoolbell_server.link.wire import stamp
from schoolbell_server.observability.log import get_logger
from schoolbell_server.observability.metrics import Metrics
from schoolbell_storage.claims import leased_on_other_facts
from schoolbell_storage.deliveries import DeliveryRow, fetch_deliveries
from schoolbell_storage.engine import Storage
from schoolbell_storage.errors import StorageError
from schoolbell_storage.world import facts_versions

_SHORTEST_PAUSE = 0.25  # seconds
_SHARE = 4
"""It pauses so many times as long as it worked."""
_PAGE = 500

_logger = get_logger(__name__)


class Withdrawer:
    """Watches the districts' facts for what was passed on."""

    def __init__(
        self,
        storage: Storage,
        link: DistrictLink,
        preparer: Preparer,
        metrics: Metrics,
        *,
        clock: Callable[[], dt.datetime],
    ) -> None:
        self._storage = storage
        self._link = link
        self._preparer = preparer
        self._metrics = metrics
        self._clock = clock
        self._seen: dict[str, int] = {}
        """Up to which facts each district's was judged."""

    async def run(self, stop: Stop) -> None:
        """Look until stopped."""
        pause = _SHORTEST_PAUSE
        while await stop.pause(pause):
            began = time.monotonic()
            try:
                await self.look()
            except (StorageError, NotPassedOn) as error:
                _logger.info("nothing withdrawn", extra={"cause": str(error)})
            pause = max(_SHORTEST_PAUSE, _SHARE * (time.monotonic() - began))

    async def look(self) -> None:
        """Withdraw what facts that moved do not allow any more; NotPassedOn if it cannot."""
        async with self._storage.read() as connection:
            versions = await facts_versions(connection)
        for district_id, version in versions.items():
            if self._seen.get(district_id) != version:
                await self._judge(district_id, version)
                self._seen[district_id] = version
        await self._judge_doubtful()

    async def _judge(self, district_id: str, version: int) -> None:
        after = ""
        while True:
            async with self._storage.read() as connection:
                rows = await leased_on_other_facts(connection, district_id, version, after, _PAGE)
            if not rows:
                return
            began = self._clock()
            prepared = await self._preparer.prepare(rows)
            await self._withdraw([one.row for one in prepared if isinstance(one, Stopped)], began)
            after = rows[-1].delivery_id
            await asyncio.sleep(0)

    async def _judge_doubtful(self) -> None:
        """Withdraw what has been cancelled of what the broker may have, and forget what has ended.

        Nobody leases it, so a cancel of any kind ends it without asking the hub.
        """
        names = list(self._link.doubtful)
        for first in range(0, len(names), _PAGE):
            part = names[first : first + _PAGE]
            began = self._clock()
            async with self._storage.read() as connection:
                rows = await fetch_deliveries(connection, part)
            ended = [name for name in part if name not in rows or rows[name].state not in UNSENT]
            stopped = [
                rows[name]
                for name in ended
                if name in rows and rows[name].state is DeliveryState.CANCELLED
            ]
            await self._withdraw(stopped, began)
            late = [name for name in part if self._link.doubtful[name] <= began]
            for name in {*ended, *late}:
                del self._link.doubtful[name]

    async def _withdraw(self, rows: Sequence[DeliveryRow], judged: dt.datetime) -> None:
        """Take back what was judged before a time, and may be on its way from us even now."""
        if not rows:
            return
        message = link_pb2.Withdrawals(
            withdrawals=[
                link_pb2.Withdrawal(
                    delivery_id=row.delivery_id,
                    judge_time=stamp(judged),
                    expire_time=stamp(row.expire_time),
                )
                for row in rows
            ]
        )
        await self._link.publish(WITHDRAWALS_KEY, message.SerializeToString())
        self._metrics.link_withdrawals.inc(len(rows))
        _logger.info("deliveries withdrawn", extra={"count": len(rows)})
