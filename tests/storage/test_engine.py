"""A transaction is kept where its block ends well, unless it was only a dry run."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from schoolbell_storage.audit import AuditQuery, append_audit, list_audit
from schoolbell_storage.districts import bump_facts
from schoolbell_storage.engine import Storage, open_storage
from schoolbell_storage.errors import Conflict, StorageUnavailable, ValueRefused
from tests.storage.actors import acting
from tests.storage.engines import POSTGRESQL, database_url, databases, open_database
from tests.storage.rosters import START, add_district, district


async def append(connection: AsyncConnection, caller: str) -> None:
    await append_audit(
        connection,
        district_id="maple",
        now=START,
        actor=acting(caller),
        action="Update",
        changes=[("settings", {}, {"enabled": True})],
    )


async def append_and_fail(storage: Storage) -> None:
    async with storage.write() as connection:
        await append(connection, "ada")
        raise ZeroDivisionError


async def callers(storage: Storage) -> list[str]:
    async with storage.read() as connection:
        return [
            one.actor.principal.id
            for one in await list_audit(connection, AuditQuery(district_id="maple"))
        ]


@databases()
async def test_a_dry_run_sees_what_it_wrote_and_leaves_nothing(
    database: str, tmp_path: Path
) -> None:
    async with open_database(database, tmp_path) as storage:
        async with storage.write(keep=False) as connection:
            await append(connection, "ada")
            assert len(await list_audit(connection, AuditQuery(district_id="maple"))) == 1
        assert await callers(storage) == []
        async with storage.write() as connection:
            await append(connection, "bob")
        assert await callers(storage) == ["bob"]


@databases()
async def test_a_block_that_fails_leaves_nothing(database: str, tmp_path: Path) -> None:
    async with open_database(database, tmp_path) as storage:
        with pytest.raises(ZeroDivisionError):
            await append_and_fail(storage)
        assert await callers(storage) == []


@pytest.mark.postgresql
async def test_a_pool_opens_as_many_connections_as_it_may_and_no_more(tmp_path: Path) -> None:
    async with database_url(POSTGRESQL, tmp_path) as url:
        storage = open_storage(url, pool_size=5)
        mine = text("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()")

        async def connections() -> int:
            async with storage.read() as connection:
                return int((await connection.execute(mine)).scalar_one())

        assert max(await asyncio.gather(*(connections() for _ in range(30)))) == 5
        await storage.close()


@pytest.mark.postgresql
async def test_of_two_that_wait_for_each_other_one_may_try_again(tmp_path: Path) -> None:
    async with open_database(POSTGRESQL, tmp_path) as storage:
        for name in ("elm", "oak"):
            await add_district(storage, district(name))
        both = asyncio.Barrier(2)

        async def bump(first: str, second: str) -> type[StorageUnavailable] | None:
            try:
                async with storage.write() as connection:
                    await bump_facts(connection, first)
                    await both.wait()
                    await bump_facts(connection, second)
            except StorageUnavailable as error:
                return type(error)
            return None

        ended = await asyncio.gather(bump("elm", "oak"), bump("oak", "elm"))
    assert set(ended) == {None, Conflict}


@pytest.mark.postgresql
@pytest.mark.parametrize("caller", ["a\0b", "\ud800"])
async def test_a_value_that_cannot_be_stored_is_no_trouble_of_storage(
    caller: str, tmp_path: Path
) -> None:
    """Taken for trouble, it would be sent again for ever, with all that is stored beside it."""
    async with open_database(POSTGRESQL, tmp_path) as storage:
        with pytest.raises(ValueRefused) as refused:
            async with storage.write() as connection:
                await append(connection, caller)
        assert caller not in str(refused.value)
        assert await callers(storage) == []
