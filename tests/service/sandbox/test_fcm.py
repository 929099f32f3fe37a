"""What FCM accepts, its token endpoint and both versions of HTTP."""

from __future__ import annotations

import json
import time
from typing import Any
from urllib.parse import urlencode

import aiohttp
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from schoolbell_sandbox.certificates import private_pem
from schoolbell_sandbox.devices import Death, Device
from schoolbell_sandbox.oauth import GRANT_TYPE
from tests.service.sandbox.wire import (
    FCM_TOKEN,
    access_token,
    ask_token,
    assertion,
    client_context,
    credentials,
    detail,
    sandbox,
    send,
    to_fcm,
)

MESSAGE = {
    "token": FCM_TOKEN,
    "data": {"delivery_id": "d-1", "title": "New grade", "body": "Open the app.", "tag": "key"},
    "android": {"priority": "HIGH", "ttl": "3600s"},
}


async def test_a_message_is_accepted_and_shown() -> None:
    async with sandbox() as box, to_fcm(box) as wire:
        answer = await send(wire, await access_token(wire, box), MESSAGE)
        assert answer.status == 200
        name = answer.json["name"]
        assert name.startswith(f"projects/{credentials().fcm_project_id}/messages/")
        (shown,) = box.ledger.screen(FCM_TOKEN)
        assert shown.text == ("New grade", "Open the app.")
        assert (shown.delivery_id, shown.collapse_key) == ("d-1", "key")
        assert name.endswith(shown.provider_message_id)
        assert shown.expire_time == pytest.approx(shown.accept_time + 3600)


@pytest.mark.parametrize(
    "message",
    [
        {"token": FCM_TOKEN, "android": {"collapseKey": "a", "directBootOk": True}},
        {"fid": "fid-abcdefghijklmnopqrstuvwxyz"},
        {"token": FCM_TOKEN, "apns": {"payload": {"aps": {}}, "headers": {"apns-priority": "5"}}},
        {"token": FCM_TOKEN, "webpush": {"fcm_options": {"link": "https://x.example"}}},
        {"topic": "news"},
        {"condition": "'a' in topics"},
        {"token": FCM_TOKEN, "data": None},
        {"token": FCM_TOKEN, "android": {"priority": "high"}},
        {"token": FCM_TOKEN, "android": {"priority": "normal"}},
    ],
    ids=["camel", "fid", "apns", "webpush", "topic", "condition", "null", "high", "normal"],
)
async def test_what_the_schema_allows_is_accepted(message: dict[str, Any]) -> None:
    async with sandbox() as box, to_fcm(box) as wire:
        assert (await send(wire, await access_token(wire, box), message)).status == 200


async def test_a_project_is_found_by_its_number() -> None:
    async with sandbox() as box, to_fcm(box) as wire:
        token = await access_token(wire, box)
        number = credentials().fcm_project_number
        assert (await send(wire, token, MESSAGE, project=number)).status == 200


async def test_a_dry_run_finds_dead_tokens_and_shows_nothing() -> None:
    async with sandbox() as box, to_fcm(box) as wire:
        token = await access_token(wire, box)
        answer = await send(wire, token, MESSAGE, dry=True)
        assert answer.json["name"].endswith("/messages/fake_message_id")
        assert box.ledger.totals().accepted == 0
        project = credentials().fcm_project_id
        box.fcm.devices.add(Device(address=FCM_TOKEN, app=project, death=Death(time=1.0)))
        dead = await send(wire, token, MESSAGE, dry=True)
        assert (detail(dead, "FcmError") or {})["errorCode"] == "UNREGISTERED"


async def test_errors_are_pretty_printed() -> None:
    async with sandbox() as box, to_fcm(box) as wire:
        answer = await send(wire, "", MESSAGE)
        assert answer.body.startswith(b'{\n  "error": {\n    "code": 401,')


