"""The page Push Notifications: the switch, the state of the service, and what is more to set."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from aiohttp import web

from schoolbell.errors import Aborted, SchoolbellError
from schoolbell.v1 import common_pb2, settings_service_pb2, status_pb2
from schoolbell.v1.settings_service_pb2 import (
    GetSettingsRequest,
    Settings,
    UpdateSettingsRequest,
)
from schoolbell.v1.status_service_pb2 import GetStatusRequest
from schoolbell_console import settings_form
from schoolbell_console.districts import in_district
from schoolbell_console.settings_form import Values
from schoolbell_console.trouble import status_of, trouble_of
from schoolbell_console.visit import Visit

_LONGEST_BASE = 4000  # characters


async def show(visit: Visit) -> web.StreamResponse:
    """Show the settings."""
    settings, state = await _read(visit)
    values = settings_form.from_settings(settings)
    return _page(visit, settings, state, values, base=values)


async def save(visit: Visit) -> web.StreamResponse:
    """Save what a person changed; where somebody else was faster, show both."""
    if not visit.can.save_settings:
        return visit.page("no_right.html", 403, place="push")
    form = await visit.look.request.post()
    wanted, base = settings_form.from_form(form), _base(str(form.get("base", "")))
    settings, state = await _read(visit)
    if wrong := settings_form.wrong(wanted):
        return _page(visit, settings, state, wanted, base=base, wrong=wrong, status=400)
    asked = settings_form.to_settings(wanted)
    asked.etag = str(form.get("etag", ""))
    request = UpdateSettingsRequest(
        district_id=visit.district_id,
        settings=asked,
        update_mask=settings_form.mask(base, wanted),
    )
    if not request.update_mask.paths:
        raise web.HTTPSeeOther(visit.url("push"))
    try:
        await visit.client.settings.UpdateSettings(request)
    except Aborted:
        return await _conflict(visit, wanted, base)
    except SchoolbellError as error:
        name, values = trouble_of(error)
        trouble = {"name": name, "values": values, "fields": [one.text for one in error.fields]}
        return _page(
            visit, settings, state, wanted, base=base, trouble=trouble, status=status_of(error)
        )
    raise web.HTTPSeeOther(visit.url("push?saved=yes"))


async def status(visit: Visit) -> web.StreamResponse:
    """Answer the part of the page that changes by itself."""
    settings, state = await _read(visit)
    return visit.page("_push_state.html", settings=settings, state=state, **_enums())


async def _conflict(visit: Visit, wanted: Values, base: Values) -> web.StreamResponse:
    """Show what somebody else saved meanwhile, beside what this person wants."""
    settings, state = await _read(visit)
    theirs = settings_form.from_settings(settings)
    merged = {
        name: theirs[name] if wanted[name] == base.get(name, "") else wanted[name]
        for name in wanted
    }
    conflicts = [
        (name, base.get(name, ""), theirs[name], merged[name])
        for name in settings_form.differing(base, theirs)
    ]
    return _page(
        visit, settings, state, merged, base=theirs, conflicts=conflicts, again=True, status=409
    )


async def _read(visit: Visit) -> tuple[Settings, status_pb2.ServiceState]:
    settings, state = await asyncio.gather(
        visit.client.settings.GetSettings(GetSettingsRequest(district_id=visit.district_id)),
        visit.client.status.GetStatus(GetStatusRequest(district_id=visit.district_id)),
    )
    return settings.settings, state.state


def _base(text: str) -> Values:
    """Return what the form showed before a person changed it."""
    try:
        found = json.loads(text[:_LONGEST_BASE])
        return {str(name): str(value) for name, value in found.items()}
    except (ValueError, AttributeError):
        return {}


def _page(
    visit: Visit,
    settings: Settings,
    state: status_pb2.ServiceState,
    values: Values,
    *,
    base: Values,
    status: int = 200,
    **more: Any,
) -> web.Response:
    shown = {"wrong": {}, "trouble": None, "conflicts": [], "again": False} | more
    return visit.page(
        "push.html",
        status,
        settings=settings,
        state=state,
        values=values,
        base=json.dumps(base),
        kinds=settings_form.KINDS,
        saved="saved" in visit.query,
        **_enums(),
        **shown,
    )


def _enums() -> dict[str, Any]:
    return {
        "Kind": common_pb2.Kind,
        "Provider": common_pb2.Provider,
        "Environment": common_pb2.ProviderEnvironment,
        "Detail": common_pb2.DetailLevel,
        "Adult": settings_service_pb2.AdultStudentRule,
        "Connectivity": status_pb2.Connectivity,
        "Status": status_pb2.ServiceStatus,
        "Trouble": status_pb2.LinkTrouble,
        "Warning": status_pb2.WarningCode,
        "Circuit": status_pb2.Circuit,
    }


ROUTES = [
    web.get("/d/{district}/push", in_district(show, "push")),
    web.post("/d/{district}/push", in_district(save, "push")),
    web.get("/d/{district}/push/state", in_district(status, "push")),
]
