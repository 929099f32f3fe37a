"""A phone's settings page: what is offered, what is saved, and from when a limit counts."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.type.money_pb2 import Money

from schoolbell.errors import Aborted, FailedPrecondition, InvalidArgument, NotFound
from schoolbell.v1 import access_service_pb2 as access
from schoolbell.v1 import (
    change_pb2,
    common_pb2,
    delivery_pb2,
    roster_pb2,
    settings_service_pb2,
    subscription_pb2,
)
from schoolbell.v1.common_pb2 import (
    KIND_ASSIGNMENT,
    KIND_ATTENDANCE,
    KIND_GRADE,
    KIND_LUNCH_BALANCE,
    KIND_RESPONSIVE_SCHEDULE,
)
from schoolbell.v1.device_service_pb2 import Device, UnregisterDeviceRequest
from schoolbell.v1.subscription_pb2 import GradeCondition, Subscription
from schoolbell.v1.subscription_service_pb2 import (
    GetSubscriptionsRequest,
    GetSubscriptionsResponse,
    SubscriptionOption,
    UpdateSubscriptionsRequest,
    UpdateSubscriptionsResponse,
)
from tests.service.following import following
from tests.service.scene import (
    CALENDAR,
    FATHER,
    MOTHER,
    SIBLING,
    STUDENT,
    grade,
    phone,
    populate,
    publish,
    register,
    upsert,
)
from tests.service.whole import DISTRICT, KINDS, Whole, whole
from tests.storage.engines import databases

TARDY = change_pb2.ATTENDANCE_STATUS_TARDY
ACCEPTED = delivery_pb2.DELIVERY_STATE_ACCEPTED


async def page(service: Whole, device: Device, **named: Any) -> GetSubscriptionsResponse:
    names: dict[str, Any] = {"user_id": device.user_id, "device_id": device.device_id} | named
    async with service.client(access.ROLE_MOBILE_BACKEND) as backend:
        return await backend.subscriptions.GetSubscriptions(
            GetSubscriptionsRequest(district_id=DISTRICT, **names)
        )


async def save(
    service: Whole, device: Device, *chosen: Subscription, etag: str = "", **named: Any
) -> UpdateSubscriptionsResponse:
    names: dict[str, Any] = {"user_id": device.user_id, "device_id": device.device_id} | named
    async with service.client(access.ROLE_MOBILE_BACKEND) as backend:
        return await backend.subscriptions.UpdateSubscriptions(
            UpdateSubscriptionsRequest(
                district_id=DISTRICT, subscriptions=chosen, etag=etag, **names
            )
        )


def below(percent: float, *, enabled: bool = True, student_id: str = STUDENT) -> Subscription:
    return Subscription(
        student_id=student_id,
        kind=KIND_GRADE,
        enabled=enabled,
        condition=subscription_pb2.Condition(
            grade=GradeCondition(
                below_percent=percent, limit_trigger=subscription_pb2.LIMIT_TRIGGER_ON_CROSSING
            )
        ),
    )


def names(options: Any) -> list[tuple[str, int]]:
    return [(one.subscription.student_id, one.subscription.kind) for one in options]


def option(options: Any, student_id: str, kind: int) -> SubscriptionOption:
    (found,) = (
        one
        for one in options
        if (one.subscription.student_id, one.subscription.kind) == (student_id, kind)
    )
    assert isinstance(found, SubscriptionOption)
    return found


def closed(answer: GetSubscriptionsResponse) -> dict[str, set[int]]:
    """Return the gates that close each student's kinds; 0 is none."""
    found: dict[str, set[int]] = {}
    for one in answer.options:
        assert one.offered == (not one.closed_by)
        found.setdefault(one.subscription.student_id, set()).add(one.closed_by)
    return found


async def test_the_page_shows_every_student_and_kind(tmp_path: Path) -> None:
    async with whole(tmp_path) as service:
        await populate(service)
        mothers, fathers, own = await register(
            service, phone(MOTHER), phone(FATHER), phone(STUDENT)
        )
        seen = await page(service, mothers)
        assert names(seen.options) == [(who, kind) for who in (STUDENT, SIBLING) for kind in KINDS]
        assert closed(seen) == {STUDENT: {0}, SIBLING: {0}}
        assert names((await page(service, fathers)).options) == [(STUDENT, kind) for kind in KINDS]
        assert names((await page(service, own)).options) == [(STUDENT, kind) for kind in KINDS]
        assert len({answer.etag for answer in (seen, await page(service, fathers))}) == 2


