"""A phone has one user at a time, whoever registers it, however often and however many at once."""

from __future__ import annotations

import asyncio
import datetime as dt
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from schoolbell.errors import (
    Aborted,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    PermissionDenied,
    SchoolbellError,
)
from schoolbell.v1 import access_service_pb2 as access
from schoolbell.v1 import common_pb2, delivery_pb2, district_service_pb2, roster_pb2
from schoolbell.v1.device_service_pb2 import (
    RETIREMENT_REASON_TOKEN_REPLACED,
    RETIREMENT_REASON_UNREGISTERED,
    RETIREMENT_REASON_USER_CHANGED,
    ApnsAddress,
    Device,
    DeviceAddress,
    FcmAddress,
    GetDeviceRequest,
    ListDevicesRequest,
    RegisterDeviceRequest,
    SendTestNotificationRequest,
    SignOutRequest,
    UnregisterDeviceRequest,
    UpdateDeviceRequest,
)
from schoolbell.v1.roster_service_pb2 import UpsertRecordsRequest
from schoolbell.v1.subscription_pb2 import Subscription
from schoolbell.v1.subscription_service_pb2 import GetSubscriptionsRequest
from schoolbell_sandbox.devices import Death
from schoolbell_sandbox.devices import Device as Phone
from schoolbell_server.domain.kinds import DetailLevel
from schoolbell_server.security.sealer import Sealer
from tests.service.following import following
from tests.service.held import hold_grades
from tests.service.paging import pages
from tests.service.scene import (
    FATHER,
    MOTHER,
    SOURCE,
    STUDENT,
    address,
    deliveries,
    grade,
    listed,
    phone,
    populate,
    publish,
    register,
    subscribe,
    token_of,
)
from tests.service.stored import facts_version, stored_device
from tests.service.untried import untried
from tests.service.whole import DISTRICT, PARENT_APP, TOPICS, Whole, whole
from tests.storage.engines import databases

OTHER_DISTRICT = "oak-county"
TOKEN = token_of(phone(MOTHER))
HELD = delivery_pb2.DELIVERY_STATE_HELD
CANCELLED = delivery_pb2.DELIVERY_STATE_CANCELLED


async def read(service: Whole, device: Device) -> Device:
    async with service.client(access.ROLE_MOBILE_BACKEND) as backend:
        answer = await backend.devices.GetDevice(
            GetDeviceRequest(
                district_id=DISTRICT, user_id=device.user_id, device_id=device.device_id
            )
        )
    return answer.device


def same_phone(request: RegisterDeviceRequest, user_id: str) -> RegisterDeviceRequest:
    """Return the registration of the same installation and address for another user."""
    other = RegisterDeviceRequest()
    other.CopyFrom(request)
    other.user_id = user_id
    return other


def on(student_id: str) -> Subscription:
    return Subscription(student_id=student_id, kind=common_pb2.KIND_GRADE, enabled=True)


async def test_a_registered_device_is_shown_without_its_address(tmp_path: Path) -> None:
    async with whole(tmp_path) as service:
        await populate(service)
        asked = phone(MOTHER)
        asked.device.os_version, asked.device.app_version = "17.5.1", "4.2"
        asked.device.registration_ref, asked.device.locale = "maple", "es-MX"
        (device,) = await register(service, asked)
        assert device == await read(service, device)
        assert device.address_tail == TOKEN[-4:]
        assert device.app_type == common_pb2.APP_TYPE_PARENT
        assert device.provider == common_pb2.PROVIDER_APNS
        assert device.detail_level == common_pb2.DETAIL_LEVEL_DETAILED
        assert device.stay_logged_in
        assert not device.HasField("retirement")
        assert (device.os_version, device.app_version) == ("17.5.1", "4.2")
        assert (device.registration_ref, device.locale) == ("maple", "es-MX")
        seen = device.last_seen_time.ToDatetime()
        assert (seen.hour, seen.minute, seen.second, seen.microsecond) == (0, 0, 0, 0)
        row = await stored_device(service, device)
        assert row.address is not None
        assert TOKEN.encode() not in row.address and TOKEN not in row.address_hash
        sealer = Sealer.load(service.config.server.data_dir / "keys")
        assert sealer.unseal(row.address, row.device_id.encode()).decode() == TOKEN


