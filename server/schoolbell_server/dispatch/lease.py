"""This server's lease on life: renewed in the database, kept by the monotonic clock.

Deliveries name the instance that leases them. An instance whose renewal fails stops sending
when its own time passes, before anybody else may think it dead; what a dead instance leased is
taken back by whoever is alive.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import time
import uuid
from collections.abc import Callable

from schoolbell_server.background.stopping import Stop
from schoolbell_server.observability.log import get_logger
from schoolbell_server.observability.metrics import Metrics
from schoolbell_storage import claims, instances
from schoolbell_storage.engine import Storage
from schoolbell_storage.errors import Conflict, StorageError

_logger = get_logger(__name__)


class Lease:
    """Renews this instance's lease and takes back the leases of the dead."""

    def __init__(
        self,
        storage: Storage,
        *,
        length: dt.timedelta,
        renewal: dt.timedelta,
        sends: bool = True,
        metrics: Metrics | None = None,
        on_recovered: Callable[[], None] = lambda: None,
    ) -> None:
        """Call `on_recovered` when deliveries of a dead instance were freed.

        An instance that does not send lives all the same, and takes back from the dead.
        """
        self.instance_id = str(uuid.uuid4())
        self._storage = storage
        self._length = length
        self._renewal = renewal.total_seconds()
        self._sends = sends
        self._refused = False
        self._metrics = metrics or Metrics()
        self._metrics.lease_held.set_function(lambda: self.held)
        self._on_recovered = on_recovered
        self._until = 0.0
        self._turn = asyncio.Lock()
        self._ended = False
        self.term = 0
        """Which unbroken span of life this is: what was leased in an earlier one may be others'."""

    @property
    def held(self) -> bool:
        """Return whether this instance may still send, by its own clock."""
        return time.monotonic() < self._until

    @property
    def sound(self) -> bool:
        """Return whether storage took the last renewal, and not too long ago.

        On SQLite a renewal may wait long behind a writer, and there is nobody to be taken for dead.
        """
        return not self._refused and (self.held or self._storage.dialect == "sqlite")

    async def start(self) -> None:
        """Take the lease; on SQLite everything an earlier process leased is free at once."""
        self._ended = False
        await self._renew()
        await self._recover()

    async def run(self, stop: Stop) -> None:
        """Renew and recover until stopped; a storage that fails is tried again."""
        while await stop.pause(self._renewal):
            try:
                await self._renew()
                await self._recover()
            except (StorageError, TimeoutError) as error:
                self._metrics.lease_failures.inc()
                self._refused = not isinstance(error, Conflict)
                cause = str(error) or type(error).__name__
                _logger.warning("lease not renewed", extra={"cause": cause})
            else:
                self._refused = False

    async def end(self) -> None:
        """Give up the lease, so that others need not wait for it to run out."""
        async with self._turn:  # a renewal under way would bring the row back
            self._ended, self._until = True, 0.0
            async with self._storage.write() as connection:
                await instances.forget(connection, [self.instance_id])

    async def _renew(self) -> None:
        # A connection that hangs leaves time for another try; on SQLite nobody takes it for dead.
        limit = None if self._storage.dialect == "sqlite" else self._length.total_seconds() / 2
        async with self._turn, asyncio.timeout(limit):
            if not self._ended:
                await self._prolong()

    async def _prolong(self) -> None:
        began = time.monotonic()
        unbroken = self.held
        async with self._storage.write() as connection:
            await instances.renew(connection, self.instance_id, self._length, sends=self._sends)
        if not (unbroken and self.held):
            self.term += 1
            self._metrics.lease_terms.inc()
        self._until = began + self._length.total_seconds()

    async def _recover(self) -> None:
        alone = self.instance_id if self._storage.dialect == "sqlite" else None
        async with self._storage.write() as connection:
            dead = await instances.dead_owners(connection, alone)
            freed = await claims.release_leases(connection, dead)
        if freed:
            self._metrics.recovered_leases.inc(freed)
            _logger.warning("leases of dead servers taken back", extra={"deliveries": freed})
            self._on_recovered()
