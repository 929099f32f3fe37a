"""FCM under faults, over both versions of HTTP, and its token endpoint."""

from __future__ import annotations

import json
import time

import aiohttp
import pytest

from schoolbell_sandbox.effect import (
    Closing,
    Effect,
)
from schoolbell_sandbox.faults import Endpoint, Fault
from schoolbell_sandbox.server import Sandbox
from tests.service.sandbox.wire import (
    FCM_TOKEN,
    access_token,
    ask_token,
    assertion,
    client_context,
    credentials,
    sandbox,
    send,
    to_fcm,
)

INTERNAL = 2


async def test_fcm_suffers_the_same_faults() -> None:
    message = {"token": FCM_TOKEN}
    async with sandbox() as box, to_fcm(box) as wire:
        token = await access_token(wire, box)
        for effect in (
            Effect(status=429, reason="QUOTA_EXCEEDED", headers={"Retry-After": "7"}),
            Effect(status=404, reason="UNREGISTERED"),
            Effect(status=503),
            Effect(reset=INTERNAL),
        ):
            box.faults.add(Fault(endpoint=Endpoint.FCM, effect=effect, times=1))
        throttled = await send(wire, token, message)
        assert (throttled.status, throttled.headers["retry-after"]) == (429, "7")
        assert throttled.json["error"]["details"][0]["errorCode"] == "QUOTA_EXCEEDED"
        assert (await send(wire, token, message)).json["error"]["status"] == "NOT_FOUND"
        assert (await send(wire, token, message)).json["error"]["status"] == "UNAVAILABLE"
        assert (await send(wire, token, message)).reset == INTERNAL
        assert (await send(wire, token, message)).status == 200
        assert box.ledger.totals().accepted == 2


async def test_the_token_endpoint_fails_by_itself() -> None:
    async with sandbox() as box, to_fcm(box) as wire:
        box.faults.add(Fault(endpoint=Endpoint.OAUTH, effect=Effect(status=503), times=1))
        assert (await ask_token(wire, assertion(box.service_account))).status == 503
        assert (await ask_token(wire, assertion(box.service_account))).status == 200


@pytest.mark.parametrize(
    "effect",
    [Effect(close=Closing.ABORT), Effect(close=Closing.IN_BODY), Effect(reset=INTERNAL)],
    ids=["abort", "in body", "reset"],
)
async def test_http_1_1_is_cut_where_http_2_would_reset(effect: Effect) -> None:
    async with sandbox() as box, aiohttp.ClientSession() as client:
        box.faults.add(Fault(endpoint=Endpoint.FCM, effect=effect))
        with pytest.raises(aiohttp.ClientError):
            await over_http_1(box, client)


async def test_http_1_1_may_be_slow_or_in_error() -> None:
    async with sandbox() as box, aiohttp.ClientSession() as client:
        box.faults.add(Fault(endpoint=Endpoint.FCM, effect=Effect(delay=0.05), times=1))
        box.faults.add(
            Fault(endpoint=Endpoint.FCM, effect=Effect(status=503, close=Closing.CLEAN), times=1)
        )
        begun = time.monotonic()
        assert await over_http_1(box, client) == 401
        assert time.monotonic() - begun >= 0.05
        assert await over_http_1(box, client) == 503


async def over_http_1(box: Sandbox, client: aiohttp.ClientSession) -> int:
    """Send without a token, so that an answer without a fault is 401."""
    path = f"/v1/projects/{credentials().fcm_project_id}/messages:send"
    url = f"https://127.0.0.1:{box.fcm_port}{path}"
    tls = client_context(box, alpn="http/1.1")
    body = json.dumps({"message": {"token": FCM_TOKEN}})
    async with client.post(url, data=body, ssl=tls) as answer:
        await answer.read()
        return answer.status
