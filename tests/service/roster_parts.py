"""Parts of imports, and the ways to send them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any

from google.type.date_pb2 import Date

from schoolbell.v1 import roster_pb2
from schoolbell.v1 import roster_service_pb2 as messages
from tests.service.district_server import Service
from tests.service.middleware_server import DISTRICT

FULL, DELTA = roster_pb2.IMPORT_MODE_FULL, roster_pb2.IMPORT_MODE_DELTA
Record = roster_pb2.RosterRecord


def day(year: int, month: int, day_of_month: int) -> Date:
    return Date(year=year, month=month, day=day_of_month)


def school(school_id: str) -> list[Record]:
    """Return a school with a calendar `<school>:2027`."""
    year = roster_pb2.Calendar(
        calendar_id=f"{school_id}:2027",
        school_id=school_id,
        school_year=2027,
        start_date=day(2026, 8, 20),
        end_date=day(2027, 5, 28),
    )
    return [Record(school=roster_pb2.School(school_id=school_id)), Record(calendar=year)]


def user(user_id: str, **fields: Any) -> Record:
    values: dict[str, Any] = {"enabled": True} | fields
    return Record(user=roster_pb2.User(user_id=user_id, **values))


def relationship(student_id: str, guardian_id: str, **fields: Any) -> Record:
    values: dict[str, Any] = {"portal_enabled": True} | fields
    return Record(
        relationship=roster_pb2.Relationship(
            student_id=student_id, guardian_id=guardian_id, **values
        )
    )


def stay(student_id: str, school_id: str, **fields: Any) -> Record:
    values: dict[str, Any] = {"start_date": day(2026, 8, 20), "portal_visible": True} | fields
    return Record(
        enrollment=roster_pb2.Enrollment(
            enrollment_id=f"{student_id}@{school_id}",
            student_id=student_id,
            calendar_id=f"{school_id}:2027",
            **values,
        )
    )


def family(student_id: str, school_id: str = "north") -> list[Record]:
    """Return a student with a mother `<student>-mother`."""
    mother = f"{student_id}-mother"
    return [
        user(student_id),
        user(mother),
        relationship(student_id, mother),
        stay(student_id, school_id),
    ]


def header(import_id: str, **fields: Any) -> messages.ImportRosterRequest:
    values: dict[str, Any] = {"mode": FULL, "source": "sis"} | fields
    return messages.ImportRosterRequest(
        district_id=DISTRICT,
        header=messages.ImportRosterHeader(import_id=import_id, **values),
    )


def records(*parts: Record) -> messages.ImportRosterRequest:
    return messages.ImportRosterRequest(
        district_id=DISTRICT, records=messages.ImportRosterRecords(records=parts)
    )


def footer(count: int) -> messages.ImportRosterRequest:
    return messages.ImportRosterRequest(
        district_id=DISTRICT, footer=messages.ImportRosterFooter(record_count=count)
    )


def parts(
    import_id: str, sent: Sequence[Record], *, size: int = 1000, **fields: Any
) -> list[messages.ImportRosterRequest]:
    """Return a whole import."""
    batches = [sent[start : start + size] for start in range(0, len(sent), size)]
    middle = [records(*batch) for batch in batches]
    return [header(import_id, **fields), *middle, footer(len(sent))]


async def send(
    service: Service, requests: Iterable[messages.ImportRosterRequest]
) -> roster_pb2.RosterImport:
    """Send parts and return the finished import."""

    async def stream() -> AsyncIterator[messages.ImportRosterRequest]:
        for request in requests:
            yield request

    answer = await service.roster.ImportRoster(stream())
    finished: roster_pb2.RosterImport = answer.roster_import
    return finished


async def bring(
    service: Service, import_id: str, sent: Sequence[Record], **fields: Any
) -> roster_pb2.RosterImport:
    """Import records whole."""
    return await send(service, parts(import_id, sent, **fields))


async def look_up(service: Service, import_id: str) -> roster_pb2.RosterImport:
    request = messages.GetImportRequest(district_id=DISTRICT, import_id=import_id)
    found: roster_pb2.RosterImport = (await service.roster.GetImport(request)).roster_import
    return found


async def student_ids(service: Service, **fields: Any) -> list[str]:
    request = messages.ListStudentsRequest(district_id=DISTRICT, **fields)
    answer = await service.roster.ListStudents(request)
    return [student.user.user_id for student in answer.students]


def counted(done: roster_pb2.RosterImport) -> dict[str, tuple[int, int, int, int]]:
    """Return (created, updated, unchanged, deactivated) by type."""
    return {
        roster_pb2.RecordType.Name(one.record_type).removeprefix("RECORD_TYPE_"): (
            one.created_count,
            one.updated_count,
            one.unchanged_count,
            one.deactivated_count,
        )
        for one in done.report.counts
    }
