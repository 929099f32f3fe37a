"""NOT_FOUND in the contract's words."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncConnection

from schoolbell.v1.error_reason_pb2 import ErrorReason
from schoolbell_server.rpc.errors import SchoolbellError
from schoolbell_storage.districts import DistrictRow, get_district
from schoolbell_storage.roster_records import RecordName


def no_district(district_id: str) -> SchoolbellError:
    """Return that there is no such district."""
    return SchoolbellError(
        ErrorReason.ERROR_REASON_DISTRICT_NOT_FOUND,
        f"there is no district {district_id}",
        metadata={"district_id": district_id},
    )


async def existing_district(
    connection: AsyncConnection, district_id: str, *, lock: bool = False
) -> DistrictRow:
    """Return a district, locked if so asked; DISTRICT_NOT_FOUND if there is none."""
    district = await get_district(connection, district_id, lock=lock)
    if district is None:
        raise no_district(district_id)
    return district


def no_calendar(calendar_id: str) -> SchoolbellError:
    """Return that the roster has no such calendar."""
    return SchoolbellError(
        ErrorReason.ERROR_REASON_CALENDAR_NOT_FOUND,
        f"the roster has no calendar {calendar_id}",
        metadata={"calendar_id": calendar_id},
    )


def no_student(student_id: str) -> SchoolbellError:
    """Return that the roster has no such student."""
    return SchoolbellError(
        ErrorReason.ERROR_REASON_STUDENT_NOT_FOUND,
        f"the roster has no student {student_id}",
        metadata={"student_id": student_id},
    )


def no_own_student(student_id: str, user_id: str) -> SchoolbellError:
    """Return that a person is not that student, nor related to them."""
    return SchoolbellError(
        ErrorReason.ERROR_REASON_STUDENT_NOT_FOUND,
        f"the roster has no student {student_id} of {user_id}",
        metadata={"student_id": student_id},
    )


def no_user(user_id: str) -> SchoolbellError:
    """Return that the roster has no such person."""
    return SchoolbellError(
        ErrorReason.ERROR_REASON_USER_NOT_FOUND,
        f"the roster has no person {user_id}",
        metadata={"user_id": user_id},
    )


def no_device(device_id: str) -> SchoolbellError:
    """Return that there is no such device, or that it is somebody else's."""
    return SchoolbellError(
        ErrorReason.ERROR_REASON_DEVICE_NOT_FOUND,
        f"the user has no device {device_id}",
        metadata={"device_id": device_id},
    )


def no_record(name: RecordName) -> SchoolbellError:
    """Return that the roster has no such record."""
    record_type = name.record_type.name
    return SchoolbellError(
        ErrorReason.ERROR_REASON_RECORD_NOT_FOUND,
        f"the roster has no {record_type.lower()} {name}",
        metadata={"record_type": record_type, "record_id": str(name)},
    )


def no_import(import_id: str) -> SchoolbellError:
    """Return that there is no such import."""
    return SchoolbellError(
        ErrorReason.ERROR_REASON_IMPORT_NOT_FOUND,
        f"there is no import {import_id}",
        metadata={"import_id": import_id},
    )