LOCALES = {
    "ar-EG-u-fw-sun-ms-metric-mu-celsius-nu-latn": "ar-EG",
    "es-MX-u-ca-gregory-fw-mon-ms-metric-mu-celsius-nu-latn": "es-MX",
    "es-US-x-lvariant-POSIX": "es-US",
    "sl-rozaj-biske-1994": "sl-rozaj-biske-1994",
    "es_MX.UTF-8": "es-MX",
    "zh_TW_#Hant": "zh-TW",
    "english please": "",
    "es-": "",
    "\0": "",
    "x" * 3000: "",
    "es-MX" + "-u" + "-abcdefgh" * 300: "es-MX",
    "es-MX" + "-abcdefgh" * 300: "es-MX" + "-abcdefgh" * 6,
}


async def test_no_locale_refuses_a_registration(tmp_path: Path) -> None:
    async with whole(tmp_path) as service:
        await populate(service)
        for number, (locale, stored) in enumerate(LOCALES.items(), 1):
            asked = phone(MOTHER, number=number)
            asked.device.locale = locale
            (device,) = await register(service, asked)
            assert device.locale == stored
        changed = await change(service, device, "locale", locale="es-MX-u-ms-metric-nu-latn")
        assert changed.locale == "es-MX"


async def test_what_is_absent_keeps_what_is_stored(tmp_path: Path) -> None:
    async with whole(tmp_path) as service:
        await populate(service)
        asked = phone(MOTHER)
        asked.device.os_version, asked.device.locale = "17.5", "es"
        asked.device.detail_level = common_pb2.DETAIL_LEVEL_GENERIC
        (first,) = await register(service, asked)
        again = RegisterDeviceRequest(
            district_id=DISTRICT,
            user_id=MOTHER,
            device=Device(
                app_id=PARENT_APP,
                installation_id=asked.device.installation_id,
                app_version="5.0",
                stay_logged_in=False,
            ),
        )
        (second,) = await register(service, again)
        first.app_version, first.stay_logged_in, first.etag = "5.0", False, second.etag
        assert second == first


async def test_a_new_token_is_dated_and_told_apart(tmp_path: Path) -> None:
    async with whole(tmp_path) as service:
        await populate(service)
        (first,) = await register(service, phone(MOTHER))
        changed = phone(MOTHER)
        changed.address.apns.device_token = "ab" * 32
        (second,) = await register(service, changed)
        assert second.device_id == first.device_id
        assert second.address_tail == "abab"
        assert second.register_time.ToDatetime() > first.register_time.ToDatetime()
        row = await stored_device(service, second)
        assert second.register_time.ToDatetime(dt.UTC) == row.address_time


async def test_merely_registering_again_makes_no_decision_stale(tmp_path: Path) -> None:
    async with whole(tmp_path) as service:
        await populate(service)
        await register(service, phone(MOTHER))
        before = await facts_version(service)
        await register(service, phone(MOTHER))
        assert await facts_version(service) == before
        await register(service, phone(MOTHER, stay_logged_in=False))
        assert await facts_version(service) == before + 1


@databases()
async def test_another_user_gets_a_new_device_and_the_old_one_is_told_nothing_more(
    database: str, tmp_path: Path
) -> None:
    async with whole(tmp_path, database=database) as service:
        await populate(service)
        await hold_grades(service)
        (mothers,) = await register(service, phone(MOTHER))
        await subscribe(service, mothers, on(STUDENT))
        async with following(service) as followed:
            await publish(service, grade("g1", 68))
            (waiting,) = await followed.until_states(HELD)
            (fathers,) = await register(service, same_phone(phone(MOTHER), FATHER))
            (cancelled,) = await followed.until_states(CANCELLED)
        assert cancelled.revision > waiting.revision
        assert cancelled.cancellation == delivery_pb2.Cancellation(
            cause=delivery_pb2.CANCEL_CAUSE_USER_CHANGED
        )
        assert fathers.device_id != mothers.device_id
        gone = await read(service, mothers)
        assert gone.retirement.reason == RETIREMENT_REASON_USER_CHANGED
        assert await listed(service, MOTHER) == []
        assert await listed(service, MOTHER, retired=True) == [gone]
        row = await stored_device(service, mothers)
        assert (row.address, row.address_hash) == (None, "")


