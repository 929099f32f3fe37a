"""Receipts of many phones at once are written together, and each call has its own answer."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from schoolbell.v1 import delivery_pb2
from schoolbell.v1 import device_service_pb2 as messages
from schoolbell_server.domain.kinds import DeliveryState
from schoolbell_server.servicers.device.receipts import Receipts
from schoolbell_storage import status_log
from schoolbell_storage.deliveries import fetch_deliveries
from schoolbell_storage.engine import Storage
from tests.storage.engines import databases, open_database
from tests.storage.rosters import MAPLE, START
from tests.storage.waiting import store
from tests.unit.domain.deliveries import waiting_delivery

PHONES = 40
DISPLAYED = delivery_pb2.DELIVERY_STATE_DISPLAYED


def report(number: int, user: int | None = None) -> messages.ReportReceiptsRequest:
    """Return what the phone of a user says of a delivery, by default of the user's own."""
    request = messages.ReportReceiptsRequest(
        district_id=MAPLE, user_id=f"u{number if user is None else user}"
    )
    receipt = request.receipts.add(delivery_id=f"d{number}", event=messages.RECEIPT_EVENT_DISPLAYED)
    receipt.event_time.FromDatetime(START)
    return request


async def leased(storage: Storage) -> None:
    rows = [
        waiting_delivery(f"d{number}", user_id=f"u{number}", lease_owner="me")
        for number in range(PHONES)
    ]
    await store(storage, *rows)


async def position(storage: Storage) -> int:
    async with storage.read() as connection:
        return (await status_log.position(connection)).value


@databases()
async def test_what_comes_at_once_is_one_transaction(database: str, tmp_path: Path) -> None:
    seen: list[str] = []
    async with open_database(database, tmp_path) as storage:
        await leased(storage)
        receipts, before = Receipts(storage, lambda: START, seen.append), await position(storage)
        calls = [receipts.report(report(number)) for number in range(PHONES)]
        foreign = receipts.report(report(0, user=1))
        *answers, refused = await asyncio.gather(*calls, foreign)
        assert await position(storage) == before + 1
        async with storage.read() as connection:
            found = await fetch_deliveries(connection, [f"d{n}" for n in range(PHONES)])
    assert [one.results[0].state for one in answers] == [DISPLAYED] * PHONES
    assert refused.results[0].HasField("error"), "another's delivery is nobody's"
    assert {row.state for row in found.values()} == {DeliveryState.DISPLAYED}
    assert len(seen) == PHONES


@databases()
async def test_who_goes_away_takes_nobody_along(database: str, tmp_path: Path) -> None:
    async with open_database(database, tmp_path) as storage:
        await leased(storage)
        receipts = Receipts(storage, lambda: START, lambda _: None)
        first, second = (asyncio.create_task(receipts.report(report(n))) for n in range(2))
        await asyncio.sleep(0)
        first.cancel()
        assert (await second).results[0].state == DISPLAYED
        with pytest.raises(asyncio.CancelledError):
            await first
        async with storage.read() as connection:
            found = await fetch_deliveries(connection, ["d0", "d1"])
    assert {row.state for row in found.values()} == {DeliveryState.DISPLAYED}
