"""One route: the deliveries of one app on one platform, from lease to outcome.

Every route has its own loop and its own gateway, so that trouble at one provider, or with one
app, delays nobody else's deliveries.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Callable, Sequence

from schoolbell_server.domain.kinds import Outcome, Platform
from schoolbell_server.gateways.push import Gateway, PushResult
from schoolbell_server.observability.log import get_logger
from schoolbell_server.pipeline.holding import Holding
from schoolbell_server.pipeline.lease import Lease
from schoolbell_server.pipeline.outcomes import Finished, Outcomes
from schoolbell_server.pipeline.preparer import Preparer, Ready, Stopped
from schoolbell_server.pipeline.setting_aside import SettingAside
from schoolbell_storage import deliveries
from schoolbell_storage.deliveries import DeliveryRow
from schoolbell_storage.engine import Storage
from schoolbell_storage.errors import StorageError

_BATCHES = 3
"""Batches of a route under way at once: one sending, one being prepared, one being written."""
_FAULT_PAUSE = 1.0  # seconds
_POLL_ALONE = 1.0  # seconds

_logger = get_logger(__name__)


class Route:
    """Claims, prepares, sends and writes the deliveries of one (app_id, platform)."""

    def __init__(
        self,
        storage: Storage,
        lease: Lease,
        preparer: Preparer,
        outcomes: Outcomes,
        setting_aside: SettingAside,
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
        self._preparer = preparer
        self._outcomes = outcomes
        self._setting_aside = setting_aside
        self._gateway = gateway
        self._route = (app_id, platform)
        self._batch_size = batch_size
        self._holding = Holding(storage, self._route, batch_size)
        # Where nobody else writes, whoever does says so: the poll is only a second look.
        self._poll = max(poll, _POLL_ALONE) if storage.dialect == "sqlite" else poll
        self._sleep = self._poll
        self._clock = clock
        self._room = asyncio.Semaphore(_BATCHES)
        self._wake = asyncio.Event()
        self._stopping = False
        self._ended = asyncio.Event()
        self._under_way: set[asyncio.Task[None]] = set()

    def wake(self) -> None:
        """Say that something may be due."""
        self._wake.set()

    async def run(self) -> None:
        """Work until `drain` is called or the task is cancelled."""
        try:
            while not self._stopping:
                await self._turn()
        finally:
            self._ended.set()

    async def _turn(self) -> None:
        try:
            if not await self._claim():
                await self._wait()
        except StorageError as error:
            _logger.warning("deliveries not claimed", extra=self._ids(cause=str(error)))
            await asyncio.sleep(_FAULT_PAUSE)

    async def drain(self) -> None:
        """Claim nothing more and wait for what is under way."""
        self._stopping = True
        self._wake.set()
        await self._ended.wait()
        if self._under_way:
            await asyncio.wait(self._under_way)

    async def _claim(self) -> bool:
        """Start one batch; return False where nothing was due."""
        await self._room.acquire()
        try:
            batch = await self._lease_batch() if self._lease.held and not self._stopping else []
        except BaseException:
            self._room.release()
            raise
        if not batch:
            self._room.release()
            return False
        task = asyncio.create_task(self._work(batch), name=f"batch of {self._route[0]}")
        self._under_way.add(task)
        task.add_done_callback(self._finished)
        return True

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        self._room.release()

    async def _lease_batch(self) -> list[DeliveryRow]:
        now, hold = self._clock(), self._gateway.circuit.hold
        if hold is not None and (hold or self._under_way):
            await self._keep(now, hold)
            return []
        self._holding.end()
        async with self._storage.read() as connection:
            due = await deliveries.next_due(connection, self._route)
        self._sleep = self._poll
        if due is None or due > now:
            if due is not None:
                self._sleep = min(self._poll, (due - now).total_seconds())
            return []
        async with self._storage.write() as connection:
            return await deliveries.claim_due(
                connection,
                self._lease.instance_id,
                self._route,
                now,
                self._batch_size if hold is None else 1,  # one for the circuit's trial
            )

    async def _keep(self, now: dt.datetime, hold: dt.timedelta) -> None:
        """Claim nothing while the circuit is open: what is due is held, until the next trial."""
        more = await self._holding.hold_due(now)
        wait = min(hold.total_seconds() or _POLL_ALONE, _POLL_ALONE)
        self._sleep = 0.0 if more else wait

    async def _wait(self) -> None:
        try:
            await asyncio.wait_for(self._wake.wait(), self._sleep)
        except TimeoutError:
            return
        finally:
            self._wake.clear()

    async def _work(self, batch: Sequence[DeliveryRow]) -> None:
        """Carry a batch to its outcomes; nothing stays leased, whatever happens."""
        try:
            await self._carry_out(batch)
        except Exception as error:  # noqa: BLE001 - told by whoever sets it aside
            await self._setting_aside.end([row.delivery_id for row in batch], error)

    async def _carry_out(self, batch: Sequence[DeliveryRow]) -> None:
        prepared = await self._prepare(batch)
        stopped = [one for one in prepared if isinstance(one, Stopped)]
        ready = [one for one in prepared if isinstance(one, Ready)]
        finished = [one for one in prepared if isinstance(one, Finished)]
        finished += [Finished(row=one.row, refusal=one.refusal) for one in stopped]
        finished += await self._send(ready)
        await self._outcomes.write(finished)

    async def _prepare(self, batch: Sequence[DeliveryRow]) -> Sequence[Ready | Stopped | Finished]:
        """Prepare a batch; one delivery that cannot be is set aside alone, and never comes again.

        A storage that fails gives the leases back.
        """
        try:
            return await self._preparer.prepare(batch)
        except StorageError as error:
            _logger.warning("batch not prepared", extra=self._ids(cause=str(error)))
            await self._give_back(batch)
            return ()
        except Exception as error:
            if len(batch) > 1:
                return [one for row in batch for one in await self._prepare([row])]
            row = batch[0]
            _logger.error(
                "delivery set aside", extra={"delivery_id": row.delivery_id}, exc_info=error
            )
            return [_set_aside(row, self._clock())]

    async def _send(self, ready: Sequence[Ready]) -> list[Finished]:
        now = self._clock()
        late = [one for one in ready if one.row.expire_time <= now]
        timely = [one for one in ready if one.row.expire_time > now]
        if not self._lease.held:
            await self._give_back([one.row for one in ready])
            return []
        results = await self._gateway.send([one.push for one in timely]) if timely else ()
        ended = self._clock()
        sent = [
            _finished(one, result, now, ended) for one, result in zip(timely, results, strict=True)
        ]
        return [*sent, *(Finished(row=one.row) for one in late)]

    async def _give_back(self, rows: Sequence[DeliveryRow]) -> None:
        """Release leases whose attempt never began; a storage that fails is tried again."""
        names = [row.delivery_id for row in rows]
        while True:
            await asyncio.sleep(_FAULT_PAUSE)
            try:
                async with self._storage.write() as connection:
                    await deliveries.release(connection, self._lease.instance_id, names)
            except StorageError as error:
                _logger.warning("leases not given back", extra=self._ids(cause=str(error)))
            else:
                return

    def _ids(self, **more: object) -> dict[str, object]:
        app_id, platform = self._route
        return {"app_id": app_id, "platform": platform.name, **more}


def _finished(ready: Ready, result: PushResult, start: dt.datetime, end: dt.datetime) -> Finished:
    return Finished(
        row=ready.row, result=result, address=ready.address, start_time=start, end_time=end
    )


def _set_aside(row: DeliveryRow, now: dt.datetime) -> Finished:
    result = PushResult(
        delivery_id=row.delivery_id,
        outcome=Outcome.PAYLOAD_BAD,
        provider_reason="could not be prepared",
    )
    return Finished(row=row, result=result, start_time=now, end_time=now)
