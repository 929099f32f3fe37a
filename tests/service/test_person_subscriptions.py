"""Choices belong to the person: every phone follows them, and one of them may differ."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from schoolbell.errors import Aborted, InvalidArgument, NotFound, SchoolbellError
from schoolbell.v1 import access_service_pb2 as access
from schoolbell.v1 import common_pb2, delivery_pb2
from schoolbell.v1 import subscription_service_pb2 as messages
from schoolbell.v1.common_pb2 import APP_TYPE_PARENT, APP_TYPE_STUDENT, KIND_GRADE
from schoolbell.v1.device_service_pb2 import Device, SignOutRequest, UpdateDeviceRequest
from schoolbell.v1.subscription_pb2 import Subscription
from schoolbell.v1.subscription_service_pb2 import (
    SUBSCRIPTION_LEVEL_DEVICE,
    SUBSCRIPTION_LEVEL_DISTRICT,
    SUBSCRIPTION_LEVEL_PERSON,
    SubscriptionKey,
    SubscriptionOption,
)
from schoolbell_sandbox.effect import Effect
from schoolbell_sandbox.faults import Endpoint, Fault
from tests.service.following import following
from tests.service.held import hold_grades
from tests.service.scene import (
    FATHER,
    MOTHER,
    SIBLING,
    STUDENT,
    deliveries,
    grade,
    phone,
    populate,
    publish,
    register,
    token_of,
)
from tests.service.whole import DISTRICT, FAST, Whole, whole
from tests.storage.engines import databases

CANCELLED = delivery_pb2.DELIVERY_STATE_CANCELLED
ON = Subscription(student_id=STUDENT, kind=KIND_GRADE, enabled=True)
OFF = Subscription(student_id=STUDENT, kind=KIND_GRADE, enabled=False)
GRADE = SubscriptionKey(student_id=STUDENT, kind=KIND_GRADE)
TOO_MANY = [SubscriptionKey(student_id=f"s{n}", kind=KIND_GRADE) for n in range(501)]
ANDROID = phone(MOTHER, ios=False, number=2)

Page = (
    messages.GetSubscriptionsResponse
    | messages.UpdateSubscriptionsResponse
    | messages.ResetSubscriptionsResponse
)


def names(**named: Any) -> dict[str, Any]:
    """Return how a request names a page: by default the mother's own."""
    fields = {"district_id": DISTRICT, "user_id": MOTHER, "app_type": APP_TYPE_PARENT} | named
    return {name: value for name, value in fields.items() if value}


def of(device: Device) -> dict[str, Any]:
    """Return the name of a device's page."""
    return {"user_id": device.user_id, "device_id": device.device_id, "app_type": 0}


async def page(service: Whole, **named: Any) -> Page:
    async with service.client(access.ROLE_MOBILE_BACKEND) as backend:
        return await backend.subscriptions.GetSubscriptions(
            messages.GetSubscriptionsRequest(**names(**named))
        )


async def save(service: Whole, *chosen: Subscription, **named: Any) -> Page:
    async with service.client(access.ROLE_MOBILE_BACKEND) as backend:
        return await backend.subscriptions.UpdateSubscriptions(
            messages.UpdateSubscriptionsRequest(**names(subscriptions=chosen, **named))
        )


async def reset(service: Whole, *keys: SubscriptionKey, **named: Any) -> Page:
    async with service.client(access.ROLE_MOBILE_BACKEND) as backend:
        return await backend.subscriptions.ResetSubscriptions(
            messages.ResetSubscriptionsRequest(**names(keys=keys, **named))
        )


async def update(service: Whole, device: Device, **fields: Any) -> Device:
    async with service.client(access.ROLE_MOBILE_BACKEND) as backend:
        answer = await backend.devices.UpdateDevice(
            UpdateDeviceRequest(
                district_id=DISTRICT,
                user_id=device.user_id,
                device_id=device.device_id,
                device=Device(**fields),
            )
        )
    return answer.device


def line(found: Page, student_id: str = STUDENT, kind: int = KIND_GRADE) -> SubscriptionOption:
    (option,) = (
        one
        for one in found.options
        if (one.subscription.student_id, one.subscription.kind) == (student_id, kind)
    )
    return option


def standing(found: Page) -> tuple[bool, int]:
    """Return whether the student's grades are wanted, and where that is stored."""
    option = line(found)
    return option.subscription.enabled, option.inherited_from


