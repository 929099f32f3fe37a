"""Set a district up as its operator, its administrator and its mobile backend would."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from google.protobuf.field_mask_pb2 import FieldMask

from schoolbell import AsyncClient, oneroster
from schoolbell.cli.roster import import_parts
from schoolbell.v1 import (
    access_service_pb2,
    common_pb2,
    device_service_pb2,
    district_service_pb2,
    roster_pb2,
    roster_service_pb2,
    settings_service_pb2,
)
from schoolbell_server.demo.stage import APPS, DISTRICT, Stage, make_keys

_AT_ONCE = 16
_PLATFORMS = (common_pb2.PLATFORM_IOS, common_pb2.PLATFORM_ANDROID)
_KINDS = common_pb2.Kind.values()[1:]


@dataclass(frozen=True, slots=True)
class Phone:
    """A phone of the sample: whose it is, and its push token."""

    user_id: str
    platform: common_pb2.Platform.ValueType
    token: str


async def set_up(on: Stage, roster: oneroster.Roster, zone: str, school_year: int) -> list[Phone]:
    """Create and switch on the district, import its roster, register a phone for everybody."""
    await prepare(on, roster, zone, school_year)
    students = {enrollment.student_id for enrollment in roster.enrollments}
    phones = phones_of(sorted(user.user_id for user in roster.users))
    async with AsyncClient(on.connection(access_service_pb2.ROLE_MOBILE_BACKEND)) as client:
        await register(client, phones, students)
    return phones


async def prepare(on: Stage, roster: oneroster.Roster, zone: str, school_year: int) -> None:
    """Create and switch on the district, and import its roster; nobody has a phone yet."""
    await _create(on, zone)
    await make_keys(on)
    await _import(on, roster, school_year)
    await _save_settings(on)


async def _create(on: Stage, zone: str) -> None:
    async with AsyncClient(on.connection(access_service_pb2.ROLE_OPERATOR)) as client:
        await client.districts.CreateDistrict(
            district_service_pb2.CreateDistrictRequest(
                district_id=DISTRICT,
                district=district_service_pb2.District(
                    district_id=DISTRICT,
                    display_name="Sample District",
                    time_zone=zone,
                    locale="en",
                    currency_code="USD",
                    licensed_kinds=_KINDS,
                    app_ids=list(APPS),
                ),
            )
        )


async def _import(on: Stage, roster: oneroster.Roster, school_year: int) -> None:
    header = roster_service_pb2.ImportRosterHeader(
        import_id="first", mode=roster_pb2.IMPORT_MODE_FULL, source="oneroster"
    )
    async with AsyncClient(on.connection(access_service_pb2.ROLE_PUBLISHER)) as client:
        await client.import_roster(import_parts(DISTRICT, header, roster))
        await client.roster.SetActiveSchoolYear(
            roster_service_pb2.SetActiveSchoolYearRequest(
                district_id=DISTRICT, school_year=school_year
            )
        )


async def _save_settings(on: Stage) -> None:
    """Switch the district on; every app wants every kind until its user says otherwise."""
    wanted = [
        settings_service_pb2.DefaultSubscription(app_type=app, kind=kind)
        for app in common_pb2.AppType.values()[1:]
        for kind in _KINDS
    ]
    async with AsyncClient(on.connection(access_service_pb2.ROLE_ADMINISTRATOR)) as client:
        await client.settings.UpdateSettings(
            settings_service_pb2.UpdateSettingsRequest(
                district_id=DISTRICT,
                settings=settings_service_pb2.Settings(
                    enabled=True,
                    detail_level=common_pb2.DETAIL_LEVEL_DETAILED,
                    default_subscriptions=wanted,
                ),
                update_mask=FieldMask(paths=["enabled", "detail_level", "default_subscriptions"]),
            )
        )


def phones_of(user_ids: Sequence[str]) -> list[Phone]:
    """Return a phone for every user, iOS and Android by turns."""
    return [
        Phone(user_id, platform, push_token(number, platform))
        for number, user_id in enumerate(user_ids, start=1)
        for platform in (_PLATFORMS[number % 2],)
    ]


async def register(
    client: AsyncClient, phones: Iterable[Phone], students: set[str], district_id: str = DISTRICT
) -> None:
    """Register phones as a mobile backend does, some at once."""
    room = asyncio.Semaphore(_AT_ONCE)

    async def one(phone: Phone) -> None:
        async with room:
            await client.devices.RegisterDevice(registration(phone, students, district_id))

    await asyncio.gather(*(one(phone) for phone in phones))


def registration(
    phone: Phone, students: set[str], district_id: str = DISTRICT
) -> device_service_pb2.RegisterDeviceRequest:
    """Return the request that registers a phone, for the app of students or of parents."""
    parent_app, student_app = APPS
    device = device_service_pb2.Device(
        app_id=student_app if phone.user_id in students else parent_app,
        platform=phone.platform,
        installation_id=f"phone-of-{phone.user_id}",
        stay_logged_in=True,
    )
    return device_service_pb2.RegisterDeviceRequest(
        district_id=district_id, user_id=phone.user_id, device=device, address=address_of(phone)
    )


def address_of(phone: Phone) -> device_service_pb2.DeviceAddress:
    """Return where the pushes of a phone go."""
    if phone.platform == common_pb2.PLATFORM_IOS:
        apns = device_service_pb2.ApnsAddress(
            device_token=phone.token, environment=common_pb2.PROVIDER_ENVIRONMENT_SANDBOX
        )
        return device_service_pb2.DeviceAddress(apns=apns)
    fcm = device_service_pb2.FcmAddress(registration_token=phone.token)
    return device_service_pb2.DeviceAddress(fcm=fcm)


def push_token(number: int, platform: common_pb2.Platform.ValueType) -> str:
    """Return a push token of the platform's shape."""
    if platform == common_pb2.PLATFORM_IOS:
        return f"{number:064x}"
    return f"phone{number:06d}:APA91b{number:0140x}"
