"""Deliveries: one change to one device, as rows, from creation to their end."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from functools import cache
from operator import attrgetter
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Row,
    Select,
    bindparam,
    insert,
    select,
    tuple_,
    union_all,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from schoolbell_server.domain.change import Change, ChangeKey
from schoolbell_server.domain.kinds import (
    AppType,
    CancelCause,
    DeliveryState,
    Gate,
    HoldCause,
    Kind,
    Outcome,
    Platform,
    RefusalReason,
)
from schoolbell_storage.codec import (
    from_micros,
    optional_time,
    to_json,
    to_micros,
)
from schoolbell_storage.many import Many
from schoolbell_storage.rows import TEXT, Batch, among
from schoolbell_storage.tables import delivery

UNSENT = (int(DeliveryState.PENDING), int(DeliveryState.HELD))


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptRow:
    """One try: when, and what became of it."""

    start_time: dt.datetime
    end_time: dt.datetime
    outcome: Outcome
    provider_reason: str = ""


@dataclass(slots=True, kw_only=True)
class DeliveryRow:
    """A delivery as stored; never changed in place.

    Not frozen, for a frozen one of so many fields takes three times as long to make.
    """

    delivery_id: str
    district_id: str
    key: ChangeKey
    student_id: str
    user_id: str
    device_id: str
    app_id: str
    app: AppType
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
    calendar_id: str = ""
    """'' where the change names none."""
    revision: int = 1
    hold_cause: HoldCause | None = None
    """Why it waits; says nothing unless it is HELD."""
    cancel_cause: CancelCause | None = None
    """Set while leased too: a cancel during an attempt waits for its outcome."""
    cancel_gate: Gate | None = None
    cancel_refusal: RefusalReason | None = None
    cancel_comment: str = ""
    cancel_principal: str = ""
    """Who called for it, as the server encodes it; '' for any cause but PERSON."""
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
    change: Change | None = field(default=None, compare=False, repr=False)
    """What it tells, where this server has just accepted it; never stored, nor read."""


_FIELDS = tuple(DeliveryRow.__dataclass_fields__)
_values_of = attrgetter(*_FIELDS)
_SETTERS = tuple(getattr(DeliveryRow, name).__set__ for name in _FIELDS)


def changed(row: DeliveryRow, **fields: object) -> DeliveryRow:
    """Return a delivery with some fields replaced, as `dataclasses.replace` does in twice the time.

    Raises AttributeError for a name that is no field.
    """
    fresh = object.__new__(DeliveryRow)
    for put, value in zip(_SETTERS, _values_of(row), strict=True):
        put(fresh, value)
    for name, value in fields.items():
        setattr(fresh, name, value)
    return fresh


async def insert_deliveries(connection: AsyncConnection, new: Sequence[DeliveryRow]) -> None:
    """Write new deliveries."""
    micros = cache(to_micros)
    await _INSERT.run(connection, [_values(row, micros) for row in new])


async def fetch_deliveries(
    connection: AsyncConnection, delivery_ids: Collection[str], *, lock: bool = False
) -> dict[str, DeliveryRow]:
    """Return these deliveries by id; under `lock` until the transaction ends.

    They are locked by district, then by id: the order in which accepting locks them.
    """
    if not delivery_ids:
        return {}
    wanted = select(delivery).where(among(delivery.c.delivery_id, delivery_ids))
    if lock:
        wanted = wanted.order_by(lock_order(connection.dialect.name), delivery.c.delivery_id)
        wanted = wanted.with_for_update(of=delivery)
    found = (await connection.execute(wanted)).all()
    return {row.delivery_id: decode(row) for row in found}


async def deliveries_of_user(
    connection: AsyncConnection,
    district_id: str,
    user_id: str,
    start: dt.datetime,
    end: dt.datetime,
) -> list[DeliveryRow]:
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
) -> list[DeliveryRow]:
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


async def store_deliveries(connection: AsyncConnection, changed: Sequence[DeliveryRow]) -> None:
    """Store the present standing of deliveries that this transaction has locked."""
    micros = cache(to_micros)
    values = [(*_standing(row, micros), row.delivery_id) for row in changed]
    await _STORE.run(connection, values)


async def store_accepted(connection: AsyncConnection, accepted: Sequence[DeliveryRow]) -> None:
    """Store deliveries that this transaction has locked, where only an acceptance is new.

    State, revision, lease, attempts and their count, provider's id, acceptance and update time are
    written; nothing else may differ from what is stored.
    """
    micros, encode = cache(to_micros), cache(_encode_attempts)
    values = [
        (
            int(row.state),
            row.revision,
            row.attempt_count,
            encode(row.attempts),
            row.provider_message_id,
            row.lease_owner,
            None if row.accept_time is None else micros(row.accept_time),
            micros(row.update_time),
            row.delivery_id,
        )
        for row in accepted
    ]
    await _ACCEPT.run(connection, values)


_Micros = Callable[[dt.datetime], int]
"""`to_micros`, which remembers: the rows of one transaction have most of their times in common."""


def _values(row: DeliveryRow, micros: _Micros) -> tuple[object, ...]:
    """Return a new row's values in the order of `_FIXED` and `_STANDING`."""
    return (
        row.delivery_id,
        row.district_id,
        row.key.source,
        row.key.change_id,
        row.student_id,
        row.user_id,
        row.device_id,
        row.app_id,
        int(row.app),
        int(row.platform),
        int(row.kind),
        row.lane,
        row.calendar_id,
        row.fact_key,
        row.other_fact_key,
        row.told,
        row.correction,
        row.school_day.isoformat(),
        row.time_zone,
        micros(row.create_time),
        micros(row.expire_time),
        *_standing(row, micros),
    )


