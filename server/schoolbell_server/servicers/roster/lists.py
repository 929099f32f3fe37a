"""Lists of schools, calendars and accounts, from which people choose."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection

from schoolbell.v1 import roster_service_pb2 as messages
from schoolbell_server.contract.fields import ReportViolation
from schoolbell_server.contract.roster_answers import write_calendar, write_school, write_user
from schoolbell_server.contract.roster_records import read_school_year
from schoolbell_server.rpc import field_reasons as reasons
from schoolbell_server.rpc.validation import Violations
from schoolbell_server.servicers.common.not_found import existing_district
from schoolbell_server.servicers.common.paging import read_page
from schoolbell_server.servicers.common.sources import own_sources
from schoolbell_storage import roster_places
from schoolbell_storage.engine import Storage
from schoolbell_storage.roster_search import find_users

_SHORTEST_QUERY = 2  # characters

T = TypeVar("T")


class RosterLists:
    """Reads pages of the roster, each by id."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    async def schools(self, request: messages.ListSchoolsRequest) -> messages.ListSchoolsResponse:
        """Return a page of schools."""
        violations = Violations()
        page = read_page(request, (str,), violations)
        violations.refuse()
        found = await self._read(
            request.district_id,
            lambda connection: roster_places.list_schools(
                connection,
                request.district_id,
                include_inactive=request.include_inactive,
                sources=own_sources(()),
                after=page.after_id,
                limit=page.limit,
            ),
        )
        shown, token = page.cut(found, lambda one: (one.record.school_id,))
        return messages.ListSchoolsResponse(schools=map(write_school, shown), next_page_token=token)

    async def calendars(
        self, request: messages.ListCalendarsRequest
    ) -> messages.ListCalendarsResponse:
        """Return a page of calendars with the names of their schools."""
        violations = Violations()
        page = read_page(request, (str,), violations)
        if request.school_year:
            read_school_year(request.school_year, "school_year", violations.add)
        violations.refuse()
        query = roster_places.CalendarQuery(
            district_id=request.district_id,
            school_id=request.school_id or None,
            school_year=request.school_year or None,
            include_inactive=request.include_inactive,
            sources=own_sources(()),
            after=page.after_id,
            limit=page.limit,
        )
        found = await self._read(
            request.district_id,
            lambda connection: roster_places.list_calendars(connection, query),
        )
        shown, token = page.cut(found, lambda one: (one.calendar.record.calendar_id,))
        return messages.ListCalendarsResponse(
            calendars=map(write_calendar, shown), next_page_token=token
        )

    async def users(self, request: messages.ListUsersRequest) -> messages.ListUsersResponse:
        """Return a page of the accounts whose id or name matches."""
        violations = Violations()
        page = read_page(request, (str,), violations)
        query = _read_query(request.query, violations.add)
        violations.refuse()
        found = await self._read(
            request.district_id,
            lambda connection: find_users(
                connection,
                request.district_id,
                query,
                include_inactive=request.include_inactive,
                after=page.after_id,
                limit=page.limit,
            ),
        )
        shown, token = page.cut(found, lambda one: (one.record.user_id,))
        return messages.ListUsersResponse(users=map(write_user, shown), next_page_token=token)

    async def _read(
        self, district_id: str, read: Callable[[AsyncConnection], Awaitable[Sequence[T]]]
    ) -> Sequence[T]:
        async with self._storage.read() as connection:
            await existing_district(connection, district_id)
            return await read(connection)


def _read_query(query: str, report: ReportViolation) -> str:
    wanted = query.strip()
    if query and len(wanted) < _SHORTEST_QUERY:
        report(
            "query", f"must have at least {_SHORTEST_QUERY} characters, or none", reasons.TOO_SHORT
        )
    return wanted