@databases()
async def test_a_second_phone_is_told_at_once_what_its_user_chose(
    database: str, tmp_path: Path
) -> None:
    async with whole(tmp_path, database=database) as service:
        await populate(service)
        await hold_grades(service)
        await service.configure("default_subscriptions")
        await save(service, ON)
        (first,) = await register(service, phone(MOTHER))
        await publish(service, grade("before", 70))
        (second,) = await register(service, ANDROID)
        await publish(service, grade("after", 60))
        told = {
            (one.change_key.change_id, one.device_id) for one in await deliveries(service, MOTHER)
        }
        assert told == {
            ("before", first.device_id),
            ("after", first.device_id),
            ("after", second.device_id),
        }
        for device in (first, second):
            assert standing(await page(service, **of(device))) == (True, SUBSCRIPTION_LEVEL_PERSON)


async def test_the_nearest_choice_holds_and_is_inherited_again_when_reset(tmp_path: Path) -> None:
    async with whole(tmp_path) as service:
        await populate(service)
        tablet, other = await register(service, phone(MOTHER), ANDROID)
        assert standing(await page(service)) == (True, SUBSCRIPTION_LEVEL_DISTRICT)
        assert standing(await page(service, **of(tablet))) == (True, SUBSCRIPTION_LEVEL_DISTRICT)
        assert standing(await save(service, OFF)) == (False, SUBSCRIPTION_LEVEL_PERSON)
        saved = await save(service, ON, **of(tablet))
        assert standing(saved) == (True, SUBSCRIPTION_LEVEL_DEVICE)
        assert standing(await page(service, **of(other))) == (False, SUBSCRIPTION_LEVEL_PERSON)
        assert standing(await page(service)) == (False, SUBSCRIPTION_LEVEL_PERSON)
        others = [one for one in saved.options if one != line(saved)]
        assert {one.inherited_from for one in others} == {SUBSCRIPTION_LEVEL_DISTRICT}
        back = await reset(service, GRADE, **of(tablet))
        assert standing(back) == (False, SUBSCRIPTION_LEVEL_PERSON)
        assert back == await reset(service, GRADE, **of(tablet))
        assert standing(await reset(service)) == (True, SUBSCRIPTION_LEVEL_DISTRICT)
        assert standing(await page(service, **of(tablet))) == (True, SUBSCRIPTION_LEVEL_DISTRICT)


async def test_a_reset_drops_only_what_it_names_of_whom_it_names(tmp_path: Path) -> None:
    async with whole(tmp_path) as service:
        await populate(service)
        (tablet,) = await register(service, phone(MOTHER))
        sibling = Subscription(student_id=SIBLING, kind=KIND_GRADE, enabled=False)
        await save(service, OFF, user_id=FATHER)
        await save(service, OFF, sibling)
        await save(service, OFF, sibling, **of(tablet))
        await reset(service, GRADE, **of(tablet))
        seen = await page(service, **of(tablet))
        assert line(seen, STUDENT).inherited_from == SUBSCRIPTION_LEVEL_PERSON
        assert line(seen, SIBLING).inherited_from == SUBSCRIPTION_LEVEL_DEVICE
        await reset(service)
        seen = await page(service, **of(tablet))
        assert line(seen, STUDENT).inherited_from == SUBSCRIPTION_LEVEL_DISTRICT
        assert line(seen, SIBLING).inherited_from == SUBSCRIPTION_LEVEL_DEVICE
        assert standing(await page(service, user_id=FATHER)) == (False, SUBSCRIPTION_LEVEL_PERSON)


async def test_a_person_chooses_before_the_first_phone_and_for_each_app(tmp_path: Path) -> None:
    async with whole(tmp_path) as service:
        await populate(service)
        assert standing(await save(service, OFF, user_id=STUDENT, app_type=APP_TYPE_STUDENT)) == (
            False,
            SUBSCRIPTION_LEVEL_PERSON,
        )
        (own,) = await register(service, phone(STUDENT))
        assert standing(await page(service, **of(own))) == (False, SUBSCRIPTION_LEVEL_PERSON)
        assert standing(await page(service)) == (True, SUBSCRIPTION_LEVEL_DISTRICT)
        assert list((await page(service, user_id=STUDENT)).options) == []


