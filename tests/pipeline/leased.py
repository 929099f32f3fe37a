"""A database of which this server holds the lease."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from schoolbell_server.dispatch.lease import Lease
from schoolbell_storage.engine import Storage
from tests.storage.engines import open_database


@asynccontextmanager
async def leased(database: str, folder: Path) -> AsyncIterator[tuple[Storage, Lease]]:
    """Open a store of which this server holds the lease."""
    async with open_database(database, folder) as storage:
        lease = Lease(storage, length=dt.timedelta(minutes=5), renewal=dt.timedelta(minutes=1))
        await lease.start()
        yield storage, lease
