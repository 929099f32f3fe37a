"""A key that is limited to sources sees and writes what is of them, and nothing else."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc.aio
import pytest

from schoolbell import AsyncClient
from schoolbell.errors import NotFound, PermissionDenied, SchoolbellError, from_rpc_error
from schoolbell.v1 import access_service_pb2 as access
from schoolbell.v1 import change_pb2, change_service_pb2, roster_pb2
from schoolbell.v1 import roster_service_pb2 as roster
from schoolbell.v1 import status_service_pb2 as status
from tests.service.following import following
from tests.service.granting import create
from tests.service.roster_parts import school
from tests.service.scene import (
    CALENDAR,
    FATHER,
    MOTHER,
    SIBLING,
    SOURCE,
    STUDENT,
    date,
    lunch,
    phone,
    populate,
    publish,
    register,
    today,
)
from tests.service.whole import DISTRICT, Whole, whole
from tests.storage.engines import databases

LUNCH = "lunch-system"
record = roster_pb2.RosterRecord


@asynccontextmanager
async def limited(
    service: Whole, role: access.Role.ValueType = access.ROLE_PUBLISHER
) -> AsyncIterator[AsyncClient]:
    """Open a client whose key is for the lunch system's source alone."""
    async with service.client() as operator:
        made = await create(operator, role=role, sources=[LUNCH])
    async with service.client_of(made.secret) as client:
        yield client


def upsert(*records: roster_pb2.RosterRecord, source: str = LUNCH) -> roster.UpsertRecordsRequest:
    return roster.UpsertRecordsRequest(district_id=DISTRICT, source=source, records=records)


def user(user_id: str) -> roster_pb2.RosterRecord:
    return record(user=roster_pb2.User(user_id=user_id, enabled=True))


def relationship(student_id: str, guardian_id: str, **fields: Any) -> roster_pb2.RosterRecord:
    return record(
        relationship=roster_pb2.Relationship(
            student_id=student_id, guardian_id=guardian_id, portal_enabled=True, **fields
        )
    )


def stay(enrollment_id: str, student_id: str) -> roster_pb2.RosterRecord:
    return record(
        enrollment=roster_pb2.Enrollment(
            enrollment_id=enrollment_id,
            student_id=student_id,
            calendar_id=CALENDAR,
            start_date=date(today()),
            end_date=date(today()),
            portal_visible=True,
        )
    )


async def an_import(
    *records: roster_pb2.RosterRecord,
) -> AsyncIterator[roster.ImportRosterRequest]:
    header = roster.ImportRosterHeader(
        import_id="import-1", source=LUNCH, mode=roster_pb2.IMPORT_MODE_DELTA
    )
    yield roster.ImportRosterRequest(district_id=DISTRICT, header=header)
    yield roster.ImportRosterRequest(records=roster.ImportRosterRecords(records=records))
    footer = roster.ImportRosterFooter(record_count=len(records))
    yield roster.ImportRosterRequest(footer=footer)


async def refusal(call: Awaitable[object]) -> SchoolbellError:
    """Return the error that a call ends with; a stream's is the stub's own."""
    try:
        await call
    except SchoolbellError as error:
        return error
    except grpc.aio.AioRpcError as error:
        return from_rpc_error(error)
    pytest.fail("the call was not refused")


FOREIGN: list[tuple[list[roster_pb2.RosterRecord], str]] = [
    ([user(MOTHER)], f"USER {MOTHER}"),
    ([user("accomplice"), relationship(STUDENT, "accomplice")], f"USER {STUDENT}"),
    ([relationship(STUDENT, FATHER)], f"USER {STUDENT}"),
    ([stay("another-stay", SIBLING)], f"USER {SIBLING}"),
    ([record(school=roster_pb2.School(school_id="elm", display_name="x"))], "SCHOOL elm"),
]


