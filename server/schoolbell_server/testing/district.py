"""A district ready to be used: its people, a phone, and a key for every role."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

from google.protobuf.json_format import ParseDict

from schoolbell import AsyncClient, Connection
from schoolbell.v1 import (
    access_service_pb2 as access,
)
from schoolbell.v1 import (
    common_pb2,
    device_service_pb2,
    district_service_pb2,
    roster_service_pb2,
    settings_service_pb2,
)
from schoolbell_server.demo.stage import APPS

STUDENT, SIBLING, MOTHER, FATHER = "student-1", "student-2", "mother", "father"
CALENDAR = "elm:2027"
SOURCE = "sis"
ROLES = ("publisher", "mobile_backend", "monitor", "administrator")
_ADMINISTRATOR = "principal"
_SCHOOL_YEAR = 2027
_HALF_YEAR = dt.timedelta(days=150)


def phone_of_mother(district_id: str) -> str:
    """Return the address of the only phone: the mother's, an Android."""
    return f"{district_id}-phone:APA91b" + "A" * 134


async def set_up(connect: Callable[[str], Connection], district_id: str) -> dict[str, str]:
    """Make the district; return a key for each role.

    `connect` returns the connection of the caller of a key, and the operator's for ''.
    """
    async with AsyncClient(connect("")) as operator:
        await operator.districts.CreateDistrict(_district(district_id))
        keys = {role: await _key(operator, district_id, role) for role in ROLES}
        await operator.access.GrantRights(
            access.GrantRightsRequest(
                district_id=district_id,
                rights=[
                    access.ToolRight(
                        grantee_type=access.GRANTEE_TYPE_USER,
                        grantee_id=_ADMINISTRATOR,
                        tool=tool,
                        right=access.RIGHT_WRITE,
                    )
                    for tool in access.Tool.values()[1:]
                ],
            )
        )
    async with AsyncClient(connect(keys["publisher"])) as publisher:
        await _fill_roster(publisher, district_id)
    async with AsyncClient(connect(keys["administrator"])) as administrator:
        await _switch_on(administrator, district_id)
    async with AsyncClient(connect(keys["mobile_backend"])) as backend:
        await _register_phone(backend, district_id)
    return keys


def _district(district_id: str) -> district_service_pb2.CreateDistrictRequest:
    return district_service_pb2.CreateDistrictRequest(
        district_id=district_id,
        district=district_service_pb2.District(
            district_id=district_id,
            display_name="Elm District",
            time_zone="UTC",
            locale="en",
            currency_code="USD",
            licensed_kinds=common_pb2.Kind.values()[1:],
            app_ids=list(APPS),
        ),
    )


async def _key(operator: AsyncClient, district_id: str, role: str) -> str:
    key = access.ApiKey(display_name=role, role=access.Role.Value(f"ROLE_{role.upper()}"))
    if role == "administrator":
        key.user_id = _ADMINISTRATOR
    request = access.CreateApiKeyRequest(district_id=district_id, api_key=key)
    return (await operator.access.CreateApiKey(request)).secret


async def _fill_roster(publisher: AsyncClient, district_id: str) -> None:
    request = {"districtId": district_id, "source": SOURCE, "records": _records()}
    await publisher.roster.UpsertRecords(
        ParseDict(request, roster_service_pb2.UpsertRecordsRequest())
    )
    await publisher.roster.SetActiveSchoolYear(
        roster_service_pb2.SetActiveSchoolYearRequest(
            district_id=district_id, school_year=_SCHOOL_YEAR
        )
    )


def _records() -> list[dict[str, Any]]:
    """Return the roster: the mother sees both students, the father the first."""
    today = dt.datetime.now(dt.UTC).date()
    span = {"startDate": _date(today - _HALF_YEAR), "endDate": _date(today + _HALF_YEAR)}
    term = {"termId": "t1", "displayName": "Term 1", **span}
    calendar = {"calendarId": CALENDAR, "schoolId": "elm", "schoolYear": _SCHOOL_YEAR, **span}
    return [
        {"school": {"schoolId": "elm", "displayName": "Elm School"}},
        {"calendar": {**calendar, "terms": [term]}},
        *(
            {"user": {"userId": user_id, "enabled": True}}
            for user_id in (STUDENT, SIBLING, MOTHER, FATHER)
        ),
        *(
            {
                "relationship": {
                    "studentId": student,
                    "guardianId": guardian,
                    "portalEnabled": True,
                }
            }
            for student, guardian in ((STUDENT, MOTHER), (SIBLING, MOTHER), (STUDENT, FATHER))
        ),
        *(
            {
                "enrollment": {
                    "enrollmentId": f"stay-of-{student}",
                    "studentId": student,
                    "calendarId": CALENDAR,
                    "portalVisible": True,
                    **span,
                }
            }
            for student in (STUDENT, SIBLING)
        ),
    ]


async def _switch_on(administrator: AsyncClient, district_id: str) -> None:
    wanted = [
        {"appType": app, "kind": kind}
        for app in common_pb2.AppType.keys()[1:]
        for kind in common_pb2.Kind.keys()[1:]
    ]
    request = {
        "districtId": district_id,
        "settings": {
            "enabled": True,
            "detailLevel": "DETAIL_LEVEL_DETAILED",
            "defaultSubscriptions": wanted,
        },
        "updateMask": "enabled,detailLevel,defaultSubscriptions",
    }
    await administrator.settings.UpdateSettings(
        ParseDict(request, settings_service_pb2.UpdateSettingsRequest())
    )


async def _register_phone(backend: AsyncClient, district_id: str) -> None:
    request = {
        "districtId": district_id,
        "userId": MOTHER,
        "device": {
            "appId": next(iter(APPS)),
            "platform": "PLATFORM_ANDROID",
            "installationId": f"phone-of-{MOTHER}",
            "stayLoggedIn": True,
        },
        "address": {"fcm": {"registrationToken": phone_of_mother(district_id)}},
    }
    await backend.devices.RegisterDevice(
        ParseDict(request, device_service_pb2.RegisterDeviceRequest())
    )


def _date(day: dt.date) -> dict[str, int]:
    return {"year": day.year, "month": day.month, "day": day.day}
