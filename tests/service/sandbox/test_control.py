"""The control API, as a script in any language uses it."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from schoolbell_sandbox.certificates import private_pem
from schoolbell_sandbox.server import Sandbox
from tests.service.sandbox.wire import (
    FCM_TOKEN,
    TOKEN,
    TOPIC,
    access_token,
    ask_token,
    assertion,
    credentials,
    push,
    sandbox,
    send,
    to_apns,
    to_fcm,
)

ID = "da965cb9-4c90-42e0-bc96-73e5b7316007"


class Remote:
    """A client of the control API."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self.session = session

    async def call(self, method: str, path: str, content: Any = None, status: int = 200) -> Any:
        async with self.session.request(method, path, json=content) as answer:
            assert answer.status == status, await answer.text()
            return await answer.json() if answer.content_type == "application/json" else None

    async def get(self, path: str) -> Any:
        return await self.call("GET", path)

    async def post(self, path: str, content: Any) -> Any:
        return await self.call("POST", path, content)


@asynccontextmanager
async def remote() -> AsyncIterator[tuple[Sandbox, Remote]]:
    async with sandbox() as box:
        url = f"http://127.0.0.1:{box.control_port}"
        async with aiohttp.ClientSession(url) as session:
            yield box, Remote(session)


def public_pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> str:
    kind = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(serialization.Encoding.PEM, kind).decode()


async def test_the_ledger_can_be_read() -> None:
    async with remote() as (box, control), to_apns(box) as wire:
        for _ in range(2):
            await push(wire, apns_id=ID, apns_collapse_id="key")
        await push(wire, token="cd" * 32)
        totals = await control.get("/v1/totals")
        assert (totals["accepted"], totals["duplicates"], totals["replaced"]) == (3, 1, 1)
        assert await control.get("/v1/duplicates") == {ID: 2}
        assert [a["index"] for a in await control.get("/v1/arrivals?since=1")] == [2, 3]
        assert [a["index"] for a in await control.get("/v1/arrivals?limit=1")] == [1]
        mine = await control.get(f"/v1/arrivals?address={TOKEN}")
        assert [a["delivery_id"] for a in mine] == [ID, ID]
        (shown,) = await control.get(f"/v1/phones/{TOKEN}")
        assert (shown["title"], shown["collapse_key"]) == ("New grade", "key")
        assert shown["payload"]["aps"]["alert"]["body"] == "Open the app."


async def test_what_phones_show_can_be_followed() -> None:
    async with remote() as (box, control), to_apns(box) as wire:
        await push(wire, apns_id=ID)
        async with control.session.get("/v1/shown") as stream, asyncio.timeout(20):
            assert json.loads(await stream.content.readline())["delivery_id"] == ID
            await push(wire, token="cd" * 32)
            assert json.loads(await stream.content.readline())["address"] == "cd" * 32


async def test_a_reader_that_leaves_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    async with remote() as (box, control), to_apns(box) as wire:
        await push(wire)
        async with control.session.get("/v1/shown") as leaving, asyncio.timeout(20):
            await leaving.content.readline()
            leaving.close()
        async with control.session.get("/v1/shown") as stream, asyncio.timeout(20):
            for _ in range(5):
                await push(wire)
                await stream.content.readline()
    assert caplog.messages == []


async def test_devices_can_be_added_and_changed() -> None:
    async with remote() as (box, control), to_apns(box) as wire:
        device = {"endpoint": "apns", "address": TOKEN, "app": TOPIC, "online": False}
        other = {"endpoint": "fcm", "address": FCM_TOKEN, "app": "p", "ios": True}
        await control.post("/v1/devices", [device, other])
        path = f"/v1/devices/apns/{TOKEN}"
        await push(wire)
        assert await control.get(f"/v1/phones/{TOKEN}") == []
        await control.call("PATCH", path, {"online": True})
        assert len(await control.get(f"/v1/phones/{TOKEN}")) == 1
        await control.call("PATCH", path, {"death": {"time": 12.5, "reason": "ExpiredToken"}})
        assert (await push(wire)).json == {"reason": "ExpiredToken", "timestamp": 12500}
        await control.call("PATCH", path, {"revive": True})
        assert (await push(wire)).status == 200
        await control.call("PATCH", "/v1/devices/apns/00", {"online": True}, status=404)