@databases()
async def test_the_same_user_returning_finds_the_old_device_with_its_choices(
    database: str, tmp_path: Path
) -> None:
    async with whole(tmp_path, database=database) as service:
        await populate(service)
        off = Subscription(student_id=STUDENT, kind=common_pb2.KIND_GRADE, enabled=False)
        (first,) = await register(service, phone(MOTHER))
        await subscribe(service, first, off)
        (between,) = await register(service, same_phone(phone(MOTHER), FATHER))
        (back,) = await register(service, phone(MOTHER))
        assert back.device_id == first.device_id
        assert not back.HasField("retirement")
        gone = await read(service, between)
        assert gone.retirement.reason == RETIREMENT_REASON_USER_CHANGED
        async with service.client(access.ROLE_MOBILE_BACKEND) as backend:
            page = await backend.subscriptions.GetSubscriptions(
                GetSubscriptionsRequest(
                    district_id=DISTRICT, user_id=MOTHER, device_id=back.device_id
                )
            )
        assert off in [option.subscription for option in page.options]


async def test_a_token_on_another_installation_is_replaced(tmp_path: Path) -> None:
    async with whole(tmp_path) as service:
        await populate(service)
        await hold_grades(service)
        (old,) = await register(service, phone(MOTHER))
        await publish(service, grade("g1", 68))
        moved = phone(MOTHER)
        moved.device.installation_id = "reinstalled"
        moved.address.apns.device_token = TOKEN.upper()
        (new,) = await register(service, moved)
        assert new.device_id != old.device_id
        gone = await read(service, old)
        assert gone.retirement.reason == RETIREMENT_REASON_TOKEN_REPLACED
        (delivery,) = await deliveries(service, MOTHER)
        assert delivery.cancellation == delivery_pb2.Cancellation(
            cause=delivery_pb2.CANCEL_CAUSE_GATE,
            gate=common_pb2.GATE_DEVICE_USABLE,
            reason=common_pb2.REFUSAL_REASON_DEVICE_RETIRED,
        )
        fathers = phone(FATHER)
        fathers.address.apns.device_token = TOKEN
        await register(service, fathers)
        taken = await read(service, new)
        assert taken.retirement.reason == RETIREMENT_REASON_USER_CHANGED


@databases()
async def test_of_many_users_at_once_one_has_the_phone(database: str, tmp_path: Path) -> None:
    users = [MOTHER, FATHER] * 4
    async with whole(tmp_path, database=database) as service:
        await populate(service)
        asked = [same_phone(phone(MOTHER), user_id) for user_id in users]
        async with untried(service) as call:
            answers = await asyncio.gather(*(call("RegisterDevice", one) for one in asked))
        everybodys = [
            device
            for user_id in (MOTHER, FATHER)
            for device in await listed(service, user_id, retired=True)
        ]
        assert len(everybodys) == 2
        assert {answer.device.device_id for answer in answers} == {
            device.device_id for device in everybodys
        }
        reasons = [device.retirement.reason for device in everybodys]
        assert sorted(reasons) == [0, RETIREMENT_REASON_USER_CHANGED]


@databases()
async def test_registering_signing_out_and_unregistering_at_once_never_lock_each_other(
    database: str, tmp_path: Path
) -> None:
    async with whole(tmp_path, database=database) as service:
        await populate(service)
        await hold_grades(service)
        phones = [phone(MOTHER, number=number) for number in range(4)]
        devices = await register(service, *phones)
        await publish(service, grade("g1", 68))
        async with untried(service) as call:
            calls = [call("RegisterDevice", same_phone(one, FATHER)) for one in phones]
            calls += [call("RegisterDevice", one) for one in reversed(phones)]
            calls += [
                call("SignOut", SignOutRequest(district_id=DISTRICT, user_id=user_id))
                for user_id in (MOTHER, FATHER, MOTHER, FATHER)
            ]
            calls += [
                call(
                    "UnregisterDevice",
                    UnregisterDeviceRequest(
                        district_id=DISTRICT, user_id=MOTHER, device_id=device.device_id
                    ),
                )
                for device in devices
            ]
            await asyncio.gather(*calls)
        states = {one.state for one in await deliveries(service, MOTHER)}
        assert states == {CANCELLED}


