"""Migrations: forward, the same for everybody, and never from a newer schema."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, text

from schoolbell_storage.data_directory import exclusive
from schoolbell_storage.engine import open_storage
from schoolbell_storage.errors import DataDirectoryInUse, SchemaTooNew
from schoolbell_storage.migrate import migrate
from schoolbell_storage.status_log import position
from schoolbell_storage.tables import metadata
from tests.storage.engines import database_url, databases


@databases()
async def test_the_migrated_schema_is_the_one_of_the_tables(database: str, tmp_path: Path) -> None:
    async with database_url(database, tmp_path) as url:
        storage = open_storage(url)
        async with storage.write() as connection:
            assert await connection.run_sync(_differences) == []
        await storage.close()


def _differences(connection: Connection) -> list[object]:
    return list(compare_metadata(MigrationContext.configure(connection), metadata))


@databases()
async def test_two_servers_may_migrate_at_once_and_agree_on_the_store(
    database: str, tmp_path: Path
) -> None:
    async with database_url(database, tmp_path) as url:
        first, second = open_storage(url), open_storage(url)
        await asyncio.gather(migrate(first), migrate(second))
        async with first.read() as one, second.read() as other:
            assert await position(one) == await position(other)
        await first.close()
        await second.close()


@databases()
async def test_a_newer_schema_is_refused_with_what_to_do(database: str, tmp_path: Path) -> None:
    async with database_url(database, tmp_path) as url:
        storage = open_storage(url)
        async with storage.write() as connection:
            await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        with pytest.raises(SchemaTooNew, match="start the newer version"):
            await migrate(storage)
        await storage.close()


def test_a_second_server_on_a_data_directory_is_refused(tmp_path: Path) -> None:
    with exclusive(tmp_path), pytest.raises(DataDirectoryInUse), exclusive(tmp_path):
        pass
    with exclusive(tmp_path):
        pass
