"""Devices that were not heard of for too long are retired, a bounded number at once."""

from __future__ import annotations

import asyncio
import datetime as dt
from pathlib import Path

import pytest

from schoolbell_server.domain.kinds import RetirementReason
from schoolbell_server.maintenance.ageing import Ageing
from schoolbell_server.observability.metrics import Metrics
from schoolbell_storage.devices import get_device, retired
from schoolbell_storage.engine import Storage
from schoolbell_storage.world import facts_versions
from tests.service.observed import logged
from tests.storage.engines import POSTGRESQL, databases, open_database
from tests.storage.phones import LATER, NOW, device, ids, read, store
from tests.storage.rosters import MAPLE, add_district

AGE = dt.timedelta(days=270)
SECOND = dt.timedelta(seconds=1)
PATIENCE = 20.0  # seconds


def ageing(storage: Storage, metrics: Metrics | None = None) -> Ageing:
    return Ageing(storage, AGE, metrics or Metrics(), lambda: NOW)


async def version(storage: Storage) -> int:
    async with storage.read() as connection:
        return (await facts_versions(connection, [MAPLE]))[MAPLE]


@databases()
async def test_only_a_device_silent_for_too_long_is_retired_and_decisions_know_of_it(
    database: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    silent = device("silent", last_seen_time=NOW - AGE - SECOND)
    heard = device("heard", last_seen_time=NOW - AGE)
    gone = retired(
        device("gone", last_seen_time=NOW - 2 * AGE), RetirementReason.UNREGISTERED, LATER
    )
    metrics = Metrics()
    async with open_database(database, tmp_path) as storage:
        await add_district(storage)
        before = await version(storage)
        await store(storage, silent, heard, gone)
        assert await ageing(storage, metrics).step() == 1
        assert await read(storage, silent) == retired(silent, RetirementReason.STALE, NOW)
        assert [await read(storage, row) for row in (heard, gone)] == [heard, gone]
        assert await version(storage) == before + 1
        assert await ageing(storage, metrics).step() == 0
        assert await version(storage) == before + 1
    assert metrics.registry.get_sample_value("schoolbell_devices_aged_total") == 1
    assert logged(caplog, "silent devices retired", district_id=MAPLE, devices=1)


@databases()
async def test_more_than_a_transaction_takes_are_retired_in_turn(
    database: str, tmp_path: Path
) -> None:
    rows = [
        device(f"d{number:04}", last_seen_time=NOW - AGE - number * SECOND)
        for number in range(1, 702)
    ]
    async with open_database(database, tmp_path) as storage:
        await store(storage, *rows)
        assert [await ageing(storage).step() for _ in range(3)] == [500, 201, 0]
        assert await ids(storage, retired_too=False) == []


@pytest.mark.postgresql
async def test_a_device_that_registers_just_now_is_left_alone(tmp_path: Path) -> None:
    row = device("a", last_seen_time=NOW - 2 * AGE)
    async with open_database(POSTGRESQL, tmp_path) as storage:
        await store(storage, row)
        async with storage.write() as other, asyncio.timeout(PATIENCE):
            await get_device(other, "maple", "mother", "a", lock=True)
            assert await ageing(storage).step() == 0
        assert await read(storage, row) == row
