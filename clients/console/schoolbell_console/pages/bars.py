"""Bars: who is kept from a student's data, such as by a court order, and lifting that again."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from aiohttp import web

from schoolbell.errors import SchoolbellError
from schoolbell.v1 import roster_pb2
from schoolbell.v1.roster_service_pb2 import ListBarsRequest, SetBarRequest
from schoolbell_console import people
from schoolbell_console.districts import in_district
from schoolbell_console.trouble import status_of, trouble_of
from schoolbell_console.visit import Visit

_PAGE = 50
_LONGEST_ID = 128  # characters
_LONGEST_COMMENT = 1024  # characters


async def show(visit: Visit) -> web.StreamResponse:
    """List the bars that stand, of everybody or of one student or person."""
    return await _page(visit)


async def choose(visit: Visit) -> web.StreamResponse:
    """Set or lift a bar, with a comment that the audit log keeps."""
    if not visit.can.save_bars:
        return visit.page("no_right.html", 403, place="bars")
    form = await visit.look.request.post()
    bar = form.get("do") == "set"
    request = SetBarRequest(
        district_id=visit.district_id,
        student_id=str(form.get("student", "")).strip()[:_LONGEST_ID],
        guardian_id=str(form.get("guardian", "")).strip()[:_LONGEST_ID],
        barred=bar,
        comment=str(form.get("comment", "")).strip()[:_LONGEST_COMMENT],
    )
    try:
        await visit.client.roster.SetBar(request)
    except SchoolbellError as error:
        fields = [one.text for one in error.fields]
        name = "bar-unknown" if error.reason in _UNKNOWN else trouble_of(error)[0]
        return await _page(
            visit, status=status_of(error), trouble=name, fields=fields, asked=request
        )
    raise web.HTTPSeeOther(visit.url(f"bars?{urlencode({'done': 'set' if bar else 'lifted'})}"))


_UNKNOWN = ("STUDENT_NOT_FOUND", "USER_NOT_FOUND")


async def _page(visit: Visit, *, status: int = 200, **more: Any) -> web.Response:
    student, guardian = (
        visit.query.get(name, "").strip()[:_LONGEST_ID] for name in ("student", "guardian")
    )
    answer = await visit.client.roster.ListBars(
        ListBarsRequest(
            district_id=visit.district_id,
            student_id=student,
            guardian_id=guardian,
            page_size=_PAGE,
            page_token=visit.query.get("page", ""),
        )
    )
    involved = [one for bar in answer.bars for one in (bar.student_id, bar.guardian_id)]
    following = {"student": student, "guardian": guardian, "page": answer.next_page_token}
    shown = {"trouble": "", "fields": [], "asked": SetBarRequest(student_id=student)} | more
    done = visit.query.get("done", "")
    return visit.page(
        "bars.html",
        status,
        rows=list(answer.bars),
        names=await people.names(visit, involved) if visit.can.explain else {},
        student=student,
        guardian=guardian,
        next_page=urlencode(following) if answer.next_page_token else "",
        done=done if done in ("set", "lifted") else "",
        of_district=roster_pb2.BAR_ORIGIN_DISTRICT,
        **shown,
    )


ROUTES = [
    web.get("/d/{district}/bars", in_district(show, "bars")),
    web.post("/d/{district}/bars", in_district(choose, "bars")),
]
