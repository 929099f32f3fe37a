"""Deliveries in trouble: those an open circuit keeps, and those whose turn broke."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection

from sqlalchemy import select, true, update
from sqlalchemy.ext.asyncio import AsyncConnection

from schoolbell_server.domain.kinds import DeliveryState, Platform
from schoolbell_storage.codec import to_micros
from schoolbell_storage.deliveries import UNSENT, DeliveryRow, decode
from schoolbell_storage.tables import delivery


async def pending_since(
    connection: AsyncConnection,
    route: tuple[str, Platform],
    since: dt.datetime,
    now: dt.datetime,
    limit: int,
    *,
    lock: bool = False,
) -> list[DeliveryRow]:
    """Return PENDING, unleased deliveries of one (app_id, platform) due in [since, now]."""
    app_id, platform = route
    wanted = (
        select(delivery)
        .where(
            delivery.c.app_id == app_id,
            delivery.c.platform == int(platform),
            delivery.c.state.in_(UNSENT),  # the words of the index of what is due
            delivery.c.state == int(DeliveryState.PENDING),
            delivery.c.lease_owner == "",
            delivery.c.due_time.between(to_micros(since), to_micros(now)),
        )
        .limit(limit)
    )
    found = await connection.execute(wanted.with_for_update(skip_locked=True) if lock else wanted)
    return [decode(row) for row in found]


async def set_aside(
    connection: AsyncConnection, owner: str, delivery_ids: Collection[str], now: dt.datetime
) -> list[str]:
    """End leased deliveries as UNCERTAIN, without reading them; return those that were."""
    ended = await connection.execute(
        update(delivery)
        .where(delivery.c.lease_owner == owner, delivery.c.delivery_id.in_(list(delivery_ids)))
        .values(
            lease_owner="",
            state=int(DeliveryState.UNCERTAIN),
            answer_lost=true(),
            attempt_count=delivery.c.attempt_count + 1,
            revision=delivery.c.revision + 1,
            update_time=to_micros(now),
        )
        .returning(delivery.c.delivery_id)
    )
    return list(ended.scalars())
