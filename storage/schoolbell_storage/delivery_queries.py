"""Which deliveries: the one filter that lists, retries and cancels share."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Integer,
    Select,
    TextClause,
    and_,
    case,
    func,
    or_,
    select,
    tuple_,
)
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from schoolbell_server.domain.change import ChangeKey
from schoolbell_server.domain.delivery import Delivery
from schoolbell_server.domain.kinds import CancelCause, DeliveryState, Gate, Kind, Outcome
from schoolbell_storage.codec import optional_time, to_micros
from schoolbell_storage.deliveries import UNSENT, decode
from schoolbell_storage.pacing import paced
from schoolbell_storage.tables import LEASED, WAITING, calendar, delivery


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryQuery:
    """OR within a field, AND between fields, empty is all."""

    district_ids: Collection[str] | None
    """None is every district."""
    keys: Collection[ChangeKey] = ()
    student_ids: Collection[str] = ()
    user_ids: Collection[str] = ()
    device_ids: Collection[str] = ()
    kinds: Collection[Kind] = ()
    states: Collection[DeliveryState] = ()
    gates: Collection[Gate] = ()
    """The gates that cancelled them."""
    calendar_ids: Collection[str] = ()
    school_ids: Collection[str] = ()
    """The schools of their calendars."""
    sources: Collection[str] = ()
    outcomes: Collection[Outcome] = ()
    """Of the newest attempt."""
    cancel_causes: Collection[CancelCause] = ()
    app_ids: Collection[str] = ()
    start_time: dt.datetime | None = None
    end_time: dt.datetime | None = None
    """The update time lies in [start_time, end_time)."""
    start_create_time: dt.datetime | None = None
    end_create_time: dt.datetime | None = None
    """The create time lies in [start_create_time, end_create_time)."""
    before: tuple[int, str] | None = None
    """The (create time in microseconds, delivery_id) of the last delivery of the page before."""
    limit: int = 50


def paged(query: DeliveryQuery, before: tuple[int, str] | None, limit: int) -> DeliveryQuery:
    """Return the part of a query that lies behind a position."""
    return replace(query, before=before, limit=limit)


async def list_deliveries(connection: AsyncConnection, query: DeliveryQuery) -> list[Delivery]:
    """Return a page of deliveries, newest first."""
    found = await connection.execute(
        select(delivery)
        .where(*conditions(query))
        .order_by(delivery.c.create_time.desc(), delivery.c.delivery_id.desc())
        .limit(query.limit)
    )
    return [decode(row) async for row in paced(found)]


def conditions(query: DeliveryQuery) -> Iterable[Any]:
    """Yield the SQL conditions of a query."""
    yield delivery.c.delivery_id.is_not(None)
    if query.district_ids is not None:
        yield delivery.c.district_id.in_(list(query.district_ids))
    if query.keys:
        yield or_(
            *(
                and_(delivery.c.source == key.source, delivery.c.change_id == key.change_id)
                for key in query.keys
            )
        )
    for column, chosen in (
        (delivery.c.student_id, query.student_ids),
        (delivery.c.user_id, query.user_ids),
        (delivery.c.device_id, query.device_ids),
        (delivery.c.calendar_id, query.calendar_ids),
        (delivery.c.source, query.sources),
        (delivery.c.app_id, query.app_ids),
    ):
        if chosen:
            yield column.in_(list(chosen))
    if query.states:
        yield _in_states(query.states)
    for number, members in (
        (delivery.c.kind, query.kinds),
        (delivery.c.cancel_gate, query.gates),
    ):
        if members:
            yield number.in_([int(member) for member in members])
    yield from _ends(query)
    yield from _span(query)


def _ends(query: DeliveryQuery) -> Iterable[Any]:
    """Yield the conditions on the school, and on how a delivery's last attempt or life ended."""
    if query.school_ids:
        of_school = select(calendar.c.district_id, calendar.c.calendar_id).where(
            calendar.c.school_id.in_(list(query.school_ids))
        )
        yield tuple_(delivery.c.district_id, delivery.c.calendar_id).in_(of_school)
    if query.outcomes:
        yield _LastOutcome(delivery.c.attempts).in_([int(one) for one in query.outcomes])
    if query.cancel_causes:
        # The cause is there while the delivery is still with a sender.
        yield delivery.c.state == int(DeliveryState.CANCELLED)
        yield delivery.c.cancel_cause.in_([int(one) for one in query.cancel_causes])


class _LastOutcome(FunctionElement[int]):
    """(attempts): the outcome of the newest, NULL before the first."""

    type = Integer()
    inherit_cache = True


