"""The database of a running service, for what a test has to do or to see in it directly."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from schoolbell_storage.engine import Storage, open_storage
from tests.service.whole import Whole


@asynccontextmanager
async def stored(service: Whole) -> AsyncIterator[Storage]:
    """Open the service's database beside the service."""
    file = service.config.server.data_dir / "schoolbell.db"
    storage = open_storage(service.config.storage.url.reveal() or f"sqlite+aiosqlite:///{file}")
    try:
        yield storage
    finally:
        await storage.close()
