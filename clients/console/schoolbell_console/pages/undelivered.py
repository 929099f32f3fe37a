"""Undelivered: what did not get through, by reason, and sending it again."""

from __future__ import annotations

import asyncio
from collections import Counter
from urllib.parse import urlencode

from aiohttp import web

from schoolbell.errors import SchoolbellError
from schoolbell.v1 import common_pb2, delivery_pb2
from schoolbell.v1.delivery_pb2 import DeliveryFilter
from schoolbell.v1.status_service_pb2 import ListDeliveriesRequest, RetryDeliveriesRequest
from schoolbell_console.districts import in_district
from schoolbell_console.trouble import status_of, trouble_of
from schoolbell_console.visit import Visit

_MOST = 1000
_PAGE = 50
_AGAIN = (delivery_pb2.DELIVERY_STATE_FAILED, delivery_pb2.DELIVERY_STATE_UNCERTAIN)
_STATES = (
    *_AGAIN,
    delivery_pb2.DELIVERY_STATE_REJECTED,
    delivery_pb2.DELIVERY_STATE_EXPIRED,
)


async def show(visit: Visit) -> web.StreamResponse:
    """Show what did not get through, by state and reason."""
    return await _page(visit)


async def retry(visit: Visit) -> web.StreamResponse:
    """Send what failed for one reason again."""
    if not visit.can.steer:
        return visit.page("no_right.html", 403, place="undelivered")
    form = await visit.look.request.post()
    state, outcome = _number(str(form.get("state", ""))), _number(str(form.get("outcome", "")))
    if state not in _AGAIN:
        raise web.HTTPBadRequest
    request = RetryDeliveriesRequest(district_id=visit.district_id, filter=_filter(state, outcome))
    try:
        answer = await visit.client.status.RetryDeliveries(request)
    except SchoolbellError as error:
        return await _page(visit, status=status_of(error), trouble=trouble_of(error)[0])
    raise web.HTTPSeeOther(visit.url(f"undelivered?again={answer.delivery_count}"))


async def _page(visit: Visit, *, status: int = 200, trouble: str = "") -> web.Response:
    state, outcome = _number(visit.query.get("state", "")), _number(visit.query.get("outcome", ""))
    everything = [  # each by itself, so that many of one hide none of another
        ListDeliveriesRequest(
            district_id=visit.district_id, filter=DeliveryFilter(states=[one]), page_size=_MOST
        )
        for one in _STATES
    ]
    some = ListDeliveriesRequest(
        district_id=visit.district_id,
        filter=_filter(state, outcome) if state in _STATES else DeliveryFilter(states=_STATES),
        page_size=_PAGE,
        page_token=visit.query.get("page", ""),
    )
    page, *every = await asyncio.gather(
        *(visit.client.status.ListDeliveries(one) for one in (some, *everything))
    )
    listed = [one for answer in every for one in answer.deliveries]
    groups = Counter((one.state, one.last_attempt.outcome) for one in listed)
    cut = {state for state, answer in zip(_STATES, every, strict=True) if answer.next_page_token}
    again = visit.query.get("again", "")
    chosen = {"state": str(state), "outcome": str(outcome)} if state else {}
    return visit.page(
        "undelivered.html",
        status,
        groups=groups.most_common(),
        cut=cut,
        rows=list(page.deliveries),
        next_page=urlencode({**chosen, "page": page.next_page_token})
        if page.next_page_token
        else "",
        chosen=(state, outcome) if state else None,
        again=int(again) if again.isdecimal() and len(again) < 10 else None,
        can_again=_AGAIN,
        trouble=trouble,
        Kind=common_pb2.Kind,
        State=delivery_pb2.DeliveryState,
        Outcome=delivery_pb2.Outcome,
    )


def _filter(state: int, outcome: int) -> DeliveryFilter:
    found = DeliveryFilter(states=[delivery_pb2.DeliveryState.ValueType(state)])
    if outcome:
        found.outcomes.append(delivery_pb2.Outcome.ValueType(outcome))
    return found


def _number(text: str) -> int:
    return int(text) if text.isdecimal() and len(text) < 4 else 0


ROUTES = [
    web.get("/d/{district}/undelivered", in_district(show, "undelivered")),
    web.post("/d/{district}/undelivered", in_district(retry, "undelivered")),
]
