"""Copy a SQLite database while a server writes to it."""

from __future__ import annotations

import os
import sqlite3
import uuid
from contextlib import closing
from pathlib import Path

from schoolbell_storage.errors import StorageUnavailable


def copy_sqlite(database: Path, copy: Path) -> None:
    """Write a copy as of one moment, durable on return; StorageUnavailable where that fails.

    Nobody waits for it: it reads as a watcher does. The copy is another store from the first: what
    it will commit is not what the original does, so positions of one mean nothing in the other.
    """
    if not database.is_file():
        raise StorageUnavailable(f"there is no database {database}")
    try:
        with closing(sqlite3.connect(database.absolute())) as original:
            original.execute("VACUUM INTO ?", (str(copy.absolute()),))
        with closing(sqlite3.connect(copy.absolute())) as copied, copied:
            copied.execute("UPDATE revision SET store_id = ?", (str(uuid.uuid4()),))
        _sync(copy)
        _sync(copy.parent)
    except (sqlite3.Error, OSError) as error:
        raise StorageUnavailable(f"the database was not copied to {copy}: {error}") from None


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