@databases()
async def test_what_is_of_another_source_is_not_written(database: str, tmp_path: Path) -> None:
    async with whole(tmp_path, database=database) as service:
        await populate(service)
        async with service.client(access.ROLE_PUBLISHER) as sis, limited(service) as client:
            before = await sis.roster.GetStudent(student(STUDENT))
            for records, named in FOREIGN:
                for call in (
                    client.roster.UpsertRecords(upsert(*records)),
                    client.roster.ImportRoster(an_import(*records)),
                ):
                    error = await refusal(call)
                    assert error.reason == "SOURCE_NOT_ALLOWED", records
                    assert named in str(error)
            for names in (
                {"user_ids": [MOTHER]},
                {"enrollment_ids": [f"stay-of-{STUDENT}"]},
                {"school_ids": ["elm"]},
                {"calendar_ids": [CALENDAR]},
                {"relationships": [roster.RelationshipKey(student_id=STUDENT, guardian_id=FATHER)]},
            ):
                with pytest.raises(PermissionDenied) as refused:
                    await client.roster.DeactivateRecords(
                        roster.DeactivateRecordsRequest(district_id=DISTRICT, source=LUNCH, **names)
                    )
                assert refused.value.reason == "SOURCE_NOT_ALLOWED", names
            with pytest.raises(PermissionDenied):
                await client.roster.UpsertRecords(upsert(user("new"), source=SOURCE))
            with pytest.raises(PermissionDenied):
                await client.roster.SetActiveSchoolYear(
                    roster.SetActiveSchoolYearRequest(district_id=DISTRICT, school_year=2026)
                )
            with pytest.raises(PermissionDenied):
                await client.roster.SetBar(
                    roster.SetBarRequest(
                        district_id=DISTRICT, student_id=STUDENT, guardian_id=FATHER
                    )
                )
            assert await sis.roster.GetStudent(student(STUDENT)) == before


def student(student_id: str) -> roster.GetStudentRequest:
    return roster.GetStudentRequest(district_id=DISTRICT, student_id=student_id)


@databases()
async def test_its_own_is_written_and_read_and_the_rest_is_not_seen(
    database: str, tmp_path: Path
) -> None:
    async with whole(tmp_path, database=database) as service:
        await populate(service)
        async with service.client(access.ROLE_PUBLISHER) as sis, limited(service) as client:
            own = [
                user("pupil"),
                user("aunt"),
                relationship("pupil", "aunt"),
                stay("own-stay", "pupil"),
            ]
            await client.roster.UpsertRecords(upsert(*own))
            await client.roster.ImportRoster(an_import(user("pupil-2"), stay("s2", "pupil-2")))
            await sis.roster.UpsertRecords(upsert(relationship("pupil", MOTHER), source=SOURCE))
            found = (await client.roster.GetStudent(student("pupil"))).student
            assert [one.guardian_id for one in found.relationships] == ["aunt"]
            listed = await client.roster.ListStudents(
                roster.ListStudentsRequest(district_id=DISTRICT)
            )
            assert [one.user.user_id for one in listed.students] == ["pupil", "pupil-2"]
            with pytest.raises(NotFound):
                await client.roster.GetStudent(student(STUDENT))
            with pytest.raises(NotFound):
                await client.roster.GetUser(
                    roster.GetUserRequest(district_id=DISTRICT, user_id=MOTHER)
                )
            aunt = await client.roster.GetUser(
                roster.GetUserRequest(district_id=DISTRICT, user_id="aunt")
            )
            assert [one.student_id for one in aunt.relationships] == ["pupil"]


@databases()
async def test_schools_and_calendars_of_other_sources_are_not_listed(
    database: str, tmp_path: Path
) -> None:
    async with whole(tmp_path, database=database) as service:
        await populate(service)
        async with service.client(access.ROLE_PUBLISHER) as sis, limited(service) as client:
            place, year = school("own-school")
            await client.roster.UpsertRecords(upsert(place, year))
            every = roster.ListSchoolsRequest(district_id=DISTRICT)
            assert len((await sis.roster.ListSchools(every)).schools) > 1
            schools = (await client.roster.ListSchools(every)).schools
            assert [one.school_id for one in schools] == ["own-school"]
            calendars = (
                await client.roster.ListCalendars(roster.ListCalendarsRequest(district_id=DISTRICT))
            ).calendars
            assert {one.calendar.school_id for one in calendars} == {"own-school"}


