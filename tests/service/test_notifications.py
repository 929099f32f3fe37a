"""What an app shows once it is unlocked, for as long as its user may see it; and a try."""

from __future__ import annotations

import asyncio
import datetime as dt
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from schoolbell.errors import (
    AlreadyExists,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    PermissionDenied,
)
from schoolbell.v1 import access_service_pb2 as access
from schoolbell.v1 import (
    common_pb2,
    delivery_pb2,
    roster_pb2,
    roster_service_pb2,
    settings_service_pb2,
)
from schoolbell.v1.device_service_pb2 import (
    RETIREMENT_REASON_TOKEN_DEAD,
    Device,
    GetDeviceRequest,
    GetNotificationRequest,
    Notification,
    SendTestNotificationRequest,
    SendTestNotificationResponse,
    SignOutRequest,
    UnregisterDeviceRequest,
)
from schoolbell_sandbox.effect import Effect
from schoolbell_sandbox.faults import Endpoint, Fault
from schoolbell_storage.notification_requests import (
    NotificationRequest,
    claim_request,
    read_request,
)
from tests.service.following import following
from tests.service.scene import (
    CALENDAR,
    FATHER,
    MOTHER,
    STUDENT,
    grade,
    phone,
    populate,
    publish,
    register,
    token_of,
    upsert,
)
from tests.service.stored import stored
from tests.service.whole import DISTRICT, Whole, whole
from tests.storage.engines import databases

ACCEPTED = delivery_pb2.DELIVERY_STATE_ACCEPTED


async def told(service: Whole, percent: float = 68.5) -> delivery_pb2.Delivery:
    """Publish a grade and return the one delivery once it was accepted."""
    async with following(service) as followed:
        await publish(service, grade("g1", percent))
        (delivery,) = await followed.until_states(ACCEPTED)
    return delivery


async def notification(
    service: Whole, delivery_id: str, user_id: str = MOTHER, district_id: str = DISTRICT
) -> Notification:
    async with service.client(access.ROLE_MOBILE_BACKEND) as backend:
        answer = await backend.devices.GetNotification(
            GetNotificationRequest(
                district_id=district_id, user_id=user_id, delivery_id=delivery_id
            )
        )
    return answer.notification


async def is_gone(service: Whole, delivery_id: str, user_id: str = MOTHER) -> bool:
    with pytest.raises(NotFound) as refused:
        await notification(service, delivery_id, user_id)
    return refused.value.reason == "NOTIFICATION_NOT_FOUND"


async def try_out(
    service: Whole, device: Device, request_id: str = ""
) -> SendTestNotificationResponse:
    async with service.client(access.ROLE_MOBILE_BACKEND) as backend:
        return await backend.devices.SendTestNotification(
            SendTestNotificationRequest(
                district_id=DISTRICT,
                user_id=device.user_id,
                device_id=device.device_id,
                request_id=request_id,
            )
        )


@databases()
async def test_the_detail_is_told_in_the_app_where_the_push_named_nobody(
    database: str, tmp_path: Path
) -> None:
    async with whole(tmp_path, database=database) as service:
        await populate(service)
        await service.configure(detail_level=common_pb2.DETAIL_LEVEL_GENERIC)
        names = roster_pb2.PersonNames(given_name="Annabella", preferred_name="Ann")
        student = roster_pb2.User(user_id=STUDENT, enabled=True, names=names)
        await upsert(service, roster_pb2.RosterRecord(user=student))
        await register(service, phone(MOTHER))
        delivery = await told(service)
        (push,) = service.sandbox.ledger.arrivals(token_of(phone(MOTHER)))
        assert "68.5" not in " ".join(push.text) and "Ann" not in " ".join(push.text)
        detail = await notification(service, push.delivery_id)
        assert "68.5" in detail.body
        assert "Ann" in detail.title + detail.body
        assert "Annabella" not in detail.title + detail.body
        (told_of,) = detail.changes
        assert (told_of.kind, told_of.student_id) == (common_pb2.KIND_GRADE, STUDENT)
        assert detail.locale == "en"
        assert told_of.occur_time.ToDatetime() < delivery.create_time.ToDatetime()


