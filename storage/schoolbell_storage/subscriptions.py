"""Subscriptions: what a person wants to be told, by student and kind; a device may override it."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, delete, insert, or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from schoolbell_server.domain.kinds import AppType, Kind
from schoolbell_server.domain.world import Subscription
from schoolbell_storage.codec import optional_micros, optional_time, to_json, to_micros
from schoolbell_storage.conditions import decode_condition, encode_condition
from schoolbell_storage.tables import subscription

Name = tuple[str, Kind]
"""(student_id, kind)"""
Subscriptions = Mapping[Name, Subscription]


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """Whose choices they are: a person's for all devices of an app type, or one device's own."""

    district_id: str
    user_id: str
    app_type: AppType
    device_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredChoices:
    """What is stored for a person, and what the asked device overrides of it."""

    person: Subscriptions
    device: Subscriptions
    content: str
    """A text that differs after every write of either."""


async def read_choices(connection: AsyncConnection, owner: Owner) -> StoredChoices:
    """Return a person's choices, and for a device its own beside them."""
    scopes = [_stored_for(owner, "")]
    if owner.device_id:
        scopes.append(_stored_for(owner, owner.device_id))
    found = await connection.execute(
        select(subscription)
        .where(or_(*scopes))
        .order_by(subscription.c.device_id, subscription.c.student_id, subscription.c.kind)
    )
    rows = found.all()
    return StoredChoices(
        person=dict(_decode(row) for row in rows if not row.device_id),
        device=dict(_decode(row) for row in rows if row.device_id),
        content=to_json([list(row) for row in rows]),
    )


async def replace_subscriptions(
    connection: AsyncConnection, owner: Owner, chosen: Subscriptions, now: dt.datetime
) -> None:
    """Store these whole, in place of what the owner stored for the same (student, kind).

    The caller has locked the district's row, which keeps other writers of it away.
    """
    await drop_subscriptions(connection, owner, chosen)
    await connection.execute(
        insert(subscription),
        [
            {
                "district_id": owner.district_id,
                "user_id": owner.user_id,
                "app_type": int(owner.app_type),
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


async def drop_subscriptions(
    connection: AsyncConnection, owner: Owner, names: Collection[Name] | None
) -> None:
    """Drop what the owner stored for these (None is all), so that it is inherited again."""
    doomed = delete(subscription).where(_stored_for(owner, owner.device_id))
    if names is not None:
        pairs = [(student_id, int(kind)) for student_id, kind in sorted(names)]
        named = tuple_(subscription.c.student_id, subscription.c.kind).in_(pairs)
        doomed = doomed.where(named)
    await connection.execute(doomed)


def _stored_for(owner: Owner, device_id: str) -> ColumnElement[bool]:
    """Return the condition on the rows of a device, or of the person where the id is empty.

    A device has one app; which type it is of is for the configuration to say, and may change.
    """
    own = and_(
        subscription.c.district_id == owner.district_id,
        subscription.c.user_id == owner.user_id,
        subscription.c.device_id == device_id,
    )
    return own if device_id else and_(own, subscription.c.app_type == int(owner.app_type))


def _decode(row: Row[Any]) -> tuple[Name, Subscription]:
    condition = None if row.condition is None else json.loads(row.condition)
    return (row.student_id, Kind(row.kind)), Subscription(
        enabled=row.enabled,
        condition=decode_condition(condition),
        limit_time=optional_time(row.limit_time),
    )
