"""The ledger of hubs: an attempt is begun once, whoever asks, and its outcome stays."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from schoolbell_storage import hub_ledger
from schoolbell_storage.engine import Storage
from schoolbell_storage.hub_ledger import KEPT, Key, LedgerClaim, Wanted
from tests.storage.engines import databases, open_database

NOW = dt.datetime(2026, 9, 1, 8, tzinfo=dt.UTC)
LEASE = dt.timedelta(seconds=15)
LATER = NOW + LEASE
KEY = Key("4d1f4b1a-8c1e-4d2b-9a50-57b2f7b34a01", 1)
WANTED = Wanted(NOW, NOW + dt.timedelta(hours=1))


@asynccontextmanager
async def ledger(database: str, folder: Path) -> AsyncIterator[Storage]:
    async with open_database(database, folder) as storage:
        await hub_ledger.create(storage)
        yield storage


async def claim(storage: Storage, now: dt.datetime, wanted: Wanted = WANTED) -> LedgerClaim:
    async with storage.write() as connection:
        return await hub_ledger.claim(connection, "lincoln", {KEY: wanted}, now, LEASE)


@databases()
async def test_an_attempt_is_begun_once_and_its_outcome_is_answered_from_then_on(
    database: str, tmp_path: Path
) -> None:
    async with ledger(database, tmp_path) as storage:
        assert (await claim(storage, NOW)).begun == {KEY}
        assert (await claim(storage, NOW)).busy == {KEY: LATER}
        async with storage.write() as connection:
            await hub_ledger.record(connection, "lincoln", {KEY: b"outcome"})
        found = await claim(storage, LATER + dt.timedelta(days=1))
        assert found == LedgerClaim(answered={KEY: b"outcome"}), "also beyond its expiry"


@databases()
async def test_an_attempt_of_a_hub_that_is_gone_is_made_again_and_counted(
    database: str, tmp_path: Path
) -> None:
    async with ledger(database, tmp_path) as storage:
        await claim(storage, NOW)
        found = await claim(storage, LATER)
        assert (found.begun, found.again) == ({KEY}, {KEY})


@databases()
async def test_what_was_no_attempt_may_be_asked_for_again(database: str, tmp_path: Path) -> None:
    async with ledger(database, tmp_path) as storage:
        await claim(storage, NOW)
        async with storage.write() as connection:
            await hub_ledger.forget(connection, "lincoln", {KEY})
        assert (await claim(storage, NOW)).begun == {KEY}


@databases()
async def test_a_withdrawal_stops_what_was_judged_before_it_and_nothing_later(
    database: str, tmp_path: Path
) -> None:
    async with ledger(database, tmp_path) as storage:
        async with storage.write() as connection:
            await hub_ledger.withdraw(connection, "lincoln", {KEY.delivery_id: WANTED})
            await hub_ledger.withdraw(connection, "another", {KEY.delivery_id: WANTED})
        assert (await claim(storage, NOW)).withdrawn == {KEY}
        later = WANTED._replace(judge_time=NOW + dt.timedelta(microseconds=1))
        assert (await claim(storage, NOW, later)).begun == {KEY}


@databases()
async def test_what_is_expired_is_not_begun_and_rows_go_in_time(
    database: str, tmp_path: Path
) -> None:
    async with ledger(database, tmp_path) as storage:
        assert (await claim(storage, WANTED.expire_time)).expired == {KEY}
        await claim(storage, NOW)
        async with storage.write() as connection:
            assert await hub_ledger.drop_old(connection, WANTED.expire_time) == 0
            assert await hub_ledger.drop_old(connection, WANTED.expire_time + KEPT) == 1
            assert await hub_ledger.drop_old(connection, WANTED.expire_time + KEPT) == 0
