"""One odd answer or credential ends no server: its link is told, and everybody else goes on."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from schoolbell.v1 import common_pb2, delivery_pb2, status_pb2
from schoolbell_sandbox.effect import Effect
from schoolbell_sandbox.faults import Endpoint, Fault
from schoolbell_server import app
from schoolbell_server.domain.kinds import Outcome, Platform
from schoolbell_server.gateways.common.push import GatewayHealth
from schoolbell_server.gateways.factory import Gateways, build_gateways
from tests.faults.sending import PATIENCE, outcomes, reasons, sending
from tests.faults.wrapped import Wrapped
from tests.service.following import following
from tests.service.scene import MOTHER, phone, populate, publish, register, status_of, tasks
from tests.service.whole import PARENT_APP, Whole, whole

ACCEPTED = delivery_pb2.DELIVERY_STATE_ACCEPTED
DEEP = "[" * 50_000
ODD_TOKENS = [
    '{"access_token":"t","expires_in":null,"token_type":"Bearer"}',
    '{"access_token":"t","expires_in":"soon"}',
    '{"access_token":"t","expires_in":-1}',
    '{"access_token":"t","expires_in":NaN}',
    '{"access_token":"t","expires_in":[]}',
    '{"access_token":5}',
    '{"access_token":""}',
    '{"access_token":"two\\r\\nlines"}',
    '{"access_token":"\\ud800"}',
    DEEP,
    '{"a":' * 50_000,
    "5",
]
ODD_REFUSALS = [
    '{"error":{"code":400,"status":"INVALID_ARGUMENT","details":5}}',
    '{"error":{"code":400,"status":5,"details":[5,{"@type":[]}]}}',
    '{"error":{"details":{"@type":5}}}',
    DEEP,
]
TOKEN_URIS = [
    "",
    "localhost/token",
    "https:///token",
    "https://localhost:99999/t",
    "https://oauth2.googleapis.com /token",
    "http://localhost:1/token",
    "https://[::1/t",
    5,
    None,
    ["https://localhost/t"],
]


def encrypted_key() -> bytes:
    """Return a signing key that has a password."""
    return ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"x"),
    )


async def until(service: Whole, met: Callable[[status_pb2.ServiceState], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while True:
            if met(await status_of(service)):
                return
            await asyncio.sleep(0.05)


def link(found: status_pb2.ServiceState, name: str) -> status_pb2.Link:
    """Return a link by app and provider, such as `parent-ios/apns`."""
    app_id, _, provider = name.partition("/")
    wanted = (app_id, common_pb2.Provider.Value(f"PROVIDER_{provider.upper()}"))
    return next(one for one in found.links if (one.app_id, one.provider) == wanted)


@pytest.mark.parametrize("body", ODD_TOKENS, ids=lambda body: body[:60])
async def test_an_odd_access_token_is_not_sent_and_opens_the_circuit(
    body: str, tmp_path: Path
) -> None:
    async with sending(Platform.ANDROID, tmp_path) as it:
        it.box.faults.add(Fault(endpoint=Endpoint.OAUTH, effect=Effect(status=200, body=body)))
        results = await it.send(20)
        assert outcomes(results) == {Outcome.NOT_SENT: 20}
        assert it.box.ledger.totals().accepted == 0
        async with asyncio.timeout(PATIENCE):
            while not (health := await it.gateway.probe()).circuit_open:
                assert not health.connected
                assert health.reason
                await asyncio.sleep(0.05)
        it.box.faults.clear()
        await it.recover(probing=True)


@pytest.mark.parametrize("platform", [Platform.IOS, Platform.ANDROID])
@pytest.mark.parametrize("body", ODD_REFUSALS, ids=lambda body: body[:60])
async def test_an_odd_refusal_is_no_fault_of_ours(
    body: str, platform: Platform, tmp_path: Path
) -> None:
    async with sending(platform, tmp_path) as it:
        it.suffer(Effect(status=400, body=body))
        results = await it.send(5)
        assert Outcome.ANSWER_LOST not in outcomes(results)
        assert not reasons(results) & {"TypeError", "RecursionError", "AttributeError"}
        await it.gateway.probe()


@pytest.mark.parametrize("endpoint", [Endpoint.OAUTH, Endpoint.FCM, Endpoint.APNS])
@pytest.mark.parametrize("at_start", [True, False], ids=["at start", "while running"])
async def test_nested_brackets_end_no_server(
    endpoint: Endpoint, at_start: bool, tmp_path: Path
) -> None:
    """The other provider goes on; the links of the odd one are told apart from it."""
    name = "apns" if endpoint is Endpoint.APNS else "fcm"
    other_is_ios = endpoint is not Endpoint.APNS
    async with whole(tmp_path) as service:
        await populate(service)
        if at_start:
            await service.stop()
        for status in (200, 400) if endpoint is Endpoint.OAUTH else (400,):
            service.sandbox.faults.clear()
            fault = Fault(endpoint=endpoint, effect=Effect(status=status, body=DEEP))
            service.sandbox.faults.add(fault)
        service.sandbox.fcm.oauth.revoke_tokens()
        if at_start:
            await service.start()
        await until(service, lambda found: _named_state(found, name))
        await register(service, phone(MOTHER, ios=other_is_ios))
        async with following(service) as followed:
            await publish(service, *tasks(0, 3))
            await followed.until_states(*[ACCEPTED] * 3)


def _named_state(found: status_pb2.ServiceState, name: str) -> bool:
    return bool(link(found, f"{PARENT_APP}/{name}").connectivity)


Break = Callable[[Whole], None]


def break_key(service: Whole) -> None:
    ios = service.config.apps[PARENT_APP].ios
    assert ios is not None and ios.key_file is not None
    ios.key_file.write_bytes(encrypted_key())


def break_account(token_uri: object) -> Break:
    def act(service: Whole) -> None:
        android = service.config.apps[PARENT_APP].android
        assert android is not None
        account = {**service.sandbox.service_account, "token_uri": token_uri}
        android.service_account_file.write_text(json.dumps(account))

    return act


def break_authority(service: Whole) -> None:
    ios = service.config.apps[PARENT_APP].ios
    assert ios is not None and ios.ca_file is not None
    ios.ca_file.write_text("no certificate")


@pytest.mark.parametrize(
    ("act", "setting"),
    [
        (break_key, "ios.key_file"),
        (break_authority, "ios.ca_file"),
        *((break_account(uri), "android.service_account_file") for uri in TOKEN_URIS),
    ],
)
async def test_a_bad_file_in_place_of_a_good_one_is_told_and_the_old_one_stays(
    act: Break, setting: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with whole(tmp_path) as service:
        await populate(service)
        await register(service, phone(MOTHER), phone(MOTHER, ios=False, number=2))
        await until(service, lambda found: all(one.connectivity for one in found.links))
        act(service)
        name = f"apps.{PARENT_APP}.{setting}"
        await until(service, lambda found: any(one.text.startswith(name) for one in found.warnings))
        logged = [record for record in caplog.records if getattr(record, "setting", "") == name]
        assert len(logged) == 1, "once, as long as it lasts"
        async with following(service) as followed:
            await publish(service, *tasks(0, 3))
            await followed.until_states(*[ACCEPTED] * 6)
        service.sandbox.write_credentials(tmp_path / "sandbox")
        await until(
            service, lambda found: not any(one.text.startswith(name) for one in found.warnings)
        )
        assert [one for one in caplog.records if one.getMessage() == "warning over"]


async def test_an_account_that_was_never_good_is_told_as_its_links_reason(tmp_path: Path) -> None:
    async with whole(tmp_path) as service:
        await populate(service)
        await service.stop()
        break_account("https:///token")(service)
        await service.start()
        name = f"{PARENT_APP}/fcm"
        await until(service, lambda found: "token_uri" in link(found, name).reason)
        assert link(await status_of(service), name).circuit == status_pb2.CIRCUIT_OPEN
        await register(service, phone(MOTHER))
        async with following(service) as followed:
            await publish(service, *tasks(0, 3))
            await followed.until_states(*[ACCEPTED] * 3)


class Broken(Wrapped):
    """A real gateway whose link has a fault of its own."""

    async def probe(self) -> GatewayHealth:
        raise TypeError("of a student")


async def test_a_fault_of_one_link_is_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def build(*args: Any, **options: Any) -> Gateways:
        found = dict(build_gateways(*args, **options))
        name = PARENT_APP, Platform.ANDROID
        return found | {name: Broken(found[name])}

    monkeypatch.setattr(app, "build_gateways", build)
    async with whole(tmp_path) as service:
        await populate(service)
        name = f"{PARENT_APP}/fcm"
        await until(service, lambda found: link(found, name).reason == "TypeError")
        found = link(await status_of(service), name)
        assert found.connectivity == status_pb2.CONNECTIVITY_DISCONNECTED
        await register(service, phone(MOTHER), phone(MOTHER, ios=False, number=2))
        async with following(service) as followed:
            await publish(service, *tasks(0, 3))
            await followed.until_states(*[ACCEPTED] * 6)
