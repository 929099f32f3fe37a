"""Bring a database to this version's schema, forward only.

Two servers that start at once take turns: PostgreSQL by an advisory lock, SQLite by its one
writer. A schema of a newer Schoolbell is refused and left as it is.
"""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from schoolbell_storage.engine import Storage
from schoolbell_storage.errors import SchemaTooNew
from schoolbell_storage.status_log import ensure_store

_LOCK = 0x5C_40_01_BE_11  # any number that nobody else uses
_FOLDER = Path(__file__).absolute().parent / "migrations"


async def migrate(storage: Storage) -> None:
    """Migrate to the newest schema; SchemaTooNew where the database is ahead of this version."""
    async with storage.write(timed=False) as connection:
        if storage.dialect == "postgresql":
            await connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        await connection.run_sync(upgrade)
        await ensure_store(connection)


def upgrade(connection: Connection) -> None:
    """Take every step that the database lacks; SchemaTooNew where it is ahead of this version."""
    config = Config()
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    config.attributes["connection"] = connection
    present = MigrationContext.configure(connection).get_current_revision()
    known = {step.revision for step in ScriptDirectory.from_config(config).walk_revisions()}
    if present is not None and present not in known:
        raise SchemaTooNew(
            f"the database is at schema {present}, which this version of Schoolbell does not know: "
            "start the newer version, or restore a backup from before it"
        )
    command.upgrade(config, "head")
