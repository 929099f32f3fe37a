"""Subscriptions are stored whole, and others stay as they are."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from pathlib import Path

import pytest

from schoolbell_server.domain.kinds import (
    AssignmentAction,
    AttendanceExcuse,
    AttendanceStatus,
    Kind,
    LimitTrigger,
)
from schoolbell_server.domain.world import (
    AssignmentCondition,
    AttendanceCondition,
    GradeCondition,
    LunchBalanceCondition,
    Subscription,
)
from schoolbell_storage.devices import DeviceRow, get_device
from schoolbell_storage.engine import Storage
from schoolbell_storage.subscriptions import (
    Subscriptions,
    read_subscriptions,
    replace_subscriptions,
)
from tests.storage.engines import databases, open_database
from tests.storage.phones import NOW, device, store

ON = Subscription(enabled=True)


async def save(storage: Storage, row: DeviceRow, chosen: Subscriptions) -> DeviceRow:
    async with storage.write() as connection:
        return await replace_subscriptions(connection, row, chosen, NOW)


async def stored(storage: Storage, row: DeviceRow) -> Subscriptions:
    async with storage.read() as connection:
        return await read_subscriptions(connection, row.device_id)


@databases()
@pytest.mark.parametrize(
    ("kind", "subscription"),
    [
        (Kind.RESPONSIVE_SCHEDULE, ON),
        (Kind.GRADE, Subscription(enabled=False, condition=GradeCondition())),
        (
            Kind.GRADE,
            Subscription(
                enabled=True,
                condition=GradeCondition(
                    below_percent=Decimal("69.9999"), limit_trigger=LimitTrigger.WHILE_BELOW
                ),
                limit_time=NOW - dt.timedelta(microseconds=1),
            ),
        ),
        (
            Kind.ASSIGNMENT,
            Subscription(
                enabled=True,
                condition=AssignmentCondition(
                    actions=frozenset({AssignmentAction.SCORED, AssignmentAction.MISSING}),
                    below_percent=Decimal(0),
                ),
                limit_time=NOW,
            ),
        ),
        (
            Kind.ATTENDANCE,
            Subscription(
                enabled=True,
                condition=AttendanceCondition(
                    statuses=frozenset({AttendanceStatus.TARDY}),
                    excuses=frozenset({AttendanceExcuse.UNEXCUSED, AttendanceExcuse.UNDECIDED}),
                ),
            ),
        ),
        (
            Kind.LUNCH_BALANCE,
            Subscription(
                enabled=True,
                condition=LunchBalanceCondition(below_balance=Decimal("-2.505")),
                limit_time=NOW,
            ),
        ),
    ],
)
async def test_a_subscription_is_read_as_it_was_stored(
    database: str, kind: Kind, subscription: Subscription, tmp_path: Path
) -> None:
    row = device("a")
    async with open_database(database, tmp_path) as storage:
        await store(storage, row)
        assert await stored(storage, row) == {}
        await save(storage, row, {("ann", kind): subscription})
        assert await stored(storage, row) == {("ann", kind): subscription}


@databases()
async def test_the_named_ones_are_replaced_whole_and_the_others_stay(
    database: str, tmp_path: Path
) -> None:
    row, other = device("a"), device("b")
    limited = Subscription(
        enabled=True, condition=GradeCondition(below_percent=Decimal(70)), limit_time=NOW
    )
    async with open_database(database, tmp_path) as storage:
        await store(storage, row, other)
        names = [(student, kind) for student in ("ann", "ben") for kind in Kind]
        await save(storage, other, dict.fromkeys(names, ON))
        written = await save(storage, row, dict.fromkeys(names, limited))
        off = Subscription(enabled=False)
        changes = {("ann", Kind.GRADE): off, ("ben", Kind.LUNCH_BALANCE): ON}
        last = await save(storage, written, changes)
        assert await stored(storage, row) == dict.fromkeys(names, limited) | changes
        assert await stored(storage, other) == dict.fromkeys(names, ON)
        assert [one.subscriptions_version for one in (row, written, last)] == [1, 2, 3]
        async with storage.read() as connection:
            assert await get_device(connection, "maple", "mother", "a") == last
