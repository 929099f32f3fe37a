"""Find people of a district, without their names in any address.

What a person types is sealed into the address of the page that answers: names are in no log of a
proxy and in no history of a browser, and the page can still be kept, shared and come back to.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from aiohttp import web

from schoolbell.errors import NotFound
from schoolbell.v1 import roster_service_pb2
from schoolbell_console.showing import name_of
from schoolbell_console.visit import Visit

_PURPOSE = "search"
_LEAST, _LONGEST = 2, 128  # characters
_MOST = 50
_MOST_NAMES = 20


async def search(visit: Visit, path: str) -> web.StreamResponse:
    """Go to the page that answers what was typed."""
    form = await visit.look.request.post()
    query = str(form.get("query", "")).strip()[:_LONGEST]
    sealed = visit.look.services.seals.seal(_PURPOSE, query)
    raise web.HTTPSeeOther(visit.url(f"{path}?q={quote(sealed)}"))


async def found(visit: Visit) -> dict[str, Any]:
    """Return what was typed and who was found, for `_people.html`."""
    query = visit.look.services.seals.open(_PURPOSE, visit.query.get("q", "")) or ""
    if len(query) < _LEAST:
        return {"query": query, "people": None, "too_short": bool(query)}
    answer = await visit.client.roster.ListUsers(
        roster_service_pb2.ListUsersRequest(
            district_id=visit.district_id, query=query, include_inactive=True, page_size=_MOST
        )
    )
    more = bool(answer.next_page_token)
    return {"query": query, "people": list(answer.users), "too_short": False, "more": more}


async def student(visit: Visit, person_id: str) -> roster_service_pb2.Student | None:
    """Return a person as a student; None where they are none."""
    request = roster_service_pb2.GetStudentRequest(
        district_id=visit.district_id, student_id=person_id
    )
    try:
        answer = await visit.client.roster.GetStudent(request)
    except NotFound:
        return None
    found: roster_service_pb2.Student = answer.student
    return found if found.enrollments or found.relationships else None


async def names(visit: Visit, person_ids: Sequence[str]) -> dict[str, str]:
    """Return what people call some persons, those whom the roster knows; the first of many."""
    asked = list(dict.fromkeys(person_ids))[:_MOST_NAMES]
    requests = (
        roster_service_pb2.GetUserRequest(district_id=visit.district_id, user_id=one)
        for one in asked
    )
    answers = await asyncio.gather(
        *(visit.client.roster.GetUser(one) for one in requests), return_exceptions=True
    )
    return {
        one: name_of(answer.user)
        for one, answer in zip(asked, answers, strict=True)
        if not isinstance(answer, BaseException)
    }
