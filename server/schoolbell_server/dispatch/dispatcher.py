"""One dispatcher: the deliveries of one app on one platform, from lease to outcome.

Every dispatcher has its own loop and its own gateway, so that trouble at one provider, or with one
app, delays nobody else's deliveries.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import time
from collections.abc import Callable, Mapping, Sequence, Set

from schoolbell_server.background.periodic import FAULT_PAUSE
from schoolbell_server.dispatch.batch_sender import PART, BatchSender
from schoolbell_server.dispatch.dispatch_queue import DispatchQueue, Telling, telling
from schoolbell_server.dispatch.holding import Holding
from schoolbell_server.dispatch.lease import Lease
from schoolbell_server.domain.delivery import Delivery
from schoolbell_server.domain.kinds import APP_PROVIDER, Platform
from schoolbell_server.gateways.common.push import Gateway
from schoolbell_server.observability.log import get_logger
from schoolbell_storage import claims
from schoolbell_storage.engine import Storage
from schoolbell_storage.errors import StorageError

_BATCHES = 3
"""Batches' worth under way at once: one sending, one being prepared, one being written."""
_HANDED = 4
"""Batches of a lane that a route takes by hand: a second's work. The rest waits in storage."""
_POLL_ALONE = 1.0  # seconds

_logger = get_logger(__name__)


