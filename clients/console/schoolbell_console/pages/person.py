"""Devices of a person: what phones there are, what they show, a test to one, and signing out."""

from __future__ import annotations

import asyncio
import secrets
from typing import Any
from urllib.parse import urlencode

from aiohttp import web

from schoolbell.errors import NotFound, SchoolbellError
from schoolbell.v1 import common_pb2, delivery_pb2, device_service_pb2
from schoolbell.v1 import subscription_service_pb2 as subscriptions
from schoolbell.v1.device_service_pb2 import (
    ListDevicesRequest,
    SendTestNotificationRequest,
    SignOutRequest,
)
from schoolbell.v1.roster_service_pb2 import GetUserRequest
from schoolbell_console import condition_form, people
from schoolbell_console.districts import in_district
from schoolbell_console.showing import name_of
from schoolbell_console.trouble import status_of, trouble_of
from schoolbell_console.visit import Visit

_MOST = 100


async def ask(visit: Visit) -> web.StreamResponse:
    """Ask for a person, and show who was found."""
    return visit.page("person_search.html", **await people.found(visit))


async def search(visit: Visit) -> web.StreamResponse:
    """Search for a person."""
    return await people.search(visit, "person")


async def show(visit: Visit) -> web.StreamResponse:
    """Show a person's phones, and what the family chose."""
    return await _page(visit, visit.query.get("id", ""))


async def test(visit: Visit) -> web.StreamResponse:
    """Send a test to one phone, and say what the provider answered."""
    form = await visit.look.request.post()
    person_id = str(form.get("id", ""))
    request = SendTestNotificationRequest(
        district_id=visit.district_id,
        user_id=person_id,
        device_id=str(form.get("device", "")),
        request_id=secrets.token_hex(16),
    )
    if not visit.can.save_settings:
        return visit.page("no_right.html", 403, place="person")
    try:
        answer = await visit.client.devices.SendTestNotification(request)
    except SchoolbellError as error:
        return await _page(visit, person_id, status=status_of(error), trouble=trouble_of(error)[0])
    query = {"id": person_id, "sent": str(int(answer.attempt.outcome))}
    raise web.HTTPSeeOther(visit.url(f"person/of?{urlencode(query)}"))


async def sign_out(visit: Visit) -> web.StreamResponse:
    """Sign a person out on all phones, and say on how many."""
    form = await visit.look.request.post()
    person_id = str(form.get("id", ""))
    if not visit.can.save_settings:
        return visit.page("no_right.html", 403, place="person")
    request = SignOutRequest(district_id=visit.district_id, user_id=person_id)
    try:
        answer = await visit.client.devices.SignOut(request)
    except SchoolbellError as error:
        return await _page(visit, person_id, status=status_of(error), trouble=trouble_of(error)[0])
    query = {"id": person_id, "out": str(len(answer.devices))}
    raise web.HTTPSeeOther(visit.url(f"person/of?{urlencode(query)}"))


async def _page(
    visit: Visit, person_id: str, *, status: int = 200, trouble: str = ""
) -> web.Response:
    user, listed = await asyncio.gather(
        visit.client.roster.GetUser(
            GetUserRequest(district_id=visit.district_id, user_id=person_id)
        ),
        visit.client.devices.ListDevices(
            ListDevicesRequest(
                district_id=visit.district_id,
                user_id=person_id,
                include_retired=True,
                page_size=_MOST,
            )
        ),
    )
    devices = sorted(listed.devices, key=lambda one: one.HasField("retirement"))
    apps = list(dict.fromkeys(one.app_type for one in devices if not one.HasField("retirement")))
    chosen = {app: await _chosen(visit, person_id, app) for app in apps}
    about = [one.subscription.student_id for options in chosen.values() for one in options]
    return visit.page(
        "person.html",
        status,
        person=user.user,
        name=name_of(user.user),
        names=await people.names(visit, about),
        devices=devices,
        chosen=chosen,
        condition=condition_form.line,
        is_logged_in=any(one.stay_logged_in and not one.HasField("retirement") for one in devices),
        sent=_number(visit, "sent"),
        out=_number(visit, "out"),
        trouble=trouble,
        **_enums(),
    )


def _number(visit: Visit, name: str) -> int | None:
    """Return a short number of the query."""
    text = visit.query.get(name, "")
    return int(text) if text.isdecimal() and len(text) < 4 else None


async def _chosen(visit: Visit, person_id: str, app: Any) -> list[Any]:
    """Return what a person chose for one type of app, by student and kind."""
    try:
        answer = await visit.client.subscriptions.GetSubscriptions(
            subscriptions.GetSubscriptionsRequest(
                district_id=visit.district_id, user_id=person_id, app_type=app
            )
        )
    except NotFound:
        return []
    return list(answer.options)


def _enums() -> dict[str, Any]:
    return {
        "Kind": common_pb2.Kind,
        "App": common_pb2.AppType,
        "Platform": common_pb2.Platform,
        "Detail": common_pb2.DetailLevel,
        "Gate": common_pb2.Gate,
        "Outcome": delivery_pb2.Outcome,
        "Retired": device_service_pb2.RetirementReason,
        "Level": subscriptions.SubscriptionLevel,
    }


ROUTES = [
    web.get("/d/{district}/person", in_district(ask, "person")),
    web.post("/d/{district}/person", in_district(search, "person")),
    web.get("/d/{district}/person/of", in_district(show, "person")),
    web.post("/d/{district}/person/test", in_district(test, "person")),
    web.post("/d/{district}/person/sign-out", in_district(sign_out, "person")),
]
