"""The database of a running service, for what a test has to do or to see in it directly."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from schoolbell.v1.device_service_pb2 import Device
from schoolbell_storage.devices import DeviceRow, get_device
from schoolbell_storage.engine import Storage, open_storage
from schoolbell_storage.world import facts_versions
from tests.service.whole import DISTRICT, Whole


@asynccontextmanager
async def stored(service: Whole) -> AsyncIterator[Storage]:
    """Open the service's database beside the service."""
    file = service.config.server.data_dir / "schoolbell.db"
    storage = open_storage(service.config.storage.url.reveal() or f"sqlite+aiosqlite:///{file}")
    try:
        yield storage
    finally:
        await storage.close()


async def stored_device(service: Whole, device: Device) -> DeviceRow:
    """Return what is stored of a device."""
    async with stored(service) as storage, storage.read() as connection:
        row = await get_device(connection, DISTRICT, device.user_id, device.device_id)
    assert row is not None
    return row


async def facts_version(service: Whole) -> int:
    """Return the version of what the district's decisions rest on."""
    async with stored(service) as storage, storage.read() as connection:
        return (await facts_versions(connection, [DISTRICT]))[DISTRICT]
