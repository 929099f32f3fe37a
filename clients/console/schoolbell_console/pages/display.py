"""Display options: what the calendars of the schools show, many at once."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import urlencode

from aiohttp import web
from google.protobuf.field_mask_pb2 import FieldMask

from schoolbell.errors import SchoolbellError
from schoolbell.v1 import common_pb2
from schoolbell.v1.roster_service_pb2 import CalendarListing, ListCalendarsRequest
from schoolbell.v1.settings_service_pb2 import (
    DisplayOptions,
    ListDisplayOptionsRequest,
    ResetDisplayOptionsRequest,
    UpdateDisplayOptionsRequest,
)
from schoolbell_console.districts import in_district
from schoolbell_console.trouble import status_of, trouble_of
from schoolbell_console.visit import Visit

_PAGE = 200
_MOST = 1000
_TOKENS = ("page", "calendars")  # both lists are by calendar id
_APPS = {"student": "student_app_kinds", "parent": "parent_app_kinds"}


async def show(visit: Visit) -> web.StreamResponse:
    """Show what every calendar shows."""
    return await _page(visit)


async def save(visit: Visit) -> web.StreamResponse:
    """Change the chosen calendars, all or none."""
    if not visit.can.save_calendars:
        return visit.page("no_right.html", 403, place="display")
    form = await visit.look.request.post()
    chosen = [str(one) for one in form.getall("calendar", [])][:_MOST]
    wanted, paths = _wanted(form)
    reset = form.get("do") == "reset"
    seen = {one: str(form.get(f"etag-{one}", "")) for one in chosen}
    if not chosen or not (reset or paths):
        return await _page(visit, status=400, missing="calendars" if not chosen else "changes")
    if changed := await _changed(visit, seen):
        return await _page(visit, status=409, changed=changed)
    if len(set(seen.values())) == 1:  # it guards them all, to the last moment
        wanted.etag = seen[chosen[0]]
    try:
        if reset:
            await visit.client.settings.ResetDisplayOptions(
                ResetDisplayOptionsRequest(district_id=visit.district_id, calendar_ids=chosen)
            )
        else:
            await visit.client.settings.UpdateDisplayOptions(
                UpdateDisplayOptionsRequest(
                    district_id=visit.district_id,
                    calendar_ids=chosen,
                    display_options=wanted,
                    update_mask=FieldMask(paths=paths),
                )
            )
    except SchoolbellError as error:
        return await _page(visit, status=status_of(error), trouble=trouble_of(error)[0])
    query = {"saved": str(len(chosen))} | {
        name: visit.query[name] for name in _TOKENS if visit.query.get(name)
    }
    raise web.HTTPSeeOther(visit.url(f"display?{urlencode(query)}"))


async def _changed(visit: Visit, seen: dict[str, str]) -> list[str]:
    """Return the calendars that somebody else changed since a person saw them."""
    changed, token = [], ""
    while True:
        answer = await visit.client.settings.ListDisplayOptions(
            ListDisplayOptionsRequest(
                district_id=visit.district_id, page_size=_MOST, page_token=token
            )
        )
        for one in answer.display_options:
            etag = seen.get(one.calendar_id)
            if etag and etag != one.etag:
                changed.append(one.calendar_id)
        if not (token := answer.next_page_token):
            return changed


def _wanted(form: Any) -> tuple[DisplayOptions, list[str]]:
    """Return the new values, and which of them a person asked for."""
    found, paths = DisplayOptions(), []
    if form.get("enabled") in ("on", "off"):
        found.enabled = form.get("enabled") == "on"
        paths.append("enabled")
    known = common_pb2.Kind.values()[1:]
    for app, name in _APPS.items():
        if form.get(f"change-{app}"):
            asked = set(form.getall(app, []))
            getattr(found, name).extend(one for one in known if str(one) in asked)
            paths.append(name)
    return found, paths


async def _page(visit: Visit, *, status: int = 200, **more: Any) -> web.Response:
    options, listing = await asyncio.gather(
        visit.client.settings.ListDisplayOptions(
            ListDisplayOptionsRequest(
                district_id=visit.district_id,
                page_size=_PAGE,
                page_token=visit.query.get("page", ""),
            )
        ),
        visit.client.roster.ListCalendars(
            ListCalendarsRequest(
                district_id=visit.district_id,
                page_size=_PAGE,
                page_token=visit.query.get("calendars", ""),
            )
        ),
    )
    calendars = {one.calendar.calendar_id: one for one in listing.calendars}
    saved = visit.query.get("saved", "")
    shown = {"missing": "", "trouble": "", "changed": []} | more
    tokens = {"page": options.next_page_token, "calendars": listing.next_page_token}
    return visit.page(
        "display.html",
        status,
        rows=[
            (one, calendars.get(one.calendar_id, CalendarListing()))
            for one in options.display_options
        ],
        next_page=urlencode(tokens) if options.next_page_token else "",
        paging=urlencode({name: visit.query.get(name, "") for name in _TOKENS}),
        saved=int(saved) if saved.isdecimal() and len(saved) < 6 else None,
        kinds=common_pb2.Kind.values()[1:],
        apps=_APPS,
        Kind=common_pb2.Kind,
        **shown,
    )


ROUTES = [
    web.get("/d/{district}/display", in_district(show, "display")),
    web.post("/d/{district}/display", in_district(save, "display")),
]
