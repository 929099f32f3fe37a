"""Deliveries that wait, for tests of who takes them."""

from __future__ import annotations

from schoolbell_server.domain.delivery import Delivery
from schoolbell_server.domain.kinds import Platform
from schoolbell_storage.deliveries import insert_deliveries
from schoolbell_storage.engine import Storage

ROUTE = ("parent", Platform.IOS)


async def store(storage: Storage, *rows: Delivery) -> None:
    """Write deliveries."""
    async with storage.write() as connection:
        await insert_deliveries(connection, rows)
