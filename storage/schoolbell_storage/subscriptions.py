"""Subscriptions: what a device wants to be told, by student and kind."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import replace

from sqlalchemy import delete, insert, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from schoolbell_server.domain.kinds import Kind
from schoolbell_server.domain.world import Subscription
from schoolbell_storage.codec import optional_micros, optional_time, to_json, to_micros
from schoolbell_storage.conditions import decode_condition, encode_condition
from schoolbell_storage.devices import DeviceRow, store_device
from schoolbell_storage.tables import subscription

Subscriptions = Mapping[tuple[str, Kind], Subscription]
"""By (student_id, kind)."""


async def read_subscriptions(connection: AsyncConnection, device_id: str) -> Subscriptions:
    """Return what is stored for a device."""
    found = await connection.execute(
        select(subscription).where(subscription.c.device_id == device_id)
    )
    return {
        (row.student_id, Kind(row.kind)): Subscription(
            enabled=row.enabled,
            condition=decode_condition(
                None if row.condition is None else json.loads(row.condition)
            ),
            limit_time=optional_time(row.limit_time),
        )
        for row in found
    }


async def replace_subscriptions(
    connection: AsyncConnection, owner: DeviceRow, chosen: Subscriptions, now: dt.datetime
) -> DeviceRow:
    """Store these whole, in place of what was stored for the same (student, kind).

    Returns the device, which this transaction has locked, with the page's next version.
    """
    names = [(student_id, int(kind)) for student_id, kind in sorted(chosen)]
    await connection.execute(
        delete(subscription).where(
            subscription.c.device_id == owner.device_id,
            tuple_(subscription.c.student_id, subscription.c.kind).in_(names),
        )
    )
    await connection.execute(
        insert(subscription),
        [
            {
                "device_id": owner.device_id,
                "student_id": student_id,
                "kind": int(kind),
                "enabled": one.enabled,
                "condition": (
                    None if one.condition is None else to_json(encode_condition(one.condition))
                ),
                "limit_time": optional_micros(one.limit_time),
                "update_time": to_micros(now),
            }
            for (student_id, kind), one in sorted(chosen.items())
        ],
    )
    written = replace(owner, subscriptions_version=owner.subscriptions_version + 1)
    await store_device(connection, written)
    return written