@databases()
async def test_a_muted_phone_is_told_nothing_from_the_next_attempt_on(
    database: str, tmp_path: Path
) -> None:
    async with whole(tmp_path, database=database) as service:
        await populate(service)
        await hold_grades(service)
        mothers, _ = await register(service, phone(MOTHER), phone(FATHER))
        assert not mothers.muted
        muted = await update(service, mothers, muted=True)
        assert muted.muted and muted.etag != mothers.etag
        await publish(service, grade("g1", 68))
        assert [one.user_id for one in await deliveries(service, FATHER)] == [FATHER]
        assert await deliveries(service, MOTHER) == []
        (again,) = await register(service, phone(MOTHER))
        assert again.muted
        assert not (await update(service, mothers, muted=False)).muted
        await publish(service, grade("g2", 50))
        assert len(await deliveries(service, MOTHER)) == 1
        assert standing(await page(service, **of(mothers))) == (True, SUBSCRIPTION_LEVEL_DISTRICT)


async def test_muting_stops_what_is_tried_again(tmp_path: Path) -> None:
    patient = replace(FAST, attempt_budget=100_000)
    async with whole(tmp_path, delivery=patient) as service:
        await populate(service)
        asked = phone(MOTHER)
        (mothers,) = await register(service, asked)
        service.sandbox.faults.add(
            Fault(
                endpoint=Endpoint.APNS,
                effect=Effect(status=503, reason="ServiceUnavailable"),
                address=token_of(asked),
            )
        )
        async with following(service) as followed:
            await publish(service, grade("g1", 68))
            await followed.until(lambda found: any(one.attempt_count for one in found))
            await update(service, mothers, muted=True)
            (stopped,) = await followed.until_states(CANCELLED)
        assert stopped.cancellation.gate == common_pb2.GATE_SUBSCRIBED
        assert stopped.cancellation.reason == common_pb2.REFUSAL_REASON_DEVICE_MUTED
        assert service.sandbox.ledger.arrivals(token_of(asked)) == []


@databases()
async def test_of_updates_from_one_page_one_is_told_to_read_again(
    database: str, tmp_path: Path
) -> None:
    async with whole(tmp_path, database=database) as service:
        await populate(service)
        (tablet,) = await register(service, phone(MOTHER))
        for named in ({}, of(tablet)):
            etag = (await page(service, **named)).etag
            calls = [save(service, one, etag=etag, **named) for one in 4 * [ON] + 4 * [OFF]]
            results = await asyncio.gather(*calls, return_exceptions=True)
            refused = [one for one in results if isinstance(one, BaseException)]
            assert all(isinstance(one, Aborted) for one in refused)
            assert len(refused) == 4, "those that ask for what is stored by now are fine"
            (kept,) = {one.etag for one in results if not isinstance(one, BaseException)}
            assert (await page(service, **named)).etag == kept


async def test_the_page_of_a_device_changes_with_its_users(tmp_path: Path) -> None:
    async with whole(tmp_path) as service:
        await populate(service)
        (tablet,) = await register(service, phone(MOTHER))
        seen = [await page(service), await page(service, **of(tablet))]
        await save(service, OFF)
        with pytest.raises(Aborted) as refused:
            await save(service, ON, etag=seen[1].etag, **of(tablet))
        assert refused.value.metadata["etag"] == (await page(service, **of(tablet))).etag
        with pytest.raises(Aborted):
            await reset(service, etag=seen[0].etag)
        assert standing(await page(service)) == (False, SUBSCRIPTION_LEVEL_PERSON)
        await save(service, ON, **of(tablet))
        now = await page(service)
        assert standing(await reset(service, etag=now.etag)) == (True, SUBSCRIPTION_LEVEL_DISTRICT)
        await reset(service, etag="whatever: there is nothing to reset")


async def test_choices_outlive_phones_and_sign_outs(tmp_path: Path) -> None:
    async with whole(tmp_path) as service:
        await populate(service)
        await save(service, OFF)
        first, tablet = await register(service, phone(MOTHER), ANDROID)
        await save(service, ON, **of(tablet))
        async with service.client(access.ROLE_MOBILE_BACKEND) as backend:
            await backend.devices.SignOut(SignOutRequest(district_id=DISTRICT, user_id=MOTHER))
        taken = phone(MOTHER)
        taken.user_id = FATHER
        await register(service, taken)
        assert standing(await page(service)) == (False, SUBSCRIPTION_LEVEL_PERSON)
        back, new = await register(service, phone(MOTHER), phone(MOTHER, number=9))
        assert back.device_id == first.device_id
        for device in (back, new):
            assert standing(await page(service, **of(device))) == (False, SUBSCRIPTION_LEVEL_PERSON)
        assert standing(await page(service, **of(tablet))) == (True, SUBSCRIPTION_LEVEL_DEVICE)