async def test_imports_of_other_sources_are_not_seen(tmp_path: Path) -> None:
    async with whole(tmp_path) as service:
        await populate(service)
        async with service.client(access.ROLE_PUBLISHER) as sis, limited(service) as client:
            header = roster.ImportRosterHeader(
                import_id="of-sis", source=SOURCE, mode=roster_pb2.IMPORT_MODE_DELTA
            )

            async def parts() -> AsyncIterator[roster.ImportRosterRequest]:
                yield roster.ImportRosterRequest(district_id=DISTRICT, header=header)
                yield roster.ImportRosterRequest(footer=roster.ImportRosterFooter())

            await sis.roster.ImportRoster(parts())
            await client.roster.ImportRoster(an_import(user("pupil")))
            listed = await client.roster.ListImports(
                roster.ListImportsRequest(district_id=DISTRICT)
            )
            assert [one.import_id for one in listed.roster_imports] == ["import-1"]
            with pytest.raises(NotFound):
                await client.roster.GetImport(
                    roster.GetImportRequest(district_id=DISTRICT, import_id="of-sis")
                )


@databases()
async def test_changes_and_deliveries_of_other_sources_are_not_seen(
    database: str, tmp_path: Path
) -> None:
    async with whole(tmp_path, database=database) as service:
        await populate(service)
        await register(service, phone(STUDENT))
        theirs, own = lunch("of-sis", 4), lunch("own", 5)
        own.key.source = LUNCH
        async with following(service) as followed:
            await publish(service, theirs, own)
            await followed.until(lambda found: len(found) >= 2)
        async with limited(service) as client:
            listed = await client.changes.ListChanges(
                change_service_pb2.ListChangesRequest(district_id=DISTRICT)
            )
            assert [one.change.key.change_id for one in listed.records] == ["own"]
            for call in (
                client.changes.ListChanges(
                    change_service_pb2.ListChangesRequest(
                        district_id=DISTRICT,
                        filter=change_pb2.ChangeFilter(sources=[SOURCE]),
                    )
                ),
                client.changes.GetChange(
                    change_service_pb2.GetChangeRequest(district_id=DISTRICT, key=theirs.key)
                ),
                client.changes.PublishChange(
                    change_service_pb2.PublishChangeRequest(
                        district_id=DISTRICT, change=lunch("another", 4)
                    )
                ),
            ):
                with pytest.raises(PermissionDenied):
                    await call
        async with limited(service, access.ROLE_MONITOR) as monitor:
            answer = await monitor.status.ListDeliveries(
                status.ListDeliveriesRequest(district_id=DISTRICT)
            )
            assert {one.change_key.source for one in answer.deliveries} == {LUNCH}
            async with service.client(access.ROLE_MONITOR) as whole_monitor:
                every = await whole_monitor.status.ListDeliveries(
                    status.ListDeliveriesRequest(district_id=DISTRICT)
                )
            other = next(one for one in every.deliveries if one.change_key.source == SOURCE)
            with pytest.raises(NotFound):
                await monitor.status.GetDelivery(
                    status.GetDeliveryRequest(district_id=DISTRICT, delivery_id=other.delivery_id)
                )
            with pytest.raises(PermissionDenied):
                await monitor.status.GetTallies(status.GetTalliesRequest(district_id=DISTRICT))
            position = answer.resume_token
            stream = monitor.status.WatchStatus(
                status.WatchStatusRequest(
                    district_id=DISTRICT,
                    resume_token=position,
                    topics=[status.WATCH_TOPIC_DELIVERIES, status.WATCH_TOPIC_CHANGES],
                )
            )
            later, mine = lunch("of-sis-2", 6), lunch("own-2", 7)
            mine.key.source = LUNCH
            await publish(service, later, mine)
            seen: set[str] = set()
            async for response in stream:
                seen |= {one.change_key.source for one in response.deliveries}
                if seen:
                    break
            stream.cancel()
            assert seen == {LUNCH}


async def test_a_made_up_calendar_tells_nothing_of_where_a_student_is_enrolled(
    tmp_path: Path,
) -> None:
    async with whole(tmp_path) as service:
        await populate(service)
        change = lunch("made-up", 4)
        change.key.source = LUNCH
        change.calendar_id = "nowhere"
        async with limited(service) as client:
            with pytest.raises(NotFound, match="no calendar nowhere") as refused:
                await client.changes.PublishChange(
                    change_service_pb2.PublishChangeRequest(district_id=DISTRICT, change=change)
                )
            assert CALENDAR not in str(refused.value)