async def test_nothing_stored_is_the_districts_default_and_that_is_off_at_first(
    tmp_path: Path,
) -> None:
    async with whole(tmp_path) as service:
        await populate(service)
        (device,) = await register(service, phone(MOTHER))
        assert all(one.subscription.enabled for one in (await page(service, device)).options)
        default = settings_service_pb2.DefaultSubscription(
            app_type=common_pb2.APP_TYPE_PARENT,
            kind=KIND_GRADE,
            condition=subscription_pb2.Condition(grade=GradeCondition(below_percent=70)),
        )
        await service.configure(default_subscriptions=[default])
        shown = (await page(service, device)).options
        assert option(shown, STUDENT, KIND_GRADE).subscription == below(70)
        enabled = {one.subscription.kind for one in shown if one.subscription.enabled}
        assert enabled == {KIND_GRADE}
        await service.configure("default_subscriptions")
        assert not any(one.subscription.enabled for one in (await page(service, device)).options)


async def test_each_gate_that_closes_a_kind_is_named(tmp_path: Path) -> None:
    async with whole(tmp_path) as service:
        await populate(service)
        (device,) = await register(service, phone(MOTHER))
        relationship = roster_pb2.Relationship(
            student_id=STUDENT, guardian_id=MOTHER, portal_enabled=False
        )
        await upsert(service, roster_pb2.RosterRecord(relationship=relationship))
        assert closed(await page(service, device)) == {
            STUDENT: {common_pb2.GATE_RELATED},
            SIBLING: {0},
        }
        hidden = settings_service_pb2.DisplayOptions(
            enabled=True,
            parent_app_kinds=[kind for kind in KINDS if kind != KIND_GRADE],
            student_app_kinds=KINDS,
        )
        await display(service, hidden)
        shown = (await page(service, device)).options
        gates = {one.subscription.kind: one.closed_by for one in shown[5:]}
        assert gates == dict.fromkeys(KINDS, 0) | {KIND_GRADE: common_pb2.GATE_TOOL_SHOWN}
        await display(service, settings_service_pb2.DisplayOptions(enabled=False))
        assert closed(await page(service, device))[SIBLING] == {common_pb2.GATE_CALENDAR_ENABLED}
        await service.configure(enabled=False)
        assert closed(await page(service, device)) == {
            STUDENT: {common_pb2.GATE_DISTRICT_ENABLED},
            SIBLING: {common_pb2.GATE_DISTRICT_ENABLED},
        }


async def display(service: Whole, options: settings_service_pb2.DisplayOptions) -> None:
    async with service.client(access.ROLE_ADMINISTRATOR) as administrator:
        await administrator.settings.UpdateDisplayOptions(
            settings_service_pb2.UpdateDisplayOptionsRequest(
                district_id=DISTRICT,
                calendar_ids=[CALENDAR],
                display_options=options,
                update_mask=FieldMask(paths=["enabled", "student_app_kinds", "parent_app_kinds"]),
            )
        )


CHOICES = [
    Subscription(
        student_id=STUDENT,
        kind=KIND_ASSIGNMENT,
        enabled=True,
        condition=subscription_pb2.Condition(
            assignment=subscription_pb2.AssignmentCondition(
                actions=[change_pb2.ASSIGNMENT_ACTION_SCORED, change_pb2.ASSIGNMENT_ACTION_MISSING],
                below_percent=59.9999,
                limit_trigger=subscription_pb2.LIMIT_TRIGGER_WHILE_BELOW,
            )
        ),
    ),
    below(0),
    Subscription(
        student_id=STUDENT,
        kind=KIND_ATTENDANCE,
        enabled=False,
        condition=subscription_pb2.Condition(
            attendance=subscription_pb2.AttendanceCondition(
                statuses=[change_pb2.ATTENDANCE_STATUS_TARDY],
                excuses=[change_pb2.ATTENDANCE_EXCUSE_UNEXCUSED],
            )
        ),
    ),
    Subscription(
        student_id=STUDENT,
        kind=KIND_LUNCH_BALANCE,
        enabled=True,
        condition=subscription_pb2.Condition(
            lunch_balance=subscription_pb2.LunchBalanceCondition(
                below_balance=Money(currency_code="USD", units=-2, nanos=-500_000_000),
                limit_trigger=subscription_pb2.LIMIT_TRIGGER_ON_CROSSING,
            )
        ),
    ),
    Subscription(student_id=STUDENT, kind=KIND_RESPONSIVE_SCHEDULE, enabled=True),
]