@compiles(_LastOutcome)
def _last_outcome_json(element: _LastOutcome, compiler: SQLCompiler, **how: Any) -> str:
    (attempts,) = (compiler.process(part, **how) for part in element.clauses)
    return f"json_extract({attempts}, '$[#-1][2]')"


@compiles(_LastOutcome, "postgresql")
def _last_outcome_jsonb(element: _LastOutcome, compiler: SQLCompiler, **how: Any) -> str:
    (attempts,) = (compiler.process(part, **how) for part in element.clauses)
    return f"CAST(CAST({attempts} AS JSONB) -> -1 ->> 2 AS INTEGER)"


def _span(query: DeliveryQuery) -> Iterable[Any]:
    """Yield the conditions on time and place in the list."""
    if query.start_time is not None:
        yield delivery.c.update_time >= to_micros(query.start_time)
    if query.end_time is not None:
        yield delivery.c.update_time < to_micros(query.end_time)
    if query.start_create_time is not None:
        yield delivery.c.create_time >= to_micros(query.start_create_time)
    if query.end_create_time is not None:
        yield delivery.c.create_time < to_micros(query.end_create_time)
    if query.before is not None:
        created, name = query.before
        yield or_(
            delivery.c.create_time < created,
            and_(delivery.c.create_time == created, delivery.c.delivery_id < name),
        )


def _in_states(states: Collection[DeliveryState]) -> Any:
    """Return the condition of these states; SENDING is an unsent one with a lease."""
    stored = [int(state) for state in states if state is not DeliveryState.SENDING]
    unleased = and_(delivery.c.state.in_(stored), delivery.c.lease_owner == "")
    if DeliveryState.SENDING in states:
        return or_(unleased, delivery.c.lease_owner != "")
    return unleased


async def count_states(
    connection: AsyncConnection,
    district_id: str,
    start: dt.datetime | None = None,
    end: dt.datetime | None = None,
) -> dict[tuple[Kind, DeliveryState], int]:
    """Return how many of a district's deliveries, by create time, stand in each state."""
    counted = select(delivery.c.kind, delivery.c.state, func.count()).where(
        delivery.c.district_id == district_id
    )
    if start is not None:
        counted = counted.where(delivery.c.create_time >= to_micros(start))
    if end is not None:
        counted = counted.where(delivery.c.create_time < to_micros(end))
    found = await connection.execute(counted.group_by(delivery.c.kind, delivery.c.state))
    return {(Kind(kind), DeliveryState(state)): count for kind, state, count in found}


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneBacklog:
    """What waits in one lane of one district."""

    district_id: str
    lane: int
    pending: int
    held: int
    oldest_due_time: dt.datetime | None
    """The earliest of the pending; None if none is."""

    def with_more(self, more: LaneBacklog) -> LaneBacklog:
        """Return both together."""
        both = (self.oldest_due_time, more.oldest_due_time)
        times = [time for time in both if time is not None]
        return replace(
            self,
            pending=self.pending + more.pending,
            held=self.held + more.held,
            oldest_due_time=min(times, default=None),
        )


async def backlog(connection: AsyncConnection) -> list[LaneBacklog]:
    """Return what waits or is with a sender, by district and lane."""
    found: dict[tuple[str, int], LaneBacklog] = {}
    # Each has an index of its own, and SQLite takes it only for a condition on its first column.
    counts = (WAITING, delivery.c.app_id > ""), (LEASED, delivery.c.lease_owner > "")
    for conditions in counts:
        for row in (await connection.execute(_counted(*conditions))).all():
            here = LaneBacklog(
                district_id=row.district_id,
                lane=row.lane,
                pending=row.pending,
                held=row.held,
                oldest_due_time=optional_time(row.oldest),
            )
            place = (row.district_id, row.lane)
            found[place] = here.with_more(found[place]) if place in found else here
    return list(found.values())


def _counted(*conditions: ColumnElement[bool] | TextClause) -> Select[Any]:
    pending = delivery.c.state == int(DeliveryState.PENDING)
    held = func.sum(delivery.c.state - int(DeliveryState.PENDING))  # HELD is PENDING + 1
    return (
        select(
            delivery.c.district_id,
            delivery.c.lane,
            (func.count() - held).label("pending"),
            held.label("held"),
            func.min(case((pending, delivery.c.due_time))).label("oldest"),
        )
        .where(*conditions, delivery.c.state.in_(UNSENT))
        .group_by(delivery.c.district_id, delivery.c.lane)
    )
