"""Requests for test notifications that are remembered, so that a repeat sends none."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from sqlalchemy import ColumnElement, delete, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from schoolbell_storage.codec import to_micros
from schoolbell_storage.mapping import Mapper
from schoolbell_storage.rows import insert_into
from schoolbell_storage.tables import test_notification

REMEMBERED = dt.timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class NotificationRequest:
    """A request for a test notification to one device."""

    district_id: str
    request_id: str
    user_id: str
    device_id: str
    create_time: dt.datetime
    answer: bytes | None = None
    """The serialized response; None while it is under way, or if its server died."""


_MAPPER = Mapper(NotificationRequest)


async def claim_request(
    connection: AsyncConnection, asked: NotificationRequest
) -> NotificationRequest | None:
    """Store a request; return the earlier one of the same id, where there is one of this day."""
    forgotten = to_micros(asked.create_time - REMEMBERED)
    await connection.execute(
        delete(test_notification).where(*_same(asked), test_notification.c.create_time <= forgotten)
    )
    stored = await connection.execute(
        insert_into(connection.dialect.name, test_notification)
        .values(_MAPPER.values(asked))
        .on_conflict_do_nothing()
    )
    return None if stored.rowcount else await read_request(connection, asked)


async def read_request(
    connection: AsyncConnection, asked: NotificationRequest
) -> NotificationRequest | None:
    """Return what is remembered under the id of a request, of the day before it."""
    found = await connection.execute(
        select(test_notification).where(
            *_same(asked),
            test_notification.c.create_time > to_micros(asked.create_time - REMEMBERED),
        )
    )
    row = found.first()
    return None if row is None else _MAPPER.decode(row)


async def store_answer(
    connection: AsyncConnection, asked: NotificationRequest, answer: bytes
) -> None:
    """Remember what became of a request."""
    await connection.execute(update(test_notification).where(*_same(asked)).values(answer=answer))


async def forget_requests(connection: AsyncConnection, now: dt.datetime, most: int) -> int:
    """Drop requests of more than a day ago; return how many."""
    key = list(test_notification.primary_key)
    doomed = (
        select(*key)
        .where(test_notification.c.create_time <= to_micros(now - REMEMBERED))
        .order_by(test_notification.c.create_time)
        .limit(most)
    )
    gone = await connection.execute(delete(test_notification).where(tuple_(*key).in_(doomed)))
    return gone.rowcount


def _same(asked: NotificationRequest) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return (
        test_notification.c.district_id == asked.district_id,
        test_notification.c.request_id == asked.request_id,
    )