@pytest.mark.parametrize(
    ("locale", "language", "word"),
    [("es-MX", "es-MX", "calificación"), ("fr", "en", "grade"), ("", "en", "grade")],
)
async def test_it_is_in_the_devices_language_else_in_english(
    locale: str, language: str, word: str, tmp_path: Path
) -> None:
    async with whole(tmp_path) as service:
        await populate(service)
        asked = phone(MOTHER)
        asked.device.locale = locale
        await register(service, asked)
        delivery = await told(service)
        detail = await notification(service, delivery.delivery_id)
        assert word in (detail.title + detail.body).lower()
        assert detail.locale == language


def _relationship(**fields: Any) -> dict[str, Any]:
    values: dict[str, Any] = {
        "student_id": STUDENT,
        "guardian_id": MOTHER,
        "portal_enabled": True,
    }
    return {"relationship": roster_pb2.Relationship(**(values | fields))}


@pytest.mark.parametrize(
    "record",
    [
        pytest.param(_relationship(portal_enabled=False), id="portal off"),
        pytest.param(_relationship(barred=True), id="barred"),
        pytest.param(_relationship(end_date={"year": 2020, "month": 1, "day": 1}), id="ended"),
        pytest.param({"user": roster_pb2.User(user_id=MOTHER, enabled=False)}, id="account off"),
    ],
)
async def test_who_may_no_longer_see_the_student_finds_nothing(
    record: dict[str, Any], tmp_path: Path
) -> None:
    async with whole(tmp_path) as service:
        await populate(service)
        await register(service, phone(MOTHER))
        name = (await told(service)).delivery_id
        assert (await notification(service, name)).body
        await upsert(service, roster_pb2.RosterRecord(**record))
        assert await is_gone(service, name)


async def test_a_bar_of_the_district_closes_what_was_told_and_what_comes(tmp_path: Path) -> None:
    async with whole(tmp_path) as service:
        await populate(service)
        await register(service, phone(MOTHER))
        name = (await told(service)).delivery_id
        for barred in (True, False):
            async with service.client(access.ROLE_ADMINISTRATOR) as administrator:
                await administrator.roster.SetBar(
                    roster_service_pb2.SetBarRequest(
                        district_id=DISTRICT,
                        student_id=STUDENT,
                        guardian_id=MOTHER,
                        barred=barred,
                        comment="court order",
                    )
                )
            if barred:
                assert await is_gone(service, name)
        assert (await notification(service, name)).body


async def test_a_district_or_calendar_that_is_switched_off_shows_nothing(tmp_path: Path) -> None:
    async with whole(tmp_path) as service:
        await populate(service)
        await register(service, phone(MOTHER))
        name = (await told(service)).delivery_id
        await service.configure(enabled=False)
        assert await is_gone(service, name)
        await service.configure(enabled=True)
        assert (await notification(service, name)).body
        async with service.client(access.ROLE_ADMINISTRATOR) as administrator:
            await administrator.settings.UpdateDisplayOptions(
                settings_service_pb2.UpdateDisplayOptionsRequest(
                    district_id=DISTRICT,
                    calendar_ids=[CALENDAR],
                    display_options=settings_service_pb2.DisplayOptions(
                        enabled=True,
                        student_app_kinds=[common_pb2.KIND_GRADE],
                        parent_app_kinds=[common_pb2.KIND_ATTENDANCE],
                    ),
                    update_mask=FieldMask(
                        paths=["enabled", "student_app_kinds", "parent_app_kinds"]
                    ),
                )
            )
        assert await is_gone(service, name)