async def add_other_district(service: Whole) -> str:
    """Create a second district with a mother, and return a key of its mobile backend."""
    async with service.client() as operator:
        await operator.districts.CreateDistrict(
            district_service_pb2.CreateDistrictRequest(
                district_id=OTHER_DISTRICT,
                district=district_service_pb2.District(
                    display_name="Oak County", time_zone="UTC", app_ids=list(TOPICS)
                ),
            )
        )
        keys = {}
        for role in (access.ROLE_PUBLISHER, access.ROLE_MOBILE_BACKEND):
            answer = await operator.access.CreateApiKey(
                access.CreateApiKeyRequest(
                    district_id=OTHER_DISTRICT,
                    api_key=access.ApiKey(display_name="oak", role=role),
                )
            )
            keys[role] = answer.secret
    async with service.client_of(keys[access.ROLE_PUBLISHER]) as publisher:
        user = roster_pb2.User(user_id=MOTHER, enabled=True)
        await publisher.roster.UpsertRecords(
            UpsertRecordsRequest(
                district_id=OTHER_DISTRICT,
                source=SOURCE,
                records=[roster_pb2.RosterRecord(user=user)],
            )
        )
    return keys[access.ROLE_MOBILE_BACKEND]


@databases()
async def test_two_districts_share_a_phone_until_its_token_is_dead(
    database: str, tmp_path: Path
) -> None:
    async with whole(tmp_path, database=database) as service:
        await populate(service)
        key = await add_other_district(service)
        here = phone(MOTHER)
        there = phone(MOTHER)
        there.district_id = OTHER_DISTRICT
        async with (
            service.client_of(key) as oak,
            service.client(access.ROLE_MOBILE_BACKEND) as maple,
        ):
            async with untried(service) as in_maple, untried(service, key) as in_oak:
                answers = await asyncio.gather(
                    *(
                        call("RegisterDevice", asked)
                        for call, asked in 4 * [(in_maple, here), (in_oak, there)]
                    )
                )
            mine, other = answers[-2].device, answers[-1].device
            assert not mine.HasField("retirement") and not other.HasField("retirement")
            await maple.devices.RegisterDevice(same_phone(here, FATHER))
            ours = GetDeviceRequest(
                district_id=OTHER_DISTRICT, user_id=MOTHER, device_id=other.device_id
            )
            assert not (await oak.devices.GetDevice(ours)).device.HasField("retirement")
            await maple.devices.RegisterDevice(here)
            _kill(service, TOKEN)
            tried = await maple.devices.SendTestNotification(
                SendTestNotificationRequest(
                    district_id=DISTRICT, user_id=MOTHER, device_id=mine.device_id
                )
            )
            assert tried.attempt.outcome == delivery_pb2.OUTCOME_TOKEN_DEAD
            assert (await oak.devices.GetDevice(ours)).device.HasField("retirement")
        assert await listed(service, MOTHER) == []


def _kill(service: Whole, token: str) -> None:
    """Let a token die at Apple, a second from now."""
    apns = service.sandbox.apns.devices
    phone = Phone(address=token, app=TOPICS[PARENT_APP], environment="sandbox")
    apns.kill(apns.add(phone), Death(time=service.sandbox.clock.now() + 1))


