"""Find out who visits which district, for every page, in one round of calls."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from aiohttp import web

from schoolbell import AsyncClient
from schoolbell.errors import PermissionDenied
from schoolbell.v1 import access_service_pb2 as access
from schoolbell.v1 import district_service_pb2 as districts
from schoolbell_console.guards import sign_in_again
from schoolbell_console.rights import EVERY_DISTRICT, Caller
from schoolbell_console.services import SERVICES
from schoolbell_console.session import SESSION, Session
from schoolbell_console.visit import Visit, look_of

Page = Callable[[Visit], Awaitable[web.StreamResponse]]
_MOST_KNOWN = 200


def in_district(
    page: Page, place: str = ""
) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """Return the handler of a page of a district, for those who see its place in the menu.

    Without a place it is for everybody who is signed in and may name the district.
    """

    async def handle(request: web.Request) -> web.StreamResponse:
        session = request.get(SESSION)
        if session is None:
            return sign_in_again(request)
        visit = await _visit(request, session)
        if place and visit.place(place) is None:
            return visit.page("no_right.html", 403, place=place)
        return await page(visit)

    return handle


async def _visit(request: web.Request, session: Session) -> Visit:
    client = request.app[SERVICES].calls.client(session.credential)
    district_id = request.match_info["district"]
    answer, known = await asyncio.gather(
        client.access.GetCaller(access.GetCallerRequest()), known_districts(client)
    )
    caller = Caller(answer)
    if not caller.covers(district_id):
        raise web.HTTPNotFound
    district = next((one for one in known if one.district_id == district_id), None)
    if district is None:
        district = districts.District(district_id=district_id)
    listed = {one.district_id for one in known}
    named = [districts.District(district_id=one) for one in caller.district_ids]
    others = [one for one in named if one.district_id not in listed | {EVERY_DISTRICT}]
    return Visit(
        look=look_of(request, district.time_zone),
        client=client,
        caller=caller,
        district_id=district_id,
        district=district,
        known=[*known, *others],
    )


async def known_districts(client: AsyncClient) -> list[districts.District]:
    """Return the districts that the caller may read, the first of them; none without the right."""
    try:
        answer = await client.districts.ListDistricts(
            districts.ListDistrictsRequest(page_size=_MOST_KNOWN)
        )
    except PermissionDenied:
        return []
    return list(answer.districts)


async def first_district(client: AsyncClient) -> str:
    """Return the district to begin with; '' where the caller has none."""
    answer, known = await asyncio.gather(
        client.access.GetCaller(access.GetCallerRequest()), known_districts(client)
    )
    named = [one for one in answer.district_ids if one != EVERY_DISTRICT]
    return next(iter([one.district_id for one in known] + named), "")
