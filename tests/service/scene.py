"""A small scene for whole-service tests: one school, two students, two guardians, their phones."""

from __future__ import annotations

import datetime as dt

from google.protobuf.timestamp_pb2 import Timestamp
from google.type.date_pb2 import Date
from google.type.money_pb2 import Money

from schoolbell.v1 import access_service_pb2 as access
from schoolbell.v1 import (
    change_pb2,
    common_pb2,
    delivery_pb2,
    device_service_pb2,
    roster_pb2,
    roster_service_pb2,
    settings_service_pb2,
    status_pb2,
    subscription_pb2,
    subscription_service_pb2,
)
from schoolbell.v1.change_pb2 import Change
from schoolbell.v1.change_service_pb2 import PublishChangeRequest, PublishChangeResponse
from schoolbell.v1.status_service_pb2 import GetStatusRequest, ListDeliveriesRequest
from tests.service.following import Serving
from tests.service.whole import DISTRICT, KINDS, PARENT_APP, STUDENT_APP, Whole

CALENDAR = "elm:2027"
STUDENT, SIBLING, MOTHER, FATHER = "student-1", "student-2", "mother", "father"
SOURCE = "sis"
_YEAR = dt.timedelta(days=150)


def today() -> dt.date:
    """Return the district's day; it lives in UTC."""
    return dt.datetime.now(dt.UTC).date()


def date(day: dt.date) -> Date:
    """Return a date as a message."""
    return Date(year=day.year, month=day.month, day=day.day)


def at(time: dt.datetime) -> Timestamp:
    """Return a time as a message."""
    message = Timestamp()
    message.FromDatetime(time)
    return message


async def populate(service: Whole) -> None:
    """Create the district with its people; the mother sees both children, the father one."""
    await service.create_district()
    await restore(service)


async def restore(service: Whole) -> None:
    """Write the people and the settings of the scene, also over what became of them."""
    await upsert(service, *_records())
    async with service.client(access.ROLE_PUBLISHER) as publisher:
        await publisher.roster.SetActiveSchoolYear(
            roster_service_pb2.SetActiveSchoolYearRequest(district_id=DISTRICT, school_year=2027)
        )
    await service.configure(
        detail_level=common_pb2.DETAIL_LEVEL_DETAILED,
        default_subscriptions=[
            settings_service_pb2.DefaultSubscription(app_type=app, kind=kind)
            for app in common_pb2.AppType.values()[1:]
            for kind in KINDS
        ],
    )


async def upsert(service: Whole, *records: roster_pb2.RosterRecord) -> None:
    """Write records of the roster."""
    async with service.client(access.ROLE_PUBLISHER) as publisher:
        await publisher.roster.UpsertRecords(
            roster_service_pb2.UpsertRecordsRequest(
                district_id=DISTRICT, source=SOURCE, records=records
            )
        )


def _records() -> list[roster_pb2.RosterRecord]:
    record = roster_pb2.RosterRecord
    calendar = roster_pb2.Calendar(
        calendar_id=CALENDAR,
        school_id="elm",
        school_year=2027,
        start_date=date(today() - _YEAR),
        end_date=date(today() + _YEAR),
        terms=[
            roster_pb2.Term(
                term_id="t1",
                display_name="Term 1",
                start_date=date(today() - _YEAR),
                end_date=date(today() + _YEAR),
            )
        ],
    )
    relationships = [(STUDENT, MOTHER), (SIBLING, MOTHER), (STUDENT, FATHER)]
    return [
        record(school=roster_pb2.School(school_id="elm", display_name="Elm School")),
        record(calendar=calendar),
        *(
            record(user=roster_pb2.User(user_id=user_id, enabled=True))
            for user_id in (STUDENT, SIBLING, MOTHER, FATHER)
        ),
        *(
            record(
                relationship=roster_pb2.Relationship(
                    student_id=student, guardian_id=guardian, portal_enabled=True
                )
            )
            for student, guardian in relationships
        ),
        *(
            record(
                enrollment=roster_pb2.Enrollment(
                    enrollment_id=f"stay-of-{student}",
                    student_id=student,
                    calendar_id=CALENDAR,
                    start_date=date(today() - _YEAR),
                    end_date=date(today() + _YEAR),
                    portal_visible=True,
                )
            )
            for student in (STUDENT, SIBLING)
        ),
    ]


def phone(
    user_id: str, *, ios: bool = True, number: int = 1, stay_logged_in: bool = True
) -> device_service_pb2.RegisterDeviceRequest:
    """Return the registration of a user's phone."""
    student = user_id in (STUDENT, SIBLING)
    name = f"{user_id}-{number}"
    token = name.encode().hex().rjust(64, "0") if ios else f"fcm-{name}:" + "A" * 140
    return device_service_pb2.RegisterDeviceRequest(
        district_id=DISTRICT,
        user_id=user_id,
        device=device_service_pb2.Device(
            app_id=STUDENT_APP if student else PARENT_APP,
            platform=common_pb2.PLATFORM_IOS if ios else common_pb2.PLATFORM_ANDROID,
            installation_id=f"installation-{name}",
            stay_logged_in=stay_logged_in,
        ),
        address=address(token, ios=ios),
    )


