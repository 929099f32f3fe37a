"""Deliveries: one change to one device, as rows, from creation to their end."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from schoolbell_server.domain.change import ChangeKey
from schoolbell_server.domain.kinds import (
    App,
    CancelCause,
    DeliveryState,
    Gate,
    Kind,
    Outcome,
    Platform,
    RefusalReason,
)
from schoolbell_storage.codec import (
    from_micros,
    optional_micros,
    optional_time,
    to_json,
    to_micros,
)
from schoolbell_storage.rows import NUMBER, TEXT, among, rows
from schoolbell_storage.tables import delivery

UNSENT = (int(DeliveryState.PENDING), int(DeliveryState.HELD))


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptRow:
    """One try: when, and what became of it."""

    start_time: dt.datetime
    end_time: dt.datetime
    outcome: Outcome
    provider_reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryRow:
    """A delivery as stored."""

    delivery_id: str
    district_id: str
    key: ChangeKey
    student_id: str
    user_id: str
    device_id: str
    app_id: str
    app: App
    platform: Platform
    kind: Kind
    lane: int
    state: DeliveryState
    fact_key: str
    other_fact_key: str | None
    told: str
    """What it tells, and the baseline it was judged against, as the domain encodes it."""
    correction: bool
    facts_version: int
    school_day: dt.date
    time_zone: str
    """Of the school, in which its school day is told."""
    create_time: dt.datetime
    due_time: dt.datetime
    expire_time: dt.datetime
    update_time: dt.datetime
    revision: int = 1
    cancel_cause: CancelCause | None = None
    """Set while leased too: a cancel during an attempt waits for its outcome."""
    cancel_gate: Gate | None = None
    cancel_refusal: RefusalReason | None = None
    cancel_comment: str = ""
    attempt_count: int = 0
    budget_start: int = 0
    """The attempt count at the last replay: the budget counts from it."""
    answer_lost: bool = False
    attempts: tuple[AttemptRow, ...] = ()
    provider_message_id: str = ""
    lease_owner: str = ""
    accept_time: dt.datetime | None = None
    display_time: dt.datetime | None = None
    open_time: dt.datetime | None = None


async def insert_deliveries(connection: AsyncConnection, new: Sequence[DeliveryRow]) -> None:
    """Write new deliveries."""
    if new:
        await connection.execute(insert(delivery), [_values(row) for row in new])


async def fetch_deliveries(
    connection: AsyncConnection, delivery_ids: Collection[str], *, lock: bool = False
) -> dict[str, DeliveryRow]:
    """Return these deliveries by id; under `lock`, in order of id, until the transaction ends."""
    if not delivery_ids:
        return {}
    wanted = select(delivery).where(among(connection, delivery.c.delivery_id, delivery_ids))
    if lock:
        wanted = wanted.order_by(delivery.c.delivery_id).with_for_update(of=delivery)
    found = (await connection.execute(wanted)).all()
    return {row.delivery_id: decode(row) for row in found}


async def fact_deliveries(
    connection: AsyncConnection, names: Collection[tuple[str, str]], *, lock: bool = True
) -> list[DeliveryRow]:
    """Return every delivery of these (district_id, fact_key), locked, oldest first.

    A sender's claim skips locked rows, so what is seen unsent here stays unsent until the
    transaction ends.
    """
    if not names:
        return []
    batch = rows(connection, {"district_id": TEXT, "fact_key": TEXT}, sorted(names))
    same = and_(
        batch.c.district_id == delivery.c.district_id,
        or_(
            batch.c.fact_key == delivery.c.fact_key,
            batch.c.fact_key == delivery.c.other_fact_key,
        ),
    )
    ids = select(delivery.c.delivery_id).join(batch, same)
    wanted = (
        select(delivery).where(delivery.c.delivery_id.in_(ids)).order_by(delivery.c.delivery_id)
    )
    found = await connection.execute(wanted.with_for_update() if lock else wanted)
    return sorted((decode(row) for row in found), key=lambda row: (row.create_time, row.due_time))


async def claim_due(
    connection: AsyncConnection,
    owner: str,
    route: tuple[str, Platform],
    now: dt.datetime,
    limit: int,
) -> list[DeliveryRow]:
    """Lease up to `limit` due deliveries of one (app_id, platform), by lane, then by due time."""
    due = (
        select(delivery.c.delivery_id)
        .where(*_waiting(route), delivery.c.due_time <= to_micros(now))
        .order_by(delivery.c.lane, delivery.c.due_time)
        .limit(limit)
        .with_for_update(skip_locked=True)
        .cte("due")
        .prefix_with("MATERIALIZED", dialect="postgresql")
    )
    leased = await connection.execute(
        update(delivery)
        .where(delivery.c.delivery_id.in_(select(due.c.delivery_id)))
        .values(lease_owner=owner)
        .returning(delivery)
    )
    return sorted((decode(row) for row in leased), key=lambda row: (row.lane, row.due_time))


async def next_due(connection: AsyncConnection, route: tuple[str, Platform]) -> dt.datetime | None:
    """Return when the next unleased delivery of a route falls due."""
    found = await connection.execute(
        select(delivery.c.due_time).where(*_waiting(route)).order_by(delivery.c.due_time).limit(1)
    )
    return optional_time(found.scalar())


def _waiting(route: tuple[str, Platform]) -> Iterable[ColumnElement[bool]]:
    """Yield the conditions of what may be leased on a route."""
    app_id, platform = route
    yield delivery.c.app_id == app_id
    yield delivery.c.platform == int(platform)
    yield delivery.c.state.in_(UNSENT)
    yield delivery.c.lease_owner == ""


async def lock_expired(
    connection: AsyncConnection, now: dt.datetime, limit: int
) -> list[DeliveryRow]:
    """Lock and return deliveries that wait, unleased, beyond their time."""
    found = await connection.execute(
        select(delivery)
        .where(
            delivery.c.state.in_(UNSENT),
            delivery.c.lease_owner == "",
            delivery.c.expire_time <= to_micros(now),
        )
        .order_by(delivery.c.expire_time)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return [decode(row) for row in found]


async def release_leases(connection: AsyncConnection, owners: Collection[str]) -> int:
    """Take back what dead servers had leased; an attempt of theirs may have left."""
    if not owners:
        return 0
    released = await connection.execute(
        update(delivery)
        .where(delivery.c.lease_owner.in_(list(owners)))
        .values(lease_owner="", answer_lost=True)
    )
    return released.rowcount


async def release(connection: AsyncConnection, owner: str, delivery_ids: Collection[str]) -> None:
    """Give back leases whose attempt never began."""
    if delivery_ids:
        await connection.execute(
            update(delivery)
            .where(
                delivery.c.lease_owner == owner,
                among(connection, delivery.c.delivery_id, delivery_ids),
            )
            .values(lease_owner="")
        )


_STORED = {
    "state": NUMBER,
    "revision": NUMBER,
    "cancel_cause": NUMBER,
    "cancel_gate": NUMBER,
    "cancel_refusal": NUMBER,
    "cancel_comment": TEXT,
    "attempt_count": NUMBER,
    "budget_start": NUMBER,
    "answer_lost": NUMBER,
    "attempts": TEXT,
    "provider_message_id": TEXT,
    "lease_owner": TEXT,
    "facts_version": NUMBER,
    "due_time": NUMBER,
    "accept_time": NUMBER,
    "display_time": NUMBER,
    "open_time": NUMBER,
    "update_time": NUMBER,
}


async def store_deliveries(connection: AsyncConnection, changed: Sequence[DeliveryRow]) -> None:
    """Store the present standing of deliveries that this transaction has locked."""
    if not changed:
        return
    values = [_values(row) for row in changed]
    batch = rows(
        connection,
        {"delivery_id": TEXT} | _STORED,
        [
            (row["delivery_id"], *(_plain(row[name]) for name in _STORED))
            for row in sorted(values, key=lambda row: str(row["delivery_id"]))
        ],
    )
    stored: dict[str, Any] = {name: batch.c[name] for name in _STORED}
    stored["answer_lost"] = batch.c.answer_lost == 1
    await connection.execute(
        update(delivery).where(delivery.c.delivery_id == batch.c.delivery_id).values(stored)
    )


def _plain(value: object) -> object:
    return int(value) if isinstance(value, bool) else value


def _values(row: DeliveryRow) -> dict[str, object]:
    cause = row.cancel_cause
    return {
        "delivery_id": row.delivery_id,
        "district_id": row.district_id,
        "source": row.key.source,
        "change_id": row.key.change_id,
        "student_id": row.student_id,
        "user_id": row.user_id,
        "device_id": row.device_id,
        "app_id": row.app_id,
        "app": int(row.app),
        "platform": int(row.platform),
        "kind": int(row.kind),
        "lane": row.lane,
        "state": int(row.state),
        "revision": row.revision,
        "cancel_cause": None if cause is None else int(cause),
        "cancel_gate": None if row.cancel_gate is None else int(row.cancel_gate),
        "cancel_refusal": None if row.cancel_refusal is None else int(row.cancel_refusal),
        "cancel_comment": row.cancel_comment,
        "attempt_count": row.attempt_count,
        "budget_start": row.budget_start,
        "answer_lost": row.answer_lost,
        "attempts": _encode_attempts(row.attempts),
        "fact_key": row.fact_key,
        "other_fact_key": row.other_fact_key,
        "told": row.told,
        "correction": row.correction,
        "facts_version": row.facts_version,
        "school_day": row.school_day.isoformat(),
        "time_zone": row.time_zone,
        "provider_message_id": row.provider_message_id,
        "lease_owner": row.lease_owner,
        "create_time": to_micros(row.create_time),
        "due_time": to_micros(row.due_time),
        "expire_time": to_micros(row.expire_time),
        "accept_time": optional_micros(row.accept_time),
        "display_time": optional_micros(row.display_time),
        "open_time": optional_micros(row.open_time),
        "update_time": to_micros(row.update_time),
    }


def decode(row: Row[Any]) -> DeliveryRow:
    """Return a row of the delivery table."""
    return DeliveryRow(
        delivery_id=row.delivery_id,
        district_id=row.district_id,
        key=ChangeKey(source=row.source, change_id=row.change_id),
        student_id=row.student_id,
        user_id=row.user_id,
        device_id=row.device_id,
        app_id=row.app_id,
        app=App(row.app),
        platform=Platform(row.platform),
        kind=Kind(row.kind),
        lane=row.lane,
        state=DeliveryState(row.state),
        revision=row.revision,
        cancel_cause=None if row.cancel_cause is None else CancelCause(row.cancel_cause),
        cancel_gate=None if row.cancel_gate is None else Gate(row.cancel_gate),
        cancel_refusal=(None if row.cancel_refusal is None else RefusalReason(row.cancel_refusal)),
        cancel_comment=row.cancel_comment,
        attempt_count=row.attempt_count,
        budget_start=row.budget_start,
        answer_lost=row.answer_lost,
        attempts=_decode_attempts(row.attempts),
        fact_key=row.fact_key,
        other_fact_key=row.other_fact_key,
        told=row.told,
        correction=row.correction,
        facts_version=row.facts_version,
        school_day=dt.date.fromisoformat(row.school_day),
        time_zone=row.time_zone,
        provider_message_id=row.provider_message_id,
        lease_owner=row.lease_owner,
        create_time=from_micros(row.create_time),
        due_time=from_micros(row.due_time),
        expire_time=from_micros(row.expire_time),
        accept_time=optional_time(row.accept_time),
        display_time=optional_time(row.display_time),
        open_time=optional_time(row.open_time),
        update_time=from_micros(row.update_time),
    )


def _encode_attempts(attempts: Sequence[AttemptRow]) -> str:
    if not attempts:
        return "[]"
    return to_json(
        [
            [to_micros(one.start_time), to_micros(one.end_time), one.outcome, one.provider_reason]
            for one in attempts
        ]
    )


def _decode_attempts(text: str) -> tuple[AttemptRow, ...]:
    if text == "[]":
        return ()
    return tuple(
        AttemptRow(
            start_time=from_micros(start),
            end_time=from_micros(end),
            outcome=Outcome(outcome),
            provider_reason=reason,
        )
        for start, end, outcome, reason in json.loads(text)
    )