BAD: list[tuple[dict[str, Any], str]] = [
    ({"app_id": ""}, "device.app_id"),
    ({"app_id": "\0"}, "device.app_id"),
    ({"installation_id": ""}, "device.installation_id"),
    ({"installation_id": "x" * 129}, "device.installation_id"),
    ({"installation_id": "a\0b"}, "device.installation_id"),
    ({"platform": 0}, "device.platform"),
    ({"platform": 9}, "device.platform"),
    ({"os_version": "seventeen"}, "device.os_version"),
    ({"app_version": "1..2"}, "device.app_version"),
    ({"registration_ref": "x" * 129}, "device.registration_ref"),
    ({"registration_ref": "\0"}, "device.registration_ref"),
    ({"user_id": FATHER}, "device.user_id"),
    ({"detail_level": 9}, "device.detail_level"),
]
BAD_ADDRESSES: list[tuple[DeviceAddress, str]] = [
    (DeviceAddress(), "address"),
    (DeviceAddress(apns=ApnsAddress()), "address.apns.device_token"),
    (address(""), "address.apns.device_token"),
    (address("a" * 63), "address.apns.device_token"),
    (address("not hexadecimal!"), "address.apns.device_token"),
    (address("ab" * 31 + "\0\0"), "address.apns.device_token"),
    (address("ab" * 2049), "address.apns.device_token"),
    (
        DeviceAddress(apns=ApnsAddress(device_token=TOKEN, environment=9)),  # type: ignore[arg-type]
        "address.apns.environment",
    ),
    (DeviceAddress(fcm=FcmAddress()), "address.fcm.registration_token"),
    (address("", ios=False), "address.fcm.registration_token"),
    (address("a\0b", ios=False), "address.fcm.registration_token"),
    (address("schön", ios=False), "address.fcm.registration_token"),
    (address("a" * 4097, ios=False), "address.fcm.registration_token"),
    (
        DeviceAddress(fcm=FcmAddress(firebase_installation_id="")),
        "address.fcm.firebase_installation_id",
    ),
    (address("fcm-token:" + "A" * 140, ios=False), "address.fcm"),
]
"""Of a phone with iOS."""


async def test_a_bad_registration_is_refused_by_its_field(tmp_path: Path) -> None:
    asked = []
    for values, field in BAD:
        one = phone(MOTHER)
        for name, value in values.items():
            setattr(one.device, name, value)
        asked.append((one, field))
    for bad_address, field in BAD_ADDRESSES:
        one = phone(MOTHER)
        one.address.CopyFrom(bad_address)
        asked.append((one, field))
    async with whole(tmp_path) as service:
        await populate(service)
        for one, field in asked:
            with pytest.raises(InvalidArgument) as refused:
                await register(service, one)
            assert [bad.path for bad in refused.value.fields] == [field], one
            assert refused.value.reason == "INVALID_FIELD"
            assert TOKEN not in str(refused.value)
        with pytest.raises(InvalidArgument) as refused:
            await register(service, RegisterDeviceRequest(district_id=DISTRICT))
        paths = {bad.path for bad in refused.value.fields}
        assert paths >= {"user_id", "device", "device.app_id", "device.installation_id"}
        assert await listed(service, MOTHER, retired=True) == []


async def test_what_a_request_says_of_the_environment_is_the_addresss(tmp_path: Path) -> None:
    async with whole(tmp_path) as service:
        await populate(service)
        asked = phone(MOTHER)
        asked.device.environment = common_pb2.PROVIDER_ENVIRONMENT_PRODUCTION
        (device,) = await register(service, asked)
        assert device.environment == common_pb2.PROVIDER_ENVIRONMENT_SANDBOX
        asked.address.apns.ClearField("environment")
        (device,) = await register(service, asked)
        assert device.environment == common_pb2.PROVIDER_ENVIRONMENT_PRODUCTION
        android = phone(MOTHER, ios=False, number=2)
        android.device.environment = common_pb2.PROVIDER_ENVIRONMENT_SANDBOX
        (device,) = await register(service, android)
        assert device.environment == common_pb2.PROVIDER_ENVIRONMENT_PRODUCTION


