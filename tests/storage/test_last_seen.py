"""Last use is noted to the day, changes nothing else, and neither waits nor is lost."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt
from pathlib import Path

import pytest

from schoolbell_server.domain.kinds import RetirementReason
from schoolbell_server.maintenance.last_seen import LastSeen
from schoolbell_storage.devices import get_device, retired, store_device
from schoolbell_storage.engine import Storage, open_storage
from schoolbell_storage.errors import StorageError
from schoolbell_storage.keys import find_key, insert_key
from schoolbell_storage.migrate import migrate
from tests.storage.api_keys import key
from tests.storage.engines import POSTGRESQL, databases, open_database
from tests.storage.phones import NOW, device, read, store

DAY = dt.timedelta(days=1)
PATIENCE = 20.0  # seconds


def heard_at(storage: Storage, now: dt.datetime) -> LastSeen:
    return LastSeen(storage, lambda: now)


@databases()
async def test_a_device_is_noted_once_a_day_and_nothing_else_of_it_changes(
    database: str, tmp_path: Path
) -> None:
    old, young = device("old", last_seen_time=NOW - DAY), device("young")
    gone = retired(device("gone", last_seen_time=NOW - DAY), RetirementReason.STALE, NOW)
    silent = device("silent", last_seen_time=NOW - DAY)
    later = NOW + dt.timedelta(hours=3)
    async with open_database(database, tmp_path) as storage:
        await store(storage, old, young, gone, silent)
        heard = heard_at(storage, later)
        for name in ("old", "young", "gone", "nobody", "old"):
            heard.device(name)
        await heard.write()
        assert await read(storage, old) == dataclasses.replace(old, last_seen_time=later)
        assert [await read(storage, row) for row in (young, gone, silent)] == [young, gone, silent]
        again = heard_at(storage, later + DAY)
        again.device("young")
        await again.write()
        assert (await read(storage, young)).last_seen_time == later + DAY


@databases()
async def test_more_devices_than_a_transaction_takes_are_all_noted(
    database: str, tmp_path: Path
) -> None:
    rows = [device(f"d{number}", last_seen_time=NOW - DAY) for number in range(1_001)]
    async with open_database(database, tmp_path) as storage:
        await store(storage, *rows)
        heard = heard_at(storage, NOW)
        for row in rows:
            heard.device(row.device_id)
        await heard.write()
        for row in rows[::250]:
            assert (await read(storage, row)).last_seen_time == NOW


@databases()
async def test_a_key_is_noted_once_a_day(database: str, tmp_path: Path) -> None:
    async with open_database(database, tmp_path) as storage:
        async with storage.write() as connection:
            await insert_key(connection, key("k1"))
            await insert_key(connection, key("k2"))
        for hours, noted in ((0, 0), (5, 0), (24, 24)):
            heard = heard_at(storage, NOW + dt.timedelta(hours=hours))
            heard.key("k1")
            await heard.write()
            async with storage.read() as connection:
                used, unused = [await find_key(connection, name) for name in ("k1", "k2")]
            assert used and used.last_use_time == NOW + dt.timedelta(hours=noted)
            assert unused and unused.last_use_time is None


@pytest.mark.postgresql
async def test_a_device_that_somebody_else_writes_keeps_nobody_waiting(tmp_path: Path) -> None:
    locked, free = (device(name, last_seen_time=NOW - DAY) for name in ("a", "b"))
    async with open_database(POSTGRESQL, tmp_path) as storage:
        await store(storage, locked, free)
        heard = heard_at(storage, NOW)
        heard.device("a")
        heard.device("b")
        async with storage.write() as other, asyncio.timeout(PATIENCE):
            await get_device(other, "maple", "mother", "a", lock=True)
            await heard.write()
        assert (await read(storage, locked)).last_seen_time == NOW - DAY
        assert (await read(storage, free)).last_seen_time == NOW


async def test_what_a_failing_storage_does_not_take_is_noted_later(tmp_path: Path) -> None:
    storage = open_storage(f"sqlite+aiosqlite:///{tmp_path / 'new.db'}")
    heard = heard_at(storage, NOW)
    heard.device("a")
    with pytest.raises(StorageError):
        await heard.write()
    await migrate(storage)
    row = device("a", last_seen_time=NOW - DAY)
    await store(storage, row)
    await heard.write()
    assert (await read(storage, row)).last_seen_time == NOW
    await storage.close()


@databases()
async def test_a_registration_just_before_is_not_undone(database: str, tmp_path: Path) -> None:
    row = device("a", last_seen_time=NOW - DAY)
    async with open_database(database, tmp_path) as storage:
        await store(storage, row)
        heard = heard_at(storage, NOW)
        heard.device("a")
        registered = dataclasses.replace(row, last_seen_time=NOW + DAY, version=2)
        async with storage.write() as connection:
            await store_device(connection, registered)
        await heard.write()
        assert await read(storage, row) == registered