async def test_the_devices_own_gates_do_not_hide_what_was_told(tmp_path: Path) -> None:
    async with whole(tmp_path) as service:
        await populate(service)
        (device,) = await register(service, phone(MOTHER))
        name = (await told(service)).delivery_id
        async with service.client(access.ROLE_MOBILE_BACKEND) as backend:
            await backend.devices.SignOut(SignOutRequest(district_id=DISTRICT, user_id=MOTHER))
            assert (await notification(service, name)).body
            await backend.devices.UnregisterDevice(
                UnregisterDeviceRequest(
                    district_id=DISTRICT, user_id=MOTHER, device_id=device.device_id
                )
            )
        assert (await notification(service, name)).body


async def test_another_users_notification_is_as_if_it_had_never_been(tmp_path: Path) -> None:
    async with whole(tmp_path) as service:
        await populate(service)
        await register(service, phone(MOTHER))
        name = (await told(service)).delivery_id
        assert await is_gone(service, name, FATHER)
        assert await is_gone(service, name, STUDENT)
        assert await is_gone(service, "nothing")
        for user_id, delivery_id, field in (
            ("", name, "user_id"),
            (MOTHER, "", "delivery_id"),
            (MOTHER, "\0", "delivery_id"),
        ):
            with pytest.raises(InvalidArgument) as refused:
                await notification(service, delivery_id, user_id)
            assert [one.path for one in refused.value.fields] == [field]
        with pytest.raises(PermissionDenied):
            await notification(service, name, MOTHER, "oak-county")


@pytest.mark.parametrize("ios", [True, False])
async def test_a_test_notification_arrives_in_the_devices_language(
    ios: bool, tmp_path: Path
) -> None:
    async with whole(tmp_path) as service:
        await populate(service)
        asked = phone(MOTHER, ios=ios, stay_logged_in=False)
        asked.device.locale = "es"
        (device,) = await register(service, asked)
        answer = await try_out(service, device)
        assert answer.attempt.outcome == delivery_pb2.OUTCOME_ACCEPTED
        assert answer.attempt.number == 1
        assert answer.attempt.start_time.ToDatetime() <= answer.attempt.end_time.ToDatetime()
        (arrival,) = service.sandbox.ledger.arrivals(token_of(asked))
        assert arrival.provider_message_id
        assert answer.provider_message_id.endswith(arrival.provider_message_id)
        assert "prueba" in " ".join(arrival.text).lower()
        await try_out(service, device)
        assert len(service.sandbox.ledger.arrivals(token_of(asked))) == 2


async def test_a_test_says_what_the_provider_answered(tmp_path: Path) -> None:
    async with whole(tmp_path) as service:
        await populate(service)
        (device,) = await register(service, phone(MOTHER))
        service.sandbox.faults.add(
            Fault(endpoint=Endpoint.APNS, effect=Effect(status=400, reason="PayloadEmpty"), times=1)
        )
        attempt = (await try_out(service, device)).attempt
        assert attempt.outcome == delivery_pb2.OUTCOME_PAYLOAD_BAD
        assert attempt.provider_reason == "PayloadEmpty"


async def test_a_test_to_a_dead_token_retires_it_if_it_was_registered_before(
    tmp_path: Path,
) -> None:
    async with whole(tmp_path) as service:
        await populate(service)
        (device,) = await register(service, phone(MOTHER))
        registered = device.register_time.ToMilliseconds()
        for timestamp, retired in ((registered - 1, False), (registered + 1, True)):
            dead = Effect(status=410, reason="Unregistered", timestamp=timestamp)
            service.sandbox.faults.add(Fault(endpoint=Endpoint.APNS, effect=dead, times=1))
            attempt = (await try_out(service, device)).attempt
            assert attempt.outcome == delivery_pb2.OUTCOME_TOKEN_DEAD
            async with service.client(access.ROLE_MOBILE_BACKEND) as backend:
                answer = await backend.devices.GetDevice(
                    GetDeviceRequest(
                        district_id=DISTRICT, user_id=MOTHER, device_id=device.device_id
                    )
                )
            assert answer.device.HasField("retirement") is retired
        assert answer.device.retirement.reason == RETIREMENT_REASON_TOKEN_DEAD


