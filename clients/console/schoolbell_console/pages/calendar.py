"""What one calendar shows: its terms too, guarded against what somebody else saves meanwhile."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

from aiohttp import web
from google.protobuf.field_mask_pb2 import FieldMask

from schoolbell.errors import Aborted, SchoolbellError
from schoolbell.v1 import common_pb2
from schoolbell.v1.roster_service_pb2 import CalendarListing, ListCalendarsRequest
from schoolbell.v1.settings_service_pb2 import (
    DisplayOptions,
    GetDisplayOptionsRequest,
    UpdateDisplayOptionsRequest,
)
from schoolbell_console.districts import in_district
from schoolbell_console.shown_form import (
    FIELDS,
    Shown,
    differing,
    from_base,
    from_form,
    from_options,
    merged,
    to_options,
)
from schoolbell_console.trouble import status_of, trouble_of
from schoolbell_console.visit import Visit

_MOST = 1000
_MOST_PAGES = 20


async def show(visit: Visit) -> web.StreamResponse:
    """Show what a calendar shows."""
    calendar_id = visit.query.get("id", "")
    options = await _read(visit, calendar_id)
    values = from_options(options)
    return await _page(visit, options, values, base=values)


async def save(visit: Visit) -> web.StreamResponse:
    """Save what a person changed; where somebody else was faster, show both."""
    if not visit.can.save_calendars:
        return visit.page("no_right.html", 403, place="display")
    form = await visit.look.request.post()
    calendar_id, base = str(form.get("id", "")), from_base(str(form.get("base", "")))
    wanted = from_form(form)
    address = visit.url(f"display/calendar?{urlencode({'id': calendar_id})}")
    if not (paths := differing(base, wanted)):
        raise web.HTTPSeeOther(address)
    asked = to_options(wanted)
    asked.etag = str(form.get("etag", ""))
    request = UpdateDisplayOptionsRequest(
        district_id=visit.district_id,
        calendar_ids=[calendar_id],
        display_options=asked,
        update_mask=FieldMask(paths=[FIELDS[name] for name in paths]),
    )
    try:
        await visit.client.settings.UpdateDisplayOptions(request)
    except Aborted:
        options = await _read(visit, calendar_id)
        theirs = from_options(options)
        mine = merged(base, theirs, wanted)
        conflicts = [
            (name, base[name], theirs[name], mine[name]) for name in differing(base, theirs)
        ]
        return await _page(visit, options, mine, base=theirs, conflicts=conflicts, status=409)
    except SchoolbellError as error:
        options = await _read(visit, calendar_id)
        return await _page(
            visit,
            options,
            wanted,
            base=base,
            trouble=trouble_of(error)[0],
            status=status_of(error),
        )
    raise web.HTTPSeeOther(f"{address}&saved=yes")


async def _read(visit: Visit, calendar_id: str) -> DisplayOptions:
    request = GetDisplayOptionsRequest(district_id=visit.district_id, calendar_id=calendar_id)
    answer = await visit.client.settings.GetDisplayOptions(request)
    found: DisplayOptions = answer.display_options
    return found


async def _listing(visit: Visit, calendar_id: str) -> CalendarListing:
    """Return a calendar as the roster has it; one without terms where it is not found."""
    token = ""
    for _ in range(_MOST_PAGES):
        answer = await visit.client.roster.ListCalendars(
            ListCalendarsRequest(
                district_id=visit.district_id,
                include_inactive=True,
                page_size=_MOST,
                page_token=token,
            )
        )
        for one in answer.calendars:
            if one.calendar.calendar_id == calendar_id:
                found: CalendarListing = one
                return found
        if not (token := answer.next_page_token):
            break
    listing = CalendarListing()
    listing.calendar.calendar_id = calendar_id
    return listing


async def _page(
    visit: Visit,
    options: DisplayOptions,
    values: Shown,
    *,
    base: Shown,
    status: int = 200,
    **more: Any,
) -> web.Response:
    shown = {"trouble": "", "conflicts": []} | more
    listing = await _listing(visit, options.calendar_id)
    known = {term.term_id for term in listing.calendar.terms}
    return visit.page(
        "calendar.html",
        status,
        options=options,
        listing=listing,
        values=values,
        base=json.dumps(base),
        unlisted=[one for one in values["terms"] if one not in known],
        saved="saved" in visit.query,
        kinds=common_pb2.Kind.values()[1:],
        Kind=common_pb2.Kind,
        **shown,
    )


ROUTES = [
    web.get("/d/{district}/display/calendar", in_district(show, "display")),
    web.post("/d/{district}/display/calendar", in_district(save, "display")),
]