async def test_an_access_token_is_handed_out_and_counted() -> None:
    async with sandbox() as box, to_fcm(box) as wire:
        box.fcm.oauth.lifetime = 120
        answer = await ask_token(wire, assertion(box.service_account))
        assert answer.status == 200
        assert (answer.json["token_type"], answer.json["expires_in"]) == ("Bearer", 120)
        assert box.fcm.oauth.calls == 1
        box.fcm.oauth.revoke_tokens()
        assert (await send(wire, answer.json["access_token"], MESSAGE)).status == 401


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "https://elsewhere.example/token"},
        {"iss": "nobody@nowhere.example"},
        {"iat": 0, "exp": 3601},
        {"iat": -4000, "exp": -400},
        {"iat": 400, "exp": 800},
        {"iat": "yesterday"},
    ],
    ids=["audience", "account", "life", "past", "future", "form"],
)
async def test_a_wrong_assertion_is_an_invalid_grant(claims: dict[str, Any]) -> None:
    """Numbers are seconds from now."""
    now = int(time.time())
    claims = {name: now + at if isinstance(at, int) else at for name, at in claims.items()}
    async with sandbox() as box, to_fcm(box) as wire:
        answer = await ask_token(wire, assertion(box.service_account, **claims))
        assert (answer.status, answer.json["error"]) == (400, "invalid_grant")
        assert answer.json["error_description"]


async def test_a_foreign_signature_is_an_invalid_grant() -> None:
    async with sandbox() as box, to_fcm(box) as wire:
        foreign = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        account = box.service_account | {"private_key": private_pem(foreign).decode()}
        assert (await ask_token(wire, assertion(account))).json["error"] == "invalid_grant"
        hashed = jwt.encode({"iss": account["client_email"]}, "k" * 32, "HS256")
        assert (await ask_token(wire, hashed)).json["error"] == "invalid_grant"
        right = await ask_token(wire, assertion(box.service_account), "password")
        assert right.json["error"] == "unsupported_grant_type"


async def test_a_disabled_account_loses_its_tokens() -> None:
    async with sandbox() as box, to_fcm(box) as wire:
        token = await access_token(wire, box)
        assert box.fcm.oauth.remove_account(credentials().fcm_client_email)
        assert (await send(wire, token, MESSAGE)).status == 401
        assert (await ask_token(wire, assertion(box.service_account))).status == 400


async def test_http_1_1_is_spoken_too() -> None:
    async with sandbox() as box, aiohttp.ClientSession() as client:
        tls = client_context(box, alpn="http/1.1")
        form = urlencode({"grant_type": GRANT_TYPE, "assertion": assertion(box.service_account)})
        kind = {"content-type": "application/x-www-form-urlencoded"}
        async with client.post(box.token_uri, data=form, headers=kind, ssl=tls) as answer:
            token = (await answer.json())["access_token"]
        project = credentials().fcm_project_id
        url = f"https://127.0.0.1:{box.fcm_port}/v1/projects/{project}/messages:send"
        headers = {"authorization": f"Bearer {token}"}
        for expected in ("d-1", "d-2"):
            data = MESSAGE["data"] | {"delivery_id": expected}  # type: ignore[operator]
            body = json.dumps({"message": MESSAGE | {"data": data}})
            async with client.post(url, data=body, headers=headers, ssl=tls) as answer:
                assert answer.status == 200
                assert "name" in await answer.json()
        assert [arrival.delivery_id for arrival in box.ledger.since()] == ["d-1", "d-2"]
        async with client.get(url, ssl=tls) as answer:
            assert answer.status == 404


@pytest.mark.parametrize("priority", ["High", "nORMAL", "", 10, ["high"]])
async def test_no_other_spelling_of_a_priority_is_accepted(priority: object) -> None:
    message = {"token": FCM_TOKEN, "android": {"priority": priority}}
    async with sandbox() as box, to_fcm(box) as wire:
        assert (await send(wire, await access_token(wire, box), message)).status == 400


async def test_the_audience_is_googles_or_the_accounts_own() -> None:
    async with sandbox() as box, to_fcm(box) as wire:
        for audience, status in (
            ("https://oauth2.googleapis.com/token", 200),
            (box.token_uri, 200),
            ("https://localhost:1/token", 400),
            ([box.token_uri], 400),
            (None, 400),
        ):
            answer = await ask_token(wire, assertion(box.service_account, aud=audience))
            assert answer.status == status, audience