def address(token: str, *, ios: bool = True) -> device_service_pb2.DeviceAddress:
    """Return an address of the sandbox at Apple, or at Google."""
    if ios:
        apns = device_service_pb2.ApnsAddress(
            device_token=token, environment=common_pb2.PROVIDER_ENVIRONMENT_SANDBOX
        )
        return device_service_pb2.DeviceAddress(apns=apns)
    fcm = device_service_pb2.FcmAddress(registration_token=token)
    return device_service_pb2.DeviceAddress(fcm=fcm)


def token_of(request: device_service_pb2.RegisterDeviceRequest) -> str:
    """Return the token that a registration names."""
    return request.address.apns.device_token or request.address.fcm.registration_token


async def register(
    service: Whole, *requests: device_service_pb2.RegisterDeviceRequest
) -> list[device_service_pb2.Device]:
    """Register phones and return the devices."""
    async with service.client(access.ROLE_MOBILE_BACKEND) as backend:
        return [(await backend.devices.RegisterDevice(one)).device for one in requests]


async def listed(
    service: Whole, user_id: str, *, retired: bool = False
) -> list[device_service_pb2.Device]:
    """Return a user's devices, the retired ones too if asked for."""
    async with service.client(access.ROLE_MOBILE_BACKEND) as backend:
        answer = await backend.devices.ListDevices(
            device_service_pb2.ListDevicesRequest(
                district_id=DISTRICT, user_id=user_id, include_retired=retired
            )
        )
    return list(answer.devices)


async def subscribe(
    service: Whole,
    device: device_service_pb2.Device,
    *subscriptions: subscription_pb2.Subscription,
) -> subscription_service_pb2.UpdateSubscriptionsResponse:
    """Save subscriptions of a device."""
    async with service.client(access.ROLE_MOBILE_BACKEND) as backend:
        return await backend.subscriptions.UpdateSubscriptions(
            subscription_service_pb2.UpdateSubscriptionsRequest(
                district_id=DISTRICT,
                user_id=device.user_id,
                device_id=device.device_id,
                subscriptions=subscriptions,
            )
        )


async def publish(service: Serving, *changes: Change) -> list[PublishChangeResponse]:
    """Publish changes one after the other and return the answers."""
    async with service.client(access.ROLE_PUBLISHER) as publisher:
        return [
            await publisher.changes.PublishChange(
                PublishChangeRequest(district_id=DISTRICT, change=one)
            )
            for one in changes
        ]


async def deliveries(service: Serving, user_id: str) -> list[delivery_pb2.Delivery]:
    """Return a user's deliveries, newest first."""
    async with service.client(access.ROLE_MONITOR) as monitor:
        answer = await monitor.status.ListDeliveries(
            ListDeliveriesRequest(
                district_id=DISTRICT, filter=delivery_pb2.DeliveryFilter(user_ids=[user_id])
            )
        )
    return list(answer.deliveries)


async def status_of(service: Serving) -> status_pb2.ServiceState:
    """Return the state of the district."""
    async with service.client(access.ROLE_MONITOR) as monitor:
        answer = await monitor.status.GetStatus(GetStatusRequest(district_id=DISTRICT))
    return answer.state


def change(change_id: str, student_id: str = STUDENT, *, seconds_ago: float = 1) -> Change:
    """Return a change without a payload, that happened just now."""
    found = Change(student_id=student_id, calendar_id=CALENDAR)
    found.key.source, found.key.change_id = SOURCE, change_id
    now = dt.datetime.now(dt.UTC)
    found.occur_time.FromDatetime(now - dt.timedelta(seconds=seconds_ago))
    return found


def grade(change_id: str, percent: float, student_id: str = STUDENT) -> Change:
    """Return a grade of the same task every time."""
    found = change(change_id, student_id)
    found.grade.section_id, found.grade.course_name = "algebra-1", "Algebra"
    found.grade.grading_task, found.grade.grading_period = "Semester grade", "S1"
    found.grade.percent = percent
    return found


def tasks(first: int, count: int) -> list[Change]:
    """Return grades of as many tasks, each a fact of its own: none of them supersedes another."""
    found = [grade(f"g{number}", 80) for number in range(first, first + count)]
    for number, one in enumerate(found, first):
        one.grade.grading_task = f"Task {number}"
    return found


def absence(
    change_id: str,
    student_id: str = STUDENT,
    *,
    status: change_pb2.AttendanceStatus.ValueType = change_pb2.ATTENDANCE_STATUS_ABSENT,
    section: str = "algebra-1",
) -> Change:
    """Return a mark of today's second period."""
    found = change(change_id, student_id)
    found.attendance.date.CopyFrom(date(today()))
    found.attendance.period, found.attendance.section_id = "2", section
    found.attendance.status = status
    found.attendance.excuse = change_pb2.ATTENDANCE_EXCUSE_UNEXCUSED
    return found


def lunch(change_id: str, units: int, student_id: str = STUDENT) -> Change:
    """Return a lunch balance."""
    found = change(change_id, student_id)
    found.lunch_balance.account_id = f"lunch-{student_id}"
    found.lunch_balance.balance.CopyFrom(Money(currency_code="USD", units=units))
    return found