@databases()
async def test_what_is_saved_is_shown_and_the_rest_stays(database: str, tmp_path: Path) -> None:
    async with whole(tmp_path, database=database) as service:
        await populate(service)
        (device,) = await register(service, phone(MOTHER))
        before = await page(service, device)
        saved = await save(service, device, *CHOICES)
        shown = await page(service, device)
        assert (shown.options, shown.etag) == (saved.options, saved.etag)
        assert shown.etag != before.etag
        assert [one.subscription for one in shown.options[:5]] == CHOICES
        assert shown.options[5:] == before.options[5:]
        plain = Subscription(student_id=STUDENT, kind=KIND_GRADE, enabled=False)
        replaced = await save(service, device, plain)
        assert option(replaced.options, STUDENT, KIND_GRADE).subscription == plain
        others = [one.subscription for one in replaced.options[:5]]
        assert others == [CHOICES[0], plain, *CHOICES[2:]]


def _spoilt(**fields: Any) -> Subscription:
    values: dict[str, Any] = {"student_id": STUDENT, "kind": KIND_GRADE, "enabled": True} | fields
    return Subscription(**{name: value for name, value in values.items() if value is not None})


def _grade(percent: float) -> Subscription:
    return _spoilt(
        condition=subscription_pb2.Condition(grade=GradeCondition(below_percent=percent))
    )


def _lunch(**money: Any) -> Subscription:
    balance = Money(**({"currency_code": "USD"} | money))
    condition = subscription_pb2.LunchBalanceCondition(below_balance=balance)
    return _spoilt(
        kind=KIND_LUNCH_BALANCE, condition=subscription_pb2.Condition(lunch_balance=condition)
    )


BAD: list[tuple[Subscription, str]] = [
    (_grade(140), "condition.grade.below_percent"),
    (_grade(-0.5), "condition.grade.below_percent"),
    (_grade(float("nan")), "condition.grade.below_percent"),
    (_lunch(currency_code="EUR", units=5), "condition.lunch_balance.below_balance.currency_code"),
    (_lunch(units=5, nanos=-1), "condition.lunch_balance.below_balance"),
    (
        _spoilt(
            condition=subscription_pb2.Condition(
                lunch_balance=subscription_pb2.LunchBalanceCondition()
            )
        ),
        "condition.lunch_balance",
    ),
    (
        _spoilt(
            kind=KIND_RESPONSIVE_SCHEDULE,
            condition=subscription_pb2.Condition(grade=GradeCondition()),
        ),
        "condition.grade",
    ),
    (_spoilt(kind=0), "kind"),
    (_spoilt(enabled=None), "enabled"),
    (_spoilt(kind=77), "kind"),
    (_spoilt(student_id=""), "student_id"),
    (
        _spoilt(
            kind=KIND_ATTENDANCE,
            condition=subscription_pb2.Condition(
                attendance=subscription_pb2.AttendanceCondition(statuses=[TARDY, TARDY])
            ),
        ),
        "condition.attendance.statuses",
    ),
    (
        _spoilt(
            condition=subscription_pb2.Condition(
                grade=GradeCondition(limit_trigger=9)  # type: ignore[arg-type]
            )
        ),
        "condition.grade.limit_trigger",
    ),
    (below(80, student_id=SIBLING), "kind"),
]


async def test_a_bad_choice_spoils_the_whole_update(tmp_path: Path) -> None:
    async with whole(tmp_path) as service:
        await populate(service)
        (device,) = await register(service, phone(MOTHER))
        before = await page(service, device)
        for bad, field in BAD:
            with pytest.raises(InvalidArgument) as refused:
                await save(service, device, below(60, student_id=SIBLING), bad)
            assert refused.value.reason == "INVALID_FIELD"
            paths = [one.path for one in refused.value.fields]
            assert paths == [f"subscriptions[1].{field}"], bad
        assert await page(service, device) == before


async def test_an_update_names_something_but_not_too_much(tmp_path: Path) -> None:
    async with whole(tmp_path) as service:
        await populate(service)
        (device,) = await register(service, phone(MOTHER))
        for chosen in ([], [_spoilt(student_id=f"s-{number}") for number in range(501)]):
            with pytest.raises(InvalidArgument) as refused:
                await save(service, device, *chosen)
            assert [one.path for one in refused.value.fields] == ["subscriptions"]


