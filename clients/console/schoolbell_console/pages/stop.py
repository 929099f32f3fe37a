"""Stop a mistake: choose what is wrong, see whom it reaches, and stop what has not left."""

from __future__ import annotations

import asyncio
import datetime as dt
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from aiohttp import web

from schoolbell.errors import SchoolbellError
from schoolbell.v1 import common_pb2, delivery_pb2
from schoolbell.v1.delivery_pb2 import DeliveryFilter
from schoolbell.v1.roster_pb2 import School
from schoolbell.v1.roster_service_pb2 import ListSchoolsRequest
from schoolbell.v1.status_service_pb2 import CancelDeliveriesRequest, ListDeliveriesRequest
from schoolbell_console.districts import in_district
from schoolbell_console.trouble import trouble_of
from schoolbell_console.visit import Visit

_MOST = 1000
_SHOWN = 50
_LONGEST_COMMENT = 1024  # characters
_OUT = (
    delivery_pb2.DELIVERY_STATE_ACCEPTED,
    delivery_pb2.DELIVERY_STATE_DISPLAYED,
    delivery_pb2.DELIVERY_STATE_OPENED,
    delivery_pb2.DELIVERY_STATE_UNCERTAIN,
)


@dataclass(frozen=True, slots=True)
class Choice:
    """What a person chose: the fields of the form, and what they mean."""

    kind: str
    school: str
    start: str
    end: str

    def query(self) -> dict[str, str]:
        """Return the choice as the query of an address."""
        return {"kind": self.kind, "school": self.school, "start": self.start, "end": self.end}

    @property
    def is_made(self) -> bool:
        """Return whether enough is chosen: everything of a district is never stopped at once."""
        return bool(self.kind or self.school)

    def filter(self, zone: dt.tzinfo) -> DeliveryFilter:
        """Return which deliveries are meant; raises ValueError for what is no kind or time."""
        found = DeliveryFilter()
        if self.kind:
            found.kinds.append(common_pb2.Kind.ValueType(int(self.kind)))
        if self.school:
            found.school_ids.append(self.school)
        for text, stamp in (
            (self.start, found.start_create_time),
            (self.end, found.end_create_time),
        ):
            if text:
                stamp.FromDatetime(dt.datetime.fromisoformat(text).replace(tzinfo=zone))
        return found


async def show(visit: Visit) -> web.StreamResponse:
    """Ask what is wrong; once that is chosen, show how much it is and who has it already."""
    return await _page(visit, _chosen(visit.query))


async def stop(visit: Visit) -> web.StreamResponse:
    """Stop what has not left, and show how it goes."""
    form = await visit.look.request.post()
    choice, comment = _chosen(form), str(form.get("comment", "")).strip()[:_LONGEST_COMMENT]
    if not comment or not choice.is_made:
        return await _page(visit, choice, missing=True, status=400)
    try:
        answer = await visit.client.status.CancelDeliveries(
            CancelDeliveriesRequest(
                district_id=visit.district_id,
                filter=choice.filter(visit.words.zone),
                comment=comment,
            )
        )
    except ValueError:
        raise web.HTTPBadRequest from None
    except SchoolbellError as error:
        return await _page(visit, choice, trouble=trouble_of(error)[0], status=409)
    query = choice.query() | {"stopped": str(answer.delivery_count)}
    raise web.HTTPSeeOther(visit.url(f"stop?{urlencode(query)}"))


async def state(visit: Visit) -> web.StreamResponse:
    """Answer the part of the page that shows how it goes."""
    choice = _chosen(visit.query)
    return visit.page("_stop_state.html", **await _counted(visit, choice), **_enums())


async def _page(
    visit: Visit, choice: Choice, *, status: int = 200, missing: bool = False, trouble: str = ""
) -> web.Response:
    schools, counted = await asyncio.gather(_schools(visit), _counted(visit, choice))
    stopped = visit.query.get("stopped", "")
    return visit.page(
        "stop.html",
        status,
        choice=choice,
        schools=schools,
        missing=missing,
        trouble=trouble,
        stopped=int(stopped) if stopped.isdecimal() and len(stopped) < 10 else None,
        kinds=common_pb2.Kind.values()[1:],
        state_url=visit.url(f"stop/state?{urlencode(choice.query())}"),
        **counted,
        **_enums(),
    )


async def _counted(visit: Visit, choice: Choice) -> dict[str, Any]:
    """Return how many deliveries wait, were stopped, and got out; nothing without a choice."""
    if not choice.is_made:
        return {"waiting": None, "got": [], "got_more": False, "stopped_count": 0}
    try:
        chosen = choice.filter(visit.words.zone)
    except ValueError:
        raise web.HTTPBadRequest from None
    count = CancelDeliveriesRequest(
        district_id=visit.district_id, filter=chosen, comment="count", validate_only=True
    )
    cancelled = DeliveryFilter(cancel_causes=[delivery_pb2.CANCEL_CAUSE_PERSON])
    cancelled.MergeFrom(chosen)
    answer, got, gone = await asyncio.gather(
        visit.client.status.CancelDeliveries(count),
        _listed(visit, chosen, _OUT),
        _listed(visit, cancelled, (delivery_pb2.DELIVERY_STATE_CANCELLED,)),
    )
    return {
        "waiting": answer.delivery_count,
        "got": list(got.deliveries),
        "got_more": bool(got.next_page_token),
        "stopped_count": len(gone.deliveries),
        "shown": _SHOWN,
    }


async def _listed(visit: Visit, chosen: DeliveryFilter, states: tuple[Any, ...]) -> Any:
    found = DeliveryFilter(states=states)
    found.MergeFrom(chosen)
    request = ListDeliveriesRequest(district_id=visit.district_id, filter=found, page_size=_MOST)
    return await visit.client.status.ListDeliveries(request)


async def _schools(visit: Visit) -> list[School] | None:
    """Return the schools to choose from; None where the person may not see them."""
    if not visit.can.see_calendars:
        return None
    request = ListSchoolsRequest(district_id=visit.district_id, page_size=_MOST)
    return list((await visit.client.roster.ListSchools(request)).schools)


def _chosen(form: Any) -> Choice:
    values = [str(form.get(name, "")).strip() for name in ("kind", "school", "start", "end")]
    return Choice(values[0][:3], values[1][:128], values[2][:20], values[3][:20])


def _enums() -> dict[str, Any]:
    return {"Kind": common_pb2.Kind, "State": delivery_pb2.DeliveryState}


ROUTES = [
    web.get("/d/{district}/stop", in_district(show, "stop")),
    web.post("/d/{district}/stop", in_district(stop, "stop")),
    web.get("/d/{district}/stop/state", in_district(state, "stop")),
]