async def test_who_is_not_there_is_not_found(tmp_path: Path) -> None:
    async with whole(tmp_path) as service:
        await populate(service)
        foreign = phone(MOTHER)
        foreign.device.app_id = "another-county"
        apps = "the district has no app 'another-county'; it has district-parent, district-student"
        for asked, reason, said in (
            (phone("nobody"), "USER_NOT_FOUND", "the roster has no person nobody"),
            (foreign, "APP_NOT_FOUND", apps),
        ):
            with pytest.raises(NotFound) as refused:
                await register(service, asked)
            assert refused.value.reason == reason
            assert said in str(refused.value)
        elsewhere = phone(MOTHER)
        elsewhere.district_id = OTHER_DISTRICT
        with pytest.raises(PermissionDenied):
            await register(service, elsewhere)


async def test_a_device_keeps_its_platform(tmp_path: Path) -> None:
    async with whole(tmp_path) as service:
        await populate(service)
        (device,) = await register(service, phone(MOTHER))
        android = phone(MOTHER)
        android.device.platform = common_pb2.PLATFORM_ANDROID
        with pytest.raises(InvalidArgument) as refused:
            await register(service, android)
        assert [bad.path for bad in refused.value.fields] == ["device.platform"]
        unsaid = phone(MOTHER)
        unsaid.device.ClearField("platform")
        unsaid.address.fcm.firebase_installation_id = "abcdefghijklmnopqrstuv"
        with pytest.raises(InvalidArgument) as refused:
            await register(service, unsaid)
        assert [bad.path for bad in refused.value.fields] == ["address.fcm"]
        assert await read(service, device) == device


async def test_what_is_not_the_users_is_not_found_by_any_call(tmp_path: Path) -> None:
    async with whole(tmp_path) as service:
        await populate(service)
        (device,) = await register(service, phone(MOTHER))
        names = [
            ({"user_id": FATHER, "device_id": device.device_id}, NotFound),
            ({"user_id": MOTHER, "device_id": "nothing"}, NotFound),
            ({"user_id": MOTHER}, InvalidArgument),
            ({"device_id": device.device_id}, InvalidArgument),
            ({"user_id": MOTHER, "device_id": "\0"}, InvalidArgument),
            ({"user_id": "x" * 129, "device_id": device.device_id}, InvalidArgument),
        ]
        async with service.client(access.ROLE_MOBILE_BACKEND) as backend:
            api = backend.devices
            calls: list[tuple[Any, Any]] = [
                (api.GetDevice, GetDeviceRequest),
                (api.UnregisterDevice, UnregisterDeviceRequest),
                (api.SendTestNotification, SendTestNotificationRequest),
                (
                    api.UpdateDevice,
                    lambda **named: UpdateDeviceRequest(device=Device(locale="es"), **named),
                ),
            ]
            for call, request in calls:
                for named, error in names:
                    with pytest.raises(error) as refused:
                        await call(request(district_id=DISTRICT, **named))
                    wanted = "DEVICE_NOT_FOUND" if error is NotFound else "INVALID_FIELD"
                    assert refused.value.reason == wanted
        assert await read(service, device) == device


async def test_devices_are_listed_page_by_page(tmp_path: Path) -> None:
    async with whole(tmp_path) as service:
        await populate(service)
        await register(service, *(phone(MOTHER, number=number) for number in range(5)))
        request = ListDevicesRequest(district_id=DISTRICT, user_id=MOTHER, page_size=2)
        async with service.client(access.ROLE_MOBILE_BACKEND) as backend:
            found = [
                list(page.devices) async for page in pages(backend.devices.ListDevices, request)
            ]
            request.page_token = "x" * 40
            with pytest.raises(InvalidArgument) as refused:
                await backend.devices.ListDevices(request)
        assert refused.value.reason == "PAGE_TOKEN_INVALID"
        assert [len(page) for page in found] == [2, 2, 1]
        assert [one for page in found for one in page] == await listed(service, MOTHER)


async def change(service: Whole, device: Device, *paths: str, **fields: Any) -> Device:
    """Update a device with a mask of these paths."""
    async with service.client(access.ROLE_MOBILE_BACKEND) as backend:
        answer = await backend.devices.UpdateDevice(
            UpdateDeviceRequest(
                district_id=DISTRICT,
                user_id=device.user_id,
                device_id=device.device_id,
                device=Device(**fields),
                update_mask=FieldMask(paths=paths),
            )
        )
    return answer.device