async def test_keys_can_be_added_and_revoked() -> None:
    async with remote() as (box, control), to_apns(box) as wire:
        key = ec.generate_private_key(ec.SECP256R1())
        order = {"key_id": "NEWKEY0000", "team_id": "NEWTEAM000", "public_key": public_pem(key)}
        await control.post("/v1/keys", order | {"topics": [TOPIC]})
        claims = {"iss": "NEWTEAM000", "iat": int(time.time())}
        token = jwt.encode(claims, private_pem(key), "ES256", headers={"kid": "NEWKEY0000"})
        assert (await push(wire, authorization=f"bearer {token}")).status == 200
        await control.call("DELETE", "/v1/keys/NEWKEY0000")
        answer = await push(wire, authorization=f"bearer {token}")
        assert answer.reason == "InvalidProviderToken"
        await control.call("DELETE", "/v1/keys/NEWKEY0000", status=404)


async def test_projects_and_accounts_can_be_added_and_disabled() -> None:
    async with remote() as (box, control), to_fcm(box) as wire:
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        await control.post("/v1/projects", {"project_id": "second", "number": "2"})
        email = "sender@second.example"
        order = {"client_email": email, "public_key": public_pem(key), "projects": ["second"]}
        await control.post("/v1/accounts", order)
        account = {"client_email": email, "private_key": private_pem(key).decode()}
        token = str((await ask_token(wire, assertion(account))).json["access_token"])
        message = {"token": FCM_TOKEN}
        assert (await send(wire, token, message, project="second")).status == 200
        disabled = {"project_id": "second", "number": "2", "enabled": False}
        await control.post("/v1/projects", disabled)
        assert (await send(wire, token, message, project="second")).status == 403
        await control.call("DELETE", f"/v1/accounts/{email}")
        assert (await send(wire, token, message, project="second")).status == 401
        await control.call("DELETE", f"/v1/accounts/{email}", status=404)


async def test_access_tokens_can_be_shortened_and_revoked() -> None:
    async with remote() as (box, control), to_fcm(box) as wire:
        await control.post("/v1/oauth", {"lifetime": 10})
        token = await access_token(wire, box)
        assert (await send(wire, token, {"token": FCM_TOKEN})).status == 200
        await control.post("/v1/oauth", {"revoke": True})
        assert (await send(wire, token, {"token": FCM_TOKEN})).status == 401
        assert (await control.get("/v1/totals"))["oauth_calls"] == 1


async def test_the_clock_can_be_moved() -> None:
    async with remote() as (box, control), to_apns(box) as wire:
        order = {"time": 1_000_000, "frozen": True, "advance": 5}
        assert await control.call("PUT", "/v1/clock", order) == {"time": 1_000_005}
        assert (await push(wire)).reason == "ExpiredProviderToken"


async def test_faults_can_be_scripted_listed_and_cleared() -> None:
    async with remote() as (box, control), to_apns(box) as wire:
        await control.post(
            "/v1/faults",
            [
                {
                    "endpoint": "apns",
                    "address": TOKEN,
                    "first": 2,
                    "effect": {"status": 429, "reason": "TooManyRequests"},
                },
                {"probability": 0.0, "effect": {"goaway": {"last_stream": "above"}}},
            ],
        )
        assert [(await push(wire)).status for _ in range(2)] == [200, 429]
        first, second = await control.get("/v1/faults")
        assert (first["matched"], first["struck"], first["fault"]["first"]) == (2, 1, 2)
        assert second["fault"]["effect"]["goaway"]["last_stream"] == "above"
        await control.call("DELETE", "/v1/faults")
        assert (await push(wire)).status == 200


