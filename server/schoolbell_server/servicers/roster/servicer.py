"""The roster: imported, changed by hand, and read."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from schoolbell.v1 import roster_service_pb2 as messages
from schoolbell.v1.roster_service_pb2_grpc import RosterServiceServicer
from schoolbell_server.config import LimitsConfig
from schoolbell_server.contract.fields import read_id
from schoolbell_server.contract.roster_answers import (
    write_counts,
    write_import,
    write_relationship,
    write_student,
    write_user,
)
from schoolbell_server.contract.roster_records import read_school_year
from schoolbell_server.rpc.authentication import utc_now
from schoolbell_server.rpc.validation import Violations
from schoolbell_server.servicers.common.audit_trail import audit
from schoolbell_server.servicers.common.not_found import (
    existing_district,
    no_import,
    no_student,
    no_user,
)
from schoolbell_server.servicers.common.paging import read_page
from schoolbell_server.servicers.common.sources import is_own, own, own_sources
from schoolbell_server.servicers.roster.bars import Bars
from schoolbell_server.servicers.roster.import_finisher import ImportFinisher
from schoolbell_server.servicers.roster.import_limits import DEFAULT_LIMITS
from schoolbell_server.servicers.roster.imports import ImportReceiver
from schoolbell_server.servicers.roster.lists import RosterLists
from schoolbell_server.servicers.roster.records import (
    read_deactivation,
    read_upsert,
    write_by_hand,
)
from schoolbell_storage import roster, roster_imports
from schoolbell_storage.codec import to_micros
from schoolbell_storage.districts import (
    DistrictRow,
    count_calendars,
    set_active_school_year,
)
from schoolbell_storage.engine import Storage
from schoolbell_storage.pacing import paced

SET_ACTIVE_SCHOOL_YEAR = "schoolbell.v1.RosterService/SetActiveSchoolYear"


class RosterServicer(RosterServiceServicer):
    """Who goes where and who belongs to whom."""

    def __init__(
        self,
        storage: Storage,
        *,
        finisher: ImportFinisher,
        now: Callable[[], dt.datetime] = utc_now,
        limits: LimitsConfig = DEFAULT_LIMITS,
    ) -> None:
        self._storage = storage
        self._now = now
        self._receiver = ImportReceiver(storage, finisher, now, limits)
        self._lists = RosterLists(storage)
        self._bars = Bars(storage, now)

    async def ImportRoster(
        self, request_iterator: Any, _context: Any
    ) -> messages.ImportRosterResponse:
        """Import records, whole or not at all."""
        return await self._receiver.receive(aiter(request_iterator))

    async def GetImport(
        self, request: messages.GetImportRequest, _context: Any
    ) -> messages.GetImportResponse:
        """Answer the state and report of an import."""
        violations = Violations()
        read_id(request.import_id, "import_id", violations.add)
        violations.refuse()
        async with self._storage.read() as connection:
            await existing_district(connection, request.district_id)
            row = await roster_imports.find_import(
                connection, request.district_id, request.import_id
            )
        if row is None or not is_own(row.header.source):
            raise no_import(request.import_id)
        return messages.GetImportResponse(roster_import=write_import(row))

    async def ListImports(
        self, request: messages.ListImportsRequest, _context: Any
    ) -> messages.ListImportsResponse:
        """List imports, newest first, without their problems."""
        violations = Violations()
        page = read_page(request, (int, str), violations)
        violations.refuse()
        before = (int(page.after[0]), str(page.after[1])) if page.after else None
        async with self._storage.read() as connection:
            await existing_district(connection, request.district_id)
            found = await roster_imports.list_imports(
                connection,
                request.district_id,
                sources=own_sources(()),
                before=before,
                limit=page.limit,
            )
        shown, token = page.cut(
            found, lambda row: (to_micros(row.create_time), row.header.import_id)
        )
        return messages.ListImportsResponse(
            roster_imports=[write_import(row, problems=False) for row in shown],
            next_page_token=token,
        )

    async def UpsertRecords(
        self, request: messages.UpsertRecordsRequest, _context: Any
    ) -> messages.UpsertRecordsResponse:
        """Write some records, all or none."""
        named = read_upsert(request)
        counts = await write_by_hand(self._storage, request, named, self._now())
        return messages.UpsertRecordsResponse(counts=write_counts(counts))

    async def DeactivateRecords(
        self, request: messages.DeactivateRecordsRequest, _context: Any
    ) -> messages.DeactivateRecordsResponse:
        """Deactivate some records, all or none."""
        named = read_deactivation(request)
        counts = await write_by_hand(self._storage, request, named, self._now())
        return messages.DeactivateRecordsResponse(counts=write_counts(counts))

    async def GetStudent(
        self, request: messages.GetStudentRequest, _context: Any
    ) -> messages.GetStudentResponse:
        """Answer a student with relationships and enrollments."""
        violations = Violations()
        read_id(request.student_id, "student_id", violations.add)
        violations.refuse()
        async with self._storage.read() as connection:
            await existing_district(connection, request.district_id)
            found = await roster.get_student(connection, request.district_id, request.student_id)
        if found is None or not is_own(found.user.origin.source):
            raise no_student(request.student_id)
        return messages.GetStudentResponse(student=write_student(_own_relationships(found)))

    async def ListStudents(
        self, request: messages.ListStudentsRequest, _context: Any
    ) -> messages.ListStudentsResponse:
        """List students."""
        violations = Violations()
        page = read_page(request, (str,), violations)
        violations.refuse()
        query = roster.StudentQuery(
            district_id=request.district_id,
            calendar_id=request.calendar_id or None,
            guardian_id=request.guardian_id or None,
            include_inactive=request.include_inactive,
            sources=own_sources(()),
            after=page.after_id,
            limit=page.limit,
        )
        async with self._storage.read() as connection:
            await existing_district(connection, request.district_id)
            found = await roster.list_students(connection, query)
        shown, token = page.cut(found, lambda student: (student.user.record.user_id,))
        return messages.ListStudentsResponse(
            students=[write_student(_own_relationships(student)) async for student in paced(shown)],
            next_page_token=token,
        )

    async def ListUsers(
        self, request: messages.ListUsersRequest, _context: Any
    ) -> messages.ListUsersResponse:
        """List accounts whose id or name matches."""
        return await self._lists.users(request)

    async def ListSchools(
        self, request: messages.ListSchoolsRequest, _context: Any
    ) -> messages.ListSchoolsResponse:
        """List schools."""
        return await self._lists.schools(request)

    async def ListCalendars(
        self, request: messages.ListCalendarsRequest, _context: Any
    ) -> messages.ListCalendarsResponse:
        """List calendars."""
        return await self._lists.calendars(request)

    async def SetBar(
        self, request: messages.SetBarRequest, _context: Any
    ) -> messages.SetBarResponse:
        """Set or lift the district's bar."""
        return await self._bars.set(request)

    async def ListBars(
        self, request: messages.ListBarsRequest, _context: Any
    ) -> messages.ListBarsResponse:
        """List the bars that stand."""
        return await self._bars.list(request)

    async def GetUser(
        self, request: messages.GetUserRequest, _context: Any
    ) -> messages.GetUserResponse:
        """Answer an account with the students it is related to."""
        violations = Violations()
        read_id(request.user_id, "user_id", violations.add)
        violations.refuse()
        async with self._storage.read() as connection:
            await existing_district(connection, request.district_id)
            found = await roster.get_user(connection, request.district_id, request.user_id)
        if found is None or not is_own(found[0].origin.source):
            raise no_user(request.user_id)
        user, relationships = found
        return messages.GetUserResponse(
            user=write_user(user),
            relationships=[write_relationship(relationship) for relationship in own(relationships)],
        )

    async def SetActiveSchoolYear(
        self, request: messages.SetActiveSchoolYearRequest, _context: Any
    ) -> messages.SetActiveSchoolYearResponse:
        """Set the district's one active school year."""
        violations = Violations()
        year = read_school_year(request.school_year, "school_year", violations.add)
        violations.refuse()
        async with self._storage.write(keep=not request.validate_only) as connection:
            known = await existing_district(connection, request.district_id, lock=True)
            if known.active_school_year != year:
                await self._set_year(connection, known, year)
            calendars = await count_calendars(connection, request.district_id, year)
        return messages.SetActiveSchoolYearResponse(
            active_school_year=year, calendar_count=calendars
        )

    async def _set_year(self, connection: AsyncConnection, known: DistrictRow, year: int) -> None:
        now, name = self._now(), "active_school_year"
        await set_active_school_year(connection, known.district_id, year, now)
        await audit(
            connection,
            district_id=known.district_id,
            now=now,
            action=SET_ACTIVE_SCHOOL_YEAR,
            changes=[(name, {name: known.active_school_year}, {name: year})],
        )


def _own_relationships(student: roster.Student) -> roster.Student:
    """Return a student with the relationships that the caller may see."""
    return replace(
        student, relationships=own(student.relationships), enrollments=own(student.enrollments)
    )
