"""Subscriptions are stored whole, and others stay as they are."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from schoolbell_server.domain.kinds import (
    AppType,
    AssignmentAction,
    AttendanceExcuse,
    AttendanceStatus,
    Kind,
    LimitTrigger,
)
from schoolbell_server.domain.kinds.assignment import AssignmentCondition
from schoolbell_server.domain.kinds.attendance import AttendanceCondition
from schoolbell_server.domain.kinds.grade import GradeCondition
from schoolbell_server.domain.kinds.lunch_balance import LunchBalanceCondition
from schoolbell_server.domain.world import Subscription
from schoolbell_storage.engine import Storage
from schoolbell_storage.subscriptions import (
    Owner,
    StoredChoices,
    Subscriptions,
    drop_subscriptions,
    read_choices,
    replace_subscriptions,
)
from tests.storage.engines import databases, open_database
from tests.storage.phones import LATER, NOW

ON, OFF = Subscription(enabled=True), Subscription(enabled=False)
MOTHER = Owner(district_id="maple", user_id="mother", app_type=AppType.PARENT)
PHONE = replace(MOTHER, device_id="a")
LIMITED = Subscription(
    enabled=True, condition=GradeCondition(below_percent=Decimal(70)), limit_time=NOW
)


async def save(
    storage: Storage, owner: Owner, chosen: Subscriptions, now: dt.datetime = NOW
) -> None:
    async with storage.write() as connection:
        await replace_subscriptions(connection, owner, chosen, now)


async def read(storage: Storage, owner: Owner) -> StoredChoices:
    async with storage.read() as connection:
        return await read_choices(connection, owner)


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
    async with open_database(database, tmp_path) as storage:
        for owner in (MOTHER, PHONE):
            assert await read(storage, owner) == StoredChoices(person={}, device={}, content="[]")
        await save(storage, MOTHER, {("ann", kind): subscription})
        found = await read(storage, MOTHER)
        assert (found.person, found.device) == ({("ann", kind): subscription}, {})


@databases()
async def test_the_named_ones_are_replaced_whole_and_the_others_stay(
    database: str, tmp_path: Path
) -> None:
    names = [(student, kind) for student in ("ann", "ben") for kind in Kind]
    everything = dict.fromkeys(names, ON)
    others = [
        replace(MOTHER, user_id="father"),
        replace(MOTHER, app_type=AppType.STUDENT),
        replace(MOTHER, district_id="oak"),
        replace(PHONE, device_id="b"),
    ]
    changes = {("ann", Kind.GRADE): OFF, ("ben", Kind.LUNCH_BALANCE): ON}
    async with open_database(database, tmp_path) as storage:
        for owner in (*others, MOTHER, PHONE):
            await save(storage, owner, everything)
        await save(storage, MOTHER, dict.fromkeys(names, LIMITED))
        await save(storage, MOTHER, changes)
        found = await read(storage, PHONE)
        assert found.person == dict.fromkeys(names, LIMITED) | changes
        assert found.device == everything
        await save(storage, PHONE, changes)
        assert (await read(storage, PHONE)).device == everything | changes
        assert (await read(storage, PHONE)).person == found.person
        for owner in others:
            stored = await read(storage, owner)
            assert (stored.device if owner.device_id else stored.person) == everything


@databases()
async def test_what_is_dropped_is_gone_and_nothing_else(database: str, tmp_path: Path) -> None:
    names = [(student, kind) for student in ("ann", "ben") for kind in Kind]
    everything = dict.fromkeys(names, ON)
    async with open_database(database, tmp_path) as storage:
        for owner in (MOTHER, PHONE):
            await save(storage, owner, everything)
        async with storage.write() as connection:
            await drop_subscriptions(connection, PHONE, names[:3])
        found = await read(storage, PHONE)
        assert (list(found.device), list(found.person)) == (names[3:], names)
        async with storage.write() as connection:
            await drop_subscriptions(connection, MOTHER, None)
        found = await read(storage, PHONE)
        assert (list(found.device), list(found.person)) == (names[3:], [])


@databases()
async def test_the_content_differs_after_every_write(database: str, tmp_path: Path) -> None:
    name = ("ann", Kind.GRADE)
    async with open_database(database, tmp_path) as storage:
        seen = [(await read(storage, PHONE)).content]
        for owner, chosen, now in (
            (MOTHER, ON, NOW),
            (MOTHER, OFF, NOW),
            (MOTHER, ON, LATER),
            (PHONE, ON, LATER),
        ):
            await save(storage, owner, {name: chosen}, now)
            seen.append((await read(storage, PHONE)).content)
        assert len(set(seen)) == len(seen)
