"""Deliveries as rows."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Collection, Sequence
from functools import cache, lru_cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Select,
    select,
    tuple_,
    union_all,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from schoolbell_server.domain.delivery import Attempt, Delivery
from schoolbell_server.domain.kinds import DeliveryState, Outcome
from schoolbell_storage.codec import from_micros, to_json, to_micros
from schoolbell_storage.fact_documents import decode_told, encode_told
from schoolbell_storage.many import Many
from schoolbell_storage.mapping import Codec, Mapper
from schoolbell_storage.principals import PRINCIPAL
from schoolbell_storage.rows import TEXT, Batch, among, given
from schoolbell_storage.tables import delivery

UNSENT = (int(DeliveryState.PENDING), int(DeliveryState.HELD))
_TELLINGS = 1024
"""What deliveries tell that is remembered, by its text: those of a batch have much in common."""


async def insert_deliveries(connection: AsyncConnection, new: Sequence[Delivery]) -> None:
    """Write new deliveries."""
    await _INSERT.run(connection, MAPPER.encode(new))


async def fetch_deliveries(
    connection: AsyncConnection, delivery_ids: Collection[str], *, lock: bool = False
) -> dict[str, Delivery]:
    """Return these deliveries by id; under `lock` until the transaction ends.

    They are locked by district, then by id: the order in which accepting locks them.
    """
    if not delivery_ids:
        return {}
    wanted = _by_id(connection.dialect.name, lock)
    found = (await connection.execute(wanted, {"ids": delivery_ids})).all()
    return {row.delivery_id: decode(row) for row in found}


@cache
def _by_id(dialect: str, lock: bool) -> Select[Any]:
    wanted = select(delivery).where(among(delivery.c.delivery_id, given("ids")))
    if not lock:
        return wanted
    wanted = wanted.order_by(lock_order(dialect), delivery.c.delivery_id)
    return wanted.with_for_update(of=delivery)


async def deliveries_of_user(
    connection: AsyncConnection,
    district_id: str,
    user_id: str,
    start: dt.datetime,
    end: dt.datetime,
) -> list[Delivery]:
    """Return a user's deliveries that were written in [start, end), by id."""
    wanted = select(delivery).where(
        delivery.c.district_id == district_id,
        delivery.c.user_id == user_id,
        delivery.c.create_time >= to_micros(start),
        delivery.c.create_time < to_micros(end),
    )
    found = await connection.execute(wanted.order_by(delivery.c.delivery_id))
    return [decode(row) for row in found.all()]


def lock_order(dialect: str) -> ColumnElement[str]:
    """Return what deliveries are locked by before their id: the district, as Python sorts it."""
    district = delivery.c.district_id
    return district.collate("C") if dialect == "postgresql" else district


async def fact_deliveries(
    connection: AsyncConnection, names: Collection[tuple[str, str]], *, lock: bool = True
) -> list[Delivery]:
    """Return every delivery of these (district_id, fact_key), locked, oldest first.

    A sender's claim skips locked rows, so what is seen unsent here stays unsent until the
    transaction ends.
    """
    if not names:
        return []
    dialect = connection.dialect.name
    wanted = _of_facts(dialect)
    found = await connection.execute(
        wanted.with_for_update() if lock else wanted, _FACTS.given(dialect, sorted(names))
    )
    return sorted(
        (decode(row) for row in found.all()), key=lambda row: (row.create_time, row.due_time)
    )


@cache
def _of_facts(dialect: str) -> Select[Any]:
    batch = _FACTS.table(dialect)
    asked = select(batch.c.district_id, batch.c.fact_key)
    # Two searches, each by its index: for an OR of both SQLite walks the district's deliveries.
    named = union_all(
        *(
            select(delivery.c.delivery_id).where(
                key.is_not(None), tuple_(delivery.c.district_id, key).in_(asked)
            )
            for key in (delivery.c.fact_key, delivery.c.other_fact_key)
        )
    )
    wanted = select(delivery).where(delivery.c.delivery_id.in_(named))
    return wanted.order_by(delivery.c.delivery_id)


async def store_deliveries(connection: AsyncConnection, changed: Sequence[Delivery]) -> None:
    """Store what deliveries that this transaction has locked are now."""
    await _STORE.run(connection, changed)


async def store_accepted(connection: AsyncConnection, accepted: Sequence[Delivery]) -> None:
    """Store deliveries that this transaction has locked, where only an acceptance is new.

    State, revision, lease, attempts and their count, provider's id, acceptance and update time are
    written; nothing else may differ from what is stored.
    """
    await _ACCEPT.run(connection, accepted)


def _encode_attempts(attempts: Sequence[Attempt]) -> str:
    if not attempts:
        return "[]"
    return to_json(
        [
            [to_micros(one.start_time), to_micros(one.end_time), one.outcome, one.provider_reason]
            for one in attempts
        ]
    )


def _decode_attempts(text: str) -> tuple[Attempt, ...]:
    if text == "[]":
        return ()
    return tuple(
        Attempt(
            start_time=from_micros(start),
            end_time=from_micros(end),
            outcome=Outcome(outcome),
            provider_reason=reason,
        )
        for start, end, outcome, reason in json.loads(text)
    )


MAPPER = Mapper(
    Delivery,
    {
        "attempts": Codec(_encode_attempts, _decode_attempts, repeats=True),
        # The deliveries of one change tell most devices the same.
        "told": Codec(encode_told, lru_cache(_TELLINGS)(decode_told), repeats=True),
        "cancel_principal": PRINCIPAL,
    },
    without={"change"},
    table=delivery,
)
decode = MAPPER.decode
_FIXED = frozenset(
    {
        "delivery_id",
        "district_id",
        "source",
        "change_id",
        "student_id",
        "user_id",
        "device_id",
        "app_id",
        "app",
        "platform",
        "kind",
        "lane",
        "calendar_id",
        "fact_key",
        "other_fact_key",
        "told",
        "correction",
        "school_day",
        "time_zone",
        "create_time",
        "expire_time",
    }
)
"""What never changes of a delivery."""
_MOVING = tuple(name for name in MAPPER.columns if name not in _FIXED)
_ACCEPTANCE = (
    "state",
    "revision",
    "attempt_count",
    "attempts",
    "provider_message_id",
    "lease_owner",
    "accept_time",
    "update_time",
)


class _ById:
    """Writes columns of deliveries, each by its key."""

    def __init__(self, names: Sequence[str]) -> None:
        self._encode = MAPPER.encoder([*names, "delivery_id"])
        self._many = Many(delivery, names, by=["delivery_id"])

    async def run(self, connection: AsyncConnection, rows: Sequence[Delivery]) -> None:
        await self._many.run(connection, self._encode(rows))


_STORE, _ACCEPT = _ById(_MOVING), _ById(_ACCEPTANCE)
_INSERT = Many(delivery, MAPPER.columns)
_FACTS = Batch({"district_id": TEXT, "fact_key": TEXT})