async def test_only_related_students_and_ones_own_live_device_are_there(tmp_path: Path) -> None:
    async with whole(tmp_path) as service:
        await populate(service)
        mothers, fathers = await register(service, phone(MOTHER), phone(FATHER))
        before = await page(service, fathers)
        for student_id in (SIBLING, "nobody"):
            with pytest.raises(NotFound) as refused:
                await save(service, fathers, below(60), below(60, student_id=student_id))
            assert refused.value.reason == "STUDENT_NOT_FOUND"
            assert refused.value.metadata["student_id"] == student_id
            assert f"no student {student_id} of {FATHER}" in str(refused.value)
        assert await page(service, fathers) == before
        for call in (
            page(service, mothers, user_id=FATHER),
            save(service, mothers, below(60), user_id=FATHER),
            page(service, mothers, device_id="nothing"),
        ):
            with pytest.raises(NotFound) as refused:
                await call
            assert refused.value.reason == "DEVICE_NOT_FOUND"
        for call in (page(service, mothers, user_id=""), page(service, mothers, device_id="\0")):
            with pytest.raises(InvalidArgument):
                await call
        async with service.client(access.ROLE_MOBILE_BACKEND) as backend:
            await backend.devices.UnregisterDevice(
                UnregisterDeviceRequest(
                    district_id=DISTRICT, user_id=MOTHER, device_id=mothers.device_id
                )
            )
        with pytest.raises(FailedPrecondition) as retired:
            await save(service, mothers, below(60))
        assert retired.value.reason == "DEVICE_RETIRED"


async def test_a_lost_update_is_refused_and_a_repeated_one_is_not(tmp_path: Path) -> None:
    async with whole(tmp_path) as service:
        await populate(service)
        (device,) = await register(service, phone(MOTHER))
        before = await page(service, device)
        first = await save(service, device, below(60), etag=before.etag)
        assert await save(service, device, below(60), etag=before.etag) == first
        with pytest.raises(Aborted) as refused:
            await save(service, device, below(70), etag=before.etag)
        assert refused.value.reason == "ETAG_MISMATCH"
        assert (await page(service, device)).etag == first.etag


@databases()
async def test_of_two_saves_from_one_page_one_is_told_to_read_again(
    database: str, tmp_path: Path
) -> None:
    async with whole(tmp_path, database=database) as service:
        await populate(service)
        (device,) = await register(service, phone(MOTHER))
        etag = (await page(service, device)).etag
        limits = range(10, 18)
        saves = [save(service, device, below(limit), etag=etag) for limit in limits]
        results = await asyncio.gather(*saves, return_exceptions=True)
        refused = [one for one in results if isinstance(one, Aborted)]
        saved = [one for one in results if isinstance(one, UpdateSubscriptionsResponse)]
        assert (len(saved), len(refused)) == (1, len(limits) - 1)
        assert list((await page(service, device)).options) == list(saved[0].options)


@pytest.mark.parametrize(
    ("choices", "told"),
    [
        pytest.param([], False, id="the district's default"),
        pytest.param([below(70)], False, id="the default saved as it is"),
        pytest.param([below(70), below(70)], False, id="saved unchanged"),
        pytest.param([below(80)], True, id="another limit"),
        pytest.param([below(90), below(70)], True, id="another limit and back"),
        pytest.param([below(70, enabled=False), below(70)], True, id="enabled anew"),
    ],
)
async def test_a_limit_counts_from_when_it_was_enabled_or_changed(
    choices: list[Subscription], told: bool, tmp_path: Path
) -> None:
    """65 is told, by the default of 70; the choices are saved; then 60 crosses no limit."""
    async with whole(tmp_path) as service:
        await populate(service)
        await limit_by_default(service)
        (device,) = await register(service, phone(FATHER))
        async with following(service) as followed:
            await publish(service, grade("known", 65))
            await followed.until_states(ACCEPTED)
            for choice in choices:
                await save(service, device, choice)
            await publish(service, grade("lower", 60))
            await publish(service, grade("up", 95), grade("across", 50))
            await followed.until(lambda seen: _told(seen, "across"))
        assert _told(followed.deliveries.values(), "lower") is told


async def limit_by_default(service: Whole) -> None:
    default = settings_service_pb2.DefaultSubscription(
        app_type=common_pb2.APP_TYPE_PARENT,
        kind=KIND_GRADE,
        condition=subscription_pb2.Condition(grade=GradeCondition(below_percent=70)),
    )
    await service.configure(default_subscriptions=[default])


def _told(deliveries: Any, change_id: str) -> bool:
    return any(one.change_key.change_id == change_id for one in deliveries)
