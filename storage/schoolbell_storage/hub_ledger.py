"""The ledger of a hub: which attempts were begun and how they ended, and what was taken back.

It makes a hub idempotent by district, delivery and attempt. It holds ids, times and outcomes, never
a text or a token, and each row goes some time after its delivery's expiry. It knows the enrolled
districts too. One hub has it on SQLite; several share one on PostgreSQL.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    bindparam,
    delete,
    func,
    select,
    true,
    tuple_,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from schoolbell_storage.codec import from_micros, to_micros
from schoolbell_storage.engine import Storage
from schoolbell_storage.rows import insert_into

metadata = MetaData()

_attempt = Table(
    "hub_attempt",
    metadata,
    Column("district", String, primary_key=True),
    Column("delivery_id", String, primary_key=True),
    Column("attempt", Integer, primary_key=True),
    Column("lease_until", BigInteger, nullable=False),
    Column("outcome", LargeBinary),
    Column("drop_time", BigInteger, nullable=False),
    Index("hub_attempt_drop", "drop_time"),
    Index("hub_attempt_begin", "district", "lease_until"),
)
_withdrawal = Table(
    "hub_withdrawal",
    metadata,
    Column("district", String, primary_key=True),
    Column("delivery_id", String, primary_key=True),
    Column("judge_time", BigInteger, nullable=False),
    Column("drop_time", BigInteger, nullable=False),
    Index("hub_withdrawal_drop", "drop_time"),
    Index("hub_withdrawal_judge", "district", "judge_time"),
)
_district = Table("hub_district", metadata, Column("district", String, primary_key=True))
KEPT = dt.timedelta(days=1)
"""How long a row outlives its delivery's expiry: a broker may bring a message once more."""
_STEP = 1_000
_CREATING = 0x5B48_0001
"""Locks the making of the tables, among all that lock a number on a PostgreSQL."""


class Key(NamedTuple):
    """One attempt of a district."""

    delivery_id: str
    attempt: int


class Wanted(NamedTuple):
    """When an attempt that is asked for was judged, and until when it may be made."""

    judge_time: dt.datetime
    expire_time: dt.datetime


@dataclass(slots=True)
class LedgerClaim:
    """What is to become of attempts that were asked for."""

    begun: set[Key] = field(default_factory=set)
    """They are ours to make now, for as long as the lease."""
    again: set[Key] = field(default_factory=set)
    """Those of `begun` that a hub had begun whose answer is lost: a phone may have shown them."""
    answered: dict[Key, bytes] = field(default_factory=dict)
    """They were made; the stored outcomes."""
    busy: dict[Key, dt.datetime] = field(default_factory=dict)
    """Another hub is about them, until this time at most."""
    withdrawn: set[Key] = field(default_factory=set)
    expired: set[Key] = field(default_factory=set)


async def create(storage: Storage) -> None:
    """Make the tables, and their indexes, where they are not there."""
    async with storage.write() as connection:
        if storage.dialect == "postgresql":  # hubs that start together
            await connection.execute(select(func.pg_advisory_xact_lock(_CREATING)))
        await connection.run_sync(metadata.create_all)
        for index in (*_attempt.indexes, *_withdrawal.indexes):  # of an older hub's tables
            await connection.run_sync(index.create, checkfirst=True)


async def known_districts(connection: AsyncConnection) -> set[str]:
    """Return who is enrolled, as far as a hub of this ledger ever heard."""
    return set((await connection.execute(select(_district.c.district))).scalars())


async def keep_districts(
    connection: AsyncConnection, enrolled: Collection[str], removed: Collection[str]
) -> None:
    """Keep who was enrolled since, and forget who was removed."""
    if enrolled:
        rows = [{"district": name} for name in sorted(enrolled)]
        insert = insert_into(connection.dialect.name, _district)
        await connection.execute(insert.on_conflict_do_nothing(), rows)
    if removed:
        await connection.execute(
            delete(_district).where(_district.c.district == bindparam("name")),
            [{"name": name} for name in sorted(removed)],
        )