async def test_what_a_page_cannot_be_is_refused_by_its_field(tmp_path: Path) -> None:
    async with whole(tmp_path) as service:
        await populate(service)
        (tablet,) = await register(service, phone(MOTHER))
        twice = [GRADE, GRADE]
        cases: list[tuple[Any, type[SchoolbellError], str]] = [
            (page(service, app_type=0), InvalidArgument, "app_type"),
            (page(service, app_type=7), InvalidArgument, "app_type"),
            (save(service, ON, app_type=0), InvalidArgument, "app_type"),
            (reset(service, app_type=0), InvalidArgument, "app_type"),
            (page(service, user_id=""), InvalidArgument, "user_id"),
            (page(service, user_id="\0"), InvalidArgument, "user_id"),
            (page(service, device_id="\0"), InvalidArgument, "device_id"),
            (
                page(service, **of(tablet) | {"app_type": APP_TYPE_STUDENT}),
                InvalidArgument,
                "app_type",
            ),
            (
                save(service, ON, **of(tablet) | {"app_type": APP_TYPE_STUDENT}),
                InvalidArgument,
                "app_type",
            ),
            (reset(service, *twice), InvalidArgument, "keys[1].kind"),
            (
                reset(service, SubscriptionKey(kind=KIND_GRADE)),
                InvalidArgument,
                "keys[0].student_id",
            ),
            (
                reset(service, SubscriptionKey(student_id="\0", kind=KIND_GRADE)),
                InvalidArgument,
                "keys[0].student_id",
            ),
            (reset(service, SubscriptionKey(student_id=STUDENT)), InvalidArgument, "keys[0].kind"),
            (
                reset(service, *TOO_MANY),
                InvalidArgument,
                "keys",
            ),
            (page(service, user_id="nobody"), NotFound, "USER_NOT_FOUND"),
            (save(service, ON, user_id="nobody"), NotFound, "USER_NOT_FOUND"),
            (reset(service, user_id="nobody"), NotFound, "USER_NOT_FOUND"),
            (page(service, **of(tablet) | {"user_id": FATHER}), NotFound, "DEVICE_NOT_FOUND"),
            (save(service, ON, **of(tablet) | {"user_id": FATHER}), NotFound, "DEVICE_NOT_FOUND"),
            (reset(service, **of(tablet) | {"user_id": FATHER}), NotFound, "DEVICE_NOT_FOUND"),
            (
                save(
                    service,
                    Subscription(student_id=SIBLING, kind=KIND_GRADE, enabled=True),
                    user_id=FATHER,
                ),
                NotFound,
                "STUDENT_NOT_FOUND",
            ),
            (
                reset(
                    service,
                    GRADE,
                    SubscriptionKey(student_id=SIBLING, kind=KIND_GRADE),
                    user_id=FATHER,
                ),
                NotFound,
                "STUDENT_NOT_FOUND",
            ),
        ]
        for call, error, named in cases:
            with pytest.raises(error) as refused:
                await call
            fields = [one.path for one in refused.value.fields]
            assert named in (refused.value.reason, *fields[:1]), named
            assert len(fields) <= 1
        same = await page(service, **of(tablet) | {"app_type": APP_TYPE_PARENT})
        assert same == await page(service, **of(tablet))


async def test_a_limit_counts_on_through_a_reset_of_a_device(tmp_path: Path) -> None:
    """What the person chose, and since when, is untouched by what a device overrode meanwhile."""
    async with whole(tmp_path) as service:
        await populate(service)
        (tablet,) = await register(service, phone(MOTHER))
        limited = Subscription(student_id=STUDENT, kind=KIND_GRADE, enabled=True)
        limited.condition.grade.below_percent = 70
        await save(service, limited)
        async with following(service) as followed:
            await publish(service, grade("below", 65))
            await followed.until_states(delivery_pb2.DELIVERY_STATE_ACCEPTED)
            await save(service, OFF, **of(tablet))
            await reset(service, **of(tablet))
            await publish(service, grade("lower", 60))
        assert len(await deliveries(service, MOTHER)) == 1