@databases()
async def test_a_repeated_request_answers_what_became_of_the_first(
    database: str, tmp_path: Path
) -> None:
    async with whole(tmp_path, database=database) as service:
        await populate(service)
        asked = phone(MOTHER)
        (device,) = await register(service, asked)
        first, *others = await asyncio.gather(*(try_out(service, device, "r1") for _ in range(4)))
        assert first.attempt.outcome == delivery_pb2.OUTCOME_ACCEPTED
        assert others == [first] * 3
        assert len(service.sandbox.ledger.arrivals(token_of(asked))) == 1
        await service.stop()
        await service.start()
        assert await try_out(service, device, "r1") == first
        assert await try_out(service, device, "r2") != first
        assert len(service.sandbox.ledger.arrivals(token_of(asked))) == 2


async def test_a_repeat_answers_the_first_also_when_the_device_is_gone_by_now(
    tmp_path: Path,
) -> None:
    async with whole(tmp_path) as service:
        await populate(service)
        (device,) = await register(service, phone(MOTHER))
        dead = Effect(
            status=410,
            reason="Unregistered",
            timestamp=device.register_time.ToMilliseconds() + 1,
        )
        service.sandbox.faults.add(Fault(endpoint=Endpoint.APNS, effect=dead, times=1))
        first = await try_out(service, device, "r1")
        assert first.attempt.outcome == delivery_pb2.OUTCOME_TOKEN_DEAD
        assert await try_out(service, device, "r1") == first
        with pytest.raises(FailedPrecondition):
            await try_out(service, device, "r2")


async def test_a_request_id_is_for_one_device(tmp_path: Path) -> None:
    async with whole(tmp_path) as service:
        await populate(service)
        mothers, tablet, fathers = await register(
            service, phone(MOTHER), phone(MOTHER, ios=False, number=2), phone(FATHER)
        )
        first = await try_out(service, mothers, "r1")
        for device in (tablet, fathers):
            with pytest.raises(AlreadyExists) as refused:
                await try_out(service, device, "r1")
            assert refused.value.reason == "REQUEST_ID_REUSED"
            assert refused.value.metadata["request_id"] == "r1"
        assert await try_out(service, mothers, "r1") == first
        for bad in ("x" * 129, "\0", " r1"):
            with pytest.raises(InvalidArgument) as wrong:
                await try_out(service, mothers, bad)
            assert [one.path for one in wrong.value.fields] == ["request_id"]


async def test_who_hung_up_hears_what_became_of_it_and_nothing_is_sent_twice(
    tmp_path: Path,
) -> None:
    async with whole(tmp_path) as service:
        await populate(service)
        asked = phone(MOTHER)
        (device,) = await register(service, asked)
        slow = Effect(delay=1.0)
        service.sandbox.faults.add(Fault(endpoint=Endpoint.APNS, effect=slow, times=1))
        first = asyncio.create_task(try_out(service, device, "r1"))
        async with stored(service) as storage:
            request = NotificationRequest(
                district_id=DISTRICT,
                request_id="r1",
                user_id=MOTHER,
                device_id=device.device_id,
                create_time=dt.datetime.now(dt.UTC),
            )
            while True:
                async with storage.read() as connection:
                    if await read_request(connection, request) is not None:
                        break
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        again = await try_out(service, device, "r1")
        assert again.attempt.outcome == delivery_pb2.OUTCOME_ACCEPTED
        assert len(service.sandbox.ledger.arrivals(token_of(asked))) == 1