class Dispatcher:
    """Takes the deliveries of one (app_id, platform), by hand or by claim, and has them sent."""

    def __init__(
        self,
        storage: Storage,
        lease: Lease,
        sender: BatchSender,
        gateway: Gateway,
        *,
        app_id: str,
        platform: Platform,
        batch_size: int,
        poll: float,
        clock: Callable[[], dt.datetime],
    ) -> None:
        """`poll` is how long to wait, in seconds, where nobody says that something came."""
        self._storage = storage
        self._lease = lease
        self._sender = sender
        self._gateway = gateway
        self._route = (app_id, platform)
        self._batch_size = batch_size
        self.queue = DispatchQueue(lease, _HANDED * batch_size)
        self._holding = Holding(storage, self._route, batch_size)
        # Where nobody else writes, whoever does says so: the poll is only a second look.
        self._poll = max(poll, _POLL_ALONE) if storage.dialect == "sqlite" else poll
        self._look, self._look_time = True, 0.0
        self._clock = clock
        self._room = _BATCHES * batch_size
        """How many deliveries more may be under way."""
        self._wake = asyncio.Event()
        self._stopping = False
        self._ended = asyncio.Event()
        self._under_way: set[asyncio.Task[None]] = set()
        self._telling: set[Telling] = set()
        self._taken: set[str] = set()
        """What was taken off the queue and has not ended."""

    def wake(self) -> None:
        """Say that something may be due in storage."""
        self._look = True
        self._wake.set()

    def hand(self, reserved: Mapping[int, int], rows: Sequence[Delivery], term: int) -> None:
        """Take what was committed of so many deliveries, by lane, that the queue had reserved."""
        self.queue.settle(reserved, rows, term=term)
        self._wake.set()

    async def run(self) -> None:
        """Work until `drain` is called or the task is cancelled."""
        self._ended.clear()
        try:
            while not self._stopping:
                await self._turn()
        finally:
            self._ended.set()

    async def drain(self) -> None:
        """Take nothing more, finish what is under way, and give back what is at hand."""
        self._stopping = True
        self._wake.set()
        await self._ended.wait()
        if self._under_way:
            await asyncio.wait(self._under_way)
        await self._give_back(self.queue.clear())

    def leases(self) -> Set[str]:
        """Return the ids of what this route has leased, as far as it knows."""
        return self._taken.union(self.queue.ids())

    async def _turn(self) -> None:
        try:
            if not await self._start_batch():
                await self._wait()
        except StorageError as error:
            app_id, platform = self._route
            provider = APP_PROVIDER[platform].name
            ids = {"app_id": app_id, "provider": provider, "cause": str(error)}
            _logger.warning("deliveries not claimed", extra=ids)
            await asyncio.sleep(FAULT_PAUSE)

    async def _start_batch(self) -> bool:
        """Start one batch; return False where nothing was due, or there is no room."""
        if self._stopping or not self._lease.held:
            self._look_in(self._poll)
            return False
        if self._full:  # attendance does not wait for room
            batch: Sequence[Delivery] = self._urgent()
        else:
            batch = await self._next_batch(min(self._batch_size, self._room))
        if not batch:
            return False
        self._room -= len(batch)
        self._telling.update(telling(row) for row in batch)
        self._taken.update(row.delivery_id for row in batch)
        task = asyncio.create_task(self._send(batch), name=f"batch of {self._route[0]}")
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        return True

    async def _send(self, batch: Sequence[Delivery]) -> None:
        """Have a batch sent; whatever happens, all of it ends for this route."""
        left = {row.delivery_id: row for row in batch}

        def done(rows: Sequence[Delivery]) -> None:
            for row in rows:
                del left[row.delivery_id]
            self._done(rows)

        try:
            await self._sender.send_batch(batch, self._gateway, self._lease.term, done)
        except Exception as error:
            _logger.error("batch broke", extra={"app_id": self._route[0]}, exc_info=error)
        finally:
            if left:
                self._done(list(left.values()))

    @property
    def _full(self) -> bool:
        """Return whether so much is under way that the end of some has to be waited for."""
        return self._room < min(PART, self._batch_size)

    def _urgent(self) -> Sequence[Delivery]:
        """Return attendance that is at hand, up to a batch more than there is room for."""
        most = self._room + self._batch_size
        return self.queue.take(most, self._telling, first_lane=True) if most > 0 else ()

    def _done(self, rows: Sequence[Delivery]) -> None:
        self._room += len(rows)
        self._telling.difference_update(telling(row) for row in rows)
        self._taken.difference_update(row.delivery_id for row in rows)
        self._wake.set()  # what was to follow may leave now

    async def _give_back(self, rows: Sequence[Delivery]) -> None:
        names = [row.delivery_id for row in rows]
        self._taken.update(names)
        await self._sender.give_back(rows)
        self._taken.difference_update(names)
        self._look = self._look or bool(names)  # they are to be claimed again

    async def _next_batch(self, most: int) -> Sequence[Delivery]:
        """Return what is at hand, else claim; what was leased before a lost lease is given back."""
        await self._give_back(self.queue.lost())
        now, hold = self._clock(), self._gateway.circuit.hold
        if hold is not None and (hold or self._under_way):
            self.queue.close()
            if time.monotonic() >= self._look_time:  # not at everybody's every commit
                await self._keep(now, hold)
            return self.queue.take(most, self._telling)
        self._holding.end()
        if hold is not None:
            most = 1  # for the circuit's trial
        batch = self.queue.take(most, self._telling)
        if batch or not (self._look or time.monotonic() >= self._look_time):
            return batch
        return await self._claim(now, most)

    async def _claim(self, now: dt.datetime, most: int) -> Sequence[Delivery]:
        self._look = False  # before the look: what comes during it is looked for again
        async with self._storage.read() as connection:
            places = await claims.waiting(connection, self._route)
        if self._gateway.circuit.hold is None:
            self.queue.open({place.lane for place in places if place.due_time <= now})
        places = [place for place in places if not self.queue.full(place.lane)]
        first = min((place.due_time for place in places), default=None)
        if first is None or first > now:
            self._look_in(self._poll if first is None else (first - now).total_seconds())
            return ()
        async with self._storage.write() as connection:
            # Not before: the wait for the writer's lock may have been one behind a renewal.
            owner, term = self._lease.instance_id, self._lease.term
            batch = await claims.claim_due(connection, owner, self._route, places, now, most)
        self.queue.put(batch, term=term)
        ready = self.queue.take(most, self._telling)
        if not ready:  # others claimed it, or it has to wait for what is under way
            self._look_in(self._poll)
        return ready

    def _look_in(self, seconds: float) -> None:
        self._look_time = time.monotonic() + min(seconds, self._poll)

    async def _keep(self, now: dt.datetime, hold: dt.timedelta) -> None:
        """Claim nothing while the circuit is open: what is due is held, until the next trial."""
        more = await self._holding.hold_due(now)
        wait = min(hold.total_seconds() or _POLL_ALONE, _POLL_ALONE)
        self._look_in(0.0 if more else wait)

    async def _wait(self) -> None:
        try:
            wait = None if self._full else self._look_time - time.monotonic()
            await asyncio.wait_for(self._wake.wait(), wait)
        except TimeoutError:
            return
        finally:
            self._wake.clear()
