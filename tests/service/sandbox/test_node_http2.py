"""Node's own HTTP/2 meets the APNs sandbox as it would meet Apple."""

from __future__ import annotations

import json
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from schoolbell_sandbox.apns_settings import ApnsSettings
from schoolbell_sandbox.devices import Death, Device
from schoolbell_sandbox.effect import Effect, GoAway, LastStream
from schoolbell_sandbox.faults import Endpoint, Fault
from schoolbell_sandbox.server import Sandbox
from tests.service.sandbox.node_client import NodeClient
from tests.service.sandbox.wire import ALERT, TOKEN, TOPIC, apns_headers, credentials, sandbox

Reply = dict[str, Any]


@asynccontextmanager
async def connected(box: Sandbox) -> AsyncIterator[NodeClient]:
    async with NodeClient("http2_client.mjs", box) as node:
        await node.connect()
        yield node


async def signed(node: NodeClient, *, age: int = 0, encoding: str = "der") -> str:
    """Let Node sign a provider token of an age in seconds."""
    own = credentials()
    facts = {"key": own.apns_p8, "key_id": own.apns_key_id, "team_id": own.apns_team_id}
    return f"bearer {await node.order('sign', age=age, encoding=encoding, **facts)}"


def request(*, token: str = TOKEN, **headers: str | None) -> dict[str, Any]:
    path = f"/3/device/{token}"
    return {"path": path, "headers": apns_headers(**headers), "body": ALERT.decode()}


async def push(node: NodeClient, *, token: str = TOKEN, **headers: str | None) -> Reply:
    reply: Reply = await node.order("push", **request(token=token, **headers))
    return reply


def reason(reply: Reply) -> tuple[int, str]:
    return reply["status"], json.loads(reply["body"])["reason"]


@pytest.mark.parametrize("encoding", ["der", "ieee-p1363"])
async def test_a_token_that_node_signs_is_accepted_and_the_id_comes_back(encoding: str) -> None:
    async with sandbox() as box, connected(box) as node:
        authorization, apns_id = await signed(node, encoding=encoding), str(uuid.uuid4())
        reply = await push(node, authorization=authorization, apns_id=apns_id)
        assert (reply["status"], reply["body"]) == (200, "")
        assert reply["headers"]["apns-id"] == apns_id
        assert uuid.UUID(reply["headers"]["apns-unique-id"]).hex != uuid.UUID(apns_id).hex
        (arrival,) = box.ledger.since()
        assert (arrival.delivery_id, arrival.payload) == (apns_id, ALERT)


async def test_an_expired_token_is_refused_and_a_new_one_taken() -> None:
    async with sandbox() as box, connected(box) as node:
        old, new = await signed(node, age=3_700), await signed(node)
        assert reason(await push(node, authorization=old)) == (403, "ExpiredProviderToken")
        assert (await push(node, authorization=new))["status"] == 200
        none = await push(node, authorization=None)
        assert reason(none) == (403, "MissingProviderToken")


async def test_the_state_of_a_device_token_is_told() -> None:
    dead, foreign = "cd" * 32, "ef" * 32
    async with sandbox(apns=ApnsSettings(trusting=False)) as box, connected(box) as node:
        box.apns.devices.add(Device(address=TOKEN, app=TOPIC))
        box.apns.devices.add(Device(address=dead, app=TOPIC, death=Death(time=1_795_438_690.143)))
        box.apns.devices.add(Device(address=foreign, app="org.other"))
        assert (await push(node))["status"] == 200
        unknown = await push(node, token="12" * 32)
        assert unknown["headers"]["content-type"] == "application/json"
        assert reason(unknown) == (400, "BadDeviceToken")
        gone = await push(node, token=dead)
        assert gone["status"] == 410
        assert json.loads(gone["body"]) == {"reason": "Unregistered", "timestamp": 1795438690143}
        assert reason(await push(node, token=foreign)) == (400, "DeviceTokenNotForTopic")


async def test_the_stream_limit_is_one_until_a_token_is_accepted_and_is_then_obeyed() -> None:
    async with sandbox() as box, NodeClient("http2_client.mjs", box) as node:
        assert (await node.connect())["maxConcurrentStreams"] == 1
        replies = await node.order("pushes", requests=[request() for _ in range(50)])
        assert [reply["status"] for reply in replies] == [200] * 50
        assert (await node.order("settings"))["maxConcurrentStreams"] == 1000
        box.apns_listener.change_settings({"MAX_CONCURRENT_STREAMS": 3})
        replies = await node.order("pushes", requests=[request() for _ in range(50)])
        assert [reply["status"] for reply in replies] == [200] * 50
        assert (await node.order("settings"))["maxConcurrentStreams"] == 3
        assert box.ledger.totals().accepted == 100


@pytest.mark.parametrize(("last", "accepted"), [(LastStream.BELOW, 4), (LastStream.AT, 5)])
async def test_a_goaway_tells_what_was_processed(last: LastStream, accepted: int) -> None:
    async with sandbox() as box, connected(box) as node:
        assert (await push(node))["status"] == 200
        goaway = GoAway(last_stream=last, reason="Shutdown")
        box.faults.add(Fault(endpoint=Endpoint.APNS, effect=Effect(goaway=goaway), first=4))
        requests = [request() for _ in range(10)]
        replies = await node.order("pushes", requests=requests)
        assert await node.order("goaway") == {
            "code": 0,
            "last_stream": 2 * accepted - 1,
            "data": '{"reason":"Shutdown"}',
        }
        answered = [reply["status"] == 200 for reply in replies]
        assert answered == [True] * (accepted - 1) + [False] * (11 - accepted)
        box.faults.clear()
        await node.connect()
        left = [one for one, done in zip(requests, answered, strict=True) if not done]
        again = await node.order("pushes", requests=left)
        assert [reply["status"] for reply in again] == [200] * len(left)
        assert (box.ledger.totals().accepted, box.ledger.duplicates()) == (11, {})


async def test_a_ping_is_answered() -> None:
    async with sandbox() as box, connected(box) as node:
        assert await node.order("ping") == "schoolbl"
