"""Claims: what waits on a route, by lane and district, and the leases of those who send it.

A route's waiting deliveries are looked up district by district, so that a claim can take from
each of them: one district's burst leaves the others their share.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Select,
    TextClause,
    bindparam,
    case,
    select,
    true,
    tuple_,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from schoolbell_server.domain.delivery import Delivery
from schoolbell_server.domain.kinds import DeliveryState, Platform
from schoolbell_storage.codec import from_micros, to_micros
from schoolbell_storage.deliveries import UNSENT, decode, lock_order
from schoolbell_storage.rows import TEXT, among, given
from schoolbell_storage.tables import DOUBTFUL, LEASED, WAITING, delivery

HUB = "@hub"
"""Who leases what was passed on to a hub: no server, so it lives until the outcome comes."""
Route = tuple[str, Platform]
"""(app_id, platform)"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """That deliveries of a district wait in a lane, the first of them until its due time."""

    lane: int
    district_id: str
    due_time: dt.datetime


_NEXT_PLACE = (
    select(delivery.c.lane, delivery.c.district_id, delivery.c.due_time)
    .where(
        delivery.c.app_id == bindparam("app", type_=TEXT),
        delivery.c.platform == bindparam("on", type_=delivery.c.platform.type),
        WAITING,
        tuple_(delivery.c.lane, delivery.c.district_id)
        > tuple_(
            bindparam("after_lane", type_=delivery.c.lane.type),
            bindparam("after_district", type_=TEXT),
        ),
    )
    .order_by(delivery.c.lane, delivery.c.district_id, delivery.c.due_time)
    .limit(1)
)


async def waiting(connection: AsyncConnection, route: Route) -> list[Waiting]:
    """Return where unleased deliveries wait on a route: by lane, then by district."""
    found: list[Waiting] = []
    app_id, platform = route
    asked: dict[str, object] = {
        "app": app_id,
        "on": int(platform),
        "after_lane": -1,
        "after_district": "",
    }
    while True:
        row = (await connection.execute(_NEXT_PLACE, asked)).first()
        if row is None:
            return found
        asked |= {"after_lane": row.lane, "after_district": row.district_id}
        due_time = from_micros(row.due_time)
        found.append(Waiting(lane=row.lane, district_id=row.district_id, due_time=due_time))


async def claim_due(
    connection: AsyncConnection,
    owner: str,
    route: Route,
    places: Iterable[Waiting],
    now: dt.datetime,
    limit: int,
) -> list[Delivery]:
    """Lease up to `limit` due deliveries of a route: lane by lane, its districts share alike.

    What a district leaves of its share goes to the others of the lane.
    """
    leased: list[Delivery] = []
    lanes: dict[int, list[Waiting]] = {}
    for place in places:
        if place.due_time <= now:
            lanes.setdefault(place.lane, []).append(place)
    for _, sharing in sorted(lanes.items()):
        while sharing and len(leased) < limit:
            share = max(1, (limit - len(leased)) // len(sharing))
            left = []
            for place in sharing:
                most = min(share, limit - len(leased))
                took = await _claim(connection, owner, route, place, now, most) if most else []
                leased += took
                if len(took) == share:
                    left.append(place)
            sharing = left
    return leased


async def _claim(
    connection: AsyncConnection,
    owner: str,
    route: Route,
    place: Waiting,
    now: dt.datetime,
    limit: int,
) -> Sequence[Delivery]:
    due = (
        select(delivery.c.delivery_id)
        .where(*_on(route), *_at(place), delivery.c.due_time <= to_micros(now))
        .order_by(delivery.c.due_time)
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
    return sorted((decode(row) for row in leased.all()), key=lambda row: row.due_time)


async def lock_pending(
    connection: AsyncConnection,
    route: Route,
    place: Waiting,
    span: tuple[dt.datetime, dt.datetime],
    limit: int,
) -> list[Delivery]:
    """Lock and return what is PENDING at one place and fell due in a span of time, inclusive."""
    since, until = span
    found = await connection.execute(
        select(delivery)
        .where(
            *_on(route),
            *_at(place),
            delivery.c.due_time.between(to_micros(since), to_micros(until)),
            delivery.c.state == int(DeliveryState.PENDING),
        )
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return [decode(row) for row in found.all()]


async def find_future(
    connection: AsyncConnection, route: Route, place: Waiting, after: dt.datetime, limit: int
) -> list[str]:
    """Return the ids of what waits at one place, was written after a time, and is due after it."""
    found = await connection.execute(
        select(delivery.c.delivery_id)
        .where(
            *_on(route),
            *_at(place),
            delivery.c.due_time > to_micros(after),
            delivery.c.update_time > to_micros(after),
        )
        .limit(limit)
    )
    return list(found.scalars())


def _on(route: Route) -> Iterable[ColumnElement[bool] | TextClause]:
    app_id, platform = route
    yield delivery.c.app_id == app_id
    yield delivery.c.platform == int(platform)
    yield WAITING


def _at(place: Waiting) -> Iterable[ColumnElement[bool]]:
    yield delivery.c.lane == place.lane
    yield delivery.c.district_id == place.district_id


async def lock_expired(connection: AsyncConnection, now: dt.datetime, limit: int) -> list[Delivery]:
    """Lock and return deliveries that wait, unleased, beyond their time."""
    found = await connection.execute(
        select(delivery)
        .where(WAITING, delivery.c.expire_time <= to_micros(now))
        .order_by(delivery.c.expire_time)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return [decode(row) for row in found.all()]


async def release_leases(connection: AsyncConnection, owners: Collection[str]) -> int:
    """Take back what dead servers had leased; an attempt of theirs may have left.

    What somebody has locked is taken back the next time: nobody is waited for.
    """
    if not owners:
        return 0
    orphans = (
        select(delivery.c.delivery_id)
        .where(LEASED, delivery.c.lease_owner.in_(list(owners)))
        .with_for_update(skip_locked=True)
        .cte("orphans")
        .prefix_with("MATERIALIZED", dialect="postgresql")
    )
    released = await connection.execute(
        update(delivery)
        .where(delivery.c.delivery_id.in_(select(orphans.c.delivery_id)))
        .values(lease_owner="", answer_lost=True)
        .returning(delivery.c.delivery_id)
    )
    return len(released.all())  # SQLite's driver counts nothing of a statement that begins WITH


async def leased_by(connection: AsyncConnection, owner: str) -> set[str]:
    """Return the ids of what a server has leased."""
    found = await connection.execute(
        select(delivery.c.delivery_id).where(LEASED, delivery.c.lease_owner == owner)
    )
    return set(found.scalars())


async def release(connection: AsyncConnection, owner: str, delivery_ids: Collection[str]) -> None:
    """Give back leases whose attempt never began."""
    if delivery_ids:
        await connection.execute(
            update(delivery)
            .where(
                among(delivery.c.delivery_id, delivery_ids),
                delivery.c.lease_owner == owner,
            )
            .values(lease_owner="")
        )


class RowVersion(NamedTuple):
    """What changes of a leased delivery when somebody else writes it."""

    revision: int
    answer_lost: bool


@cache
def _locking(dialect: str) -> Select[Any]:
    return (
        select(delivery.c.delivery_id, delivery.c.revision, delivery.c.answer_lost)
        .where(
            among(delivery.c.delivery_id, given("delivery_ids")),
            delivery.c.lease_owner == bindparam("owner", type_=TEXT),
        )
        .order_by(lock_order(dialect), delivery.c.delivery_id)
        .with_for_update()
    )


async def lock_leased(
    connection: AsyncConnection, owner: str, delivery_ids: Collection[str]
) -> dict[str, RowVersion]:
    """Lock those of these deliveries that an owner still leases; return how they stand."""
    asked = {"delivery_ids": delivery_ids, "owner": owner}
    found = (await connection.execute(_locking(connection.dialect.name), asked)).all()
    return {name: RowVersion(revision, lost) for name, revision, lost in found}


async def pass_on(
    connection: AsyncConnection, owner: str, attempts: Mapping[int, list[str]]
) -> None:
    """Let a hub lease what an owner still leases, by how many attempts there were before this one.

    An outcome that was written meanwhile has changed that number or the owner.
    """
    for attempt_count, delivery_ids in attempts.items():
        await connection.execute(
            update(delivery)
            .where(
                among(delivery.c.delivery_id, delivery_ids),
                delivery.c.lease_owner == owner,
                delivery.c.attempt_count == attempt_count,
            )
            .values(lease_owner=HUB)
        )


@cache
def _locking_open(dialect: str) -> Select[Any]:
    return (
        select(
            delivery.c.delivery_id,
            delivery.c.revision,
            delivery.c.answer_lost,
            delivery.c.attempt_count,
        )
        .where(among(delivery.c.delivery_id, given("delivery_ids")))
        .order_by(lock_order(dialect), delivery.c.delivery_id)
        .with_for_update()
    )


async def lock_open(
    connection: AsyncConnection, attempts: Mapping[str, int]
) -> dict[str, RowVersion]:
    """Lock those deliveries whose attempt of this number has no outcome yet, whoever leases them.

    A hub answers an attempt once it is over, be the delivery passed on, about to be, or given back
    by a server that died over it.
    """
    asked = {"delivery_ids": list(attempts)}
    found = (await connection.execute(_locking_open(connection.dialect.name), asked)).all()
    return {
        name: RowVersion(revision, lost)
        for name, revision, lost, count in found
        if count + 1 == attempts[name]
    }


async def leased_on_other_facts(
    connection: AsyncConnection, district_id: str, facts_version: int, after: str, limit: int
) -> list[Delivery]:
    """Return what of a district is leased, by whomever, and decided on other facts, by id."""
    leased = (LEASED, delivery.c.lease_owner > "")
    return await _on_other_facts(connection, leased, district_id, facts_version, after, limit)


async def doubtful_on_other_facts(
    connection: AsyncConnection, district_id: str, facts_version: int, after: str, limit: int
) -> list[Delivery]:
    """Return the same of what nobody leases, and a hub may have all the same."""
    unleased = (delivery.c.state.in_(UNSENT), delivery.c.lease_owner == "")
    doubtful = (DOUBTFUL, *unleased, delivery.c.update_time > 0)
    return await _on_other_facts(connection, doubtful, district_id, facts_version, after, limit)


async def doubtful_cancelled(
    connection: AsyncConnection, since: dt.datetime, now: dt.datetime
) -> list[Delivery]:
    """Return what was cancelled since a time though a hub may have it, and may be sent still."""
    found = await connection.execute(
        select(delivery)
        .where(
            DOUBTFUL,
            delivery.c.state == int(DeliveryState.CANCELLED),
            delivery.c.update_time >= to_micros(since),
            delivery.c.expire_time > to_micros(now),
        )
        .order_by(delivery.c.update_time)
    )
    return [decode(row) for row in found.all()]


async def _on_other_facts(
    connection: AsyncConnection,
    which: Iterable[ColumnElement[bool] | TextClause],
    district_id: str,
    facts_version: int,
    after: str,
    limit: int,
) -> list[Delivery]:
    found = await connection.execute(
        select(delivery)
        .where(
            *which,
            # Worded so that SQLite walks the few of `which`, and not all of the district's.
            (delivery.c.district_id + "") == district_id,
            delivery.c.facts_version != facts_version,
            (delivery.c.delivery_id + "") > after,
        )
        .order_by(delivery.c.delivery_id + "")
        .limit(limit)
    )
    return [decode(row) for row in found.all()]


async def open_attempts(connection: AsyncConnection) -> set[tuple[str, int]]:
    """Return what a hub leases: each delivery, and how many attempts it had before this one."""
    found = await connection.execute(
        select(delivery.c.delivery_id, delivery.c.attempt_count).where(
            LEASED, delivery.c.lease_owner == HUB
        )
    )
    return {(row.delivery_id, row.attempt_count) for row in found}


async def lock_overdue(
    connection: AsyncConnection, before: dt.datetime, limit: int
) -> list[Delivery]:
    """Lock and return what a hub leases and has not answered though it expired before a time."""
    found = await connection.execute(
        select(delivery)
        .where(
            LEASED,
            delivery.c.lease_owner == HUB,
            delivery.c.expire_time <= to_micros(before),
        )
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return [decode(row) for row in found.all()]


async def cancelled(connection: AsyncConnection, delivery_ids: Collection[str]) -> set[str]:
    """Return those of these leased deliveries that somebody cancelled."""
    found = await connection.execute(
        select(delivery.c.delivery_id).where(
            among(delivery.c.delivery_id, delivery_ids),
            delivery.c.cancel_cause.is_not(None),
        )
    )
    return set(found.scalars())


async def quarantine(
    connection: AsyncConnection, owner: str, delivery_ids: Collection[str], now: dt.datetime
) -> list[str]:
    """End leased deliveries as UNCERTAIN, without reading them; return those that were."""
    ended = await connection.execute(
        update(delivery)
        .where(delivery.c.lease_owner == owner, among(delivery.c.delivery_id, delivery_ids))
        .values(
            lease_owner="",
            state=case(  # a phone may have confirmed it meanwhile
                (delivery.c.state.in_(UNSENT), int(DeliveryState.UNCERTAIN)),
                else_=delivery.c.state,
            ),
            answer_lost=true(),
            attempt_count=delivery.c.attempt_count + 1,
            revision=delivery.c.revision + 1,
            update_time=to_micros(now),
        )
        .returning(delivery.c.delivery_id)
    )
    return list(ended.scalars())
