"""What an open circuit holds: nothing that another server could send, and all of it in time."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from schoolbell_server.dispatch.holding import Holding
from schoolbell_server.domain.kinds import DeliveryState
from schoolbell_storage.deliveries import fetch_deliveries
from schoolbell_storage.engine import Storage
from schoolbell_storage.instances import renew
from tests.storage.engines import databases, open_database
from tests.storage.rosters import START
from tests.storage.waiting import ROUTE, store
from tests.unit.domain.deliveries import waiting_delivery

NOW = START + dt.timedelta(seconds=1)
LATER = START + dt.timedelta(minutes=5)


async def state(storage: Storage, name: str) -> DeliveryState:
    async with storage.read() as connection:
        return (await fetch_deliveries(connection, [name]))[name].state


async def live(storage: Storage, *instances: str) -> None:
    async with storage.write() as connection:
        for name in instances:
            await renew(connection, name, dt.timedelta(hours=1))


@databases()
async def test_what_is_due_is_left_to_other_servers_for_a_while(
    database: str, tmp_path: Path
) -> None:
    async with open_database(database, tmp_path) as storage:
        holding = Holding(storage, ROUTE, 10)
        await store(storage, waiting_delivery("d"))
        await live(storage, "this", "another")
        assert not await holding.hold_due(NOW)
        assert await state(storage, "d") is DeliveryState.PENDING
        assert not await holding.hold_due(LATER)
        assert await state(storage, "d") is DeliveryState.HELD


@databases()
async def test_a_server_alone_holds_at_once(database: str, tmp_path: Path) -> None:
    async with open_database(database, tmp_path) as storage:
        await store(storage, waiting_delivery("d"))
        await live(storage, "this")
        assert not await Holding(storage, ROUTE, 10).hold_due(NOW)
        assert await state(storage, "d") is DeliveryState.HELD


@databases()
async def test_a_clock_that_is_set_back_hides_nothing(database: str, tmp_path: Path) -> None:
    async with open_database(database, tmp_path) as storage:
        holding = Holding(storage, ROUTE, 10)
        assert not await holding.hold_due(NOW + dt.timedelta(hours=1))
        await store(storage, waiting_delivery("d"))
        assert not await holding.hold_due(NOW)
        assert await state(storage, "d") is DeliveryState.HELD
