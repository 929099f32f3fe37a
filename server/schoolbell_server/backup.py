"""Copy what a server needs to start elsewhere, while it runs."""

from __future__ import annotations

import shutil
from pathlib import Path

from schoolbell_server.config import Config
from schoolbell_storage.backup import copy_sqlite

DATABASE = "schoolbell.db"
"""The SQLite database in a data directory."""
_SECRETS = ("keys", "credentials", "tls")


class BackupRefused(Exception):
    """The backup would mix with what is there."""


def back_up(config: Config, folder: Path) -> None:
    """Make a folder that is a data directory: the SQLite database, then the secrets beside it.

    With PostgreSQL the database is not among them. Raises BackupRefused, OSError, and
    StorageUnavailable where the database cannot be copied.
    """
    if folder.exists() and any(folder.iterdir()):
        raise BackupRefused(f"{folder}: is not empty; name a new folder for every backup")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    data = config.server.data_dir
    if not config.storage.url:
        copy_sqlite(data / DATABASE, folder / DATABASE)
    for name in _SECRETS:  # after the database: every key that its rows are sealed with is there
        if (data / name).is_dir():
            shutil.copytree(data / name, folder / name)