async def test_an_update_changes_the_masked_fields(tmp_path: Path) -> None:
    async with whole(tmp_path) as service:
        await populate(service)
        asked = phone(MOTHER)
        asked.device.os_version, asked.device.locale = "17.5", "en"
        (device,) = await register(service, asked)
        changed = await change(service, device, "locale", locale="es", os_version="18.0")
        assert (changed.locale, changed.os_version) == ("es", "17.5")
        assert changed.etag != device.etag
        unmasked = await change(service, device, app_version="9.1", stay_logged_in=False)
        assert (unmasked.app_version, unmasked.stay_logged_in) == ("9.1", False)
        assert (unmasked.locale, unmasked.os_version) == ("es", "17.5")
        quiet = await change(service, device, "detail_level", detail_level=DetailLevel.GENERIC)
        assert quiet.detail_level == common_pb2.DETAIL_LEVEL_GENERIC
        cleared = await change(service, device, "locale", "detail_level", "stay_logged_in")
        assert cleared.locale == "" and not cleared.stay_logged_in
        assert cleared.detail_level == common_pb2.DETAIL_LEVEL_DETAILED
        ignored = await change(service, device, "address_tail", "retirement", address_tail="zzzz")
        assert ignored == cleared == await read(service, device)
        away = await change(service, device, environment=common_pb2.PROVIDER_ENVIRONMENT_PRODUCTION)
        assert away == cleared


async def test_a_star_is_every_field_that_may_be_set(tmp_path: Path) -> None:
    async with whole(tmp_path) as service:
        await populate(service)
        asked = phone(MOTHER)
        asked.device.os_version, asked.device.locale = "17.5", "en"
        (device,) = await register(service, asked)
        changed = await change(service, device, "*", muted=True, locale="es")
        assert (changed.muted, changed.locale, changed.os_version) == (True, "es", "")
        assert not changed.stay_logged_in
        same = [device.app_id, device.platform, device.installation_id, device.address_tail]
        assert [
            changed.app_id,
            changed.platform,
            changed.installation_id,
            changed.address_tail,
        ] == same
        for paths, fields, bad in (
            (["*"], {"app_id": "maple-student"}, "device.app_id"),
            (["*", "locale"], {"locale": "en"}, "update_mask.paths[0]"),
        ):
            with pytest.raises(InvalidArgument) as refused:
                await change(service, device, *paths, **fields)
            assert [one.path for one in refused.value.fields] == [bad]


async def test_a_lost_update_is_refused_and_a_repeated_one_is_not(tmp_path: Path) -> None:
    async with whole(tmp_path) as service:
        await populate(service)
        (device,) = await register(service, phone(MOTHER))
        first = await change(service, device, "locale", locale="es", etag=device.etag)
        again = await change(service, device, "locale", locale="es", etag=device.etag)
        assert again == first
        with pytest.raises(Aborted) as refused:
            await change(service, device, "locale", locale="en", etag=device.etag)
        assert refused.value.reason == "ETAG_MISMATCH"
        assert await read(service, device) == first


FIXED: list[dict[str, Any]] = [
    {"platform": common_pb2.PLATFORM_ANDROID},
    {"app_id": "maple-student"},
    {"installation_id": "another"},
    {"user_id": FATHER},
    {"device_id": "another"},
    {"os_version": "x"},
]


async def test_an_update_refuses_what_it_may_not_change(tmp_path: Path) -> None:
    async with whole(tmp_path) as service:
        await populate(service)
        (device,) = await register(service, phone(MOTHER))
        for fields in FIXED:
            (name,) = fields
            for paths in [[name], []]:
                with pytest.raises(InvalidArgument) as refused:
                    await change(service, device, *paths, **fields)
                assert [bad.path for bad in refused.value.fields] == [f"device.{name}"]
        with pytest.raises(InvalidArgument) as refused:
            await change(service, device, "nonsense")
        assert [bad.path for bad in refused.value.fields] == ["update_mask.paths[0]"]
        assert await read(service, device) == device


