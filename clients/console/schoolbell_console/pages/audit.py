"""The audit log: who changed what, and whether the log is whole."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any
from urllib.parse import urlencode

from aiohttp import web
from google.protobuf import json_format
from google.protobuf.struct_pb2 import Struct

from schoolbell.v1 import access_service_pb2 as access
from schoolbell.v1 import common_pb2
from schoolbell_console.districts import in_district
from schoolbell_console.visit import Visit

_PAGE = 50
_FIELDS = ("person", "method", "subject", "start", "end")


async def show(visit: Visit) -> web.StreamResponse:
    """List the entries that a person asks for."""
    chosen = {name: visit.query.get(name, "").strip()[:200] for name in _FIELDS}
    answer = await visit.client.access.ListAuditEntries(
        access.ListAuditEntriesRequest(
            district_id=visit.district_id,
            filter=_filter(chosen, visit.words.zone),
            page_size=_PAGE,
            page_token=visit.query.get("page", ""),
        )
    )
    return _page(visit, chosen, answer)


async def verify(visit: Visit) -> web.StreamResponse:
    """Check that nothing was changed in the log or taken out of it."""
    answer = await visit.client.access.VerifyAuditLog(
        access.VerifyAuditLogRequest(district_id=visit.district_id)
    )
    entries = await visit.client.access.ListAuditEntries(
        access.ListAuditEntriesRequest(district_id=visit.district_id, page_size=_PAGE)
    )
    return _page(visit, dict.fromkeys(_FIELDS, ""), entries, verified=answer)


def _page(
    visit: Visit,
    chosen: dict[str, str],
    answer: access.ListAuditEntriesResponse,
    verified: access.VerifyAuditLogResponse | None = None,
) -> web.Response:
    older = {**chosen, "page": answer.next_page_token}
    return visit.page(
        "audit.html",
        chosen=chosen,
        rows=list(answer.audit_entries),
        older=urlencode(older) if answer.next_page_token else "",
        methods=_methods(),
        text_of=_text,
        verified=verified,
        Fault=access.AuditFault,
    )


def _filter(chosen: dict[str, str], zone: dt.tzinfo) -> access.AuditFilter:
    found = access.AuditFilter()
    if chosen["person"]:
        found.principals.append(common_pb2.Principal(acting_user_id=chosen["person"]))
    if chosen["method"]:
        found.methods.append(chosen["method"])
    if chosen["subject"]:
        found.subjects.append(chosen["subject"])
    for text, stamp in (
        (chosen["start"], found.start_create_time),
        (chosen["end"], found.end_create_time),
    ):
        try:
            if text:
                stamp.FromDatetime(dt.datetime.fromisoformat(text).replace(tzinfo=zone))
        except ValueError:
            raise web.HTTPBadRequest from None
    return found


def _methods() -> list[str]:
    """Return the methods that change something which an administrator may ask for."""
    names = {
        "AccessService": ("GrantRights", "RevokeRights", "CreateApiKey", "RevokeApiKey"),
        "SettingsService": ("UpdateSettings", "UpdateDisplayOptions", "ResetDisplayOptions"),
        "StatusService": ("CancelDeliveries", "RetryDeliveries"),
        "RosterService": ("ImportRoster", "SetBar", "SetActiveSchoolYear"),
    }
    found = [f"{service}/{name}" for service, members in names.items() for name in members]
    found += ["AccessService/ExportPersonData", "AccessService/ErasePersonData"]
    return [f"schoolbell.v1.{one}" for one in found]


def _text(struct: Struct) -> str:
    """Return what was before or after as text, '' where it is nothing."""
    found: dict[str, Any] = json_format.MessageToDict(struct)
    return json.dumps(found, ensure_ascii=False, indent=2) if found else ""


ROUTES = [
    web.get("/d/{district}/audit", in_district(show, "audit")),
    web.get("/d/{district}/audit/check", in_district(verify, "audit")),
]
