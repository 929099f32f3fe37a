"""Take back from the hub what facts that moved since do not allow any more.

What was passed on is judged again whenever its district's facts have moved, by the same gates as
before any attempt. The hub answers what it has not sent as withdrawn, and the delivery is judged
once more and cancelled; what could not be stopped has its outcome.

So it is with what nobody leases and the broker may have without having said so: what it did not
confirm in time, and what was leased by a server that died. The database says what that is, so that
it is found again after any restart.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import time
from collections.abc import Callable, Coroutine, Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from schoolbell_server.background.stopping import Stop
from schoolbell_server.config.topology import WITHDRAWALS_KEY
from schoolbell_server.dispatch.preparer import Preparer, Stopped
from schoolbell_server.domain.delivery import Delivery
from schoolbell_server.link.district_link import DistrictLink, NotPassedOn
from schoolbell_server.link.v1 import link_pb2
from schoolbell_server.link.wire import stamp
from schoolbell_server.observability.log import get_logger
from schoolbell_server.observability.metrics import Metrics
from schoolbell_storage.claims import (
    doubtful_cancelled,
    doubtful_on_other_facts,
    leased_on_other_facts,
)
from schoolbell_storage.engine import Storage
from schoolbell_storage.errors import StorageError
from schoolbell_storage.world import facts_versions

_SHORTEST_PAUSE = 0.25  # seconds
_SHARE = 4
"""It pauses so many times as long as it worked."""
_PAGE = 500
_OPEN = (leased_on_other_facts, doubtful_on_other_facts)
"""How to find what a hub may have."""
_OVERLAP = dt.timedelta(minutes=5)
"""How long a cancel may take to be committed, or another server's clock be behind."""
_LONG_AGO = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)

_Find = Callable[[AsyncConnection, str, int, str, int], Coroutine[object, object, list[Delivery]]]

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
        self._since = _LONG_AGO
        """Up to when what was cancelled has been withdrawn, but for the overlap."""
        self._withdrawn: dict[str, dt.datetime] = {}
        """What was cancelled within the overlap and has been withdrawn, and when it was."""

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
                for find in _OPEN:
                    await self._judge(find, district_id, version)
                self._seen[district_id] = version
        await self._withdraw_cancelled()

    async def _judge(self, find: _Find, district_id: str, version: int) -> None:
        after = ""
        while True:
            async with self._storage.read() as connection:
                rows = await find(connection, district_id, version, after, _PAGE)
            if not rows:
                return
            began = self._clock()
            prepared = await self._preparer.prepare(rows)
            await self._withdraw([one.row for one in prepared if isinstance(one, Stopped)], began)
            after = rows[-1].delivery_id
            await asyncio.sleep(0)

    async def _withdraw_cancelled(self) -> None:
        """Withdraw what has been cancelled that the broker may have; after a restart, all of it.

        Nobody leases it, so a cancel of any kind ends it without asking the hub.
        """
        began = self._clock()
        async with self._storage.read() as connection:
            rows = await doubtful_cancelled(connection, self._since, began)
        new = [row for row in rows if self._withdrawn.get(row.delivery_id) != row.update_time]
        for first in range(0, len(new), _PAGE):
            await self._withdraw(new[first : first + _PAGE], began)
        self._since = began - _OVERLAP
        self._withdrawn = {
            row.delivery_id: row.update_time for row in rows if row.update_time >= self._since
        }

    async def _withdraw(self, rows: Sequence[Delivery], judged: dt.datetime) -> None:
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
