"""A database lies where its path says, whatever letters that has."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from schoolbell_server import app
from schoolbell_server.backup import DATABASE, back_up
from schoolbell_server.config import Config, ServerConfig
from schoolbell_storage import migrate as migration
from schoolbell_storage.engine import open_storage, sqlite_url
from tests.storage.engines import SQLITE, open_database

NAMES = [
    "50%",
    "%41",
    "what?",
    "a?mode=ro&cache=shared",
    "#1",
    "two words",
    "Schüler 学校",
    "q'\"uote",
    "a:b@c",
    "semi;colon",
    "back\\slash",
    "file:x",
    "%%(here)s",
]


@pytest.mark.parametrize("name", NAMES)
async def test_a_server_and_its_backup_open_the_database_in_the_named_folder(
    name: str, tmp_path: Path
) -> None:
    folder, copy = tmp_path / name / "data", tmp_path / "copy" / name
    config = Config(server=ServerConfig(data_dir=folder))
    await app.migrate(config)
    assert databases_in(tmp_path) == {folder / DATABASE}
    back_up(config, copy)
    with closing(sqlite3.connect(copy / DATABASE)) as database:
        assert database.execute("SELECT count(*) FROM alembic_version").fetchone() == (1,)
    assert databases_in(tmp_path) == {folder / DATABASE, copy / DATABASE}


@pytest.mark.parametrize("name", NAMES)
async def test_the_migrations_are_found_wherever_they_are_installed(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = tmp_path / name
    installed.symlink_to(migration._FOLDER)
    monkeypatch.setattr(migration, "_FOLDER", installed)
    storage = open_storage(sqlite_url(tmp_path / "x.db"))
    try:
        await migration.migrate(storage)
    finally:
        await storage.close()


async def test_nothing_erased_is_in_the_files_once_the_log_is_emptied(tmp_path: Path) -> None:
    """Neither in the log nor in free pages; a reader in the way is not waited for."""
    secret = "of-a-student-" * 40
    async with open_database(SQLITE, tmp_path) as storage:
        async with storage.write() as connection:
            await connection.exec_driver_sql("CREATE TABLE scratch (id INTEGER, text TEXT)")
            for number in range(50):
                await connection.exec_driver_sql(
                    "INSERT INTO scratch VALUES (?, ?)", (number, secret * 20)
                )
        async with storage.write() as connection:
            await connection.exec_driver_sql("DELETE FROM scratch")
        (file,) = databases_in(tmp_path)
        assert held(tmp_path, secret), "in the log"
        with closing(sqlite3.connect(file, isolation_level=None)) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM scratch").fetchone()
            async with storage.write() as connection:
                await connection.exec_driver_sql("INSERT INTO scratch VALUES (1, 'x')")
            assert not await storage.empty_log()
            reader.execute("COMMIT")
        assert await storage.empty_log()
        assert not held(tmp_path, secret)


def databases_in(folder: Path) -> set[Path]:
    return set(folder.rglob("*.db"))


def held(folder: Path, secret: str) -> list[Path]:
    return [path for path in folder.glob("*.db*") if secret.encode() in path.read_bytes()]
