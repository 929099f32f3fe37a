"""Defaults: what families are told of until they choose, and the oldest supported versions."""

from __future__ import annotations

import json
from typing import Any

from aiohttp import web
from google.protobuf.field_mask_pb2 import FieldMask

from schoolbell.errors import Aborted, SchoolbellError
from schoolbell.v1 import common_pb2, subscription_pb2
from schoolbell.v1.settings_service_pb2 import (
    GetSettingsRequest,
    Settings,
    UpdateSettingsRequest,
)
from schoolbell_console import condition_form, defaults_form
from schoolbell_console.defaults_form import Values
from schoolbell_console.districts import in_district
from schoolbell_console.trouble import status_of, trouble_of
from schoolbell_console.visit import Visit


async def show(visit: Visit) -> web.StreamResponse:
    """Show the defaults."""
    settings = await _read(visit)
    values = defaults_form.from_settings(settings, _apps(visit, settings))
    return _page(visit, settings, values, base=values)


async def save(visit: Visit) -> web.StreamResponse:
    """Save what a person changed; where somebody else was faster, show both."""
    if not visit.can.save_settings:
        return visit.page("no_right.html", 403, place="push")
    form = await visit.look.request.post()
    settings = await _read(visit)
    apps = _apps(visit, settings)
    wanted = defaults_form.from_form(form, apps)
    base = defaults_form.from_base(str(form.get("base", "")), apps)
    if wrong := condition_form.wrong(wanted):
        return _page(visit, settings, wanted, base=base, wrong=wrong, status=400)
    if not (changed := defaults_form.differing(base, wanted)):
        raise web.HTTPSeeOther(visit.url("push/defaults"))
    asked = defaults_form.to_settings(wanted, settings, apps)
    asked.etag = str(form.get("etag", ""))
    request = UpdateSettingsRequest(
        district_id=visit.district_id,
        settings=asked,
        update_mask=FieldMask(paths=defaults_form.mask(changed)),
    )
    try:
        await visit.client.settings.UpdateSettings(request)
    except Aborted:
        return await _conflict(visit, wanted, base)
    except SchoolbellError as error:
        fields = [one.text for one in error.fields]
        return _page(
            visit,
            settings,
            wanted,
            base=base,
            trouble=trouble_of(error)[0],
            fields=fields,
            status=status_of(error),
        )
    raise web.HTTPSeeOther(visit.url("push/defaults?saved=yes"))


async def _conflict(visit: Visit, wanted: Values, base: Values) -> web.StreamResponse:
    """Show what somebody else saved meanwhile, beside what this person wants."""
    settings = await _read(visit)
    theirs = defaults_form.from_settings(settings, _apps(visit, settings))
    merged = {
        name: value if wanted.get(name, "") == base.get(name, "") else wanted[name]
        for name, value in theirs.items()
    }
    conflicts = [
        (name, base.get(name, ""), theirs[name], merged[name])
        for name in defaults_form.differing(theirs, base)
    ]
    return _page(visit, settings, merged, base=theirs, conflicts=conflicts, again=True, status=409)


async def _read(visit: Visit) -> Settings:
    request = GetSettingsRequest(district_id=visit.district_id)
    found: Settings = (await visit.client.settings.GetSettings(request)).settings
    return found


def _apps(visit: Visit, settings: Settings) -> list[str]:
    return defaults_form.app_ids(settings, visit.district.app_ids)


def _page(
    visit: Visit,
    settings: Settings,
    values: Values,
    *,
    base: Values,
    status: int = 200,
    **more: Any,
) -> web.Response:
    shown = {"trouble": "", "fields": [], "conflicts": [], "again": False, "wrong": set()} | more
    return visit.page(
        "defaults.html",
        status,
        settings=settings,
        values=values,
        base=json.dumps(base),
        app_ids=_apps(visit, settings),
        kinds=defaults_form.KINDS,
        apps=defaults_form.APPS,
        platforms=defaults_form.PLATFORMS,
        conditions=condition_form,
        saved="saved" in visit.query,
        Kind=common_pb2.Kind,
        App=common_pb2.AppType,
        Platform=common_pb2.Platform,
        Trigger=subscription_pb2.LimitTrigger,
        **shown,
    )


ROUTES = [
    web.get("/d/{district}/push/defaults", in_district(show, "push")),
    web.post("/d/{district}/push/defaults", in_district(save, "push")),
]