async def test_a_device_read_and_sent_back_whole_is_no_change(tmp_path: Path) -> None:
    async with whole(tmp_path) as service:
        await populate(service)
        (device,) = await register(service, phone(MOTHER))
        request = UpdateDeviceRequest(
            district_id=DISTRICT, user_id=MOTHER, device_id=device.device_id, device=device
        )
        async with service.client(access.ROLE_MOBILE_BACKEND) as backend:
            assert (await backend.devices.UpdateDevice(request)).device == device


@databases()
async def test_an_unregistered_device_is_told_nothing_more(database: str, tmp_path: Path) -> None:
    async with whole(tmp_path, database=database) as service:
        await populate(service)
        await hold_grades(service)
        (device,) = await register(service, phone(MOTHER))
        await publish(service, grade("g1", 68))
        request = UnregisterDeviceRequest(
            district_id=DISTRICT, user_id=MOTHER, device_id=device.device_id
        )
        async with service.client(access.ROLE_MOBILE_BACKEND) as backend:
            first = (await backend.devices.UnregisterDevice(request)).device
            again = (await backend.devices.UnregisterDevice(request)).device
            assert first.retirement.reason == RETIREMENT_REASON_UNREGISTERED
            assert again == first
            named: Any = {
                "district_id": DISTRICT,
                "user_id": MOTHER,
                "device_id": device.device_id,
            }
            for call in (
                backend.devices.UpdateDevice(
                    UpdateDeviceRequest(device=Device(locale="es"), **named)
                ),
                backend.devices.SendTestNotification(SendTestNotificationRequest(**named)),
            ):
                with pytest.raises(FailedPrecondition) as refused:
                    await call
                assert refused.value.reason == "DEVICE_RETIRED"
        (delivery,) = await deliveries(service, MOTHER)
        assert delivery.state == CANCELLED
        assert delivery.cancellation.gate == common_pb2.GATE_DEVICE_USABLE
        forgotten = phone(MOTHER)
        forgotten.ClearField("address")
        with pytest.raises(InvalidArgument) as bad:
            await register(service, forgotten)
        assert [one.path for one in bad.value.fields] == ["address"]
        (back,) = await register(service, phone(MOTHER))
        assert back.device_id == device.device_id


@databases()
async def test_signing_out_stops_what_has_not_left_on_every_device(
    database: str, tmp_path: Path
) -> None:
    async with whole(tmp_path, database=database) as service:
        await populate(service)
        await hold_grades(service)
        await register(service, phone(MOTHER), phone(MOTHER, ios=False, number=2), phone(FATHER))
        await publish(service, grade("g1", 68))
        request = SignOutRequest(district_id=DISTRICT, user_id=MOTHER)
        async with service.client(access.ROLE_MOBILE_BACKEND) as backend:
            first = list((await backend.devices.SignOut(request)).devices)
            again = list((await backend.devices.SignOut(request)).devices)
        assert first == again == await listed(service, MOTHER)
        assert [device.stay_logged_in for device in first] == [False, False]
        stopped = await deliveries(service, MOTHER)
        assert [one.state for one in stopped] == [CANCELLED, CANCELLED]
        assert {one.cancellation.reason for one in stopped} == {
            common_pb2.REFUSAL_REASON_NOT_STAYING_LOGGED_IN
        }
        assert [one.state for one in await deliveries(service, FATHER)] == [HELD]
        (back,) = await register(service, phone(MOTHER))
        assert back.stay_logged_in
        assert [one.state for one in await deliveries(service, MOTHER)] == [CANCELLED] * 2


async def test_who_is_unknown_cannot_sign_out(tmp_path: Path) -> None:
    async with whole(tmp_path) as service:
        await populate(service)
        async with service.client(access.ROLE_MOBILE_BACKEND) as backend:
            for user_id, reason in (("nobody", "USER_NOT_FOUND"), ("", "INVALID_FIELD")):
                with pytest.raises(SchoolbellError) as refused:
                    await backend.devices.SignOut(
                        SignOutRequest(district_id=DISTRICT, user_id=user_id)
                    )
                assert refused.value.reason == reason