async def test_a_request_whose_server_died_is_answered_as_lost(tmp_path: Path) -> None:
    async with whole(tmp_path) as service:
        await populate(service)
        asked = phone(MOTHER)
        (device,) = await register(service, asked)
        begun = dt.datetime.now(dt.UTC) - dt.timedelta(minutes=1)
        async with stored(service) as storage, storage.write() as connection:
            request = NotificationRequest(
                district_id=DISTRICT,
                request_id="r1",
                user_id=MOTHER,
                device_id=device.device_id,
                create_time=begun,
            )
            assert await claim_request(connection, request) is None
        answer = await try_out(service, device, "r1")
        assert answer.attempt.outcome == delivery_pb2.OUTCOME_ANSWER_LOST
        assert answer.attempt.start_time.ToDatetime(dt.UTC) == begun
        assert service.sandbox.ledger.arrivals(token_of(asked)) == []


@databases()
async def test_a_notification_is_found_by_its_id_and_by_its_own_user_alone(
    database: str, tmp_path: Path
) -> None:
    async with whole(tmp_path, database=database) as service:
        await populate(service)
        asked = phone(MOTHER, number=2, ios=False)
        asked.device.locale = "es"
        await register(service, phone(MOTHER), asked, phone(FATHER))
        async with following(service) as followed:
            await publish(service, grade("g1", 68.5))
            found = await followed.until_states(ACCEPTED, ACCEPTED, ACCEPTED)
        own = [one for one in found if one.user_id == MOTHER]
        (name,) = {one.notification_id for one in own}
        for registered in (phone(MOTHER), asked):
            (push,) = service.sandbox.ledger.arrivals(token_of(registered))
            assert name.encode() in push.payload
        async with service.client(access.ROLE_MOBILE_BACKEND) as backend:

            async def get(**fields: str) -> Notification:
                request = GetNotificationRequest(**{"district_id": DISTRICT, **fields})
                return (await backend.devices.GetNotification(request)).notification

            detail = await get(user_id=MOTHER, notification_id=name)
            assert (detail.notification_id, detail.locale) == (name, "en")
            assert (await get(user_id=MOTHER, notification_id=name, locale="es")).locale == "es"
            android = next(one for one in own if one.platform == common_pb2.PLATFORM_ANDROID)
            by_delivery = await get(user_id=MOTHER, delivery_id=android.delivery_id)
            assert (by_delivery.notification_id, by_delivery.locale) == (name, "es")
            (change,) = detail.changes
            assert (change.section_id, change.grading_task) == ("algebra-1", "Semester grade")
            assert (change.grading_period, change.calendar_id) == ("S1", CALENDAR)
            others = next(one.notification_id for one in found if one.user_id == FATHER)
            for hostile in (
                {"user_id": FATHER, "notification_id": name},
                {"user_id": MOTHER, "notification_id": others},
                {"user_id": MOTHER, "notification_id": own[0].delivery_id},
                {"user_id": MOTHER, "notification_id": "ffffffff-ffff-8fff-bfff-ffffffffffff"},
                {"user_id": MOTHER, "notification_id": name.upper()},
                {"user_id": MOTHER, "notification_id": name, "district_id": "oak-county"},
            ):
                with pytest.raises((NotFound, PermissionDenied)):
                    await get(**hostile)
            for bad, path in (
                ({"user_id": MOTHER}, "target"),
                ({"user_id": MOTHER, "notification_id": ""}, "notification_id"),
                ({"user_id": MOTHER, "notification_id": name, "locale": "?"}, "locale"),
            ):
                with pytest.raises(InvalidArgument) as refused:
                    await get(**bad)
                assert [one.path for one in refused.value.fields] == [path]
            with pytest.raises(InvalidArgument, match="must have notification_id or delivery_id"):
                await get(user_id=MOTHER)
            with pytest.raises(NotFound, match=f"{MOTHER} has no notification of this delivery_id"):
                await get(user_id=MOTHER, delivery_id=name)
