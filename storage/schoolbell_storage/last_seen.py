"""When a device was last seen and a key last used: to the day, so that few writes tell it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from typing import Any

from sqlalchemy import Select, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from schoolbell_storage.codec import to_micros
from schoolbell_storage.rows import among
from schoolbell_storage.tables import api_key, device


async def due_devices(
    connection: AsyncConnection, device_ids: Collection[str], day: dt.datetime
) -> list[str]:
    """Return those live devices that were not seen since the day began."""
    found = await connection.execute(_devices(device_ids, day))
    return list(found.scalars())


async def due_keys(
    connection: AsyncConnection, key_ids: Collection[str], day: dt.datetime
) -> list[str]:
    """Return those keys that were not used since the day began."""
    found = await connection.execute(_keys(key_ids, day))
    return list(found.scalars())


async def note_devices(
    connection: AsyncConnection, device_ids: Collection[str], day: dt.datetime, now: dt.datetime
) -> None:
    """Note that devices were heard of; nothing else of them changes, not even their etag.

    One that somebody else writes just now is passed over.
    """
    due = _devices(device_ids, day).with_for_update(of=device, skip_locked=True)
    await connection.execute(
        update(device).where(device.c.device_id.in_(due)).values(last_seen_time=to_micros(now))
    )


async def note_keys(
    connection: AsyncConnection, key_ids: Collection[str], day: dt.datetime, now: dt.datetime
) -> None:
    """Note that keys were used."""
    due = _keys(key_ids, day).with_for_update(of=api_key, skip_locked=True)
    await connection.execute(
        update(api_key).where(api_key.c.key_id.in_(due)).values(last_use_time=to_micros(now))
    )


def _devices(device_ids: Collection[str], day: dt.datetime) -> Select[Any]:
    return select(device.c.device_id).where(
        among(device.c.device_id, device_ids),
        device.c.retirement_reason.is_(None),
        device.c.last_seen_time < to_micros(day),
    )


def _keys(key_ids: Collection[str], day: dt.datetime) -> Select[Any]:
    used = api_key.c.last_use_time
    return select(api_key.c.key_id).where(
        among(api_key.c.key_id, key_ids), or_(used.is_(None), used < to_micros(day))
    )
