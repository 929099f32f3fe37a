"""The control API: HTTP and JSON on a loopback port, for scripts and tests in any language."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import asdict
from typing import Any, TypeVar

from aiohttp import web

from schoolbell_sandbox import orders
from schoolbell_sandbox.devices import Devices
from schoolbell_sandbox.faults import Endpoint, Fault
from schoolbell_sandbox.from_json import BadInput, decode
from schoolbell_sandbox.gateways import Gateways
from schoolbell_sandbox.ledger import Arrival
from schoolbell_server.domain.kinds import Provider

T = TypeVar("T")


class Control:
    """Answers the control API of one sandbox."""

    def __init__(self, gateways: Gateways) -> None:
        self._on = gateways

    def application(self) -> web.Application:
        """Return the web application with all routes."""
        app = web.Application(middlewares=[explain_errors])
        app.add_routes(
            [
                web.get("/v1/totals", self.totals),
                web.get("/v1/arrivals", self.arrivals),
                web.get("/v1/shown", self.shown),
                web.get("/v1/duplicates", self.duplicates),
                web.get("/v1/phones/{address}", self.phone),
                web.post("/v1/devices", self.add_devices),
                web.patch("/v1/devices/{endpoint}/{address}", self.change_device),
                web.post("/v1/keys", self.add_key),
                web.delete("/v1/keys/{key_id}", self.remove_key),
                web.post("/v1/projects", self.add_project),
                web.post("/v1/accounts", self.add_account),
                web.delete("/v1/accounts/{email}", self.remove_account),
                web.post("/v1/oauth", self.change_oauth),
                web.put("/v1/clock", self.move_clock),
                web.post("/v1/faults", self.add_faults),
                web.get("/v1/faults", self.list_faults),
                web.delete("/v1/faults", self.clear_faults),
                web.post("/v1/connections", self.change_connections),
                web.post("/v1/port", self.change_port),
                web.post("/v1/reset", self.reset),
            ]
        )
        return app

    # -- reading

    async def totals(self, _: web.Request) -> web.Response:
        """Count what happened since the last reset."""
        content = asdict(self._on.ledger.totals()) | {"oauth_calls": self._on.fcm.oauth.calls}
        return web.json_response(content)

    async def arrivals(self, request: web.Request) -> web.Response:
        """List acceptances: `since` an index, at most `limit`, or all of one `address`."""
        address = request.query.get("address")
        if address is not None:
            return web.json_response([describe(a) for a in self._on.ledger.arrivals(address)])
        since, limit = (whole(request, "since", 0), whole(request, "limit", 1000))
        found = self._on.ledger.since(since, limit)
        return web.json_response([describe(arrival) for arrival in found])

    async def duplicates(self, _: web.Request) -> web.Response:
        """List the deliveries accepted more than once, with their counts."""
        return web.json_response(self._on.ledger.duplicates())

    async def phone(self, request: web.Request) -> web.Response:
        """Show a phone's screen, the oldest notification first."""
        screen = self._on.ledger.screen(request.match_info["address"])
        return web.json_response([describe(arrival) for arrival in screen])

    async def shown(self, request: web.Request) -> web.StreamResponse:
        """Stream what phones show as JSON Lines, after the index `since`, for ever."""
        since = whole(request, "since", 0)
        response = web.StreamResponse(headers={"content-type": "application/jsonl"})
        await response.prepare(request)
        with suppress(ConnectionResetError):  # the reader left
            async for batch in self._on.ledger.follow_shown(since):
                lines = "".join(json.dumps(describe(arrival)) + "\n" for arrival in batch)
                await response.write(lines.encode())
        return response

    # -- devices, keys and accounts

    async def add_devices(self, request: web.Request) -> web.Response:
        """Add devices: an object, or a list of them."""
        for order in await decode_each(orders.DeviceOrder, request):
            self._devices(order.endpoint).add(order.device())
        return web.json_response({})

    async def change_device(self, request: web.Request) -> web.Response:
        """Switch a device on or off, let it die or revive it."""
        order = decode(orders.DeviceChange, await request.json())
        devices = self._devices(Endpoint(request.match_info["endpoint"]))
        device = devices.get(request.match_info["address"])
        if device is None:
            raise web.HTTPNotFound(text="no such device")
        if order.revive:
            device.death = None
        if order.death is not None:
            devices.kill(device, order.death)
        if order.online is not None:
            devices.set_online(device, order.online)
        return web.json_response({})

    async def add_key(self, request: web.Request) -> web.Response:
        """Add an APNs signing key."""
        self._on.apns.keys.add_key(decode(orders.KeyOrder, await request.json()).key())
        return web.json_response({})

    async def remove_key(self, request: web.Request) -> web.Response:
        """Revoke an APNs signing key."""
        if not self._on.apns.keys.remove_key(request.match_info["key_id"]):
            raise web.HTTPNotFound(text="no such key")
        return web.json_response({})

    async def add_project(self, request: web.Request) -> web.Response:
        """Add a Firebase project."""
        self._on.fcm.add_project(decode(orders.ProjectOrder, await request.json()).project())
        return web.json_response({})

    async def add_account(self, request: web.Request) -> web.Response:
        """Add a service account."""
        order = decode(orders.AccountOrder, await request.json())
        self._on.fcm.oauth.add_account(order.account())
        return web.json_response({})

    async def remove_account(self, request: web.Request) -> web.Response:
        """Disable a service account and its access tokens."""
        if not self._on.fcm.oauth.remove_account(request.match_info["email"]):
            raise web.HTTPNotFound(text="no such account")
        return web.json_response({})

    async def change_oauth(self, request: web.Request) -> web.Response:
        """Change the life of access tokens, or revoke them."""
        order = decode(orders.OAuthOrder, await request.json())
        if order.lifetime is not None:
            self._on.fcm.oauth.lifetime = order.lifetime
        if order.revoke:
            self._on.fcm.oauth.revoke_tokens()
        return web.json_response({})

    # -- clock, faults and connections

    async def move_clock(self, request: web.Request) -> web.Response:
        """Set or advance the clock; return its time."""
        order = decode(orders.ClockOrder, await request.json())
        if order.time is not None:
            self._on.clock.set(order.time, frozen=order.frozen)
        self._on.clock.advance(order.advance)
        return web.json_response({"time": self._on.clock.now()})

    async def add_faults(self, request: web.Request) -> web.Response:
        """Put faults in force: an object, or a list of them."""
        for fault in await decode_each(Fault, request):
            self._on.faults.add(fault)
        return web.json_response({})

    async def list_faults(self, _: web.Request) -> web.Response:
        """List the faults in force, with the requests they matched and struck."""
        counts = self._on.faults.counts()
        found = [{"fault": asdict(f), "matched": seen, "struck": hit} for f, seen, hit in counts]
        return web.json_response(found)

    async def clear_faults(self, _: web.Request) -> web.Response:
        """End all faults."""
        self._on.faults.clear()
        return web.json_response({})

    async def change_connections(self, request: web.Request) -> web.Response:
        """Send SETTINGS or GOAWAY on all connections of a gateway, or cut them."""
        order = decode(orders.ConnectionsOrder, await request.json())
        listener = self._on.listener(order.endpoint)
        if order.settings is not None:
            listener.change_settings(order.settings)
        if order.goaway is not None:
            listener.go_away(order.goaway)
        if order.cut:
            listener.cut()
        return web.json_response({})

    async def change_port(self, request: web.Request) -> web.Response:
        """Change how a gateway's port answers new connections."""
        order = decode(orders.PortOrder, await request.json())
        listener = self._on.listener(order.endpoint)
        listener.offer_tls_1_1(order.tls_1_1)
        if order.certificate is not None:
            listener.use_certificate(order.certificate)
        await listener.set_mode(order.mode)
        return web.json_response({"port": listener.port})

    async def reset(self, _: web.Request) -> web.Response:
        """Forget devices, faults, quotas, the ledger and the moved clock."""
        self._on.reset()
        return web.json_response({})

    def _devices(self, endpoint: Endpoint) -> Devices:
        return self._on.apns.devices if endpoint is Endpoint.APNS else self._on.fcm.devices


