"""Keys and rights: who may call, and what each person may do."""

from __future__ import annotations

import asyncio
import datetime as dt
import secrets
from typing import Any
from urllib.parse import urlencode

from aiohttp import web

from schoolbell.errors import SchoolbellError
from schoolbell.v1 import access_service_pb2 as access
from schoolbell_console.districts import in_district
from schoolbell_console.trouble import status_of, trouble_of
from schoolbell_console.visit import Visit

_PAGE = 100
_ROLES = access.Role.values()[1:5]


async def show(visit: Visit) -> web.StreamResponse:
    """Show the keys and the rights."""
    return await _page(visit)


async def change(visit: Visit) -> web.StreamResponse:
    """Make or revoke a key, grant or revoke a right."""
    if not visit.can.save_access:
        return visit.page("no_right.html", 403, place="access")
    form = await visit.look.request.post()
    acts = {"key": _make_key, "revoke-key": _revoke_key, "grant": _grant, "revoke": _revoke}
    act = acts.get(str(form.get("do")))
    if act is None:
        raise web.HTTPBadRequest
    try:
        secret = await act(visit, form)
    except ValueError:
        raise web.HTTPBadRequest from None
    except SchoolbellError as error:
        fields = [one.text for one in error.fields]
        return await _page(
            visit, status=status_of(error), trouble=trouble_of(error)[0], fields=fields
        )
    if secret:  # it is shown once, in this answer only
        return await _page(visit, secret=secret)
    raise web.HTTPSeeOther(visit.url("access?saved=yes"))


async def _make_key(visit: Visit, form: Any) -> str:
    key = access.ApiKey(
        display_name=str(form.get("name", "")),
        role=access.Role.ValueType(int(form.get("role", 0))),
        user_id=str(form.get("person", "")).strip(),
    )
    if days := str(form.get("days", "")).strip():
        ends = dt.datetime.now(dt.UTC) + dt.timedelta(days=min(int(days), 36500))
        key.expire_time.FromDatetime(ends)
    answer = await visit.client.access.CreateApiKey(
        access.CreateApiKeyRequest(
            district_id=visit.district_id, api_key=key, request_id=secrets.token_hex(16)
        )
    )
    return str(answer.secret)


async def _revoke_key(visit: Visit, form: Any) -> str:
    request = access.RevokeApiKeyRequest(
        district_id=visit.district_id, api_key_id=str(form.get("id", ""))
    )
    await visit.client.access.RevokeApiKey(request)
    return ""


async def _grant(visit: Visit, form: Any) -> str:
    request = access.GrantRightsRequest(district_id=visit.district_id, rights=[_right(form)])
    await visit.client.access.GrantRights(request)
    return ""


async def _revoke(visit: Visit, form: Any) -> str:
    request = access.RevokeRightsRequest(district_id=visit.district_id, rights=[_right(form)])
    await visit.client.access.RevokeRights(request)
    return ""


def _right(form: Any) -> access.ToolRight:
    return access.ToolRight(
        grantee_type=access.GranteeType.ValueType(int(form.get("type", 0))),
        grantee_id=str(form.get("grantee", "")).strip(),
        tool=access.Tool.ValueType(int(form.get("tool", 0))),
        right=access.Right.ValueType(int(form.get("right", 0))),
    )


async def _page(visit: Visit, *, status: int = 200, **more: Any) -> web.Response:
    keys, rights = await asyncio.gather(
        visit.client.access.ListApiKeys(
            access.ListApiKeysRequest(
                district_id=visit.district_id,
                page_size=_PAGE,
                page_token=visit.query.get("keys", ""),
            )
        ),
        visit.client.access.ListRights(
            access.ListRightsRequest(
                district_id=visit.district_id,
                page_size=_PAGE,
                page_token=visit.query.get("rights", ""),
            )
        ),
    )
    shown = {"trouble": "", "fields": [], "secret": ""} | more
    return visit.page(
        "access.html",
        status,
        keys=list(keys.api_keys),
        rights=list(rights.rights),
        more_keys=urlencode({"keys": keys.next_page_token}) if keys.next_page_token else "",
        more_rights=urlencode({"rights": rights.next_page_token}) if rights.next_page_token else "",
        saved="saved" in visit.query,
        roles=_ROLES,
        tools=access.Tool.values()[1:],
        Role=access.Role,
        Tool=access.Tool,
        Right=access.Right,
        Grantee=access.GranteeType,
        **shown,
    )


ROUTES = [
    web.get("/d/{district}/access", in_district(show, "access")),
    web.post("/d/{district}/access", in_district(change, "access")),
]
