"""Phones of a district that moves here: registered by the hundred, a bad one spoiling none."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo

from schoolbell.errors import InvalidArgument
from schoolbell.v1 import access_service_pb2 as access
from schoolbell.v1 import common_pb2, error_reason_pb2, roster_pb2
from schoolbell.v1.device_service_pb2 import (
    RETIREMENT_REASON_TOKEN_REPLACED,
    RETIREMENT_REASON_USER_CHANGED,
    BatchRegisterDevicesRequest,
    BatchRegisterDevicesResponse,
    DeviceRegistration,
    DeviceRegistrationResult,
    RegisterDeviceRequest,
    SignOutRequest,
)
from tests.service.held import hold_grades
from tests.service.scene import (
    FATHER,
    MOTHER,
    STUDENT,
    address,
    deliveries,
    grade,
    listed,
    phone,
    populate,
    publish,
    register,
    token_of,
    upsert,
)
from tests.service.stored import facts_version
from tests.service.untried import untried
from tests.service.whole import DISTRICT, Whole, whole
from tests.storage.engines import databases


def registration(asked: RegisterDeviceRequest) -> DeviceRegistration:
    return DeviceRegistration(user_id=asked.user_id, device=asked.device, address=asked.address)


async def batch(service: Whole, *asked: DeviceRegistration) -> list[DeviceRegistrationResult]:
    async with service.client(access.ROLE_MOBILE_BACKEND) as backend:
        answer: BatchRegisterDevicesResponse = await backend.devices.BatchRegisterDevices(
            BatchRegisterDevicesRequest(district_id=DISTRICT, registrations=asked)
        )
    assert len(answer.results) == len(asked)
    return list(answer.results)


def reason_of(result: DeviceRegistrationResult) -> str:
    """Return why a registration was refused; its details say the same."""
    if not result.HasField("error"):
        assert result.HasField("device") and not result.reason
        return ""
    assert not result.HasField("device")
    info = ErrorInfo()
    assert result.error.details[0].Unpack(info)
    name = error_reason_pb2.ErrorReason.Name(result.reason).removeprefix("ERROR_REASON_")
    assert info.reason.removeprefix("ERROR_REASON_") == name
    return name


def fields_of(result: DeviceRegistrationResult) -> list[str]:
    bad = BadRequest()
    found = [detail.Unpack(bad) for detail in result.error.details]
    return [one.field for one in bad.field_violations] if any(found) else []


@databases()
async def test_a_bad_registration_spoils_no_other(database: str, tmp_path: Path) -> None:
    spoils: list[tuple[dict[str, Any], str, list[str]]] = [
        ({"platform": 9}, "INVALID_FIELD", ["device.platform"]),
        ({"app_id": "elsewhere"}, "APP_NOT_FOUND", []),
        ({"installation_id": "a\0b"}, "INVALID_FIELD", ["device.installation_id"]),
        ({"detail_level": 99}, "INVALID_FIELD", ["device.detail_level"]),
    ]
    asked = []
    for number, (values, _, _) in enumerate(spoils):
        one = registration(phone(MOTHER, number=number))
        for name, value in values.items():
            setattr(one.device, name, value)
        asked += [one, registration(phone(FATHER, number=number))]
    asked += [
        registration(phone("nobody")),
        DeviceRegistration(),
        DeviceRegistration(user_id=MOTHER, device=phone(MOTHER).device),
        DeviceRegistration(
            user_id=MOTHER,
            device=phone(MOTHER).device,
            address=address("fcm:" + "A" * 140, ios=False),
        ),
        registration(phone(STUDENT)),
    ]
    async with whole(tmp_path, database=database) as service:
        await populate(service)
        results = await batch(service, *asked)
        good = [""] * len(spoils)
        reasons = [reason_of(one) for one in results]
        assert reasons[1 : 2 * len(spoils) : 2] == good
        assert reasons[0 : 2 * len(spoils) : 2] == [reason for _, reason, _ in spoils]
        for result, (_, _, fields) in zip(results[0::2], spoils, strict=False):
            assert fields_of(result) == fields
        assert reasons[2 * len(spoils) :] == [
            "USER_NOT_FOUND",
            "INVALID_FIELD",
            "INVALID_FIELD",
            "INVALID_FIELD",
            "",
        ]
        assert fields_of(results[-4])[:2] == ["user_id", "device"]
        assert fields_of(results[-3]) == ["address"]
        assert fields_of(results[-2]) == ["address.fcm"]
        assert await listed(service, MOTHER, retired=True) == []
        fathers = sorted(one.device_id for one in await listed(service, FATHER))
        assert fathers == sorted(one.device.device_id for one in results[1 : 2 * len(spoils) : 2])
        assert not any(token_of(phone(MOTHER)) in str(one) for one in results)


async def test_registrations_of_one_batch_take_effect_in_their_order(tmp_path: Path) -> None:
    mothers = phone(MOTHER)
    token = token_of(mothers)
    fathers, moved, back = phone(FATHER), phone(FATHER, number=2), phone(MOTHER)
    fathers.address.CopyFrom(address(token))
    moved.address.CopyFrom(address(token.upper()))
    other = phone(FATHER, number=3)
    async with whole(tmp_path) as service:
        await populate(service)
        before = await facts_version(service)
        results = await batch(service, *map(registration, (mothers, fathers, moved, other, back)))
        assert [reason_of(one) for one in results] == [""] * 5
        assert await facts_version(service) == before + 1
        first, second, third, fourth, last = (one.device for one in results)
        assert last.device_id == first.device_id
        (live,) = await listed(service, MOTHER)
        assert live == last
        states = {
            one.device_id: one.retirement.reason
            for one in await listed(service, FATHER, retired=True)
        }
        assert states == {
            second.device_id: RETIREMENT_REASON_TOKEN_REPLACED,
            third.device_id: RETIREMENT_REASON_USER_CHANGED,
            fourth.device_id: 0,
        }
        again = await batch(service, *map(registration, (other, back)))
        assert [one.device.device_id for one in again] == [fourth.device_id, last.device_id]
        without = registration(back)
        without.ClearField("address")
        without.device.ClearField("platform")
        (kept,) = await batch(service, without)
        assert kept.device.address_tail == last.address_tail


@databases()
async def test_five_hundred_are_taken_at_once_and_again(database: str, tmp_path: Path) -> None:
    users = [f"u{number:03}" for number in range(250)]
    asked = [
        registration(phone(user_id, ios=ios, number=int(ios)))
        for user_id in users
        for ios in (True, False)
    ]
    async with whole(tmp_path, database=database) as service:
        await populate(service)
        await upsert(
            service,
            *(
                roster_pb2.RosterRecord(user=roster_pb2.User(user_id=user_id, enabled=True))
                for user_id in users
            ),
        )
        first = await batch(service, *asked)
        assert {reason_of(one) for one in first} == {""}
        names = [one.device.device_id for one in first]
        assert len(set(names)) == 500
        assert [one.device.user_id for one in first] == [one.user_id for one in asked]
        version = await facts_version(service)
        again = await batch(service, *asked)
        assert [one.device.device_id for one in again] == names
        assert await facts_version(service) == version
        for wrong in ([], [*asked, asked[0]]):
            with pytest.raises(InvalidArgument) as refused:
                await batch(service, *wrong)
            assert [one.path for one in refused.value.fields] == ["registrations"]


@databases()
async def test_what_a_lost_phone_was_to_be_sent_is_cancelled(database: str, tmp_path: Path) -> None:
    async with whole(tmp_path, database=database) as service:
        await populate(service)
        await hold_grades(service)
        await register(service, *(phone(MOTHER, number=number) for number in range(3)))
        await publish(service, grade("g1", 68))
        taken = [phone(MOTHER, number=number) for number in range(3)]
        for one in taken:
            one.user_id = FATHER
        await batch(service, *map(registration, taken))
        causes = {one.cancellation.cause for one in await deliveries(service, MOTHER)}
        assert len(await deliveries(service, MOTHER)) == 3
        assert [common_pb2.AppType.Name(one.app_type) for one in await listed(service, FATHER)] == [
            "APP_TYPE_PARENT"
        ] * 3
        assert len(causes) == 1 and causes.pop() != 0


@pytest.mark.postgresql
async def test_batches_registrations_and_sign_outs_at_once_never_lock_each_other(
    tmp_path: Path,
) -> None:
    async with whole(tmp_path, database="postgresql") as service:
        await populate(service)
        await hold_grades(service)
        phones = [phone(MOTHER, number=number) for number in range(6)]
        await register(service, *phones)
        await publish(service, grade("g1", 68))
        students = [phone(STUDENT, number=number) for number in range(3)]
        fathers = [phone(MOTHER, number=number) for number in range(6)]
        for one in fathers:
            one.user_id = FATHER
        forth = [registration(one) for one in (*phones, *students)]
        back = [registration(one) for one in reversed([*fathers, *students])]
        signing = SignOutRequest(district_id=DISTRICT, user_id=MOTHER)
        async with untried(service) as call:
            calls: list[Any] = []
            for _ in range(4):
                for both in (forth, back):
                    request = BatchRegisterDevicesRequest(district_id=DISTRICT, registrations=both)
                    calls.append(call("BatchRegisterDevices", request))
                calls += [call("RegisterDevice", one) for one in (phones[0], fathers[5])]
                calls.append(call("SignOut", signing))
            answers = await asyncio.gather(*calls)
        for answer in answers:
            if isinstance(answer, BatchRegisterDevicesResponse):
                assert {reason_of(one) for one in answer.results} == {""}
        live = [*await listed(service, MOTHER), *await listed(service, FATHER)]
        assert len({one.installation_id for one in live}) == len(live) == 6
