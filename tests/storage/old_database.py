"""A database that an earlier Schoolbell made, for the tests of migrations.

`fixtures/schema_0001.json.gz` holds the rows of every table of the first schema and the files of
the data directory that go with them; `fixtures/README.md` says how they were made. The tables are
read from the database that is filled, never from today's `tables.py`.
"""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, LargeBinary, MetaData, Table, insert

from schoolbell_storage import migrate as migrate_module
from schoolbell_storage.engine import open_storage
from tests.storage.engines import empty_database

FIRST = "0001"
DISTRICT = "sample-district"

_FILE = Path(__file__).with_name("fixtures") / "schema_0001.json.gz"

Row = dict[str, Any]


@asynccontextmanager
async def old_database(database: str, folder: Path) -> AsyncIterator[str]:
    """Make a database of the first schema, filled, and return its SQLAlchemy URL."""
    async with empty_database(database, folder) as url:
        storage = open_storage(url)
        try:
            async with storage.write() as connection:
                await connection.run_sync(_fill)
        finally:
            await storage.close()
        yield url


def write_files(data_directory: Path) -> None:
    """Write the keys and the credential of the server that made it: they open what it sealed."""
    for name, content in _saved()["files"].items():
        file = data_directory / name
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        file.write_bytes(base64.b64decode(content))
        file.chmod(0o600)


def old_rows(connection: Connection) -> dict[str, list[Row]]:
    """Return the saved rows by table, as the tables of a connection hold them."""
    tables = _tables(connection)
    return {name: _rows(tables[name], **saved) for name, saved in _saved()["tables"].items()}


def _fill(connection: Connection) -> None:
    config = Config()
    config.set_main_option("script_location", str(migrate_module._FOLDER))
    config.attributes["connection"] = connection
    command.upgrade(config, FIRST)
    tables = _tables(connection)
    for name, rows in old_rows(connection).items():
        if rows:
            connection.execute(insert(tables[name]), rows)


def _tables(connection: Connection) -> dict[str, Table]:
    metadata = MetaData()
    metadata.reflect(connection)
    return dict(metadata.tables)


def _rows(table: Table, columns: list[str], rows: list[list[Any]]) -> list[Row]:
    binary = {one.name for one in table.columns if isinstance(one.type, LargeBinary)}
    return [
        {
            name: base64.b64decode(value) if name in binary and value is not None else value
            for name, value in zip(columns, row, strict=True)
        }
        for row in rows
    ]


@cache
def _saved() -> dict[str, Any]:
    with gzip.open(_FILE, "rt", encoding="utf-8") as file:
        saved: dict[str, Any] = json.load(file)
    return saved
