"""Phones for storage tests, and the ways to write and read them."""

from __future__ import annotations

import datetime as dt

from schoolbell_server.domain.kinds import DetailLevel, Platform, ProviderEnvironment
from schoolbell_storage.devices import DeviceRow, get_device, insert_devices, list_devices
from schoolbell_storage.engine import Storage

NOW = dt.datetime(2026, 9, 1, 8, 0, 0, 123456, tzinfo=dt.UTC)
LATER = NOW + dt.timedelta(hours=1)


def device(device_id: str, **fields: object) -> DeviceRow:
    """Return a live phone, whose installation and address are named as it is."""
    values: dict[str, object] = {
        "district_id": "maple",
        "app_id": "parent",
        "user_id": "mother",
        "installation_id": f"installation-{device_id}",
        "platform": Platform.IOS,
        "environment": ProviderEnvironment.PRODUCTION,
        "fid": False,
        "address": b"sealed",
        "address_hash": f"hash-{device_id}",
        "address_tail": "cdef",
        "registration_ref": "maple",
        "os_version": "17.5",
        "app_version": "2.1",
        "locale": "es-MX",
        "stay_logged_in": True,
        "muted": False,
        "detail_level": DetailLevel.GENERIC,
        "register_time": NOW,
        "address_time": NOW,
        "last_seen_time": NOW,
        "update_time": NOW,
    }
    return DeviceRow(device_id=device_id, **(values | fields))  # type: ignore[arg-type]


async def store(storage: Storage, *rows: DeviceRow) -> None:
    """Write phones."""
    async with storage.write() as connection:
        await insert_devices(connection, rows)


async def ids(storage: Storage, user_id: str = "mother", *, retired_too: bool = True) -> list[str]:
    """Return the ids of a user's phones, in their order."""
    async with storage.read() as connection:
        found = await list_devices(
            connection, "maple", user_id, "", 100, include_retired=retired_too
        )
    return [row.device_id for row in found]


async def read(storage: Storage, row: DeviceRow) -> DeviceRow:
    """Return a phone as it is now."""
    async with storage.read() as connection:
        found = await get_device(connection, row.district_id, row.user_id, row.device_id)
    assert found is not None
    return found