async def free_all(connection: AsyncConnection) -> None:
    """Let everything begun be taken over at once: on SQLite no other hub can be about it."""
    await connection.execute(
        update(_attempt).where(_attempt.c.outcome.is_(None)).values(lease_until=0)
    )


async def claim(
    connection: AsyncConnection,
    district: str,
    wanted: Mapping[Key, Wanted],
    now: dt.datetime,
    lease: dt.timedelta,
) -> LedgerClaim:
    """Begin those attempts of a district that nobody has made, withdrawn, or is about."""
    claimed = LedgerClaim()
    await _known(connection, district, wanted, now, claimed)
    taken_back = await _taken_back(connection, district, {key.delivery_id for key in wanted})
    known = claimed.answered.keys() | claimed.busy.keys()
    for key, about in wanted.items():
        if key in known:
            continue
        until = taken_back.get(key.delivery_id)
        if until is not None and about.judge_time <= until:
            claimed.withdrawn.add(key)
        elif about.expire_time <= now:
            claimed.expired.add(key)
        else:
            claimed.begun.add(key)
    claimed.again &= claimed.begun
    await _begin(connection, district, wanted, claimed, now + lease)
    return claimed


async def _known(
    connection: AsyncConnection,
    district: str,
    wanted: Mapping[Key, Wanted],
    now: dt.datetime,
    claimed: LedgerClaim,
) -> None:
    """Sort what the ledger holds, locked: answered, busy, or left by a hub that is gone."""
    found = await connection.execute(
        select(_attempt)
        .where(
            _attempt.c.district == district,
            _attempt.c.delivery_id.in_(sorted({key.delivery_id for key in wanted})),
        )
        .order_by(_attempt.c.delivery_id, _attempt.c.attempt)
        .with_for_update()
    )
    for row in found.all():
        key = Key(row.delivery_id, row.attempt)
        if key not in wanted:
            continue
        if row.outcome is not None:
            claimed.answered[key] = row.outcome
        elif row.lease_until > to_micros(now):
            claimed.busy[key] = from_micros(row.lease_until)
        else:
            claimed.again.add(key)


async def _taken_back(
    connection: AsyncConnection, district: str, names: Collection[str]
) -> Mapping[str, dt.datetime]:
    found = await connection.execute(
        select(_withdrawal.c.delivery_id, _withdrawal.c.judge_time).where(
            _withdrawal.c.district == district, _withdrawal.c.delivery_id.in_(sorted(names))
        )
    )
    return {row.delivery_id: from_micros(row.judge_time) for row in found}


async def _begin(
    connection: AsyncConnection,
    district: str,
    wanted: Mapping[Key, Wanted],
    claimed: LedgerClaim,
    until: dt.datetime,
) -> None:
    """Write what is begun; what another hub began meanwhile is busy."""
    if not claimed.begun:
        return
    rows = [
        {
            "district": district,
            "delivery_id": key.delivery_id,
            "attempt": key.attempt,
            "lease_until": to_micros(until),
            "drop_time": to_micros(wanted[key].expire_time + KEPT),
        }
        for key in sorted(claimed.begun)
    ]
    insert = insert_into(connection.dialect.name, _attempt).values(rows)
    written = await connection.execute(
        insert.on_conflict_do_update(
            index_elements=["district", "delivery_id", "attempt"],
            set_={"lease_until": to_micros(until)},
            where=(_attempt.c.outcome.is_(None))
            & (_attempt.c.lease_until < to_micros(until))
            & (_attempt.c.delivery_id.in_(sorted({key.delivery_id for key in claimed.again}))),
        ).returning(_attempt.c.delivery_id, _attempt.c.attempt)
    )
    begun = {Key(row.delivery_id, row.attempt) for row in written.all()}
    for key in claimed.begun - begun:
        claimed.busy[key] = until
    claimed.begun = begun
    claimed.again &= begun


