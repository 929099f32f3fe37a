"""What happens now: a stream of sums for the page, and the deliveries behind them."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field

from aiohttp import web

from schoolbell.errors import SchoolbellError
from schoolbell.v1 import common_pb2, delivery_pb2
from schoolbell.v1.status_service_pb2 import GetDeliveryRequest
from schoolbell_console.board import Board
from schoolbell_console.districts import in_district
from schoolbell_console.following import Following
from schoolbell_console.session import RENEW, SESSION
from schoolbell_console.texts import member_slug
from schoolbell_console.visit import Visit

_TICK = 1.0  # seconds
_UNREAD = 64 * 1024  # bytes that a reader may leave unread before the next sum waits for it
_PATIENCE = 20.0  # seconds that a sum waits
_LONGEST = 600.0  # seconds: then the browser comes back, and its session goes on
_MOST = 200
_MOST_OF_ONE = 20  # of one session: a browser opens no more tabs of a page than that at once
_LANES = ("attendance", "lunch", "responsive", "assignment", "grade")


@dataclass
class Streams:
    """The streams that are open."""

    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    open: Counter[str] = field(default_factory=Counter)
    """How many there are of each session, by its id."""
    tick: float = _TICK
    patience: float = _PATIENCE

    def take(self, session_id: str) -> bool:
        """Count another one of a session; return False where there are enough."""
        if self.open.total() >= _MOST or self.open[session_id] >= _MOST_OF_ONE:
            return False
        self.open[session_id] += 1
        return True

    def give_back(self, session_id: str) -> None:
        """Count one of a session less."""
        self.open[session_id] -= 1
        self.open += Counter()  # which forgets those that have none


STREAMS = web.AppKey("streams", Streams)


async def show(visit: Visit) -> web.StreamResponse:
    """Show the page; its script asks for the stream."""
    kinds = [
        (member_slug(common_pb2.Kind, one), visit.words.member(common_pb2.Kind, one))
        for one in common_pb2.Kind.values()[1:]
    ]
    providers = [
        (member_slug(common_pb2.Provider, one), visit.words.member(common_pb2.Provider, one))
        for one in common_pb2.Provider.values()[1:]
    ]
    states = [
        (member_slug(delivery_pb2.DeliveryState, one), state_text(visit, one))
        for one in delivery_pb2.DeliveryState.values()[1:]
        if one != delivery_pb2.DELIVERY_STATE_SENDING
    ]
    return visit.page("live.html", kinds=kinds, providers=providers, states=states, lanes=_LANES)


def state_text(visit: Visit, state: int) -> str:
    """Return a state of a delivery in words."""
    return visit.words.member(delivery_pb2.DeliveryState, state)


async def events(visit: Visit) -> web.StreamResponse:
    """Stream a sum every second, from where a page that comes back left off."""
    request = visit.look.request
    streams, session = request.app[STREAMS], request[SESSION]
    if not streams.take(session.session_id):
        return web.Response(status=503)
    try:
        return await _events(visit, request, streams)
    finally:
        streams.give_back(session.session_id)


async def _events(visit: Visit, request: web.Request, streams: Streams) -> web.StreamResponse:
    board = Board(visit.words)
    position = request.headers.get("Last-Event-ID", "")[:1000]
    following = Following(visit.client, visit.district_id, board, position)
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    request[RENEW] = True  # a page that is watched is used
    await response.prepare(request)
    _bound(request)
    task = asyncio.create_task(following.run())
    try:
        await _stream(response, streams, board, following, task)
    except ConnectionError:
        pass  # the page was closed
    except TimeoutError:  # nobody reads
        if request.transport is not None:
            request.transport.abort()
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError, SchoolbellError):
            await task
    return response


async def _stream(
    response: web.StreamResponse,
    streams: Streams,
    board: Board,
    following: Following,
    task: asyncio.Task[None],
) -> None:
    await response.write(b"retry: 1000\n\n")
    end = time.monotonic() + _LONGEST
    while time.monotonic() < end and not streams.stopping.is_set():
        with suppress(TimeoutError):
            await asyncio.wait_for(streams.stopping.wait(), streams.tick)
        if task.done():  # it never ends by itself: a right or the key was lost
            if getattr(task.exception(), "reason", "") == "KEY_EXPIRED":
                return  # the browser comes back, with another credential if there is one
            await response.write(b"event: denied\ndata: {}\n\n")
            return
        text = json.dumps(board.tick())
        async with asyncio.timeout(streams.patience):
            await response.write(f"id: {following.position}\ndata: {text}\n\n".encode())


def _bound(request: web.Request) -> None:
    """Bound what is kept of a stream for a reader who does not read, here and in the kernel."""
    transport = request.transport
    if transport is None:
        return
    transport.set_write_buffer_limits(high=_UNREAD)
    if (kept := transport.get_extra_info("socket")) is not None:
        kept.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _UNREAD)


async def delivery(visit: Visit) -> web.StreamResponse:
    """Show one delivery with its attempts."""
    answer = await visit.client.status.GetDelivery(
        GetDeliveryRequest(district_id=visit.district_id, delivery_id=visit.query.get("id", ""))
    )
    return visit.page(
        "delivery.html",
        one=answer.delivery,
        Kind=common_pb2.Kind,
        Provider=common_pb2.Provider,
        Platform=common_pb2.Platform,
        State=delivery_pb2.DeliveryState,
        Outcome=delivery_pb2.Outcome,
        Cause=delivery_pb2.CancelCause,
        Hold=delivery_pb2.HoldCause,
        Reason=common_pb2.RefusalReason,
    )


async def end_streams(app: web.Application) -> None:
    """End the streams before the console stops; the pages come back by themselves."""
    app[STREAMS].stopping.set()


ROUTES = [
    web.get("/d/{district}/live", in_district(show, "live")),
    web.get("/d/{district}/live/events", in_district(events, "live")),
    web.get("/d/{district}/delivery", in_district(delivery, "live")),
]