async def test_connections_can_be_told_to_misbehave() -> None:
    async with remote() as (box, control), to_apns(box) as wire, to_apns(box) as other:
        await push(wire)
        await push(other)
        settings = {"endpoint": "apns", "settings": {"MAX_CONCURRENT_STREAMS": 3}}
        await control.post("/v1/connections", settings)
        await wire.until(lambda: wire.settings[-1].get(3) == 3)
        goaway = {"endpoint": "apns", "goaway": {"reason": "Shutdown", "close": False}}
        await control.post("/v1/connections", goaway)
        await wire.until(lambda: bool(wire.goaways))
        assert wire.goaways[0].last_stream_id == 1
        await control.post("/v1/connections", {"endpoint": "apns", "cut": True})
        await wire.until_closed()
        await other.until_closed()


async def test_a_port_can_be_told_to_refuse() -> None:
    async with remote() as (box, control):
        await control.post("/v1/port", {"endpoint": "fcm", "mode": "refusing"})
        with pytest.raises(ConnectionRefusedError):
            async with to_fcm(box):
                pass
        order = {"endpoint": "fcm", "certificate": ""}
        assert await control.post("/v1/port", order) == {"port": box.fcm_port}
        async with to_fcm(box) as wire:
            assert await access_token(wire, box)


async def test_a_reset_forgets_all_but_the_keys() -> None:
    async with remote() as (box, control), to_apns(box) as wire:
        box.apns.devices.clear()
        await control.call("PUT", "/v1/clock", {"advance": 9000})
        await control.post("/v1/faults", {"effect": {"status": 503}})
        assert (await push(wire)).status == 503
        await control.call("POST", "/v1/reset")
        assert (await push(wire, apns_topic="org.other")).status == 200
        totals = await control.get("/v1/totals")
        assert (totals["accepted"], totals["rejected"]) == (1, {})


@pytest.mark.parametrize(
    ("path", "content", "words"),
    [
        ("/v1/faults", {"effect": {"sattus": 503}}, "effect: unknown field 'sattus'"),
        ("/v1/faults", {"effect": {"status": "503"}}, "effect.status: '503' has the wrong type"),
        ("/v1/faults", {"effect": {"apns_id": "odd"}}, "effect.apns_id: 'odd' is none of"),
        ("/v1/faults", {"endpoint": "apns"}, "effect: is required"),
        ("/v1/devices", {"endpoint": "apns", "address": "ab"}, "app: is required"),
        ("/v1/faults", {"effect": {"close": "loud"}}, "'loud' is none of '', 'clean'"),
        ("/v1/devices", [1], "wrong type"),
        ("/v1/keys", {"key_id": "k", "team_id": "t", "public_key": "x"}, "PEM"),
        ("/v1/accounts", {"client_email": "a", "public_key": "x", "projects": []}, "PEM"),
        ("/v1/connections", {"endpoint": "apns", "settings": {"ODD": 1}}, "ODD"),
    ],
)
async def test_bad_input_is_explained(path: str, content: Any, words: str) -> None:
    async with remote() as (box, control), to_apns(box) as wire:
        await push(wire)
        answer = await control.call("POST", path, content, status=400)
        assert words in answer["error"]


async def test_every_refusal_is_json() -> None:
    async with remote() as (_, control):
        missing = await control.call("PATCH", "/v1/devices/apns/00", {}, status=404)
        assert missing == {"error": "no such device"}
        assert "Not Found" in (await control.call("GET", "/v1/nothing", status=404))["error"]
        assert "Allowed" in (await control.call("DELETE", "/v1/totals", status=405))["error"]
        assert "since" in (await control.call("GET", "/v1/shown?since=x", status=400))["error"]
        async with control.session.post("/v1/faults", data=b"{") as answer:
            assert (answer.status, (await answer.json())["error"][:8]) == (400, "not JSON")


async def test_the_key_of_an_account_is_no_key_for_apns() -> None:
    async with remote() as (_, control):
        public = public_pem(rsa.generate_private_key(public_exponent=65537, key_size=2048))
        order = {"key_id": "k", "team_id": "t", "public_key": public}
        answer = await control.call("POST", "/v1/keys", order, status=400)
        assert "elliptic-curve" in answer["error"]
        assert credentials().apns_key_id