def _standing(row: DeliveryRow, micros: _Micros) -> tuple[object, ...]:
    """Return what changes of a delivery while it lives, in the order of `_STANDING`."""
    cause = row.cancel_cause
    return (
        int(row.state),
        row.revision,
        None if row.hold_cause is None else int(row.hold_cause),
        None if cause is None else int(cause),
        None if row.cancel_gate is None else int(row.cancel_gate),
        None if row.cancel_refusal is None else int(row.cancel_refusal),
        row.cancel_comment,
        row.cancel_principal,
        row.attempt_count,
        row.budget_start,
        row.answer_lost,
        _encode_attempts(row.attempts),
        row.facts_version,
        row.provider_message_id,
        row.lease_owner,
        micros(row.due_time),
        None if row.accept_time is None else micros(row.accept_time),
        None if row.display_time is None else micros(row.display_time),
        None if row.open_time is None else micros(row.open_time),
        micros(row.update_time),
    )


_FIXED = (
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
)
_STANDING = (
    "state",
    "revision",
    "hold_cause",
    "cancel_cause",
    "cancel_gate",
    "cancel_refusal",
    "cancel_comment",
    "cancel_principal",
    "attempt_count",
    "budget_start",
    "answer_lost",
    "attempts",
    "facts_version",
    "provider_message_id",
    "lease_owner",
    "due_time",
    "accept_time",
    "display_time",
    "open_time",
    "update_time",
)
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
_NAME = "of_delivery"


def _update_by_id(names: Sequence[str]) -> Many:
    # A row each by its key: joined with `json_each`, SQLite took three times as long.
    changing = update(delivery).where(delivery.c.delivery_id == bindparam(_NAME, type_=TEXT))
    changing = changing.values({name: bindparam(name) for name in names})
    return Many(changing, [*names, _NAME])


_STORE, _ACCEPT = _update_by_id(_STANDING), _update_by_id(_ACCEPTANCE)
_INSERT = Many(insert(delivery), (*_FIXED, *_STANDING))
_FACTS = Batch({"district_id": TEXT, "fact_key": TEXT})


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
        app=AppType(row.app),
        platform=Platform(row.platform),
        kind=Kind(row.kind),
        lane=row.lane,
        calendar_id=row.calendar_id,
        state=DeliveryState(row.state),
        revision=row.revision,
        hold_cause=None if row.hold_cause is None else HoldCause(row.hold_cause),
        cancel_cause=None if row.cancel_cause is None else CancelCause(row.cancel_cause),
        cancel_gate=None if row.cancel_gate is None else Gate(row.cancel_gate),
        cancel_refusal=(None if row.cancel_refusal is None else RefusalReason(row.cancel_refusal)),
        cancel_comment=row.cancel_comment,
        cancel_principal=row.cancel_principal,
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
