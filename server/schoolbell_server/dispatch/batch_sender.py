"""Send a batch of leased deliveries from one route to their outcomes.

Nothing stays leased, whatever happens on the way.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Callable, Sequence

from schoolbell_server.background.periodic import FAULT_PAUSE, until_stored
from schoolbell_server.dispatch.finished import Finished
from schoolbell_server.dispatch.lease import Lease
from schoolbell_server.dispatch.outcomes import Outcomes
from schoolbell_server.dispatch.preparer import Preparer, Ready, Stopped
from schoolbell_server.dispatch.quarantine import Quarantine
from schoolbell_server.domain.delivery import Delivery
from schoolbell_server.domain.kinds import Outcome
from schoolbell_server.gateways.common.push import Gateway, PushResult
from schoolbell_server.observability.log import get_logger
from schoolbell_storage import claims
from schoolbell_storage.engine import Storage
from schoolbell_storage.errors import StorageError

PART = 50
"""Deliveries that are sent, and their outcomes written, together."""

Prepared = Ready | Stopped | Finished
Done = Callable[[Sequence[Delivery]], None]

_logger = get_logger(__name__)


class BatchSender:
    """Prepares, sends and writes batches."""

    def __init__(
        self,
        storage: Storage,
        lease: Lease,
        preparer: Preparer,
        outcomes: Outcomes,
        quarantine: Quarantine,
        *,
        clock: Callable[[], dt.datetime],
    ) -> None:
        self._storage = storage
        self._lease = lease
        self._preparer = preparer
        self._outcomes = outcomes
        self._quarantine = quarantine
        self._clock = clock

    async def send_batch(
        self, batch: Sequence[Delivery], gateway: Gateway, term: int, done: Done
    ) -> None:
        """Send a batch, leased in a term of the server's lease, to its outcomes.

        It is prepared as a whole and sent in parts, so that a slow answer keeps few others
        waiting; `done` is called with the deliveries of each part as it ends.
        """
        try:
            prepared = await self._prepared(batch, term)
        except Exception as error:  # noqa: BLE001 - told by whoever sets it aside
            await self._quarantine.end([row.delivery_id for row in batch], error)
            done(batch)
            return
        ready = [one for one in prepared if isinstance(one, Ready)]
        named = {one.row.delivery_id for one in ready}
        rest = [row for row in batch if row.delivery_id not in named]
        ended = [_ended(one) for one in prepared if not isinstance(one, Ready)]
        parts = [ready[first : first + PART] for first in range(0, len(ready), PART)]
        sending = [self._send_part(part, gateway, done) for part in parts]
        await asyncio.gather(self._write(rest, ended, done), *sending)

    async def _send_part(self, part: Sequence[Ready], gateway: Gateway, done: Done) -> None:
        rows = [one.row for one in part]
        try:
            finished = await self._send(part, gateway)
        except Exception as error:  # noqa: BLE001 - told by whoever sets it aside
            await self._quarantine.end([row.delivery_id for row in rows], error)
            done(rows)
        else:
            await self._write(rows, finished, done)

    async def _write(
        self, rows: Sequence[Delivery], finished: Sequence[Finished], done: Done
    ) -> None:
        """Write how deliveries ended; nothing stays leased."""
        await self._outcomes.write(finished)
        done(rows)

    async def give_back(self, rows: Sequence[Delivery]) -> None:
        """Release leases whose attempt never began; a storage that fails is tried again."""
        names = [row.delivery_id for row in rows]

        async def release() -> None:
            async with self._storage.write() as connection:
                await claims.release(connection, self._lease.instance_id, names)

        if names:
            await until_stored(release, "leases not given back", count=len(names))

    async def _prepared(self, batch: Sequence[Delivery], term: int) -> Sequence[Prepared]:
        """Prepare a batch; give its leases back where storage fails or the lease broke off."""
        prepared: Sequence[Prepared] = ()
        try:
            prepared = await self._prepare(batch)
        except StorageError as error:
            _logger.warning("batch not prepared", extra={"cause": str(error)})
        if prepared and self._lease.held and self._lease.term == term:
            return prepared
        await self._return(batch)
        return ()

    async def _prepare(self, batch: Sequence[Delivery]) -> Sequence[Prepared]:
        """Prepare a batch; one that cannot be is set aside alone, and never comes again."""
        try:
            return await self._preparer.prepare(batch)
        except StorageError:
            raise
        except Exception as error:
            if len(batch) > 1:
                return [one for row in batch for one in await self._prepare([row])]
            row = batch[0]
            _logger.error(
                "delivery set aside", extra={"delivery_id": row.delivery_id}, exc_info=error
            )
            return [_quarantined(row, self._clock())]

    async def _send(self, ready: Sequence[Ready], gateway: Gateway) -> list[Finished]:
        now = self._clock()
        late = [one for one in ready if one.row.expire_time <= now]
        timely = [one for one in ready if one.row.expire_time > now]
        results = await gateway.send([one.push for one in timely]) if timely else ()
        ended = self._clock()
        sent = [
            _finished(one, result, now, ended) for one, result in zip(timely, results, strict=True)
        ]
        return [*sent, *(Finished(row=one.row) for one in late)]

    async def _return(self, batch: Sequence[Delivery]) -> None:
        """Give a batch back, but not so fast that it comes again at once."""
        await asyncio.sleep(FAULT_PAUSE)
        await self.give_back(batch)


def _ended(one: Stopped | Finished) -> Finished:
    return one if isinstance(one, Finished) else Finished(row=one.row, refusal=one.refusal)


def _finished(ready: Ready, result: PushResult, start: dt.datetime, end: dt.datetime) -> Finished:
    return Finished(
        row=ready.row,
        result=result,
        address_hash=ready.address.address_hash,
        start_time=start,
        end_time=end,
    )


def _quarantined(row: Delivery, now: dt.datetime) -> Finished:
    result = PushResult(
        delivery_id=row.delivery_id,
        outcome=Outcome.PAYLOAD_BAD,
        provider_reason="could not be prepared",
    )
    return Finished(row=row, result=result, start_time=now, end_time=now)