async def record(connection: AsyncConnection, district: str, outcomes: Mapping[Key, bytes]) -> None:
    """Keep outcomes; the first that is written of an attempt stands."""
    if outcomes:
        await connection.execute(
            update(_attempt)
            .where(
                _attempt.c.district == district,
                _attempt.c.delivery_id == bindparam("name"),
                _attempt.c.attempt == bindparam("number"),
                _attempt.c.outcome.is_(None),
            )
            .values(outcome=bindparam("written")),
            [
                {"name": key.delivery_id, "number": key.attempt, "written": outcome}
                for key, outcome in sorted(outcomes.items())
            ],
        )


async def forget(connection: AsyncConnection, district: str, keys: Collection[Key]) -> None:
    """Forget attempts that were none: the district may ask for them again under their numbers."""
    if keys:
        await connection.execute(
            delete(_attempt).where(
                _attempt.c.district == district,
                _attempt.c.delivery_id == bindparam("name"),
                _attempt.c.attempt == bindparam("number"),
                _attempt.c.outcome.is_(None),
            ),
            [{"name": key.delivery_id, "number": key.attempt} for key in sorted(keys)],
        )


async def withdraw(
    connection: AsyncConnection, district: str, withdrawals: Mapping[str, Wanted]
) -> None:
    """Take back what was judged until a time, of deliveries of a district."""
    if not withdrawals:
        return
    rows = [
        {
            "district": district,
            "delivery_id": name,
            "judge_time": to_micros(about.judge_time),
            "drop_time": to_micros(about.expire_time + KEPT),
        }
        for name, about in sorted(withdrawals.items())
    ]
    insert = insert_into(connection.dialect.name, _withdrawal)
    await connection.execute(
        insert.values(rows).on_conflict_do_update(
            index_elements=["district", "delivery_id"],
            set_={"judge_time": insert.excluded.judge_time},
            where=_withdrawal.c.judge_time < insert.excluded.judge_time,
        )
    )


async def drop_oldest(connection: AsyncConnection, district: str, most: int) -> int:
    """Drop a bounded number of what a district has beyond so many rows of a table; return how many.

    What was begun first goes first, but nothing that has no outcome yet; of withdrawals what was
    judged first.
    """
    dropped = 0
    for table, age, keys, may in (
        (
            _attempt,
            _attempt.c.lease_until,
            (_attempt.c.delivery_id, _attempt.c.attempt),
            _attempt.c.outcome.is_not(None),
        ),
        (_withdrawal, _withdrawal.c.judge_time, (_withdrawal.c.delivery_id,), true()),
    ):
        own = table.c.district == district
        kept = select(age).where(own).order_by(age.desc()).offset(most).limit(1)
        newest = (await connection.execute(kept)).scalar()
        if newest is None:
            continue
        old = select(*keys).where(own, age <= newest, may).order_by(age).limit(_STEP)
        gone = await connection.execute(delete(table).where(own, tuple_(*keys).in_(old)))
        dropped += gone.rowcount
    return dropped


async def drop_old(connection: AsyncConnection, now: dt.datetime) -> int:
    """Drop a bounded number of rows whose time is over; return how many."""
    dropped = 0
    for table, keys in (
        (_attempt, (_attempt.c.district, _attempt.c.delivery_id, _attempt.c.attempt)),
        (_withdrawal, (_withdrawal.c.district, _withdrawal.c.delivery_id)),
    ):
        old = select(*keys).where(table.c.drop_time <= to_micros(now)).limit(_STEP)
        found: Sequence[Sequence[object]] = (await connection.execute(old)).all()
        for values in found:
            await connection.execute(
                delete(table).where(
                    *(key == value for key, value in zip(keys, values, strict=True))
                )
            )
        dropped += len(found)
    return dropped