async def decode_each(kind: type[T], request: web.Request) -> list[T]:
    """Decode the body's object, or each of its list."""
    content = await request.json()
    return [decode(kind, entry) for entry in (content if isinstance(content, list) else [content])]


def whole(request: web.Request, name: str, default: int) -> int:
    """Return a whole number of the query."""
    text = request.query.get(name, str(default))
    if not text.isdigit():
        raise BadInput(f"{name}: {text!r} is no whole number")
    return int(text)


def describe(arrival: Arrival) -> dict[str, Any]:
    """Return an arrival as JSON shows it."""
    title, body = arrival.text
    return {
        "index": arrival.index,
        "provider": Provider(arrival.provider).name.lower(),
        "address": arrival.address,
        "app": arrival.app,
        "delivery_id": arrival.delivery_id,
        "provider_message_id": arrival.provider_message_id,
        "collapse_key": arrival.collapse_key,
        "title": title,
        "body": body,
        "payload": arrival.content,
        "accept_time": arrival.accept_time,
        "expire_time": arrival.expire_time,
        "show_time": arrival.show_time,
    }


@web.middleware
async def explain_errors(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Answer bad input with 400, what is not there with 404 and the like, and what is wrong."""
    try:
        return await handler(request)
    except json.JSONDecodeError as error:
        return web.json_response({"error": f"not JSON: {error}"}, status=400)
    except ValueError as error:
        return web.json_response({"error": str(error)}, status=400)
    except web.HTTPException as error:
        return web.json_response({"error": error.text}, status=error.status)
