"""What a dispatcher claims of what waits in storage."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from sqlalchemy import func, select

from schoolbell_server.dispatch.dispatcher import Dispatcher
from schoolbell_server.dispatch.lease import Lease
from schoolbell_server.domain.delivery import Delivery
from schoolbell_storage.claims import leased_by
from schoolbell_storage.engine import Storage
from schoolbell_storage.tables import delivery
from tests.pipeline.leased import leased
from tests.programs import PATIENCE
from tests.storage.engines import SQLITE, databases
from tests.storage.waiting import ROUTE, store
from tests.unit.domain.deliveries import waiting_delivery

BATCH = 5
TURNS = 40


class Unending:
    """A sender whose batches never end."""

    def __init__(self) -> None:
        self.carried: list[Delivery] = []

    async def send_batch(self, batch: Sequence[Delivery], *_: object) -> None:
        self.carried += batch
        await asyncio.Event().wait()

    async def give_back(self, rows: Sequence[Delivery]) -> None:
        assert not rows


async def owned(storage: Storage) -> int:
    async with storage.read() as connection:
        counted = select(func.count()).where(delivery.c.lease_owner != "")
        return int((await connection.execute(counted)).scalar_one())


def dispatcher_of(storage: Storage, lease: Lease, sender: Unending) -> Dispatcher:
    return Dispatcher(
        storage,
        lease,
        cast(Any, sender),
        cast(Any, SimpleNamespace(circuit=SimpleNamespace(hold=None))),
        app_id=ROUTE[0],
        platform=ROUTE[1],
        batch_size=BATCH,
        poll=0.0,
        clock=lambda: dt.datetime.now(dt.UTC),
    )


@databases()
async def test_what_has_to_wait_for_what_is_under_way_is_claimed_up_to_a_bound(
    database: str, tmp_path: Path
) -> None:
    """All tell one phone of one fact, so only the first may leave."""
    sender = Unending()
    async with leased(database, tmp_path) as (storage, lease):
        same = {"device_id": "phone", "fact_key": "f"}
        await store(storage, *(waiting_delivery(f"d-{n}", **same) for n in range(100)))
        dispatcher = dispatcher_of(storage, lease, sender)
        for _ in range(TURNS):
            dispatcher.wake()
            await dispatcher._start_batch()
        assert len(sender.carried) == 1
        assert await owned(storage) <= 5 * BATCH
        for task in dispatcher._under_way:
            task.cancel()


async def test_a_claim_that_waits_behind_the_renewal_of_a_broken_lease_is_sent(
    tmp_path: Path,
) -> None:
    """A process that stalls for longer than its lease wakes with both in the writer's queue."""
    sender = Unending()
    async with leased(SQLITE, tmp_path) as (storage, lease):
        await store(storage, *(waiting_delivery(f"d-{n}", device_id=f"{n}") for n in range(BATCH)))
        dispatcher = dispatcher_of(storage, lease, sender)
        async with storage.write():
            renewal = asyncio.create_task(lease._renew())
            claim = asyncio.create_task(dispatcher._start_batch())
            await until_queued(storage, 2)
            lease._until = 0.0  # as when the process is stopped here for longer than it lasts
        await asyncio.gather(renewal, claim)
        async with storage.read() as connection:
            stored = await leased_by(connection, lease.instance_id)
        assert len(stored) == BATCH
        assert stored == set(dispatcher.leases()), "no lease is held by nobody"
        assert {row.delivery_id for row in sender.carried} == stored
        for task in dispatcher._under_way:
            task.cancel()


async def until_queued(storage: Storage, count: int) -> None:
    """Wait until so many transactions wait for the writer."""
    queue = storage._one_writer
    assert queue is not None
    async with asyncio.timeout(PATIENCE):
        while len(queue._waiters or ()) < count:  # noqa: ASYNC110
            await asyncio.sleep(0)
