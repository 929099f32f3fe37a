"""Migrations: forward, the same for everybody, and never from a newer schema."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncConnection

from schoolbell_storage import migrate as migrate_module
from schoolbell_storage.data_directory import exclusive
from schoolbell_storage.engine import open_storage
from schoolbell_storage.errors import DataDirectoryInUse, SchemaTooNew
from schoolbell_storage.migrate import migrate
from schoolbell_storage.status_log import position
from schoolbell_storage.tables import metadata
from tests.programs import run
from tests.storage.engines import (
    SQLITE,
    database_url,
    databases,
    empty_database,
    open_database,
)
from tests.storage.rosters import add_district, family, write


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
async def test_two_processes_may_migrate_an_empty_database_at_once_and_agree_on_the_store(
    database: str, tmp_path: Path
) -> None:
    async with empty_database(database, tmp_path) as url:
        if database == SQLITE:  # the lock on a data directory keeps two from making its file
            await _make_file(url)
        first, second = await asyncio.gather(_migrate_in_a_process(url), _migrate_in_a_process(url))
        assert first == second != ""
        storage = open_storage(url)
        async with storage.write() as connection:
            assert await connection.run_sync(_differences) == []
            assert (await position(connection)).store_id == first
        await storage.close()


_PROGRAM = """
import asyncio, sys
from schoolbell_storage.engine import open_storage
from schoolbell_storage.migrate import migrate
from schoolbell_storage.status_log import position

async def main():
    storage = open_storage(sys.argv[1])
    await migrate(storage)
    async with storage.read() as connection:
        print((await position(connection)).store_id)
    await storage.close()

asyncio.run(main())
"""


async def _make_file(url: str) -> None:
    storage = open_storage(url)
    async with storage.read() as connection:
        await connection.execute(text("SELECT 1"))
    await storage.close()


async def _migrate_in_a_process(url: str) -> str:
    """Migrate as a server of its own does at its start; return the store's identity."""
    ended = await run(sys.executable, "-c", _PROGRAM, url)
    assert ended.code == 0, ended.err
    return ended.out.strip()


@pytest.fixture
def next_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let this be the version after the present one; return the file of its step."""
    folder = tmp_path / "migrations"
    shutil.copytree(migrate_module._FOLDER, folder)
    monkeypatch.setattr(migrate_module, "_FOLDER", folder)
    return folder / "versions" / "9998_next.py"


_STEP = """
import sqlalchemy as sa
from alembic import op

revision, down_revision = "9998", "{head}"

def upgrade():
    op.add_column("user_account", sa.Column("note", sa.Text(), server_default="", nullable=False))
    op.execute("UPDATE user_account SET note = user_id")
    {more}
"""


def _write_step(file: Path, more: str = "") -> None:
    head = max(path.name.partition("_")[0] for path in file.parent.glob("0*.py"))
    file.write_text(_STEP.format(head=head, more=more), encoding="utf-8")


@databases()
async def test_a_step_runs_once_on_a_database_with_data_also_from_two_servers(
    database: str, tmp_path: Path, next_version: Path
) -> None:
    async with database_url(database, tmp_path) as url:
        first, second = open_storage(url), open_storage(url)
        await add_district(first)
        await write(first, family("ann"))
        async with first.read() as connection:
            before = await position(connection)
        _write_step(next_version)
        await asyncio.gather(migrate(first), migrate(second))
        async with first.read() as one, second.read() as other:
            assert await position(one) == await position(other) == before
            assert await _notes(one) == ["ann", "ann-father", "ann-mother"]
        await first.close()
        await second.close()


@databases()
async def test_a_step_that_fails_leaves_everything_as_it_was(
    database: str, tmp_path: Path, next_version: Path
) -> None:
    async with open_database(database, tmp_path) as storage:
        await add_district(storage)
        await write(storage, family("ann"))
        _write_step(next_version, more="raise ZeroDivisionError")
        with pytest.raises(ZeroDivisionError):
            await migrate(storage)
        async with storage.write() as connection:
            assert await connection.run_sync(_differences) == []
        _write_step(next_version)
        await migrate(storage)
        async with storage.read() as connection:
            assert len(await _notes(connection)) == 3


async def _notes(connection: AsyncConnection) -> list[str]:
    found = await connection.execute(text("SELECT note FROM user_account ORDER BY note"))
    return list(found.scalars())


@databases()
async def test_a_newer_schema_is_refused_with_what_to_do_and_left_as_it_is(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_database(database, tmp_path) as storage:
        await add_district(storage)
        async with storage.write() as connection:
            await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        with pytest.raises(SchemaTooNew, match=r"at schema 9999.*start the newer version"):
            await migrate(storage)
        async with storage.write() as connection:
            versions = await connection.execute(text("SELECT version_num FROM alembic_version"))
            assert versions.scalars().all() == ["9999"]
            assert await connection.run_sync(_differences) == []


def test_the_command_refuses_a_newer_schema_in_one_line(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "schoolbell_server"]
    subprocess.run([*command, "migrate"], cwd=tmp_path, check=True)
    with closing(sqlite3.connect(tmp_path / "schoolbell-data" / "schoolbell.db")) as database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
        database.commit()
    served = subprocess.run([*command, "serve"], cwd=tmp_path, capture_output=True, check=False)
    assert served.returncode == 1
    (line,) = served.stderr.decode().splitlines()
    assert line.startswith("Error: the database is at schema 9999")


def test_a_second_server_on_a_data_directory_is_refused(tmp_path: Path) -> None:
    with exclusive(tmp_path), pytest.raises(DataDirectoryInUse), exclusive(tmp_path):
        pass
    with exclusive(tmp_path):
        pass
