"""Drop what is older than it is kept: a bounded number of rows at once, oldest first, by index.

Rows that another transaction holds are passed over, so that servers which tidy up at once share
the work and nobody waits for them.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Table,
    and_,
    delete,
    exists,
    func,
    or_,
    select,
    tuple_,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.dml import ReturningDelete

from schoolbell_server.domain.kinds import Kind
from schoolbell_storage.codec import to_micros
from schoolbell_storage.deliveries import UNSENT
from schoolbell_storage.roster_imports import ENDED, ImportState
from schoolbell_storage.tables import (
    audit_entry,
    calendar,
    change,
    change_key,
    delivery,
    district,
    fact,
    refusal_tally,
    roster_import,
    roster_stage,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Aged:
    """Records that go by their age: an index begins with the district, `within` and `age`."""

    table: Table
    age: ColumnElement[Any]
    before: int | str
    """The first age that stays."""
    within: tuple[ColumnElement[bool], ...] = ()
    spare: tuple[ColumnElement[bool], ...] = ()
    """What else must hold of a row that goes."""


@dataclass(frozen=True, slots=True)
class Dropped:
    """How many rows went, and the age of the youngest of them."""

    rows: int
    last: int | str | None = None


async def is_due(connection: AsyncConnection, aged: Aged, district_id: str) -> bool:
    """Return whether a district has records that are to go."""
    wanted = select(aged.age).where(*_due(aged, district_id, None)).limit(1)
    return (await connection.execute(wanted)).first() is not None


async def drop_aged(
    connection: AsyncConnection,
    aged: Aged,
    district_id: str,
    *,
    since: int | str | None,
    most: int,
) -> Dropped:
    """Drop the oldest `most` records of a district from an age on (None is from the first)."""
    gone = await connection.execute(statement(aged, district_id, since=since, most=most))
    ages = gone.scalars().all()
    return Dropped(len(ages), max(ages, default=None))


def statement(
    aged: Aged, district_id: str, *, since: int | str | None, most: int
) -> ReturningDelete[Any]:
    """Return what `drop_aged` runs; it returns the ages."""
    key = list(aged.table.primary_key)
    doomed = (
        select(*key)
        .where(*_due(aged, district_id, since))
        .order_by(aged.age)
        .limit(most)
        .with_for_update(skip_locked=True, of=aged.table)
        .cte("doomed")
        .prefix_with("MATERIALIZED", dialect="postgresql")
    )
    return delete(aged.table).where(tuple_(*key).in_(select(doomed))).returning(aged.age)


def _due(aged: Aged, district_id: str, since: int | str | None) -> list[ColumnElement[bool]]:
    conditions = [aged.table.c.district_id == district_id, *aged.within, aged.age < aged.before]
    if since is not None:
        conditions.append(aged.age >= since)
    return [*conditions, *aged.spare]


def deliveries(before: dt.datetime, now: dt.datetime) -> Aged:
    """Return the deliveries that were created before a time and whose own time is over."""
    ended = (delivery.c.state.not_in(UNSENT), delivery.c.expire_time <= to_micros(now))
    return Aged(table=delivery, age=delivery.c.create_time, before=to_micros(before), spare=ended)


def changes(before: dt.datetime, now: dt.datetime) -> Aged:
    """Return the changes that were accepted before a time and of which nothing can leave any more.

    A delivery is sent from its change, and a dead letter may be tried again.
    """
    living = exists().where(
        delivery.c.district_id == change.c.district_id,
        delivery.c.source == change.c.source,
        delivery.c.change_id == change.c.change_id,
        or_(delivery.c.state.in_(UNSENT), delivery.c.expire_time > to_micros(now)),
    )
    return Aged(table=change, age=change.c.accept_time, before=to_micros(before), spare=(~living,))


def change_keys(before: dt.datetime) -> Aged:
    """Return the keys that were accepted before a time and whose change is gone."""
    kept = exists().where(
        change.c.district_id == change_key.c.district_id,
        change.c.source == change_key.c.source,
        change.c.change_id == change_key.c.change_id,
    )
    return Aged(
        table=change_key, age=change_key.c.accept_time, before=to_micros(before), spare=(~kept,)
    )


def facts(kind: Kind, first_kept: dt.date) -> Aged:
    """Return the facts of a kind that were last spoken of before a day (UTC)."""
    day = first_kept.toordinal() - dt.date(1970, 1, 1).toordinal()
    same = fact.c.kind == kind
    return Aged(table=fact, age=fact.c.update_day, before=day, within=(same,))


def tallies(first_kept: dt.date) -> Aged:
    """Return the tallies of before a day."""
    return Aged(table=refusal_tally, age=refusal_tally.c.accept_date, before=first_kept.isoformat())


def audit_entries(before: dt.datetime) -> Aged:
    """Return the audit log of before a time."""
    return Aged(table=audit_entry, age=audit_entry.c.create_time, before=to_micros(before))


def imports(before: dt.datetime) -> Aged:
    """Return the ended imports that began before a time."""
    return Aged(
        table=roster_import,
        age=roster_import.c.create_time,
        before=to_micros(before),
        spare=(roster_import.c.state.in_(ENDED),),
    )


async def give_up_imports(
    connection: AsyncConnection, before: dt.datetime, now: dt.datetime
) -> int:
    """Give up the imports that received nothing since a time; return how many."""
    silent = and_(
        roster_import.c.state == ImportState.RECEIVING,
        roster_import.c.update_time < to_micros(before),
    )
    given_up = await connection.execute(
        update(roster_import)
        .where(silent)
        .values(state=ImportState.ABANDONED, update_time=to_micros(now))
    )
    return given_up.rowcount


async def drop_stages(connection: AsyncConnection, most: int) -> int:
    """Drop batches that wait for an import which is no longer under way; return how many."""
    key = list(roster_stage.primary_key)
    under_way = exists().where(
        roster_import.c.district_id == roster_stage.c.district_id,
        roster_import.c.import_id == roster_stage.c.import_id,
        roster_import.c.state.not_in(ENDED),
    )
    doomed = select(*key).where(~under_way).limit(most)
    gone = await connection.execute(delete(roster_stage).where(tuple_(*key).in_(doomed)))
    return gone.rowcount


async def year_ends(connection: AsyncConnection, district_id: str) -> list[dt.date]:
    """Return the last day of each school year up to the active one."""
    found = await connection.execute(
        select(func.max(calendar.c.end_date))
        .join(district, district.c.district_id == calendar.c.district_id)
        .where(
            calendar.c.district_id == district_id,
            calendar.c.school_year <= district.c.active_school_year,
        )
        .group_by(calendar.c.school_year)
    )
    return [dt.date.fromisoformat(text) for text in found.scalars()]
